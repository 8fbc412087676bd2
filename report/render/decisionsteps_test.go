package render

import (
	"strings"
	"testing"

	"infer/report"
)

// TestStepsSayTheirLoad: what depends on the load says which it is of, and a step that begins at another load than the one
// before it ended at has a row for its begin.
func TestStepsSayTheirLoad(t *testing.T) {
	late := ratioOf("latency_p99", .019, 1.2, .05)
	late.Better, late.Reason = "", "latency is that of answered requests"
	steps := []report.DecisionStep{
		{From: "a", To: "b", At: "150 /s", Metrics: []report.CompareMetric{late, ratioOf("error_rate", .71, .02, .01)}, Notes: []string{"latency is that of answered requests"}},
		{From: "b", To: "c", At: "150 /s", Metrics: []report.CompareMetric{ratioOf("latency_p99", 1.2, .4, .05), ratioOf("error_rate", .02, 0, .01)}},
	}
	page := func() string {
		return newDecision(nil, report.DecisionDetails{Steps: steps}).steps().text(t)
	}
	text := page()
	for _, want := range []string{"latency p99 of answered requests at 150 /s", "failed or refused at 150 /s", "a to b: latency is that of answered requests"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	if strings.Contains(text, "b at") {
		t.Errorf("the load is said twice:\n%s", text)
	}
	steps[1].At = "15 /s"
	for _, want := range []string{"b at 150 /s", "b at 15 /s", "c at 15 /s"} {
		if text := page(); strings.Count(text, want) != 2 { // of latency and of failed requests
			t.Errorf("not two of %q in\n%s", want, text)
		}
	}
}

// text is what a section says, a line a row.
func (s section) text(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	for _, row := range s.table.rows {
		for _, c := range row {
			b.WriteString(c.line() + " ")
		}
		b.WriteString("\n")
	}
	for _, l := range s.lines {
		b.WriteString(l.text + "\n")
	}
	return b.String()
}
