package render

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"infer/report"
)

// chartWidth is that of every chart, about that of the page, so that its letters are as large as those of the text.
const chartWidth = 960

// overTime is the picture of how latency went in the window.
func (v *load) overTime() section {
	if v.Figures == nil {
		return section{}
	}
	c := timeline{slices: v.Figures.Timeline, limits: v.limits, title: "Latency over time", y: "latency"}
	if v.closed() {
		c.title, c.y = "Service time over time", "service time"
	}
	if _, ok := c.frame(); !ok {
		return section{}
	}
	return section{title: c.title, chart: c}
}

// timeline is a picture of p50, p99 and max, slice by slice of the window, and of where requests failed.
type timeline struct {
	title  string
	y      string // what is upward
	slices []report.LoadSlice
	limits []limit
}

// frame returns the plot; false where there is nothing to draw.
func (c timeline) frame() (frame, bool) {
	f := frame{left: 64, right: chartWidth - 48, top: 30, bottom: 270}
	var ys []float64
	n := 0
	for _, s := range c.slices {
		f.x.hi = max(f.x.hi, s.At+s.Seconds)
		if s.P50 != nil && s.P99 != nil && s.Max != nil {
			ys = append(ys, *s.P50, *s.P99, *s.Max)
			n++
		}
	}
	for _, l := range c.limits {
		ys = append(ys, l.value)
	}
	var ok bool
	f.y, ok = logAround(ys)
	return f, ok && n > 1 && f.x.hi > 0 && !math.IsInf(f.x.hi, 0)
}

func (c timeline) svg(b *strings.Builder) {
	f, _ := c.frame()
	openChart(b, "timeline", chartWidth, f.bottom+42, c.title, c.description())
	f.yAxis(b, fmt.Sprintf("%s, of %d parts of the window", c.y, len(c.slices)), report.Time)
	f.xAxis(b, "seconds since the window began", report.Time)
	marks(b, f, c.limits)
	for _, part := range c.parts() {
		c.band(b, f, part)
		for _, l := range timelineLines() {
			polyline(b, l.class, at(f, part, l.of))
		}
	}
	c.names(b, f)
	for _, s := range c.slices {
		x, right := f.atX(s.At), f.atX(s.At+s.Seconds)
		if s.Failed > 0 {
			fmt.Fprintf(b, `<path class="fail" d="M%.1f %.1fl6 6m0 -6l-6 6"/>`, (x+right)/2-3, f.bottom-10)
		}
		fmt.Fprintf(b, `<rect class="hit" x="%.1f" y="%.1f" width="%.1f" height="%.1f"><title>%s</title></rect>`+"\n", x, f.top, right-x, f.bottom-f.top, htmlText(sliceText(s)))
	}
	b.WriteString("</svg>\n")
}

// timelineLine is one of the lines over time.
type timelineLine struct {
	name, class string
	of          func(report.LoadSlice) *float64
}

func timelineLines() []timelineLine {
	return []timelineLine{
		{"p50", "l1", func(s report.LoadSlice) *float64 { return s.P50 }},
		{"p99", "l2", func(s report.LoadSlice) *float64 { return s.P99 }},
		{"max", "l3", func(s report.LoadSlice) *float64 { return s.Max }},
	}
}

// parts cuts the window where nothing was answered: a line across would tell of answers that were none.
func (c timeline) parts() (parts [][]report.LoadSlice) {
	var part []report.LoadSlice
	for _, s := range c.slices {
		if s.P50 != nil && s.P99 != nil && s.Max != nil {
			part = append(part, s)
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

// at returns the corners of a line: the middles of the slices, and the full width of a slice that stands alone.
func at(f frame, part []report.LoadSlice, of func(report.LoadSlice) *float64) []string {
	var out []string
	for _, s := range part {
		y := f.atY(*of(s))
		if len(part) == 1 {
			return []string{fmt.Sprintf("%.1f,%.1f", f.atX(s.At), y), fmt.Sprintf("%.1f,%.1f", f.atX(s.At+s.Seconds), y)}
		}
		out = append(out, fmt.Sprintf("%.1f,%.1f", f.atX(s.At+s.Seconds/2), y))
	}
	return out
}

// band fills what lies between p50 and p99.
func (c timeline) band(b *strings.Builder, f frame, part []report.LoadSlice) {
	l := timelineLines()
	low, high := at(f, part, l[0].of), at(f, part, l[1].of)
	slices.Reverse(high)
	fmt.Fprintf(b, `<polygon class="band" points="%s"/>`+"\n", strings.Join(append(low, high...), " "))
}

// names writes what the lines are at their right end, one below the other.
func (c timeline) names(b *strings.Builder, f frame) {
	parts := c.parts()
	last := parts[len(parts)-1]
	end := last[len(last)-1]
	y := math.Inf(1)
	for _, l := range timelineLines() {
		y = min(f.atY(*l.of(end)), y-13)
		fmt.Fprintf(b, `<text class="axis" x="%.1f" y="%.1f">%s</text>`+"\n", f.right+5, y+4, l.name)
	}
}

func sliceText(s report.LoadSlice) string {
	text := fmt.Sprintf("%s: %s due, %s answered", seconds(s.At), whole(s.Due), whole(s.Answered))
	if s.Failed > 0 {
		text += ", " + whole(s.Failed) + " failed"
	}
	if s.P50 != nil {
		text += ", p50 " + orDash(s.P50) + ", p99 " + orDash(s.P99) + ", max " + orDash(s.Max)
	}
	return text
}

// description says the picture in words, for those who do not see it.
func (c timeline) description() string {
	var failed int64
	var worst report.LoadSlice
	lo, hi := math.Inf(1), 0.0
	for _, s := range c.slices {
		failed += s.Failed
		if s.P50 != nil {
			lo, hi = min(lo, *s.P50), max(hi, *s.P50)
		}
		if s.Max != nil && (worst.Max == nil || *s.Max > *worst.Max) {
			worst = s
		}
	}
	text := fmt.Sprintf("%s from left to right: p50 solid from %s to %s, p99 dashed, max dotted, the highest %s after %s",
		plural(len(c.slices), "part"), seconds(lo), seconds(hi), orDash(worst.Max), seconds(worst.At))
	if failed > 0 {
		text += "; a cross at the bottom is where requests failed, " + whole(failed) + " in all"
	}
	for _, l := range c.limits {
		text += "; the objective " + l.expr + " is a line"
	}
	return text
}

// marks draws the objectives on latency as lines across the plot.
func marks(b *strings.Builder, f frame, limits []limit) {
	for _, l := range limits {
		y := f.atY(l.value)
		fmt.Fprintf(b, `<line class="mark" x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1[2]f"/><text class="axis" x="%.1[4]f" y="%.1[5]f">%[6]s</text>`+"\n",
			f.left, y, f.right, f.left+4, y-4, htmlText(l.expr))
	}
}

// polyline draws a line with corners.
func polyline(b *strings.Builder, class string, at []string) {
	if len(at) > 1 {
		fmt.Fprintf(b, `<polyline class="%s" points="%s"/>`+"\n", class, strings.Join(at, " "))
	}
}
