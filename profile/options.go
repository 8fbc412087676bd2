// Package profile owns what one session costs and where: latency from an unprofiled steady-state run, shares by node
// from a separate profiled pass, cold start in fresh processes, memory, and the static costs of the graph.
package profile

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"infer/internal/fault"
	"infer/model/measure"
)

// Options are the choices of one profile. DefaultOptions are the flags' defaults.
type Options struct {
	Runs         int           // timed runs after warm-up; 0: as many as Duration gives
	Duration     time.Duration // length of the timed phase when Runs is 0
	WarmUp       int           // untimed runs first; measure.Auto: until a change-point test finds them steady
	Cold         int           // fresh processes to measure cold start in; 0: none
	Batches      []int64       // batch sizes to sweep; empty: none
	By           string        // what the shares are grouped by in text: one of groupings
	Top          int           // rows of that table
	ProfiledRuns int           // traced runs at most; 0: no shares
	TracePath    string        // where to keep the trace of the profiled pass; "" for nowhere
	Roofline     string        // "auto": ceilings from the cache, measured where it has none; "measure": anew; "off"
	Cache        string        // folder of what is measured once for a machine; "": nothing is kept
}

// groupings are what shares can be grouped by. Origins are the nodes of the model as its author wrote it.
var groupings = []string{"op", "node", "block", "origin", "provider", "dtype"}

// DefaultOptions are what infer profile does when it is told nothing.
var DefaultOptions = Options{
	Duration:     5 * time.Second,
	WarmUp:       measure.Auto,
	Cold:         6, // the fewest whose median has a 95 % interval
	By:           "op",
	Top:          10,
	ProfiledRuns: 200,
	Roofline:     "auto",
}

// Validate lists every fault of the options; each is a usage error.
func (o Options) Validate() error {
	var errs []error
	bad := func(wrong bool, hint, format string, args ...any) {
		if wrong {
			errs = append(errs, fault.New(fault.Usage, hint, format, args...))
		}
	}
	bad(o.Runs < 0, "give 0 to measure for --duration", "--runs %d is negative", o.Runs)
	bad(o.Runs == 0 && o.Duration <= 0, "give a time such as 5s, or --runs", "--duration %s is not positive", o.Duration)
	bad(o.WarmUp < measure.Auto, "give auto or a number of runs", "--warm-up %d is negative", o.WarmUp)
	bad(o.Cold < 0, "give 0 for no cold starts", "--cold %d is negative", o.Cold)
	bad(o.Top < 1, "give the number of rows", "--top %d is not positive", o.Top)
	bad(o.ProfiledRuns < 0, "give 0 for no shares", "--profiled-runs %d is negative", o.ProfiledRuns)
	bad(o.TracePath != "" && o.ProfiledRuns == 0, "raise --profiled-runs", "--trace needs a profiled pass")
	bad(!slices.Contains(groupings, o.By), "use "+strings.Join(groupings, ", "), "--by %q is not known", o.By)
	bad(o.Roofline != "auto" && o.Roofline != "measure" && o.Roofline != "off", "use auto, measure or off", "--roofline %q is not known", o.Roofline)
	seen := map[int64]bool{}
	for _, b := range o.Batches {
		bad(b < 1, "give sizes such as 1,2,4,8", "--batch %d is not positive", b)
		bad(seen[b], "give each size once", "--batch names %d twice", b)
		seen[b] = true
	}
	if len(errs) == 0 {
		return nil
	}
	return fmt.Errorf("%w", errors.Join(errs...))
}
