package render

import (
	"fmt"
	"strconv"
	"strings"

	"infer/report"
)

// startSections lays out the stages alone and in a pipeline, what the session does between runs, and the steps of a cold
// start.
func startSections(d *report.Document, p report.ProfileDetails) []section {
	return []section{stageSection(d, p.Stages), idleSection(p.Idle), timelineSection(p.Timeline)}
}

// pipelined is what the name of a stage ends with where it was measured in turn with the others.
const pipelined = " pipelined"

// staged reports whether m belongs to a stage: those have their own table.
func staged(m report.Metric) bool { return len(m.Labels) == 1 && m.Labels["stage"] != "" }

// stageSection sets the stages in a pipeline against the same alone.
func stageSection(d *report.Document, stages []report.StageRow) section {
	t := &table{cols: []column{{head: "stage"}, {head: "p50", right: true}, {drop: 1}, {head: "p90", right: true, drop: 2},
		{head: "runs", right: true, drop: 3}, {head: "against alone", right: true}}}
	s := section{title: "Stages", table: t}
	metric := func(name, stage string) *report.Metric { return d.Metric(name, map[string]string{"stage": stage}) }
	var medians []report.Metric
	turns := false
	for _, row := range stages {
		p50, p90 := metric("latency_p50", row.Stage), metric("latency_p90", row.Stage)
		if p50 == nil || p90 == nil {
			continue
		}
		medians = append(medians, *p50)
		value, between := p50.Text()
		tail, _ := p90.Text()
		against := cell{}
		if name, ok := strings.CutSuffix(row.Stage, pipelined); ok {
			turns = true
			against = againstAlone(metric("latency_p50", name), p50)
		} else if row.Command != "" {
			text := row.Stage + " is " + row.Command
			if row.Anew {
				text += ", started anew for each run: its start is part of the time"
			}
			s.lines = append(s.lines, faint(text))
		}
		t.rows = append(t.rows, []cell{str(row.Stage), str(value), faint(between), str(tail), str(strconv.Itoa(p50.N)), against})
	}
	if turns {
		s.lines = append(s.lines, faint("pipelined: in turn, beside a live session, whose threads may spin and take the CPU from what comes after a run; alone: without one"))
	}
	t.cols[2].head = interval(medians)
	t.compact()
	return s
}

// againstAlone says how many times as long a stage takes in the pipeline; dim where the intervals do not tell the two apart.
func againstAlone(alone, turn *report.Metric) cell {
	if alone == nil || alone.Value == nil || turn.Value == nil || *alone.Value <= 0 {
		return cell{}
	}
	c := str(report.FormatValue(report.Factor, *turn.Value / *alone.Value))
	switch {
	case alone.Hi == nil || turn.Hi == nil || *turn.Lo <= *alone.Hi && *alone.Lo <= *turn.Hi:
		c.tone = dim
	case *turn.Value > *alone.Value:
		c.tone = warn
	}
	return c
}

// idleSection says what the session costs while nobody asks it.
func idleSection(i *report.Idle) section {
	if i == nil {
		return section{}
	}
	text := "no thread spins"
	if i.Share > 0 {
		text = fmt.Sprintf("threads spin for %s and use %s of one CPU: %s of CPU time", seconds(i.Spin), percent(i.Share), seconds(i.CPU))
		if i.Spin >= i.Gap {
			text = fmt.Sprintf("threads spin all the time that was looked at and use %s of one CPU", percent(i.Share))
		}
	}
	return section{title: "Between runs", facts: []fact{{"after a run", text + fmt.Sprintf(" (median of %d gaps of %s)", i.N, seconds(i.Gap))}}}
}

// timelineSection is a cold start, step by step.
func timelineSection(spans []report.Span) section {
	t := &table{cols: []column{{head: "step"}, {head: "begins", right: true, drop: 1}, {head: "takes", right: true}, {head: "", bar: true}}}
	var end float64
	for _, s := range spans {
		end = max(end, s.End)
	}
	if !(end > 0) {
		return section{}
	}
	for _, s := range spans {
		t.rows = append(t.rows, []cell{str(s.Name), faint(seconds(s.Begin)), str(seconds(s.End - s.Begin)), {from: s.Begin / end, bar: (s.End - s.Begin) / end}})
	}
	return section{title: "A cold start, step by step", table: t, lines: []cell{faint("of the fresh process that took the median time; seconds since it was started")}}
}
