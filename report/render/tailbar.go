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
		b.shares = append(b.shares, s)
		sum += s.share
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
	openChart(b, "tail", chartWidth, 74, t.title, strings.Join(words, ", "))
	b.WriteString(`<defs><pattern id="tail-1" width="7" height="7" patternUnits="userSpaceOnUse" patternTransform="rotate(45)"><rect class="weak" width="7" height="7"/><rect width="3" height="7"/></pattern>` +
		`<pattern id="tail-3" width="6" height="6" patternUnits="userSpaceOnUse"><rect class="weak" width="6" height="6"/><circle class="dot" cx="3" cy="3" r="1.7"/></pattern></defs>` + "\n")
	x, at := 0.0, 0.0
	for i, s := range t.shares {
		w := min(s.share*chartWidth, chartWidth-x)
		if w > 0 {
			fmt.Fprintf(b, `<g><title>%s</title><rect%s x="%.1f" y="6" width="%.1f" height="26"/><line class="cut" x1="%.1[3]f" y1="6" x2="%.1[3]f" y2="32"/></g>`+"\n", htmlText(words[i]), fill(i), x, w)
		}
		fmt.Fprintf(b, `<rect%s x="%.1f" y="46" width="16" height="12"/><text x="%.1f" y="57">%s</text>`+"\n", fill(i), at, at+22, htmlText(words[i]))
		x += w
		at += 48 + 6.4*float64(columns(words[i]))
	}
	b.WriteString("</svg>\n")
}

// fill is how the i-th share is filled: full, hatched, light, dotted.
func fill(i int) string {
	switch i % 4 {
	case 0:
		return ""
	case 2:
		return ` class="weak"`
	}
	return fmt.Sprintf(` style="fill:url(#tail-%d)"`, i%4)
}
