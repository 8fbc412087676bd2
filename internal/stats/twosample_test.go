package stats

import (
	"math"
	"math/rand/v2"
	"testing"
)

func TestPermutation(t *testing.T) {
	for _, c := range []struct {
		name string
		a, b []float64
		want float64
	}{
		{"apart", []float64{1, 2, 3, 4}, []float64{5, 6, 7, 8}, 1.0 / 70},
		{"the other way", []float64{5, 6, 7, 8}, []float64{1, 2, 3, 4}, 1},
		{"all alike", []float64{2, 2, 2}, []float64{2, 2}, 1},
		{"one between", []float64{1, 2, 3, 5}, []float64{4, 6, 7, 8}, 2.0 / 70}, // sums of at least 25: 5678 and 4678
		{"rounding", []float64{0.1, 0.2}, []float64{0.3, 0.1 + 0.2}, 1.0 / 6},
		{"none", nil, []float64{1}, 1},
	} {
		if got := Permutation(c.a, c.b, 1); math.Abs(got-c.want) > 1e-12 {
			t.Errorf("%s: p %v, want %v", c.name, got, c.want)
		}
	}
}

// Above 12870 splits draws stand in for all of them: near the exact p-value, the same for the same seed, and never 0.
func TestPermutationDraws(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	a, b := make([]float64, 12), make([]float64, 11)
	for i := range a {
		a[i] = r.NormFloat64()
	}
	for i := range b {
		b[i] = r.NormFloat64() + 0.6
	}
	hits, splits := 0, 0
	all := append(append([]float64{}, a...), b...)
	sum := 0.0
	for _, v := range b {
		sum += v
	}
	hits, splits = countSplits(all, len(b), sum-1e-9)
	exact := float64(hits) / float64(splits)
	if splits != int(Splits(12, 11)) {
		t.Errorf("%d splits, want %v", splits, Splits(12, 11))
	}
	got := Permutation(a, b, 1)
	if math.Abs(got-exact) > 4*math.Sqrt(exact*(1-exact)/maxSplits) || got != Permutation(a, b, 1) {
		t.Errorf("p %v, and of all splits %v", got, exact)
	}
	for i := range b {
		b[i] += 100
	}
	if p := Permutation(a, b, 1); !(p > 0 && p < 1e-3) {
		t.Errorf("p %v of samples far apart", p)
	}
}

func TestSplits(t *testing.T) {
	for _, c := range []struct {
		n, m int
		want float64
	}{{4, 4, 70}, {8, 8, 12870}, {1, 9, 10}, {0, 3, 1}, {12, 11, 1352078}} {
		if got := Splits(c.n, c.m); got != c.want {
			t.Errorf("%d and %d: %v, want %v", c.n, c.m, got, c.want)
		}
	}
}

func TestStudent(t *testing.T) {
	s := Student{Value: 10, Down: 1, Up: 2, DF: math.Inf(1)}
	lo, hi := s.Interval(0.95)
	if math.Abs(lo-(10-1.959964)) > 1e-5 || math.Abs(hi-(10+2*1.959964)) > 1e-5 {
		t.Errorf("interval [%v, %v]", lo, hi)
	}
	if p := s.Above(lo); math.Abs(p-0.025) > 1e-9 {
		t.Errorf("p %v at the lower end, want 0.025", p)
	}
	if p := s.Negative().Above(-hi); math.Abs(p-0.025) > 1e-9 {
		t.Errorf("p %v at the upper end, want 0.025", p)
	}
	if p := (Student{Value: 1, DF: 4}).Above(0); p != 0 {
		t.Errorf("p %v where there is no error", p)
	}
	if p := (Student{DF: 4}).Above(0); p != 1 {
		t.Errorf("p %v of nothing", p)
	}
	if d := (Student{Down: 1, Up: 1, DF: math.Inf(1)}).Detectable(0.025, 0.8); math.Abs(d-2.80159) > 1e-4 { // 1.95996 + 0.84162
		t.Errorf("detectable %v", d)
	}
	w := s.Widened(1.959964*3, 0.95)
	if math.Abs(w.Down-math.Sqrt(10)) > 1e-5 || math.Abs(w.Up-math.Sqrt(13)) > 1e-5 {
		t.Errorf("widened to %v and %v", w.Down, w.Up)
	}
}

// For four degrees of freedom P(T > t) = 1/2 - 3/8 t/√(1+t²/4) (1 - t²/(12 (1+t²/4))). One value of 6 after 1 to 5 has
// t = 3 / (√2.5 √1.2) = √3, so 0.0791.
func TestPrediction(t *testing.T) {
	s := Prediction([]float64{1, 2, 3, 4, 5}, []float64{6})
	if p := s.Above(0); s.DF != 4 || s.Value != 3 || math.Abs(p-0.0791) > 1e-4 {
		t.Errorf("%+v, p %v", s, p)
	}
	mirrored := Prediction([]float64{6}, []float64{1, 2, 3, 4, 5})
	if mirrored.Value != -3 || mirrored.Down != s.Down {
		t.Errorf("mirrored %+v, not %+v", mirrored, s)
	}
	if s := Prediction([]float64{1}, []float64{2}); !math.IsInf(s.Down, 1) {
		t.Errorf("single values have an error of %v", s.Down)
	}
	// 1, 2 and 3, 5 pooled have variance (0.5+2)/2 and two degrees of freedom.
	if s := Prediction([]float64{1, 2}, []float64{3, 5}); s.DF != 2 || math.Abs(s.Down-math.Sqrt(1.25)) > 1e-12 {
		t.Errorf("pooled %+v", s)
	}
}

// Newcombe's own examples: 56/70 against 48/80 is 0.0524 to 0.3339, 9/10 against 3/10 is 0.1705 to 0.8090, 10/10 against
// 0/20 is 0.6791 to 1 (table II, method 10).
func TestIndependent(t *testing.T) {
	for _, c := range []struct {
		x1, n1, x2, n2 int
		lo, hi         float64
	}{{56, 70, 48, 80, 0.0524, 0.3339}, {9, 10, 3, 10, 0.1705, 0.8090}, {10, 10, 0, 20, 0.6791, 1}} {
		lo, hi := Independent(Wilson(c.x2, c.n2, 0.95), Wilson(c.x1, c.n1, 0.95)).Interval(0.95)
		if math.Abs(lo-c.lo) > 5e-5 || math.Abs(hi-c.hi) > 5e-5 {
			t.Errorf("%d/%d - %d/%d: [%.4f, %.4f], want [%v, %v]", c.x1, c.n1, c.x2, c.n2, lo, hi, c.lo, c.hi)
		}
	}
}
