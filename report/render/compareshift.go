package render

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"infer/report"
)

// shift is the change of latency at every percentile: a picture, and a table from the slowest down.
func (v *comparison) shift() []section {
	if len(v.Shift) == 0 {
		return nil
	}
	t := &table{cols: []column{{head: "percentile"}, {head: "base", right: true, drop: 2}, {head: "head", right: true, drop: 1}, {head: "change", right: true}, {head: "[95 % CI]"}}}
	for _, p := range slices.Backward(v.Shift) {
		m := shiftMetric(p)
		change, between := changeText(m)
		c := cell{text: strings.TrimSpace(change + " " + direction(m)), tone: directionTone(direction(m))}
		if !m.Significant {
			c = str("~ " + change)
		}
		t.rows = append(t.rows, []cell{str(percentileText(p.Percentile)), str(seconds(p.Base)), str(seconds(p.Head)), c, faint(between)})
	}
	s := section{title: "Latency at every percentile", table: t.compact(), aside: true,
		lines: []cell{faint("the interval of a percentile is for itself alone: of many, some leave out no change by chance")}}
	picture := shiftChart{points: v.Shift}
	for _, m := range v.gated {
		if limit, ok := ratioLimit(m.Gate); ok && strings.HasPrefix(m.Name, "latency_") {
			picture.limits = append(picture.limits, ratioMark{m.Gate, limit})
		}
	}
	if _, ok := picture.frame(); ok {
		s.chart = picture
	}
	return []section{s}
}

// shiftMetric is a percentile of the shift function as a metric.
func shiftMetric(p report.ShiftPoint) report.CompareMetric {
	return report.CompareMetric{Name: "latency", Unit: "s", Better: "lower", Ratio: &p.Ratio, RatioLo: p.Lo, RatioHi: p.Hi,
		Significant: p.Lo != nil && p.Hi != nil && (*p.Lo > 1 || *p.Hi < 1)}
}

// percentileText writes a percentile in (0, 1): "p99.9".
func percentileText(p float64) string {
	return "p" + strconv.FormatFloat(math.Round(1e4*p)/100, 'f', -1, 64)
}

// ratioMark is a ratio that a line shows, and what it is.
type ratioMark struct {
	expr  string
	ratio float64
}

// shiftChart is a picture of head / base at every percentile, one step apart each.
type shiftChart struct {
	points []report.ShiftPoint
	limits []ratioMark
}

// frame returns the plot; false where there is nothing to draw.
func (c shiftChart) frame() (frame, bool) {
	f := frame{left: 64, right: chartWidth - 16, top: 30, bottom: 290, x: axis{lo: -0.5, hi: float64(len(c.points)) - 0.5}}
	ys := []float64{1}
	n := 0
	for _, p := range c.points {
		if p.Ratio <= 0 {
			continue
		}
		n++
		ys = append(ys, p.Ratio)
		if p.Lo != nil && p.Hi != nil {
			ys = append(ys, *p.Lo, *p.Hi)
		}
	}
	for _, l := range c.limits {
		ys = append(ys, l.ratio)
	}
	var ok bool
	f.y, ok = logAround(ys)
	return f, ok && n > 1
}

func (c shiftChart) svg(b *strings.Builder) {
	f, _ := c.frame()
	openChart(b, "shift", chartWidth, f.bottom+66, "Latency of head against base at every percentile", c.description())
	f.yAxis(b, "head / base", report.Factor)
	every := max(1, (len(c.points)+19)/20)
	for i, p := range c.points {
		if i%every == 0 {
			fmt.Fprintf(b, `<text class="axis" x="%.1f" y="%.1f" text-anchor="middle">%s</text>`+"\n", f.atX(float64(i)), f.bottom+16, percentileText(p.Percentile))
		}
	}
	fmt.Fprintf(b, `<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1[2]f"/><text class="axis" x="%.1[3]f" y="%.1[4]f" text-anchor="end">percentile of latency</text>`+"\n",
		f.left, f.bottom, f.right, f.bottom+34)
	for _, part := range c.bands() {
		c.band(b, f, part)
	}
	unchanged(b, f)
	ratioMarks(b, f, c.limits)
	var at []string
	for i, p := range c.points {
		if p.Ratio > 0 {
			at = append(at, fmt.Sprintf("%.1f,%.1f", f.atX(float64(i)), f.atY(p.Ratio)))
		}
	}
	polyline(b, "l1", at)
	for i, p := range c.points {
		if p.Ratio <= 0 {
			continue
		}
		class := "pt"
		if shiftMetric(p).Significant {
			class = "pt full"
		}
		fmt.Fprintf(b, `<g><title>%s</title><circle class="%s" cx="%.1f" cy="%.1f" r="4.5"/></g>`+"\n", htmlText(shiftText(p)), class, f.atX(float64(i)), f.atY(p.Ratio))
	}
	y := f.bottom + 56
	fmt.Fprintf(b, `<circle class="pt full" cx="%.1f" cy="%.1f" r="4.5"/><text class="axis" x="%.1f" y="%.1f">moved: its interval, the band, leaves out 1</text>`, f.left, y-4, f.left+11, y)
	fmt.Fprintf(b, `<circle class="pt" cx="%.1f" cy="%.1f" r="4.5"/><text class="axis" x="%.1f" y="%.1f">not told from noise</text>`+"\n</svg>\n", f.left+290, y-4, f.left+301, y)
}

// bands cuts the percentiles where one has no interval, and returns the places of each part.
func (c shiftChart) bands() (parts [][]int) {
	var part []int
	for i, p := range c.points {
		if p.Ratio > 0 && p.Lo != nil && p.Hi != nil && *p.Lo > 0 && *p.Lo <= *p.Hi {
			part = append(part, i)
			continue
		}
		if len(part) > 0 {
			parts, part = append(parts, part), nil
		}
	}
	if len(part) > 0 {
		parts = append(parts, part)
	}
	return parts
}

// band fills what lies between the ends of the intervals; a part of one percentile is a line.
func (c shiftChart) band(b *strings.Builder, f frame, part []int) {
	if len(part) == 1 {
		p := c.points[part[0]]
		fmt.Fprintf(b, `<line class="error" x1="%.1f" y1="%.1f" x2="%.1[1]f" y2="%.1[3]f"/>`+"\n", f.atX(float64(part[0])), f.atY(*p.Lo), f.atY(*p.Hi))
		return
	}
	var corners []string
	for _, i := range part {
		corners = append(corners, fmt.Sprintf("%.1f,%.1f", f.atX(float64(i)), f.atY(*c.points[i].Hi)))
	}
	for _, i := range slices.Backward(part) {
		corners = append(corners, fmt.Sprintf("%.1f,%.1f", f.atX(float64(i)), f.atY(*c.points[i].Lo)))
	}
	fmt.Fprintf(b, `<polygon class="band" points="%s"/>`+"\n", strings.Join(corners, " "))
}

// unchanged draws the line of a ratio of 1.
func unchanged(b *strings.Builder, f frame) {
	fmt.Fprintf(b, `<line class="error" x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1[2]f"/>`+"\n", f.left, f.atY(1), f.right)
}

// ratioMarks draws ratios as lines across the plot, what they are on top.
func ratioMarks(b *strings.Builder, f frame, marks []ratioMark) {
	for _, m := range marks {
		y := f.atY(m.ratio)
		fmt.Fprintf(b, `<line class="mark" x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1[2]f"/><text class="axis" x="%.1[4]f" y="%.1[5]f">%[6]s</text>`+"\n",
			f.left, y, f.right, f.left+4, y-4, htmlText(m.expr))
	}
}

func shiftText(p report.ShiftPoint) string {
	change, between := changeText(shiftMetric(p))
	return strings.TrimSpace(percentileText(p.Percentile) + ": " + seconds(p.Base) + " to " + seconds(p.Head) + ", " + change + " " + between)
}

// description says the picture in words, for those who do not see it.
func (c shiftChart) description() string {
	var parts []string
	for _, p := range c.points {
		parts = append(parts, shiftText(p))
	}
	for _, l := range c.limits {
		parts = append(parts, "the gate "+l.expr+" is a line")
	}
	return strings.Join(parts, "; ")
}
