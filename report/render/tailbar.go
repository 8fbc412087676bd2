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
	b := tailBar{title: fmt.Sprintf("Where the slowest %s spent their time", wholeOf(v.Tail.N, "request"))}
	sum := 0.0
	for _, s := range v.tailShares() {
		if s.share > 0 {
			b.shares = append(b.shares, s)
			sum += s.share
		}
	}
	if sum <= 0 {
		return section{}
	}
	return section{title: b.title, chart: b}
}

// tailBar is one bar that is cut into shares, each with a pattern of its own.
type tailBar struct {
	title  string
	shares []tailShare
}

func (t tailBar) svg(b *strings.Builder) {
	var words []string
	for _, s := range t.shares {
		words = append(words, s.name+" "+shareText(s.share))
	}
	at, rows := t.legend(words)
	openChart(b, "tail", chartWidth, 52+22*rows, t.title, strings.Join(words, ", "))
	b.WriteString(`<defs><pattern id="tail-1" width="7" height="7" patternUnits="userSpaceOnUse" patternTransform="rotate(45)"><rect class="weak" width="7" height="7"/><rect width="3" height="7"/></pattern>` +
		`<pattern id="tail-3" width="6" height="6" patternUnits="userSpaceOnUse"><rect class="weak" width="6" height="6"/><circle class="dot" cx="3" cy="3" r="1.7"/></pattern>` +
		`<pattern id="tail-4" width="6" height="6" patternUnits="userSpaceOnUse"><rect class="weak" width="6" height="6"/><rect width="6" height="2"/></pattern></defs>` + "\n")
	x := 0.0
	for i, s := range t.shares {
		w := min(s.share*chartWidth, chartWidth-x)
		if w > 0 {
			fmt.Fprintf(b, `<g><title>%s</title><rect%s x="%.1f" y="6" width="%.1f" height="26"/><line class="cut" x1="%.1[3]f" y1="6" x2="%.1[3]f" y2="32"/></g>`+"\n", htmlText(words[i]), fill(i), x, w)
		}
		fmt.Fprintf(b, `<rect%s x="%.1f" y="%.1f" width="16" height="12"/><text x="%.1f" y="%.1f">%s</text>`+"\n",
			fill(i), at[i].x, 46+22*at[i].row, at[i].x+22, 57+22*at[i].row, htmlText(words[i]))
		x += w
	}
	b.WriteString("</svg>\n")
}

// legendAt is the place of a name below the bar.
type legendAt struct{ x, row float64 }

// legend places the names of the shares in rows.
func (t tailBar) legend(words []string) (at []legendAt, rows float64) {
	next := legendAt{}
	for _, w := range words {
		wide := 48 + 6.4*float64(columns(w))
		if next.x > 0 && next.x+wide > chartWidth {
			next = legendAt{row: next.row + 1}
		}
		at = append(at, next)
		next.x += wide
	}
	return at, next.row + 1
}

// fill is how the i-th share is filled: full, hatched, light, dotted, striped.
func fill(i int) string {
	switch i % 5 {
	case 0:
		return ""
	case 2:
		return ` class="weak"`
	}
	return fmt.Sprintf(` style="fill:url(#tail-%d)"`, i%5)
}
