package delta

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"infer/report"
)

const (
	// named is how many nodes a sentence names.
	named = 3
	// material is the part of the change of all nodes below which one that moved is not worth naming.
	material = 0.02
	// betweenRuns is by how much two runs of one model are commonly apart: report/compare assumes the same.
	betweenRuns = 0.10
)

// reading says in a few sentences how the run moved, which nodes did, and what that is worth.
func reading(x *report.ProfileDiff, same bool) string {
	parts := []string{headline(x)}
	if c := x.Common; c != nil && c.Lo != nil && (*c.Lo > 1+betweenRuns || *c.Hi < 1-betweenRuns) {
		parts = append(parts, fmt.Sprintf("The %d nodes that are the same computation on both sides moved alike, by a median of %s: that is the machine or how the model was run rather than a node",
			c.N, report.FormatChange(c.Value)))
	}
	if same {
		parts = append(parts, "Both are of the same model file")
	}
	switch {
	case x.Refused != "":
		parts = append(parts, "They were not measured alike ("+x.Trouble[0]+more(len(x.Trouble)-1)+"): do not blame the model before they are")
	case len(x.Trouble) > 0:
		parts = append(parts, "The machine was disturbed ("+x.Trouble[0]+more(len(x.Trouble)-1)+"): do not blame the model before repeating it")
	}
	return strings.Join(parts, ". ")
}

func more(n int) string {
	if n <= 0 {
		return ""
	}
	return fmt.Sprintf("; %d more", n)
}

// headline is the change of the whole run and the nodes that make it.
func headline(x *report.ProfileDiff) string {
	text, total := whole(x)
	movers := movers(x)
	if len(movers) == 0 {
		text += ": no node moved otherwise than the rest, beyond noise"
		if x.Added+x.Removed > 0 {
			text += fmt.Sprintf(", and of the nodes that only one side has (%d added, %d removed) none takes long", x.Added, x.Removed)
		}
		return text
	}
	var names []string
	for _, r := range movers[:min(named, len(movers))] {
		names = append(names, mover(r, total))
	}
	text += ": " + strings.Join(names, "; ")
	if n := len(movers) - named; n > 0 {
		text += fmt.Sprintf("; %d more", n)
	}
	return text
}

// whole says how the median run moved, or without one the nodes together, and returns the change of all nodes.
func whole(x *report.ProfileDiff) (text string, total float64) {
	total = x.Nodes.Total.Change
	for _, m := range x.Metrics {
		if m.Name != "latency_p50" || len(m.Labels) > 0 || m.Ratio == nil {
			continue
		}
		text = fmt.Sprintf("p50 %s to %s, %s", seconds(*m.Base), seconds(*m.Head), report.FormatChange(*m.Ratio))
		if m.RatioLo != nil && m.RatioHi != nil {
			text += fmt.Sprintf(" (%s to %s)", report.FormatChange(*m.RatioLo), report.FormatChange(*m.RatioHi))
		}
		if math.Abs(math.Log(*m.Ratio)) < betweenRuns {
			text += ", as two runs of one model may differ"
		}
		return text, total
	}
	t := x.Nodes.Total
	text = fmt.Sprintf("the nodes of a run %s to %s", seconds(*t.Base), seconds(*t.Head))
	if *t.Base > 0 {
		text += ", " + report.FormatChange(*t.Head / *t.Base)
	}
	return text, total
}

// movers are the nodes that moved beyond noise, were added or were removed, and matter; largest change first.
func movers(x *report.ProfileDiff) []report.ExplainRow {
	return slices.DeleteFunc(slices.Clone(x.Nodes.Rows), func(r report.ExplainRow) bool {
		least := material * max(math.Abs(x.Nodes.Total.Change), *x.Nodes.Total.Base/100)
		return math.Abs(r.Change) < least || both(r) && !r.Significant
	})
}

// mover says what a node did: "Conv /layer3 +2.1 ms of +2.4 ms; its shapes changed from … to …".
func mover(r report.ExplainRow, total float64) string {
	text := strings.TrimSpace(r.Op+" "+r.Name) + " " + report.FormatDifference(report.Time, r.Change)
	if total != 0 && math.Signbit(total) == math.Signbit(r.Change) {
		text += " of " + report.FormatDifference(report.Time, total)
	}
	switch {
	case r.State != "":
		return text + ", " + r.State
	case len(r.Differs) > 0:
		d := r.Differs[0]
		return fmt.Sprintf("%s, its %s changed from %s to %s", text, d.What, d.Base, d.Head)
	}
	return text
}

func seconds(v float64) string { return report.FormatValue(report.Time, v) }
