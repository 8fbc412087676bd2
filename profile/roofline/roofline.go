// Package roofline owns the ceilings of a machine, measured through the runtime and the threads that a model runs with,
// and what they say of a node: what limits it, and how near it comes.
package roofline

import (
	"context"
	"time"

	"infer/internal/progress"
	"infer/model/engine"
	"infer/report"
)

// Options says what to measure the ceilings with.
type Options struct {
	Provider engine.Provider
	Config   engine.Config // of the session that is profiled: its threads and providers are used
	Runtime  string        // version of the runtime library
	MaxTime  time.Duration // of measuring; 0: 3 s
	Cache    string        // folder of measured ceilings; "": none
	Fresh    bool          // measure even where the cache has them
	Progress progress.Func
}

// Measure returns the ceilings, from the cache where it has them for this machine, runtime, provider and threads.
func Measure(ctx context.Context, o Options) (*report.Ceilings, error) { return nil, nil }

// Classify fills Class and Efficiency of a row whose FLOPs and Bytes are known. resolution is the time in seconds below
// which a node is all overhead (report.Correction).
func Classify(c *report.Ceilings, row *report.Share, resolution float64) {}
