package stats

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
)

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

// UnmarshalJSON replaces s by what MarshalJSON wrote; anything else is an error and leaves s as it is. What it takes in
// memory is bounded as for any sketch.
func (s *Sketch) UnmarshalJSON(data []byte) error {
	var j sketchJSON
	if err := json.Unmarshal(data, &j); err != nil {
		return fmt.Errorf("decode counts: %w", err)
	}
	if j.Layout != layout {
		return fmt.Errorf("counts have layout %q, want %q", j.Layout, layout)
	}
	n := Sketch{}
	key := -1
	for part := range strings.FieldsSeq(j.Counts) {
		step, times, has := strings.Cut(part, ":")
		d, err := strconv.ParseUint(step, 10, 16)
		c := uint64(1)
		if err == nil && has {
			c, err = strconv.ParseUint(times, 10, 32)
		}
		switch {
		case key < 0:
			key = int(d)
		case d == 0:
			return fmt.Errorf("counts: bucket %d is there twice", key)
		default:
			key += int(d)
		}
		if err != nil || key >= fineCount || c == 0 {
			return fmt.Errorf("counts: %q is out of range", part)
		}
		n.count(key, int64(c))
		n.n += int64(c)
	}
	if n.n != j.N {
		return fmt.Errorf("counts sum to %d, want %d", n.n, j.N)
	}
	if j.Min > j.Max || n.n == 0 && (j.Sum != 0 || j.Min != 0 || j.Max != 0) || math.IsInf(j.Max-j.Min, 0) {
		return fmt.Errorf("counts: no %d values lie between %g and %g and sum to %g", n.n, j.Min, j.Max, j.Sum)
	}
	n.sum, n.min, n.max = j.Sum, j.Min, j.Max
	*s = n
	return nil
}
