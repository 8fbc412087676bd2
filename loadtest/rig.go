package loadtest

import (
	"context"
	"time"

	"infer/loadtest/drive"
	"infer/report"
)

// Rig is a target with all that a load on it needs. Whoever made it closes it.
type Rig struct {
	Target    report.LoadTarget
	Generator drive.Generator
	Payloads  int
	Rows      int64         // of a request, at least 1
	Check     drive.Checker // nil: answers are not compared
	Checked   CheckInfo     // of Check
	Local     bool          // the model runs in this process: its CPU time is not the generator's
	Slots     int           // in-process: runs at a time
	Streams   int           // requests that share a connection at most; 0: one
	Server    Server        // what can be asked of the server; nil: nothing
	// Null makes a generator of the same requests against a server in this process that does nothing; nil: there is none.
	Null func(ctx context.Context) (drive.Generator, func(), error)
}

// CheckInfo says what answers are compared with.
type CheckInfo struct {
	Source     string
	RTol, ATol float64
	Failures   func() []string // what was wrong with the first ones
}

// Server is what can be asked of the server under load. A Snapshot is cheap, and not taken while the load is hot.
type Server interface {
	// Snapshot reads the server's counters; nil where it has none.
	Snapshot(ctx context.Context) any
	// Between tells what it did between two snapshots; nil where they do not tell.
	Between(a, b any, elapsed time.Duration) *report.LoadServer
}
