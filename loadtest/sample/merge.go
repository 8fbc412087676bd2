package sample

import (
	"cmp"
	"math"
	"slices"

	"infer/internal/fault"
	"infer/report"
)

// Merge adds up the figures of two shards of one schedule, part by part, and loses nothing but those of the slowest
// requests that one of the shards may not have listed. a and b stay as they are. It is a Usage error where the shards
// do not have the same window, parts and limit.
func Merge(a, b *report.LoadFigures) (*report.LoadFigures, error) {
	if err := alike(a, b); err != nil {
		return nil, err
	}
	out := &report.LoadFigures{
		Seconds: a.Seconds, Limit: a.Limit, Lag: a.Lag.Clone(), ConnWait: a.ConnWait.Clone(),
		Good: a.Good + b.Good, Checked: a.Checked + b.Checked, Bytes: a.Bytes + b.Bytes,
		Queue:   report.LoadMean{N: a.Queue.N + b.Queue.N, Sum: a.Queue.Sum + b.Queue.Sum},
		Compute: report.LoadMean{N: a.Compute.N + b.Compute.N, Sum: a.Compute.Sum + b.Compute.Sum},
		Batch:   report.LoadBatch{N: a.Batch.N + b.Batch.N, Runs: a.Batch.Runs + b.Batch.Runs},
	}
	out.Lag.Merge(b.Lag)
	out.ConnWait.Merge(b.ConnWait)
	var right int64
	for i := range a.Sections {
		s := mergeSections(&a.Sections[i], &b.Sections[i])
		right += s.Latency.Count()
		out.Sections = append(out.Sections, s)
	}
	for i := range a.Timeline {
		out.Timeline = append(out.Timeline, mergeSlices(&a.Timeline[i], &b.Timeline[i]))
	}
	out.Slowest = mergeSlowest(a, b, right)
	return out, nil
}

func alike(a, b *report.LoadFigures) error {
	const hint = "merge the results of the shards 0/n to n-1/n of one load, each run to its end"
	switch {
	case !near(a.Seconds, b.Seconds):
		return fault.New(fault.Usage, hint, "the results do not add up: their windows are of %g s and %g s", a.Seconds, b.Seconds)
	case !near(a.Limit, b.Limit):
		return fault.New(fault.Usage, hint, "the results do not add up: goodput is below %g s of latency in one and %g s in the other", a.Limit, b.Limit)
	}
	same := len(a.Sections) == len(b.Sections) && len(a.Timeline) == len(b.Timeline)
	for i := 0; same && i < len(a.Sections); i++ {
		same = near(a.Sections[i].Seconds, b.Sections[i].Seconds)
	}
	for i := 0; same && i < len(a.Timeline); i++ {
		same = near(a.Timeline[i].At, b.Timeline[i].At) && near(a.Timeline[i].Seconds, b.Timeline[i].Seconds)
	}
	if !same {
		return fault.New(fault.Usage, hint, "the results do not add up: their windows of %g s are not divided in the same way", a.Seconds)
	}
	return nil
}

func near(a, b float64) bool { return math.Abs(a-b) <= 1e-9*max(1, math.Abs(a)) }

func mergeSections(a, b *report.LoadSection) report.LoadSection {
	s := report.LoadSection{
		Seconds: a.Seconds, Due: a.Due + b.Due, Sent: a.Sent + b.Sent, Answered: a.Answered + b.Answered,
		Good: a.Good + b.Good, Outcomes: map[string]int64{}, Latency: a.Latency.Clone(), Service: a.Service.Clone(),
	}
	for _, from := range []map[string]int64{a.Outcomes, b.Outcomes} {
		for name, n := range from {
			s.Outcomes[name] += n
		}
	}
	s.Latency.Merge(b.Latency)
	s.Service.Merge(b.Service)
	return s
}

func mergeSlices(a, b *report.LoadSlice) report.LoadSlice {
	s := report.LoadSlice{
		At: a.At, Seconds: a.Seconds, Due: a.Due + b.Due, Answered: a.Answered + b.Answered, Failed: a.Failed + b.Failed,
		Latency: a.Latency.Clone(),
	}
	s.Latency.Merge(b.Latency)
	Percentiles(&s)
	return s
}

// mergeSlowest leaves out what is less slow than the last that a shard has listed: of such requests the shard may have
// had more. So the list is a little shorter than 1 %, and right.
func mergeSlowest(a, b *report.LoadFigures, right int64) []report.LoadSlow {
	all := slices.Concat(a.Slowest, b.Slowest)
	slices.SortStableFunc(all, func(x, y report.LoadSlow) int { return cmp.Compare(y.Latency, x.Latency) })
	var known float64 // down to this latency both lists are whole
	for _, f := range []*report.LoadFigures{a, b} {
		if n := len(f.Slowest); n > 0 {
			known = max(known, f.Slowest[n-1].Latency)
		}
	}
	n := min(len(all), slowShare(right))
	for n > 0 && all[n-1].Latency < known {
		n--
	}
	return all[:n]
}
