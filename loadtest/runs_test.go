package loadtest

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"infer/internal/fault"
	"infer/loadtest/sample"
	"infer/report"
)

// run is the document of a load, the k-th of some, judged by p99<20ms.
func run(t *testing.T, k int, change func(*report.LoadDetails)) *report.Document {
	t.Helper()
	f := sample.NewFold(sample.FoldOptions{To: time.Second, Limit: 20 * time.Millisecond})
	f.Add(loaded())
	x := &report.LoadDetails{Target: report.LoadTarget{URL: "http://h", Protocol: "oip-http", Rows: 1},
		Schedule: report.LoadSchedule{Loop: "open", Arrival: "poisson", Seed: uint64(k), SHA256: fmt.Sprintf("%064d", k), Planned: 100, Stages: []report.LoadStage{{From: 100, To: 100, For: 1}}},
		Window:   report.LoadWindow{WarmUp: 0.1, Seconds: 1}, Figures: f.Figures(), Faults: []report.LoadFault{{Outcome: "failed", Text: "no", Count: int64(k)}}}
	if change != nil {
		change(x)
	}
	d := report.New("loadtest")
	d.Created = time.Date(2026, 11, 27, 12, k, 0, 0, time.UTC)
	derive(d, x)
	check(d, x, false, usage{}, leastLag)
	slo, err := report.ParseSLO("p99<20ms")
	if err != nil {
		t.Fatal(err)
	}
	gates, err := report.ParseGates("loadtest", []string{"throughput>=50/s"})
	if err != nil {
		t.Fatal(err)
	}
	if err := judge(d, x, []report.Gate{slo}, gates); err != nil {
		t.Fatal(err)
	}
	if err := d.Validate(); err != nil {
		t.Fatal(err)
	}
	return d
}

// TestMergeRuns: runs of one load add up, whatever their order, and are judged as the first was.
func TestMergeRuns(t *testing.T) {
	docs := []*report.Document{run(t, 3, nil), run(t, 1, nil), run(t, 2, nil)}
	d, err := MergeRuns(docs, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Validate(); err != nil {
		t.Error(err)
	}
	x, err := Details(d)
	if err != nil {
		t.Fatal(err)
	}
	if len(x.Runs) != 3 || *x.Runs[0].Seed != 1 || *x.Runs[2].Seed != 3 || x.Runs[1].N != 100 || !x.Runs[1].Valid {
		t.Errorf("runs %+v", x.Runs)
	}
	if x.Schedule.Planned != 300 || x.Schedule.SHA256 != "" || x.Window.Seconds != 3 || x.Faults[0].Count != 6 {
		t.Errorf("schedule %+v, window %+v, faults %+v", x.Schedule, x.Window, x.Faults)
	}
	// 100 answers a second in each, as in all of them.
	if m := d.Metric("throughput", nil); m.N != 300 || math.Abs(*m.Value-100) > 1e-6 {
		t.Errorf("%+v", m)
	}
	if m := d.Metric("latency_p50", nil); m.N != 300 || m.Value == nil {
		t.Errorf("%+v", m)
	}
	if len(d.Gates) != 2 || d.Gates[0].Expr != "p99<20ms" || d.Gates[1].Expr != "throughput>=50/s" || d.Gates[1].Verdict != report.Pass {
		t.Errorf("gates %+v", d.Gates)
	}
	if !d.Created.Equal(docs[0].Created) {
		t.Errorf("created %v: the newest run is of %v", d.Created, docs[0].Created)
	}
	for _, w := range d.Warnings {
		if strings.Contains(w, "this sample has 100") {
			t.Errorf("a warning of one run alone: %s", w)
		}
	}
}

func TestMergeRunsRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*report.LoadDetails)
		want   string
	}{
		"target":      {func(x *report.LoadDetails) { x.Target.URL = "http://other" }, "target is http://h in one and http://other in the other"},
		"protocol":    {func(x *report.LoadDetails) { x.Target.Protocol = "tfs" }, "protocol is"},
		"options":     {func(x *report.LoadDetails) { x.Target.Options = "--batch 2" }, "options is"},
		"rows":        {func(x *report.LoadDetails) { x.Target.Rows = 2 }, "rows of a request is 1 in one and 2"},
		"arrival":     {func(x *report.LoadDetails) { x.Schedule.Arrival = "constant" }, "arrival is"},
		"rate":        {func(x *report.LoadDetails) { x.Schedule.Stages[0].To = 200 }, "stages is"},
		"concurrency": {func(x *report.LoadDetails) { x.Schedule.Concurrency = 3 }, "concurrency is 0 in one and 3"},
		"limit":       {func(x *report.LoadDetails) { x.Figures.Limit = 1 }, "the runs do not add up"},
		"shard":       {func(x *report.LoadDetails) { x.Schedule.Shard = "0/2" }, "shard 0/2 is a part of a run"},
		"search":      {func(x *report.LoadDetails) { x.Search = &report.LoadSearch{} }, "a search or a sweep"},
		"merged":      {func(x *report.LoadDetails) { x.Runs = []report.MergedRun{{}} }, "of merged runs already"},
		"damaged":     {func(x *report.LoadDetails) { x.Figures.Good = -1 }, "no load counts that"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := MergeRuns([]*report.Document{run(t, 1, nil), run(t, 2, c.change)}, nil, nil)
			if fault.KindOf(err) != fault.Usage || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
	if _, err := MergeRuns([]*report.Document{run(t, 1, nil), run(t, 1, nil)}, nil, nil); err == nil || !strings.Contains(err.Error(), "here twice") {
		t.Error(err)
	}
}
