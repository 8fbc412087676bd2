// Package export owns the files of other profilers: Chrome and Perfetto traces, pprof profiles, speedscope, CSV.
package export

import (
	"io"

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

// Formats returns the table.
func Formats() []Format { return nil }
