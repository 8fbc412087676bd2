package compare

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"infer/internal/stats"
	"infer/report"
)

const (
	// runNoise is the standard deviation of the logarithm of the ratio of two runs of the same thing that is assumed where
	// there are too few runs to measure it. Hosted machines show 3 % to 25 %.
	runNoise = 0.10
	// beyond is how many of them a change must be beyond a limit, so that it decides although the noise is a guess.
	beyond = 3
	// leastRuns of each side are compared by themselves; how many an alpha needs more, Splits says.
	leastRuns = 4
	// LeastHistory runs of one side tell how a single run of the other might have come out.
	LeastHistory = 5
)

// changeOf is how a metric moved between the runs of two sides: a metric with a value for each run, at least one a side,
// all of one name, labels and unit. difference asks for the change in the metric's unit; what cannot have a ratio (shares
// in [0, 1], levels, anything not above zero) has one in any case.
func (o Options) changeOf(base, head []*report.Metric, difference bool) *change {
	x, y := valuesOf(base), valuesOf(head)
	m := base[0]
	if counted(base) && counted(head) {
		c := exactChange(m.Name, x[0], y[0], difference)
		c.q, c.pairs = m.QuantityOf(), min(len(x), len(y))
		return c
	}
	c := &change{q: m.QuantityOf(), base: stats.Median(x), head: stats.Median(y), pairs: min(len(x), len(y)), lo: math.NaN(), hi: math.NaN(), mde: math.NaN()}
	c.difference = c.q == report.Ratio || c.q == report.Level || min(slices.Min(x), slices.Min(y)) <= 0
	scale := math.Log
	if c.difference {
		scale = func(v float64) float64 { return v }
	}
	o.locate(c, base, head, scale)
	if !c.difference && (math.IsInf(math.Exp(c.hi), 0) || math.Exp(c.lo) == 0) {
		c.lo, c.hi = math.NaN(), math.NaN() // an end that far off is none
	}
	if difference && !c.difference {
		c.inUnit()
	}
	return c
}

func valuesOf(ms []*report.Metric) []float64 {
	out := make([]float64, len(ms))
	for i, m := range ms {
		out[i] = *m.Value
	}
	return out
}

// counted reports whether a metric was counted and not estimated, and is the same in all runs.
func counted(ms []*report.Metric) bool {
	return !slices.ContainsFunc(ms, func(m *report.Metric) bool {
		exact := m.Method == "exact" || m.Method == "count" || m.Method == "liveness"
		return !exact || m.Lo != nil || *m.Value != *ms[0].Value
	})
}

// locate fills in where the change lies, on the scale of c.
func (o Options) locate(c *change, base, head []*report.Metric, scale func(float64) float64) {
	x, y := mapped(valuesOf(base), scale), mapped(valuesOf(head), scale)
	// Answers to the same rows are the same again: such runs are no replication.
	again := c.q == report.Ratio && slices.Min(x) == slices.Max(x) && slices.Min(y) == slices.Max(y)
	if again || !o.replicated(c, x, y) {
		o.assume(c, base, head, scale)
	}
}

// replicated fills in where the change lies by how much runs differ, and reports whether there are enough of them.
func (o Options) replicated(c *change, x, y []float64) bool {
	if o.permutable(len(x), len(y)) {
		o.permute(c, x, y)
		return true
	}
	if max(len(x), len(y)) < LeastHistory {
		return false
	}
	s := stats.Prediction(x, y)
	if !(s.Down > 0) || math.IsInf(s.Down, 1) {
		return false // runs that are all alike tell nothing of their noise
	}
	c.method = "prediction"
	o.student(c, s)
	return true
}

// permutable reports whether the exact test of so many runs a side can reach a tail of alpha at all: the side's interval
// needs half of it.
func (o Options) permutable(n, m int) bool {
	return min(n, m) >= leastRuns && stats.Splits(n, m)*o.Alpha/2 >= 1
}

// permute compares several runs of either side by themselves.
func (o Options) permute(c *change, x, y []float64) {
	e := stats.HodgesLehmann(x, y, o.Confidence())
	c.method, c.point, c.lo, c.hi = "permutation", e.Value, e.Lo, e.Hi
	if !e.OK { // all differences: as confident as the test that just reaches alpha
		c.lo, c.hi = slices.Min(y)-slices.Max(x), slices.Max(y)-slices.Min(x)
	}
	c.detects(func(power float64) float64 { return stats.Prediction(x, y).Detectable(o.Alpha/2, power) })
	c.p = func(sign, size float64) float64 {
		if math.IsInf(size, 0) {
			return max(0, math.Copysign(1, size))
		}
		a, b := mapped(x, func(v float64) float64 { return sign * v }), mapped(y, func(v float64) float64 { return sign*v - size })
		return stats.Permutation(a, b, 1)
	}
}

// student fills c from an estimate with Student's error.
func (o Options) student(c *change, s stats.Student) {
	c.point = s.Value
	if lo, hi := s.Interval(o.Confidence()); !math.IsInf(lo, 0) && !math.IsInf(hi, 0) {
		c.lo, c.hi = lo, hi
		c.detects(func(power float64) float64 { return s.Detectable(o.Alpha/2, power) })
	}
	c.p = func(sign, size float64) float64 {
		if sign < 0 {
			return s.Negative().Above(size)
		}
		return s.Above(size)
	}
}

// detects fills in what would have been found, where least is the smallest size on the scale of c that is found with a power.
func (c *change) detects(least func(power float64) float64) {
	c.mde = least(0.8)
	c.beyond = c.mde - least(0.5)
	if !c.difference {
		c.mde = math.Expm1(c.mde)
	}
	if math.IsInf(c.mde, 0) {
		c.mde = math.NaN()
	}
}

// assume compares too few runs to know how much runs differ: from the noise within the runs, as they tell it, and for
// what is no share or level a noise between them that is assumed, or larger where the runs show it.
func (o Options) assume(c *change, base, head []*report.Metric, scale func(float64) float64) {
	x, y := together(base, scale), together(head, scale)
	s := stats.Independent(x, y)
	switch {
	case c.q == report.Ratio:
		c.method = "newcombe"
	case c.pairs > 1 || max(len(base), len(head)) > 1:
		c.method = "few runs"
	default:
		c.method = "single run"
	}
	told := bounded(base) && bounded(head)
	single := len(base) == 1 && len(head) == 1
	switch steady := c.q == report.Ratio || c.q == report.Level; {
	case !told && single: // tails of results of other tools differ by several times what is assumed
		s.Down, s.Up = math.Inf(1), math.Inf(1)
		c.note = "one run that tells no interval of it decides nothing: give several runs a side"
	case !told && (steady || strings.HasSuffix(base[0].Name, "_max")):
		s.Down, s.Up = math.Inf(1), math.Inf(1)
		c.note = "a run tells no interval of it"
	case !steady:
		text, half := c.noiseBetween(base, head, scale)
		s, c.assumed = s.Widened(half, o.Confidence()), true
		c.note = fmt.Sprintf("%s: a spread of %s between runs is assumed, and only what is %d times that beyond the limit decides",
			runsText(len(base), len(head)), text, beyond)
	}
	o.student(c, s)
	if c.assumed {
		c.mde = math.NaN() // of a guess nothing was caught
	}
}

// noiseBetween returns the standard deviation of the change between two runs that is assumed, in words, and how far from
// no change its multiple reaches on the scale of c.
func (c *change) noiseBetween(base, head []*report.Metric, scale func(float64) float64) (text string, half float64) {
	seen := math.Sqrt2 * max(spread(base, scale), spread(head, scale))
	if !c.difference {
		sd := max(runNoise, seen)
		return report.FormatValue(report.Ratio, sd), math.Log1p(beyond * sd)
	}
	sd := max(runNoise*max(math.Abs(c.base), math.Abs(c.head)), seen)
	return report.FormatValue(c.q, sd), beyond * sd
}

func runsText(base, head int) string {
	if base == 1 && head == 1 {
		return "one run a side"
	}
	return fmt.Sprintf("%d against %d runs", base, head)
}

// bounded reports whether every metric has an interval, or a size from which one follows.
func bounded(ms []*report.Metric) bool {
	return !slices.ContainsFunc(ms, func(m *report.Metric) bool { return estimateOf(m).Need == 0 })
}

// together is the mean of the runs of a side on a scale, with an interval as wide as theirs on average: what they have
// in common does not average out.
func together(ms []*report.Metric, scale func(float64) float64) stats.Estimate {
	out := stats.Estimate{Confidence: 0.95}
	for _, m := range ms {
		e := estimateOf(m)
		out.Confidence = e.Confidence
		out.Value += scale(e.Value) / float64(len(ms))
		out.Lo += lowest(e.Lo, scale) / float64(len(ms))
		out.Hi += scale(e.Hi) / float64(len(ms))
	}
	return out
}

// lowest is scale of the lower end of an interval, which may be nothing or less where the value itself is not.
func lowest(lo float64, scale func(float64) float64) float64 {
	if v := scale(lo); !math.IsNaN(v) {
		return v
	}
	return math.Inf(-1)
}

// estimateOf returns a metric with its interval; without one, as of a share of n, Wilson's, else none, and Need is 0.
func estimateOf(m *report.Metric) stats.Estimate {
	e := stats.Estimate{Value: *m.Value, Lo: *m.Value, Hi: *m.Value, N: m.N, Confidence: m.Confidence}
	if !(e.Confidence > 0) {
		e.Confidence = 0.95
	}
	switch v := *m.Value; {
	case m.Lo != nil && m.Hi != nil:
		e.Lo, e.Hi, e.Need = *m.Lo, *m.Hi, 1
	case m.QuantityOf() == report.Ratio && m.N > 0 && v >= 0 && v <= 1:
		w := stats.Wilson(int(math.Round(v*float64(m.N))), m.N, e.Confidence)
		e.Lo, e.Hi, e.Need = min(v, w.Lo), max(v, w.Hi), 1
	}
	return e
}

// spread is the standard deviation between the runs of a side; 0 for fewer than two.
func spread(ms []*report.Metric, scale func(float64) float64) float64 {
	x := mapped(valuesOf(ms), scale)
	if len(x) < 2 {
		return 0
	}
	m := 0.0
	for _, v := range x {
		m += v / float64(len(x))
	}
	var squares float64
	for _, v := range x {
		squares += (v - m) * (v - m)
	}
	return math.Sqrt(squares / float64(len(x)-1))
}

func mapped(x []float64, f func(float64) float64) []float64 {
	out := make([]float64, len(x))
	for i, v := range x {
		out[i] = f(v)
	}
	return out
}

// inUnit turns a change of the logarithm into one in the metric's unit, from the base as it is.
func (c *change) inUnit() {
	base, p := c.base, c.p
	unit := func(log float64) float64 { return base * math.Expm1(log) }
	c.difference, c.point, c.lo, c.hi, c.mde, c.beyond = true, unit(c.point), unit(c.lo), unit(c.hi), base*c.mde, unit(c.beyond)
	c.p = func(sign, size float64) float64 {
		ratio := sign * size / base
		if ratio <= -1 {
			ratio = -1 // nothing falls by more than everything
		}
		return p(sign, sign*math.Log1p(ratio))
	}
}
