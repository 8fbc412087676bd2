package sample

import (
	"math"
	"strings"
	"testing"
	"time"

	"infer/report"
)

// find returns a metric by name.
func find(t *testing.T, ms []report.Metric, name string) report.Metric {
	t.Helper()
	for _, m := range ms {
		if m.Name == name {
			return m
		}
	}
	t.Fatalf("no metric %s", name)
	return report.Metric{}
}

// every returns n samples, one each gap, with a latency of 1 to 10 ms in turn and a lag of 0.1 ms.
func every(n int, gap time.Duration) []Sample {
	out := make([]Sample, n)
	for i := range out {
		due := time.Duration(i) * gap
		out[i] = Sample{
			Index: int64(i), Due: due, Woke: due + 100*time.Microsecond, Sent: due + 100*time.Microsecond,
			Done: due + time.Duration(1+i%10)*time.Millisecond, Queue: Untold, Compute: Untold,
		}
	}
	return out
}

// 10 000 requests in 10 s, latencies 1 … 10 ms a thousand times each. Of those of 1 ms 50 are dropped, of those of 2 ms
// 50 answered wrongly, which is throughput and no goodput: the 4950th of the 9900 right ones took 6 ms, the 8910th and
// the 9801st 10 ms; service time is 0.1 ms less. Up to 8 ms are good: 790 a second.
func TestMetrics(t *testing.T) {
	samples := every(10_000, time.Millisecond)
	for i := 0; i < len(samples); i += 200 {
		samples[i].Outcome, samples[i+1].Outcome = Dropped, Wrong
		samples[i].Sent, samples[i].Done = samples[i].Due+time.Second, samples[i].Due+time.Second
	}
	for i := 2; i < len(samples); i += 10 {
		samples[i].Queue, samples[i].Compute = time.Millisecond, 500*time.Microsecond
		samples[i].Batch = []int32{1, 3, 3, 3}[i/10%4]
	}
	f := NewFold(FoldOptions{To: 10 * time.Second, Limit: 8 * time.Millisecond})
	f.Add(samples)
	ms, warnings := Metrics(f.Figures())
	d := report.New("loadtest")
	d.Add(ms...)
	if err := d.Validate(); err != nil {
		t.Error(err)
	}
	for _, c := range []struct {
		name  string
		value float64
		n     int
	}{
		{"latency_p50", 0.006, 9900}, {"latency_p90", 0.010, 9900}, {"latency_p99", 0.010, 9900}, {"latency_max", 0.010, 9900},
		{"service_p50", 0.0059, 9900}, {"service_max", 0.0099, 9900}, {"latency_mean", (5.5*10_000 - 50*1 - 50*2) / 9900 / 1000, 9900},
		{"error_rate", 0.005, 10_000}, {"dropped", 50, 10_000}, {"wrong_answers", 50, 10_000},
		{"offered_rate", 1000, 10_000}, {"sent_rate", 995, 9950}, {"send_lag_p99", 0.0001, 9950},
		{"server_queue_mean", 0.001, 1000}, {"server_compute_mean", 0.0005, 1000},
		// Of four requests one ran alone and three together: two runs, of two rows on average.
		{"batch_size_mean", 2, 1000},
	} {
		m := find(t, ms, c.name)
		if m.Value == nil || math.Abs(*m.Value-c.value) > c.value/1500 || m.N != c.n {
			t.Errorf("%s is %v of %d, want %g of %d", c.name, m.Value, m.N, c.value, c.n)
			if m.Value != nil {
				t.Log(*m.Value)
			}
		}
	}
	// Answers that come after the window are none of its throughput: of the last ten requests those of 2 … 10 ms.
	through, good := find(t, ms, "throughput"), find(t, ms, "goodput")
	if math.Abs(*through.Value-995) > 1.5 || math.Abs(*good.Value-790) > 1.5 || through.Method != "t" || through.Lo == nil {
		t.Errorf("throughput %g, goodput %g, %+v", *through.Value, *good.Value, through)
	}
	text := strings.Join(warnings, "\n")
	for _, want := range []string{"50 of 10000 requests had no answer (50 dropped)", "50 of 10000 requests were answered wrongly: they are no goodput"} {
		if !strings.Contains(text, want) {
			t.Errorf("warnings are %q, want one with %q", warnings, want)
		}
	}
}

// TestMetricsOverload: a server that answers 500/s of the 1000/s that are offered has a throughput of 500/s, though in
// the end it answers all.
func TestMetricsOverload(t *testing.T) {
	samples := every(10_000, time.Millisecond)
	for i := range samples {
		samples[i].Done = time.Duration(i+1) * 2 * time.Millisecond
	}
	f := NewFold(FoldOptions{To: 10 * time.Second})
	f.Add(samples)
	ms, _ := Metrics(f.Figures())
	if v := *find(t, ms, "throughput").Value; math.Abs(v-500) > 1 {
		t.Errorf("throughput is %g, want 500", v)
	}
	if v := *find(t, ms, "latency_max").Value; v < 10 {
		t.Errorf("latency_max is %g s, want 10", v)
	}
}

// TestMetricsFew: what the sample does not support has no value and a warning that says what it takes.
func TestMetricsFew(t *testing.T) {
	f := NewFold(FoldOptions{To: time.Second})
	f.Add(every(50, 20*time.Millisecond))
	figures := f.Figures()
	ms, warnings := Metrics(figures)
	for name, there := range map[string]bool{
		"latency_p50": true, "latency_p90": true, "latency_p95": false, "latency_p99": false, "service_p99": false,
		"send_lag_p99": false, "latency_max": true, "latency_mean": true,
	} {
		if m := find(t, ms, name); (m.Value != nil) != there {
			t.Errorf("%s: %v", name, m.Value)
		}
	}
	if text := strings.Join(warnings, "\n"); !strings.Contains(text, "latency_p99 and service_p99 need 368 answers, this sample has 50") {
		t.Errorf("warnings are %q", warnings)
	}
	figures.Checked = 1
	if _, warnings = Metrics(figures); !strings.Contains(strings.Join(warnings, "\n"), "need 368 right answers, this sample has 50") {
		t.Errorf("warnings of compared answers are %q", warnings)
	}
	none, _ := Metrics(NewFold(FoldOptions{To: time.Second}).Figures())
	d := report.New("loadtest")
	d.Add(none...)
	if err := d.Validate(); err != nil {
		t.Error(err)
	}
}

// TestMetricsBursts: one burst of slow requests is one event, however many requests were in it.
func TestMetricsBursts(t *testing.T) {
	samples := every(20_000, time.Millisecond)
	for i := 7000; i < 7300; i++ {
		samples[i].Done += time.Duration(7300-i) * time.Millisecond
	}
	for i := 7000; i < 7300; i++ {
		samples[i+5000].Outcome = TimedOut
	}
	f := NewFold(FoldOptions{To: 20 * time.Second})
	f.Add(samples)
	ms, warnings := Metrics(f.Figures())
	if m := find(t, ms, "latency_p99"); m.Method != "sections" || *m.Hi < 0.25 {
		t.Errorf("%+v up to %g", m, *m.Hi)
	}
	if !strings.Contains(strings.Join(warnings, "\n"), "measure longer") {
		t.Errorf("warnings are %q", warnings)
	}
	// 300 errors of 20 000, all at once: Wilson's interval for independent ones would be 1.34 to 1.68 %.
	if m := find(t, ms, "error_rate"); m.Method != "sections" || *m.Hi < 0.03 {
		t.Errorf("%+v, %g to %g", m, *m.Lo, *m.Hi)
	}
}

// Two slow requests: 1 ms late and waiting, 4 ms queue, 2 ms compute, 3 ms rest of 10 ms; then one that tells nothing.
func TestTail(t *testing.T) {
	q, c := 0.004, 0.002
	f := &report.LoadFigures{Slowest: []report.LoadSlow{{Latency: 0.010, Lag: 0.0004, Wait: 0.0006, Queue: &q, Compute: &c, Batch: 4}}}
	got := Tail(f)
	near := func(a, b float64) bool { return math.Abs(a-b) < 1e-9 }
	if got.N != 1 || !near(got.Generator, 0.04) || !near(got.Wait, 0.06) || !near(*got.Queue, 0.4) || !near(*got.Compute, 0.2) || !near(got.Rest, 0.3) || *got.Batch != 4 || got.From != 0.010 {
		t.Errorf("%+v", got)
	}
	f.Slowest = append(f.Slowest, report.LoadSlow{Latency: 0.010})
	if got = Tail(f); !near(got.Generator, 0.02) || !near(got.Wait, 0.03) || !near(*got.Queue, 0.2) || !near(got.Rest, 0.65) {
		t.Errorf("%+v", got)
	}
	f.Slowest = f.Slowest[1:]
	if got = Tail(f); got.Queue != nil || got.Compute != nil || got.Batch != nil || !near(got.Rest, 1) {
		t.Errorf("%+v", got)
	}
}

func TestLive(t *testing.T) {
	f := NewFold(FoldOptions{From: time.Second, To: time.Minute})
	samples := every(6000, time.Millisecond)
	samples[5500].Outcome = Refused
	for i := range samples {
		samples[i].Done = samples[i].Due + time.Duration(1+i%10)*100*time.Microsecond
	}
	f.Add(samples)
	l := f.Live(6 * time.Second)
	if l.Due() != 6000 || l.Counts[Refused] != 1 {
		t.Errorf("%+v", l)
	}
	if math.Abs(l.Throughput-999) > 2 || l.P50 < 400*time.Microsecond || l.P50 > 700*time.Microsecond || l.P99 < 900*time.Microsecond {
		t.Errorf("%+v", l)
	}
	first := NewFold(FoldOptions{To: time.Minute})
	first.Add(samples[:500])
	if l := first.Live(500 * time.Millisecond); math.Abs(l.Throughput-1000) > 2 {
		t.Errorf("%g /s in the first half second", l.Throughput)
	}
	// A stall: nothing comes, and the view says so.
	if l = f.Live(20 * time.Second); l.Throughput != 0 || l.P99 != 0 || l.Due() != 6000 {
		t.Errorf("%+v", l)
	}
}
