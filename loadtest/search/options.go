package search

import (
	"errors"
	"time"

	"infer/internal/fault"
)

// Options say what is searched, how exactly and for how long. Zero values but those of Objectives, Lo, Hi and WarmUp
// take those of DefaultOptions.
type Options struct {
	Objectives []Objective   // one or more; all must hold
	Lo, Hi     float64       // range of rates, requests a second; 0, 0: unbounded
	Precision  float64       // in (0, 0.5]: standard deviation of what is known of the rate at which an objective breaks, relative, below which no more trials are made
	Confidence float64       // of the interval and of stopping a trial early, in (0, 1)
	MaxTime    time.Duration // of all trials together, warm-ups among them
	WarmUp     time.Duration // that each trial takes before its window; counted, not added to what a trial is given
	MinTrial   time.Duration // the shortest window
	MaxTrial   time.Duration // the longest window, confirmation apart
}

// DefaultOptions are the options of a search that says no more than its objectives.
var DefaultOptions = Options{
	Precision:  0.02,
	Confidence: 0.95,
	MaxTime:    5 * time.Minute,
	MinTrial:   2 * time.Second,
	MaxTrial:   30 * time.Second,
}

// MinRate and MaxRate bound every rate that is tried, requests a second.
const (
	MinRate = 0.01
	MaxRate = 1e7
)

func (o Options) withDefaults() Options {
	d := DefaultOptions
	if o.Precision == 0 {
		o.Precision = d.Precision
	}
	if o.Confidence == 0 {
		o.Confidence = d.Confidence
	}
	if o.MaxTime == 0 {
		o.MaxTime = d.MaxTime
	}
	if o.MinTrial == 0 {
		o.MinTrial = d.MinTrial
	}
	if o.MaxTrial == 0 {
		o.MaxTrial = max(d.MaxTrial, o.MinTrial)
	}
	return o
}

// Validate lists every fault of o after defaults, all of kind Usage.
func (o Options) Validate() error {
	o = o.withDefaults()
	var errs []error
	bad := func(wrong bool, hint, format string, args ...any) {
		if wrong {
			errs = append(errs, fault.New(fault.Usage, hint, format, args...))
		}
	}
	bad(len(o.Objectives) == 0, "name one, such as 'p99<20ms'", "a search needs an objective")
	for _, b := range o.Objectives {
		bad(!(b.Allowed >= 0 && b.Allowed < 1), "allow a share in [0, 1)", "objective %q allows a share of %v", b.Expr, b.Allowed)
		bad(!(b.Limit >= 0 && b.Limit < 1e6), "give a limit in seconds", "objective %q has a limit of %v s", b.Expr, b.Limit)
	}
	open := o.Lo == 0 && o.Hi == 0
	bad(!open && !(o.Lo >= MinRate && o.Lo <= o.Hi && o.Hi <= MaxRate), rangeHint, "range %v:%v is not an ascending one", o.Lo, o.Hi)
	bad(!(o.Precision > 0 && o.Precision <= 0.5), "give a share such as 2%", "precision %v is not in (0, 0.5]", o.Precision)
	bad(!(o.Confidence > 0 && o.Confidence < 1), "give a share such as 0.95", "confidence %v is not in (0, 1)", o.Confidence)
	bad(o.WarmUp < 0, "give a time such as 1s", "a warm-up of %s is negative", o.WarmUp)
	bad(o.MinTrial <= 0 || o.MaxTrial < o.MinTrial, "give times such as 2s and 30s", "trials of %s to %s are none", o.MinTrial, o.MaxTrial)
	bad(o.MaxTime < o.WarmUp+o.MinTrial, "give more time", "%s in all is less than one trial takes (%s)", o.MaxTime, o.WarmUp+o.MinTrial)
	return errors.Join(errs...)
}

// Verdict is what a trial says of the objectives at its rate.
type Verdict string

// The verdicts. Near the rate at which an objective breaks no trial of bearable length is decisive; an inconclusive one
// leans to the side of its best estimate, which Step.Holds has.
const (
	Pass         Verdict = "pass"
	Fail         Verdict = "fail"
	Inconclusive Verdict = "inconclusive"
)

// Step is one trial of a search. Steps are in the order of the calls of Trial, one a call.
type Step struct {
	Rate      float64       // offered, requests a second
	Verdict   Verdict       //
	Holds     bool          // by the best estimate: the share of misses was within what every objective allows
	N, Missed int64         // decided requests and misses of the objective that decided
	Objective int           // which one: its index
	Window    time.Duration // measured, without warm-up
	Confirm   bool          // a confirmation run
	Trusted   bool          // what was seen is the server's doing
	Reason    string        // in words
}

// Result is what a search found. Rates are requests a second.
type Result struct {
	Max        *float64      // the highest rate at which all objectives hold; nil: none is known
	Lo, Hi     float64       // interval of the rate at which the first objective breaks, at Confidence; Hi is 0 where nothing broke
	Confidence float64       //
	Holds      float64       // highest rate, not above Max, at which a trial held; 0: none
	Breaks     float64       // lowest rate above Holds at which one did not; 0: none
	Confirmed  bool          // a confirmation run held at Max
	Steps      []Step        //
	Reason     string        // why the search ended, in words
	Spent      time.Duration // in trials, warm-ups among them
}
