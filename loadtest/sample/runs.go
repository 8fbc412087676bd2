package sample

import (
	"cmp"
	"slices"

	"infer/internal/fault"
	"infer/internal/stats"
	"infer/report"
)

// leastParts is how many sections of all runs together there are at least: from six on their spread tells how requests
// hang together.
const leastParts = 6

// Concat puts the figures of several runs of one load behind each other, as if they were one window: counts and sketches
// add up exactly, and but for the slowest requests that a run may not have listed nothing is lost. What stays as it is
// shares nothing with the result. It is a Usage error where the runs do not have the same limit of goodput.
//
// Intervals follow from the spread of the sections, so each run is one section: what differs from run to run is then in
// them. With fewer than six runs each is divided into as few equal parts as make six in all.
func Concat(runs []*report.LoadFigures) (*report.LoadFigures, error) {
	out := &report.LoadFigures{Limit: runs[0].Limit, Lag: &stats.Sketch{}, ConnWait: &stats.Sketch{}, Slowest: []report.LoadSlow{}}
	parts := (leastParts + len(runs) - 1) / len(runs)
	slots := 0
	for _, f := range runs {
		slots += len(f.Timeline)
	}
	width := max(1, (slots+maxSlices-1)/maxSlices)
	var right int64
	var known float64 // down to this latency the lists of the slowest are whole
	for _, f := range runs {
		if !near(f.Limit, out.Limit) {
			return nil, fault.New(fault.Usage, "give runs with the same --slo", "the runs do not add up: goodput is below %g s of latency in one and %g s in the other", out.Limit, f.Limit)
		}
		for _, s := range coarseSections(f.Sections, (len(f.Sections)+parts-1)/parts) {
			right += s.Latency.Count()
			out.Sections = append(out.Sections, s)
		}
		out.Timeline = append(out.Timeline, coarseSlices(f.Timeline, width, out.Seconds)...)
		for _, s := range f.Slowest {
			s.At += out.Seconds
			out.Slowest = append(out.Slowest, s)
		}
		if n := len(f.Slowest); n > 0 {
			known = max(known, f.Slowest[n-1].Latency)
		}
		addTotals(out, f)
	}
	slices.SortStableFunc(out.Slowest, func(x, y report.LoadSlow) int { return cmp.Compare(y.Latency, x.Latency) })
	n := min(len(out.Slowest), slowShare(right))
	for n > 0 && out.Slowest[n-1].Latency < known {
		n--
	}
	out.Slowest = out.Slowest[:n]
	return out, nil
}

// addTotals adds what is counted of a whole window.
func addTotals(out, f *report.LoadFigures) {
	out.Seconds += f.Seconds
	out.Lag.Merge(f.Lag)
	out.ConnWait.Merge(f.ConnWait)
	out.Good, out.Checked, out.Bytes = out.Good+f.Good, out.Checked+f.Checked, out.Bytes+f.Bytes
	out.Queue.N, out.Queue.Sum = out.Queue.N+f.Queue.N, out.Queue.Sum+f.Queue.Sum
	out.Compute.N, out.Compute.Sum = out.Compute.N+f.Compute.N, out.Compute.Sum+f.Compute.Sum
	out.Batch.N, out.Batch.Runs = out.Batch.N+f.Batch.N, out.Batch.Runs+f.Batch.Runs
}

// coarseSections merges every width neighbouring sections of one run into one as long as all of them.
func coarseSections(list []report.LoadSection, width int) []report.LoadSection {
	var out []report.LoadSection
	for part := range slices.Chunk(list, max(1, width)) {
		whole := report.LoadSection{}
		for i := range part {
			took := whole.Seconds + part[i].Seconds
			whole = mergeSections(&whole, &part[i])
			whole.Seconds = took
		}
		out = append(out, whole)
	}
	return out
}

// coarseSlices does so with slices, which then begin later by offset.
func coarseSlices(list []report.LoadSlice, width int, offset float64) []report.LoadSlice {
	var out []report.LoadSlice
	for part := range slices.Chunk(list, max(1, width)) {
		whole := report.LoadSlice{At: part[0].At + offset}
		for i := range part {
			took := whole.Seconds + part[i].Seconds
			whole = mergeSlices(&whole, &part[i])
			whole.Seconds = took
		}
		out = append(out, whole)
	}
	return out
}
