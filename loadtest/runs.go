package loadtest

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"time"

	"infer/internal/fault"
	"infer/internal/stats"
	"infer/loadtest/sample"
	"infer/report"
)

// MergeRuns returns one document of several runs of the same load on the same target: their windows stand behind each
// other, and counts add up exactly. Intervals follow from how the runs differ (sample.Concat). Objectives and gates are
// those given, or where there are none those of the first run. Runs that are not of one load are a fault.Usage error that
// names what differs; machine and model are the caller's to compare.
func MergeRuns(docs []*report.Document, slos, gates []report.Gate) (*report.Document, error) {
	docs = slices.Clone(docs)
	slices.SortStableFunc(docs, func(a, b *report.Document) int { return a.Created.Compare(b.Created) })
	list, err := runsOf(docs)
	if err != nil {
		return nil, err
	}
	if len(slos)+len(gates) == 0 {
		if slos, gates, err = judgedBy(docs[0], list[0]); err != nil {
			return nil, err
		}
	}
	whole := *docs[len(docs)-1] // the newest is how old the result is
	whole.Verdict, whole.Metrics, whole.Gates, whole.Warnings = report.OK, nil, nil, nil
	whole.Validity = report.Validity{Verdict: report.Valid}
	x := *list[0]
	var figures []*report.LoadFigures
	x.Faults, x.Runs, x.Schedule.Planned = nil, nil, 0
	for i, y := range list {
		figures = append(figures, y.Figures)
		addRun(&x, y, docs[i])
		if i > 0 {
			x.Correctness = mergeCorrectness(x.Correctness, y.Correctness)
		}
		addChecks(&whole, docs[i], "run"+strconv.Itoa(i+1))
		keepWarnings(&whole, docs[i], y.Figures)
		if docs[i].Verdict == report.Interrupted {
			whole.Verdict = report.Interrupted
		}
	}
	if x.Figures, err = sample.Concat(figures); err != nil {
		return nil, err
	}
	if x.Window.Seconds = x.Figures.Seconds; x.Schedule.SHA256 == "" {
		whole.Manifest.Seed = nil
	}
	x.Generator, x.Floor, x.Server = report.LoadGenerator{Pacer: fmt.Sprintf("%d runs", len(docs))}, nil, serverOf(x.Figures, nil)
	derive(&whole, &x)
	return &whole, judge(&whole, &x, slos, gates)
}

// runsOf returns the details of runs of one load, or what keeps them from being that.
func runsOf(docs []*report.Document) ([]*report.LoadDetails, error) {
	var list []*report.LoadDetails
	for i, d := range docs {
		x, err := Details(d)
		if err != nil {
			return nil, err
		}
		if err := validFigures(x); err != nil {
			return nil, err
		}
		switch {
		case x.Figures == nil || x.Search != nil:
			return nil, fault.New(fault.Usage, "give load tests at one rate", "a search or a sweep cannot be merged")
		case x.Schedule.Shard != "":
			return nil, fault.New(fault.Usage, "merge the shards of each run first: infer report shard0.json shard1.json", "shard %s is a part of a run", x.Schedule.Shard)
		case len(x.Runs) > 0:
			return nil, fault.New(fault.Usage, "merge all runs at once", "the document of %s is of merged runs already", d.Created.Format(time.RFC3339))
		}
		if i > 0 {
			if d.Created.Equal(docs[i-1].Created) {
				return nil, fault.New(fault.Usage, "give each run once", "the run of %s is here twice", d.Created.Format(time.RFC3339Nano))
			}
			if err := sameRuns(list[0], x); err != nil {
				return nil, err
			}
		}
		list = append(list, x)
	}
	return list, nil
}

// sameRuns refuses what is no run of the same load, by the first thing that differs.
func sameRuns(a, b *report.LoadDetails) error {
	var planA, planB []float64
	for _, s := range a.Schedule.Stages {
		planA = append(planA, s.From, s.To, s.For)
	}
	for _, s := range b.Schedule.Stages {
		planB = append(planB, s.From, s.To, s.For)
	}
	for _, part := range []struct {
		what string
		a, b any
	}{
		{"target", a.Target.URL, b.Target.URL},
		{"protocol", a.Target.Protocol, b.Target.Protocol},
		{"encoding", a.Target.Encoding, b.Target.Encoding},
		{"model", a.Target.Model, b.Target.Model},
		{"version of the model", a.Target.Version, b.Target.Version},
		{"server", a.Target.Server, b.Target.Server},
		{"options", a.Target.Options, b.Target.Options},
		{"rows of a request", a.Target.Rows, b.Target.Rows},
		{"loop", a.Schedule.Loop, b.Schedule.Loop},
		{"arrival", a.Schedule.Arrival, b.Schedule.Arrival},
		{"concurrency", a.Schedule.Concurrency, b.Schedule.Concurrency},
		{"stages", fmt.Sprint(planA), fmt.Sprint(planB)},
		{"warm-up", a.Window.WarmUp, b.Window.WarmUp},
	} {
		if part.a != part.b {
			return fault.New(fault.Usage, "merge runs of one load; infer compare tells what a change does", "these are not runs of one load: %s is %v in one and %v in the other", part.what, part.a, part.b)
		}
	}
	return nil
}

// addRun adds what a run says of itself, and what adds up beside its figures.
func addRun(x, y *report.LoadDetails, d *report.Document) {
	run := report.MergedRun{Created: d.Created.Format(time.RFC3339Nano), Seconds: y.Figures.Seconds, Valid: d.Validity.Verdict == report.Valid}
	run.Seed = &y.Schedule.Seed
	for _, c := range d.Validity.Checks {
		if !c.OK {
			run.Why = cmp.Or(run.Why, c.Name+": "+c.Detail)
		}
	}
	var all stats.Sketch
	for i := range y.Figures.Sections {
		run.N += y.Figures.Sections[i].Due
		all.Merge(y.Figures.Sections[i].Latency)
	}
	if n := all.Count(); n > 0 {
		mean, p50, p99 := all.Sum()/float64(n), all.Quantile(0.5), all.Quantile(0.99)
		run.Mean, run.P50, run.P99 = &mean, &p50, &p99
	}
	x.Runs = append(x.Runs, run)
	x.Faults = mergeFaults(x.Faults, y.Faults)
	x.Schedule.Planned += y.Schedule.Planned
	if y.Schedule.Seed != x.Schedule.Seed || y.Schedule.SHA256 != x.Schedule.SHA256 {
		x.Schedule.Seed, x.Schedule.SHA256 = 0, "" // of no one run
	}
	if y.Target.PayloadHash != x.Target.PayloadHash {
		x.Target.PayloadHash = ""
	}
	if y.Window.Steady != x.Window.Steady {
		x.Window.Steady = "not alike in all runs"
	}
	x.Window.Settle, x.Window.Drain = max(x.Window.Settle, y.Window.Settle), max(x.Window.Drain, y.Window.Drain)
}

// keepWarnings takes over the warnings of a run, or a shard, but for those that follow from its sample, which is larger now.
func keepWarnings(whole, d *report.Document, f *report.LoadFigures) {
	var own []string
	if f != nil {
		_, own = sample.Metrics(f)
	}
	for _, w := range d.Warnings {
		if !slices.Contains(own, w) {
			whole.Warn("%s", w)
		}
	}
}
