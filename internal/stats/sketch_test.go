package stats

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// values are n of a lognormal over some octaves, or over all.
func values(n int, sigma float64, seed uint64) []float64 {
	r := rand.New(rand.NewPCG(seed, 3))
	out := make([]float64, n)
	for i := range out {
		out[i] = math.Exp(sigma*r.NormFloat64()) * 1e-3
	}
	return out
}

func sketchOf(x []float64) *Sketch {
	s := &Sketch{}
	for _, v := range x {
		s.Add(v)
	}
	return s
}

// TestSketch compares with sorting, while there are keys, when there are counters, and for values out of range.
func TestSketch(t *testing.T) {
	for _, n := range []int{1, 2, 100, denseFrom, denseFrom + 1, 60_000} {
		for _, sigma := range []float64{0.1, 2} {
			x := values(n, sigma, uint64(n))
			half := n / 3
			s := sketchOf(x[:half])
			s.Merge(sketchOf(x[half:]))
			s.Merge(nil)
			sorted := Sorted(x)
			for _, p := range []float64{0.001, 0.25, 0.5, 0.9, 0.99, 0.9999} {
				want := Quantile(sorted, p, 0.95).Value
				if got := s.Quantile(p); math.Abs(got/want-1) > 1.0/2048 {
					t.Errorf("n = %d: p%g is %g, want %g", n, 100*p, got, want)
				}
			}
			for _, v := range []float64{0, sorted[0], 1e-3, sorted[n/2], sorted[n-1], 1e9} {
				// Values in the bucket of v may count on either side.
				lo, hi := 0, 0
				for _, y := range x {
					if y > v*(1+1.0/1024) {
						lo++
					}
					if y > v*(1-1.0/1024) {
						hi++
					}
				}
				if got := s.Above(v); got < int64(lo) || got > int64(hi) {
					t.Errorf("n = %d: %d above %g, want %d to %d", n, got, v, lo, hi)
				}
			}
			if s.Count() != int64(n) || s.Min() != sorted[0] || s.Max() != sorted[n-1] {
				t.Errorf("n = %d: count %d, %g to %g", n, s.Count(), s.Min(), s.Max())
			}
			c := s.Coarse(6)
			if got, want := c.Quantile(0.5), s.Quantile(0.5); math.Abs(got/want-1) > 1.0/64 || c.Count() != s.Count() || c.Max() != s.Max() {
				t.Errorf("n = %d: coarse median %g, want %g", n, got, want)
			}
		}
	}
	odd := sketchOf([]float64{0, -1, math.NaN(), 1e-300, 1e300, math.MaxFloat64})
	if odd.Count() != 5 || odd.Min() != -1 || odd.Max() != math.MaxFloat64 || odd.Quantile(0.5) > 1e-7 {
		t.Errorf("%+v", odd)
	}
}

// TestSketchMemory: counters reach only as far as the values do.
func TestSketchMemory(t *testing.T) {
	s := sketchOf(values(100_000, 0.5, 1))
	if len(s.keys) != 0 || len(s.counts) > 9<<fineBits {
		t.Errorf("%d keys and %d counters", len(s.keys), len(s.counts))
	}
	s.Add(1e-9)
	s.Add(1e9)
	if len(s.counts) != fineCount || s.AtRank(2) < 1e-5 {
		t.Errorf("%d counters, second %g", len(s.counts), s.AtRank(2))
	}
}

// TestSketchOrder: values and merges in another order give the same sketch, but for the last bits of the sum.
func TestSketchOrder(t *testing.T) {
	x := values(30_000, 1, 4)
	a := sketchOf(x)
	slices.Reverse(x)
	b := &Sketch{}
	for part := range slices.Chunk(x, 4999) {
		b.Merge(sketchOf(part))
	}
	b.sum = a.sum
	one, _ := json.Marshal(a)
	two, _ := json.Marshal(b)
	if string(one) != string(two) {
		t.Error("the order of merging shows")
	}
}

// TestSketchNil: nil is empty to read from.
func TestSketchNil(t *testing.T) {
	var s *Sketch
	if s.Count() != 0 || s.Sum() != 0 || s.Min() != 0 || s.Max() != 0 || s.Above(0) != 0 || s.Clone() == nil || s.Coarse(3).Count() != 0 ||
		!math.IsNaN(s.Quantile(0.5)) || !math.IsNaN(s.AtRank(1)) {
		t.Error("nil is not empty")
	}
	s.Buckets(func(float64, int64) bool { t.Error("a bucket of nothing"); return true })
}

func TestSketchJSON(t *testing.T) {
	for _, n := range []int{0, 1, 500, 50_000} {
		a := sketchOf(values(n, 2, 9))
		raw, err := json.Marshal(a)
		if err != nil {
			t.Fatal(err)
		}
		var b Sketch
		if err := json.Unmarshal(raw, &b); err != nil {
			t.Fatal(err)
		}
		again, _ := json.Marshal(&b)
		if string(again) != string(raw) || n > 0 && a.Quantile(0.77) != b.Quantile(0.77) {
			t.Errorf("n = %d: not what was written", n)
		}
	}
	var s Sketch
	for _, bad := range []string{
		`{}`, `[]`, `{"layout":"log2/512/-26/14"}`, doc(1, "40960"), doc(1, "-1"), doc(1, "0:0"), doc(2, "0 0"), doc(3, "1:2"),
		doc(1<<33, "5:8589934592"), doc(1, "70000"), `{"layout":"` + layout + `","n":1,"min":2,"max":1,"counts":"4"}`,
		`{"layout":"` + layout + `","n":0,"sum":1,"counts":""}`,
	} {
		if err := json.Unmarshal([]byte(bad), &s); err == nil {
			t.Errorf("%s: decoded", bad)
		}
	}
}

func doc(n int64, counts string) string {
	b, _ := json.Marshal(sketchJSON{Layout: layout, N: n, Sum: 1, Min: 1, Max: 1, Counts: counts})
	return string(b)
}

// FuzzSketchJSON: what is decoded is bounded in memory, and is encoded to what decodes to the same.
func FuzzSketchJSON(f *testing.F) {
	for _, n := range []int{0, 3, 200} {
		raw, _ := json.Marshal(sketchOf(values(n, 2, 9)))
		f.Add(string(raw))
	}
	f.Add(doc(4294967295*3, "0:4294967295 1:4294967295 40958:4294967295"))
	f.Add(doc(8193, "7:8193"))
	f.Add(doc(9000, strings.Repeat("1 ", 9000)))
	f.Fuzz(func(t *testing.T, text string) {
		var a, b Sketch
		if json.Unmarshal([]byte(text), &a) != nil {
			return
		}
		if len(a.keys) > denseFrom || len(a.counts) > fineCount {
			t.Fatalf("%d keys, %d counters", len(a.keys), len(a.counts))
		}
		raw, err := json.Marshal(&a)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(raw, &b); err != nil {
			t.Fatal(err)
		}
		if again, _ := json.Marshal(&b); string(again) != string(raw) {
			t.Fatalf("%s, then %s", raw, again)
		}
		for _, p := range []float64{0.01, 0.5, 1} {
			if v := a.Quantile(p); a.n > 0 && !(v >= a.min && v <= a.max) {
				t.Fatalf("p%g is %g of %g to %g", 100*p, v, a.min, a.max)
			}
		}
		a.Above(1)
		b.Merge(&a)
		SectionQuantile([]*Sketch{&a, &b, &a, &b, &a, &b}, 0.99, 0.95)
	})
}

func BenchmarkSketchAdd(b *testing.B) {
	x := values(1<<16, 0.5, 1)
	s := &Sketch{}
	for i := 0; b.Loop(); i++ {
		s.Add(x[i&(1<<16-1)])
	}
}
