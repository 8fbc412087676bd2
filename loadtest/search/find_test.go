package search

import (
	"context"
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"infer/internal/fault"
)

// serial takes 10 ms a request, one at a time; p99<200ms breaks at 88.6/s.
func serial() queue {
	return queue{servers: 1, service: fixed(.01), limits: []float64{.2}, warmUp: 1}
}

func p99(limit float64) []Objective {
	return []Objective{{Expr: "p99<limit", Allowed: .01, Limit: limit}}
}

func find(t *testing.T, o Options, trial Trial) *Result {
	t.Helper()
	o.WarmUp = time.Second
	r, err := Find(context.Background(), o, trial, nil)
	if err != nil {
		t.Fatal(err)
	}
	if limit := max(o.MaxTime, DefaultOptions.MaxTime); r.Spent > limit {
		t.Errorf("took %s of %s", r.Spent, limit)
	}
	return r
}

func TestEnds(t *testing.T) {
	late := serial()
	late.trust = 60
	helpless := serial()
	helpless.trust = 5
	broken := serial()
	broken.fails = .05
	slow := queue{servers: 1, service: fixed(2), limits: []float64{10}, warmUp: 1} // as serial with p99<50ms: breaks at 0.28/s
	for _, c := range []struct {
		name      string
		o         Options
		q         queue
		lo, hi    float64 // of Max; 0, 0: none
		confirmed bool
		reason    string
	}{
		{"in the range", Options{Lo: 20, Hi: 400}, serial(), 80, 97, true, "a confirmation run held"},
		{"no range", Options{}, serial(), 80, 97, true, "a confirmation run held"},
		{"below the first guess", Options{MaxTime: time.Hour, MaxTrial: 5 * time.Minute}, slow, .2, .4, true, "a confirmation run held"},
		{"lowest rate fails", Options{Lo: 150, Hi: 400}, serial(), 0, 0, false, "even 150/s breaks p99<limit"},
		{"lowest rate fails, not by much", Options{Lo: 98, Hi: 400}, serial(), 0, 0, false, "even 98/s breaks p99<limit"},
		{"requests fail at any rate", Options{Lo: 20, Hi: 400}, broken, 0, 0, false, "even 20/s breaks p99<limit"},
		{"highest rate holds", Options{Lo: 20, Hi: 70}, serial(), 70, 70, true, "where the range ends"},
		{"one rate", Options{Lo: 70, Hi: 70}, serial(), 70, 70, true, "where the range ends"},
		{"generator ends it", Options{Lo: 20, Hi: 400}, late, 80, 97, true, "the generator sets the limit above: the generator was late"},
		{"hopeless generator", Options{Lo: 150, Hi: 400}, helpless, 0, 0, false, "the generator cannot offer 150/s: the generator was late"},
		{"few requests", Options{Lo: .1, Hi: .2, MaxTime: 10 * time.Minute}, slow, .2, .2, false, "requests tell: 299 would confirm it"},
		{"little time", Options{Lo: 20, Hi: 400, MaxTime: 12 * time.Second}, serial(), 20, 80, false, "the time for the search is used up"},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.o.Objectives = p99(c.q.limits[0])
			r := find(t, c.o, c.q.trial(1))
			if !strings.Contains(r.Reason, c.reason) || r.Confirmed != c.confirmed {
				t.Errorf("reason %q, confirmed %v, want %q, %v", r.Reason, r.Confirmed, c.reason, c.confirmed)
			}
			if (r.Max == nil) != (c.hi == 0) || r.Max != nil && (*r.Max < c.lo || *r.Max > c.hi) {
				t.Errorf("max %v, want %v to %v", r.Max, c.lo, c.hi)
			}
			if r.Max != nil && (r.Lo > *r.Max || r.Hi > 0 && r.Hi < *r.Max || r.Holds > *r.Max || r.Breaks > 0 && r.Breaks <= r.Holds) {
				t.Errorf("max %v, interval %v to %v, holds %v, breaks %v", *r.Max, r.Lo, r.Hi, r.Holds, r.Breaks)
			}
		})
	}
}

// TestGeneratorLimit has a generator that loses its pace at 60/s, so that requests miss although the server can do more.
func TestGeneratorLimit(t *testing.T) {
	fast := queue{servers: 1, service: fixed(.001), limits: []float64{.05}, warmUp: 1}
	inner := fast.trial(1)
	late := func(ctx context.Context, rate float64, d time.Duration, watch func(Evidence) bool) (Evidence, error) {
		spoil := func(e Evidence) Evidence {
			if rate > 60 {
				e.Trusted, e.Why, e.Missed[0] = false, "requests were sent late", e.Due
			}
			return e
		}
		e, err := inner(ctx, rate, d, func(e Evidence) bool { return watch(spoil(e)) })
		return spoil(e), err
	}
	r := find(t, Options{Objectives: p99(.05), Lo: 10, Hi: 1000}, late)
	if r.Max == nil || *r.Max < 55 || *r.Max > 60 || !strings.Contains(r.Reason, "requests were sent late") {
		t.Errorf("max %v, reason %q", r.Max, r.Reason)
	}
	for _, s := range r.Steps {
		if !s.Trusted && s.Verdict != Inconclusive {
			t.Errorf("%v/s: verdict %s of a trial that is not to be trusted", s.Rate, s.Verdict)
		}
	}
}

// TestBusyMachine spoils single trials of a generator that is quick enough, as a busy machine does: they are repeated, and
// what is found is what would be found without them. What stays spoilt ends the search, and the reason says how often it
// was tried.
func TestBusyMachine(t *testing.T) {
	for _, c := range []struct {
		name   string
		spoils func(trial int) bool
		found  bool
		steps  int // 0: any
		reason string
	}{
		{"the first", func(n int) bool { return n == 1 }, true, 0, "a confirmation run held"},
		{"the first two", func(n int) bool { return n <= 2 }, true, 0, "a confirmation run held"},
		{"every third", func(n int) bool { return n%3 == 0 }, true, 0, "a confirmation run held"},
		{"all", func(int) bool { return true }, false, patience, "cannot offer 20/s: another program had the CPU, in each of 3 trials"},
	} {
		t.Run(c.name, func(t *testing.T) {
			inner, n := serial().trial(1), 0
			r := find(t, Options{Objectives: p99(.2), Lo: 20, Hi: 400}, func(ctx context.Context, rate float64, d time.Duration, watch func(Evidence) bool) (Evidence, error) {
				n++
				spoil := func(e Evidence) Evidence {
					if c.spoils(n) {
						e.Trusted, e.Why, e.Missed[0] = false, "another program had the CPU", e.Due
					}
					return e
				}
				e, err := inner(ctx, rate, d, func(e Evidence) bool { return watch(spoil(e)) })
				return spoil(e), err
			})
			if !strings.Contains(r.Reason, c.reason) || c.steps > 0 && len(r.Steps) != c.steps {
				t.Errorf("%d steps, %q", len(r.Steps), r.Reason)
			}
			if (r.Max != nil) != c.found || c.found && (*r.Max < 80 || *r.Max > 97) {
				t.Errorf("found %v", r.Max)
			}
		})
	}
}

// TestBusyUntilTheEnd: time is over before a rate was tried often enough.
func TestBusyUntilTheEnd(t *testing.T) {
	r := find(t, Options{Objectives: p99(.2), Lo: 20, Hi: 400, MaxTime: 5 * time.Second}, func(context.Context, float64, time.Duration, func(Evidence) bool) (Evidence, error) {
		return Evidence{Elapsed: 2 * time.Second, Due: 40, Missed: []int64{40}, Sections: make([][]Section, 1), Why: "another program had the CPU"}, nil
	})
	if want := "the time for the search is used up, and what 20/s does is not known: another program had the CPU"; r.Reason != want || r.Max != nil || r.Breaks != 0 {
		t.Errorf("%+v", r)
	}
}

func TestSeveralObjectives(t *testing.T) {
	q := serial()
	q.limits = []float64{.2, .02, 1}
	objectives := []Objective{{"p99<200ms", .01, .2}, {"p50<20ms", .5, .02}, {"p99<1s", .01, 1}}
	// Of an M/D/1 queue with 10 ms, half of the requests take longer than 20 ms at 75.7/s.
	truth := breaksMD1(.01, .02, .5)
	r := find(t, Options{Objectives: objectives, Lo: 20, Hi: 400}, q.trial(3))
	if r.Max == nil || math.Abs(*r.Max/truth-1) > .05 {
		t.Fatalf("max %v, want %.1f within 5 %%", r.Max, truth)
	}
	if s := r.Steps[len(r.Steps)-1]; s.Objective != 1 || !strings.Contains(s.Reason, "p50<20ms") {
		t.Errorf("objective %d decided, %q", s.Objective, s.Reason)
	}
}

// TestErrorRate has a server that answers fast or not at all.
func TestErrorRate(t *testing.T) {
	q := queue{servers: 1, service: fixed(.002), limits: []float64{math.Inf(1)}, sheds: .01, warmUp: 1}
	const truth = 359.5 // breaksBySimulation(q, 500, .01)
	r := find(t, Options{Objectives: []Objective{{Expr: "error_rate<=1%", Allowed: .01}}, Lo: 10, Hi: 5000}, q.trial(1))
	if r.Max == nil || math.Abs(*r.Max/truth-1) > .05 {
		t.Errorf("%+v, want %v within 5 %%", r, truth)
	}
}

// TestNoMissAllowed has an objective such as max<50ms.
func TestNoMissAllowed(t *testing.T) {
	q := queue{servers: 1, service: fixed(.001), limits: []float64{.05}, warmUp: 1} // does 1000/s
	r := find(t, Options{Objectives: []Objective{{"max<50ms", 0, .05}}, Lo: 10, Hi: 5000}, q.trial(1))
	if r.Max == nil || *r.Max < 850 || *r.Max > 1000 || !r.Confirmed {
		t.Errorf("max %v, confirmed %v: %s", r.Max, r.Confirmed, r.Reason)
	}
}

func TestInterrupted(t *testing.T) {
	for _, after := range []int{0, 1, 3, 6} {
		ctx, cancel := context.WithCancel(context.Background())
		if after == 0 {
			cancel()
		}
		steps := 0
		r, err := Find(ctx, Options{Objectives: p99(.2), Lo: 20, Hi: 400}, serial().trial(1), func(Step) {
			if steps++; steps == after {
				cancel()
			}
		})
		cancel()
		if err != nil || r.Reason != "interrupted" || r.Confirmed || len(r.Steps) != after {
			t.Errorf("after %d: %d steps, %q, confirmed %v, %v", after, len(r.Steps), r.Reason, r.Confirmed, err)
		}
		if (r.Max != nil) != (after > 0) {
			t.Errorf("after %d: max %v", after, r.Max)
		}
	}
}

func TestTrialFails(t *testing.T) {
	broke, inner, n := errors.New("no connection"), serial().trial(1), 0
	r, err := Find(context.Background(), Options{Objectives: p99(.2), Lo: 20, Hi: 400},
		func(ctx context.Context, rate float64, d time.Duration, watch func(Evidence) bool) (Evidence, error) {
			if n++; n == 3 {
				return Evidence{}, broke
			}
			return inner(ctx, rate, d, watch)
		}, nil)
	if !errors.Is(err, broke) || len(r.Steps) != 2 || r.Max == nil || *r.Max != 40 || r.Confirmed {
		t.Errorf("%v, %+v", err, r)
	}
}

// TestEmptyTrials has a trial that sees nothing and takes no time: the search must end all the same.
func TestEmptyTrials(t *testing.T) {
	r := find(t, Options{Objectives: p99(.2), MaxTime: 20 * time.Second}, func(context.Context, float64, time.Duration, func(Evidence) bool) (Evidence, error) {
		return Evidence{Missed: make([]int64, 1), Sections: make([][]Section, 1), Trusted: true}, nil
	})
	if r.Max != nil || r.Reason == "" {
		t.Errorf("%+v", r)
	}
}

func TestSameSeedSameSteps(t *testing.T) {
	a := find(t, Options{Objectives: p99(.2), Lo: 20, Hi: 400}, serial().trial(5))
	b := find(t, Options{Objectives: p99(.2), Lo: 20, Hi: 400}, serial().trial(5))
	if !reflect.DeepEqual(a, b) {
		t.Errorf("%+v\n%+v", a, b)
	}
}

func TestValidate(t *testing.T) {
	good := Options{Objectives: p99(.2), Lo: 20, Hi: 400}
	for name, spoil := range map[string]func(*Options){
		"no objective":      func(o *Options) { o.Objectives = nil },
		"all may miss":      func(o *Options) { o.Objectives = []Objective{{Allowed: 1}} },
		"share of NaN":      func(o *Options) { o.Objectives = []Objective{{Allowed: math.NaN()}} },
		"limit below zero":  func(o *Options) { o.Objectives = []Objective{{Limit: -1}} },
		"range upside down": func(o *Options) { o.Lo, o.Hi = 400, 20 },
		"only a low end":    func(o *Options) { o.Hi = 0 },
		"rate of NaN":       func(o *Options) { o.Lo = math.NaN() },
		"precision":         func(o *Options) { o.Precision = 2 },
		"confidence":        func(o *Options) { o.Confidence = 95 },
		"trials":            func(o *Options) { o.MinTrial, o.MaxTrial = time.Minute, time.Second },
		"time":              func(o *Options) { o.MaxTime = time.Second },
		"warm-up":           func(o *Options) { o.WarmUp = -1 },
	} {
		o := good
		spoil(&o)
		if _, err := Find(context.Background(), o, nil, nil); fault.KindOf(err) != fault.Usage {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := good.Validate(); err != nil {
		t.Error(err)
	}
}
