package stats

import (
	"math"
	"slices"
)

// A sketch has 2^10 linear buckets an octave from 2^-26 (15 ns when seconds) to 2^14 (4.5 h).
const (
	fineBits  = 10
	fineMin   = -26
	fineMax   = 14
	fineCount = (fineMax - fineMin) << fineBits
	fineFirst = (1023 + fineMin) << fineBits
	denseFrom = 8 << fineBits // values from which there are counters in place of keys
)

// Sketch counts positive values with a relative error of at most 2^-11 (0.05 %) in Quantile. It takes two bytes a value
// up to 8192 values, then 4 KiB for every octave from the least to the largest, never more than 160 KiB. Values
// outside [2^-26, 2^14) count in the outermost buckets, NaN is ignored; Min, Max and Sum are exact. Merging loses
// nothing. It is not safe for concurrent use, not even reading. The zero value is empty, and so is nil to read from.
type Sketch struct {
	keys     []uint16 // while there are few; sorted up to sorted
	counts   []uint32 // then, by bucket from first on; nil before
	first    int      // a multiple of 2^fineBits, and so is len(counts)
	sorted   int
	n        int64
	sum      float64
	min, max float64
}

// Add counts v once.
func (s *Sketch) Add(v float64) {
	if v != v {
		return
	}
	if s.n == 0 {
		s.min, s.max = v, v
	}
	s.min, s.max = min(s.min, v), max(s.max, v)
	s.n++
	s.sum += v
	s.count(fineBucket(v), 1)
}

func (s *Sketch) count(key int, n int64) {
	if s.counts == nil && int64(len(s.keys))+n > denseFrom {
		s.densify(key)
	}
	if s.counts != nil {
		if i := key - s.first; i < 0 || i >= len(s.counts) {
			s.span(key, key)
		}
		at := &s.counts[key-s.first]
		*at = uint32(min(math.MaxUint32, int64(*at)+n))
		return
	}
	for range n {
		s.keys = append(s.keys, uint16(key))
	}
}

// densify makes counters of the keys, with room for one more.
func (s *Sketch) densify(key int) {
	lo, hi := key, key
	for _, k := range s.keys {
		lo, hi = min(lo, int(k)), max(hi, int(k))
	}
	s.span(lo, hi)
	for _, k := range s.keys {
		s.counts[int(k)-s.first]++
	}
	s.keys, s.sorted = nil, 0
}

// span makes the counters reach from bucket lo to bucket hi.
func (s *Sketch) span(lo, hi int) {
	if s.counts != nil {
		lo, hi = min(lo, s.first), max(hi, s.first+len(s.counts)-1)
	}
	lo = lo >> fineBits << fineBits
	wider := make([]uint32, (hi>>fineBits+1)<<fineBits-lo)
	if s.counts != nil {
		copy(wider[s.first-lo:], s.counts)
	}
	s.first, s.counts = lo, wider
}

func fineBucket(v float64) int {
	if v <= 0 {
		return 0
	}
	return min(fineCount-1, max(0, int(math.Float64bits(v)>>(52-fineBits))-fineFirst))
}

// fineValue is the middle of a bucket.
func fineValue(key int) float64 {
	k := uint64(key + fineFirst)
	return (math.Float64frombits(k<<(52-fineBits)) + math.Float64frombits((k+1)<<(52-fineBits))) / 2
}

// Merge adds the counts of o, which stays as it is.
func (s *Sketch) Merge(o *Sketch) {
	if o == nil || o.n == 0 {
		return
	}
	if s.n == 0 {
		s.min, s.max = o.min, o.max
	}
	s.min, s.max = min(s.min, o.min), max(s.max, o.max)
	s.n, s.sum = s.n+o.n, s.sum+o.sum
	for _, k := range o.keys {
		s.count(int(k), 1)
	}
	if o.counts != nil && s.counts == nil {
		s.densify(o.first)
	}
	for k, n := range o.counts {
		if n > 0 {
			s.count(o.first+k, int64(n))
		}
	}
}

// Clone returns a copy; of nil an empty sketch.
func (s *Sketch) Clone() *Sketch {
	if s == nil {
		return &Sketch{}
	}
	c := *s
	c.keys, c.counts = slices.Clone(s.keys), slices.Clone(s.counts)
	return &c
}

// Coarse returns a copy that tells 2^bits buckets an octave apart, bits in [0, 10]: its text is short, Quantile has a
// relative error of at most 2^-(bits+1), and it merges with any other.
func (s *Sketch) Coarse(bits int) *Sketch {
	c := &Sketch{}
	if s == nil {
		return c
	}
	drop := fineBits - bits
	s.each(func(key int, n int64) bool {
		c.count(key>>drop<<drop|1<<drop>>1, n)
		return true
	})
	c.n, c.sum, c.min, c.max = s.n, s.sum, s.min, s.max
	return c
}

// Count returns the number of values.
func (s *Sketch) Count() int64 {
	if s == nil {
		return 0
	}
	return s.n
}

// Sum returns the exact sum of the values.
func (s *Sketch) Sum() float64 {
	if s == nil {
		return 0
	}
	return s.sum
}

// Min returns the smallest value, 0 for none.
func (s *Sketch) Min() float64 {
	if s == nil {
		return 0
	}
	return s.min
}

// Max returns the largest value, 0 for none.
func (s *Sketch) Max() float64 {
	if s == nil {
		return 0
	}
	return s.max
}

// Quantile returns the nearest-rank p-quantile within the relative error, NaN where there is none.
func (s *Sketch) Quantile(p float64) float64 {
	if s.Count() == 0 {
		return math.NaN()
	}
	return s.AtRank(int64(rank(int(s.n), p)))
}

// AtRank returns the k-th smallest value, k from 1 on, within the relative error; NaN where there is none.
func (s *Sketch) AtRank(k int64) float64 {
	if s.Count() == 0 || k < 1 || k > s.n {
		return math.NaN()
	}
	switch k {
	case 1:
		return s.min
	case s.n:
		return s.max
	}
	key := 0
	if s.counts == nil {
		s.sort()
		key = int(s.keys[k-1])
	} else {
		var seen int64
		for i, c := range s.counts {
			if seen += int64(c); seen >= k {
				key = s.first + i
				break
			}
		}
	}
	return min(s.max, max(s.min, fineValue(key)))
}

func (s *Sketch) sort() {
	if s.sorted != len(s.keys) {
		slices.Sort(s.keys)
		s.sorted = len(s.keys)
	}
}

// Above returns how many values are greater than v, within the relative error of the bucket that v is in.
func (s *Sketch) Above(v float64) int64 {
	if s.Count() == 0 || v >= s.max {
		return 0
	}
	if v < s.min {
		return s.n
	}
	key := fineBucket(v)
	if fineValue(key) > v {
		key-- // v is in the lower half of its bucket: the bucket counts as above
	}
	var n int64
	if s.counts != nil {
		for _, c := range s.counts[min(len(s.counts), max(0, key+1-s.first)):] {
			n += int64(c)
		}
		return n
	}
	s.sort()
	at, _ := slices.BinarySearchFunc(s.keys, key+1, func(k uint16, want int) int { return int(k) - want })
	return int64(len(s.keys) - at)
}

// Buckets calls yield with the middle value and the count of every bucket that is not empty, ascending.
func (s *Sketch) Buckets(yield func(value float64, n int64) bool) {
	if s != nil {
		s.each(func(key int, n int64) bool { return yield(fineValue(key), n) })
	}
}

func (s *Sketch) each(yield func(key int, n int64) bool) {
	if s.counts != nil {
		for k, c := range s.counts {
			if c > 0 && !yield(s.first+k, int64(c)) {
				return
			}
		}
		return
	}
	s.sort()
	for i := 0; i < len(s.keys); {
		j := i
		for j < len(s.keys) && s.keys[j] == s.keys[i] {
			j++
		}
		if !yield(int(s.keys[i]), int64(j-i)) {
			return
		}
		i = j
	}
}
