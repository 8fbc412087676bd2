package render

import (
	"fmt"

	"infer/report"
)

// traceFormats are the programs that write each format of traces.
var traceFormats = map[string]string{
	"onnxruntime": "ONNX Runtime", "pytorch": "PyTorch's profiler", "nsys": "Nsight Systems", "chrome": "Chrome's format, of an unknown program",
}

// traceSections says where the times of the nodes came from.
func traceSections(t *report.TraceInfo) []section {
	if t == nil {
		return nil
	}
	s := section{title: "Trace"}
	add := func(name, value string) { s.facts = append(s.facts, fact{name, value}) }
	if t.Path != "" {
		add("file", t.Path)
	}
	format := t.Format
	if name, ok := traceFormats[format]; ok {
		format = name
	}
	if t.Fences {
		format += ", of before October 2024"
	}
	add("written by", format)
	runs := plural(t.Runs, "run")
	if t.Skipped > 0 {
		runs += fmt.Sprintf(", %d more left out", t.Skipped)
	}
	add("read", fmt.Sprintf("%s in %s", runs, plural(t.Events, "event")))
	if t.Run.N > 0 {
		add("a run, traced", withInterval(t.Run, seconds))
	}
	if t.Parallel {
		add("nodes", "ran on several threads at once: their times together are more than a run")
	}
	if t.Repaired > 0 {
		add("repaired", plural(t.Repaired, "line")+" with a name that is no valid JSON")
	}
	bad := func(text string) { s.lines = append(s.lines, cell{text: text, tone: warn}) }
	if t.Capped {
		bad("the runtime stopped writing at its limit of 1 000 000 events")
	}
	if t.Cut {
		bad("the file ends early")
	}
	for _, n := range t.Notes {
		s.lines = append(s.lines, faint(n))
	}
	return []section{s}
}
