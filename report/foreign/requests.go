package foreign

import (
	"cmp"
	"slices"

	"infer/internal/stats"
	"infer/report"
)

// confidence is that of every interval.
const confidence = 0.95

// The parts of a run, as those of a load test of this program: slices for the charts, sections for the intervals.
const (
	sections   = 24
	perSection = 5
	slots      = sections * perSection
	sliceBits  = 6 // how finely a slice counts: 2^sliceBits buckets an octave
)

// request is one request of a run. Times are in nanoseconds since 1970.
type request struct {
	sent, done int64
	code       int    // HTTP status; 0 where there is none
	failed     string // outcome as in report.LoadSection; "": answered
}

// window is from when to when requests count, in nanoseconds since 1970.
type window struct{ begin, end int64 }

// around is the window from the first request sent to the last one answered. There is at least one request.
func around(rs []request) window {
	w := window{rs[0].sent, rs[0].done}
	for _, r := range rs {
		w.begin, w.end = min(w.begin, r.sent), max(w.end, r.done)
	}
	return w
}

func (w window) seconds() float64 { return float64(w.end-w.begin) / 1e9 }

// slot is the part of the window in which something happened at t.
func (w window) slot(t int64) int {
	return min(slots-1, max(0, int(float64(t-w.begin)/float64(max(1, w.end-w.begin))*slots)))
}

// requests folds the requests of one load into figures, and appends the metrics that follow with labels. Latencies are
// those of requests that were answered.
func (l *load) requests(rs []request, w window, labels map[string]string) *report.LoadFigures {
	f := figures(rs, w)
	all := make([]float64, 0, len(rs))
	for _, r := range rs {
		if r.failed == "" {
			all = append(all, float64(r.done-r.sent)/1e9)
		}
	}
	slices.Sort(all)
	l.times(all, f, labels)
	answered, due, failed, lengths := make([]float64, sections), make([]float64, sections), make([]float64, sections), make([]float64, sections)
	for i, s := range f.Sections {
		answered[i], due[i], lengths[i] = float64(s.Answered), float64(s.Due), s.Seconds
		failed[i] = float64(s.Due - s.Outcomes["ok"])
	}
	rate := stats.SectionRatio(answered, lengths, confidence)
	rate.N, rate.Lo = len(all), max(0, rate.Lo)
	l.estimate("throughput", rate, rate.OK, "t", labels)
	l.estimate("goodput", rate, rate.OK, "t", labels)
	errors, method := stats.SectionShare(failed, due, confidence)
	l.estimate("error_rate", errors, errors.OK, method, labels)
	if f.Seconds > 0 {
		l.add("sent_rate", float64(len(rs))/f.Seconds, len(rs), labels)
	}
	if n := len(rs) - len(all); n > 0 {
		l.d.Warn("%d of %d requests failed: percentiles are of answers only", n, len(rs))
	}
	return f
}

// figures counts what happened in each part of the window.
func figures(rs []request, w window) *report.LoadFigures {
	f := &report.LoadFigures{Seconds: w.seconds(), Slowest: []report.LoadSlow{}} // no lag: nobody tells it
	for range sections {
		f.Sections = append(f.Sections, report.LoadSection{Seconds: f.Seconds / sections, Outcomes: map[string]int64{}, Latency: &stats.Sketch{}})
	}
	for i := range slots {
		f.Timeline = append(f.Timeline, report.LoadSlice{At: f.Seconds / slots * float64(i), Seconds: f.Seconds / slots, Latency: &stats.Sketch{}})
	}
	for _, r := range rs {
		at, done := w.slot(r.sent), w.slot(r.done)
		s, t := &f.Sections[at/perSection], &f.Timeline[at]
		s.Due, s.Sent, t.Due = s.Due+1, s.Sent+1, t.Due+1
		if r.failed != "" {
			s.Outcomes[r.failed]++
			f.Timeline[done].Failed++
			continue
		}
		took := float64(r.done-r.sent) / 1e9
		s.Outcomes["ok"]++
		s.Latency.Add(took)
		t.Latency.Add(took)
		f.Sections[done/perSection].Answered++
		f.Sections[done/perSection].Good++
		f.Timeline[done].Answered++
		f.Good++
	}
	for i := range f.Sections {
		f.Sections[i].Service = f.Sections[i].Latency.Clone()
	}
	for i := range f.Timeline {
		t := &f.Timeline[i]
		if t.Latency.Count() > 0 {
			p50, p99, most := t.Latency.Quantile(0.5), t.Latency.Quantile(0.99), t.Latency.Max()
			t.P50, t.P99, t.Max = &p50, &p99, &most
		}
		t.Latency = t.Latency.Coarse(sliceBits)
	}
	return f
}

// times appends mean, percentiles and maximum of the latencies all, which ascend. Percentiles are exact; their intervals
// take into account that requests which wait together are slow together.
func (l *load) times(all []float64, f *report.LoadFigures, labels map[string]string) {
	parts, sums, counts := make([]*stats.Sketch, sections), make([]float64, sections), make([]float64, sections)
	for i, s := range f.Sections {
		parts[i], sums[i], counts[i] = s.Latency, s.Latency.Sum(), float64(s.Latency.Count())
	}
	both := func(name string, e stats.Estimate, ok bool, method string) {
		l.estimate("latency_"+name, e, ok, method, labels)
		l.estimate("service_"+name, e, ok, method, labels)
	}
	mean := stats.SectionRatio(sums, counts, confidence)
	mean.N = len(all)
	if len(all) > 0 {
		mean.Lo, mean.Hi = min(mean.Value, max(mean.Lo, all[0])), max(mean.Value, min(mean.Hi, all[len(all)-1]))
	}
	both("mean", mean, mean.OK, "t")
	for _, name := range []string{"p50", "p90", "p95", "p99"} {
		p := percentiles()[name]
		e, method, reliable := stats.SectionQuantile(parts, p, confidence)
		if e.OK {
			e.Value = stats.Quantile(all, p, confidence).Value
			e.Lo, e.Hi = min(e.Lo, e.Value), max(e.Hi, e.Value)
		}
		both(name, e, e.OK, method)
		if !e.OK {
			l.warnShort("latency_"+name, len(all), labels)
		} else if !reliable {
			l.d.Warn("%s: slow requests come in bursts, too few of them to bound it well", called("latency_"+name, labels))
		}
	}
	if n := len(all); n > 0 {
		l.time("max", all[n-1], n, labels)
	}
}

// estimate appends a metric with its interval, without a value unless ok.
func (l *load) estimate(name string, e stats.Estimate, ok bool, method string, labels map[string]string) {
	m := report.NewMetric(name)
	m.N, m.Labels = e.N, labels
	if ok {
		m.Value, m.Lo, m.Hi, m.Confidence, m.Method = &e.Value, &e.Lo, &e.Hi, confidence, method
	}
	l.d.Add(m)
}

// faults counts how requests failed.
func (l *load) faults(rs []request) {
	type how struct {
		outcome string
		code    int
	}
	counts := map[how]int64{}
	for _, r := range rs {
		if r.failed != "" {
			counts[how{r.failed, r.code}]++
		}
	}
	for h, n := range counts {
		l.fault(h.outcome, h.code, statusText(h.code), n)
	}
	l.sortFaults()
}

// sortFaults puts the most frequent fault first.
func (l *load) sortFaults() {
	slices.SortFunc(l.x.Faults, func(a, b report.LoadFault) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Code, b.Code), cmp.Compare(a.Text, b.Text))
	})
}

// single makes the requests the whole of the document.
func (l *load) single(rs []request, w window) {
	l.x.Figures = l.requests(rs, w, nil)
	l.x.Window.Seconds = w.seconds()
	l.faults(rs)
	l.d.Created = moment(w.begin)
}
