package export

import (
	"bytes"
	"encoding/csv"
	"math"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"infer/internal/fault"
	"infer/model/trace"
	"infer/report"
)

// odd are names that a format could trip over.
var odd = []string{`we"ird` + "\n/é;x y", "bad\xff\xfe/utf8", "back\\slash\\n", "tab\t;\r\n", "<script>", "/a//b/", ""}

// source is a profile of a loop with a body, a convolution of the same microsecond as its neighbour, a node of another
// thread, and nodes with odd names.
func source(names ...string) Source {
	d := report.New("profile")
	d.Created = time.Unix(1_700_000_000, 0).UTC()
	d.Manifest.Model = &report.ModelRef{Path: "models/bert.onnx", SHA256: "ab12"}
	d.Manifest.Options = map[string]any{"threads": 2}
	d.Manifest.Tool = "1.2.3"
	mean := 60e-6
	d.Add(report.Metric{Name: "latency_mean", Unit: "s", Value: &mean})
	macs, eff := 4e6, 0.5
	x := &report.ProfileDetails{ProfiledRuns: 20, Correction: &report.Correction{}, Memory: &report.Memory{Initializers: 1024}, ByNode: []report.Share{
		{Name: "/encoder/layer.0/MatMul", Op: "MatMul", Provider: "CPUExecutionProvider", Count: 1, Seconds: 30e-6, Share: 0.6, MACs: &macs, Class: "compute", Efficiency: &eff, Shapes: "1x8", Origins: []string{"a", "b;c"}},
		{Name: "/encoder/layer.1/MatMul", Op: "MatMul", Count: 1, Seconds: 10e-6, Share: 0.2, MACs: &macs},
		{Name: "loop", Op: "Loop", Count: 1, Seconds: 5e-6, Share: 0.1},
	}}
	t := &trace.Trace{Format: trace.ONNXRuntime, Runs: 1, RunSeconds: []float64{61e-6}, PeakInUse: 4096, Last: []trace.Event{
		{Name: "loop", Op: "Loop", Begin: 0, Seconds: 30e-6, Thread: 7},
		{Name: "body", Op: "Add", Begin: 1e-6, Seconds: 9e-6, Thread: 7},
		{Name: "body", Op: "Add", Begin: 9e-6, Seconds: 22e-6, Thread: 7}, // begins before its neighbour's end, ends behind the loop's
		{Name: "/encoder/layer.0/MatMul", Op: "MatMul", Begin: 30e-6, Seconds: 30e-6, Thread: 7},
		{Name: "/encoder/layer.1/MatMul", Op: "MatMul", Begin: 5e-6, Seconds: 20e-6, Thread: 8},
		{Name: "overlap", Op: "Relu", Begin: 15e-6, Seconds: 20e-6, Thread: 8},
		{Name: "broken", Op: "Relu", Begin: math.NaN(), Seconds: 1, Thread: 8},
	}}
	for i, n := range names {
		x.ByNode = append(x.ByNode, report.Share{Name: n, Op: "Relu", Count: 1, Seconds: float64(i+1) * 1e-6})
		t.Last = append(t.Last, trace.Event{Name: n, Op: "Relu", Begin: float64(60+i) * 1e-6, Seconds: 1e-6, Thread: 7})
	}
	return Source{d, x, t}
}

func written(t *testing.T, format string, s Source) []byte {
	t.Helper()
	var b bytes.Buffer
	for _, f := range Formats() {
		if f.Name == format {
			if err := f.Write(&b, s); err != nil {
				t.Fatalf("%s: %v", format, err)
			}
			return b.Bytes()
		}
	}
	t.Fatalf("no format %q", format)
	return nil
}

func TestFormatsRefuse(t *testing.T) {
	empty := Source{report.New("profile"), &report.ProfileDetails{}, nil}
	for _, f := range Formats() {
		var b bytes.Buffer
		err := f.Write(&b, empty)
		if fault.KindOf(err) != fault.Unsupported || !strings.Contains(err.Error(), "to export") {
			t.Errorf("%s: %v", f.Name, err)
		}
		if b.Len() > 0 {
			t.Errorf("%s wrote %q of nothing", f.Name, b.String())
		}
	}
}

// TestCSVHasAllColumns fails when report.Share gets a field that the file lacks.
func TestCSVHasAllColumns(t *testing.T) {
	var heads []string
	for _, c := range columns() {
		heads = append(heads, c.head)
	}
	fields := reflect.TypeFor[report.Share]()
	for i := range fields.NumField() {
		name, _, _ := strings.Cut(fields.Field(i).Tag.Get("json"), ",")
		if !slices.Contains(heads, name) && !slices.Contains(heads, name+"_seconds") {
			t.Errorf("no column for %q", name)
		}
	}
}

func TestCSV(t *testing.T) {
	rows, err := csv.NewReader(bytes.NewReader(written(t, "csv", source(odd...)))).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	if len(rows) != 1+3+len(odd) {
		t.Fatalf("%d rows", len(rows))
	}
	get := func(row int, head string) string { return rows[row][slices.Index(rows[0], head)] }
	for _, c := range []struct{ head, want string }{
		{"name", "/encoder/layer.0/MatMul"}, {"op", "MatMul"}, {"seconds", "3e-05"}, {"macs", "4e+06"}, {"origins", `["a","b;c"]`}, {"class", "compute"}, {"efficiency", "0.5"}, {"flops", ""}, {"calls", ""},
	} {
		if got := get(1, c.head); got != c.want {
			t.Errorf("%s is %q, want %q", c.head, got, c.want)
		}
	}
	if got := get(4, "name"); got != `we"ird\n/é;x y` {
		t.Errorf("an odd name became %q", got)
	}
	if got := get(5, "name"); got != `bad\xff\xfe/utf8` {
		t.Errorf("a name that is no UTF-8 became %q", got)
	}
}

var foldedLine = regexp.MustCompile(`^[^;]+(;[^;]+)* \d+$`)

func TestFolded(t *testing.T) {
	text := string(written(t, "folded", source(odd...)))
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	if len(lines) != 3+len(odd) {
		t.Fatalf("%d lines: %q", len(lines), text)
	}
	if want := "bert.onnx;encoder/;encoder/layer.0/;/encoder/layer.0/MatMul;MatMul 30000"; lines[0] != want {
		t.Errorf("%q, want %q", lines[0], want)
	}
	var sum int
	for _, l := range lines {
		if !foldedLine.MatchString(l) {
			t.Errorf("%q is no stack", l)
		}
		n, err := strconv.Atoi(l[strings.LastIndexByte(l, ' ')+1:])
		if err != nil {
			t.Error(err)
		}
		sum += n
	}
	if want := 45000 + 1000*len(odd)*(len(odd)+1)/2; sum != want {
		t.Errorf("%d ns together, want %d", sum, want)
	}
}

// FuzzExport writes a profile with any names in all formats and reads it strictly.
func FuzzExport(f *testing.F) {
	for _, n := range odd {
		f.Add(n, n, 3e-6, 9e-6)
	}
	f.Add("a", "b", math.Inf(1), -1.0)
	f.Fuzz(func(t *testing.T, a, b string, begin, seconds float64) {
		s := source(a, b)
		last := &s.Trace.Last[len(s.Trace.Last)-1]
		last.Begin, last.Seconds = begin, seconds
		checkChrome(t, written(t, "chrome", s))
		checkPprof(t, written(t, "pprof", s))
		checkSpeedscope(t, written(t, "speedscope", s))
		for l := range strings.Lines(string(written(t, "folded", s))) {
			if !foldedLine.MatchString(strings.TrimSuffix(l, "\n")) {
				t.Errorf("%q is no stack", l)
			}
		}
		if rows, err := csv.NewReader(bytes.NewReader(written(t, "csv", s))).ReadAll(); err != nil || len(rows) != 6 {
			t.Errorf("%d rows: %v", len(rows), err)
		}
	})
}
