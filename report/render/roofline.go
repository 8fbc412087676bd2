package render

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"infer/report"
)

// roofline is the picture of what nodes reach below the roofs of a machine: operations a second over operations a byte,
// both logarithmic.
type roofline struct {
	roofs []roof
	nodes []roofNode // most time first
	marks []string   // by row of the table, "" for one that is not in the picture

	untimed, idle, unknown int // nodes that are not in it: too short, without arithmetic, of unknown cost
}

// roof is a bandwidth up to its ridge, and a rate of arithmetic from there on.
type roof struct {
	name, slope string // of the rate and of the bandwidth; "" draws only the other part
	rate        float64
	bandwidth   float64
	class       string // of its lines
}

// at returns the roof over an intensity.
func (f roof) at(x float64) float64 { return min(f.rate, f.bandwidth*x) }

func (f roof) ridge() float64 { return f.rate / f.bandwidth }

// roofNode is a node in the picture.
type roofNode struct {
	name, op, class, mark string
	x, y                  float64 // operations a byte and a second
	seconds, share        float64
	bytes                 float64 // a second
	efficiency            *float64
}

// mostNodes bounds the nodes of a picture, so that a page stays small.
const mostNodes = 50

// newRoofline puts rows, of which the table shows some, under the roofs. The first ones get letters for marks.
func newRoofline(c *report.Ceilings, rows []report.Share, shown int) roofline {
	r := roofline{marks: make([]string, shown)}
	next := 'a'
	for i, n := range rows {
		switch {
		case n.Class == "overhead" || n.Seconds <= 0:
			r.untimed++
			continue
		case n.FLOPs == nil || n.Bytes == nil:
			r.unknown++
			continue
		case *n.FLOPs <= 0 || *n.Bytes <= 0:
			r.idle++
			continue
		}
		p := roofNode{name: n.Name, op: n.Op, class: n.Class, x: *n.FLOPs / *n.Bytes, y: *n.FLOPs / n.Seconds, seconds: n.Seconds, share: n.Share,
			bytes: *n.Bytes / n.Seconds, efficiency: n.Efficiency}
		if i < shown && next <= 'z' {
			p.mark, r.marks[i] = string(next), string(next)
			next++
		}
		if len(r.nodes) < mostNodes {
			r.nodes = append(r.nodes, p)
		}
	}
	r.addRoofs(c, slices.ContainsFunc(rows, func(n report.Share) bool { return c.Int8 != nil && report.IntegerOp(n.Op) }))
	return r
}

// addRoofs adds the roofs that c has; that of int8 only where some node is held against it.
func (r *roofline) addRoofs(c *report.Ceilings, int8s bool) {
	if c.Float32 == nil || c.Memory == nil {
		return
	}
	main := roof{"float32 " + flopsText(c.Float32.Value), "memory " + bandwidthText(c.Memory.Value), c.Float32.Value, c.Memory.Value, "l1"}
	r.roofs = append(r.roofs, main)
	if int8s {
		r.roofs = append(r.roofs, roof{"int8 " + opsText(c.Int8.Value), "", c.Int8.Value, c.Memory.Value, "l2"})
	}
	if c.Cache != nil && c.Cache.Value > c.Memory.Value {
		r.roofs = append(r.roofs, roof{"", "cache " + bandwidthText(c.Cache.Value), main.rate, c.Cache.Value, "l3"})
	}
}

// axes returns those that show every node and every ridge; false where no picture can be drawn.
func (r roofline) axes() (x, y axis, ok bool) {
	if len(r.roofs) == 0 || len(r.nodes) == 0 {
		return x, y, false
	}
	var xs, ys []float64
	for _, f := range r.roofs {
		xs, ys = append(xs, f.ridge()/4, 4*f.ridge()), append(ys, f.rate, f.at(f.ridge()/4))
	}
	for _, n := range r.nodes {
		xs, ys = append(xs, n.x), append(ys, n.y)
	}
	x, okX := logAround(xs)
	y, okY := logAround(ys)
	return x, y, okX && okY
}

// lines returns the corners of a roof inside of the axes, from left to right.
func (f roof) lines(x, y axis) [][2]float64 {
	from := max(x.lo, y.lo/f.bandwidth)
	out := [][2]float64{{from, f.at(from)}}
	if ridge := f.ridge(); ridge > from && ridge < x.hi {
		out = append(out, [2]float64{ridge, f.rate})
	}
	if f.name == "" {
		return out // what lies right of its ridge is another roof's
	}
	return append(out, [2]float64{x.hi, f.at(x.hi)})
}

// missing says which nodes are not in the picture.
func (r roofline) missing() string {
	var parts []string
	add := func(n int, why string) {
		if n > 0 {
			parts = append(parts, plural(n, "node")+" "+why)
		}
	}
	add(r.untimed, "too short to be timed")
	add(r.idle, "without arithmetic")
	add(r.unknown, "of unknown cost")
	if len(parts) == 0 {
		return ""
	}
	return "not in the picture: " + strings.Join(parts, ", ")
}

// label says what is known about a node.
func (n roofNode) label() string {
	text := fmt.Sprintf("%s (%s): %s at %s, %s, %s, %s of the time", n.name, n.op, flopsText(n.y), intensityText(n.x), bandwidthText(n.bytes), seconds(n.seconds), percent(n.share))
	if n.class != "" {
		text += ", limited by " + n.class
	}
	if n.efficiency != nil {
		text += ", " + percent(*n.efficiency) + " of the roof"
	}
	if n.mark != "" {
		text = n.mark + ": " + text
	}
	return text
}

// description says the picture in words, for those who do not see it.
func (r roofline) description() string {
	var parts []string
	for _, f := range r.roofs {
		for _, name := range []string{f.name, f.slope} {
			if name != "" {
				parts = append(parts, "roof "+name)
			}
		}
	}
	for _, n := range r.nodes[:min(len(r.nodes), 10)] {
		parts = append(parts, n.label())
	}
	return strings.Join(parts, "; ")
}

func (r roofline) narrow(b *strings.Builder) { r.draw(b, "roofline-narrow", narrowWidth, 380) }

func (r roofline) svg(b *strings.Builder) { r.draw(b, "roofline", chartWidth, 420) }

// draw draws r; id is that of no other picture of the page.
func (r roofline) draw(b *strings.Builder, id string, width, height float64) {
	f := frame{left: 64, right: width - 16, top: 34, bottom: height - 64}
	f.x, f.y, _ = r.axes()
	keys := r.keys()
	_, rows := keyRows(keys, f.right-f.left)
	openChart(b, id, width, height+20*(rows-1), "What the nodes reach below the roofs of this machine", r.description())
	f.yAxis(b, "operations a second", report.Count)
	f.xAxis(b, "operations a byte", report.Plain)
	l := labels{bounds: box{f.left, f.right + 12, f.top - 16, f.bottom}}
	main := r.roofs[0]
	fmt.Fprintf(b, `<line class="mark" x1="%.1f" y1="%.1f" x2="%.1[1]f" y2="%.1[3]f"/>`+"\n", f.atX(main.ridge()), f.atY(main.rate), f.bottom)
	for _, n := range r.nodes { // the largest first, so that they hide no smaller one
		n.draw(b, f)
	}
	for _, c := range r.roofs {
		c.draw(b, f, &l)
	}
	for _, n := range r.nodes {
		n.write(b, f, &l)
	}
	writeKeys(b, keys, f.left+8, height-10, f.right-f.left)
	b.WriteString("</svg>\n")
}

// draw draws a roof with its names: that of the rate at its right end, that of the bandwidth along the slope.
func (f roof) draw(b *strings.Builder, to frame, l *labels) {
	var at []string
	corners := f.lines(to.x, to.y)
	for i, c := range corners {
		at = append(at, fmt.Sprintf("%.1f,%.1f", to.atX(c[0]), to.atY(c[1])))
		if i > 0 {
			l.slope(to.atX(corners[i-1][0]), to.atY(corners[i-1][1]), to.atX(c[0]), to.atY(c[1]))
		}
	}
	polyline(b, f.class, at)
	if f.name != "" {
		w := letterWide * float64(columns(f.name))
		x, y := to.right, to.atY(f.rate)-6
		l.take(box{x - w, x, y - letterHigh, y + 3})
		fmt.Fprintf(b, `<text x="%.1f" y="%.1f" text-anchor="end">%s</text>`+"\n", x, y, htmlText(f.name))
	}
	if f.slope == "" || len(corners) < 2 {
		return
	}
	x1, y1, x2, y2 := to.atX(corners[0][0]), to.atY(corners[0][1]), to.atX(corners[1][0]), to.atY(corners[1][1])
	w := letterWide * float64(columns(f.slope))
	dx, dy := x2-x1, y2-y1
	if math.Hypot(dx, dy) < w+12 {
		return // the facts say it
	}
	tx, ty := x1+8*dx/math.Hypot(dx, dy), y1+8*dy/math.Hypot(dx, dy)
	fmt.Fprintf(b, `<text transform="translate(%.1f %.1f) rotate(%.1f)" y="-6">%s</text>`+"\n", tx, ty, math.Atan2(dy, dx)*180/math.Pi, htmlText(f.slope))
}

// radius makes the area of a symbol the share of the time.
func (n roofNode) radius() float64 { return min(max(30*math.Sqrt(n.share), 2.5), 22) }

func (n roofNode) draw(b *strings.Builder, f frame) {
	fmt.Fprintf(b, "<g%s><title>%s</title>", classColour(n.class), htmlText(n.label()))
	classSymbol(b, n.class, f.atX(n.x), f.atY(n.y), n.radius())
	b.WriteString("</g>\n")
}

// write writes the mark of n into its symbol, or beside a small one.
func (n roofNode) write(b *strings.Builder, f frame, l *labels) {
	x, y := f.atX(n.x), f.atY(n.y)
	switch {
	case n.mark == "":
	case n.radius() >= 8:
		fmt.Fprintf(b, `<text x="%.1f" y="%.1f" text-anchor="middle">%s</text>`+"\n", x, y+4, n.mark)
	default:
		l.write(b, n.mark, "", x, y)
	}
}

// classColour is the attribute that gives what is limited by a class its colour.
func classColour(class string) string {
	switch class {
	case "compute":
		return ` class="c1"`
	case "memory":
		return ` class="c2"`
	}
	return ""
}

// classSymbol draws what is limited by a class, with a shape that says so without colour.
func classSymbol(b *strings.Builder, class string, x, y, r float64) {
	r = round1(r)
	switch class {
	case "compute":
		fmt.Fprintf(b, `<circle class="pt full" fill-opacity=".6" cx="%.1f" cy="%.1f" r="%g"/>`, x, y, r)
	case "memory":
		d := round1(r * 1.25)
		fmt.Fprintf(b, `<path class="pt full" fill-opacity=".6" d="M%.1f %.1fl%[3]g %[3]gl-%[3]g %[3]gl-%[3]g -%[3]gz"/>`, x, y-d, d)
	default:
		fmt.Fprintf(b, `<circle class="pt doubt" fill-opacity=".6" cx="%.1f" cy="%.1f" r="%g"/>`, x, y, r)
	}
}

// keys say what the symbols mean.
func (r roofline) keys() []key {
	var keys []key
	for _, k := range [][2]string{{"compute", "limited by arithmetic"}, {"memory", "by bytes"}, {"other", "by neither"}} {
		if slices.ContainsFunc(r.nodes, func(n roofNode) bool { return n.class == k[0] }) {
			keys = append(keys, key{func(b *strings.Builder, x, y float64) {
				fmt.Fprintf(b, "<g%s>", classColour(k[0]))
				classSymbol(b, k[0], x, y, 5)
				b.WriteString("</g>")
			}, k[1]})
		}
	}
	return append(keys, key{func(*strings.Builder, float64, float64) {}, "the area is the share of the time"})
}
