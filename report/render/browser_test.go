package render

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"infer/internal/chromium"
	"infer/report"
)

// Pages of all the kinds that people look at in a browser. Wide and light, narrow and dark, nothing is wider than the
// window, axe-core finds no barrier (scripts/page-check.sh installs it and names it in INFER_TEST_AXE), nothing but the file
// itself is asked for, and the browser complains of nothing. INFER_TEST_SHOTS gets the pictures.
func TestDecisionLooks(t *testing.T) { looks(t, decisionDocs(t)) }

func TestReportLooks(t *testing.T) {
	compared, loads := compareDocs(t), loadDocs(t)
	docs := map[string]*report.Document{"profile": profileDoc(t), "quantize": quantizeDocs(t)["quantize"]}
	for _, name := range []string{"compare-regressed", "compare-inconclusive", "compare-forced", "compare-not-comparable"} {
		docs[name] = compared[name]
	}
	for _, name := range []string{"loadtest-missed", "loadtest-search", "loadtest-sweep"} {
		docs[name] = loads[name]
	}
	looks(t, docs)
}

func looks(t *testing.T, docs map[string]*report.Document) {
	c := chromium.Start(t)
	for name, d := range docs {
		page := filepath.Join(t.TempDir(), name+".html")
		if err := os.WriteFile(page, []byte(render(t, d, "html", Options{})), 0o644); err != nil {
			t.Fatal(err)
		}
		for _, scheme := range []string{"light", "dark"} {
			for _, width := range []int{1200, 390} {
				if (scheme == "dark") != (width == 390) && os.Getenv("INFER_TEST_SHOTS") == "" {
					continue // colours do not depend on the width, nor widths on colours: two looks see all, pictures aside
				}
				c.Look(width, scheme)
				c.Open("file://" + page)
				c.Shot(fmt.Sprintf("%s-%s-%d", name, scheme, width))
				c.Eval(`for (const d of document.querySelectorAll("details")) d.open = true`, nil)
				var wide int
				c.Eval(`document.documentElement.scrollWidth`, &wide)
				if wide > width {
					t.Errorf("%s, %s: the page is %d px wide, the window %d", name, scheme, wide, width)
				}
				c.Axe()
			}
		}
		for _, u := range c.URLs {
			if u != "file://"+page {
				t.Errorf("%s asked for %s", name, u)
			}
		}
		c.URLs = nil
	}
	c.Complaints(0)
}

// The table of configurations is sorted by the keyboard alone: by numbers where there are such, and what was not
// measured stays last in both directions.
func TestDecisionSorts(t *testing.T) {
	c := chromium.Start(t)
	page := filepath.Join(t.TempDir(), "page.html")
	if err := os.WriteFile(page, []byte(render(t, chosenDoc(t), "html", Options{})), 0o644); err != nil {
		t.Fatal(err)
	}
	c.Open("file://" + page)
	order := func() []string {
		var names []string
		c.Eval(`[...document.querySelector("table.sortable").tBodies[0].rows].map((r) => r.cells[0].firstChild.textContent.trim())`, &names)
		return names
	}
	press := func(head string) {
		c.Eval(fmt.Sprintf(`[...document.querySelectorAll("table.sortable button")].find((b) => b.textContent === %q).focus()`, head), nil)
		c.Key("Enter", 13)
	}
	written := order()
	press("p99")
	if got, want := order(), []string{"distilled int8", "int8 batched", "int8", "fp32 batched", "fp32"}; !slices.Equal(got, want) {
		t.Errorf("by p99: %s, want %s; it was written as %s", got, want, written)
	}
	for range 2 {
		press("per million")
		if got := order(); got[4] != "distilled int8" {
			t.Errorf("by cost: %s, and the one without a cost is not last", got)
		}
	}
	if got, want := order(), "fp32 fp32 batched int8 int8 batched distilled int8"; strings.Join(got, " ") != want {
		t.Errorf("by falling cost: %s, want %s", got, want)
	}
	var sorted string
	c.Eval(`document.querySelector("[aria-sort]").textContent + document.querySelector("[aria-sort]").ariaSort`, &sorted)
	if sorted != "per milliondescending" {
		t.Errorf("the head says %q", sorted)
	}
}
