package compare

import (
	"math"

	"infer/internal/stats"
	"infer/report"
)

// shift returns the change of latency at every percentile that all runs support. Only several runs a side give it an
// interval.
func (f *files) shift() []report.ShiftPoint {
	base, head := f.base.quantiles(), f.head.quantiles()
	if base == nil || head == nil {
		return nil
	}
	var out []report.ShiftPoint
	for i, p := range report.ShiftPercentiles {
		x, y := column(base, i), column(head, i)
		if x == nil || y == nil {
			continue
		}
		s := report.ShiftPoint{Percentile: p, Base: stats.Median(x), Head: stats.Median(y)}
		s.Ratio = s.Head / s.Base
		if c := f.o.several(x, y); c != nil {
			s.Ratio = math.Exp(c.point)
			lo, hi := math.Exp(c.lo), math.Exp(c.hi)
			if !math.IsNaN(lo) && !math.IsNaN(hi) && !math.IsInf(hi, 0) {
				s.Lo, s.Hi = &lo, &hi
			}
		}
		out = append(out, s)
	}
	return out
}

// several compares several runs by their logarithms; nil where there are too few.
func (o Options) several(x, y []float64) *change {
	c := &change{lo: math.NaN(), hi: math.NaN()}
	if !o.replicated(c, mapped(x, math.Log), mapped(y, math.Log)) {
		return nil
	}
	return c
}

// column returns the i-th quantile of every run; nil where one does not support it or it is no time.
func column(runs [][]float64, i int) []float64 {
	var out []float64
	for _, q := range runs {
		if !(q[i] > 0) || math.IsInf(q[i], 0) {
			return nil
		}
		out = append(out, q[i])
	}
	return out
}

// quantiles returns the latency at report.ShiftPercentiles of every run, NaN where its sample does not support one; nil
// where a run has no distribution.
func (s side) quantiles() [][]float64 {
	var out [][]float64
	for _, r := range s.runs {
		n, of := r.latency()
		if n == 0 {
			return nil
		}
		q := make([]float64, len(report.ShiftPercentiles))
		for i, p := range report.ShiftPercentiles {
			q[i] = math.NaN()
			if n >= stats.Need(p, 0.95) {
				q[i] = of(p)
			}
		}
		out = append(out, q)
	}
	return out
}

// latency returns the distribution of the latency of a run, with the size of its sample; 0: there is none.
func (r run) latency() (n int, quantile func(p float64) float64) {
	switch {
	case r.profile != nil && r.profile.Latency != nil:
		return int(r.profile.Latency.Count()), r.profile.Latency.Quantile
	case r.load != nil && r.load.Figures != nil:
		var all stats.Sketch
		for _, s := range r.load.Figures.Sections {
			if s.Latency != nil {
				all.Merge(s.Latency)
			}
		}
		return int(all.Count()), all.Quantile
	}
	return 0, nil
}
