package render

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"infer/report"
)

// explainSections lays out everything known about one node.
func explainSections(e *report.Explanation) []section {
	if e == nil {
		return nil
	}
	s := section{title: "Explanation of " + e.Node}
	add := func(name, value string) {
		if value != "" {
			s.facts = append(s.facts, fact{name, value})
		}
	}
	add("operator", e.Op)
	add("form", e.Form)
	add("why", e.Why)
	add("group", e.Group)
	if w := e.Weight; w != nil {
		parts := []string{strings.TrimSpace(w.Name + " " + w.Shape), w.DType, granularity(w)}
		add("weight", strings.Join(slices.DeleteFunc(parts, func(s string) bool { return s == "" }), ", "))
		add("weight scales", fmt.Sprintf("%s to %s", report.FormatValue(report.Plain, w.ScaleMin), report.FormatValue(report.Plain, w.ScaleMax)))
		add("weight SQNR", report.FormatValue(report.Level, w.SQNR))
	}
	for _, f := range e.Facts {
		s.lines = append(s.lines, str(f))
	}
	s.table = ranges(e.Tensors)
	return []section{s, values(e)}
}

func granularity(w *report.WeightOf) string {
	switch {
	case w.Block > 0:
		return fmt.Sprintf("blocks of %d", w.Block)
	case w.Axis >= 0:
		return fmt.Sprintf("per channel of axis %d", w.Axis)
	}
	return "per tensor"
}

// histogramRows is how many bars text has for the values of a tensor, histogramBars how many a picture has.
const (
	histogramRows = 16
	histogramBars = 64
)

// values is the histogram of the first tensor: how often which values came.
func values(e *report.Explanation) section {
	h := histogram{edges: e.Bins, counts: e.Counts}
	if !h.ok() {
		return section{}
	}
	title := "Values"
	if len(e.Tensors) > 0 {
		r := e.Tensors[0]
		title, h.lo, h.hi = "Values of "+r.Tensor, r.Lo, r.Hi
	}
	s := section{title: title + ", on a logarithmic scale"}
	picture := h.rebin(histogramBars)
	picture.title = s.title
	s.chart = picture
	h = h.rebin(histogramRows)
	top := math.Log1p(float64(slices.Max(h.counts)))
	t := &table{cols: []column{{head: "from", right: true}, {head: "to", right: true}, {head: "", bar: true}, {head: "values", right: true}, {head: ""}}}
	for i, n := range h.counts {
		t.rows = append(t.rows, []cell{str(report.FormatValue(report.Plain, h.edges[i])), str(report.FormatValue(report.Plain, h.edges[i+1])),
			{bar: math.Log1p(float64(n)) / top}, str(countText(float64(n))), {text: h.clipped(i), tone: warn}})
	}
	s.table = t.compact()
	return s
}
