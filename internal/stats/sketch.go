package stats

import (
	"encoding/json"
	"fmt"
	"math"
	"math/bits"
	"slices"
	"strconv"
	"strings"
)

// A sketch has 2^10 linear buckets an octave from 2^-26 (15 ns when seconds) to 2^14 (4.5 h).
const (
	fineBits  = 10
	fineMin   = -26
	fineMax   = 14
	fineCount = (fineMax - fineMin) << fineBits
	fineFirst = (1023 + fineMin) << fineBits
	denseFrom = 2 * fineCount // values from which counters take less memory than keys
)

// Sketch counts positive values with a relative error of at most 2^-11 (0.05 %) in Quantile. It takes two bytes a value
// at first and never more than 160 KiB. Values outside [2^-26, 2^14) count in the outermost buckets, NaN is ignored;
// Min, Max and Sum are exact. Merging loses nothing. It is not safe for concurrent use. The zero value is empty.
type Sketch struct {
	keys     []uint16 // while there are few; sorted up to sorted
	counts   []uint32 // then, by bucket; nil before
	sorted   int
	n        int64
	sum      float64
	min, max float64
}

// Add counts v once.
func (s *Sketch) Add(v float64) { s.add(v, v, v, 1, v) }

func (s *Sketch) add(v, lo, hi float64, n int64, sum float64) {
	if v != v {
		return
	}
	if s.n == 0 {
		s.min, s.max = lo, hi
	}
	s.min, s.max = min(s.min, lo), max(s.max, hi)
	s.n += n
	s.sum += sum
	s.count(fineBucket(v), n)
}

func (s *Sketch) count(key int, n int64) {
	if s.counts == nil && int64(len(s.keys))+n > denseFrom {
		s.densify()
	}
	if s.counts != nil {
		s.counts[key] = uint32(min(math.MaxUint32, int64(s.counts[key])+n))
		return
	}
	for range n {
		s.keys = append(s.keys, uint16(key))
	}
}

func (s *Sketch) densify() {
	s.counts = make([]uint32, fineCount)
	for _, k := range s.keys {
		s.counts[k]++
	}
	s.keys, s.sorted = nil, 0
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
	for k, n := range o.counts {
		if n > 0 {
			s.count(k, int64(n))
		}
	}
}

// Clone returns a copy.
func (s *Sketch) Clone() *Sketch {
	c := *s
	c.keys, c.counts = slices.Clone(s.keys), slices.Clone(s.counts)
	return &c
}

// Coarse returns a copy that tells 2^bits buckets an octave apart, bits in [0, 10]: its text is short, Quantile has a
// relative error of at most 2^-(bits+1), and it merges with any other.
func (s *Sketch) Coarse(bits int) *Sketch {
	c := &Sketch{}
	drop := fineBits - bits
	s.each(func(key int, n int64) bool {
		c.count(key>>drop<<drop|1<<drop>>1, n)
		return true
	})
	c.n, c.sum, c.min, c.max = s.n, s.sum, s.min, s.max
	return c
}

// Count returns the number of values.
func (s *Sketch) Count() int64 { return s.n }

// Sum returns the exact sum of the values.
func (s *Sketch) Sum() float64 { return s.sum }

// Mean returns the exact mean, NaN for none.
func (s *Sketch) Mean() float64 { return s.sum / float64(s.n) }

// Min returns the smallest value, 0 for none.
func (s *Sketch) Min() float64 { return s.min }

// Max returns the largest value, 0 for none.
func (s *Sketch) Max() float64 { return s.max }

// Quantile returns the nearest-rank p-quantile within the relative error, NaN where there is none.
func (s *Sketch) Quantile(p float64) float64 {
	if s.n == 0 {
		return math.NaN()
	}
	return s.AtRank(int64(max(1, math.Ceil(p*float64(s.n)-1e-9))))
}

// AtRank returns the k-th smallest value, k from 1 on, within the relative error; NaN where there is none.
func (s *Sketch) AtRank(k int64) float64 {
	if s.n == 0 || k < 1 || k > s.n {
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
				key = i
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
	if s.n == 0 || v >= s.max {
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
		for _, c := range s.counts[key+1:] {
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
	s.each(func(key int, n int64) bool { return yield(fineValue(key), n) })
}

func (s *Sketch) each(yield func(key int, n int64) bool) {
	if s.counts != nil {
		for k, c := range s.counts {
			if c > 0 && !yield(k, int64(c)) {
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

type sketchJSON struct {
	Layout string  `json:"layout"`
	N      int64   `json:"n"`
	Sum    float64 `json:"sum"`
	Min    float64 `json:"min"`
	Max    float64 `json:"max"`
	Counts string  `json:"counts"` // "bucket:count" for those that are not empty, each bucket as the distance from the one before
}

// layout names the buckets: linear ones an octave, first and last exponent.
var layout = fmt.Sprintf("log2/%d/%d/%d", 1<<fineBits, fineMin, fineMax)

// MarshalJSON writes the exact numbers, and the buckets as one text.
func (s *Sketch) MarshalJSON() ([]byte, error) {
	var b strings.Builder
	last := 0
	s.each(func(key int, n int64) bool {
		if b.Len() > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(strconv.Itoa(key - last))
		if n > 1 {
			b.WriteString(":" + strconv.FormatInt(n, 10))
		}
		last = key
		return true
	})
	return json.Marshal(sketchJSON{layout, s.n, s.sum, s.min, s.max, b.String()})
}

// UnmarshalJSON replaces s by what MarshalJSON wrote; anything else is an error.
func (s *Sketch) UnmarshalJSON(data []byte) error {
	var j sketchJSON
	if err := json.Unmarshal(data, &j); err != nil {
		return fmt.Errorf("decode counts: %w", err)
	}
	if j.Layout != layout {
		return fmt.Errorf("counts have layout %q, want %q", j.Layout, layout)
	}
	n := Sketch{}
	key := 0
	for part := range strings.FieldsSeq(j.Counts) {
		step, times, has := strings.Cut(part, ":")
		d, err := strconv.ParseUint(step, 10, bits.UintSize-2)
		c := uint64(1)
		if err == nil && has {
			c, err = strconv.ParseUint(times, 10, 32)
		}
		if key += int(d); err != nil || key < 0 || key >= fineCount {
			return fmt.Errorf("counts: %q is out of range", part)
		}
		if n.counts == nil && n.n+int64(c) > denseFrom {
			n.densify()
		}
		n.count(key, int64(c))
		n.n += int64(c)
	}
	if n.n != j.N {
		return fmt.Errorf("counts sum to %d, want %d", n.n, j.N)
	}
	n.sum, n.min, n.max = j.Sum, j.Min, j.Max
	*s = n
	return nil
}

// SectionQuantile returns the p-quantile of all sections together, with an interval that holds although neighbouring
// requests share a queue. sections are parts of one run in the order of time, about equal in length. OK and Need are
// those of Quantile; method names how the interval was made, and reliable is false where the sample is too short for
// how its values hang together: measure longer.
func SectionQuantile(sections []*Sketch, p, conf float64) (e Estimate, method string, reliable bool) {
	var all Sketch
	for _, s := range sections {
		all.Merge(s)
	}
	e = Estimate{N: int(all.n), Need: Need(p, conf), Confidence: conf}
	if all.n == 0 || !(p > 0 && p < 1) || !(conf > 0 && conf < 1) {
		return e, "", false
	}
	e.Value = all.Quantile(p)
	l, u := Ranks(e.N, p, conf)
	if l < 1 || u > e.N {
		return e, "", false
	}
	e.Lo, e.Hi, e.OK = all.AtRank(int64(l)), all.AtRank(int64(u)), true
	return e, "order-statistic", true
}
