package stats

import (
	"encoding/json"
	"fmt"
	"math"
)

// The histogram has 2^7 linear buckets an octave from 2^-34 (58 ps) to 2^24 (194 days when seconds).
const (
	subBits  = 7
	minExp   = -34
	maxExp   = 24
	buckets  = (maxExp - minExp) << subBits
	firstKey = (1023 + minExp) << subBits
)

// Histogram counts positive values with a relative error of at most 2^-8 in Quantile; values outside
// [2^-34, 2^24) are counted in the outermost buckets, zero and negative ones in the lowest, NaN is ignored. Min, Max
// and Sum are exact. Merging loses nothing. It is not safe for concurrent use: one a worker, merged at the end.
type Histogram struct {
	counts   []uint64
	n        uint64
	sum      float64
	min, max float64
}

// NewHistogram returns an empty histogram of 58 KiB; Add never allocates.
func NewHistogram() *Histogram { return &Histogram{counts: make([]uint64, buckets)} }

// Add counts v once.
func (h *Histogram) Add(v float64) {
	if v != v {
		return
	}
	h.counts[bucket(v)]++
	if h.n == 0 || v < h.min {
		h.min = v
	}
	if h.n == 0 || v > h.max {
		h.max = v
	}
	h.n++
	h.sum += v
}

func bucket(v float64) int {
	if v <= 0 {
		return 0
	}
	// The top bits of a positive float are its exponent and leading mantissa: a log-linear index, and monotone.
	return min(buckets-1, max(0, int(math.Float64bits(v)>>(52-subBits))-firstKey))
}

// Merge adds the counts of o, which stays as it is.
func (h *Histogram) Merge(o *Histogram) {
	if o.n == 0 {
		return
	}
	for i, c := range o.counts {
		h.counts[i] += c
	}
	if h.n == 0 {
		h.min, h.max = o.min, o.max
	}
	h.min, h.max = min(h.min, o.min), max(h.max, o.max)
	h.n, h.sum = h.n+o.n, h.sum+o.sum
}

// Count returns the number of values.
func (h *Histogram) Count() uint64 { return h.n }

// Sum returns the exact sum of the values.
func (h *Histogram) Sum() float64 { return h.sum }

// Min returns the smallest value, 0 for none.
func (h *Histogram) Min() float64 { return h.min }

// Max returns the largest value, 0 for none.
func (h *Histogram) Max() float64 { return h.max }

// Quantile returns the nearest-rank p-quantile within the relative error, NaN for an empty histogram.
func (h *Histogram) Quantile(p float64) float64 {
	if h.n == 0 {
		return math.NaN()
	}
	k := uint64(min(float64(h.n), max(1, math.Ceil(p*float64(h.n)-1e-9))))
	var seen uint64
	for i, c := range h.counts {
		if seen += c; seen >= k {
			key := uint64(i + firstKey)
			lo, hi := math.Float64frombits(key<<(52-subBits)), math.Float64frombits((key+1)<<(52-subBits))
			return min(h.max, max(h.min, (lo+hi)/2))
		}
	}
	return h.max
}

// Sketch returns the counts as a sketch, each value in the middle of its bucket: it has the relative error of h, and what
// a sketch cannot tell apart, below 2^-26 and from 2^14 on, counts in its outermost buckets.
func (h *Histogram) Sketch() *Sketch {
	s := &Sketch{}
	if h == nil || h.n == 0 {
		return s
	}
	for i, c := range h.counts {
		if c > 0 {
			key := uint64(i + firstKey)
			s.count(fineBucket(math.Float64frombits((2*key+1)<<(51-subBits))), int64(c))
		}
	}
	s.n, s.sum, s.min, s.max = int64(h.n), h.sum, h.min, h.max
	return s
}

type histogramJSON struct {
	SubBits int         `json:"sub_bits"`
	MinExp  int         `json:"min_exp"`
	Sum     float64     `json:"sum"`
	Min     float64     `json:"min"`
	Max     float64     `json:"max"`
	Buckets [][2]uint64 `json:"buckets"` // index, count; only those that are not empty
}

// MarshalJSON writes the layout, the exact numbers and the buckets that are not empty.
func (h *Histogram) MarshalJSON() ([]byte, error) {
	j := histogramJSON{SubBits: subBits, MinExp: minExp, Sum: h.sum, Min: h.min, Max: h.max, Buckets: [][2]uint64{}}
	for i, c := range h.counts {
		if c > 0 {
			j.Buckets = append(j.Buckets, [2]uint64{uint64(i), c})
		}
	}
	return json.Marshal(j)
}

// UnmarshalJSON replaces h by what MarshalJSON wrote; another layout or a bucket out of range is an error.
func (h *Histogram) UnmarshalJSON(b []byte) error {
	var j histogramJSON
	if err := json.Unmarshal(b, &j); err != nil {
		return fmt.Errorf("decode histogram: %w", err)
	}
	if j.SubBits != subBits || j.MinExp != minExp {
		return fmt.Errorf("histogram has layout %d/%d, want %d/%d", j.SubBits, j.MinExp, subBits, minExp)
	}
	n := NewHistogram()
	n.sum, n.min, n.max = j.Sum, j.Min, j.Max
	for _, p := range j.Buckets {
		if p[0] >= buckets || n.n+p[1] < n.n {
			return fmt.Errorf("histogram bucket %d with count %d is out of range", p[0], p[1])
		}
		n.counts[p[0]] += p[1]
		n.n += p[1]
	}
	*h = *n
	return nil
}
