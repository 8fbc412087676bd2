package render

import (
	"fmt"
	"strings"

	"infer/report"
)

// calibrationSections says how the ranges were found, and folds the ranges themselves away.
func calibrationSections(c *report.Calibration) []section {
	if c == nil {
		return nil
	}
	s := section{title: "Calibration"}
	add := func(name, value string) {
		if value != "" {
			s.facts = append(s.facts, fact{name, value})
		}
	}
	add("ranges read from", c.Loaded)
	add("data", c.Source)
	rows := plural(c.Rows, "row")
	if c.Resumed > 0 {
		rows += fmt.Sprintf(", %d of them from an earlier run", c.Resumed)
	}
	add("rows", rows)
	add("method", c.Method)
	var uses []string
	for _, m := range c.Methods {
		uses = append(uses, m.Method+" for "+plural(m.Tensors, "tensor"))
	}
	add("best", strings.Join(uses, ", "))
	tensors := plural(c.Tensors, "tensor")
	if c.Groups > 1 {
		tensors += fmt.Sprintf(", collected in %d parts", c.Groups)
	}
	if c.Memory > 0 {
		tensors += ", at most " + bytesText(c.Memory) + " of memory"
	}
	add("ranges", tensors)
	if c.Settled != nil {
		add("settled", fmt.Sprintf("no range grew by more than 1 %% after row %d", *c.Settled))
		if *c.Settled >= c.Rows && c.Rows > 0 {
			s.facts[len(s.facts)-1].value = "not yet: ranges still grew with the last row"
		}
	}
	add("not finite", notFinite(c))
	return []section{s, {title: "Ranges", table: ranges(c.Ranges), fold: true, long: true}}
}

// notFinite counts the elements that say nothing about a range.
func notFinite(c *report.Calibration) string {
	switch {
	case c.NaN > 0 && c.Inf > 0:
		return fmt.Sprintf("%s NaN and %d infinite", plural(c.NaN, "element"), c.Inf)
	case c.NaN > 0:
		return plural(c.NaN, "element") + " NaN"
	case c.Inf > 0:
		return plural(c.Inf, "element") + " infinite"
	case c.Rows > 0:
		return "none"
	}
	return ""
}

// ranges is the table of calibrated ranges.
func ranges(list []report.RangeOf) *table {
	t := &table{cols: []column{{head: "tensor", shrink: true}, {head: "seen", drop: 2}, {head: "range"}, {head: "method", shrink: true, drop: 3},
		{head: "scale", right: true}, {head: "zero point", right: true}, {head: "dtype", drop: 1}, {head: "SQNR", right: true, drop: 4}}}
	for _, r := range list {
		t.rows = append(t.rows, []cell{code(r.Tensor), faint(span(r.Min, r.Max)), str(span(r.Lo, r.Hi)), str(r.Method), str(report.FormatValue(report.Plain, r.Scale)),
			str(fmt.Sprint(r.ZeroPoint)), str(r.DType), str(number("sqnr_db", r.SQNR))})
	}
	return t.compact()
}

func span(lo, hi float64) string {
	return "[" + report.FormatValue(report.Plain, lo) + ", " + report.FormatValue(report.Plain, hi) + "]"
}
