package sample

import (
	"infer/internal/stats"
	"infer/report"
)

// Confidence is that of every interval.
const Confidence = 0.95

// Metrics returns the metrics that follow from figures, in the order of a report, and warnings for what the sample
// cannot support. Latency and service time are of right answers only, and a warning says so when there were others.
// error_rate is the share of the requests due in the window that were refused, failed, broken, unreachable, timed out
// or dropped; wrong answers are counted by wrong_answers alone, and are no throughput. A load that was due nothing has
// no metrics.
func Metrics(f *report.LoadFigures) ([]report.Metric, []string) {
	m := &metrics{f: f}
	m.times("latency", func(s *report.LoadSection) *stats.Sketch { return s.Latency })
	m.times("service", func(s *report.LoadSection) *stats.Sketch { return s.Service })
	return m.list, m.warnings
}

type metrics struct {
	f        *report.LoadFigures
	list     []report.Metric
	warnings []string
}

func (m *metrics) times(prefix string, of func(*report.LoadSection) *stats.Sketch) {
	_ = prefix
	_ = of
}
