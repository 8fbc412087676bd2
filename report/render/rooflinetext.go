package render

import (
	"math"
	"slices"
	"strings"
)

// textChart is a chart that can be drawn in text, too.
type textChart interface {
	chart
	// text returns the lines of a picture of at most so many columns, each in parts with their tones.
	text(width int, ascii bool) [][]cell
}

const (
	textChartLeast = 60 // columns, below which there is no picture
	textChartMost  = 100
	textChartHigh  = 16 // lines of the plot
	textChartLeft  = 9  // columns for the numbers of the axis
)

// canvas is the plot of a chart in text: roofs in fine dots or in ASCII characters, and marks over them.
type canvas struct {
	frame // in cells, with halves: the middle of the first one is 0.5
	cells [][]rune
	marks [][]bool // cells that hold a mark
	fine  [][]rune // braille patterns
}

func newCanvas(width int, x, y axis) *canvas {
	c := &canvas{frame: frame{left: 0, right: float64(width), top: 0, bottom: textChartHigh, x: x, y: y}}
	for range textChartHigh {
		c.cells = append(c.cells, []rune(strings.Repeat(" ", width)))
		c.marks = append(c.marks, make([]bool, width))
		c.fine = append(c.fine, make([]rune, width))
	}
	return c
}

// spot returns the cell of a place; false outside of the plot.
func (c *canvas) spot(x, y float64) (row, col int, ok bool) {
	row, col = int(math.Floor(y)), int(math.Floor(x))
	return row, col, row >= 0 && row < len(c.cells) && col >= 0 && col < len(c.cells[0])
}

// brailleDots are the bits of a pattern's dots by line and column. Ref: Unicode, block Braille Patterns.
var brailleDots = [4][2]rune{{0x01, 0x08}, {0x02, 0x10}, {0x04, 0x20}, {0x40, 0x80}}

// dot sets the fine dot at a place.
func (c *canvas) dot(x, y float64) {
	if row, col, ok := c.spot(x, y); ok {
		c.fine[row][col] |= brailleDots[int(4*(y-math.Floor(y)))][int(2*(x-math.Floor(x)))]
	}
}

// roof draws a roof between its first and last corner: every step-th fine dot, or in ASCII a character a column.
func (c *canvas) roof(f roof, ascii bool) {
	corners := f.lines(c.x, c.y)
	from, to := c.atX(corners[0][0]), c.atX(corners[len(corners)-1][0])
	back := func(x float64) float64 { return c.x.lo * math.Pow(c.x.hi/c.x.lo, x/c.right) }
	flat, steep, step := '-', '/', 0.125
	if f.name == "" {
		steep, step = '.', 1 // the cache's, which is not the roof of every node
	}
	if f.slope == "" {
		flat = '='
	}
	if ascii {
		for col := math.Floor(from); col < to; col++ {
			x := back(col + 0.5)
			r := steep
			if x >= f.ridge() {
				r = flat
			}
			if row, col, ok := c.spot(col+0.5, c.atY(f.at(x))); ok {
				c.cells[row][col] = r
			}
		}
		return
	}
	for x := from; x < to; x += step {
		c.dot(x, c.atY(f.at(back(x))))
	}
}

// mark puts a character over the place of a value; what is there first stays.
func (c *canvas) mark(x, y float64, r rune) {
	if row, col, ok := c.spot(c.atX(x), c.atY(y)); ok && !c.marks[row][col] {
		c.cells[row][col], c.marks[row][col] = r, true
	}
}

// line returns a line of the plot in parts.
func (c *canvas) line(row int) []cell {
	var parts []cell
	for col, r := range c.cells[row] {
		t := dim
		switch {
		case c.marks[row][col]:
			t = plain
		case c.fine[row][col] != 0:
			r = 0x2800 + c.fine[row][col]
		}
		if n := len(parts) - 1; n >= 0 && parts[n].tone == t {
			parts[n].text += string(r)
			continue
		}
		parts = append(parts, cell{text: string(r), tone: t})
	}
	parts[len(parts)-1].text = strings.TrimRight(parts[len(parts)-1].text, " ")
	return parts
}

func (r roofline) text(width int, ascii bool) [][]cell {
	if width < textChartLeast {
		return nil
	}
	x, y, _ := r.axes()
	c := newCanvas(min(width, textChartMost)-textChartLeft-1, x, y)
	for _, f := range r.roofs {
		c.roof(f, ascii)
	}
	other := '∘'
	if ascii {
		other = 'o'
	}
	for _, n := range r.nodes {
		if n.mark != "" {
			c.mark(n.x, n.y, rune(n.mark[0]))
		} else {
			c.mark(n.x, n.y, other)
		}
	}
	bar, corner, rule := "│", "└", "─"
	if ascii {
		bar, corner, rule = "|", "+", "-"
	}
	names := c.yNames()
	lines := [][]cell{{faint("FLOP/s")}}
	for row := range c.cells {
		lines = append(lines, append([]cell{faint(pad(names[row], textChartLeft-1) + " " + bar)}, c.line(row)...))
	}
	lines = append(lines, []cell{faint(strings.Repeat(" ", textChartLeft) + corner + strings.Repeat(rule, len(c.cells[0])))}, []cell{faint(c.xNames())})
	said := "letters: rows below, " + string(other) + " others; lines: roofs"
	if slices.ContainsFunc(r.roofs, func(f roof) bool { return f.name == "" }) {
		said += ", dots: cache"
	}
	return append(lines, []cell{faint(said)})
}

func pad(s string, n int) string { return strings.Repeat(" ", max(0, n-columns(s))) + s }

// yNames are the numbers of the vertical axis by line.
func (c *canvas) yNames() map[int]string {
	names := map[int]string{}
	ticks, _ := c.y.ticks(4)
	for _, v := range ticks {
		if row, _, ok := c.spot(0, c.atY(v)); ok && names[row] == "" {
			names[row] = countText(v)
		}
	}
	return names
}

// xNames is the line of the numbers of the horizontal axis, and what they are.
func (c *canvas) xNames() string {
	const unit = "FLOP/B"
	line := []rune(strings.Repeat(" ", textChartLeft+1+len(c.cells[0])))
	ticks, _ := c.x.ticks(6)
	free := 0
	for _, v := range ticks {
		name := []rune(roundText(v))
		at := textChartLeft + 1 + int(c.atX(v)) - len(name)/2
		if at < free || at+len(name) > len(line)-len(unit)-1 {
			continue
		}
		copy(line[at:], name)
		free = at + len(name) + 1
	}
	copy(line[len(line)-len(unit):], []rune(unit))
	return string(line)
}
