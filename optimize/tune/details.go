package tune

import (
	"slices"

	"infer/internal/stats"
	"infer/report"
)

// details is what the search tells.
func (s *search) details(c *confirmation) *report.TuneDetails {
	d := s.decide(c)
	out := &report.TuneDetails{
		Objective: s.o.Objective, Pruned: s.pruned(), Candidates: len(s.allowed), Chosen: s.setting(d.chosen.at), KeepDefault: d.keep,
		Gain: d.gain, Confirmed: d.confirmed, Reading: d.reading, Steps: s.steps, Journal: s.o.Journal, Resumed: s.resumed,
		Elapsed: s.spent.Seconds(), Interrupted: s.interrupted,
	}
	if d.keep {
		out.Detectable = d.power
	}
	if s.interrupted {
		out.Reading = "interrupted: " + out.Reading
	}
	for _, g := range s.o.SLOs {
		out.SLOs = append(out.SLOs, g.Expr)
	}
	for _, k := range s.Knobs {
		out.Space = append(out.Space, report.TuneKnob{Name: k.Name, Values: k.Values})
	}
	for _, t := range s.order {
		if len(t.samples) == 0 && t.failed == "" {
			out.Pruned = append(out.Pruned, report.TunePruned{Setting: s.name(t.at), Why: "not tried: the time was over"})
		}
	}
	out.Trials = s.rows(c, d)
	return out
}

// rows returns the trials, the chosen one and the default first, then finalists, then the others as they are ranked.
func (s *search) rows(c *confirmation, d decision) []report.TuneTrial {
	list := s.ranked(true)
	for _, t := range s.order {
		if !slices.Contains(list, t) && t.failed != "" {
			list = append(list, t)
		}
	}
	place := func(t *trial) int {
		switch {
		case t == d.chosen:
			return 0
		case t == s.base:
			return 1
		case t.confirmed():
			return 2
		}
		return 3
	}
	slices.SortStableFunc(list, func(a, b *trial) int { return place(a) - place(b) })
	out := []report.TuneTrial{}
	for _, t := range list {
		out = append(out, s.row(t, c, d))
	}
	return out
}

// row is what is told of a trial.
func (s *search) row(t *trial, c *confirmation, d decision) report.TuneTrial {
	samples := t.weighed()
	all, disturbed := estimates(samples), map[string]bool{}
	st := stand(t, s.o.SLOs)
	r := report.TuneTrial{
		Setting: s.changes(t.at), Rounds: len(t.samples), SLO: st.verdict, PeakRSS: peak(samples), Phase: t.phase,
		P50: report.IntervalOf(all["latency_p50"]), Throughput: report.IntervalOf(all["throughput"]), Outcome: "eliminated", Why: t.out,
	}
	if p99 := all["latency_p99"]; p99.OK {
		i := report.IntervalOf(p99)
		r.P99 = &i
	}
	var cores []float64
	for _, x := range samples {
		cores = append(cores, x.block.CPU)
		for _, check := range x.block.Disturbed {
			disturbed[check] = true
		}
	}
	if len(cores) > 0 {
		r.CPU = stats.Median(cores)
	}
	for _, x := range t.samples {
		r.Runs += len(x.block.Seconds)
		if len(x.block.Disturbed) > 0 {
			r.Disturbed++
		}
	}
	for check := range disturbed {
		r.Validity = append(r.Validity, check)
	}
	slices.Sort(r.Validity)
	for _, m := range t.facts {
		if m.Name == "accuracy_top1" && m.Value != nil {
			r.Accuracy = &report.Interval{Value: *m.Value, Lo: m.Lo, Hi: m.Hi, N: m.N}
		}
	}
	if t != s.base {
		r.Gain = s.gain(t, c)
	}
	switch {
	case t == s.base:
		r.Outcome, r.Why = "default", ""
	case t == d.chosen:
		r.Outcome, r.Why = "chosen", ""
	case t.failed != "":
		r.Outcome, r.Why = "failed", t.failed
	case t.confirmed():
		r.Outcome = "finalist"
	case t.final:
		r.Why = "the search ended before it was confirmed"
	case t.out == "":
		r.Why = "not among the finalists"
	}
	return r
}

// gain is the confirmed gain of t, or that of all the rounds that it took part in.
func (s *search) gain(t *trial, c *confirmation) *report.Interval {
	if c != nil && t.final {
		if i := c.interval(t); i != nil {
			return i
		}
	}
	return ratio(stats.SignedRank(gains(t, s.base, ""), confidence))
}
