package render

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"infer/report"
)

// layConvert lays out a conversion: the outcome, what was written, the proof, and how it came about. Of a check there is
// what was found alone.
func layConvert(x report.ConvertDetails, o Options) layout {
	if x.Check != nil {
		return layout{summary: checkSummary(x.Check), sections: checkSections(x.Check), next: x.Next}
	}
	ss := []section{convertOutcome(x), fileSection(x.Files), modelChange(x.Before, x.After, x.Speed)}
	if x.After == nil {
		ss = append(ss, speedSection(x.Speed))
	}
	ss = append(ss, agreementSection(x.Verification), noteSection("What was done", x.Changes), halfSection(x.Conversion, o), placementSection(x.Placement))
	ss = append(ss, engineSections(x.Engine, o)...)
	ss = append(ss, toolSection(x.Tool), phases(x.Phases))
	return layout{summary: convertSummary(x), sections: ss, metricsLast: true, next: x.Next}
}

// convertSummary is the outcome in a sentence.
func convertSummary(x report.ConvertDetails) string {
	if x.To == "" {
		return ""
	}
	if x.Output == "" && x.Verification != nil && x.Verification.Verdict == "drifts" {
		return "Nothing was written: " + x.Verification.Why + "."
	}
	parts := []string{"to " + x.To}
	if size := writtenBytes(x.Files); size > 0 {
		parts[0] += ", " + bytesText(size)
		if x.Before != nil {
			parts[0] += smaller(x.Before.Bytes, size)
		}
	}
	if x.Verification != nil {
		parts = append(parts, agreementText(x.Verification))
	}
	if s := speedText(x.Speed); s != "" {
		parts = append(parts, s)
	}
	return capital(strings.Join(parts, "; ")) + "."
}

func writtenBytes(files []report.ArtifactFile) (n int64) {
	for _, f := range files {
		n += f.Bytes
	}
	return n
}

func convertOutcome(x report.ConvertDetails) section {
	s := section{title: "Outcome", facts: []fact{{"written", cmp.Or(x.Output, "nothing")}, {"to", x.To}}}
	if x.Via != "" {
		s.facts = append(s.facts, fact{"via", x.Via})
	}
	if len(x.OutputHash) >= 12 {
		s.facts = append(s.facts, fact{"sha256", x.OutputHash[:12]})
	}
	return s
}

// fileSection lists what was written; a lone file is in the outcome.
func fileSection(files []report.ArtifactFile) section {
	if len(files) < 2 {
		return section{}
	}
	t := &table{cols: []column{{head: "file", shrink: true}, {head: "what"}, {head: "size", right: true}}}
	for _, f := range files {
		t.rows = append(t.rows, []cell{code(f.Path), str(f.What), str(bytesText(f.Bytes))})
	}
	return section{title: "Files", table: t}
}

// speedSection is the change of speed where there is no model to set beside the original.
func speedSection(s *report.SpeedChange) section {
	if s == nil || s.Head.N == 0 {
		return section{}
	}
	out := section{title: "Speed", facts: []fact{{"original, p50", both("latency_p50", &s.Base)}, {"written, p50", both("latency_p50", &s.Head)}}}
	if text := speedText(s); text != "" {
		out.lines = []cell{str(capital(text) + fmt.Sprintf(" (%s)", plural(s.Rounds, "round")))}
	}
	return out
}

func placementSection(list []report.PlacedNodes) section {
	total := 0
	for _, p := range list {
		total += max(p.Nodes, 0)
	}
	t := &table{cols: []column{{head: "provider"}, {head: "nodes", right: true}, {head: "", bar: true, drop: 1}}}
	for _, p := range list {
		part := 0.0
		if total > 0 {
			part = float64(max(p.Nodes, 0)) / float64(total)
		}
		t.rows = append(t.rows, []cell{code(p.Provider), str(fmt.Sprint(p.Nodes)), {bar: part}})
	}
	return section{title: "Which provider runs what", table: t}
}

// engineSections are what a compiled engine is bound to, and where its time goes.
func engineSections(e *report.EngineFacts, o Options) []section {
	if e == nil {
		return nil
	}
	s := section{title: "Engine"}
	add := func(name, value string) {
		if value != "" {
			s.facts = append(s.facts, fact{name, value})
		}
	}
	add("compiler", e.Version)
	add("GPU", e.GPU)
	add("compute capability", e.Compute)
	add("driver", e.Driver)
	add("profiles", strings.Join(e.Profiles, ", "))
	if e.Cached {
		add("built", "before: it was taken from the cache")
	} else if e.Seconds > 0 {
		add("built", "in "+seconds(e.Seconds))
	}
	add("built anew", e.Rebuilt)
	if len(e.Key) >= 12 {
		add("key", e.Key[:12])
	}
	t := &table{cols: []column{{head: "layer", shrink: true}, {head: "time", right: true}, {head: "share", right: true}, {head: "", bar: true, drop: 1}}}
	shown := rowsToShow(len(e.Layers), 0, o)
	for _, l := range e.Layers[:shown] {
		t.rows = append(t.rows, []cell{code(l.Name), str(seconds(l.Seconds)), str(percent(l.Share)), {bar: l.Share}})
	}
	if n := len(e.Layers) - shown; n > 0 {
		t.more = fmt.Sprintf("and %d more layers", n)
	}
	return []section{s, {title: "Where the engine's time goes", table: t.compact()}}
}

func toolSection(r *report.ToolRun) section {
	if r == nil {
		return section{}
	}
	s := section{title: "Tool", facts: []fact{{"name", strings.TrimSpace(r.Name + " " + r.Version)}}}
	if len(r.Command) > 0 {
		s.facts = append(s.facts, fact{"command", strings.Join(r.Command, " ")})
	}
	if r.Seconds > 0 {
		s.facts = append(s.facts, fact{"took", seconds(r.Seconds)})
	}
	return s
}

// checkSummary is whether an artifact would load, in a sentence.
func checkSummary(c *report.ArtifactCheck) string {
	errors := failedFindings(c)
	switch len(errors) {
	case 0:
		return "It would load here."
	case 1:
		return "It would not load here: " + strings.TrimSuffix(errors[0].Detail, ".") + "."
	}
	return fmt.Sprintf("It would not load here, for %d reasons.", len(errors))
}

// failedFindings are the findings that keep an artifact from loading.
func failedFindings(c *report.ArtifactCheck) []report.Finding {
	return slices.DeleteFunc(slices.Clone(c.Findings), func(f report.Finding) bool { return f.Level != "error" })
}

func checkSections(c *report.ArtifactCheck) []section {
	s := section{title: "Artifact", facts: []fact{{"file", c.Path}, {"kind", strings.ReplaceAll(c.Kind, "_", " ")}}}
	for _, f := range c.Facts {
		s.facts = append(s.facts, fact{f.Name, f.Value})
	}
	return []section{s, findings(c.Findings)}
}
