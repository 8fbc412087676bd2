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

func layProfile(d *report.Document, p report.ProfileDetails, o Options) layout {
	return layout{title: deltaTitle(p), summary: deltaSummary(p), sections: profileSections(d, p, o), next: p.Next}
}

func profileSections(d *report.Document, p report.ProfileDetails, o Options) []section {
	if p.Diff != nil {
		return deltaSections(p.Diff, o)
	}
	ss := slices.Concat(adviceSections(p), shareSections(p, o), correctionSections(p), rooflineSections(p, o), startSections(d, p), traceSections(p.Trace))
	return append(ss, coldSection(p), memorySection(p.Memory, o), failedBatches(p), measuredSection(p))
}

// shareSections lays out where the time goes: the grouping that was asked for, and the nodes beside the operators.
func shareSections(p report.ProfileDetails, o Options) []section {
	var note []cell
	if p.ProfiledRuns > 0 {
		t := "from " + plural(p.ProfiledRuns, "traced run")
		if c := p.Correction; c != nil && c.Calibrated != "" {
			t += ", without what tracing costs"
			if c.SharesOnly {
				t += fmt.Sprintf("; tracing made a run %s as long, so only shares are shown", factor(c.Inflation.Value))
			}
		} else if p.Inflation > 0 {
			t += fmt.Sprintf(", each %s as long as an untraced one", report.FormatValue(report.Factor, p.Inflation))
		}
		if p.Residual != nil {
			t += fmt.Sprintf("; %s of a run is outside of all nodes", percent(*p.Residual))
		}
		note = []cell{faint(t)}
	}
	by := func(title, head string, rows []report.Share) section {
		s := shareTable(title, head, rows, p, o)
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

// shareTable lays out one grouping. Nodes below the resolution are one row: what each of them takes cannot be told.
func shareTable(title, head string, rows []report.Share, p report.ProfileDetails, o Options) section {
	t := &table{cols: []column{
		{head: head, shrink: true}, {head: "share", right: true}, {head: "", bar: true, drop: 2}, {head: "time", right: true}, {head: "95 % interval", drop: 3},
		{head: "nodes", right: true, drop: 1}, {head: "MACs", right: true, drop: 4}, {head: "shapes", shrink: true, drop: 6}, {head: "provider", drop: 5},
	}}
	if head == "node" {
		t.cols[5] = column{head: "operator", shrink: true, drop: 1}
	}
	timed := p.Correction == nil || !p.Correction.SharesOnly
	rows = foldBelow(head, rows)
	shown := rowsToShow(len(rows), p.Top, o)
	rest := 0.0
	for i, r := range rows {
		if i >= shown {
			rest += r.Share
			continue
		}
		macs, took, span := "", "", ""
		if r.MACs != nil {
			macs = countText(*r.MACs)
		}
		if timed {
			took, span = seconds(r.Seconds), bounds(r.Lo, r.Hi)
		}
		fifth := str(fmt.Sprint(r.Count))
		if head == "node" {
			fifth = str(r.Op)
		}
		t.rows = append(t.rows, []cell{code(r.Name), str(percent(r.Share)), {bar: r.Share}, str(took), faint(span),
			fifth, str(macs), faint(r.Shapes), faint(strings.TrimSuffix(r.Provider, "ExecutionProvider"))})
	}
	if n := len(rows) - shown; n > 0 {
		t.more = fmt.Sprintf("and %d more with %s together", n, percent(rest))
	}
	return section{title: title, table: t.compact()}
}

// foldBelow makes one row of the nodes that are too short to be told from the tracing, at the end.
func foldBelow(head string, rows []report.Share) []report.Share {
	if head != "node" {
		return rows
	}
	var kept []report.Share
	var below report.Share
	for _, r := range rows {
		if !r.Below {
			kept = append(kept, r)
			continue
		}
		below.Count += r.Count
		below.Seconds += r.Seconds
		below.Share += r.Share
	}
	if below.Count < 2 {
		return rows
	}
	below.Name = fmt.Sprintf("(%d nodes below the resolution)", below.Count)
	return append(kept, below)
}

// bounds writes an interval of a time: "[1.1 ms, 1.3 ms]".
func bounds(lo, hi *float64) string {
	if lo == nil || hi == nil {
		return ""
	}
	return "[" + seconds(*lo) + ", " + seconds(*hi) + "]"
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
