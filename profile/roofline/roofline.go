// Package roofline owns the ceilings of a machine, measured through the runtime and the threads that a model runs with,
// and what they say of a node: what limits it, and how near it comes.
// Ref: S. Williams, A. Waterman, D. Patterson, "Roofline: An Insightful Visual Performance Model", CACM 52(4), 2009.
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
	Config   engine.Config // of the session that is profiled: its threads and providers are used, and nothing else of it
	Runtime  string        // version of the runtime library
	MaxTime  time.Duration // of measuring; 0: 3 s. Opening a probe and the last round may take a little more
	Cache    string        // folder of measured ceilings; "": none
	Fresh    bool          // measure even where the cache has them
	Progress progress.Func
}

// Measure returns the ceilings, from the cache where it has them for this machine, runtime, provider and threads and
// they are less than 30 days old, or an hour where others disturbed them, else measured, and then kept in the cache. A cache that cannot be used is no error:
// what is damaged is measured anew, and that nothing could be kept is a note.
//
// A ceiling is the best probe of its kind, each measured in blocks of about 5 ms: the rate of a block is that of its
// fastest run, Value is the best block, Lo and Hi are the 95 % interval of the median over the N blocks. So Value may lie
// above the interval: a ceiling is the best that was seen, and the interval tells how usual that is on this machine.
// Float32 and int8 operations are counted 2 a multiply-accumulate; bytes as those of nodes, each array once.
//
// On a provider other than "cpu" only float32 products are measured. The arrays of the memory probe take up to 192 MiB,
// and never more than a quarter of what is free; they are given back. Errors: that of the first probe where none of
// float32 can be run, and that of ctx.
func Measure(ctx context.Context, o Options) (*report.Ceilings, error) {
	k := keyOf(o)
	if o.Cache != "" && !o.Fresh {
		if c := k.load(o.Cache, time.Now()); c != nil {
			return c, nil
		}
	}
	c, err := newSurvey(o).measure(ctx)
	if err != nil || o.Cache == "" {
		return c, err
	}
	if err := k.save(o.Cache, c); err != nil {
		c.Notes = append(c.Notes, "the ceilings could not be kept for the next profile: "+err.Error())
	}
	return c, nil
}
