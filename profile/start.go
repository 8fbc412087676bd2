package profile

import (
	"cmp"
	"slices"

	"infer/internal/stats"
	"infer/report"
)

// started draws from the fresh processes what they tell together: the metrics, where memory began and how far it went, and
// the steps of a start.
func (r *runner) started() {
	starts := r.details.Cold
	addCold(r.d, starts)
	if len(starts) == 0 {
		return
	}
	r.details.Timeline = typical(starts).Spans
	if r.details.Memory == nil {
		return
	}
	median := func(of func(report.ColdStart) float64) int64 {
		values := make([]float64, len(starts))
		for i, s := range starts {
			values[i] = of(s)
		}
		slices.Sort(values)
		return int64(stats.Quantile(values, .5, 0.95).Value)
	}
	r.details.Memory.PeakRSS = median(func(s report.ColdStart) float64 { return s.PeakRSS })
	r.details.Memory.BaseRSS = median(func(s report.ColdStart) float64 { return s.BaseRSS })
}

// typical is the start that took the median time; of an even number the quicker one of the two.
func typical(starts []report.ColdStart) report.ColdStart {
	sorted := slices.SortedFunc(slices.Values(starts), func(a, b report.ColdStart) int {
		return cmp.Compare(a.LibraryLoad+a.SessionInit+a.FirstRun, b.LibraryLoad+b.SessionInit+b.FirstRun)
	})
	return sorted[(len(sorted)-1)/2]
}
