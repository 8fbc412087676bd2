package sample

import (
	"encoding/json"
	"math"
	"slices"
	"testing"
	"time"

	"infer/internal/fault"
	"infer/report"
)

// shards folds every of-th sample apart.
func shards(samples []Sample, of int, o FoldOptions) (whole *report.LoadFigures, parts []*report.LoadFigures) {
	all := NewFold(o)
	all.Add(samples)
	for k := range of {
		f := NewFold(o)
		for i := range samples {
			if samples[i].Index%int64(of) == int64(k) {
				f.Add(samples[i : i+1])
			}
		}
		parts = append(parts, f.Figures())
	}
	return all.Figures(), parts
}

// TestMerge: shards merged are the whole, after a round through JSON, too.
func TestMerge(t *testing.T) {
	samples := load(60_000, 1000, 5)
	whole, parts := shards(samples, 3, FoldOptions{From: 2 * time.Second, To: 50 * time.Second, Limit: 3 * time.Millisecond})
	for i, p := range parts {
		raw, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		parts[i] = &report.LoadFigures{}
		if err := json.Unmarshal(raw, parts[i]); err != nil {
			t.Fatal(err)
		}
	}
	before, _ := json.Marshal(parts[0])
	got := parts[0]
	for _, p := range parts[1:] {
		var err error
		if got, err = Merge(got, p); err != nil {
			t.Fatal(err)
		}
	}
	if after, _ := json.Marshal(parts[0]); string(after) != string(before) {
		t.Error("merging changed what was merged")
	}
	if !alikeFigures(t, got, whole) {
		t.Error("shards merged are not the whole")
	}
	if n := len(got.Slowest); n < len(whole.Slowest)/2 || n > len(whole.Slowest) {
		t.Fatalf("%d slowest, want about %d", n, len(whole.Slowest))
	}
	for i, s := range got.Slowest {
		if s.Latency != whole.Slowest[i].Latency {
			t.Fatalf("slow request %d took %g, want %g", i, s.Latency, whole.Slowest[i].Latency)
		}
	}
	a, warnA := Metrics(got)
	b, warnB := Metrics(whole)
	if !slices.Equal(warnA, warnB) || len(a) != len(b) {
		t.Fatalf("warnings %q, want %q", warnA, warnB)
	}
	for i := range a {
		x, y := a[i], b[i]
		if x.Name != y.Name || x.N != y.N || x.Method != y.Method || (x.Value == nil) != (y.Value == nil) {
			t.Errorf("%+v, want %+v", x, y)
		} else if x.Value != nil && math.Abs(*x.Value-*y.Value) > 1e-9*math.Abs(*y.Value) {
			t.Errorf("%s is %g, want %g", x.Name, *x.Value, *y.Value)
		}
	}
}

func TestMergeRefuses(t *testing.T) {
	samples := load(5000, 1000, 5)
	make := func(o FoldOptions) *report.LoadFigures {
		f := NewFold(o)
		f.Add(samples)
		return f.Figures()
	}
	a := make(FoldOptions{To: 4 * time.Second})
	cut := NewFold(FoldOptions{To: 4 * time.Second})
	cut.Add(samples)
	cut.End(2 * time.Second)
	for name, b := range map[string]*report.LoadFigures{
		"longer":      make(FoldOptions{To: 5 * time.Second}),
		"other limit": make(FoldOptions{To: 4 * time.Second, Limit: time.Millisecond}),
		"cut short":   cut.Figures(),
		"empty":       {Seconds: 4},
	} {
		if _, err := Merge(a, b); fault.KindOf(err) != fault.Usage {
			t.Errorf("%s: %v, want a usage error", name, err)
		}
	}
	// What a foreign document leaves out does not stop the program.
	bare := func() *report.LoadFigures {
		return &report.LoadFigures{Seconds: 1, Sections: []report.LoadSection{{Seconds: 1}}, Timeline: []report.LoadSlice{{Seconds: 1}}}
	}
	m, err := Merge(bare(), bare())
	if err != nil {
		t.Fatal(err)
	}
	Metrics(m)
	Metrics(bare())
}

// FuzzFigures: figures of any document give metrics, a tail and a merger, or an error.
func FuzzFigures(f *testing.F) {
	fold := NewFold(FoldOptions{To: 4 * time.Second})
	fold.Add(load(600, 200, 1))
	raw, err := json.Marshal(fold.Figures())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(raw))
	f.Add(`{"seconds":1,"sections":[{"seconds":-1,"due":-5,"sent":1,"answered":-2,"outcomes":{"dropped":9,"ok":-1}},{"seconds":1e308,"due":1}],"timeline":[{}],"slowest":[{"latency":-1,"lag":1e308,"connection_wait":1e308}]}`)
	f.Fuzz(func(t *testing.T, text string) {
		var a report.LoadFigures
		if json.Unmarshal([]byte(text), &a) != nil {
			return
		}
		ms, _ := Metrics(&a)
		for _, m := range ms {
			for _, v := range []*float64{m.Value, m.Lo, m.Hi} {
				if v != nil && (math.IsNaN(*v) || math.IsInf(*v, 0)) {
					t.Fatalf("%s is %v", m.Name, *v)
				}
			}
		}
		Tail(&a)
		if m, err := Merge(&a, &a); err == nil {
			Metrics(m)
		}
	})
}
