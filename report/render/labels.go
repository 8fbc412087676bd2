package render

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// The size of a letter of a chart, in the units of its picture.
const letterHigh, letterWide = 14.0, 6.6

// box is a rectangle of a chart.
type box struct{ left, right, top, bottom float64 }

func (b box) meets(o box) bool {
	return b.left < o.right && o.left < b.right && b.top < o.bottom && o.top < b.bottom
}

// labels writes names beside points, each where it hides nothing.
type labels struct {
	bounds box
	taken  []box // by symbols and names
	lines  []box // that a name may cross where it has no better place
}

// take keeps a place free of names.
func (l *labels) take(b box) { l.taken = append(l.taken, b) }

// line keeps a line, along the axes, free of names where that is possible.
func (l *labels) line(x1, y1, x2, y2 float64) {
	l.lines = append(l.lines, box{min(x1, x2) - 1, max(x1, x2) + 1, min(y1, y2) - 1, max(y1, y2) + 1})
}

// slope is line for one that need not be along an axis.
func (l *labels) slope(x1, y1, x2, y2 float64) {
	const steps = 24
	for i := range steps {
		x, y := x1+(x2-x1)*float64(i)/steps, y1+(y2-y1)*float64(i)/steps
		l.line(x, y, x+(x2-x1)/steps, y+(y2-y1)/steps)
	}
}

// places are where a name of width w may stand, from its point: beside it first, then above and below.
func places(w float64) [][2]float64 {
	return [][2]float64{{10, -6}, {-10 - w, -6}, {10, 18}, {-10 - w, 18}, {10, -20}, {-10 - w, -20}, {10, 32}, {-10 - w, 32}, {-w / 2, -10}, {-w / 2, 22}}
}

// write writes a name of a class near x, y and takes its place; false where all places are taken.
func (l *labels) write(b *strings.Builder, name, class string, x, y float64) bool {
	w := letterWide * float64(columns(name))
	for _, cross := range []bool{false, true} {
		for _, at := range places(w) {
			if l.try(b, name, class, x+at[0], y+at[1], w, cross) {
				return true
			}
		}
	}
	return false
}

// writeFar is write that goes farther away, and then joins the name and the point with a line.
func (l *labels) writeFar(b *strings.Builder, name, class string, x, y float64) {
	if l.write(b, name, class, x, y) {
		return
	}
	w := letterWide * float64(columns(name))
	for far := 30.0; far < 160; far += 14 {
		for _, turn := range []float64{-60, 60, -120, 120, -30, 30, -150, 150} {
			dx, dy := far*math.Cos(turn*math.Pi/180), far*math.Sin(turn*math.Pi/180)
			left := x + dx
			if dx < 0 {
				left -= w
			}
			if l.try(b, name, class, left, y+dy, w, true) {
				fmt.Fprintf(b, `<line class="leader" x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f"/>`+"\n", x, y, x+dx, y+dy-4)
				return
			}
		}
	}
}

// try writes a name with its left end at x and its letters standing on y; false where that is taken, or where it would
// cross a line and must not.
func (l *labels) try(b *strings.Builder, name, class string, x, y, w float64, cross bool) bool {
	n := box{x, x + w, y - letterHigh + 3, y + 3}
	if n.left < l.bounds.left || n.right > l.bounds.right || n.top < l.bounds.top || n.bottom > l.bounds.bottom || slices.ContainsFunc(l.taken, n.meets) ||
		!cross && slices.ContainsFunc(l.lines, n.meets) {
		return false
	}
	l.take(n)
	if class != "" {
		class = fmt.Sprintf(` class="%s"`, class)
	}
	fmt.Fprintf(b, `<text%s x="%.1f" y="%.1f">%s</text>`+"\n", class, x, y, htmlText(name))
	return true
}

// key is what a symbol means.
type key struct {
	symbol func(b *strings.Builder, x, y float64)
	text   string
}

// keyRows places keys in rows of a width: how many there are, and where each stands.
func keyRows(keys []key, width float64) (at []legendAt, rows float64) {
	next := legendAt{}
	for _, k := range keys {
		wide := 34 + 6.2*float64(columns(k.text))
		if next.x > 0 && next.x+wide-18 > width {
			next = legendAt{row: next.row + 1}
		}
		at = append(at, next)
		next.x += wide
	}
	return at, next.row + 1
}

// writeKeys says what the symbols mean, from x, y downward.
func writeKeys(b *strings.Builder, keys []key, x, y, width float64) {
	at, _ := keyRows(keys, width)
	for i, k := range keys {
		kx, ky := x+at[i].x, y+20*at[i].row
		k.symbol(b, kx, ky-4)
		fmt.Fprintf(b, `<text class="axis" x="%.1f" y="%.1f">%s</text>`+"\n", kx+12, ky, htmlText(k.text))
	}
}
