package render

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"infer/report"
)

// curve is the table and the picture of latency against load.
func (v *load) curve() section {
	if len(v.Points) == 0 {
		return section{}
	}
	s := section{title: "Latency and load", table: v.points()}
	c := curve{points: v.Points, limits: v.limits, x: "offered rate, requests a second"}
	for _, p := range v.Points {
		if p.Rate <= 0 {
			c.x, c.closed = "throughput, requests a second", true
		}
	}
	if c.closed && v.batches() {
		c.x, c.rows = "throughput, rows a second", true
	}
	if v.Search != nil && v.Search.Max != nil {
		c.max = *v.Search.Max
	}
	if _, ok := c.frame(); ok {
		s.chart = c
	}
	return s
}

// curve is a picture of p50 and p99 against what was offered, or of a closed loop, against what was answered.
type curve struct {
	points []report.LoadPoint
	limits []limit
	x      string
	closed bool
	rows   bool    // of a closed loop with several batch sizes: throughput is in rows
	max    float64 // the highest rate that holds; 0: none
}

// at returns where p lies along the horizontal axis.
func (c curve) at(p report.LoadPoint) float64 {
	switch {
	case c.rows:
		return p.Throughput * float64(p.Batch)
	case c.closed:
		return p.Throughput
	}
	return p.Rate
}

// frame returns the plot; false where there is nothing to draw.
func (c curve) frame() (frame, bool) {
	f := frame{left: 64, right: chartWidth - 64, top: 30, bottom: 310}
	var ys []float64
	for _, p := range c.points {
		f.x.hi = max(f.x.hi, c.at(p), c.max)
		for _, y := range []*float64{p.P50, p.P99, p.P99Lo, p.P99Hi} {
			if y != nil {
				ys = append(ys, *y)
			}
		}
	}
	for _, l := range c.limits {
		ys = append(ys, l.value)
	}
	f.x.hi *= 1.06
	var ok bool
	f.y, ok = logAround(ys)
	return f, ok && f.x.hi > 0 && !math.IsInf(f.x.hi, 0) && len(c.points) > 1
}

func (c curve) svg(b *strings.Builder) {
	f, _ := c.frame()
	openChart(b, "curve", chartWidth, f.bottom+66, "Latency and load", c.description())
	f.yAxis(b, "latency", report.Time)
	f.xAxis(b, c.x, report.Rate)
	marks(b, f, c.limits)
	if c.max > 0 {
		x := f.atX(c.max)
		fmt.Fprintf(b, `<line class="mark" x1="%.1f" y1="%.1f" x2="%.1[1]f" y2="%.1[3]f"/><text x="%.1[4]f" y="%.1[5]f" text-anchor="end">%[6]s holds</text>`+"\n",
			x, f.top, f.bottom, x-5, f.top+10, htmlText(rateOf(c.max)))
	}
	c.line(b, f, "l1", func(p report.LoadPoint) *float64 { return p.P50 })
	c.line(b, f, "l2", func(p report.LoadPoint) *float64 { return p.P99 })
	for _, p := range c.points {
		c.point(b, f, p)
	}
	c.legend(b, f)
	b.WriteString("</svg>\n")
}

// line joins the points, in the order of the horizontal axis.
func (c curve) line(b *strings.Builder, f frame, class string, of func(report.LoadPoint) *float64) {
	sorted := slices.Clone(c.points)
	slices.SortStableFunc(sorted, func(p, q report.LoadPoint) int { return cmp.Compare(c.at(p), c.at(q)) })
	if c.closed {
		sorted = c.points // by concurrency: beyond saturation throughput falls again
	}
	var at []string
	for _, p := range sorted {
		if y := of(p); y != nil && *y > 0 {
			at = append(at, fmt.Sprintf("%.1f,%.1f", f.atX(c.at(p)), f.atY(*y)))
		}
	}
	polyline(b, class, at)
}

// point draws p50 as a circle and p99 as a diamond with its interval, hollow where they are not to be trusted.
func (c curve) point(b *strings.Builder, f frame, p report.LoadPoint) {
	x := f.atX(c.at(p))
	fmt.Fprintf(b, "<g><title>%s</title>", htmlText(c.label(p)))
	if p.P99Lo != nil && p.P99Hi != nil && *p.P99Lo > 0 && *p.P99Lo < *p.P99Hi {
		fmt.Fprintf(b, `<line class="error" x1="%.1f" y1="%.1f" x2="%.1[1]f" y2="%.1[3]f"/>`, x, f.atY(*p.P99Lo), f.atY(*p.P99Hi))
	}
	class := "pt full"
	if !p.Valid {
		class = "pt"
	}
	if p.P50 != nil && *p.P50 > 0 {
		fmt.Fprintf(b, `<circle class="%s" cx="%.1f" cy="%.1f" r="4.5"/>`, class, x, f.atY(*p.P50))
	}
	if p.P99 != nil && *p.P99 > 0 {
		y := f.atY(*p.P99)
		fmt.Fprintf(b, `<path class="%s" d="M%.1f %.1fl5.5 5.5l-5.5 5.5l-5.5 -5.5z"/>`, class, x, y-5.5)
		number := int64(p.Concurrency)
		if c.rows {
			number = p.Batch
		}
		if c.closed && number > 0 {
			fmt.Fprintf(b, `<text x="%.1f" y="%.1f" text-anchor="middle">%d</text>`, x, y-11, number)
		}
	}
	b.WriteString("</g>\n")
}

func (c curve) label(p report.LoadPoint) string {
	what := rateOf(p.Rate) + " offered"
	if c.closed {
		what = plural(p.Concurrency, "request") + " at a time"
	}
	if c.rows {
		what += ", batch " + fmt.Sprint(p.Batch)
	}
	text := what + ": " + rateOf(p.Throughput) + " answered, p50 " + orDash(p.P50) + ", p99 " + orDash(p.P99)
	if !p.Valid {
		text += ", not valid: " + p.Why
	}
	return text
}

// description says the picture in words, for those who do not see it.
func (c curve) description() string {
	var parts []string
	for _, p := range c.points {
		parts = append(parts, c.label(p))
	}
	for _, l := range c.limits {
		parts = append(parts, "the objective "+l.expr+" is a line")
	}
	return strings.Join(parts, "; ")
}

func (c curve) legend(b *strings.Builder, f frame) {
	y := f.bottom + 56
	fmt.Fprintf(b, `<circle class="pt full" cx="%.1f" cy="%.1f" r="4.5"/><text class="axis" x="%.1f" y="%.1f">p50</text>`, f.left, y-4, f.left+11, y)
	fmt.Fprintf(b, `<path class="pt full" d="M%.1f %.1fl5.5 5.5l-5.5 5.5l-5.5 -5.5z"/><text class="axis" x="%.1f" y="%.1f">p99 with its interval</text>`, f.left+60, y-9.5, f.left+71, y)
	fmt.Fprintf(b, `<circle class="pt" cx="%.1f" cy="%.1f" r="4.5"/><text class="axis" x="%.1f" y="%.1f">hollow: not to be trusted`, f.left+215, y-4, f.left+226, y)
	switch {
	case c.rows:
		b.WriteString("; the numbers are rows a request")
	case c.closed:
		b.WriteString("; the numbers are requests at a time")
	}
	b.WriteString("</text>\n")
}

// points is the table of a latency-throughput curve.
func (v *load) points() *table {
	t := &table{cols: []column{{head: "batch", right: true}, {head: "offered", right: true}, {head: "at a time", right: true}, {head: "throughput", right: true}, {head: "rows", right: true},
		{head: "goodput", right: true, drop: 2}, {head: "errors", right: true, drop: 3}, {head: "p50", right: true}, {head: "p90", right: true, drop: 4},
		{head: "p99", right: true}, {head: "[95 % CI]", drop: 1}, {head: "not valid", note: true}}}
	batches := v.batches()
	for _, p := range v.Points {
		row := make([]cell, len(t.cols))
		if p.Batch > 0 && batches {
			row[0] = str(fmt.Sprint(p.Batch))
		}
		if p.Batch > 1 || batches {
			row[4] = str(rateOf(rowsPerSecond(v.d, p)))
		}
		if p.Rate > 0 {
			row[1] = str(rateOf(p.Rate))
		}
		if p.Concurrency > 0 {
			row[2] = str(fmt.Sprint(p.Concurrency))
		}
		row[3] = str(rateOf(p.Throughput))
		if v.told("goodput", p) {
			row[5] = str(rateOf(p.Goodput))
		}
		if v.told("error_rate", p) {
			row[6] = str(percent(p.ErrorRate))
		}
		row[7], row[8] = str(orDash(p.P50)), str(orDash(p.P90))
		m := report.NewMetric("latency_p99")
		m.Value, m.Lo, m.Hi = p.P99, p.P99Lo, p.P99Hi
		text, between := m.Text()
		if m.Value == nil {
			between = ""
		}
		row[9], row[10] = str(text), faint(between)
		if !p.Valid {
			row[9].tone = warn
			row[11] = cell{text: "not valid: " + v.why(p), tone: warn}
		}
		t.rows = append(t.rows, row)
	}
	return t.compactFrom(0)
}

// told reports whether a figure of a point was measured: this program always does, other tools may not.
func (v *load) told(name string, p report.LoadPoint) bool {
	return !v.imported() || v.d.Metric(name, p.Labels()) != nil
}

// batches reports whether the points are of several batch sizes.
func (v *load) batches() bool {
	return slices.ContainsFunc(v.Points, func(p report.LoadPoint) bool { return p.Batch != v.Points[0].Batch })
}

// why says why a point is not to be trusted: the name of the check that tells it, where there is one.
func (v *load) why(p report.LoadPoint) string {
	for _, c := range v.d.Validity.Checks {
		if name, point, ok := strings.Cut(c.Name, "@"); ok && c.Detail == point+": "+p.Why {
			return name
		}
	}
	return p.Why
}

func orDash(v *float64) string {
	if v == nil {
		return "—"
	}
	return seconds(*v)
}
