package render

import (
	"fmt"
	"math"
	"strings"

	"infer/report"
)

// pairs is the change pair by pair: a picture, and a table for those who look into it.
func (v *comparison) pairs() []section {
	m, ok := v.pairMetric()
	if !ok {
		return nil
	}
	c := pairChart{name: m.Name, metric: m, dots: v.dots(m.Name)}
	if limit, ok := ratioLimit(m.Gate); ok {
		c.limits = append(c.limits, ratioMark{m.Gate, limit})
	}
	var ss []section
	if _, ok := c.frame(); ok {
		ss = append(ss, section{title: "Pair by pair: " + m.Name, chart: c})
	}
	t := &table{cols: []column{{head: "pair", right: true}, {head: "at", right: true}, {head: "first"}, {head: "base", right: true}, {head: "head", right: true},
		{head: "change", right: true}, {head: "n", right: true}, {head: "disturbed"}}}
	for i, p := range v.Pairs {
		d := v.dot(i, m.Name)
		note := cell{text: d.note(), tone: warn}
		change := "—"
		if d.ratio > 0 {
			change, _ = signedPercent(d.ratio-1, nil, nil)
		}
		t.rows = append(t.rows, []cell{str(fmt.Sprint(i + 1)), str(fmt.Sprintf("%.1f s", d.at)), str(p.First), str(blockText(m, p.Base)), str(blockText(m, p.Head)), str(change),
			str(whole(p.Base.N) + " and " + whole(p.Head.N)), note})
	}
	return append(ss, section{title: "The pairs: " + m.Name, table: t.compact(), fold: true, long: true})
}

// pairMetric is the metric that the pairs are shown by: the first gate's that is a ratio and was measured in blocks.
func (v *comparison) pairMetric() (report.CompareMetric, bool) {
	for _, m := range append(v.gated[:len(v.gated):len(v.gated)], v.others...) {
		if m.Ratio == nil || len(m.Labels) > 0 {
			continue
		}
		for _, d := range v.dots(m.Name) {
			if d.ratio > 0 {
				return m, true
			}
		}
	}
	return report.CompareMetric{}, false
}

func blockText(m report.CompareMetric, b report.CompareBlock) string {
	if x, ok := b.Values[m.Name]; ok {
		return sideText(m, &x)
	}
	return "—"
}

// pairDot is a pair in the picture.
type pairDot struct {
	number    int
	at        float64 // begin of its first block
	ratio     float64 // 0: it has none
	headFirst bool
	disturbed []string
	invalid   string
}

func (v *comparison) dots(name string) (ds []pairDot) {
	for i := range v.Pairs {
		ds = append(ds, v.dot(i, name))
	}
	return ds
}

func (v *comparison) dot(i int, name string) pairDot {
	p := v.Pairs[i]
	d := pairDot{number: i + 1, at: min(p.Base.At, p.Head.At), headFirst: p.First == "head", disturbed: disturbances(p), invalid: p.Base.Invalid}
	if d.invalid == "" {
		d.invalid = p.Head.Invalid
	}
	base, head := p.Base.Values[name], p.Head.Values[name]
	if r := head / base; base > 0 && head > 0 && r > 0 && !math.IsInf(r, 0) {
		d.ratio = r
	}
	return d
}

// note says what speaks against a pair.
func (d pairDot) note() string {
	text := strings.Join(d.disturbed, ", ")
	if d.invalid != "" {
		return "left out: " + d.invalid
	}
	return text
}

func (d pairDot) text(name string) string {
	first := "base"
	if d.headFirst {
		first = "head"
	}
	text := fmt.Sprintf("pair %d at %.1f s, %s first: %s ", d.number, d.at, first, name)
	if d.ratio <= 0 {
		text += "not measured"
	} else {
		change, _ := signedPercent(d.ratio-1, nil, nil)
		text += change
	}
	if n := d.note(); n != "" && d.invalid == "" {
		text += ", disturbed by " + n
	} else if n != "" {
		text += ", " + n
	}
	return text
}

// pairChart is a picture of head / base of each pair, in the order of time.
type pairChart struct {
	name   string
	metric report.CompareMetric
	dots   []pairDot
	limits []ratioMark
}

// frame returns the plot; false where there is nothing to draw.
func (c pairChart) frame() (frame, bool) {
	f := frame{left: 64, right: chartWidth - 16, top: 30, bottom: 250}
	ys := []float64{1}
	var xs []float64
	n := 0
	for _, d := range c.dots {
		xs = append(xs, d.at)
		if d.ratio > 0 {
			ys = append(ys, d.ratio)
			n++
		}
	}
	for _, r := range []*float64{c.metric.RatioLo, c.metric.RatioHi} {
		if r != nil {
			ys = append(ys, *r)
		}
	}
	for _, l := range c.limits {
		ys = append(ys, l.ratio)
	}
	var okX, okY bool
	f.x, okX = around(xs)
	f.y, okY = logAround(ys)
	return f, okX && okY && n > 1
}

func (c pairChart) svg(b *strings.Builder) {
	f, _ := c.frame()
	openChart(b, "pairs", chartWidth, f.bottom+66, "The change pair by pair: "+c.name, c.description())
	f.yAxis(b, "head / base", report.Factor)
	f.xAxis(b, "seconds since the first block began", report.Time)
	if lo, hi := c.metric.RatioLo, c.metric.RatioHi; lo != nil && hi != nil && *lo > 0 && *lo <= *hi {
		fmt.Fprintf(b, `<rect class="band" x="%.1f" y="%.1f" width="%.1f" height="%.1f"><title>the interval of the change</title></rect>`+"\n",
			f.left, f.atY(*hi), f.right-f.left, f.atY(*lo)-f.atY(*hi))
	}
	unchanged(b, f)
	ratioMarks(b, f, c.limits)
	for _, d := range c.dots {
		x := f.atX(d.at)
		fmt.Fprintf(b, "<g><title>%s</title>", htmlText(d.text(c.name)))
		class := "pt full"
		if len(d.disturbed) > 0 {
			class = "pt"
		}
		switch {
		case d.invalid != "" || d.ratio <= 0:
			fmt.Fprintf(b, `<path class="fail" d="M%.1f %.1fl6 6m0 -6l-6 6"/>`, x-3, f.bottom-10)
		case d.headFirst:
			fmt.Fprintf(b, `<path class="%s" d="M%.1f %.1fl5.5 5.5l-5.5 5.5l-5.5 -5.5z"/>`, class, x, f.atY(d.ratio)-5.5)
		default:
			fmt.Fprintf(b, `<circle class="%s" cx="%.1f" cy="%.1f" r="4.5"/>`, class, x, f.atY(d.ratio))
		}
		b.WriteString("</g>\n")
	}
	c.legend(b, f)
	b.WriteString("</svg>\n")
}

func (c pairChart) legend(b *strings.Builder, f frame) {
	y := f.bottom + 56
	fmt.Fprintf(b, `<circle class="pt full" cx="%.1f" cy="%.1f" r="4.5"/><text class="axis" x="%.1f" y="%.1f">base first</text>`, f.left, y-4, f.left+11, y)
	fmt.Fprintf(b, `<path class="pt full" d="M%.1f %.1fl5.5 5.5l-5.5 5.5l-5.5 -5.5z"/><text class="axis" x="%.1f" y="%.1f">head first</text>`, f.left+92, y-9.5, f.left+103, y)
	fmt.Fprintf(b, `<circle class="pt" cx="%.1f" cy="%.1f" r="4.5"/><text class="axis" x="%.1f" y="%.1f">hollow: disturbed</text>`, f.left+190, y-4, f.left+201, y)
	fmt.Fprintf(b, `<path class="fail" d="M%.1f %.1fl6 6m0 -6l-6 6"/><text class="axis" x="%.1f" y="%.1f">left out</text>`, f.left+327, y-7, f.left+340, y)
	fmt.Fprintf(b, `<rect class="band" x="%.1f" y="%.1f" width="16" height="12"/><text class="axis" x="%.1f" y="%.1f">interval of the change</text>`+"\n", f.left+418, y-10, f.left+440, y)
}

// description says the picture in words, for those who do not see it.
func (c pairChart) description() string {
	var parts []string
	for _, d := range c.dots {
		parts = append(parts, d.text(c.name))
	}
	for _, l := range c.limits {
		parts = append(parts, "the gate "+l.expr+" is a line")
	}
	return strings.Join(parts, "; ")
}
