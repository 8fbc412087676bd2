package render

import (
	stdcsv "encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"

	"infer/report"
)

// deltaSummary is the reading of a difference, "" for a profile that is none.
func deltaSummary(p report.ProfileDetails) string {
	if p.Diff == nil {
		return ""
	}
	return p.Diff.Reading
}

// deltaTitle is the title of a difference, "" for a profile that is none.
func deltaTitle(p report.ProfileDetails) string {
	if p.Diff == nil {
		return ""
	}
	for _, m := range p.Diff.Metrics {
		if m.Name == "latency_p50" && len(m.Labels) == 0 && m.Ratio != nil {
			return "difference of two profiles: p50 " + report.FormatChange(*m.Ratio)
		}
	}
	return "difference of two profiles"
}

// deltaSections lays out the difference of two profiles: the nodes, then the figures of both, then what else differs.
func deltaSections(x *report.ProfileDiff, o Options) []section {
	ss := []section{deltaSides(x), deltaTrouble(x)}
	if n := x.Nodes; n != nil {
		ss = append(ss, deltaNodes(x, o), deltaTable("By operator", "operator", x.Ops, o))
	}
	v := &comparison{CompareDetails: report.CompareDetails{Confidence: 0.95}, d: &report.Document{}, others: x.Metrics}
	metrics := v.otherMetrics(o)
	if len(x.Metrics) > 0 {
		metrics.lines = []cell{faint("intervals are of the noise within the two profiles, not of that between two runs of one model")}
	}
	ss = append(ss, metrics)
	if x.MACs != nil {
		ss = append(ss, differenceTable("Multiply-accumulates a run", []report.DiffRow{*x.MACs}))
	}
	ss = append(ss, differenceTable("What else differs", x.Machine))
	if x.Model != nil {
		ss = append(ss, modelDifference(x.Model)...)
	}
	return ss
}

// deltaSides says what was compared.
func deltaSides(x *report.ProfileDiff) section {
	s := section{title: "Compared", facts: []fact{{"base", x.Base}, {"head", x.Head}}}
	if x.Nodes == nil {
		return s
	}
	s.facts = append(s.facts, fact{"nodes", fmt.Sprintf("%d on both sides, %d of them moved beyond noise; %d added, %d removed", x.Matched, x.Changed, x.Added, x.Removed)},
		fact{"traced runs", fmt.Sprintf("%d and %d", x.Runs[0], x.Runs[1])})
	if c := x.Common; c != nil {
		_, between := signedPercent(c.Value-1, less(c.Lo), less(c.Hi))
		s.facts = append(s.facts, fact{"nodes that are alike", strings.TrimSpace(fmt.Sprintf("%d, moved by a median of %s %s, each around it by a standard deviation of %s",
			c.N, report.FormatChange(c.Value), between, percent(x.Spread)))})
	}
	return s
}

// deltaTrouble is why the difference may not be the model's.
func deltaTrouble(x *report.ProfileDiff) section {
	s := section{title: "Why it may not be the model"}
	for _, t := range x.Trouble {
		s.lines = append(s.lines, cell{text: t, tone: warn})
	}
	return s
}

func deltaNodes(x *report.ProfileDiff, o Options) section {
	s := deltaTable("What moved, by node", "node", x.Nodes.Rows, o)
	if t := x.Nodes.Total; t.Base != nil && t.Head != nil {
		change, between := changeText(explainMetric(t))
		s.lines = append([]cell{str(strings.TrimSpace("in all " + seconds(*t.Base) + " to " + seconds(*t.Head) + ", " + change + " " + between))}, s.lines...)
	}
	return s
}

// deltaTable is a table of nodes or operators, largest change first.
func deltaTable(title, what string, rows []report.ExplainRow, o Options) section {
	t := &table{cols: []column{{head: what, shrink: true}, {head: "operator", shrink: true, drop: 4}, {head: "base", right: true, drop: 3}, {head: "head", right: true, drop: 2},
		{head: "change", right: true}, {head: "[95 % CI]", drop: 1}, {head: "p", right: true, drop: 6}, {head: "share", right: true, drop: 5}, {head: "", bar: true, drop: 7}, {head: "differs", note: true}}}
	shown := rowsToShow(len(rows), markdownRows, o)
	tilde := false
	for _, r := range rows[:shown] {
		if what == "operator" {
			r.Op = ""
		}
		t.rows = append(t.rows, deltaRow(r))
		tilde = tilde || r.Base != nil && r.Head != nil && !r.Significant
	}
	if n := len(rows) - shown; n > 0 {
		t.more = fmt.Sprintf("and %d more", n)
	}
	s := section{title: title, table: t.compact()}
	if tilde {
		s.lines = append(s.lines, faint("~: moved as the others did, as far as noise lets tell; p: Holm-adjusted; share: of all that changed in the same direction"))
	}
	return s
}

func deltaRow(r report.ExplainRow) []cell {
	row := explainRow(r)
	name, op, base, head, change, between, share, bar := row[0], row[1], row[2], row[3], row[4], row[5], row[6], row[7]
	if r.Base != nil && r.Head != nil && !r.Significant {
		change = faint("~ " + change.text)
	}
	p := ""
	if r.PAdjusted != nil {
		p = chance(report.CompareMetric{PAdjusted: r.PAdjusted})
	}
	var notes []string
	for _, d := range r.Differs {
		notes = append(notes, d.What+": "+d.Base+" → "+d.Head)
	}
	if r.Below {
		notes = append(notes, "too short to be told from the tracing")
	}
	return []cell{name, op, base, head, change, between, str(p), share, bar, faint(strings.Join(notes, "; "))}
}

// differenceTable is a table of what differs.
func differenceTable(title string, rows []report.DiffRow) section {
	t := &table{cols: []column{{head: "what", shrink: true}, {head: "base", right: true, shrink: true}, {head: "head", right: true, shrink: true}}}
	for _, r := range rows {
		t.rows = append(t.rows, []cell{str(r.What), str(orNone(r.Base)), str(orNone(r.Head))})
	}
	return section{title: title, table: t}
}

// modelDifference is what changed in the files of the two models.
func modelDifference(d *report.DiffDetails) []section {
	ss := diffSections(*d)
	ss[0].title = "The models"
	for i := range ss[1:] {
		ss[i+1].title = "The models: " + strings.ToLower(ss[i+1].title)
	}
	return ss
}

// diffOf returns the difference that a document holds, nil for none.
func diffOf(d *report.Document) *report.ProfileDiff {
	var p report.ProfileDetails
	if d.Kind != "profile" || json.Unmarshal(d.Details, &p) != nil {
		return nil
	}
	return p.Diff
}

// writeDeltaCSV writes one node a row; times are seconds, p is Holm-adjusted.
func writeDeltaCSV(w io.Writer, x *report.ProfileDiff) error {
	out := stdcsv.NewWriter(w)
	out.UseCRLF = true
	if err := out.Write([]string{"node", "op", "state", "base", "head", "change", "lo", "hi", "p", "significant", "differs"}); err != nil {
		return err
	}
	var rows []report.ExplainRow
	if x.Nodes != nil {
		rows = x.Nodes.Rows
	}
	for _, r := range rows {
		var differs []string
		for _, d := range r.Differs {
			differs = append(differs, d.What+": "+d.Base+" → "+d.Head)
		}
		row := []string{clean(r.Name), clean(r.Op), clean(r.State), inFull(r.Base), inFull(r.Head), inFull(&r.Change), inFull(r.Lo), inFull(r.Hi), inFull(r.PAdjusted),
			strconv.FormatBool(r.Significant), clean(strings.Join(differs, "; "))}
		if err := out.Write(row); err != nil {
			return err
		}
	}
	out.Flush()
	return out.Error()
}
