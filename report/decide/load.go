package decide

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"infer/report"
)

// point is one load that was offered to a configuration, and what came of it. Its metrics have no labels; there are none
// for the trials of a search.
type point struct {
	report.LoadPoint
	metrics []report.Metric
	judged  []report.LoadSLO
	from    *source
}

// pointMetrics are the metrics that are kept of every point where there are several.
func pointMetrics() []string {
	return []string{"latency_p50", "latency_p90", "latency_p95", "latency_p99", "latency_max", "throughput", "goodput", "error_rate"}
}

// key identifies a point by its labels.
func key(p report.LoadPoint) string { return report.LabelText(p.Labels()) }

// nameOf is what a point is called, as load tests call it.
func nameOf(p report.LoadPoint) string {
	load := ""
	switch {
	case p.Rate > 0:
		load = report.FormatValue(report.Rate, p.Rate)
	case p.Concurrency > 0:
		load = fmt.Sprintf("concurrency %d", p.Concurrency)
	}
	batch := ""
	if p.Batch > 0 {
		batch = fmt.Sprintf("batch %d", p.Batch)
	}
	return joined(load, batch)
}

// addLoad takes the points of a load test.
func (c *config) addLoad(g *grouping, s *source) {
	for _, p := range points(s) {
		i := slices.IndexFunc(c.points, func(o point) bool { return key(o.LoadPoint) == key(p.LoadPoint) })
		if i < 0 {
			c.points = append(c.points, p)
			continue
		}
		old := c.points[i]
		if len(p.metrics) == 0 && len(old.metrics) > 0 {
			continue // a trial of a search is short: it takes nothing from a load test of its own
		}
		if a, b := p99(old), p99(p); old.from != s && farApart(a, b) {
			was, _ := a.Text()
			now, _ := b.Text()
			g.warn("%s: at %s p99 is %s in %s and %s in %s: the newer one counts", c.Name, nameOf(p.LoadPoint), was, stem(old.from.Path), now, stem(s.Path))
		}
		c.points[i] = p
	}
	for _, m := range s.Doc.Metrics {
		if len(m.Labels) == 0 && (s.load.Search == nil || m.Name == "max_rps") {
			s.tells[m.Name] = true
		}
		if m.Name == "max_rps" {
			c.put(g, m, origin{loadTest, s})
		}
	}
	if s.load.Tail != nil {
		c.Tail = s.load.Tail
	}
	c.Checks = s.Doc.Validity.Checks
	t := s.load.Target
	c.Target = joinWords("infer loadtest", quote(t.URL), t.Options)
	c.What = joined(runText(s.Doc.Manifest), rowsText(t.Rows), t.Protocol)
	if s.Doc.Verdict == report.Interrupted {
		g.warn("%s: %s was interrupted: it has fewer requests than it was to have", c.Name, stem(s.Path))
	}
}

func rowsText(rows int64) string {
	if rows > 1 {
		return fmt.Sprintf("%d rows a request", rows)
	}
	return ""
}

// p99 is that of a point, without a value where it has none.
func p99(p point) report.Metric {
	m := report.NewMetric("latency_p99")
	m.Value = p.P99
	if p.P99 != nil && p.P99Lo != nil && p.P99Hi != nil && *p.P99Lo <= *p.P99 && *p.P99 <= *p.P99Hi {
		m.Lo, m.Hi, m.Confidence = p.P99Lo, p.P99Hi, 0.95
	}
	m.N = int(p.N)
	return m
}

// points are those of a load test: one of a single load, those of a sweep, the trials of a search.
func points(s *source) []point {
	x := s.load
	if len(x.Points) == 0 {
		return []point{single(s)}
	}
	var list []point
	for _, lp := range x.Points {
		p := point{LoadPoint: lp, from: s}
		for _, m := range s.Doc.Metrics {
			if len(m.Labels) > 0 && maps.Equal(m.Labels, lp.Labels()) {
				m.Labels = nil
				p.metrics = append(p.metrics, m)
			}
		}
		for _, j := range x.SLO {
			if j.At != "" && j.At == nameOf(lp) {
				p.judged = append(p.judged, j)
			}
		}
		if x.Search != nil {
			searched(s, &p)
		}
		list = append(list, withRows(p, x.Target.Rows))
	}
	return list
}

// searched gives a trial what the search said of it: its verdict on the objectives that it is of, and at the rate that was found the
// figures and the verdicts of the confirmation.
func searched(s *source, p *point) {
	x := s.load
	for _, step := range x.Search.Steps {
		if key(report.LoadPoint{Rate: step.Rate}) != key(p.LoadPoint) {
			continue
		}
		p.judged = nil
		for _, j := range x.SLO {
			if step.Of(j.Expr, len(x.SLO)) {
				p.judged = append(p.judged, report.LoadSLO{Expr: j.Expr, Verdict: step.Verdict, Reason: step.Reason, Missed: step.Missed, N: step.N})
			}
		}
	}
	if found := x.Search.Max; found == nil || key(report.LoadPoint{Rate: *found}) != key(p.LoadPoint) {
		return
	}
	p.judged = x.SLO
	p.Valid, p.Why = believed(s)
	if x.Figures != nil {
		p.metrics = unlabelled(s.Doc.Metrics)
	}
}

// single is the point of a single load.
func single(s *source) point {
	x := s.load
	p := point{from: s, metrics: unlabelled(s.Doc.Metrics), judged: x.SLO}
	p.Concurrency = x.Schedule.Concurrency
	value := func(name string) *float64 {
		if m := s.Doc.Metric(name, nil); m != nil {
			return m.Value
		}
		return nil
	}
	or := func(v *float64) float64 {
		if v == nil {
			return 0
		}
		return *v
	}
	switch stages := x.Schedule.Stages; {
	case p.Concurrency > 0:
	case len(stages) == 1 && stages[0].From == stages[0].To:
		p.Rate = stages[0].From
	default:
		p.Rate = or(value("offered_rate"))
	}
	p.Throughput, p.Goodput, p.ErrorRate = or(value("throughput")), or(value("goodput")), or(value("error_rate"))
	p.P50, p.P90, p.P99 = value("latency_p50"), value("latency_p90"), value("latency_p99")
	if m := s.Doc.Metric("latency_p99", nil); m != nil {
		p.P99Lo, p.P99Hi = m.Lo, m.Hi
	}
	if m := s.Doc.Metric("throughput", nil); m != nil {
		p.N = int64(m.N)
	}
	p.Valid, p.Why = believed(s)
	return withRows(p, x.Target.Rows)
}

// believed is the validity of a load test; one with wrong answers is of no use, however quick they came.
func believed(s *source) (valid bool, why string) {
	if m := s.Doc.Metric("wrong_answers", nil); m != nil && m.Value != nil && *m.Value > 0 {
		return false, fmt.Sprintf("%.0f answers were wrong", *m.Value)
	}
	return s.validity()
}

// withRows notes how many rows a request has, which its labels tell where they are several.
func withRows(p point, rows int64) point {
	if p.Batch == 0 && rows > 1 {
		p.Batch = rows
	}
	return p
}

func unlabelled(list []report.Metric) []report.Metric {
	var out []report.Metric
	for _, m := range list {
		if len(m.Labels) == 0 && m.Name != "max_rps" {
			out = append(out, m)
		}
	}
	return out
}

// fillPoints writes the points into the configuration: all metrics of a single one, those of pointMetrics with labels
// of several, by which judge chooses one.
func (c *config) fillPoints(g *grouping) {
	if len(c.points) == 0 {
		return
	}
	if p := c.points[0]; len(c.points) == 1 {
		for _, m := range orTrial(p.metrics, p.LoadPoint) {
			c.put(g, m, origin{loadTest, p.from})
		}
	}
	slices.SortStableFunc(c.points, func(a, b point) int {
		return cmp.Or(cmp.Compare(a.Batch, b.Batch), cmp.Compare(a.Rate, b.Rate), cmp.Compare(a.Concurrency, b.Concurrency))
	})
	for _, p := range c.points {
		for _, j := range p.judged {
			j.At, j.Headroom = key(p.LoadPoint), nil
			c.Judged = append(c.Judged, j)
		}
		c.Curve = append(c.Curve, p.LoadPoint)
		if len(c.points) == 1 {
			continue
		}
		for _, m := range p.metrics {
			if slices.Contains(pointMetrics(), m.Name) {
				m.Labels = p.Labels()
				c.put(g, m, origin{loadTest, p.from})
			}
		}
	}
}

// metricsAt are the metrics of one of the configuration's points, without labels: as they were measured, or of the trial
// of a search what its point of the curve tells.
func metricsAt(c *report.DecisionConfig, p report.LoadPoint) []report.Metric {
	var list []report.Metric
	for _, m := range c.Metrics {
		if len(m.Labels) > 0 && maps.Equal(m.Labels, p.Labels()) && slices.Contains(pointMetrics(), m.Name) {
			m.Labels = nil
			list = append(list, m)
		}
	}
	return orTrial(list, p)
}

// orTrial is list, or where it is empty what the point of a curve tells.
func orTrial(list []report.Metric, p report.LoadPoint) []report.Metric {
	if len(list) > 0 {
		return list
	}
	add := func(name string, v *float64) {
		if v == nil {
			return
		}
		m := report.NewMetric(name)
		m.Value, m.N, m.Method = v, int(p.N), "trial"
		list = append(list, m)
	}
	add("latency_p50", p.P50)
	add("latency_p90", p.P90)
	if m := p99(point{LoadPoint: p}); m.Value != nil {
		m.Method = "trial"
		list = append(list, m)
	}
	add("throughput", &p.Throughput)
	add("goodput", &p.Goodput)
	add("error_rate", &p.ErrorRate)
	return list
}

// atLoad reports whether a metric depends on how much load there is.
func atLoad(name string) bool {
	return strings.HasPrefix(name, "latency_") && name != "latency_p50_base" || strings.HasPrefix(name, "service_") ||
		slices.Contains([]string{"throughput", "goodput", "error_rate"}, name)
}
