package stats

import (
	"math"
	"math/rand/v2"
	"testing"
)

// split cuts x into m sketches.
func split(x []float64, m int) []*Sketch {
	out := make([]*Sketch, m)
	for i := range out {
		out[i] = sketchOf(x[i*len(x)/m : (i+1)*len(x)/m])
	}
	return out
}

// TestSectionQuantileIndependent: what looks independent gets the interval of order statistics, to the error of a
// sketch. Of 10 000 values that of the 99th percentile is from the 9880th to the 9920th (Ranks).
func TestSectionQuantileIndependent(t *testing.T) {
	x := values(10_000, 0.5, 2)
	sorted := Sorted(x)
	for _, p := range []float64{0.5, 0.9, 0.99} {
		want := Quantile(sorted, p, 0.95)
		e, method, reliable := SectionQuantile(split(x, 24), p, 0.95)
		if method != "order-statistic" || !reliable || !e.OK || e.N != 10_000 || e.Need != want.Need {
			t.Errorf("p%g: %+v %s %v", 100*p, e, method, reliable)
		}
		for _, c := range [][2]float64{{e.Value, want.Value}, {e.Lo, want.Lo}, {e.Hi, want.Hi}} {
			if math.Abs(c[0]/c[1]-1) > 1.0/2048 {
				t.Errorf("p%g: %+v, want %+v", 100*p, e, want)
			}
		}
	}
}

// TestSectionQuantileCopies: values that come 20 times each are worth as many as there are different ones, so the
// interval is at least that of the different ones, and not much more.
func TestSectionQuantileCopies(t *testing.T) {
	once := values(4000, 0.5, 3)
	var x []float64
	for _, v := range once {
		for range 20 {
			x = append(x, v)
		}
	}
	// The dispersion is 20 on average; its estimate from 24 counts is within half and double of that.
	e, method, reliable := SectionQuantile(split(x, 24), 0.99, 0.95)
	want := Quantile(Sorted(once), 0.99, 0.95)
	plain := Quantile(Sorted(x), 0.99, 0.95)
	if method != "sections" || !reliable {
		t.Errorf("%s, reliable %v", method, reliable)
	}
	width, least := math.Log(e.Hi/e.Lo), math.Log(want.Hi/want.Lo)
	if width < 0.7*least || width > 2*least || width < 2*math.Log(plain.Hi/plain.Lo) {
		t.Errorf("[%g, %g], want about [%g, %g]", e.Lo, e.Hi, want.Lo, want.Hi)
	}
}

// TestSectionQuantileBurst: one burst in a long quiet run makes its p99, and nothing says how often such a burst comes.
func TestSectionQuantileBurst(t *testing.T) {
	x := values(20_000, 0.1, 4)
	for i := 9000; i < 9400; i++ {
		x[i] = 1
	}
	e, method, reliable := SectionQuantile(split(x, 24), 0.99, 0.95)
	if method != "sections" || reliable || e.Lo > 2e-3 || e.Hi < 0.999 {
		t.Errorf("%+v %s %v", e, method, reliable)
	}
}

// TestSectionQuantileOdd: small, tied, empty and few.
func TestSectionQuantileOdd(t *testing.T) {
	tied := make([]float64, 5000)
	for i := range tied {
		tied[i] = 0.25
	}
	two := append([]float64{}, tied...)
	for i := 0; i < len(two); i += 50 {
		two[i] = 1
	}
	empty := append(make([]*Sketch, 5), split(values(1000, 0.5, 5), 24)...)
	empty = append(empty, &Sketch{}, nil)
	for _, c := range []struct {
		name     string
		sections []*Sketch
		p        float64
		ok       bool
		method   string
		reliable bool
		lo, hi   float64
	}{
		{"tied", split(tied, 24), 0.99, true, "order-statistic", true, 0.25, 0.25},
		{"tied, p50", split(tied, 24), 0.5, true, "order-statistic", true, 0.25, 0.25},
		{"one of fifty", split(two, 24), 0.99, true, "order-statistic", true, 1, 1},
		{"one of fifty, p90", split(two, 24), 0.9, true, "order-statistic", true, 0.25, 0.25},
		{"nothing", make([]*Sketch, 24), 0.99, false, "", false, 0, 0},
		{"none", nil, 0.5, false, "", false, 0, 0},
		{"367, one too few", split(values(367, 0.5, 1), 24), 0.99, false, "", false, 0, 0},
		{"five", split(values(5, 0.5, 1), 24), 0.5, false, "", false, 0, 0},
		{"p of 1", split(tied, 24), 1, false, "", false, 0, 0},
		{"empty ones", empty, 0.9, true, "order-statistic", true, 0, 1},
		{"one section", split(values(1000, 0.5, 5), 1), 0.9, true, "order-statistic", false, 0, 1},
	} {
		e, method, reliable := SectionQuantile(c.sections, c.p, 0.95)
		if e.OK != c.ok || method != c.method || reliable != c.reliable || e.Lo < c.lo-1e-3 || e.Hi > c.hi+1e-3 || e.Lo > e.Value && e.OK || e.Hi < e.Value && e.OK {
			t.Errorf("%s: %+v, %q, reliable %v", c.name, e, method, reliable)
		}
	}
	// 368 values are enough, as for Quantile.
	if e, _, _ := SectionQuantile(split(values(368, 0.5, 1), 24), 0.99, 0.95); !e.OK || e.Need != 368 {
		t.Errorf("%+v", e)
	}
}

// TestSectionQuantileCoverage: on a queue at 80 % load (one server, service of CV 0.3, Poisson arrivals) the interval of
// p99 over 10 000 requests covers the truth in nine of ten runs. Order statistics do in one of four. scripts/coverage
// has more loads, sizes and runs; this many runs with a fixed seed are to notice that something broke.
func TestSectionQuantileCoverage(t *testing.T) {
	const (
		runs  = 100
		n     = 10_000
		truth = 12.38 // of p99, in mean service times, from 20 million requests
	)
	var covered, plain int
	for run := range runs {
		r := rand.New(rand.NewPCG(uint64(run), 11))
		var wait float64
		x := make([]float64, 0, n)
		for i := range n + 2000 {
			wait = max(0, wait-r.ExpFloat64()/0.8)
			wait += math.Exp(0.29356*r.NormFloat64() - 0.043089)
			if i >= 2000 {
				x = append(x, wait)
			}
		}
		e, _, _ := SectionQuantile(split(x, 24), 0.99, 0.95)
		if e.Lo <= truth && truth <= e.Hi {
			covered++
		}
		if q := Quantile(Sorted(x), 0.99, 0.95); q.Lo <= truth && truth <= q.Hi {
			plain++
		}
	}
	if covered < 90 || plain > 50 {
		t.Errorf("%d of %d intervals cover the truth, %d of order statistics", covered, runs, plain)
	}
}

// Of 4 counts of 100 trials each, 10 hits on average: 5, 15, 5, 15 are off by 5 each, so the variance of a count is
// 4·25/3 = 33.3, and of a binomial 9: 3.7.
func TestDispersion(t *testing.T) {
	sizes := []float64{100, 100, 100, 100}
	if d := Dispersion([]float64{5, 15, 5, 15}, sizes); math.Abs(d-33.3333/9) > 1e-4 {
		t.Errorf("d = %g", d)
	}
	for _, hits := range [][]float64{{0, 0, 0, 0}, {100, 100, 100, 100}} {
		if d := Dispersion(hits, sizes); d != 1 {
			t.Errorf("%v: d = %g", hits, d)
		}
	}
	if d := Dispersion([]float64{1}, []float64{2}); d != 1 {
		t.Errorf("one: d = %g", d)
	}
	if d := Dispersion(nil, nil); d != 1 {
		t.Errorf("none: d = %g", d)
	}
}

// effectiveRanks of values that are worth themselves are Ranks, give or take what rounding outwards adds.
func TestEffectiveRanks(t *testing.T) {
	for _, c := range []struct {
		n int
		p float64
	}{{10_000, 0.99}, {1000, 0.9}, {500, 0.5}, {368, 0.99}} {
		l, u := Ranks(c.n, c.p, 0.95)
		lo, hi, ok := effectiveRanks(float64(c.n), 1, c.p, 0.95)
		if !ok || int(lo) > l || int(lo) < l-1 || int(hi) < u-1 || int(hi) > u {
			t.Errorf("%d, p%g: %d to %d (%v), want %d to %d", c.n, 100*c.p, lo, hi, ok, l, u)
		}
	}
	// 3670 values worth 367 are one too few.
	if _, hi, ok := effectiveRanks(3670, 10, 0.99, 0.95); ok || hi != 3670 {
		t.Errorf("up to %d, %v", hi, ok)
	}
	if _, _, ok := effectiveRanks(3690, 10, 0.99, 0.95); !ok {
		t.Error("369 are enough")
	}
	if lo, hi, ok := effectiveRanks(100, 90, 0.5, 0.95); ok || lo != 1 || hi != 100 {
		t.Errorf("%d to %d, %v", lo, hi, ok)
	}
}

// Four parts of one second with 8, 12, 10, 10 events: 10 a second, deviation √(8/3) = 1.633 of a part, so ±t(3)·1.633/√4
// = 3.182·0.8165 = 2.598. EffectiveN is 4: neighbours are off in opposite directions.
func TestSectionRatio(t *testing.T) {
	e := SectionRatio([]float64{8, 12, 10, 10}, []float64{1, 1, 1, 1}, 0.95)
	if !e.OK || e.Value != 10 || math.Abs(e.Hi-12.598) > 1e-3 || math.Abs(e.Lo-7.402) > 1e-3 {
		t.Errorf("%+v", e)
	}
	// A longer part counts for more; an empty one for nothing.
	if e := SectionRatio([]float64{10, 0, 40}, []float64{1, 0, 3}, 0.95); e.Value != 12.5 || e.N != 2 {
		t.Errorf("%+v", e)
	}
	if e := SectionRatio([]float64{10}, []float64{2}, 0.95); e.OK || e.Value != 5 {
		t.Errorf("%+v", e)
	}
	if e := SectionRatio([]float64{1e308, 1e308, 0}, []float64{1, 1, 1}, 0.95); e.OK {
		t.Errorf("%+v", e)
	}
	if e := SectionRatio(nil, nil, 0.95); e.OK {
		t.Errorf("%+v", e)
	}
}

func TestSectionShare(t *testing.T) {
	sizes, even, burst := make([]float64, 24), make([]float64, 24), make([]float64, 24)
	for i := range sizes {
		sizes[i], even[i] = 100, 1
	}
	burst[7] = 24
	want := Wilson(24, 2400, 0.95)
	e, method := SectionShare(even, sizes, 0.95)
	if method != "wilson" || math.Abs(e.Lo-want.Lo) > 1e-12 || math.Abs(e.Hi-want.Hi) > 1e-12 || e.N != 2400 {
		t.Errorf("%+v %s, want %+v", e, method, want)
	}
	if e, method = SectionShare(burst, sizes, 0.95); method != "sections" || e.Hi < 3*want.Hi || e.Value < 0.0099 || e.Value > 0.0101 {
		t.Errorf("%+v %s", e, method)
	}
	if e, method = SectionShare(make([]float64, 24), sizes, 0.95); method != "wilson" || e.Lo != 0 || e.Value != 0 || e.Hi <= 0 {
		t.Errorf("%+v %s", e, method)
	}
	if e, _ = SectionShare(nil, nil, 0.95); e.OK {
		t.Errorf("%+v", e)
	}
}
