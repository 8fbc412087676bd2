// Package foreign owns the results of other load generators: it reads what perf_analyzer, Locust, wrk and vegeta write as
// documents of kind "loadtest", so that they can be compared, judged and shown like those of this program.
package foreign

import "infer/report"

// Detect returns the name of the format of b, such as "wrk" or "locust stats CSV", by its contents and the name of its
// file ("" where it has none); ok is false where it is none that Read knows. It looks at the beginning only.
func Detect(b []byte, name string) (format string, ok bool) { panic("not yet") }

// Read reads b, a whole file called name, as a document of kind "loadtest". Its metrics are those that the tool wrote or
// that follow from what it wrote, in base units; a percentile has an interval where the tool told the latency of every
// request. A warning says from when on the tool counts latency. The manifest names the tool in place of this program, and
// knows nothing of the machine: no tool tells it. The time of creation is that of the first request where the tool tells
// it, else that of the import.
//
// What is none of the formats, truncated, or empty is a fault.Usage error that names what is missing.
func Read(b []byte, name string) (*report.Document, error) { panic("not yet") }
