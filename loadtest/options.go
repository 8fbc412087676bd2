package loadtest

import (
	"errors"
	"math"
	"slices"
	"strings"
	"time"

	"infer/internal/fault"
	"infer/loadtest/schedule"
	"infer/report"
)

// Auto lets Options.WarmUp and Options.Spin follow from the load and the machine.
const Auto time.Duration = -1

// Options say how much load, how it is judged, and for how long. They are for an open loop where Schedule has stages or
// a trace, for a closed loop where Concurrency is set.
type Options struct {
	Schedule    schedule.Options // of the window; its Seed is that of the whole load
	Concurrency int              // closed loop: requests under way at a time
	Duration    time.Duration    // closed loop: of the window
	Requests    int64            // of the window at most; 0: as many as fit
	WarmUp      time.Duration    // before the window, not counted; Auto: a tenth of the window, 0.5 to 2 s
	Timeout     time.Duration    // from when a request was due
	Connections int              // at most
	Spin        time.Duration    // how long before a request is due the pacer stops sleeping; Auto
	Lanes       int              // threads that send; 0: by the rate
	Floor       bool             // measure the generator against a server that does nothing, too
	SLO         []report.Gate    // objectives; they become gates in which failed requests count as late
	Gates       []report.Gate    // thresholds on the metrics
}

// DefaultOptions are those of the command without flags.
var DefaultOptions = Options{
	Schedule: schedule.Options{Arrival: "poisson"}, Duration: 10 * time.Second, WarmUp: Auto, Timeout: 10 * time.Second, Connections: 1000,
	Spin: Auto, Floor: true,
}

// Limits on what a load may be: what is above is a slip of the finger.
const (
	MaxRate        = schedule.MaxRate
	MaxConnections = 1 << 16
	MaxDuration    = schedule.MaxDuration
)

// Validate returns every fault of o, joined, of kind fault.Usage.
func (o *Options) Validate() error {
	var errs []error
	bad := func(hint, format string, args ...any) {
		errs = append(errs, fault.New(fault.Usage, hint, format, args...))
	}
	switch open := o.open(); {
	case open && o.Concurrency > 0:
		bad("give one of them", "--concurrency is a closed loop, in which the server sets the rate; a rate of arrivals is an open one")
	case !open && o.Concurrency == 0:
		bad("pass --rps 500 (open loop), --concurrency 8 (closed loop), --stages, --replay, or --find-max-rps", "nothing says how much load")
	}
	if o.Concurrency < 0 || o.Concurrency > MaxConnections {
		bad("give a number of requests under way at a time", "--concurrency %d is not in 1 to %d", o.Concurrency, MaxConnections)
	}
	if o.Duration <= 0 || o.Duration > MaxDuration {
		bad("give a time such as 30s", "--duration %v is not above 0 and at most %v", o.Duration, MaxDuration)
	}
	if o.Requests < 0 {
		bad("give 0 for as many as fit", "--requests %d is negative", o.Requests)
	}
	if o.Timeout <= 0 || o.Timeout > time.Hour {
		bad("give a time such as 10s", "--timeout %v is not above 0 and at most 1h", o.Timeout)
	}
	if o.Connections < 1 || o.Connections > MaxConnections {
		bad("give how many connections there may be", "--connections %d is not in 1 to %d", o.Connections, MaxConnections)
	}
	if o.WarmUp != Auto && (o.WarmUp < 0 || o.WarmUp > time.Hour) {
		bad("give auto or a time such as 2s", "--warm-up %v is not in 0 to 1h", o.WarmUp)
	}
	if len(errs) == 1 {
		return errs[0]
	}
	if err := errors.Join(errs...); err != nil {
		return fault.New(fault.Usage, fault.HintOf(errs[0]), "%w", err)
	}
	return nil
}

// connections is how many connections there may be: a closed loop has one for each of its requests.
func (o *Options) connections() int { return max(o.Connections, o.Concurrency) }

// open reports whether o is an open loop.
func (o *Options) open() bool { return len(o.Schedule.Stages) > 0 || o.Schedule.Trace != nil }

// CheckRate refuses a rate that makes no sense.
func CheckRate(flag string, rate float64) error {
	if !(rate > 0 && rate <= MaxRate) || math.IsNaN(rate) {
		return fault.New(fault.Usage, "give requests a second, such as 500", "%s %v is not above 0 and at most %.0f", flag, rate, MaxRate)
	}
	return nil
}

// window is how long o's window is.
func (o *Options) window() time.Duration {
	if !o.open() {
		return o.Duration
	}
	if t := o.Schedule.Trace; t != nil {
		if len(t) == 0 {
			return 0
		}
		return t[len(t)-1] + max(1, t[len(t)-1]/time.Duration(max(1, len(t)-1))) // one gap behind the last
	}
	var d time.Duration
	for _, s := range o.Schedule.Stages {
		d += s.For
	}
	return d
}

// warmUp is the warm-up with Auto decided.
func (o *Options) warmUp() time.Duration {
	if o.WarmUp != Auto {
		return o.WarmUp
	}
	return min(2*time.Second, max(500*time.Millisecond, o.window()/10))
}

// limit is the latency up to which an answer is goodput: the loosest of the objectives on latency, 0 for none.
func (o *Options) limit() time.Duration {
	limit := 0.0
	for _, g := range o.SLO {
		if strings.HasPrefix(g.Metric, "latency_") && strings.HasPrefix(g.Op, "<") {
			limit = max(limit, g.Limit)
		}
	}
	return time.Duration(limit * float64(time.Second))
}

// upper reports whether a gate is an upper bound.
func upper(g report.Gate) bool { return slices.Contains([]string{"<", "<="}, g.Op) }
