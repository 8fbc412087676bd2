package render

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"infer/report"
)

// curves is a picture of p99 against load, a line a configuration.
type curves struct {
	lines  []curveLine
	limits []limit
	x      string
	closed bool // of some the load is what was answered: it was not offered at a rate
}

// curveLine is the curve of one configuration.
type curveLine struct {
	name   string
	points []report.LoadPoint // with a p99
}

// curves is the latency-throughput curves of all configurations in one picture.
func (v *decision) curves() section {
	c := curves{x: "offered rate, requests a second"}
	for _, expr := range v.SLO {
		if g, err := report.ParseSLO(expr); err == nil && g.Metric == "latency_p99" && g.Op[0] == '<' && g.Limit > 0 {
			c.limits = append(c.limits, limit{expr, g.Limit})
		}
	}
	for _, x := range v.ranked {
		l := curveLine{name: x.Name}
		for _, p := range x.Curve {
			if p.P99 != nil && *p.P99 > 0 {
				l.points = append(l.points, p)
				c.closed = c.closed || p.Rate <= 0
			}
		}
		if len(l.points) > 1 {
			c.lines = append(c.lines, l)
		}
	}
	if c.closed {
		c.x = "throughput, requests a second"
	}
	s := section{title: "Latency and load", table: c.table(), long: true}
	if _, ok := c.frame(chartWidth); !ok {
		return section{}
	}
	s.chart = c
	return s
}

func (c curves) at(p report.LoadPoint) float64 {
	if c.closed {
		return p.Throughput
	}
	return p.Rate
}

// frame returns the plot; false where there is nothing to draw.
func (c curves) frame(width float64) (frame, bool) {
	f := frame{left: 56, right: width - 20, top: 30, bottom: 330}
	var ys []float64
	for _, l := range c.lines {
		for _, p := range l.points {
			f.x.hi = max(f.x.hi, c.at(p))
			ys = append(ys, *p.P99)
			if p.P99Lo != nil && p.P99Hi != nil {
				ys = append(ys, *p.P99Lo, *p.P99Hi)
			}
		}
	}
	for _, l := range c.limits {
		ys = append(ys, l.value)
	}
	f.x.hi *= 1.06
	var ok bool
	f.y, ok = logAround(ys)
	return f, ok && f.x.hi > 0 && !math.IsInf(f.x.hi, 0) && len(c.lines) > 0
}

func (c curves) svg(b *strings.Builder) { c.draw(b, "curves", chartWidth) }

func (c curves) narrow(b *strings.Builder) { c.draw(b, "curves-narrow", narrowWidth) }

func (c curves) draw(b *strings.Builder, id string, width float64) {
	f, _ := c.frame(width)
	openChart(b, id, width, f.bottom+66, "Latency and load", c.description())
	names := labels{bounds: box{f.left, width, f.top - 12, f.bottom}}
	for _, l := range c.limits {
		e := edge{expr: l.expr, value: l.value}
		e.shade(b, f)
		e.keep(f, &names)
	}
	f.yAxis(b, "p99 latency, logarithmic", report.Time)
	f.xAxis(b, c.x, report.Rate)
	for i, l := range c.lines {
		var at []string
		var last [2]float64
		for j, p := range c.sorted(l.points) {
			x, y := f.atX(c.at(p)), f.atY(*p.P99)
			if j > 0 {
				names.slope(last[0], last[1], x, y)
			}
			last = [2]float64{x, y}
			at = append(at, fmt.Sprintf("%.1f,%.1f", x, y))
			names.take(box{x - 6, x + 6, y - 6, y + 6})
		}
		fmt.Fprintf(b, `<g class="c%d">`, 1+i%6)
		polyline(b, "line", at)
		for _, p := range l.points {
			c.point(b, f, i, l.name, p)
		}
		b.WriteString("</g>\n")
	}
	for _, l := range c.limits {
		edge{expr: l.expr, value: l.value}.name(b, f, &names)
	}
	for i, l := range c.lines {
		last := slices.MaxFunc(l.points, func(p, q report.LoadPoint) int { return cmp.Compare(c.at(p), c.at(q)) })
		names.writeFar(b, shorten(clean(l.name), 32), fmt.Sprintf("c%d", 1+i%6), f.atX(c.at(last)), f.atY(*last.P99))
	}
	fmt.Fprintf(b, `<circle class="pt" cx="%.1f" cy="%.1f" r="4"/><text class="axis" x="%.1f" y="%.1f">hollow: not to be trusted</text></svg>`+"\n",
		f.left, f.bottom+52, f.left+11, f.bottom+56)
}

// sorted returns points in the order in which a line joins them: by load, those of a closed loop by how many requests
// were out at a time, because beyond saturation throughput falls again.
func (c curves) sorted(points []report.LoadPoint) []report.LoadPoint {
	sorted := slices.Clone(points)
	slices.SortStableFunc(sorted, func(p, q report.LoadPoint) int {
		if c.closed && p.Concurrency > 0 && q.Concurrency > 0 {
			return cmp.Compare(p.Concurrency, q.Concurrency)
		}
		return cmp.Compare(c.at(p), c.at(q))
	})
	return sorted
}

// point draws p99 with its interval, with a shape that tells the lines apart without colour, hollow where it is not to
// be trusted.
func (c curves) point(b *strings.Builder, f frame, line int, name string, p report.LoadPoint) {
	x, y := f.atX(c.at(p)), f.atY(*p.P99)
	fmt.Fprintf(b, "<g><title>%s</title>", htmlText(name+", "+c.label(p)))
	if p.P99Lo != nil && p.P99Hi != nil && *p.P99Lo > 0 && *p.P99Lo < *p.P99Hi {
		fmt.Fprintf(b, `<line class="error" x1="%.1f" y1="%.1f" x2="%.1[1]f" y2="%.1[3]f"/>`, x, f.atY(*p.P99Lo), f.atY(*p.P99Hi))
	}
	class := "pt full"
	if !p.Valid {
		class = "pt"
	}
	switch line % 4 {
	case 0:
		fmt.Fprintf(b, `<circle class="%s" cx="%.1f" cy="%.1f" r="4"/>`, class, x, y)
	case 1:
		fmt.Fprintf(b, `<rect class="%s" x="%.1f" y="%.1f" width="7.6" height="7.6"/>`, class, x-3.8, y-3.8)
	case 2:
		fmt.Fprintf(b, `<path class="%s" d="M%.1f %.1fl5 5l-5 5l-5 -5z"/>`, class, x, y-5)
	default:
		fmt.Fprintf(b, `<path class="%s" d="M%.1f %.1fl5 9h-10z"/>`, class, x, y-5.4)
	}
	b.WriteString("</g>")
}

func (c curves) label(p report.LoadPoint) string {
	what := rateOf(p.Rate) + " offered"
	if p.Rate <= 0 {
		what = plural(p.Concurrency, "request") + " at a time"
	}
	text := what + ": " + rateOf(p.Throughput) + " answered, p99 " + orDash(p.P99)
	if !p.Valid {
		text += ", not valid: " + p.Why
	}
	return text
}

// description says the picture in words, for those who do not see it.
func (c curves) description() string {
	var lines []string
	for _, l := range c.lines {
		var parts []string
		for _, p := range l.points {
			parts = append(parts, c.label(p))
		}
		lines = append(lines, l.name+": "+strings.Join(parts, "; "))
	}
	for _, l := range c.limits {
		lines = append(lines, "the objective "+l.expr+" is a line")
	}
	return strings.Join(lines, ". ")
}

// table is the points in numbers.
func (c curves) table() *table {
	t := &table{cols: []column{{head: "configuration", group: true}, {head: "offered", right: true}, {head: "at a time", right: true}, {head: "throughput", right: true},
		{head: "goodput", right: true, drop: 2}, {head: "errors", right: true, drop: 3}, {head: "p50", right: true}, {head: "p99", right: true}, {head: "[95 % CI]"}, {head: "n", right: true, drop: 1},
		{head: "not valid", note: true}}}
	for _, l := range c.lines {
		head := str(l.name)
		for _, p := range l.points {
			row := []cell{head, {}, {}, str(rateOf(p.Throughput)), str(rateOf(p.Goodput)), str(percent(p.ErrorRate)), str(orDash(p.P50)), {}, {}, str(whole(p.N)), {}}
			if p.Rate > 0 {
				row[1] = str(rateOf(p.Rate))
			}
			if p.Concurrency > 0 {
				row[2] = str(fmt.Sprint(p.Concurrency))
			}
			m := report.NewMetric("latency_p99")
			m.Value, m.Lo, m.Hi = p.P99, p.P99Lo, p.P99Hi
			text, between := m.Text()
			row[7], row[8] = str(text), faint(between)
			if !p.Valid {
				row[7].tone, row[10] = warn, cell{text: "not valid: " + p.Why, tone: warn}
			}
			t.rows, head = append(t.rows, row), cell{}
		}
	}
	return t.compact()
}
