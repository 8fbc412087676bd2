package render

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"infer/report"
)

// histogram is how many values lie between neighbouring edges, with the range [lo, hi] that was chosen; none where
// lo is not below hi.
type histogram struct {
	title  string
	edges  []float64 // ascending, one more than counts
	counts []uint64
	lo, hi float64
}

// ok says that h can be drawn.
func (h histogram) ok() bool {
	if len(h.counts) == 0 || len(h.edges) != len(h.counts)+1 || slices.Max(h.counts) == 0 {
		return false
	}
	for i, e := range h.edges {
		if i > 0 && !(e > h.edges[i-1]) {
			return false
		}
	}
	return !math.IsInf(h.edges[len(h.edges)-1]-h.edges[0], 0)
}

// rebin returns h with at most n bins, each of as many of the old ones, and the rest in the last.
func (h histogram) rebin(n int) histogram {
	size := (len(h.counts) + n - 1) / n
	out := histogram{title: h.title, edges: []float64{h.edges[0]}, lo: h.lo, hi: h.hi}
	for i := 0; i < len(h.counts); i += size {
		end := min(i+size, len(h.counts))
		var sum uint64
		for _, c := range h.counts[i:end] {
			sum += c
		}
		out.counts, out.edges = append(out.counts, sum), append(out.edges, h.edges[end])
	}
	return out
}

// clipped says which part of bin i is outside of the range.
func (h histogram) clipped(i int) string {
	switch {
	case !(h.lo < h.hi) || h.counts[i] == 0 || h.edges[i] >= h.lo && h.edges[i+1] <= h.hi:
		return ""
	case h.edges[i+1] <= h.lo || h.edges[i] >= h.hi:
		return "clipped"
	}
	return "in part clipped"
}

// svg draws the bins as bars, logarithmic in height, and the ends of the range as lines.
func (h histogram) svg(b *strings.Builder) {
	const width, height = chartWidth, 200
	f := frame{left: 16, right: width - 16, top: 12, bottom: height - 26, x: axis{lo: h.edges[0], hi: h.edges[len(h.edges)-1]}, y: axis{lo: 0, hi: math.Log1p(float64(slices.Max(h.counts)))}}
	desc := fmt.Sprintf("%s from %s to %s in %d bins", plural(len(h.counts), "bar"), plainText(h.edges[0]), plainText(h.edges[len(h.edges)-1]), len(h.counts))
	if h.lo < h.hi {
		desc += ", range " + span(h.lo, h.hi) + " marked"
	}
	openChart(b, "values", width, height, h.title, desc)
	for i, n := range h.counts {
		if n == 0 {
			continue
		}
		left, right, top := f.atX(h.edges[i]), f.atX(h.edges[i+1]), f.atY(math.Log1p(float64(n)))
		class := ""
		if h.clipped(i) == "clipped" {
			class = ` class="out"`
		}
		fmt.Fprintf(b, `<rect%s x="%.1f" y="%.1f" width="%.1f" height="%.1f"><title>%s: %d</title></rect>`+"\n",
			class, left, top, max(right-left-1, 0.5), f.bottom-top, htmlText(span(h.edges[i], h.edges[i+1])), n)
	}
	f.xAxis(b, "", report.Plain)
	for _, x := range []float64{h.lo, h.hi} {
		if h.lo < h.hi && x >= f.x.lo && x <= f.x.hi {
			fmt.Fprintf(b, `<line class="mark" x1="%.1f" y1="%.1f" x2="%.1[1]f" y2="%.1[3]f"/>`+"\n", f.atX(x), f.top, f.bottom)
		}
	}
	b.WriteString("</svg>\n")
}
