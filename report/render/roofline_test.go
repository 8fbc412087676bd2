package render

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"infer/report"
)

// rooflineCeilings are those of a machine with ridges at 10 FLOP/B, at 40 OP/B for int8 and at 2 FLOP/B in the cache.
func rooflineCeilings() *report.Ceilings {
	f := report.Interval{Value: 222e9, Lo: ptr(190e9), Hi: ptr(210e9), N: 24}
	return &report.Ceilings{
		Float32: &f, Int8: &report.Interval{Value: 888e9, Lo: ptr(700e9), Hi: ptr(800e9), N: 24},
		Memory: &report.Interval{Value: 22.2e9, Lo: ptr(19e9), Hi: ptr(21e9), N: 24}, Cache: &report.Interval{Value: 111e9, N: 4}, CacheBytes: 6291456,
		Threads: 2, Provider: "cpu", Measured: "2026-11-20T12:00:00Z", Age: 3 * 24 * 3600, Cached: true,
		Probes:    []report.Probe{{Name: "MatMul 512 float32", Roof: "float32", Rate: f}},
		Disturbed: []string{"other processes used 17.0 % of the machine, limit 10 %"},
		Notes:     []string{"memory: a triad in Go, counted as two words read and one written, as the bytes of nodes are"},
	}
}

func rooflineNode(name, op, class string, seconds, flops, bytes, efficiency float64) report.Share {
	s := report.Share{Name: name, Op: op, Class: class, Count: 1, Seconds: seconds, FLOPs: &flops, Bytes: &bytes}
	if efficiency > 0 {
		s.Efficiency = &efficiency
	}
	return s
}

// rooflineRows are nodes of every class, sorted by time.
func rooflineRows() []report.Share {
	rows := []report.Share{
		rooflineNode("/layer1/conv<1>", "Conv", "compute", 2e-3, 380e6, 4e6, 0.856),
		rooflineNode("/head/fc", "Gemm", "memory", 1e-3, 8e6, 16e6, 0.72),
		rooflineNode("/layer2/conv", "QLinearConv", "compute", 0.9e-3, 500e6, 6e6, 0.626),
		rooflineNode("/layer2/softmax", "Softmax", "other", 0.5e-3, 4e6, 1.6e6, 0.144),
		rooflineNode("/layer3/conv", "Conv", "compute", 0.4e-3, 100e6, 3e6, 1.13),
		rooflineNode("/layer3/transpose", "Transpose", "memory", 0.3e-3, 0, 4e6, 0.6),
		{Name: "/custom", Op: "Custom", Count: 1, Seconds: 0.2e-3},
		rooflineNode("/layer3/add", "Add", "overhead", 2e-6, 1e3, 12e3, 0),
	}
	total := 0.
	for _, r := range rows {
		total += r.Seconds
	}
	for i := range rows {
		rows[i].Share = rows[i].Seconds / total
	}
	return rows
}

func rooflineDoc(t *testing.T) *report.Document {
	rows := rooflineRows()
	return base(t, "profile", report.ProfileDetails{By: "node", Top: 7, ByNode: rows, ProfiledRuns: 20, Ceilings: rooflineCeilings(),
		Memory: &report.Memory{Initializers: 1_200_000}})
}

func TestRooflineGolden(t *testing.T) {
	d := rooflineDoc(t)
	for file, o := range map[string]Options{"roofline.txt": {}, "roofline-120.txt": {Width: 120}, "roofline-ascii.txt": {ASCII: true}, "roofline-60.txt": {Width: 60}} {
		golden(t, filepath.Join("testdata", file), render(t, d, "text", o))
	}
	golden(t, "testdata/roofline.md", render(t, d, "markdown", Options{}))
	golden(t, "testdata/roofline.html", render(t, d, "html", Options{}))
}

// TestRooflineWidth: no line is longer than the terminal, with and without a picture, and styles take no columns.
func TestRooflineWidth(t *testing.T) {
	d := rooflineDoc(t)
	for _, width := range []int{40, 60, 62, 80, 200} {
		text := render(t, d, "text", Options{Width: width})
		for l := range strings.Lines(text) {
			if n := columns(strings.TrimSuffix(l, "\n")); n > width && !strings.Contains(l, "/") {
				t.Errorf("width %d: %d columns: %s", width, n, l)
			}
		}
		picture, marks := strings.Contains(text, "└───"), strings.Contains(text, "  mark  ")
		if want := width >= textChartLeast+gap; picture != want || marks != want {
			t.Errorf("width %d: a picture %t, marks %t, want %t", width, picture, marks, want)
		}
	}
	styled := render(t, d, "text", Options{Styles: Styles{Dim: func(s string) string { return "<" + s + ">" }}})
	if plain := strings.NewReplacer("<", "", ">", "").Replace(styled); plain != strings.NewReplacer("<", "", ">", "").Replace(render(t, d, "text", Options{})) {
		t.Errorf("styles change the text:\n%s", plain)
	}
	for _, r := range render(t, d, "text", Options{ASCII: true}) {
		if r > 0x7e {
			t.Fatalf("%q in ASCII", r)
		}
	}
}

// TestRooflineParts: what is drawn where there is little to draw.
func TestRooflineParts(t *testing.T) {
	c := rooflineCeilings()
	rows := rooflineRows()
	text := func(c *report.Ceilings, rows []report.Share, format string) string {
		return render(t, base(t, "profile", report.ProfileDetails{By: "op", ByNode: rows, Ceilings: c}), format, Options{})
	}
	picture := func(s string) bool {
		return strings.Contains(s, "└───") || strings.Contains(s, `id="roofline-title"`)
	}
	for _, format := range []string{"text", "html"} {
		if picture(text(c, nil, format)) {
			t.Errorf("%s: a picture of no nodes", format)
		}
		if picture(text(&report.Ceilings{Float32: c.Float32, Provider: "cuda", Threads: 2}, rows, format)) {
			t.Errorf("%s: a picture without a bandwidth", format)
		}
		if !picture(text(c, rows[:2], format)) {
			t.Errorf("%s: no picture of two nodes", format)
		}
	}
	for n, want := range map[int]int{2: 2, 3: 3} { // the third is the first of integers
		if r := newRoofline(c, rows[:n], n); len(r.roofs) != want {
			t.Errorf("%d roofs over %d nodes, want %d", len(r.roofs), n, want)
		}
	}
	if s := text(nil, rows, "text"); strings.Contains(s, "roofline") {
		t.Errorf("without ceilings:\n%s", s)
	}
	if r := newRoofline(c, rows, 4); len(r.nodes) != 5 || r.untimed != 1 || r.idle != 1 || r.unknown != 1 || strings.Join(r.marks, "") != "abcd" || r.nodes[4].mark != "" {
		t.Errorf("picture of %d nodes, marks %q, not in it %d, %d, %d", len(r.nodes), r.marks, r.untimed, r.idle, r.unknown)
	}
}

// TestRoofLines: a roof rises by its bandwidth from the edge of the plot to the ridge, and is flat behind it.
func TestRoofLines(t *testing.T) {
	f := roof{name: "r", rate: 100, bandwidth: 10} // ridge at 10
	x, y := axis{lo: 1, hi: 1000, log: true}, axis{lo: 20, hi: 200, log: true}
	// At 2 operations a byte the roof is 20, the bottom of the plot.
	if got, want := f.lines(x, y), [][2]float64{{2, 20}, {10, 100}, {1000, 100}}; !slices.Equal(got, want) {
		t.Errorf("corners %v, want %v", got, want)
	}
	f.name = ""
	if got, want := f.lines(x, y), [][2]float64{{2, 20}, {10, 100}}; !slices.Equal(got, want) {
		t.Errorf("the slope alone: %v, want %v", got, want)
	}
}

func TestRooflineHostile(t *testing.T) {
	rows := rooflineRows()
	rows[0].Name, rows[0].Op, rows[1].Class = hostile, hostile, hostile
	c := rooflineCeilings()
	c.Notes, c.Disturbed, c.Provider, c.Probes[0].Name = []string{hostile}, []string{hostile}, hostile, hostile
	harmless(t, base(t, "profile", report.ProfileDetails{By: "op", ByNode: rows, Ceilings: c}))
}

func TestRooflineLooks(t *testing.T) {
	looks(t, map[string]*report.Document{"roofline": rooflineDoc(t)})
}
