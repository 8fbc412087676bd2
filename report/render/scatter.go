package render

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"infer/report"
)

// scatter is a picture of what the candidates cost and give: one thing to the right, quality upward.
type scatter struct {
	id     string // of the elements of the picture
	title  string
	x, y   side
	lower  bool     // less of x is better
	even   *float64 // where on x nothing is gained, nil: nowhere
	limits []edge
	points []point
	names  map[role]string // what the legend calls them
	note   string          // what the size of the symbols says, "" where it says nothing
	all    bool            // all points have their names beside them, not only those that matter
}

// side is what an axis of a picture measures.
type side struct {
	name     string
	quantity report.Quantity
}

// edge is a limit on one axis: what lies beyond it is shaded.
type edge struct {
	expr  string
	value float64
	onX   bool
	below bool // what is below the limit misses it, else what is above
}

// point is one candidate, or the original.
type point struct {
	name         string
	x, y         float64
	xLo, xHi     float64 // interval; the value itself where there is none
	yLo, yHi     float64
	size         float64 // area of the symbol, times that of the smallest; 0 is 1
	label        string  // what is known about it, in words
	front        bool
	chosen, base bool
	grey         bool // dominated by another
	doubt        bool // not to be trusted
}

// role is what a point is among the others, from which its symbol follows.
type role int

const (
	roleOther role = iota
	roleGrey
	roleDoubt
	roleFront
	roleBase
	roleChosen
)

func (p point) role() role {
	switch {
	case p.doubt:
		return roleDoubt
	case p.chosen:
		return roleChosen
	case p.base:
		return roleBase
	case p.front:
		return roleFront
	case p.grey:
		return roleGrey
	}
	return roleOther
}

// tradeoff is the picture of quality against speed-up, by accuracy, agreement or SQNR, whichever there is.
func tradeoff(q report.QuantizeDetails) section {
	name, head, of := goodness(q)
	one := 1.0
	s := scatter{id: "tradeoff", x: side{"speed-up (original / candidate)", report.Factor}, y: side{head, report.Ratio}, even: &one,
		names: map[role]string{roleBase: "original", roleChosen: "chosen", roleFront: "Pareto front: none is both faster and better", roleOther: "others"}}
	for _, c := range q.Candidates {
		if y := of(c); c.Speedup != nil && y != nil {
			s.add(c, *y, head+" "+both(name, y))
		}
	}
	if len(s.points) == 0 {
		s.y = side{"SQNR", report.Level}
		for _, c := range q.Candidates {
			if c.Speedup != nil && c.SQNR != nil {
				s.add(c, report.Level95{Value: *c.SQNR}, "SQNR "+number("sqnr_db", c.SQNR))
			}
		}
	}
	if len(s.points) == 0 {
		return section{}
	}
	s.title = "Speed-up and " + s.y.name
	switch {
	case s.y.name == "accuracy" && q.Original.Accuracy != nil:
		s.add(report.QuantizeCandidate{Name: "original", Speedup: &report.Level95{Value: 1}}, *q.Original.Accuracy, both(name, q.Original.Accuracy))
		s.points[len(s.points)-1].base = true
	case s.y.name == "agreement":
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

// axes returns those that show every point and every limit; false where no picture can be drawn.
func (s scatter) axes() (x, y axis, ok bool) {
	var xs, ys []float64
	if s.even != nil {
		xs = append(xs, *s.even)
	}
	for _, p := range s.points {
		xs, ys = append(xs, p.x, p.xLo, p.xHi), append(ys, p.y, p.yLo, p.yHi)
	}
	for _, l := range s.limits {
		if l.onX {
			xs = append(xs, l.value)
		} else {
			ys = append(ys, l.value)
		}
	}
	x, okX := fitting(xs)
	if s.even != nil {
		x, okX = around(xs) // a ratio is read by its distance from 1
	}
	y, okY := around(ys)
	x.units = s.x.quantity == report.Time
	return x, y, okX && okY
}

// logX reports whether the horizontal axis is logarithmic.
func (s scatter) logX() bool {
	x, _, _ := s.axes()
	return x.log
}

func (s scatter) narrow(b *strings.Builder) { s.draw(b, s.id+"-narrow", narrowWidth, 400) }

func (s scatter) svg(b *strings.Builder) { s.draw(b, s.id, chartWidth, 400) }

// draw draws s; id is that of no other picture of the page.
func (s scatter) draw(b *strings.Builder, id string, width, height float64) {
	f := frame{left: 64, right: width - 16, top: 30, bottom: height - 64}
	f.x, f.y, _ = s.axes()
	keys := s.keys()
	_, rows := keyRows(keys, f.right-f.left)
	openChart(b, id, width, height+20*(rows-1), s.title, s.description())
	l := labels{bounds: box{f.left, f.right + 16, f.top - 16, f.bottom}}
	for _, e := range s.limits {
		e.shade(b, f)
		e.keep(f, &l)
	}
	f.yAxis(b, s.y.name, s.y.quantity)
	f.xAxis(b, s.x.name, s.x.quantity)
	if s.even != nil {
		fmt.Fprintf(b, `<line class="mark" x1="%.1f" y1="%.1f" x2="%.1[1]f" y2="%.1[3]f"/>`+"\n", f.atX(*s.even), f.top, f.bottom)
	}
	s.frontLine(b, f, &l)
	for _, p := range s.points {
		p.draw(b, f)
		x, y, r := f.atX(p.x), f.atY(p.y), 1.5+p.radius()
		l.take(box{x - r, x + r, y - r, y + r})
		l.line(f.atX(p.xLo), y, f.atX(p.xHi), y)
		l.line(x, f.atY(p.yLo), x, f.atY(p.yHi))
	}
	for _, e := range s.limits {
		e.name(b, f, &l)
	}
	s.labels(b, f, &l)
	writeKeys(b, keys, f.left, height-10, f.right-f.left)
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
		case p.grey:
			what = " (dominated)"
		}
		parts = append(parts, p.label+what)
	}
	for _, l := range s.limits {
		parts = append(parts, "the objective "+l.expr+" is a line")
	}
	return strings.Join(parts, "; ")
}

// draw draws p with the intervals that are known.
func (p point) draw(b *strings.Builder, f frame) {
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

// radius is half the width of the symbol of p.
func (p point) radius() float64 { return 4.5 * math.Sqrt(min(max(p.size, 1), 9)) }

// symbol draws p at x, y, with a shape that says what it is without colour.
func (p point) symbol(b *strings.Builder, x, y float64) {
	r := p.radius()
	switch p.role() {
	case roleBase:
		class := "pt base"
		if p.front {
			class = "pt full"
		}
		fmt.Fprintf(b, `<rect class="%s" x="%.1f" y="%.1f" width="%g" height="%[4]g"/>`, class, x-r, y-r, round1(2*r))
	case roleChosen:
		d := round1(r * 14 / 9)
		fmt.Fprintf(b, `<path class="pt pick" d="M%.1f %.1fl%[3]g %[3]gl-%[3]g %[3]gl-%[3]g -%[3]gz"/>`, x, y-d, d)
	case roleFront:
		fmt.Fprintf(b, `<circle class="pt full" cx="%.1f" cy="%.1f" r="%g"/>`, x, y, round1(r))
	case roleGrey, roleDoubt:
		class := map[role]string{roleGrey: "grey", roleDoubt: "doubt"}[p.role()]
		fmt.Fprintf(b, `<circle class="pt %s" cx="%.1f" cy="%.1f" r="%g"/>`, class, x, y, round1(r))
	default:
		fmt.Fprintf(b, `<circle class="pt" cx="%.1f" cy="%.1f" r="%g"/>`, x, y, round1(r))
	}
}

func round1(x float64) float64 { return math.Round(10*x) / 10 }

// frontLine draws the Pareto front: what can be had, from point to point in steps. A point that others beat, though not
// by more than the intervals, is on the front and not on its line.
func (s scatter) frontLine(b *strings.Builder, f frame, l *labels) {
	var front []point
	for _, p := range s.points {
		if p.front && !p.doubt {
			front = append(front, p)
		}
	}
	slices.SortStableFunc(front, func(a, c point) int { return cmp.Or(cmp.Compare(a.x, c.x), cmp.Compare(c.y, a.y)) })
	if !s.lower {
		slices.Reverse(front)
	}
	var at []string
	var last point
	for _, p := range front {
		if len(at) > 0 && p.y <= last.y {
			continue
		}
		if len(at) > 0 {
			l.line(f.atX(last.x), f.atY(last.y), f.atX(p.x), f.atY(last.y))
			l.line(f.atX(p.x), f.atY(last.y), f.atX(p.x), f.atY(p.y))
			at = append(at, fmt.Sprintf("%.1f,%.1f", f.atX(p.x), f.atY(last.y)))
		}
		at = append(at, fmt.Sprintf("%.1f,%.1f", f.atX(p.x), f.atY(p.y)))
		last = p
	}
	polyline(b, "front", at)
}

// labels writes the names of the points that matter, each where it hides no other; those that are not dominated first.
func (s scatter) labels(b *strings.Builder, f frame, l *labels) {
	for _, p := range s.points {
		if p.chosen || p.front || p.base {
			name := shorten(clean(p.name), 32)
			if s.all {
				l.writeFar(b, name, "", f.atX(p.x), f.atY(p.y))
			} else {
				l.write(b, name, "", f.atX(p.x), f.atY(p.y))
			}
		}
	}
	for _, p := range s.points {
		if s.all && !p.chosen && !p.front && !p.base {
			l.writeFar(b, shorten(clean(p.name), 32), "grey", f.atX(p.x), f.atY(p.y))
		}
	}
}

// keys say what the symbols mean.
func (s scatter) keys() []key {
	var keys []key
	for _, p := range []point{{base: true}, {chosen: true}, {front: true}, {}, {grey: true}, {doubt: true}} {
		if i := slices.IndexFunc(s.points, func(q point) bool { return q.role() == roleBase && q.front }); p.base && i >= 0 && s.lower {
			p.front = true // it is drawn as one that is
		}
		if text := s.names[p.role()]; text != "" {
			keys = append(keys, key{p.symbol, text})
		}
	}
	if s.note != "" {
		keys = append(keys, key{func(*strings.Builder, float64, float64) {}, s.note})
	}
	return keys
}

// shade draws what lies beyond e.
func (e edge) shade(b *strings.Builder, f frame) {
	if e.onX {
		x, from, to := f.atX(e.value), f.atX(e.value), f.right
		if e.below {
			from, to = f.left, x
		}
		fmt.Fprintf(b, `<rect class="no" x="%.1f" y="%.1f" width="%.1f" height="%.1f"/><line class="edge" x1="%.1f" y1="%.1[2]f" x2="%.1[5]f" y2="%.1[6]f"/>`+"\n",
			from, f.top, max(0, to-from), f.bottom-f.top, x, f.bottom)
		return
	}
	y, from, to := f.atY(e.value), f.top, f.atY(e.value)
	if e.below {
		from, to = y, f.bottom
	}
	fmt.Fprintf(b, `<rect class="no" x="%.1f" y="%.1f" width="%.1f" height="%.1f"/><line class="edge" x1="%.1[1]f" y1="%.1[5]f" x2="%.1[6]f" y2="%.1[5]f"/>`+"\n",
		f.left, from, f.right-f.left, max(0, to-from), y, f.right)
}

// keep keeps the line of e free of names.
func (e edge) keep(f frame, l *labels) {
	if e.onX {
		l.line(f.atX(e.value), f.top, f.atX(e.value), f.bottom)
		return
	}
	l.line(f.left, f.atY(e.value), f.right, f.atY(e.value))
}

// name writes the objective along its line, on the side that misses it where there is room.
func (e edge) name(b *strings.Builder, f frame, l *labels) {
	w := letterWide * float64(columns(e.expr))
	if e.onX {
		x := f.atX(e.value)
		beside := []float64{x + 5, x - 5 - w}
		if e.below {
			slices.Reverse(beside)
		}
		for _, left := range beside {
			for y := f.top + 12; y < f.bottom; y += letterHigh {
				if l.try(b, e.expr, "edge", left, y, w, false) {
					return
				}
			}
		}
		return
	}
	beside := []float64{f.atY(e.value) - 5, f.atY(e.value) + 14}
	if e.below {
		slices.Reverse(beside)
	}
	for _, y := range beside {
		for x := f.left + 6; x+w < f.right; x += 24 {
			if l.try(b, e.expr, "edge", x, y, w, false) {
				return
			}
		}
	}
}
