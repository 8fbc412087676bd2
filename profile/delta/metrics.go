package delta

import (
	"maps"

	"infer/internal/stats"
	"infer/report"
)

// metrics compares what both documents measured, in the order of head. Intervals are of the noise within the two profiles.
func metrics(base, head *report.Document) []report.CompareMetric {
	var out []report.CompareMetric
	for i := range head.Metrics {
		h := &head.Metrics[i]
		b := base.Metric(h.Name, h.Labels)
		if b == nil || b.Value == nil || h.Value == nil || b.Unit != h.Unit {
			continue
		}
		out = append(out, change(b, h))
	}
	return out
}

// change compares a metric: by ratio, or by difference where a ratio says nothing.
func change(b, h *report.Metric) report.CompareMetric {
	m := report.CompareMetric{Name: h.Name, Labels: maps.Clone(h.Labels), Unit: h.Unit, Better: h.Better, Base: b.Value, Head: h.Value, Pairs: 1}
	x, y := estimate(b), estimate(h)
	q := h.QuantityOf()
	byRatio := *b.Value > 0 && *h.Value > 0 && q != report.Ratio && q != report.Level
	e := stats.Difference(y, x)
	if byRatio {
		e = stats.Quotient(y, x)
	}
	m.Method = "within the profiles"
	value := e.Value
	var lo, hi *float64
	switch {
	case e.OK:
		lo, hi = &e.Lo, &e.Hi
	case b.Lo == nil && h.Lo == nil && (b.N <= 1 && h.N <= 1 || counted(b) && counted(h)):
		m.Method = "exact"
	}
	none := 0.0
	if byRatio {
		m.Ratio, m.RatioLo, m.RatioHi, none = &value, lo, hi, 1
	} else {
		m.Change, m.ChangeLo, m.ChangeHi = &value, lo, hi
	}
	m.Significant = lo != nil && (*lo > none || *hi < none) || m.Method == "exact" && value != none
	return m
}

// counted reports whether a metric follows from the model and was not sampled.
func counted(m *report.Metric) bool {
	return m.Method == "exact" || m.Method == "count" || m.Method == "liveness"
}

// estimate is a metric with its interval; not OK without one.
func estimate(m *report.Metric) stats.Estimate {
	e := stats.Estimate{Value: *m.Value, Lo: *m.Value, Hi: *m.Value, N: m.N, Confidence: m.Confidence}
	if m.Lo != nil && m.Hi != nil && m.Confidence > 0 && m.Confidence < 1 {
		e.Lo, e.Hi, e.OK = *m.Lo, *m.Hi, true
	}
	return e
}

// macs is the row of the multiply-accumulates of a run, nil where they are the same or not known.
func macs(base, head *report.Document) *report.DiffRow {
	b, h := base.Metric("macs", nil), head.Metric("macs", nil)
	if b == nil || h == nil || b.Value == nil || h.Value == nil || *b.Value == *h.Value {
		return nil
	}
	return &report.DiffRow{What: "MACs", Base: report.FormatValue(report.Count, *b.Value), Head: report.FormatValue(report.Count, *h.Value)}
}
