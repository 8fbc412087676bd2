package sample

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"infer/internal/stats"
	"infer/report"
)

// Confidence is that of every interval.
const Confidence = 0.95

// Metrics returns the metrics that follow from figures, and warnings for what the sample cannot support.
//
// Latency and service time are those of right answers (OK, checked or not); a warning says how many requests had none.
// throughput is answers that came in the window, right or wrong, a second; goodput the right ones within the limit.
// offered_rate and sent_rate are counts a second, exact. error_rate is the share of the requests due in the window
// that were refused, failed, broken, unreachable, timed out or dropped. A wrong answer is none of these: it is in
// throughput and in wrong_answers, and no goodput. server_* and batch_size_mean are there where the server told them
// with its answers. A percentile without enough right answers has no value, and a warning that says how many it
// needs. Figures of a window in which nothing was due give the metrics without values.
func Metrics(f *report.LoadFigures) ([]report.Metric, []string) {
	m := &metrics{f: f, outcomes: map[string]int64{}}
	for i := range f.Sections {
		s := &f.Sections[i]
		m.due += s.Due
		m.sent += s.Sent
		m.right += s.Latency.Count()
		for name, n := range s.Outcomes {
			m.outcomes[name] += n
		}
	}
	m.times("latency", func(s *report.LoadSection) *stats.Sketch { return s.Latency })
	m.times("service", func(s *report.LoadSection) *stats.Sketch { return s.Service })
	m.warnPercentiles()
	m.answers("throughput", func(s *report.LoadSection) int64 { return s.Answered })
	m.answers("goodput", func(s *report.LoadSection) int64 { return s.Good })
	m.errors()
	m.counted("dropped", float64(m.outcomes[Dropped.String()]), m.due)
	m.counted("wrong_answers", float64(m.outcomes[Wrong.String()]), m.due)
	if f.Seconds > 0 {
		m.counted("offered_rate", float64(m.due)/f.Seconds, m.due)
		m.counted("sent_rate", float64(m.sent)/f.Seconds, m.sent)
	}
	m.lag()
	m.told("server_queue_mean", f.Queue.N, f.Queue.Sum/float64(f.Queue.N))
	m.told("server_compute_mean", f.Compute.N, f.Compute.Sum/float64(f.Compute.N))
	m.told("batch_size_mean", f.Batch.N, float64(f.Batch.N)/f.Batch.Runs)
	m.warnOthers()
	return m.list, m.warnings
}

// metrics gathers what Metrics returns.
type metrics struct {
	f                *report.LoadFigures
	due, sent, right int64
	outcomes         map[string]int64
	short            []string // percentiles that the sample bounds badly
	list             []report.Metric
	warnings         []string
}

func (m *metrics) warn(format string, args ...any) {
	m.warnings = append(m.warnings, fmt.Sprintf(format, args...))
}

// add appends a metric; without ok it has no value, without a method no interval.
func (m *metrics) add(name string, e stats.Estimate, ok bool, method string) {
	r := report.NewMetric(name)
	r.N = e.N
	if ok && finite(e.Value) {
		r.Value = &e.Value
		if method != "" && finite(e.Lo) && finite(e.Hi) {
			r.Lo, r.Hi, r.Confidence, r.Method = &e.Lo, &e.Hi, Confidence, method
		}
	}
	m.list = append(m.list, r)
}

func finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }

// counted appends a metric that is counted and not estimated.
func (m *metrics) counted(name string, value float64, n int64) {
	r := report.NewMetric(name)
	r.Value, r.N, r.Method = &value, int(n), "count"
	m.list = append(m.list, r)
}

// told appends a mean of what the server told.
func (m *metrics) told(name string, n int64, mean float64) {
	if n > 0 {
		m.add(name, stats.Estimate{Value: mean, N: int(n)}, true, "")
	}
}

// times appends mean, percentiles and maximum of a time.
func (m *metrics) times(prefix string, of func(*report.LoadSection) *stats.Sketch) {
	var all stats.Sketch
	sketches := make([]*stats.Sketch, len(m.f.Sections))
	sums, counts := make([]float64, len(sketches)), make([]float64, len(sketches))
	for i := range sketches {
		s := of(&m.f.Sections[i])
		sketches[i], sums[i], counts[i] = s, s.Sum(), float64(s.Count())
		all.Merge(s)
	}
	mean := stats.SectionRatio(sums, counts, Confidence)
	method := ""
	if mean.OK {
		// No mean lies outside of the values, as far as a t interval of wild sections may reach. That of equal values
		// may, by rounding.
		mean.Lo, mean.Hi = min(mean.Value, max(mean.Lo, all.Min())), max(mean.Value, min(mean.Hi, all.Max()))
		method = "t"
	}
	mean.N = int(all.Count())
	m.add(prefix+"_mean", mean, mean.N > 0, method)
	for _, p := range percentilesOf() {
		e, method, reliable := stats.SectionQuantile(sketches, p.p, Confidence)
		m.add(prefix+"_"+p.name, e, e.OK, method)
		if e.OK && !reliable && !slices.Contains(m.short, p.name) {
			m.short = append(m.short, p.name)
		}
	}
	m.add(prefix+"_max", stats.Estimate{Value: all.Max(), N: int(all.Count())}, all.Count() > 0, "")
}

type percentile struct {
	name string
	p    float64
}

func percentilesOf() []percentile {
	return []percentile{{"p50", 0.5}, {"p90", 0.9}, {"p95", 0.95}, {"p99", 0.99}}
}

// warnPercentiles says which percentiles the sample does not support, and which it bounds badly.
func (m *metrics) warnPercentiles() {
	for _, p := range percentilesOf() {
		if need := report.SamplesNeeded("latency_" + p.name); m.right < int64(need) {
			m.warn("latency_%s and service_%s need %d %s, this sample has %d", p.name, p.name, need, m.rightAnswers(), m.right)
		}
	}
	if len(m.short) > 0 {
		m.warn("slow requests come in bursts, too few of them in %.3g s to bound %s well: measure longer", m.f.Seconds, list(m.short))
	}
}

// rightAnswers names what percentiles are of: answers are right only where they were compared with what is expected.
func (m *metrics) rightAnswers() string {
	if m.f.Checked > 0 {
		return "right answers"
	}
	return "answers"
}

// list joins words as prose does.
func list(words []string) string {
	if n := len(words); n > 1 {
		return strings.Join(words[:n-1], ", ") + " and " + words[n-1]
	}
	return words[0]
}

// answers appends a rate of answers.
func (m *metrics) answers(name string, of func(*report.LoadSection) int64) {
	counts, seconds := make([]float64, len(m.f.Sections)), make([]float64, len(m.f.Sections))
	var n int64
	for i := range m.f.Sections {
		c := of(&m.f.Sections[i])
		n += c
		counts[i], seconds[i] = float64(c), m.f.Sections[i].Seconds
	}
	e := stats.SectionRatio(counts, seconds, Confidence)
	method := ""
	if e.OK {
		method = "t"
		e.Lo = max(0, e.Lo)
	}
	lasted := e.N > 0
	e.N = int(n)
	m.add(name, e, lasted, method)
}

// errors appends error_rate.
func (m *metrics) errors() {
	hits, due := make([]float64, len(m.f.Sections)), make([]float64, len(m.f.Sections))
	var n int64
	for i := range m.f.Sections {
		s := &m.f.Sections[i]
		c := failures(s.Outcomes)
		n += c
		hits[i], due[i] = float64(c), float64(s.Due)
	}
	e, method := stats.SectionShare(hits, due, Confidence)
	m.add("error_rate", e, e.OK, method)
	if n > 0 {
		m.warn("%d of %d requests had no answer (%s): percentiles are of %s only", n, m.due, m.reasons(), m.rightAnswers())
	}
}

// failures counts what error_rate counts.
func failures(outcomes map[string]int64) (n int64) {
	for _, o := range errorOutcomes() {
		n += outcomes[o.String()]
	}
	return n
}

func errorOutcomes() []Outcome {
	return []Outcome{Refused, Failed, Broken, Unreachable, TimedOut, Dropped}
}

// reasons lists the errors by number.
func (m *metrics) reasons() string {
	var parts []string
	for _, o := range errorOutcomes() {
		if n := m.outcomes[o.String()]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, strings.ReplaceAll(o.String(), "_", " ")))
		}
	}
	return strings.Join(parts, ", ")
}

// lag appends the p99 of how late the generator was: of all requests, so it is exact but for the sketch.
func (m *metrics) lag() {
	n := m.f.Lag.Count()
	ok := int(n) >= report.SamplesNeeded("send_lag_p99")
	m.add("send_lag_p99", stats.Estimate{Value: m.f.Lag.Quantile(0.99), N: int(n)}, ok, "")
	if !ok {
		m.warn("send_lag_p99 needs %d sent requests, this sample has %d", report.SamplesNeeded("send_lag_p99"), n)
	}
}

// warnOthers says of how many wrong answers there were.
func (m *metrics) warnOthers() {
	if n := m.outcomes[Wrong.String()]; n > 0 {
		m.warn("%d of %d requests were answered wrongly: they are no goodput, and not among the percentiles", n, m.due)
	}
}
