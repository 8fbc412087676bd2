package sample

import (
	"math"
	"math/rand/v2"
	"reflect"
	"runtime"
	"slices"
	"testing"
	"time"

	"infer/internal/stats"
	"infer/report"
)

// nearly says whether a is b to the error of a sketch.
func nearly(a, b float64) bool { return math.Abs(a-b) <= math.Abs(b)/1024+1e-12 }

// hand is what one would count by hand in one of 24 parts.
type hand struct {
	due, sent, answered, good int64
	outcomes                  [Outcomes]int64
	latency, service          []float64
}

// byHand counts the samples of a window of 30 s.
func byHand(samples []Sample, o FoldOptions) (parts [24]hand, failed [120]int64, sent, checked, told int64) {
	in := func(at time.Duration) bool { return at >= o.From && at < o.To }
	part := func(at time.Duration, parts int) int {
		return int((at - o.From) * time.Duration(parts) / (30 * time.Second))
	}
	for i := range samples {
		s := &samples[i]
		left := s.Outcome != Dropped && s.Outcome != Unreachable
		if in(s.Sent) && left {
			parts[part(s.Sent, 24)].sent++
		}
		switch {
		case in(s.Done) && s.Outcome != OK && s.Outcome != Wrong:
			failed[part(s.Done, 120)]++
		case in(s.Done):
			c := &parts[part(s.Done, 24)]
			c.answered++
			if s.Outcome == OK && s.Done-s.Due <= o.Limit {
				c.good++
			}
		}
		if !in(s.Due) {
			continue
		}
		c := &parts[part(s.Due, 24)]
		c.due++
		c.outcomes[s.Outcome]++
		if s.Checked {
			checked++
		}
		if left {
			sent++
		}
		if s.Outcome == OK {
			c.latency = append(c.latency, (s.Done - s.Due).Seconds())
			c.service = append(c.service, (s.Done - s.Sent).Seconds())
			if s.Queue >= 0 {
				told++
			}
		}
	}
	return parts, failed, sent, checked, told
}

// TestFold compares with what one would count by hand from all samples.
func TestFold(t *testing.T) {
	samples := load(20_000, 500, 1)
	o := FoldOptions{From: 3 * time.Second, To: 33 * time.Second, Limit: 4 * time.Millisecond}
	f := NewFold(o)
	for part := range slices.Chunk(samples, 777) {
		f.Add(part)
	}
	got := f.Figures()
	if len(got.Sections) != 24 || len(got.Timeline) != 120 || got.Seconds != 30 || got.Limit != 0.004 {
		t.Fatalf("%d sections, %d slices, %g s", len(got.Sections), len(got.Timeline), got.Seconds)
	}
	want, failed, sent, checked, told := byHand(samples, o)
	var good int64
	var slow []float64
	for i := range got.Sections {
		good += want[i].good
		slow = append(slow, want[i].latency...)
		compareSection(t, i, &got.Sections[i], &want[i])
	}
	for i, s := range got.Timeline {
		if s.Failed != failed[i] {
			t.Errorf("slice %d: %d failed, want %d", i, s.Failed, failed[i])
		}
	}
	if got.Good != good || got.Checked != checked || got.Lag.Count() != sent || got.ConnWait.Count() != sent || got.Queue.N != told {
		t.Errorf("%d good, %d checked, %d sent, %d told, want %d, %d, %d, %d", got.Good, got.Checked, got.Lag.Count(), got.Queue.N, good, checked, sent, told)
	}
	slices.Sort(slow)
	slices.Reverse(slow)
	if len(got.Slowest) != (len(slow)+99)/100 {
		t.Fatalf("%d slowest of %d", len(got.Slowest), len(slow))
	}
	for i, s := range got.Slowest {
		if s.Latency != slow[i] {
			t.Fatalf("slow request %d took %g, want %g", i, s.Latency, slow[i])
		}
	}
}

func compareSection(t *testing.T, i int, s *report.LoadSection, w *hand) {
	t.Helper()
	if s.Due != w.due || s.Sent != w.sent || s.Answered != w.answered || s.Good != w.good || s.Seconds != 1.25 {
		t.Errorf("section %d: %+v, want %d due, %d sent, %d answered, %d good", i, s, w.due, w.sent, w.answered, w.good)
	}
	for o, n := range w.outcomes {
		if s.Outcomes[Outcome(o).String()] != n {
			t.Errorf("section %d: %d are %s, want %d", i, s.Outcomes[Outcome(o).String()], Outcome(o), n)
		}
	}
	for _, x := range []struct {
		sketch *stats.Sketch
		values []float64
	}{{s.Latency, w.latency}, {s.Service, w.service}} {
		slices.Sort(x.values)
		if x.sketch.Count() != int64(len(x.values)) || x.sketch.Max() != x.values[len(x.values)-1] {
			t.Errorf("section %d: %d values up to %g, want %d", i, x.sketch.Count(), x.sketch.Max(), len(x.values))
		}
		for _, p := range []float64{0.1, 0.5, 0.9, 0.99} {
			if e := stats.Quantile(x.values, p, 0.95); !nearly(x.sketch.Quantile(p), e.Value) {
				t.Errorf("section %d: p%g is %g, want %g", i, 100*p, x.sketch.Quantile(p), e.Value)
			}
		}
	}
}

// TestFoldOrder: neither the order of samples nor the width that slices began with changes what is counted.
func TestFoldOrder(t *testing.T) {
	samples := load(25_000, 300, 2)
	figures := func(samples []Sample, end time.Duration) *report.LoadFigures {
		f := NewFold(FoldOptions{From: time.Second})
		f.Add(samples)
		if end > 0 {
			f.End(end)
		}
		return f.Figures()
	}
	a := figures(samples, 90*time.Second)
	mixed := slices.Clone(samples)
	rand.New(rand.NewPCG(1, 2)).Shuffle(len(mixed), func(i, j int) { mixed[i], mixed[j] = mixed[j], mixed[i] })
	if b := figures(mixed, 90*time.Second); !alikeFigures(t, a, b) {
		t.Error("the order of samples changed their figures")
	}
	if n := len(a.Sections); n < 18 || n > maxSections {
		t.Errorf("%d sections", n)
	}
	if n := len(a.Timeline); n < maxSlices/2 || n > maxSlices {
		t.Errorf("%d slices", n)
	}
	open := figures(samples, 0)
	if want := (samples[len(samples)-1].Due + 1 - time.Second).Seconds(); open.Seconds != want {
		t.Errorf("without an end the window is of %g s, want %g", open.Seconds, want)
	}
}

// alikeFigures compares by JSON without the sums, which depend on the order of addition.
func alikeFigures(t *testing.T, a, b *report.LoadFigures) bool {
	t.Helper()
	same := a.Seconds == b.Seconds && a.Good == b.Good && a.Checked == b.Checked && a.Bytes == b.Bytes &&
		len(a.Sections) == len(b.Sections) && len(a.Timeline) == len(b.Timeline) &&
		sameSketch(a.Lag, b.Lag) && sameSketch(a.ConnWait, b.ConnWait) &&
		a.Queue.N == b.Queue.N && nearly(a.Queue.Sum, b.Queue.Sum) && a.Compute.N == b.Compute.N && a.Batch.N == b.Batch.N
	for i := 0; same && i < len(a.Sections); i++ {
		x, y := a.Sections[i], b.Sections[i]
		same = sameSketch(x.Latency, y.Latency) && sameSketch(x.Service, y.Service)
		x.Latency, x.Service, y.Latency, y.Service = nil, nil, nil, nil
		same = same && reflect.DeepEqual(x, y)
	}
	for i := 0; same && i < len(a.Timeline); i++ {
		x, y := a.Timeline[i], b.Timeline[i]
		same = sameSketch(x.Latency, y.Latency)
		x.Latency, y.Latency = nil, nil
		same = same && reflect.DeepEqual(x, y)
	}
	return same
}

func sameSketch(a, b *stats.Sketch) bool {
	if a.Count() != b.Count() || a.Min() != b.Min() || a.Max() != b.Max() || math.Abs(a.Sum()-b.Sum()) > 1e-9*a.Sum() {
		return false
	}
	type bucket struct {
		v float64
		n int64
	}
	var x, y []bucket
	a.Buckets(func(v float64, n int64) bool { x = append(x, bucket{v, n}); return true })
	b.Buckets(func(v float64, n int64) bool { y = append(y, bucket{v, n}); return true })
	return slices.Equal(x, y)
}

// TestFoldEmpty: no samples, and samples outside of the window.
func TestFoldEmpty(t *testing.T) {
	for name, o := range map[string]FoldOptions{"window": {From: time.Second, To: 2 * time.Second}, "open": {From: time.Hour}, "nothing": {}} {
		f := NewFold(o)
		if o.From > 0 {
			f.Add(load(50, 1000, 3))
		}
		r := f.Figures()
		if r.Good != 0 || len(r.Slowest) != 0 || Tail(r) != nil {
			t.Errorf("%s: %+v", name, r)
		}
		if name == "window" && len(r.Sections) != 24 {
			t.Errorf("%d sections", len(r.Sections))
		}
		if ms, _ := Metrics(r); len(ms) == 0 {
			t.Errorf("%s: no metrics", name)
		}
	}
}

// TestFoldEnd: what a cut window did not reach is not counted as silence.
func TestFoldEnd(t *testing.T) {
	f := NewFold(FoldOptions{To: 60 * time.Second})
	samples := load(5000, 500, 4)
	f.Add(samples)
	end := samples[len(samples)-1].Due + 1
	f.End(end)
	r := f.Figures()
	if r.Seconds != end.Seconds() || f.Options().Ended != end {
		t.Errorf("%g s, want %g", r.Seconds, end.Seconds())
	}
	var seconds float64
	for _, s := range r.Sections {
		seconds += s.Seconds
	}
	if math.Abs(seconds-r.Seconds) > 1e-9 || len(r.Sections) < 18 {
		t.Errorf("%d sections of %g s in all", len(r.Sections), seconds)
	}
	var again float64
	for _, s := range r.Timeline {
		again += s.Seconds
	}
	if math.Abs(again-r.Seconds) > 1e-9 {
		t.Errorf("the timeline is of %g s", again)
	}
}

// TestFoldCapped: a window that may last for an hour is divided by how long it lasts, also where it ends in silence, and
// its options give the same figures again.
func TestFoldCapped(t *testing.T) {
	samples := load(5000, 500, 4)
	last := samples[len(samples)-1].Due + 1
	for _, end := range []time.Duration{0, last, 2 * time.Minute, time.Hour} { // 0: not yet
		f := NewFold(FoldOptions{To: time.Hour, Capped: true})
		f.Add(samples)
		want := last
		if end > 0 {
			f.End(end)
			want = end
		}
		r := f.Figures()
		if n := len(r.Timeline); n < maxSlices/2 || n > maxSlices || len(r.Sections) < 16 || r.Seconds != want.Seconds() {
			t.Errorf("ended at %v: %d slices, %d sections, %g s", end, n, len(r.Sections), r.Seconds)
		}
		again := NewFold(f.Options())
		again.Add(samples)
		if !reflect.DeepEqual(r, again.Figures()) {
			t.Errorf("ended at %v: the options give other figures", end)
		}
	}
}

// TestFoldMemory: what 5 million samples over many octaves leave on the heap is bounded.
func TestFoldMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("5 million samples")
	}
	before := heap()
	f := NewFold(FoldOptions{})
	batch := make([]Sample, 1000)
	r := rand.New(rand.NewPCG(8, 9))
	for i := range 5000 {
		for j := range batch {
			due := time.Duration(i*1000+j) * 20 * time.Microsecond
			batch[j] = Sample{Index: int64(i*1000 + j), Due: due, Woke: due, Sent: due, Done: due + time.Duration(1e5*math.Exp(6*r.Float64()))}
		}
		f.Add(batch)
	}
	if used := heap() - before; used > 32<<20 {
		t.Errorf("the fold holds %d MiB", used>>20)
	}
	if n := f.Figures().Good; n < 4_990_000 {
		t.Errorf("%d good", n)
	}
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

func BenchmarkFold(b *testing.B) {
	samples := load(100_000, 500, 1)
	f := NewFold(FoldOptions{To: time.Hour})
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		k := i % len(samples)
		f.Add(samples[k : k+1])
	}
}

func BenchmarkFigures(b *testing.B) {
	f := NewFold(FoldOptions{To: time.Hour})
	f.Add(load(1_000_000, 300, 1))
	for b.Loop() {
		Metrics(f.Figures())
	}
}
