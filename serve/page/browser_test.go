package page_test

import (
	"fmt"
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"infer/internal/chromium"
	"infer/model/tensor"
	"infer/serve/repository"
)

// shown opens the page of a server and waits until its models are there.
func shown(t *testing.T, c *chromium.Page, url string, models int) {
	t.Helper()
	c.Open(url + "/")
	c.Wait(fmt.Sprintf(`document.querySelectorAll(".card").length === %d`, models))
}

// TestTryTensors fills in the form of a model, with the keyboard alone, and reads its answer; then it gives a shape
// that does not fit the values, and a request that the server refuses.
func TestTryTensors(t *testing.T) {
	c := chromium.Start(t)
	shown(t, c, serving(t, nil, identity(t, "echo", tensor.Float32, "N", 2), identity(t, "half", tensor.Float16, 3)), 2)
	c.Eval(`document.querySelector("form.try-form textarea").focus(); document.activeElement.select()`, nil)
	c.Call("Input.insertText", map[string]any{"text": "1.5, [-2]"}, nil)
	c.Key("Tab", 9)
	var on string
	c.Eval(`document.activeElement.textContent`, &on)
	if on != "Send" {
		t.Errorf("Tab leads from the values to %q, not to Send", on)
	}
	c.Key("Enter", 13)
	c.Wait(`document.querySelector(".answer pre")`)
	var answer string
	c.Eval(`document.querySelector(".answer").innerText`, &answer)
	for _, want := range []string{"200", "in all", "1 row in the run", "queue", "run", "y: FP32 1 × 2", "1.5, -2"} {
		if !strings.Contains(answer, want) {
			t.Errorf("the answer lacks %q:\n%s", want, answer)
		}
	}
	for _, x := range []struct{ shape, problem, answer string }{
		{"2, 2", "the shape has 4 elements, and there are 2 values", ""},
		{"one", "a shape is a list of whole numbers", ""},
		{"2, 1", "", "unexpected shape"},
	} {
		c.Eval(fmt.Sprintf(`(() => { const form = document.querySelector("form.try-form"); form.querySelector("input").value = %q; form.requestSubmit(); })()`, x.shape), nil)
		c.Wait(fmt.Sprintf(`document.querySelector("[role=alert]").textContent.includes(%q) && document.querySelector(".answer").innerText.includes(%q)`, x.problem, x.answer))
	}
	c.Eval(`document.querySelectorAll("details.try")[1].open = true; document.querySelectorAll("form.try-form textarea")[1].value = "1, -0.5, 65504"; document.querySelectorAll("form.try-form")[1].requestSubmit()`, nil)
	c.Wait(`document.querySelectorAll(".answer")[1].innerText.includes("1, -0.5, 65504")`) // binary, there and back
	c.Complaints(1)
}

// TestTryImage sends a picture of a digit through the form, and looks for its label.
func TestTryImage(t *testing.T) {
	c := chromium.Start(t)
	shown(t, c, serving(t, nil, digits(t)), 1)
	c.Eval(`document.querySelector("form.try-form").requestSubmit()`, nil)
	c.Wait(`document.querySelector("[role=alert]").textContent.includes("Choose an image first")`)
	var node struct{ Root struct{ NodeID int } }
	c.Call("DOM.getDocument", nil, &node)
	var field struct{ NodeID int }
	c.Call("DOM.querySelector", map[string]any{"nodeId": node.Root.NodeID, "selector": "input[type=file]"}, &field)
	c.Call("DOM.setFileInputFiles", map[string]any{"nodeId": field.NodeID, "files": []string{digitOne(t)}}, nil)
	c.Wait(`document.querySelector(".drop img").naturalWidth > 0`)
	c.Eval(`document.querySelector("form.try-form").requestSubmit()`, nil)
	c.Wait(`document.querySelectorAll(".answer .bars")[1]?.querySelectorAll("li").length === 3`)
	var best string
	c.Eval(`document.querySelectorAll(".answer .bars")[1].querySelector("li").innerText`, &best)
	if !strings.Contains(best, "one") {
		t.Errorf("a one is taken for %q", best)
	}
	c.Complaints(0)
}

// digitOne draws a one, as white on black as the digits of the model's data.
func digitOne(t *testing.T) string {
	t.Helper()
	m := image.NewGray(image.Rect(0, 0, 28, 28))
	for y := 5; y < 23; y++ {
		for x := 13; x < 16; x++ {
			m.SetGray(x, y, color.Gray{Y: 255})
		}
	}
	path := filepath.Join(t.TempDir(), "one.png")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := png.Encode(f, m); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestAsksForKey refuses the page until it has the key, which it must not store anywhere.
func TestAsksForKey(t *testing.T) {
	c := chromium.Start(t)
	url := serving(t, secret(t), digits(t))
	c.Open(url + "/")
	enter := func(key string) {
		c.Wait(`!document.getElementById("key").hidden`)
		c.Eval(fmt.Sprintf(`document.getElementById("key-field").value = %q; document.getElementById("key").requestSubmit()`, key), nil)
	}
	var state string
	c.Wait(`!document.getElementById("key").hidden`)
	c.Eval(`[document.getElementById("state").textContent, ...[...document.querySelectorAll("section, nav a")].filter((e) => e.checkVisibility()).map((e) => e.id || e.textContent)].join(" ")`, &state)
	if state != "needs a key API api" {
		t.Errorf("without a key the page shows %q", state)
	}
	enter("wrong")
	c.Wait(`document.getElementById("key-hint").textContent.includes("does not take this key")`)
	enter("secret")
	c.Wait(`document.querySelectorAll(".card").length === 1 && document.getElementById("key").hidden && document.getElementById("live").checkVisibility()`)
	var kept string
	c.Eval(`JSON.stringify([{...localStorage}, {...sessionStorage}, document.cookie, location.href])`, &kept)
	if strings.Contains(kept, "secret") {
		t.Errorf("the key is kept: %s", kept)
	}
}

// TestPauses: neither a hidden page nor a paused one asks the server.
func TestPauses(t *testing.T) {
	c := chromium.Start(t)
	shown(t, c, serving(t, nil, digits(t)), 1)
	count := `performance.getEntriesByType("resource").filter((r) => r.name.endsWith("/live")).length`
	var before, after int
	c.Eval(`document.getElementById("pause").click()`, nil)
	c.Eval(`new Promise((done) => setTimeout(() => done(`+count+`), 300))`, &before) // one may be under way
	c.Eval(`new Promise((done) => setTimeout(() => done(`+count+`), 1500))`, &after)
	if after != before {
		t.Errorf("a paused page asked %d times", after-before)
	}
	c.Eval(`Object.defineProperty(document, "hidden", { get: () => true, configurable: true }); document.getElementById("pause").click()`, nil)
	c.Eval(`new Promise((done) => setTimeout(() => done(`+count+`), 1500))`, &after)
	if after != before {
		t.Errorf("a hidden page asked %d times", after-before)
	}
	c.Eval(`delete document.hidden; document.dispatchEvent(new Event("visibilitychange"))`, nil)
	c.Eval(`new Promise((done) => { const look = () => (`+count+` > `+fmt.Sprint(after)+` ? done(true) : setTimeout(look, 20)); look(); })`, nil)
}

// TestLooks opens the page wide and narrow, light and dark, with traffic and an answer on it: nothing is wider than the
// window, axe-core finds nothing (scripts/page-check.sh installs it and names it in INFER_TEST_AXE), nothing is loaded
// from elsewhere, and INFER_TEST_SHOTS gets the pictures.
func TestLooks(t *testing.T) {
	models := looks(t)
	url := serving(t, nil, models...)
	traffic(t, url)
	c := chromium.Start(t)
	for _, scheme := range []string{"light", "dark"} {
		for _, width := range []int{1200, 360} {
			c.Look(width, scheme)
			shown(t, c, url, len(models))
			c.Eval(`for (const d of document.querySelectorAll("details")) d.open = true`, nil)
			c.Eval(`[...document.querySelectorAll("form.try-form")].at(-1).requestSubmit()`, nil) // "features", the last by name
			c.Wait(`document.querySelector(".answer .bars")`)
			c.Eval(`for (const d of document.querySelectorAll("details")) d.open = true`, nil)
			var wide int
			c.Eval(`document.documentElement.scrollWidth`, &wide)
			if wide > width {
				t.Errorf("%s: the page is %d px wide, the window %d", scheme, wide, width)
			}
			c.Shot(fmt.Sprintf("page-%s-%d", scheme, width))
			c.Axe()
		}
	}
	c.Complaints(0)
	for _, u := range c.URLs {
		if !strings.HasPrefix(u, url+"/") && !strings.HasPrefix(u, "blob:") {
			t.Errorf("the page asked %s", u)
		}
	}
}

// looks are models to look at.
func looks(t *testing.T) []repository.Source {
	list := []repository.Source{digits(t), identity(t, "features", tensor.Float32, "batch", 4), broken(t)}
	shared := filepath.Join(sharedModels, "banking77-encoder", "banking77-encoder.onnx")
	if _, err := os.Stat(shared); err == nil {
		list = append(list, repository.Source{Path: shared})
	}
	return list
}

// traffic gives the charts something to show.
func traffic(t *testing.T, url string) {
	t.Helper()
	body := []byte(`{"inputs":[{"name":"x","shape":[1,4],"datatype":"FP32","data":[1,2,3,4]}]}`)
	for range 200 {
		if status, _, answer := request(t, "POST", url+"/v2/models/features/infer", "application/json", body, nil); status != 200 {
			t.Fatalf("status %d: %s", status, answer)
		}
	}
	if status, _, _ := request(t, "POST", url+"/v2/models/features/infer", "application/json", []byte("{}"), nil); status != 400 {
		t.Fatalf("status %d", status)
	}
}
