package render

import "infer/report"

// objectives is the table of the objectives: what was measured of each configuration, how far it is from the limit, and
// whether it holds. An interval that contains the limit is neither a pass nor a failure.
func (v *decision) objectives() section {
	var ms []report.Metric
	t := &table{cols: []column{{head: "objective", group: true}, {head: "configuration", shrink: true}, {head: "verdict"}, {head: "measured", right: true}, {head: ""},
		{head: "headroom", right: true, drop: 1}, {head: "against the limit", strip: true}, {head: "n", right: true, drop: 2}, {head: "why", note: true}}}
	for i, expr := range v.SLO {
		shared := v.axisOf(i)
		head := code(expr)
		if head.sub = v.limitText(i); shared.log {
			head.sub = joined(head.sub, "logarithmic scale")
		}
		for _, c := range v.ranked {
			if i >= len(c.SLO) {
				continue
			}
			x := c.SLO[i]
			row := []cell{head, v.name(c), verdictCell(x.Verdict), {text: "not measured", tone: warn}, {}, {}, {}, {}, {}}
			if m := x.Measured; m != nil {
				value, between := m.Text()
				row[3], row[4] = str(value), faint(between)
				if m.N > 0 && !(m.N == 1 && m.Lo == nil) {
					row[7] = str(whole(int64(m.N)))
				}
				row[6].strip = stripOf(x, shared)
				ms = append(ms, *m)
			}
			if x.Headroom != nil {
				row[5] = str(signedShare(*x.Headroom))
			}
			row[8] = faint(unexplained(x))
			if !c.Valid {
				row[2].tone = warn
			}
			t.rows = append(t.rows, row)
			head = cell{}
		}
	}
	t.cols[4].head = interval(ms)
	s := section{title: "Objectives", table: t.compact()}
	if len(t.rows) > 0 {
		s.lines = []cell{faint("headroom: the share of the limit that is left; inconclusive: the limit lies inside the interval, so neither can be said")}
	}
	return s
}

// unexplained is the reason of a verdict that the figures beside it do not explain: they do where the interval holds the
// limit and it is inconclusive, or does not and it is not, and where nothing was measured.
func unexplained(x report.DecisionObjective) string {
	m := x.Measured
	if m == nil {
		return ""
	}
	if m.Value != nil {
		lo, hi := metricEnds(*m)
		if holds := m.Lo != nil && lo <= x.Limit && x.Limit <= hi; holds == (x.Verdict == report.GateInconclusive) {
			return ""
		}
	}
	return x.Reason
}

// limitText is the limit of the i-th objective in the unit that fits it.
func (v *decision) limitText(i int) string {
	for _, c := range v.Configs {
		if i < len(c.SLO) && c.SLO[i].Measured != nil {
			return "limit " + report.FormatValue(c.SLO[i].Measured.QuantityOf(), c.SLO[i].Limit)
		}
	}
	return ""
}

// signedShare is a share in whole percent, below 0 too.
func signedShare(x float64) string {
	if x < 0 {
		return "-" + shareText(-x)
	}
	return shareText(x)
}

// axisOf is the axis that the strips of the i-th objective share. It holds all values, intervals and the limit.
func (v *decision) axisOf(i int) axis {
	var values []float64
	for _, c := range v.ranked {
		if i < len(c.SLO) && c.SLO[i].Measured != nil && c.SLO[i].Measured.Value != nil {
			m := c.SLO[i].Measured
			lo, hi := metricEnds(*m)
			values = append(values, *m.Value, lo, hi, c.SLO[i].Limit)
		}
	}
	a, _ := fitting(values)
	return a
}

// metricEnds returns the interval of m, or its value twice.
func metricEnds(m report.Metric) (lo, hi float64) {
	return ends(report.Level95{Value: *m.Value, Lo: m.Lo, Hi: m.Hi})
}

// stripOf is the strip of an objective; nil where nothing can be drawn.
func stripOf(x report.DecisionObjective, a axis) *strip {
	if x.Measured == nil || x.Measured.Value == nil || !(a.lo < a.hi) {
		return nil
	}
	s := &strip{axis: a, value: *x.Measured.Value, limit: &x.Limit, below: higherIsBetter(x.Expr)}
	s.lo, s.hi = metricEnds(*x.Measured)
	return s
}

// higherIsBetter reports whether an objective is a lower limit.
func higherIsBetter(expr string) bool {
	g, err := report.ParseSLO(expr)
	return err == nil && g.Op[0] == '>'
}
