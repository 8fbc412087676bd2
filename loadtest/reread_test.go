package loadtest

import (
	"math"
	"strings"
	"testing"
	"time"

	"infer/internal/fault"
	"infer/loadtest/sample"
	"infer/report"
)

// loaded are the samples of a second at 100/s, each answered after a millisecond.
func loaded() []sample.Sample {
	list := make([]sample.Sample, 100)
	for i := range list {
		due := time.Duration(i) * 10 * time.Millisecond
		list[i] = sample.Sample{Index: int64(i), Due: due, Sent: due, Done: due + time.Millisecond, Outcome: sample.OK}
	}
	return list
}

// shardDocument is a document of shard "I/N" of a load.
func shardDocument(t *testing.T, shard string, change func(*report.LoadDetails)) *report.Document {
	t.Helper()
	f := sample.NewFold(sample.FoldOptions{To: time.Second})
	f.Add(loaded())
	x := &report.LoadDetails{Schedule: report.LoadSchedule{Loop: "open", SHA256: strings.Repeat("0", 64), Shard: shard, Planned: 100}, Figures: f.Figures()}
	if change != nil {
		change(x)
	}
	d := report.New("loadtest")
	if err := d.SetDetails(x); err != nil {
		t.Fatal(err)
	}
	return d
}

// TestFiguresOfNoLoad: counts that no load can have made are refused before they are added up, where they would wrap.
func TestFiguresOfNoLoad(t *testing.T) {
	gates, err := report.ParseGates("loadtest", []string{"throughput>=1"})
	if err != nil {
		t.Fatal(err)
	}
	judge := func(d *report.Document) error {
		x, err := Details(d)
		if err != nil {
			return err
		}
		return Rejudge(d, x, nil, gates)
	}
	good := func() *report.Document { return shardDocument(t, "0/2", nil) }
	if err := judge(good()); err != nil {
		t.Fatal(err)
	}
	whole, err := Merge([]*report.Document{good(), shardDocument(t, "1/2", nil)}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if x, err := Details(whole); err != nil || x.Schedule.Planned != 200 {
		t.Errorf("%+v, %v", x, err)
	}
	for name, change := range map[string]func(*report.LoadDetails){
		"due":          func(x *report.LoadDetails) { x.Figures.Sections[0].Due = math.MaxInt64 },
		"sum of due":   func(x *report.LoadDetails) { x.Figures.Sections[0].Due, x.Figures.Sections[1].Due = 1<<52, 1<<52 },
		"negative due": func(x *report.LoadDetails) { x.Figures.Sections[0].Due = -1 },
		"sent":         func(x *report.LoadDetails) { x.Figures.Sections[0].Sent = math.MinInt64 },
		"answered":     func(x *report.LoadDetails) { x.Figures.Sections[0].Answered = 1 << 53 },
		"good":         func(x *report.LoadDetails) { x.Figures.Sections[0].Good = -5 },
		"outcomes":     func(x *report.LoadDetails) { x.Figures.Sections[0].Outcomes["ok"] = -1 },
		"timeline":     func(x *report.LoadDetails) { x.Figures.Timeline[0].Failed = -1 },
		"all good":     func(x *report.LoadDetails) { x.Figures.Good = -1 },
		"checked":      func(x *report.LoadDetails) { x.Figures.Checked = -1 },
		"bytes":        func(x *report.LoadDetails) { x.Figures.Bytes = math.MaxInt64 },
		"queue":        func(x *report.LoadDetails) { x.Figures.Queue.N = -1 },
		"compute":      func(x *report.LoadDetails) { x.Figures.Compute.N = -1 },
		"batch":        func(x *report.LoadDetails) { x.Figures.Batch.N = -1 },
		"planned":      func(x *report.LoadDetails) { x.Schedule.Planned = math.MaxInt64 },
		"faults":       func(x *report.LoadDetails) { x.Faults = []report.LoadFault{{Outcome: "failed", Count: math.MaxInt64}} },
		"correctness":  func(x *report.LoadDetails) { x.Correctness = &report.LoadCorrectness{Wrong: -1} },
		"shard":        func(x *report.LoadDetails) { x.Schedule.Shard = "5/2" },
		"shard tail":   func(x *report.LoadDetails) { x.Schedule.Shard = "1/2 of it" },
		"shard of 0":   func(x *report.LoadDetails) { x.Schedule.Shard = "0/0" },
	} {
		t.Run(name, func(t *testing.T) {
			bad := shardDocument(t, "1/2", change)
			_, second := Merge([]*report.Document{good(), bad}, nil, nil)
			_, first := Merge([]*report.Document{bad, good()}, nil, nil)
			for _, err := range []error{first, second, judge(bad)} {
				if fault.KindOf(err) != fault.Usage || fault.HintOf(err) != hintDamaged {
					t.Errorf("%v (hint %q)", err, fault.HintOf(err))
				}
			}
		})
	}
}

// TestRereadDamaged: the document in a file of samples keeps the contract, and the window is one of a load, or the file is
// refused.
func TestRereadDamaged(t *testing.T) {
	second := sample.FoldOptions{To: time.Second}
	for _, c := range []struct {
		name    string
		verdict report.Verdict
		fold    sample.FoldOptions
		want    string // "": it is read
	}{
		{"whole", report.OK, second, ""},
		{"cut before its window", report.OK, sample.FoldOptions{From: time.Second, To: 2 * time.Second, Ended: time.Second}, ""},
		{"verdict", "x", second, `verdict "x"`},
		{"negative begin", report.OK, sample.FoldOptions{From: math.MinInt64, To: time.Second}, "no load has a window"},
		{"no end", report.OK, sample.FoldOptions{Ended: 4e18}, "no load has a window"},
		{"endless", report.OK, sample.FoldOptions{To: math.MaxInt64}, "no load has a window"},
		{"ends before it begins", report.OK, sample.FoldOptions{From: 2 * time.Second, To: time.Second}, "no load has a window"},
		{"ended before it began", report.OK, sample.FoldOptions{From: time.Second, To: 2 * time.Second, Ended: time.Millisecond}, "no load has a window"},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := shardDocument(t, "", func(x *report.LoadDetails) { x.Figures = nil })
			d.Verdict = c.verdict
			got, err := Reread(samplesFile(t, d, c.fold), nil, nil)
			if c.want == "" {
				if err != nil || got.Metric("throughput", nil) == nil {
					t.Errorf("%v", err)
				}
			} else if fault.KindOf(err) != fault.Usage || fault.HintOf(err) != hintDamaged || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v (hint %q)", err, fault.HintOf(err))
			}
		})
	}
}
