package compare

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"infer/internal/stats"
	"infer/report"
)

func node(name, op, shapes string, seconds, half float64) report.Share {
	lo, hi := seconds-half, seconds+half
	return report.Share{Name: name, Op: op, Shapes: shapes, Count: 1, Seconds: seconds, Lo: &lo, Hi: &hi}
}

func TestExplainNodes(t *testing.T) {
	base := []report.Share{node("conv1", "Conv", "1x8", 0.001, 0.00001), node("fc", "Gemm", "1x10", 0.0004, 0.00005), node("relu_nchwc", "Relu", "1x8", 0.0002, 0.00001), node("gone", "Softmax", "1x10", 0.0001, 0.00001)}
	head := []report.Share{node("conv1", "Conv", "1x8", 0.001, 0.00001), node("deliberately_slow", "Conv", "1x48", 0.0009, 0.00001), node("fc", "QGemm", "1x10", 0.00042, 0.00005),
		node("deliberately_slow_too", "Conv", "1x1", 0.0004, 0.00001), node("relu", "Relu", "1x8", 0.0003, 0.00001)}
	x := ExplainNodes(base, head)
	if x.What != "nodes" || len(x.Rows) != 6 {
		t.Fatalf("%+v", x)
	}
	find := func(name string) report.ExplainRow {
		for _, r := range x.Rows {
			if r.Name == name {
				return r
			}
		}
		t.Fatalf("no row %q", name)
		return report.ExplainRow{}
	}
	near := func(a, b float64) bool { return math.Abs(a-b) < 1e-9 }
	// All increases: 0.9 + 0.4 + 0.1 + 0.02 ms.
	if r := x.Rows[0]; r.Name != "deliberately_slow" || r.State != "added" || r.Base != nil || !near(r.Change, 0.0009) || !near(r.Share, 0.9/1.42) || !near(*r.Lo, 0.00089) || !near(*r.Hi, 0.00091) {
		t.Errorf("%+v", r)
	}
	if r := find("gone"); r.State != "removed" || r.Head != nil || !near(r.Change, -0.0001) || r.Share != 1 {
		t.Errorf("%+v", r)
	}
	if r := find("fc"); r.State != "changed operator" || r.Op != "Gemm → QGemm" || !noise(r) || !near(*r.Hi, 0.00002+math.Hypot(0.00005, 0.00005)) {
		t.Errorf("%+v", r)
	}
	if r := find("relu_nchwc → relu"); r.State != "" || noise(r) {
		t.Errorf("matched by operator and shape: %+v", r)
	}
	if !near(*x.Total.Base, 0.0017) || !near(*x.Total.Head, 0.00302) || !near(x.Total.Change, 0.00132) {
		t.Errorf("%+v", x.Total)
	}
	for _, want := range []string{
		"The nodes of a run take 3.02 ms in head and 1.70 ms in base (+77.6 %). ",
		"2 nodes were added and take 1.30 ms a run, 91.5 % of the increase: Conv deliberately_slow (900 µs), Conv deliberately_slow_too (400 µs). ",
		"1 node was removed that took 100 µs a run, 100 % of the decrease: Softmax gone (100 µs). ",
		"Of the nodes on both sides 1 moved beyond the noise of the two profiles: Relu relu_nchwc → relu +100",
	} {
		if !strings.Contains(x.Reading, want) {
			t.Errorf("%q is not in %q", want, x.Reading)
		}
	}
	same := ExplainNodes(base, base)
	if !strings.Contains(same.Reading, "(+0 %), within noise. Of the nodes on both sides none moved") || !noise(same.Total) {
		t.Error(same.Reading)
	}
	if ExplainNodes(nil, head) != nil || ExplainNodes(base, nil) != nil {
		t.Error("a side without nodes is explained")
	}
}

// What is left out of the rows is summed up in the last, so that they still add up.
func TestExplainManyNodes(t *testing.T) {
	var base, head []report.Share
	for i := range 300 {
		base, head = append(base, node(fmt.Sprint("n", i), "Add", "", 0.001, 0.0001)), append(head, node(fmt.Sprint("n", i), "Add", "", 0.001+float64(i)*1e-6, 0.0001))
	}
	x := ExplainNodes(base, head)
	sum, share := 0.0, 0.0
	for _, r := range x.Rows {
		sum, share = sum+r.Change, share+r.Share
	}
	if len(x.Rows) != maxExplained || x.Rows[99].Name != "201 other nodes" || math.Abs(sum-x.Total.Change) > 1e-9 || math.Abs(share-1) > 1e-9 {
		t.Errorf("%d rows add up to %v of %v, %v", len(x.Rows), sum, x.Total.Change, share)
	}
}

func sketch(values ...float64) *stats.Sketch {
	s := &stats.Sketch{}
	for _, v := range values {
		s.Add(v)
	}
	return s
}

// phased is a load test of a hundred requests of this latency, of which these parts are told.
func phased(latency, lag, queue, compute float64) *report.LoadDetails {
	f := &report.LoadFigures{Seconds: 10, Lag: sketch(lag), ConnWait: sketch(0), Queue: report.LoadMean{N: 100, Sum: 100 * queue}, Compute: report.LoadMean{N: 100, Sum: 100 * compute}}
	for i := range 10 {
		s := report.LoadSection{Seconds: 1, Latency: &stats.Sketch{}}
		for range 10 {
			s.Latency.Add(latency * (1 + 0.001*float64(i%2)))
		}
		f.Sections = append(f.Sections, s)
	}
	f.Slowest = []report.LoadSlow{{Latency: 4 * latency}}
	half := 0.5
	return &report.LoadDetails{Figures: f, Tail: &report.LoadTail{N: 1, Queue: &half, Compute: &half}}
}

func TestExplainPhases(t *testing.T) {
	x := ExplainPhases(phased(0.010, 0.0001, 0.002, 0.005), phased(0.016, 0.0001, 0.008, 0.005))
	if x == nil || x.What != "phases" || x.Rows[0].Name != "queue" || math.Abs(x.Rows[0].Change-0.006) > 1e-9 || !(x.Rows[0].Share > 0.99) {
		t.Fatalf("%+v", x)
	}
	if len(x.Rows) != 5 || x.Total.Lo == nil || noise(x.Total) {
		t.Errorf("%+v", x.Total)
	}
	for _, want := range []string{"A request takes on average 16.0 ms in head and 10.0 ms in base (+60", "Queue moved most: +6 ms", "Of the slowest requests it is the "} {
		if !strings.Contains(x.Reading, want) {
			t.Errorf("%q is not in %q", want, x.Reading)
		}
	}
	var sum float64
	for _, r := range x.Rows {
		sum += r.Change
	}
	if math.Abs(sum-x.Total.Change) > 1e-6 {
		t.Errorf("phases add up to %v, latency to %v", sum, x.Total.Change)
	}
	// A phase that one side does not tell is in the rest of both.
	silent := phased(0.010, 0.0001, 0, 0)
	silent.Figures.Queue, silent.Figures.Compute = report.LoadMean{}, report.LoadMean{}
	x = ExplainPhases(silent, phased(0.016, 0.0001, 0.008, 0.005))
	if x.Rows[0].Name != "rest" || len(x.Rows) != 3 || math.Abs(x.Rows[0].Change-0.006) > 1e-4 {
		t.Errorf("%+v", x.Rows)
	}
	queue, compute := 0.002, 0.005
	silent.Server = &report.LoadServer{Queue: &queue, Compute: &compute}
	if x = ExplainPhases(silent, phased(0.016, 0.0001, 0.008, 0.005)); x.Rows[0].Name != "queue" {
		t.Errorf("what the server tells of itself is not used: %+v", x.Rows)
	}
	if ExplainPhases(nil, silent) != nil || ExplainPhases(silent, &report.LoadDetails{}) != nil || ExplainPhases(silent, &report.LoadDetails{Figures: &report.LoadFigures{}}) != nil {
		t.Error("a load test without answers is explained")
	}
}

func TestExplainOfFiles(t *testing.T) {
	doc := func(extra ...report.Share) *report.Document {
		d := profiled(t, nil)
		if err := d.SetDetails(report.ProfileDetails{ByNode: append([]report.Share{node("conv", "Conv", "1", 0.001, 0.00001)}, extra...)}); err != nil {
			t.Fatal(err)
		}
		return d
	}
	o := DefaultOptions
	o.Explain = true
	_, x := compared(t, inputs(doc(), doc()), inputs(doc(node("slow", "Conv", "2", 0.002, 0.00001))), o)
	if x.Explain == nil || x.Explain.Rows[0].Name != "slow" {
		t.Errorf("%+v", x.Explain)
	}
	d, x := compared(t, inputs(profiled(t, nil)), inputs(doc()), o)
	if x.Explain != nil || !strings.Contains(strings.Join(d.Warnings, "\n"), "nothing tells which part moved") {
		t.Errorf("%+v, %q", x.Explain, d.Warnings)
	}
}
