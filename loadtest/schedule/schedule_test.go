package schedule

import (
	"math"
	"runtime"
	"slices"
	"testing"
	"time"

	"infer/internal/fault"
)

func mustNew(t testing.TB, o Options) *Schedule {
	t.Helper()
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func flat(rate float64, d time.Duration) []Stage { return []Stage{{rate, rate, d}} }

// walk returns all that a cursor gives.
func walk(c *Cursor) (index []int64, due []time.Duration) {
	for {
		i, d, ok := c.Next()
		if !ok {
			return index, due
		}
		index, due = append(index, i), append(due, d)
	}
}

// kinds are schedules of all kinds, of some thousands of requests each.
func kinds() map[string]Options {
	ramps := []Stage{{0, 400, 4 * time.Second}, {0, 0, time.Second}, {400, 400, 2 * time.Second}, {400, 13, 5 * time.Second}}
	trace := make([]time.Duration, 3000)
	for i := range trace {
		trace[i] = time.Duration(i/3) * time.Millisecond
	}
	k := map[string]Options{
		"trace":         {Trace: trace},
		"trace, cut":    {Trace: trace, Requests: 100},
		"poisson, cut":  {Stages: flat(500, time.Hour), Requests: 2000, Seed: 5},
		"constant, cut": {Arrival: "constant", Stages: flat(300, time.Hour), Requests: 2000},
		"burst, cut":    {Arrival: "burst:7", Stages: flat(300, time.Hour), Requests: 2000},
	}
	for _, a := range []string{"poisson", "constant", "gamma:0.3", "gamma:4", "burst:8"} {
		k[a] = Options{Arrival: a, Stages: flat(500, 10*time.Second), Seed: 1}
		k[a+", ramps"] = Options{Arrival: a, Stages: ramps, Seed: 2}
	}
	return k
}

// TestPure: all cursors of a schedule, and of one made of the same options, agree; the lanes of all shards are the
// whole, without a request twice; moments ascend and lie within the schedule.
func TestPure(t *testing.T) {
	for name, o := range kinds() {
		t.Run(name, func(t *testing.T) {
			s := mustNew(t, o)
			index, due := walk(s.Cursor(0, 1))
			again, dueAgain := walk(mustNew(t, o).Cursor(0, 1))
			if !slices.Equal(index, again) || !slices.Equal(due, dueAgain) {
				t.Error("two cursors differ")
			}
			end := s.Duration()
			for i, x := range index {
				if x != int64(i) || i > 0 && due[i] < due[i-1] || due[i] < 0 || due[i] >= end {
					t.Fatalf("request %d has index %d, due at %v of %v", i, x, due[i], end)
				}
			}
			if n := s.Planned(0, end); n != int64(len(due)) || n < 100 {
				t.Errorf("%d planned, %d in the schedule", n, len(due))
			}
			hash := s.Hash(0)
			const of, lanes = 3, 4
			got := make([]time.Duration, len(due))
			seen := 0
			for shard := range of {
				o.Shard, o.Of = shard, of
				part := mustNew(t, o)
				if part.Hash(0) != hash || part.Duration() != s.Duration() {
					t.Error("a shard has another hash or duration than the whole")
				}
				planned := 0
				for lane := range lanes {
					index, dues := walk(part.Cursor(lane, lanes))
					for k, i := range index {
						if i%of != int64(shard) || i/of%lanes != int64(lane) || dues[k] != due[i] {
							t.Fatalf("shard %d, lane %d: request %d at %v, want %v", shard, lane, i, dues[k], due[i])
						}
						got[i] = dues[k]
					}
					planned += len(index)
				}
				if n := part.Planned(0, math.MaxInt64); n != int64(planned) {
					t.Errorf("shard %d plans %d, its lanes have %d", shard, n, planned)
				}
				seen += planned
			}
			if seen != len(due) || !slices.Equal(got, due) {
				t.Errorf("the shards have %d requests, the whole %d", seen, len(due))
			}
		})
	}
}

// TestGolden: the same moments on every machine and with every version of Go. GOAMD64=v3 and arm64 fuse products and
// sums where they may, GOARCH=386 has other registers: run it there as well after a change.
func TestGolden(t *testing.T) {
	for name, want := range map[string]string{
		"poisson":          "0fc1c78198d43f6f923de998bb88a86062d4df32fbd9f9003071f6b20951922e",
		"poisson, ramps":   "ce0830e8ea80f479596740f8339238e9712983233e0c7cacd0a74c431e384b55",
		"constant":         "494dcbc2a82c2d84e3dcd84f0421958248658410869d4edf2cda2fffcefd51e2",
		"constant, ramps":  "a26f62833527ea453cd4e133bda38a8f5d5e68e9b3d5d689ca1ba5a3990f3eb9",
		"gamma:0.3, ramps": "6daf1829fd5ce2f80f04a690c0d8723a061da311de38fc8f937696b15e83f4de",
		"gamma:4":          "d8ca9213cd848e22f5a56a207f76c4506903b21b4493cf61b2e9e8f555012cae",
		"burst:8":          "fd88beba33c5f4502a7bfc243fbcc48c003d94e2af35043101ee466717141a4d",
		"trace":            "730850f89261a5b8904f3d227b1d8dc6b0e431a8e6c6c604ceb2515e053ac915",
	} {
		if got := mustNew(t, kinds()[name]).Hash(0); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}

// TestConstant: At(i) = i/r to the nearest nanosecond.
func TestConstant(t *testing.T) {
	_, due := walk(mustNew(t, Options{Arrival: "constant", Stages: flat(3, 2*time.Second)}).Cursor(0, 1))
	if want := []time.Duration{0, 333333333, 666666667, 1000000000, 1333333333, 1666666667}; !slices.Equal(due, want) {
		t.Errorf("%v, want %v", due, want)
	}
	for _, c := range []struct {
		i    int64
		rate float64
		want time.Duration
	}{
		{0, 500, 0},
		{1, 7, 142857143},
		{36e12, 1e7, 3600000 * time.Second},
		{35999999999999, 1e7, 3600000*time.Second - 100},
		{3, 1e-6, 3000000 * time.Second},
		{1, 0.5, 2 * time.Second},
		{1, 1e6 / 3.0, 3000},
		{9007199254740993, 1e7, 900719925474099300}, // more digits than a float has; beyond the longest schedule, and still exact
	} {
		if got := exact(c.i, c.rate); got != c.want {
			t.Errorf("%d at %v/s: %d, want %d", c.i, c.rate, got, c.want)
		}
	}
}

// TestRamps: constant arrivals are due when the area under the rate has grown by one.
func TestRamps(t *testing.T) {
	stages := []Stage{{0, 100, 10 * time.Second}, {100, 100, 5 * time.Second}, {0, 0, 2 * time.Second}, {100, 0, 10 * time.Second}, {50, 50, time.Second}}
	s := mustNew(t, Options{Arrival: "constant", Stages: stages})
	_, due := walk(s.Cursor(0, 1))
	if len(due) != 500+500+500+50 { // the areas
		t.Fatalf("%d requests, want 1550", len(due))
	}
	area := func(t float64) float64 { // by hand
		switch {
		case t < 10:
			return 5 * t * t
		case t < 15:
			return 500 + 100*(t-10)
		case t < 17:
			return 1000
		case t < 27:
			return 1000 + 100*(t-17) - 5*(t-17)*(t-17)
		}
		return 1500 + 50*(t-27)
	}
	for i, d := range due {
		// Half a nanosecond at 100/s is 5e-8 of a request.
		if got := area(d.Seconds()); math.Abs(got-float64(i)) > 1e-7 {
			t.Errorf("request %d is due at %v, when %v were asked for", i, d, got)
		}
	}
	if due[1000] != 17*time.Second {
		t.Errorf("the first after a pause is due at %v, want its end", due[1000])
	}
	if n, peak := s.Expected(); n != 1550 || peak != 100 {
		t.Errorf("expected %v requests, peak %v", n, peak)
	}
	if n := s.Planned(10*time.Second, 15*time.Second); n != 500 {
		t.Errorf("%d planned in the second stage, want 500", n)
	}
}

// TestMeans: the number of requests is the area under the rate, within six standard deviations of it (one seed in 10^9
// lies outside). A renewal process has mean Λ + (c²-1)/2 and variance c²·Λ, c the coefficient of variation of its gaps;
// bursts of n have variance n·Λ.
func TestMeans(t *testing.T) {
	stages := []Stage{{100, 1000, 20 * time.Second}, {1000, 1000, 30 * time.Second}, {2000, 0, 10 * time.Second}}
	const mean = 11000 + 30000 + 10000
	for _, c := range []struct {
		arrival  string
		variance float64 // of a request
	}{{"", 1}, {"poisson", 1}, {"constant", 0}, {"gamma:0.5", 2}, {"gamma:0.05", 20}, {"gamma:1", 1}, {"gamma:16", 1.0 / 16}, {"burst:1", 1}, {"burst:10", 10}} {
		for seed := range uint64(2) {
			s := mustNew(t, Options{Arrival: c.arrival, Stages: stages, Seed: seed})
			n := float64(s.Planned(0, s.Duration()))
			bound := 1 + c.variance + 6*math.Sqrt(c.variance*mean)
			if math.Abs(n-mean) > bound {
				t.Errorf("%s, seed %d: %v requests, want %v ± %.0f", c.arrival, seed, n, float64(mean), bound)
			}
			if want, peak := s.Expected(); want != mean || peak != 2000 {
				t.Errorf("%s: expected %v, peak %v", c.arrival, want, peak)
			}
		}
	}
}

// TestExponential: gaps of poisson arrivals are exponential (Kolmogorov-Smirnov at 1 in 10^6: 2.69/√n), also after a
// ramp is undone, and differ from seed to seed.
func TestExponential(t *testing.T) {
	const n = 50000
	for _, c := range []struct {
		name string
		o    Options
		area func(t float64) float64
	}{
		{"flat", Options{Stages: flat(500, time.Hour), Requests: n, Seed: 1}, func(t float64) float64 { return 500 * t }},
		{"ramp", Options{Stages: []Stage{{0, 3600, time.Hour}}, Requests: n, Seed: 2}, func(t float64) float64 { return t * t / 2 }},
		{"gamma of shape 1", Options{Arrival: "gamma:1", Stages: flat(500, time.Hour), Requests: n, Seed: 3}, func(t float64) float64 { return 500 * t }},
	} {
		if d := distance(mustNew(t, c.o), c.area, func(x float64) float64 { return -math.Expm1(-x) }); d > 2.69/math.Sqrt(n) {
			t.Errorf("%s: the distance to the exponential distribution is %v", c.name, d)
		}
	}
	// Gaps of gamma:2 are no exponential ones, and the test can see it; their distribution is 1 - (1+2x)·e^(-2x).
	two := mustNew(t, Options{Arrival: "gamma:2", Stages: flat(500, time.Hour), Requests: n, Seed: 4})
	linear := func(t float64) float64 { return 500 * t }
	if d := distance(two, linear, func(x float64) float64 { return -math.Expm1(-x) }); d < 0.1 {
		t.Errorf("gamma:2 is as exponential: %v", d)
	}
	if d := distance(two, linear, func(x float64) float64 { return 1 - (1+2*x)*math.Exp(-2*x) }); d > 2.69/math.Sqrt(n) {
		t.Errorf("the distance of gamma:2 to its distribution is %v", d)
	}
	// Those of gamma:0.5 are half the square of a normal value, times two: P(X < x) = erf(√(x/2)).
	half := mustNew(t, Options{Arrival: "gamma:0.5", Stages: flat(500, time.Hour), Requests: n, Seed: 5})
	// Rounding to nanoseconds matters here: below 1e-9·500 gaps are 0. erf(√(2.5e-7)) = 6e-4.
	if d := distance(half, linear, func(x float64) float64 { return math.Erf(math.Sqrt(x / 2)) }); d > 2.69/math.Sqrt(n)+6e-4 {
		t.Errorf("the distance of gamma:0.5 to its distribution is %v", d)
	}
}

// distance is the greatest between the distribution of gaps, at a rate of one, and the one given.
func distance(s *Schedule, area, cdf func(float64) float64) float64 {
	_, due := walk(s.Cursor(0, 1))
	gaps := make([]float64, len(due))
	last := 0.0
	for i, d := range due {
		now := area(float64(d) / 1e9)
		gaps[i], last = now-last, now
	}
	slices.Sort(gaps)
	worst := 0.0
	for i, g := range gaps {
		p := cdf(g)
		worst = max(worst, p-float64(i)/float64(len(gaps)), float64(i+1)/float64(len(gaps))-p)
	}
	return worst
}

func TestSeeds(t *testing.T) {
	seen := map[string]uint64{}
	for seed := range uint64(100) {
		h := mustNew(t, Options{Stages: flat(100, time.Second), Seed: seed}).Hash(0)
		if other, ok := seen[h]; ok {
			t.Errorf("seeds %d and %d give the same schedule", other, seed)
		}
		seen[h] = seed
	}
}

func TestBursts(t *testing.T) {
	_, due := walk(mustNew(t, Options{Arrival: "burst:5", Stages: flat(100, time.Minute), Seed: 1}).Cursor(0, 1))
	at := map[time.Duration]int{}
	for _, d := range due {
		at[d]++
	}
	for d, n := range at {
		if n != 5 {
			t.Errorf("%d requests at %v, want 5", n, d)
		}
	}
}

func TestDuration(t *testing.T) {
	for _, c := range []struct {
		name string
		o    Options
		want time.Duration
	}{
		{"stages", Options{Stages: []Stage{{1, 2, time.Second}, {0, 0, time.Minute}}}, 61 * time.Second},
		{"requests end it", Options{Arrival: "constant", Stages: flat(10, time.Hour), Requests: 25}, 2500 * time.Millisecond},
		{"more than there are", Options{Arrival: "constant", Stages: flat(10, time.Second), Requests: 25}, time.Second},
		{"trace", Options{Trace: []time.Duration{0, 1e9, 5e9}}, 7500 * time.Millisecond},
		{"trace, cut", Options{Trace: []time.Duration{0, 1e9, 5e9}, Requests: 2}, 5 * time.Second},
		{"trace of one", Options{Trace: []time.Duration{0}}, 1},
		{"trace of one moment, cut", Options{Trace: []time.Duration{3, 3, 3, 3}, Requests: 2}, 4},
	} {
		s := mustNew(t, c.o)
		if got := s.Duration(); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
		if n, _ := s.Expected(); c.o.Trace != nil && n != float64(s.Planned(0, s.Duration())) {
			t.Errorf("%s: %v expected, %d planned", c.name, n, s.Planned(0, s.Duration()))
		}
	}
}

func TestTracePeak(t *testing.T) {
	var trace []time.Duration
	for i := range 100 { // one a second, and ten in one of them
		trace = append(trace, time.Duration(i)*time.Second)
		if i == 50 {
			for k := range 9 {
				trace = append(trace, time.Duration(i)*time.Second+time.Duration(k)*100*time.Millisecond)
			}
		}
	}
	if n, peak := mustNew(t, Options{Trace: trace, Of: 2}).Expected(); n != 54.5 || peak != 5 {
		t.Errorf("%v requests, peak %v; want 54.5 and 5 of one of two shards", n, peak)
	}
	if _, peak := mustNew(t, Options{Trace: []time.Duration{0, 10e6, 20e6}}).Expected(); math.Abs(peak-100) > 1 {
		t.Errorf("three in 30 ms: %v/s", peak)
	}
}

func TestRefused(t *testing.T) {
	second := time.Second
	for name, o := range map[string]Options{
		"nothing":            {},
		"no stage":           {Arrival: "constant"},
		"zero rate":          {Stages: flat(0, second)},
		"negative rate":      {Stages: flat(-1, second)},
		"NaN":                {Stages: []Stage{{1, math.NaN(), second}}},
		"NaN first":          {Stages: []Stage{{math.NaN(), 1, second}}},
		"infinite":           {Stages: flat(math.Inf(1), second)},
		"absurd":             {Stages: flat(1.1e7, second)},
		"hardly any":         {Stages: flat(1e-7, second)},
		"denormal":           {Stages: flat(5e-324, second)},
		"zero duration":      {Stages: flat(1, 0)},
		"negative duration":  {Stages: flat(1, -second)},
		"too long":           {Stages: flat(1, 1000*time.Hour+1)},
		"too long in all":    {Stages: []Stage{{1, 1, 600 * time.Hour}, {1, 1, 600 * time.Hour}}},
		"too many":           {Stages: flat(1e7, time.Hour)},
		"negative requests":  {Stages: flat(1, second), Requests: -1},
		"unknown arrival":    {Arrival: "uniform", Stages: flat(1, second)},
		"negative shard":     {Stages: flat(1, second), Shard: -1, Of: 2},
		"shard beyond":       {Stages: flat(1, second), Shard: 2, Of: 2},
		"negative shards":    {Stages: flat(1, second), Of: -1},
		"empty trace":        {Trace: []time.Duration{}},
		"trace and stages":   {Trace: []time.Duration{0}, Stages: flat(1, second)},
		"descending trace":   {Trace: []time.Duration{2, 1}},
		"trace before start": {Trace: []time.Duration{-1, 1}},
		"trace too long":     {Trace: []time.Duration{0, 1001 * time.Hour}},
	} {
		if s, err := New(o); fault.KindOf(err) != fault.Usage || fault.HintOf(err) == "" || s != nil {
			t.Errorf("%s: %v (hint %q)", name, err, fault.HintOf(err))
		}
	}
	if _, err := New(Options{Stages: flat(1e7, time.Hour), Requests: 1000}); err != nil {
		t.Errorf("a bound of its own makes it small: %v", err)
	}
}

func TestCursorPanics(t *testing.T) {
	s := mustNew(t, Options{Stages: flat(1, time.Second)})
	for _, c := range [][2]int{{-1, 1}, {1, 1}, {0, 0}} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("lane %d of %d is one", c[0], c[1])
				}
			}()
			s.Cursor(c[0], c[1])
		}()
	}
}

// TestMemory: Next allocates nothing, and a schedule takes no more memory for being long.
func TestMemory(t *testing.T) {
	for name, o := range kinds() {
		s := mustNew(t, o)
		c := s.Cursor(0, 1)
		if n := testing.AllocsPerRun(1000, func() { c.Next() }); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	s := mustNew(t, Options{Stages: flat(1e6, 2*time.Hour)})
	runtime.ReadMemStats(&after)
	if n := after.TotalAlloc - before.TotalAlloc; n > 1<<16 {
		t.Errorf("%d bytes for a schedule of 7.2 billion requests", n)
	}
	runtime.KeepAlive(s)
}

func BenchmarkNext(b *testing.B) {
	for _, arrival := range []string{"constant", "poisson", "gamma:0.5", "burst:8"} {
		b.Run(arrival, func(b *testing.B) {
			c := mustNew(b, Options{Arrival: arrival, Stages: []Stage{{1e4, 1e5, 10 * time.Hour}}}).Cursor(0, 1)
			for b.Loop() {
				c.Next()
			}
		})
	}
}
