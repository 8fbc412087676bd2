package measure

import (
	"math"
	"time"

	"infer/internal/host"
	"infer/internal/stats"
)

// Class says how a series of runs developed, after Barrett et al., Virtual Machine Warmup Blows Hot and Cold (2017).
type Class string

// The classes.
const (
	Flat     Class = "flat"      // one level
	WarmUp   Class = "warm-up"   // each level faster than the one before
	SlowDown Class = "slow-down" // each level slower than the one before
	Unsteady Class = "unsteady"  // up and down, or two modes far apart
)

// Confidence is that of every interval of this package.
const Confidence = 0.95

// Series is the outcome of Steady. Times are in seconds.
type Series struct {
	Seconds      []float64         `json:"seconds"`           // timed runs, in order
	WarmUp       []float64         `json:"warm_up,omitempty"` // untimed runs, in order
	Class        Class             `json:"class"`
	Changes      []int             `json:"changes,omitempty"` // indices into Seconds where the level changed
	Wall         time.Duration     `json:"wall_ns"`           // of the timed phase
	Interference host.Interference `json:"interference"`      // during the timed phase
	Interrupted  bool              `json:"interrupted"`       // the context ended first
}

// Quantile returns the nearest-rank p-quantile of the timed runs with its order-statistic interval.
func (s *Series) Quantile(p float64) stats.Estimate {
	return stats.Quantile(stats.Sorted(s.Seconds), p, Confidence)
}

// Mean returns the mean of the timed runs with a t interval for their effective number.
func (s *Series) Mean() stats.Estimate { return stats.Mean(s.Seconds, Confidence) }

// CoV returns the deviation of the timed runs over their mean, NaN below two runs.
func (s *Series) CoV() float64 { return stats.CoV(s.Seconds) }

// Histogram returns a new histogram of the timed runs.
func (s *Series) Histogram() *stats.Histogram {
	h := stats.NewHistogram()
	for _, v := range s.Seconds {
		h.Add(v)
	}
	return h
}

const (
	minStep  = 0.03 // relative: a smaller change of level does not matter
	maxNoise = 0.20 // MAD over median: beyond it there is no one level
)

// Classify returns the class of the ordered times x and the indices at which their level changes by more than 3 %.
// Lone outliers change nothing.
func Classify(x []float64) (Class, []int) {
	at := changes(x)
	if len(at) == 0 {
		if noise(x) > maxNoise {
			return Unsteady, nil
		}
		return Flat, nil
	}
	levels := segments(x, at)
	up, down := false, false
	for i := 1; i < len(levels); i++ {
		up = up || levels[i] > levels[i-1]
		down = down || levels[i] < levels[i-1]
	}
	switch {
	case up && down:
		return Unsteady, at
	case up:
		return SlowDown, at
	}
	return WarmUp, at
}

// noise is a coefficient of variation that outliers do not move; 0 below two values.
func noise(x []float64) float64 {
	m := stats.Median(x)
	if len(x) < 2 || !(m > 0) {
		return 0
	}
	return stats.MAD(x) / m
}

// maxLevels is how many values changes looks at; a longer series is cut into so many blocks, which their medians stand
// for. It is far more than the 200 blocks of stats.ChangePoints.
const maxLevels = 1 << 15

// changes returns the change points of x, less those between levels that hardly differ.
func changes(x []float64) []int {
	if len(x) > 2*maxLevels {
		size := len(x) / maxLevels
		short := make([]float64, len(x)/size)
		for i := range short {
			short[i] = stats.Median(x[i*size : (i+1)*size])
		}
		at := changes(short)
		for i := range at {
			at[i] *= size
		}
		return at
	}
	at := stats.ChangePoints(x)
	for len(at) > 0 {
		levels := segments(x, at)
		least, size := -1, minStep
		for i := range at {
			if d := math.Abs(levels[i+1]-levels[i]) / min(levels[i], levels[i+1]); !(d > size) {
				least, size = i, d
			}
		}
		if least < 0 {
			return at
		}
		at = append(at[:least], at[least+1:]...)
	}
	return nil
}

// segments returns the median of each part of x that at cuts.
func segments(x []float64, at []int) []float64 {
	var levels []float64
	begin := 0
	for _, end := range append(append([]int{}, at...), len(x)) {
		levels = append(levels, stats.Median(x[begin:end]))
		begin = end
	}
	return levels
}
