package render

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"infer/report"
)

// chart is a picture in HTML.
type chart interface {
	svg(b *strings.Builder)
}

// narrowChart is a chart that can be drawn for a narrow screen, too, with letters of the size of the text.
type narrowChart interface {
	chart
	narrow(b *strings.Builder)
}

// narrowWidth is that of a chart for a narrow screen.
const narrowWidth = 360

// axis is the range of values along one side of a chart, lo < hi; of a logarithmic one both are above 0.
type axis struct {
	lo, hi float64
	log    bool
	units  bool // ticks of a time say their unit; it is not in the name of the axis
}

// around returns the axis of all values with room at both ends; false where they span nothing that can be drawn.
func around(values []float64) (axis, bool) {
	a := axis{lo: math.Inf(1), hi: math.Inf(-1)}
	for _, v := range values {
		a.lo, a.hi = min(a.lo, v), max(a.hi, v)
	}
	room := 0.08 * (a.hi - a.lo)
	if room == 0 {
		room = max(0.01*math.Abs(a.lo), 1e-9)
	}
	a.lo, a.hi = a.lo-room, a.hi+room
	span := a.hi - a.lo
	return a, span > 0 && !math.IsInf(span, 0)
}

// logAround returns the logarithmic axis of all values above 0 with room at both ends; false where there are none.
func logAround(values []float64) (axis, bool) {
	a := axis{lo: math.Inf(1), hi: math.Inf(-1), log: true}
	for _, v := range values {
		if v > 0 {
			a.lo, a.hi = min(a.lo, v), max(a.hi, v)
		}
	}
	room := max(1.05, math.Pow(a.hi/a.lo, 0.08))
	a.lo, a.hi = a.lo/room, a.hi*room
	return a, a.lo > 0 && a.lo < a.hi && !math.IsInf(a.hi/a.lo, 0)
}

// fitting returns the axis of all values, logarithmic where they span more than a factor of 5; false where they span
// nothing that can be drawn.
func fitting(values []float64) (axis, bool) {
	if len(values) > 0 && slices.Min(values) > 0 && slices.Max(values) > 5*slices.Min(values) {
		return logAround(values)
	}
	return around(values)
}

// part returns where v lies between the ends of a: 0 is lo, 1 is hi. Below a logarithmic axis it is 0.
func (a axis) part(v float64) float64 {
	if a.log {
		return math.Log(max(v, a.lo)/a.lo) / math.Log(a.hi/a.lo)
	}
	return (v - a.lo) / (a.hi - a.lo)
}

// ticks returns about n round values of a, step apart: 1, 2 or 5 times a power of ten. The step of a logarithmic axis
// is 0.
func (a axis) ticks(n int) (at []float64, step float64) {
	if a.log {
		return a.logTicks(n), 0
	}
	raw := (a.hi - a.lo) / float64(n)
	power := math.Pow(10, math.Floor(math.Log10(raw)))
	step = 10 * power
	for _, m := range []float64{1, 2, 5} {
		if m*power >= raw {
			step = m * power
			break
		}
	}
	for k := math.Ceil(a.lo / step); k*step <= a.hi && len(at) <= 2*n; k++ {
		at = append(at, k*step)
	}
	return at, step
}

// logTicks returns at most about n round values: 1, 2 and 5 times powers of ten, or 1 and 3 times, or the powers alone, or
// some of them.
func (a axis) logTicks(n int) []float64 {
	if a.hi < 4*a.lo {
		at, _ := axis{lo: a.lo, hi: a.hi}.ticks(n)
		return at
	}
	first, last := int(math.Floor(math.Log10(a.lo))), int(math.Ceil(math.Log10(a.hi)))
	list := func(every int, times ...float64) (at []float64) {
		for k := first; k <= last; k += every {
			for _, m := range times {
				if v := m * math.Pow10(k); v >= a.lo && v <= a.hi {
					at = append(at, v)
				}
			}
		}
		return at
	}
	at := list(1, 1, 2, 5)
	if len(at) > n+2 {
		at = list(1, 1, 3)
	}
	for every := 1; len(at) > n+2; every++ {
		at = list(every, 1)
	}
	return at
}

// frame is the plot of a chart, in the units of its picture, and its axes.
type frame struct {
	left, right, top, bottom float64
	x, y                     axis
}

func (f frame) atX(v float64) float64 { return f.left + f.x.part(v)*(f.right-f.left) }
func (f frame) atY(v float64) float64 { return f.bottom - f.y.part(v)*(f.bottom-f.top) }

// openChart begins a picture; id is that of no other picture of the page.
func openChart(b *strings.Builder, id string, width, height float64, title, desc string) {
	fmt.Fprintf(b, `<svg class="chart" viewBox="0 0 %g %g" role="img" aria-labelledby="%[3]s-title %[3]s-desc"><title id="%[3]s-title">%[4]s</title><desc id="%[3]s-desc">%[5]s</desc>`+"\n",
		width, height, id, htmlText(title), htmlText(desc))
}

// xAxis draws the line below the plot, its ticks and what they measure.
func (f frame) xAxis(b *strings.Builder, name string, q report.Quantity) {
	fmt.Fprintf(b, `<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1[2]f"/>`+"\n", f.left, f.bottom, f.right)
	ticks, step := f.x.ticks(int(min(8, max(3, (f.right-f.left)/75))))
	if f.x.units {
		step = 0
	}
	for _, v := range ticks {
		fmt.Fprintf(b, `<text class="axis" x="%.1f" y="%.1f" text-anchor="middle">%s</text>`+"\n", f.atX(v), f.bottom+16, tickText(q, v, step))
	}
	if name != "" {
		fmt.Fprintf(b, `<text class="axis" x="%.1f" y="%.1f" text-anchor="end">%s</text>`+"\n", f.right, f.bottom+34, htmlText(name))
	}
}

// yAxis draws a line across the plot for each tick, and what they measure above it.
func (f frame) yAxis(b *strings.Builder, name string, q report.Quantity) {
	ticks, step := f.y.ticks(5)
	for _, v := range ticks {
		fmt.Fprintf(b, `<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1[2]f"/><text class="axis" x="%.1[4]f" y="%.1[5]f" text-anchor="end">%[6]s</text>`+"\n",
			f.left, f.atY(v), f.right, f.left-8, f.atY(v)+4, tickText(q, v, step))
	}
	fmt.Fprintf(b, `<text class="axis" x="0" y="%.1f">%s</text>`+"\n", f.top-14, htmlText(name))
}

// tickText writes a tick with the decimals that tell it from its neighbour, step away.
func tickText(q report.Quantity, v, step float64) string {
	if math.Abs(v) < step/2 {
		v = 0
	}
	times, unit := 1.0, ""
	if step == 0 && q == report.Time {
		return timeTick(v)
	}
	if step == 0 && q == report.Factor {
		return strconv.FormatFloat(math.Round(v*1e9)/1e9, 'f', -1, 64) + "×"
	}
	if step == 0 && q == report.Plain {
		return roundText(v)
	}
	switch q {
	case report.Ratio:
		times, unit = 100, " %"
	case report.Factor:
		unit = "×"
	case report.Level:
		unit = " dB"
	}
	if step *= times; step < 1e-3 || step > 1e5 {
		return htmlText(report.FormatValue(q, v))
	}
	decimals := max(0, int(math.Ceil(-math.Log10(step)-1e-9)))
	return htmlText(strconv.FormatFloat(v*times, 'f', decimals, 64) + unit)
}

// roundText writes a round number without zeros at its end.
func roundText(v float64) string { return strconv.FormatFloat(math.Round(v*1e9)/1e9, 'f', -1, 64) }

// timeTick writes a round time, which has few digits but for the error of arithmetic.
func timeTick(v float64) string {
	for _, u := range []struct {
		times float64
		name  string
	}{{1, " s"}, {1e3, " ms"}, {1e6, " µs"}} {
		if x := v * u.times; x > 0.999 {
			return strconv.FormatFloat(math.Round(x*1e6)/1e6, 'f', -1, 64) + u.name
		}
	}
	return strconv.FormatFloat(math.Round(v*1e15)/1e6, 'f', -1, 64) + " ns"
}

func plainText(v float64) string { return report.FormatValue(report.Plain, v) }
