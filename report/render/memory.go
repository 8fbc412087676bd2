package render

import (
	"fmt"

	"infer/report"
)

// memorySection tells apart what is stored, what a run needs at least, what the runtime took and what the process has.
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
	if a := m.Allocator; a != nil {
		note = ""
		if a.Held > 0 {
			note = ", of " + bytesText(a.Held) + " taken from the system"
		}
		add("runtime's allocator", a.PeakInUse, " in use at its peak"+note)
	}
	add("process before", m.BaseRSS, ", with the library and the parsed file, without a session")
	note = ""
	if more := m.PeakRSS - m.BaseRSS; m.BaseRSS > 0 && more > 0 {
		note = ", " + bytesText(more) + " more"
	}
	add("process at its peak", m.PeakRSS, note)
	if len(m.AlivePeak) > 0 {
		s.table = sizes("alive at the peak", m.AlivePeak, min(5, rowsToShow(len(m.AlivePeak), 0, o)))
	}
	if m.BaseRSS > 0 || m.Allocator != nil {
		s.lines = []cell{faint("they differ, since the runtime keeps packed copies of initializers, work space and an arena that grows in leaps beside the " +
			"activations; its allocator counts initializers in; the process has code and the model's file in memory as well")}
	}
	return s
}
