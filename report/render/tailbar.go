package render

import (
	"fmt"
	"strings"
)

// tail is the picture of where the slowest requests spent their time. Text has it among the facts.
func (v *load) tail() section {
	if v.Tail == nil {
		return section{}
	}
	b := stacked{id: "tail", title: fmt.Sprintf("Where the slowest %s spent their time", wholeOf(v.Tail.N, "request"))}
	var bar stack
	sum := 0.0
	for _, s := range v.tailShares() {
		if s.share > 0 {
			b.names = append(b.names, s.name+" "+shareText(s.share))
			bar.parts = append(bar.parts, s.share)
			sum += s.share
		}
	}
	if sum <= 0 {
		return section{}
	}
	b.bars = []stack{bar}
	return section{title: b.title, chart: b}
}

// stacked is bars that are cut into parts, each part with a pattern of its own.
type stacked struct {
	id    string // of the elements of the picture
	title string
	names []string // of the parts
	bars  []stack
}

// stack is one bar.
type stack struct {
	name, note string    // above the bar, to the left and right; "" for none
	parts      []float64 // lengths, by names; 1 is the whole width
	words      []string  // of the parts, "" for none; nil: the names alone
}

func (s stacked) svg(b *strings.Builder) { s.draw(b, s.id, chartWidth) }

func (s stacked) narrow(b *strings.Builder) { s.draw(b, s.id+"-narrow", narrowWidth) }

// draw draws s; id is that of no other picture of the page.
func (s stacked) draw(b *strings.Builder, id string, width float64) {
	at, rows := s.legend(width)
	high := 0.0
	for _, bar := range s.bars {
		high += bar.height()
	}
	openChart(b, id, width, high+20+22*rows, s.title, s.description())
	fmt.Fprintf(b, `<defs><pattern id="%[1]s-1" width="7" height="7" patternUnits="userSpaceOnUse" patternTransform="rotate(45)"><rect class="weak" width="7" height="7"/><rect width="3" height="7"/></pattern>`+
		`<pattern id="%[1]s-3" width="6" height="6" patternUnits="userSpaceOnUse"><rect class="weak" width="6" height="6"/><circle class="dot" cx="3" cy="3" r="1.7"/></pattern>`+
		`<pattern id="%[1]s-4" width="6" height="6" patternUnits="userSpaceOnUse"><rect class="weak" width="6" height="6"/><rect width="6" height="2"/></pattern></defs>`+"\n", id)
	y := 0.0
	for _, bar := range s.bars {
		s.bar(b, id, bar, y, width)
		y += bar.height()
	}
	for i, name := range s.names {
		fmt.Fprintf(b, `<rect%s x="%.1f" y="%.1f" width="16" height="12"/><text x="%.1f" y="%.1f">%s</text>`+"\n",
			fill(id, i), at[i].x, y+14+22*at[i].row, at[i].x+22, y+25+22*at[i].row, htmlText(name))
	}
	b.WriteString("</svg>\n")
}

// height is that of a bar with what is above it.
func (s stack) height() float64 {
	if s.name == "" {
		return 32
	}
	return 48
}

// bar draws a bar and what is above it from y downward.
func (s stacked) bar(b *strings.Builder, id string, bar stack, y, width float64) {
	if bar.name != "" {
		fmt.Fprintf(b, `<text x="0" y="%.1f">%s</text><text class="axis" x="%.1f" y="%.1[1]f" text-anchor="end">%[4]s</text>`+"\n",
			y+16, htmlText(bar.name), width, htmlText(bar.note))
	}
	x, top := 0.0, y+bar.height()-26
	for i, part := range bar.parts {
		w := min(part*width, width-x)
		if w > 0 {
			fmt.Fprintf(b, `<g><title>%s</title><rect%s x="%.1f" y="%.1f" width="%.1f" height="26"/><line class="cut" x1="%.1[3]f" y1="%.1[4]f" x2="%.1[3]f" y2="%.1[6]f"/></g>`+"\n",
				htmlText(s.words(bar, i)), fill(id, i), x, top, w, top+26)
		}
		x += w
	}
}

// words is the i-th part of a bar in words.
func (s stacked) words(bar stack, i int) string {
	if i < len(bar.words) {
		return s.names[i] + " " + bar.words[i]
	}
	return s.names[i]
}

// description says the picture in words, for those who do not see it.
func (s stacked) description() string {
	var all []string
	for _, bar := range s.bars {
		var parts []string
		for i, p := range bar.parts {
			if p > 0 {
				parts = append(parts, s.words(bar, i))
			}
		}
		text := strings.Join(parts, ", ")
		if bar.name != "" {
			text = bar.name + ": " + text
		}
		all = append(all, text)
	}
	return strings.Join(all, "; ")
}

// legendAt is the place of a name below a chart.
type legendAt struct{ x, row float64 }

// legend places the names of the parts in rows.
func (s stacked) legend(width float64) (at []legendAt, rows float64) {
	next := legendAt{}
	for _, name := range s.names {
		wide := 48 + 6.4*float64(columns(name))
		if next.x > 0 && next.x+wide > width {
			next = legendAt{row: next.row + 1}
		}
		at = append(at, next)
		next.x += wide
	}
	return at, next.row + 1
}

// fill is how the i-th part of a chart is filled: full, hatched, light, dotted, striped, empty.
func fill(id string, i int) string {
	switch i % 6 {
	case 0:
		return ""
	case 2:
		return ` class="weak"`
	case 5:
		return ` class="hollow"`
	}
	return fmt.Sprintf(` style="fill:url(#%s-%d)"`, id, i%6)
}
