package render

import (
	"fmt"
	"math"
	"strings"

	"infer/report"
)

// The words for a change, by the direction in which the metric is better.
const (
	worse  = "worse"
	better = "better"
)

// direction says whether a change of m is for the worse or the better, "" where neither can be said.
func direction(m report.CompareMetric) string {
	d := 0.0
	switch {
	case m.Ratio != nil:
		d = *m.Ratio - 1
	case m.Change != nil:
		d = *m.Change
	}
	switch {
	case m.Better == "" || d == 0:
		return ""
	case d > 0 == (m.Better == "lower"):
		return worse
	}
	return better
}

// changeText writes the change of m from base to head and its interval, both in the same unit: "+12.3 %" and
// "[+9.8, +15.1]"; of a ratio that is compared by difference "-0.52 pt". Without a change they are "—" and "".
func changeText(m report.CompareMetric) (change, between string) {
	switch {
	case m.Ratio != nil:
		return signedPercent(*m.Ratio-1, less(m.RatioLo), less(m.RatioHi))
	case m.Change != nil:
		return difference(m, *m.Change, m.ChangeLo, m.ChangeHi)
	}
	return "—", ""
}

func less(v *float64) *float64 {
	if v == nil {
		return nil
	}
	d := *v - 1
	return &d
}

// signedPercent writes a relative change and its interval in percent.
func signedPercent(x float64, lo, hi *float64) (change, between string) {
	return signed(x, lo, hi, 0.01, " %", 1)
}

// difference writes a change of m in its own unit, of a ratio in points.
func difference(m report.CompareMetric, x float64, lo, hi *float64) (change, between string) {
	q := (&report.Metric{Name: m.Name, Unit: m.Unit}).QuantityOf()
	if q == report.Ratio {
		return signed(x, lo, hi, 0.01, " pt", 2)
	}
	like := report.Metric{Name: m.Name, Unit: m.Unit, Value: &x, Lo: lo, Hi: hi}
	change, between = like.Text()
	if x > 0 {
		change = "+" + change
	}
	return change, between
}

// signed writes x and its interval in units of div, with a sign, and with decimals, or the more that it takes to tell
// the ends of a narrow interval apart, or an exact change from none.
func signed(x float64, lo, hi *float64, div float64, unit string, decimals int) (change, between string) {
	write := func(v float64) string {
		v /= div
		if math.IsInf(v, 0) || math.IsNaN(v) {
			return "—"
		}
		n := decimals
		if math.Abs(v) >= 1000 {
			n = 0
		}
		s := fmt.Sprintf("%+.*f", n, v)
		if strings.Trim(s, "+-0.") == "" {
			return s[1:] // no sign of zero
		}
		return s
	}
	if lo == nil || hi == nil || *lo == *hi {
		for ; write(x)[0] == '0' && x != 0 && decimals < 4; decimals++ {
		}
		return write(x) + unit, ""
	}
	for ; write(*lo) == write(*hi) && decimals < 4; decimals++ {
	}
	return write(x) + unit, "[" + write(*lo) + ", " + write(*hi) + "]"
}

// effect is the smallest change for the worse that would have been caught: "+6.2 %", of a metric that is better when
// higher "-6.2 %"; "" where that is not known.
func effect(m report.CompareMetric) string {
	if m.MDE == nil {
		return ""
	}
	x := math.Abs(*m.MDE)
	if m.Better == "higher" {
		x = -x
	}
	text := ""
	if m.Ratio == nil && m.Change != nil {
		text, _ = difference(m, x, nil, nil)
	} else {
		text, _ = signedPercent(x, nil, nil)
	}
	if m.Better == "" {
		text = "±" + strings.TrimLeft(text, "+-")
	}
	return text
}

// chance writes a p-value, corrected for the number of gates where it is.
func chance(m report.CompareMetric) string {
	p := m.PAdjusted
	if p == nil {
		p = m.PValue
	}
	switch {
	case p == nil:
		return ""
	case *p < 1e-4:
		return "<0.0001"
	}
	return fmt.Sprintf("%.2g", *p)
}

// sideText writes the value of one side.
func sideText(m report.CompareMetric, v *float64) string {
	if v == nil {
		return "—"
	}
	return report.FormatValue((&report.Metric{Name: m.Name, Unit: m.Unit}).QuantityOf(), *v)
}

// metricName is the name of m with its labels.
func metricName(m report.CompareMetric) string {
	if l := report.LabelText(m.Labels); l != "" {
		return m.Name + "{" + l + "}"
	}
	return m.Name
}

// gateLimit is the part of a gate behind its metric: "<=+5%".
func gateLimit(expr string) string {
	if i := strings.IndexAny(expr, "<>"); i >= 0 {
		return strings.ReplaceAll(expr[i:], " ", "")
	}
	return expr
}
