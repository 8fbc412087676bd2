package render

import (
	"fmt"
	"math"
	"strings"

	"infer/internal/stats"
	"infer/report"
)

// distribution is the picture of how many requests took how long, drawn so that the slowest ones can be seen.
func (v *load) distribution() section {
	c := tailPlot{title: "How latency is distributed", limits: v.limits}
	if v.closed() {
		c.title = "How service time is distributed"
		c.add("service", "l1", &v.service)
	} else {
		c.add("latency", "l1", &v.latency)
		c.add("service", "l2", &v.service)
	}
	if _, ok := c.frame(); !ok {
		return section{}
	}
	return section{title: c.title, chart: c}
}

// tailPlot is the share of requests that took as long as a value or longer, both axes logarithmic: each step upward
// is ten times fewer requests.
type tailPlot struct {
	title  string
	lines  []tailLine
	limits []limit
}

type tailLine struct {
	name, class string
	n           int64
	max         float64
	at          []tailPoint
}

// tailPoint is a value, and how rare it is: 2 is one in 10² requests.
type tailPoint struct{ value, rarity float64 }

// rarity is a percentile by how rare what is above it is, as in tailPoint.
type rarity struct {
	name string
	of   float64
}

func rarities() []rarity {
	return []rarity{{"p50", math.Log10(2)}, {"p90", 1}, {"p99", 2}, {"p99.9", 3}, {"p99.99", 4}}
}

func (c *tailPlot) add(name, class string, s *stats.Sketch) {
	l := tailLine{name: name, class: class, n: s.Count(), max: s.Max()}
	below := int64(0)
	s.Buckets(func(value float64, n int64) bool {
		l.at = append(l.at, tailPoint{min(max(value, s.Min()), s.Max()), -math.Log10(float64(l.n-below) / float64(l.n))})
		below += n
		return true
	})
	if len(l.at) > 1 {
		c.lines = append(c.lines, l)
	}
}

// frame returns the plot; false where there is nothing to draw.
func (c tailPlot) frame() (frame, bool) {
	f := frame{left: 64, right: chartWidth - 24, top: 30, bottom: 290}
	f.y.hi = 2
	var xs []float64
	for _, l := range c.lines {
		xs = append(xs, l.at[0].value, l.max)
		f.y.hi = max(f.y.hi, math.Log10(float64(l.n)))
	}
	for _, l := range c.limits {
		xs = append(xs, l.value)
	}
	f.y.hi = min(f.y.hi, 4) * 1.04
	var ok bool
	f.x, ok = logAround(xs)
	return f, ok && len(c.lines) > 0
}

func (c tailPlot) svg(b *strings.Builder) {
	f, _ := c.frame()
	openChart(b, "distribution", chartWidth, f.bottom+62, c.title, c.description())
	for _, t := range append([]rarity{{"0", 0}}, rarities()...) {
		if t.of <= f.y.hi {
			y := f.atY(t.of)
			fmt.Fprintf(b, `<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1[2]f"/><text class="axis" x="%.1[4]f" y="%.1[5]f" text-anchor="end">%[6]s</text>`+"\n",
				f.left, y, f.right, f.left-8, y+4, t.name)
		}
	}
	fmt.Fprintf(b, `<text class="axis" x="0" y="%.1f">percentile, drawn by how rare it is</text>`+"\n", f.top-14)
	f.xAxis(b, "", report.Time)
	for _, l := range c.limits {
		x := f.atX(l.value)
		at, anchor := x+4, "start"
		if x > (f.left+f.right)/2 {
			at, anchor = x-4, "end" // there may be no room on the right
		}
		fmt.Fprintf(b, `<line class="mark" x1="%.1f" y1="%.1f" x2="%.1[1]f" y2="%.1[3]f"/><text class="axis" x="%.1[4]f" y="%.1[5]f" text-anchor="%[6]s">%[7]s</text>`+"\n",
			x, f.top, f.bottom, at, f.top+10, anchor, htmlText(l.expr))
	}
	for i, l := range c.lines {
		polyline(b, l.class, l.corners(f))
		x, y := f.left+190*float64(i), f.bottom+46
		fmt.Fprintf(b, `<line class="%s" x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1[3]f"/><text class="axis" x="%.1[5]f" y="%.1[6]f">%[7]s</text>`+"\n",
			l.class, x, y-4, x+34, x+42, y, l.name)
	}
	b.WriteString("</svg>\n")
}

// corners returns the line, without the points that would be drawn over one another.
func (l tailLine) corners(f frame) []string {
	var out []string
	lastX, lastY := math.Inf(-1), math.Inf(-1)
	for i, p := range l.at {
		if p.rarity > f.y.hi {
			break
		}
		x, y := f.atX(p.value), f.atY(p.rarity)
		if math.Abs(x-lastX)+math.Abs(y-lastY) < 1 && i < len(l.at)-1 {
			continue
		}
		out = append(out, fmt.Sprintf("%.1f,%.1f", x, y))
		lastX, lastY = x, y
	}
	return out
}

// value returns the latency of a percentile: the least that is as rare, 0 where the sample has none.
func (l tailLine) value(rarity float64) float64 {
	for i, p := range l.at {
		if p.rarity >= rarity && i > 0 {
			return p.value
		}
	}
	return 0
}

// description says the picture in words, for those who do not see it.
func (c tailPlot) description() string {
	var parts []string
	for _, l := range c.lines {
		text := l.name
		for _, t := range rarities() {
			if x := l.value(t.of); x > 0 {
				text += " " + t.name + " " + seconds(x) + ","
			}
		}
		parts = append(parts, text+" max "+seconds(l.max)+" of "+wholeOf(l.n, "request"))
	}
	for _, l := range c.limits {
		parts = append(parts, "the objective "+l.expr+" is a line")
	}
	return strings.Join(parts, "; ")
}
