package render

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"infer/report"
)

// scatter is a picture of what the candidates cost and give: speed-up to the right, quality upward.
type scatter struct {
	title    string
	y        string          // what is upward
	quantity report.Quantity // of y
	points   []point
}

// point is one candidate, or the original.
type point struct {
	name         string
	x, y         float64
	xLo, xHi     float64 // interval; the value itself where there is none
	yLo, yHi     float64
	label        string // what is known about it, in words
	front        bool
	chosen, base bool
}

// tradeoff is the picture of quality against speed-up, by accuracy, agreement or SQNR, whichever there is.
func tradeoff(q report.QuantizeDetails) section {
	name, head, of := goodness(q)
	s := scatter{y: head, quantity: report.Ratio}
	for _, c := range q.Candidates {
		if y := of(c); c.Speedup != nil && y != nil {
			s.add(c, *y, head+" "+both(name, y))
		}
	}
	if len(s.points) == 0 {
		s.y, s.quantity = "SQNR", report.Level
		for _, c := range q.Candidates {
			if c.Speedup != nil && c.SQNR != nil {
				s.add(c, report.Level95{Value: *c.SQNR}, "SQNR "+number("sqnr_db", c.SQNR))
			}
		}
	}
	if len(s.points) == 0 {
		return section{}
	}
	s.title = "Speed-up and " + s.y
	switch {
	case s.y == "accuracy" && q.Original.Accuracy != nil:
		s.add(report.QuantizeCandidate{Name: "original", Speedup: &report.Level95{Value: 1}}, *q.Original.Accuracy, both(name, q.Original.Accuracy))
		s.points[len(s.points)-1].base = true
	case s.y == "agreement":
		s.add(report.QuantizeCandidate{Name: "original", Speedup: &report.Level95{Value: 1}}, report.Level95{Value: 1}, "by definition")
		s.points[len(s.points)-1].base = true
	}
	if _, _, ok := s.axes(); !ok {
		return section{}
	}
	return section{title: s.title, chart: s}
}

// add puts a candidate with a speed-up into the picture.
func (s *scatter) add(c report.QuantizeCandidate, y report.Level95, text string) {
	p := point{name: c.Name, x: c.Speedup.Value, y: y.Value, front: c.Pareto, chosen: c.Chosen,
		label: fmt.Sprintf("%s: speed-up %s, %s", c.Name, both("speedup", c.Speedup), text)}
	p.xLo, p.xHi = ends(*c.Speedup)
	p.yLo, p.yHi = ends(y)
	s.points = append(s.points, p)
}

// ends returns the interval of l, or its value twice.
func ends(l report.Level95) (lo, hi float64) {
	if l.Lo == nil || l.Hi == nil {
		return l.Value, l.Value
	}
	return *l.Lo, *l.Hi
}

// axes returns those that show every point and the speed-up of 1; false where no picture can be drawn.
func (s scatter) axes() (x, y axis, ok bool) {
	xs, ys := []float64{1}, []float64{}
	for _, p := range s.points {
		xs, ys = append(xs, p.x, p.xLo, p.xHi), append(ys, p.y, p.yLo, p.yHi)
	}
	x, okX := around(xs)
	y, okY := around(ys)
	return x, y, okX && okY
}

func (s scatter) svg(b *strings.Builder) {
	const width, height = chartWidth, 400
	f := frame{left: 64, right: width - 16, top: 30, bottom: height - 64}
	f.x, f.y, _ = s.axes()
	openChart(b, "tradeoff", width, height, s.title, s.description())
	f.yAxis(b, s.y, s.quantity)
	f.xAxis(b, "speed-up (original / candidate)", report.Factor)
	fmt.Fprintf(b, `<line class="mark" x1="%.1f" y1="%.1f" x2="%.1[1]f" y2="%.1[3]f"/>`+"\n", f.atX(1), f.top, f.bottom)
	s.frontLine(b, f)
	for _, p := range s.points {
		x, y := f.atX(p.x), f.atY(p.y)
		fmt.Fprintf(b, "<g><title>%s</title>", htmlText(p.label))
		if p.xLo < p.xHi {
			fmt.Fprintf(b, `<line class="error" x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1[2]f"/>`, f.atX(p.xLo), y, f.atX(p.xHi))
		}
		if p.yLo < p.yHi {
			fmt.Fprintf(b, `<line class="error" x1="%.1f" y1="%.1f" x2="%.1[1]f" y2="%.1[3]f"/>`, x, f.atY(p.yLo), f.atY(p.yHi))
		}
		p.symbol(b, x, y)
		b.WriteString("</g>\n")
	}
	s.labels(b, f)
	legend(b, f.left, height-10)
	b.WriteString("</svg>\n")
}

// description says the picture in words, for those who do not see it.
func (s scatter) description() string {
	var parts []string
	for _, p := range s.points {
		what := ""
		switch {
		case p.chosen:
			what = " (chosen)"
		case p.front:
			what = " (on the Pareto front)"
		}
		parts = append(parts, p.label+what)
	}
	return strings.Join(parts, "; ")
}

// symbol draws p at x, y, with a shape that says what it is without colour.
func (p point) symbol(b *strings.Builder, x, y float64) {
	switch {
	case p.base:
		fmt.Fprintf(b, `<rect class="pt base" x="%.1f" y="%.1f" width="9" height="9"/>`, x-4.5, y-4.5)
	case p.chosen:
		fmt.Fprintf(b, `<path class="pt pick" d="M%.1f %.1fl7 7l-7 7l-7 -7z"/>`, x, y-7)
	case p.front:
		fmt.Fprintf(b, `<circle class="pt full" cx="%.1f" cy="%.1f" r="4.5"/>`, x, y)
	default:
		fmt.Fprintf(b, `<circle class="pt" cx="%.1f" cy="%.1f" r="4.5"/>`, x, y)
	}
}

// frontLine draws the Pareto front: from point to point, down and then to the right.
func (s scatter) frontLine(b *strings.Builder, f frame) {
	var front []point
	for _, p := range s.points {
		if p.front {
			front = append(front, p)
		}
	}
	if len(front) < 2 {
		return
	}
	slices.SortStableFunc(front, func(a, c point) int { return cmp.Compare(a.x, c.x) })
	var at []string
	for i, p := range front {
		if i > 0 {
			at = append(at, fmt.Sprintf("%.1f,%.1f", f.atX(front[i-1].x), f.atY(p.y)))
		}
		at = append(at, fmt.Sprintf("%.1f,%.1f", f.atX(p.x), f.atY(p.y)))
	}
	fmt.Fprintf(b, `<polyline class="front" points="%s"/>`+"\n", strings.Join(at, " "))
}

// labels writes the names of the points that matter, each where it hides no other.
func (s scatter) labels(b *strings.Builder, f frame) {
	const high, wide = 14.0, 6.6 // of a line, of a letter
	type box struct{ left, right, top, bottom float64 }
	var taken []box
	for _, p := range s.points {
		x, y := f.atX(p.x), f.atY(p.y)
		taken = append(taken, box{x - 6, x + 6, y - 6, y + 6})
	}
	free := func(n box) bool {
		return n.left >= f.left && n.right <= f.right+16 && n.top >= f.top-16 && n.bottom <= f.bottom &&
			!slices.ContainsFunc(taken, func(t box) bool {
				return n.left < t.right && t.left < n.right && n.top < t.bottom && t.top < n.bottom
			})
	}
	for _, p := range s.points {
		if !p.chosen && !p.front && !p.base {
			continue
		}
		name := shorten(clean(p.name), 32)
		x, y, w := f.atX(p.x), f.atY(p.y), wide*float64(columns(name))
		for _, at := range [][2]float64{{10, -6}, {-10 - w, -6}, {10, 18}, {-10 - w, 18}, {10, -20}, {-10 - w, -20}, {10, 32}, {-10 - w, 32}, {-w / 2, -10}, {-w / 2, 22}} {
			n := box{x + at[0], x + at[0] + w, y + at[1] - high + 3, y + at[1] + 3}
			if free(n) {
				taken = append(taken, n)
				fmt.Fprintf(b, `<text x="%.1f" y="%.1f">%s</text>`+"\n", n.left, y+at[1], htmlText(name))
				break
			}
		}
	}
}

// legend says what the symbols mean.
func legend(b *strings.Builder, x, y float64) {
	for _, l := range []struct {
		p     point
		text  string
		width float64
	}{
		{point{base: true}, "original", 76},
		{point{chosen: true}, "chosen", 72},
		{point{front: true}, "Pareto front: none is both faster and better", 292},
		{point{}, "others", 60},
	} {
		l.p.symbol(b, x, y-4)
		fmt.Fprintf(b, `<text class="axis" x="%.1f" y="%.1f">%s</text>`+"\n", x+11, y, l.text)
		x += l.width
	}
}
