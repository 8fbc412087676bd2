package calibrate

import (
	"math"
	"slices"

	"infer/internal/fault"
	"infer/optimize/quantize/affine"
)

// candidates are what auto chooses from; of equals it takes the first. Those that cut much off on purpose are not among
// them: on a few rows mean-minmax can have the least error, and cuts off the class scores that decide the answers of
// others (squeezenet1.1 with ten rows: 60 % agreement in place of 93 %).
var candidates = []Method{
	{Name: MinMax}, {Percentile, 99.999}, {Percentile, 99.99}, {Name: Entropy}, {Name: MSE},
}

// evidence is what a range is made of: all of an observation, or a part of its rows.
type evidence struct {
	lo, hi []float32 // of each row with a finite element, in order
	seen   *Histogram
}

// Range returns the range of a value that method m makes of what was seen, for numbers on grid g, and the method that
// was used: m itself, or the one that auto chose. Auto makes the range of each candidate from four rows of five,
// compares them by their quantization error in the fifth, and makes the range of the best from all rows.
// A range lies within the elements seen and zero, which it need not include.
//
// Errors: fault.Usage for a value that was not calibrated, a method out of bounds, and a table without the histograms
// that the method needs; fault.Unsupported for a value without a finite element and a grid of no integer type.
func (t *Table) Range(value string, m Method, g affine.Grid) (lo, hi float64, used Method, err error) {
	if err := m.check(); err != nil {
		return 0, 0, m, err
	}
	o, ok := t.values[value]
	if !ok {
		return 0, 0, m, fault.New(fault.Usage, "calibrate it", "the calibration has no value %q", value)
	}
	if !affine.Supports(g.DType) {
		return 0, 0, m, fault.New(fault.Unsupported, "", "a range for numbers of type %s", g.DType)
	}
	if m.histograms() && o.Fit == nil {
		return 0, 0, m, fault.New(fault.Usage, "calibrate again with --method "+m.Name, "the calibration has no histograms, which method %s needs", m)
	}
	all := o.evidence(nil)
	if len(all.lo) == 0 {
		return 0, 0, m, fault.New(fault.Unsupported, "leave it float", "value %q has no finite element in %d rows", value, t.Rows)
	}
	if m.Name == Auto {
		m = t.best(o, g)
	}
	lo, hi = all.bounds(m, g)
	return lo, hi, m, nil
}

// SQNR returns the ratio of signal to noise in decibels that a value has when it is quantized over the range from lo to
// hi: on the rows kept apart, or on all where those have no finite element. ok is false without histograms.
func (t *Table) SQNR(value string, lo, hi float64, g affine.Grid) (db float64, ok bool) {
	o := t.values[value]
	if o == nil || o.Fit == nil || !affine.Supports(g.DType) {
		return 0, false
	}
	_, judge := o.split()
	if judge.Elements() == 0 {
		return 0, false
	}
	return newDensity(judge).sqnr(g.Fit(lo, hi)), true
}

// split returns the histogram to make ranges of and the one to judge them on, which is the same where no row was kept
// apart.
func (o *Observation) split() (fit, judge *Histogram) {
	switch {
	case o.Held.Elements() == 0:
		return o.Fit, o.Fit
	case o.Fit.Elements() == 0:
		return o.Held, o.Held
	}
	return o.Fit, o.Held
}

// best returns the candidate with the best ratio of signal to noise.
func (t *Table) best(o *Observation, g affine.Grid) Method {
	fit, judge := o.split()
	d := newDensity(judge)
	var apart []bool
	if fit != judge {
		apart = t.held(o.Rows())
	}
	e := o.evidence(apart)
	e.seen = fit
	best, most := candidates[0], math.Inf(-1)
	for _, m := range candidates {
		if db := d.sqnr(g.Fit(e.bounds(m, g))); db > most {
			best, most = m, db
		}
	}
	return best
}

// evidence returns what the rows of o say that are not apart. The histogram is that of all rows.
func (o *Observation) evidence(apart []bool) evidence {
	var e evidence
	for i := range o.lo {
		if o.lo[i] <= o.hi[i] && (apart == nil || !apart[i]) {
			e.lo, e.hi = append(e.lo, o.lo[i]), append(e.hi, o.hi[i])
		}
	}
	if o.Fit != nil {
		e.seen = o.Fit.clone()
		e.seen.merge(o.Held)
	}
	return e
}

// bounds returns the range that m, which is not auto, makes of e.
func (e evidence) bounds(m Method, g affine.Grid) (lo, hi float64) {
	switch m.Name {
	case MovingAverage:
		return movingAverage(e.lo, m.P), movingAverage(e.hi, m.P)
	case MeanMinMax:
		return mean(e.lo), mean(e.hi)
	case Percentile:
		return e.seen.percentile(m.P, g.Symmetric)
	case Entropy:
		return e.seen.entropy(g)
	case MSE:
		d := newDensity(e.seen)
		return narrow(d.lo, d.hi, g.Symmetric, 8, func(lo, hi float64) float64 { return d.noise(g.Fit(lo, hi)) })
	}
	return float64(slices.Min(e.lo)), float64(slices.Max(e.hi))
}

// movingAverage returns the exponential average of x: the first element, drawn by each further one with weight c.
func movingAverage(x []float32, c float64) float64 {
	m := float64(x[0])
	for _, v := range x[1:] {
		m += c * (float64(v) - m)
	}
	return m
}

// mean returns the arithmetic mean of x, added up in ascending order, so that the order of x does not matter.
func mean(x []float32) float64 {
	sum := 0.0
	for _, v := range slices.Sorted(slices.Values(x)) {
		sum += float64(v)
	}
	return sum / float64(len(x))
}
