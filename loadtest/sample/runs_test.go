package sample

import (
	"testing"
	"time"

	"infer/internal/fault"
	"infer/report"
)

// folded are the figures of a load of n samples a second for ten seconds, slower by a factor.
func folded(seed uint64, slower int) *report.LoadFigures {
	samples := load(5_000, 500, seed)
	f := NewFold(FoldOptions{To: 10 * time.Second, Limit: 3 * time.Millisecond})
	for i := range samples {
		s := &samples[i]
		s.Done = s.Sent + time.Duration(slower)*(s.Done-s.Sent)
	}
	f.Add(samples)
	return f.Figures()
}

// TestConcat: every count of the whole is exactly the sum of those of the runs, and so are the buckets of the sketches.
func TestConcat(t *testing.T) {
	for n := 1; n <= 7; n++ {
		var runs []*report.LoadFigures
		want := tallied{outcomes: map[string]int64{}, buckets: map[float64]int64{}}
		for k := range n {
			f := folded(uint64(k+1), 1)
			want.add(f)
			runs = append(runs, f)
		}
		got, err := Concat(runs)
		if err != nil {
			t.Fatal(err)
		}
		have := tallied{outcomes: map[string]int64{}, buckets: map[float64]int64{}}
		have.add(got)
		if have.due != want.due || have.sent != want.sent || have.answered != want.answered || have.good != want.good || have.bytes != want.bytes || have.slices != want.slices || have.lag != want.lag {
			t.Errorf("%d runs: %+v, want %+v", n, have, want)
		}
		for name, count := range want.outcomes {
			if have.outcomes[name] != count {
				t.Errorf("%d runs: %d %s, want %d", n, have.outcomes[name], name, count)
			}
		}
		if len(have.buckets) != len(want.buckets) {
			t.Errorf("%d runs: %d buckets, want %d", n, len(have.buckets), len(want.buckets))
		}
		for at, count := range want.buckets {
			if have.buckets[at] != count {
				t.Errorf("%d runs: %d values at %g, want %d", n, have.buckets[at], at, count)
			}
		}
		if s := len(got.Sections); s < 6 || n >= 6 && s != n || s > 12 {
			t.Errorf("%d runs have %d sections", n, s)
		}
		if len(got.Timeline) > maxSlices {
			t.Errorf("%d runs have %d slices", n, len(got.Timeline))
		}
		at := 0.0
		for _, s := range got.Timeline {
			if !near(s.At, at) {
				t.Fatalf("%d runs: a slice begins at %g, want %g", n, s.At, at)
			}
			at += s.Seconds
		}
		if !near(at, 10*float64(n)) || !near(got.Seconds, at) {
			t.Errorf("%d runs: the window is %g s and its slices %g s", n, got.Seconds, at)
		}
	}
}

// tallied are the counts of figures.
type tallied struct {
	due, sent, answered, good, bytes, slices, lag int64
	outcomes                                      map[string]int64
	buckets                                       map[float64]int64
}

func (c *tallied) add(f *report.LoadFigures) {
	for i := range f.Sections {
		s := &f.Sections[i]
		c.due, c.sent, c.answered = c.due+s.Due, c.sent+s.Sent, c.answered+s.Answered
		for name, n := range s.Outcomes {
			c.outcomes[name] += n
		}
		s.Latency.Buckets(func(v float64, n int64) bool { c.buckets[v] += n; return true })
	}
	for i := range f.Timeline {
		c.slices += f.Timeline[i].Due
	}
	c.good, c.bytes, c.lag = c.good+f.Good, c.bytes+f.Bytes, c.lag+f.Lag.Count()
}

// TestConcatSpread: runs that differ from each other have a wider interval than runs that do not.
func TestConcatSpread(t *testing.T) {
	width := func(slower ...int) float64 {
		var runs []*report.LoadFigures
		for k, s := range slower {
			runs = append(runs, folded(uint64(k+1), s))
		}
		f, err := Concat(runs)
		if err != nil {
			t.Fatal(err)
		}
		ms, _ := Metrics(f)
		for _, m := range ms {
			if m.Name == "latency_p50" && m.Value != nil && m.Lo != nil {
				return (*m.Hi - *m.Lo) / *m.Value
			}
		}
		t.Fatal("no p50")
		return 0
	}
	if same, apart := width(1, 1, 1, 1, 1, 1), width(1, 2, 1, 2, 1, 2); apart < 3*same {
		t.Errorf("relative widths %g and %g", same, apart)
	}
}

func TestConcatRefuses(t *testing.T) {
	a, b := folded(1, 1), folded(2, 1)
	b.Limit = 0.5
	if _, err := Concat([]*report.LoadFigures{a, b}); fault.KindOf(err) != fault.Usage {
		t.Error(err)
	}
}
