package report

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// scale is a unit for people: values from `from` base units on are shown divided by `div`.
type scale struct {
	from, div float64
	name      string
}

// scalesOf returns the scales of q, largest first.
func scalesOf(q Quantity) []scale {
	switch q {
	case Time:
		return []scale{{1, 1, " s"}, {1e-3, 1e-3, " ms"}, {1e-6, 1e-6, " µs"}, {0, 1e-9, " ns"}}
	case Bytes:
		return []scale{{1e12, 1e12, " TB"}, {1e9, 1e9, " GB"}, {1e6, 1e6, " MB"}, {1e3, 1e3, " kB"}, {0, 1, " B"}}
	case Rate:
		return []scale{{1e7, 1e6, " M/s"}, {1e5, 1e3, " k/s"}, {0, 1, " /s"}}
	case Count:
		return []scale{{1e12, 1e12, " T"}, {1e9, 1e9, " G"}, {1e6, 1e6, " M"}, {1e4, 1e3, " k"}, {0, 1, ""}}
	case Ratio:
		return []scale{{0, 0.01, " %"}}
	case Factor:
		return []scale{{0, 1, "×"}}
	case Level:
		return []scale{{0, 1, " dB"}}
	default:
		return []scale{{0, 1, ""}}
	}
}

// scaleFor returns the scale in which people read v.
func scaleFor(q Quantity, v float64) scale {
	ss := scalesOf(q)
	if v == 0 && q == Time {
		return ss[0]
	}
	for _, s := range ss {
		if math.Abs(v) >= s.from {
			return s
		}
	}
	return ss[len(ss)-1]
}

// FormatValue writes v, in base units of q, for people: "12.3 ms", "4.09 G", "76.1 %".
// Three significant digits, whole numbers in full up to 9999, "—" for NaN and infinities.
func FormatValue(q Quantity, v float64) string {
	s := scaleFor(q, v)
	return digits(v/s.div, 3) + suffix(v, s)
}

func suffix(v float64, s scale) string {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return ""
	}
	return s.name
}

// digits writes x with n significant digits, never with an exponent for what people read without one.
func digits(x float64, n int) string {
	a := math.Abs(x)
	switch {
	case math.IsNaN(x) || math.IsInf(x, 0):
		return "—"
	case a == 0:
		return "0"
	case a == math.Trunc(a) && a < 1e4:
		return strconv.FormatFloat(x, 'f', 0, 64)
	}
	return significant(x, n)
}

// significant is digits with zeros at the end, too: 12.0 is known better than 12.
func significant(x float64, n int) string {
	a := math.Abs(x)
	switch {
	case a == 0 || math.IsNaN(x) || math.IsInf(x, 0):
		return digits(x, n)
	case a < 1e-4 || a >= 1e15:
		return strconv.FormatFloat(x, 'e', n-1, 64)
	}
	before := int(math.Floor(math.Log10(a))) + 1
	return strconv.FormatFloat(x, 'f', max(0, n-before), 64)
}

// FormatChange writes a ratio of head to base as the change in percent: "+12.3 %", "-0.42 %".
func FormatChange(ratio float64) string { return signed(100*(ratio-1)) + " %" }

// FormatDifference writes a difference, in base units of q, with its sign: "+2 ms", of ratios in points: "-0.5 pt".
func FormatDifference(q Quantity, v float64) string {
	if q == Ratio {
		return signed(100*v) + " pt"
	}
	s := scaleFor(q, v)
	return signed(v/s.div) + suffix(v, s)
}

// signed writes x with its sign and three significant digits, not finer than a thousandth.
func signed(x float64) string {
	if math.Abs(x) < 5e-4 {
		return "+0"
	}
	text := digits(x, 3)
	if a := math.Abs(x); a < 1 {
		text = strconv.FormatFloat(x, 'f', 3, 64)
	}
	if x > 0 {
		return "+" + text
	}
	return text
}

// Text returns the value and the interval of m for people, both in the unit that fits the value:
// "12.3 ms" and "[11.9, 13.1]". Without a value they are "—" and what it would take;
// without an interval the second is "".
func (m *Metric) Text() (value, interval string) {
	if m.Value == nil {
		return "—", m.missing()
	}
	v, q := *m.Value, m.QuantityOf()
	s := scaleFor(q, v)
	if v == 0 && m.Lo != nil && m.Hi != nil { // no change tells no unit, its interval does
		s = scaleFor(q, max(*m.Hi, -*m.Lo))
	}
	if m.Lo == nil || m.Hi == nil {
		return digits(v/s.div, 3) + suffix(v, s), ""
	}
	// As many digits as it takes to tell the ends of a narrow interval apart.
	n := 3
	lo, hi := significant(*m.Lo/s.div, n), significant(*m.Hi/s.div, n)
	for ; lo == hi && *m.Lo != *m.Hi && n < 6; n++ {
		lo, hi = significant(*m.Lo/s.div, n+1), significant(*m.Hi/s.div, n+1)
	}
	return significant(v/s.div, n) + suffix(v, s), "[" + lo + ", " + hi + "]"
}

// missing says why m has no value.
func (m *Metric) missing() string {
	if need := SamplesNeeded(m.Name); need > m.N {
		return fmt.Sprintf("needs %d runs, has %d", need, m.N)
	}
	if m.N > 0 {
		return fmt.Sprintf("n = %d is too few for an interval", m.N)
	}
	return "not measured"
}

// LabelText writes labels as a gate names them, "batch=8,threads=2" sorted by key; "" for none.
func LabelText(labels map[string]string) string {
	var parts []string
	for _, k := range SortedKeys(labels) {
		parts = append(parts, k+"="+labels[k])
	}
	return strings.Join(parts, ",")
}
