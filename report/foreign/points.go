package foreign

import (
	"cmp"
	"math"
	"slices"

	"infer/report"
)

// level is a load that a tool offered: a rate, or a number of requests at a time. The other is 0, and both are where the
// tool did not tell.
type level struct {
	rate        float64 // 1/s
	concurrency int
}

// levelOf reads a level in the mode of perf_analyzer.
func levelOf(closed bool, value float64) (level, error) {
	if err := sound("its load", value); err != nil {
		return level{}, err
	}
	if !closed {
		return level{rate: value}, nil
	}
	if value != math.Trunc(value) || value > math.MaxInt32 {
		return level{}, missing("its load: %v is no number of requests at a time", value)
	}
	return level{concurrency: int(value)}, nil
}

// levels makes a document of several loads, one after the other, or of one. each appends the metrics of one with labels,
// and returns figures where there are any.
func (l *load) levels(loads []level, each func(i int, labels map[string]string) (*report.LoadFigures, error)) error {
	if len(loads) == 1 {
		figures, err := each(0, nil)
		l.x.Figures = figures
		l.x.Schedule.Concurrency = loads[0].concurrency
		if r := loads[0].rate; r > 0 {
			s := report.LoadStage{From: r, To: r}
			if figures != nil {
				s.For = figures.Seconds
			}
			l.x.Schedule.Stages = []report.LoadStage{s}
		}
		return err
	}
	for i, at := range loads {
		p := report.LoadPoint{Rate: at.rate, Concurrency: at.concurrency, Valid: true}
		labels := p.Labels()
		if l.d.Metric("throughput", labels) != nil {
			return missing("it has the load %s twice", report.LabelText(labels))
		}
		if _, err := each(i, labels); err != nil {
			return err
		}
		l.x.Points = append(l.x.Points, l.point(p, labels))
	}
	slices.SortStableFunc(l.x.Points, func(a, b report.LoadPoint) int {
		return cmp.Or(cmp.Compare(a.Rate, b.Rate), cmp.Compare(a.Concurrency, b.Concurrency))
	})
	l.x.PointsPlanned = len(l.x.Points)
	return nil
}

// point fills p from the metrics that have its labels.
func (l *load) point(p report.LoadPoint, labels map[string]string) report.LoadPoint {
	for name, at := range map[string]*float64{"throughput": &p.Throughput, "goodput": &p.Goodput, "error_rate": &p.ErrorRate} {
		if v := l.value(name, labels); v != nil {
			*at = *v
		}
	}
	p.P50, p.P90, p.P99 = l.value("latency_p50", labels), l.value("latency_p90", labels), l.value("latency_p99", labels)
	if m := l.d.Metric("latency_p99", labels); m != nil {
		p.P99Lo, p.P99Hi, p.N = m.Lo, m.Hi, int64(m.N)
	}
	return p
}
