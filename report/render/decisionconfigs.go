package render

import (
	"fmt"
	"slices"
	"strings"

	"infer/report"
)

const configurationsTitle = "Configurations"

// configurations is the table of all configurations, the best first, with what each changes against the base.
func (v *decision) configurations(o Options) section {
	t := &table{sortable: true, cols: []column{{head: "configuration", lead: true}, {head: "verdict"}, {head: "p99", right: true}, {head: "change", right: true, drop: 1},
		{head: "rate", right: true}, {head: "change", right: true, drop: 4}, {head: "per million", right: true}, {head: "change", right: true, drop: 3},
		{head: v.qualityName(), right: true}, {head: "change", right: true, drop: 2}, {head: "Pareto", drop: 5}}}
	shown := rowsToShow(len(v.ranked), 10, o)
	for _, c := range v.ranked[:shown] {
		rate, cost := cell{}, cell{}
		if c.AtSLO != nil {
			rate = levelCell("throughput", c.AtSLO)
			if c.Bound {
				rate.text = "≥" + noBreak + rate.text
			}
		}
		if c.Cost != nil {
			cost = v.costCell(c)
		}
		row := []cell{v.name(c), verdictCell(c.Verdict), measured(metricOf(c, "latency_p99")), v.delta(c, "latency_p99"),
			rate, v.delta(c, "throughput_at_slo"), cost, v.delta(c, "cost_per_million"),
			measured(metricOf(c, v.Quality)), v.delta(c, v.Quality), pareto(c)}
		if !c.Valid {
			row[1].tone = warn
		}
		t.rows = append(t.rows, row)
	}
	if n := len(v.ranked) - shown; n > 0 {
		t.more = fmt.Sprintf("and %d more", n)
	}
	s := section{title: configurationsTitle, table: t.compact()}
	if len(t.rows) > 0 {
		s.lines = []cell{faint(v.legendText())}
	}
	return s
}

// legendText says how the table of configurations is read.
func (v *decision) legendText() string {
	var parts []string
	if slices.ContainsFunc(v.Configs, func(c report.DecisionConfig) bool { return c.AtSLO != nil }) {
		parts = append(parts, "rate: the highest that was seen to hold every objective")
	}
	if slices.ContainsFunc(v.Configs, func(c report.DecisionConfig) bool { return c.Cost != nil }) {
		parts = append(parts, "per million: the cost of as many inferences")
	}
	if v.Base != "" && len(v.Configs) > 1 {
		parts = append(parts, "change: against "+v.Base+", ~ where it cannot be told from noise")
	}
	return strings.Join(append(parts, "intervals are 95 %"), "; ")
}

// qualityName is what the configurations are set side by side by, beside p99.
func (v *decision) qualityName() string {
	return strings.TrimSuffix(v.Quality, "_top1")
}

// delta is the change of a metric against the base; empty for the base itself.
func (v *decision) delta(c report.DecisionConfig, name string) cell {
	if c.Name == v.Base {
		return cell{}
	}
	return change(relativeOf(c, name))
}

// levelCell is the cell of a value that is a metric of this name or like one.
func levelCell(name string, l *report.Level95) cell {
	value, between := level(name, l)
	return cell{text: value, sub: between, key: &l.Value}
}

func (v *decision) costCell(c report.DecisionConfig) cell {
	x := cell{text: atMost(c) + v.money(c, c.Cost.Value), key: &c.Cost.Value}
	if c.Cost.Lo != nil && c.Cost.Hi != nil {
		x.sub = "[" + report.FormatMoney("", *c.Cost.Lo) + ", " + report.FormatMoney("", *c.Cost.Hi) + "]"
	}
	return x
}

func pareto(c report.DecisionConfig) cell {
	switch {
	case c.Front:
		return str("front")
	case c.Dominated != "":
		return faint("dominated by " + c.Dominated)
	}
	return cell{}
}

// pareto is the picture of accuracy against latency, with the objectives on both.
func (v *decision) pareto() section {
	s := scatter{id: "pareto", title: "Accuracy against latency", all: true, x: side{"p99 latency", report.Time}, lower: true, y: side{v.qualityName(), report.Ratio},
		names: map[role]string{}}
	largest := v.sizes(&s)
	for _, c := range v.Configs {
		x, y := metricOf(c, "latency_p99"), metricOf(c, v.Quality)
		if x == nil || y == nil || x.Value == nil || y.Value == nil {
			continue
		}
		p := point{name: c.Name, x: *x.Value, y: *y.Value, front: c.Front, grey: c.Dominated != "", chosen: v.chosen(c), base: c.Name == v.Base, doubt: !c.Valid}
		p.xLo, p.xHi = metricEnds(*x)
		p.yLo, p.yHi = metricEnds(*y)
		p.label = fmt.Sprintf("%s: p99 %s, %s %s", c.Name, textOf(x), v.qualityName(), textOf(y))
		if size := v.sizeOf(c); size != nil && largest > 0 {
			p.size = max(1, 9**size/largest)
			p.label += ", " + bytesText(*size)
		}
		s.points = append(s.points, p)
		s.names[p.role()] = roleName(p.role())
	}
	s.limits = v.edges()
	if _, _, ok := s.axes(); !ok || len(s.points) < 2 {
		return section{}
	}
	if s.logX() {
		s.x.name += ", logarithmic"
	}
	return section{title: s.title, chart: s}
}

func roleName(r role) string {
	return [...]string{roleOther: "neither on the front nor dominated, as far as the intervals tell", roleGrey: "dominated", roleDoubt: "not to be trusted", roleFront: "Pareto front",
		roleBase: "base", roleChosen: "chosen"}[r]
}

// edges are the objectives on what the picture shows.
func (v *decision) edges() []edge {
	var es []edge
	for _, expr := range v.SLO {
		g, err := report.ParseSLO(expr)
		if err != nil || len(g.Labels) > 0 || g.Metric != "latency_p99" && g.Metric != v.Quality {
			continue
		}
		es = append(es, edge{expr: expr, value: g.Limit, onX: g.Metric == "latency_p99", below: g.Op[0] == '>'})
	}
	return es
}

// sizes makes the symbols as large as the memory that configurations take, or where that is not known, as their models;
// it returns the largest.
func (v *decision) sizes(s *scatter) (largest float64) {
	for _, c := range v.Configs {
		if size := v.sizeOf(c); size != nil {
			largest = max(largest, *size)
		}
	}
	if largest > 0 {
		s.note = "area: " + map[string]string{"peak_rss": "peak memory", "model_bytes": "size of the model"}[v.sizeMetric()] + ", the largest is " + bytesText(largest)
	}
	return largest
}

// sizeMetric is what the size of symbols says: peak memory where it is known of all configurations.
func (v *decision) sizeMetric() string {
	for _, c := range v.Configs {
		if valueOf(c, "peak_rss") == nil {
			return "model_bytes"
		}
	}
	return "peak_rss"
}

func (v *decision) sizeOf(c report.DecisionConfig) *float64 { return valueOf(c, v.sizeMetric()) }

// textOf writes a metric with its interval.
func textOf(m *report.Metric) string {
	value, between := m.Text()
	return strings.TrimSpace(value + " " + between)
}
