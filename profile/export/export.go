// Package export owns the files of other profilers: Chrome and Perfetto traces, pprof profiles, speedscope, folded
// stacks, CSV. What they tell of a node are the figures of the profile's table by node; a time line, where a format has
// one, is that of the last traced run.
package export

import (
	"io"

	"infer/internal/fault"
	"infer/model/trace"
	"infer/report"
)

// Source is what is exported.
type Source struct {
	Document *report.Document
	Details  *report.ProfileDetails
	Trace    *trace.Trace // for the time line; nil: formats that need one say so
}

// Format is a file format, as typed in --export FORMAT=FILE.
type Format struct {
	Name  string // "pprof"
	Doc   string // one line
	Write func(w io.Writer, s Source) error
}

// Formats returns the table. A Write whose source lacks what the format is made of returns a fault.Unsupported error
// before it writes anything.
func Formats() []Format {
	return []Format{
		{"chrome", "time line of one traced run for Perfetto and chrome://tracing", writeChrome},
		{"pprof", "time and MACs by block, node and operator for go tool pprof", writePprof},
		{"speedscope", "the same as flame graph and time line for speedscope", writeSpeedscope},
		{"csv", "one row a node with all its figures", writeCSV},
		{"folded", "stacks with nanoseconds for flamegraph.pl", writeFolded},
	}
}

// needNodes refuses a profile without node times.
func (s Source) needNodes() error {
	if len(s.Details.ByNode) > 0 {
		return nil
	}
	return fault.New(fault.Unsupported, "raise --profiled-runs", "there is no node to export: the profile has no traced run")
}
