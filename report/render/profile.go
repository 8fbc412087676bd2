package render

import (
	"fmt"
	"slices"
	"strings"

	"infer/report"
)

// rowsToShow returns how many rows of a table with n rows are shown.
func rowsToShow(n, asked int, o Options) int {
	top := o.Top
	if top <= 0 {
		top = asked
	}
	if top <= 0 {
		top = defaultTop
	}
	return min(n, top)
}

func profileSections(p report.ProfileDetails, o Options) []section {
	if p.Diff != nil {
		return deltaSections(p.Diff, o)
	}
	ss := slices.Concat(adviceSections(p), shareSections(p, o), correctionSections(p), rooflineSections(p, o), startSections(p), traceSections(p.Trace))
	return append(ss, coldSection(p), memorySection(p.Memory, o), failedBatches(p), measuredSection(p))
}

// shareSections lays out where the time goes: the grouping that was asked for, and the nodes beside the operators.
func shareSections(p report.ProfileDetails, o Options) []section {
	var note []cell
	if p.ProfiledRuns > 0 {
		t := "from " + plural(p.ProfiledRuns, "traced run")
		if p.Inflation > 0 {
			t += fmt.Sprintf(", each %s as long as an untraced one", report.FormatValue(report.Factor, p.Inflation))
		}
		if p.Residual != nil {
			t += fmt.Sprintf("; %s of a run is outside of all nodes", percent(*p.Residual))
		}
		note = []cell{faint(t)}
	}
	by := func(title, head string, rows []report.Share) section {
		s := shareTable(title, head, rows, p.Top, o)
		if len(rows) > 0 {
			s.lines, note = note, nil // once, under the first table
		}
		return s
	}
	switch p.By {
	case "node":
		return []section{by("Where the time goes, by node", "node", p.ByNode)}
	case "block":
		return []section{by("Where the time goes, by block", "block", p.ByBlock)}
	case "origin":
		return []section{by("Where the time goes, by node of the model as written", "node", p.ByOrigin)}
	case "provider":
		return []section{by("Where the time goes, by provider", "provider", p.ByProvider)}
	case "dtype":
		return []section{by("Where the time goes, by dtype", "dtype", p.ByDType)}
	default:
		return []section{by("Where the time goes, by operator", "operator", p.ByOp)}
	}
}

func shareTable(title, head string, rows []report.Share, asked int, o Options) section {
	t := &table{cols: []column{
		{head: head, shrink: true}, {head: "share", right: true}, {head: "", bar: true, drop: 2}, {head: "time", right: true},
		{head: "nodes", right: true, drop: 1}, {head: "MACs", right: true, drop: 3}, {head: "shapes", shrink: true, drop: 5}, {head: "provider", drop: 4},
	}}
	if head == "node" {
		t.cols[4] = column{head: "operator", shrink: true, drop: 1}
	}
	shown := rowsToShow(len(rows), asked, o)
	rest := 0.0
	for i, r := range rows {
		if i >= shown {
			rest += r.Share
			continue
		}
		macs := ""
		if r.MACs != nil {
			macs = countText(*r.MACs)
		}
		fifth := str(fmt.Sprint(r.Count))
		if head == "node" {
			fifth = str(r.Op)
		}
		t.rows = append(t.rows, []cell{code(r.Name), str(percent(r.Share)), {bar: r.Share}, str(seconds(r.Seconds)),
			fifth, str(macs), faint(r.Shapes), faint(strings.TrimSuffix(r.Provider, "ExecutionProvider"))})
	}
	if n := len(rows) - shown; n > 0 {
		t.more = fmt.Sprintf("and %d more with %s together", n, percent(rest))
	}
	return section{title: title, table: t.compact()}
}

// compact drops the columns in which every row is empty, except the first.
func (t *table) compact() *table { return t.compactFrom(1) }

// compactFrom drops the columns from the first-th on in which every row is empty.
func (t *table) compactFrom(first int) *table {
	for c := len(t.cols) - 1; c >= first; c-- {
		empty := !t.cols[c].bar && !t.cols[c].strip
		for _, r := range t.rows {
			empty = empty && (c >= len(r) || r[c].text == "")
		}
		if !empty {
			continue
		}
		t.cols = append(t.cols[:c:c], t.cols[c+1:]...)
		for i, r := range t.rows {
			if c < len(r) {
				t.rows[i] = append(r[:c:c], r[c+1:]...)
			}
		}
	}
	return t
}

func coldSection(p report.ProfileDetails) section {
	t := &table{cols: []column{{head: "process", right: true, drop: 1}, {head: "library load", right: true}, {head: "session init", right: true},
		{head: "first run", right: true}, {head: "peak memory", right: true}}}
	for i, c := range p.Cold {
		t.rows = append(t.rows, []cell{str(fmt.Sprint(i + 1)), str(seconds(c.LibraryLoad)), str(seconds(c.SessionInit)), str(seconds(c.FirstRun)), str(bytesText(c.PeakRSS))})
	}
	return section{title: "Cold starts, each in a fresh process", table: t}
}

func memorySection(m *report.Memory, o Options) section {
	if m == nil {
		return section{}
	}
	s := section{title: "Memory"}
	add := func(name string, n int64, note string) {
		if n > 0 {
			s.facts = append(s.facts, fact{name, bytesText(n) + note})
		}
	}
	add("initializers", m.Initializers, "")
	note := ""
	if m.PeakNode != "" {
		note = ", reached at " + m.PeakNode
	}
	if m.Unknown > 0 {
		note += fmt.Sprintf("; %s of unknown size not counted", plural(m.Unknown, "tensor"))
	}
	add("activations, at least", m.ActivationLowerBound, note)
	add("process before", m.BaseRSS, "")
	add("process at its peak", m.PeakRSS, "")
	if len(m.AlivePeak) > 0 {
		s.table = sizes("alive at the peak", m.AlivePeak, min(5, rowsToShow(len(m.AlivePeak), 0, o)))
	}
	return s
}

// sizes is a table of the first n named sizes.
func sizes(head string, list []report.NamedBytes, n int) *table {
	t := &table{cols: []column{{head: head, shrink: true}, {head: "size", right: true}, {head: "dtype"}, {head: "shape", drop: 1}}}
	for _, b := range list[:min(n, len(list))] {
		t.rows = append(t.rows, []cell{code(b.Name), str(bytesText(b.Bytes)), str(b.DType), str(b.Shape)})
	}
	if more := len(list) - len(t.rows); more > 0 {
		t.more = fmt.Sprintf("and %d more", more)
	}
	return t.compact()
}

func failedBatches(p report.ProfileDetails) section {
	s := section{}
	for _, b := range p.Batches {
		if b.Error != "" {
			s.lines = append(s.lines, cell{text: fmt.Sprintf("batch %d could not be run: %s", b.Batch, b.Error), tone: warn})
		}
	}
	return s
}

// development says in words how the timed runs went on, by the class that model/measure gives them.
func development(class string) string {
	switch class {
	case "flat":
		return "on one level"
	case "warm-up":
		return "getting faster in steps"
	case "slow-down":
		return "getting slower in steps"
	case "unsteady":
		return "changing their level up and down"
	}
	return class
}

// measuredSection says how the sample was taken.
func measuredSection(p report.ProfileDetails) section {
	s := section{title: "Sample"}
	if p.WarmUp != nil {
		s.facts = append(s.facts, fact{"warm-up", plural(p.WarmUp.Runs, "run")}, fact{"timed runs", development(p.WarmUp.Class)})
	}
	for _, m := range p.Interference {
		x := report.Metric{Name: m.Name, Unit: m.Unit, Value: &m.Value}
		v, _ := x.Text()
		s.facts = append(s.facts, fact{m.Name, v})
	}
	return s
}
