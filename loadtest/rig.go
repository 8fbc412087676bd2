package loadtest

import (
	"context"

	"infer/loadtest/drive"
	"infer/report"
)

// Rig is a target with all that a load on it needs. Whoever made it closes it.
type Rig struct {
	Target    report.LoadTarget
	Generator drive.Generator
	Check     drive.Checker // nil: answers are not compared
	Checked   CheckInfo     // of Check
	Streams   int           // requests that share a connection at most; 0: one
	Watch     Watch         // looks at the server's counters; nil: nobody does
	// Null makes a generator of the same requests against a server in this process that does nothing; nil: there is none.
	Null func(ctx context.Context) (drive.Generator, func(), error)
}

// CheckInfo says what answers are compared with.
type CheckInfo struct {
	Source     string
	RTol, ATol float64
	Failures   func() []string // what was wrong with the first ones
}

// Watch reads the counters of the server, and returns what reads them again and tells what it did meanwhile; nil where the
// counters do not tell.
type Watch func(ctx context.Context) (until func(ctx context.Context) *report.LoadServer)

// inProcess is the protocol of a model in this process: its CPU time is not the generator's.
const inProcess = "in-process"

func (r *Rig) local() bool { return r.Target.Protocol == inProcess }
