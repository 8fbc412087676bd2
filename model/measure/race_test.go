package measure

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"infer/internal/progress"
	"infer/model"
	"infer/model/engine"
	"infer/model/tensor"
)

// track is a race on a fake clock: a run of entrant i lasts mean[i] seconds, more or less.
type track struct {
	mean  []float64
	noise float64             // standard deviation of a run, relative
	wave  float64             // of what all are slower or faster for 50 ms
	drift float64             // how much slower all get in a second
	row   bool                // short runs are timed in a row
	fail  func(run int) error // of the run-th run
	r     *rand.Rand
	clock float64
	runs  int
	slot  int     // of 50 ms
	level float64 // of the wave in it
	order []int   // entrants by block, neighbouring ones of the same as one
}

func (k *track) once(i int) (float64, error) {
	if slot := 1 + int(k.clock/0.05); slot != k.slot {
		k.slot, k.level = slot, math.Exp(k.wave*k.r.NormFloat64())
	}
	if len(k.order) == 0 || k.order[len(k.order)-1] != i {
		k.order = append(k.order, i)
	}
	k.runs++
	if k.fail != nil {
		if err := k.fail(k.runs); err != nil {
			return 0, err
		}
	}
	d := k.mean[i] * k.level * math.Exp(k.noise*k.r.NormFloat64()) * (1 + k.drift*k.clock)
	k.clock += d
	return d, nil
}

func (k *track) race(t *testing.T, ctx context.Context, o RaceOptions) (*RaceResult, error) {
	t.Helper()
	var runs []Run
	var timed []Timed
	for i := range k.mean {
		runs = append(runs, func(context.Context) error { _, err := k.once(i); return err })
		timed = append(timed, func(_ context.Context, row []float64) (n int, err error) {
			for n = range row {
				if row[n], err = k.once(i); err != nil {
					return n, err
				}
			}
			return len(row), nil
		})
	}
	if !k.row {
		timed = nil
	}
	if k.r == nil {
		k.r = rand.New(rand.NewPCG(1, 2))
	}
	r := newRace(runs, timed, o)
	r.now = func() time.Duration { return time.Duration(k.clock * 1e9) }
	return r.run(ctx)
}

func TestRaceOutcomes(t *testing.T) {
	for _, tt := range []struct {
		name  string
		track track
		o     RaceOptions
		want  []Outcome
	}{
		{"clear", track{mean: []float64{1e-3, 0.5e-3, 2e-3, 1e-3}, noise: 0.05, wave: 0.01}, RaceOptions{}, []Outcome{"", Faster, Slower, Equal}},
		{"in a row", track{mean: []float64{1e-5, 0.5e-5, 2e-5, 1e-5}, noise: 0.05, wave: 0.01, row: true}, RaceOptions{}, []Outcome{"", Faster, Slower, Equal}},
		{"two per cent are found", track{mean: []float64{1e-3, 0.98e-3, 1.02e-3}, noise: 0.05, wave: 0.01}, RaceOptions{}, []Outcome{"", Faster, Slower}},
		{"while the machine slows down", track{mean: []float64{1e-3, 0.9e-3, 1.1e-3, 1e-3}, noise: 0.02, drift: 0.3}, RaceOptions{}, []Outcome{"", Faster, Slower, Equal}},
		{"no time", track{mean: []float64{1e-3, 1e-3}, noise: 0.2, wave: 0.2}, RaceOptions{MaxTime: time.Second}, []Outcome{"", Undecided}},
		{"no rounds", track{mean: []float64{1e-3, 0.5e-3}}, RaceOptions{MaxRounds: 6}, []Outcome{"", Undecided}},
		{"seven rounds", track{mean: []float64{1e-3, 0.5e-3}}, RaceOptions{MaxRounds: 7}, []Outcome{"", Faster}},
		{"the third is not worth its time", track{mean: []float64{1e-3, 0.5e-3, 0.99e-3}, noise: 0.1, wave: 0.1}, RaceOptions{Drop: true}, []Outcome{"", Faster, Dropped}},
		{"it is without the first", track{mean: []float64{1e-3, 0.99e-3}, noise: 0.1, wave: 0.1}, RaceOptions{Drop: true, MaxTime: time.Second}, []Outcome{"", Undecided}},
		{"alone", track{mean: []float64{1e-3}}, RaceOptions{}, []Outcome{""}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := tt.track.race(t, t.Context(), tt.o)
			if err != nil {
				t.Fatal(err)
			}
			for i, c := range got.Contenders {
				if c.Outcome != tt.want[i] {
					t.Errorf("%d is %s, want %s: %+v", i, c.Outcome, tt.want[i], c)
				}
				if i == 0 || !c.Speedup.OK {
					continue
				}
				if want := tt.track.mean[0] / tt.track.mean[i]; c.Speedup.Lo > want || c.Speedup.Hi < want || c.Speedup.N != c.Rounds {
					t.Errorf("%d: speedup %+v, really %v", i, c.Speedup, want)
				}
			}
		})
	}
}

// Two runs of the same model end equal or undecided; how often one looks slower, or faster, is bounded by the 2.5 % of
// each side, whatever the noise and however often the race has looked.
func TestRaceOfEquals(t *testing.T) {
	for _, tt := range []struct {
		name    string
		wave    float64
		maxTime time.Duration
	}{{"quiet", 0.01, 10 * time.Second}, {"noisy", 0.05, 10 * time.Second}, {"loud", 0.3, 30 * time.Second}} {
		const races = 600
		count := map[Outcome]int{}
		for seed := range uint64(races) {
			k := track{mean: []float64{5e-3, 5e-3}, noise: 0.01, wave: tt.wave, r: rand.New(rand.NewPCG(seed, 9))}
			got, err := k.race(t, t.Context(), RaceOptions{Seed: seed, MaxTime: tt.maxTime})
			if err != nil {
				t.Fatal(err)
			}
			count[got.Contenders[1].Outcome]++
		}
		// 2.5 % of 600 is 15, and three standard deviations of that count are 11.
		if count[Slower] > 26 || count[Faster] > 26 {
			t.Errorf("%s: %v of %d", tt.name, count, races)
		}
		if tt.wave < 0.02 && count[Equal] < races*9/10 {
			t.Errorf("%s: %v of %d, want most equal", tt.name, count, races)
		}
		t.Logf("%s: %v", tt.name, count)
	}
}

// The blocks of a fast run last 30 ms, those of a slow one are five runs, and fewer where the rounds would not fit.
func TestRaceBlocks(t *testing.T) {
	for _, tt := range []struct {
		name   string
		mean   float64
		o      RaceOptions
		runs   int // a round
		rounds int
	}{
		{"30 ms", 1e-3, RaceOptions{}, 30, 7},
		{"five runs", 0.02, RaceOptions{}, 5, 7},
		{"as many as fit: 20 s less 0.8 s of warm-up are 6 runs a block", 0.2, RaceOptions{MaxTime: 20 * time.Second, BlockRuns: 20}, 6, 7},
		{"one", 2, RaceOptions{MaxTime: 30 * time.Second}, 1, 6}, // 8 s of warm-up leave 5.5 rounds of 4 s
		{"more rounds", 1e-3, RaceOptions{MinRounds: 12}, 30, 12},
		{"longer blocks", 1e-3, RaceOptions{BlockTime: 50 * time.Millisecond, BlockRuns: 60}, 60, 7},
	} {
		k := track{mean: []float64{tt.mean, tt.mean}}
		got, err := k.race(t, t.Context(), tt.o)
		if err != nil {
			t.Fatal(err)
		}
		if c := got.Contenders[1]; c.Runs != tt.runs*tt.rounds || c.Rounds != tt.rounds || got.Rounds != tt.rounds {
			t.Errorf("%s: %d runs in %d rounds, want %d in %d", tt.name, c.Runs, c.Rounds, tt.runs*tt.rounds, tt.rounds)
		}
	}
}

// The order of a round is drawn from the seed. A candidate that is decided sits out.
func TestRaceOrder(t *testing.T) {
	order := func(seed uint64) []int {
		k := track{mean: []float64{1e-3, 0.5e-3, 1e-3}, noise: 0.1, wave: 0.1}
		got, err := k.race(t, t.Context(), RaceOptions{MaxRounds: 12, Seed: seed})
		if err != nil {
			t.Fatal(err)
		}
		if got.Contenders[0].Rounds != 12 || got.Contenders[1].Rounds != 7 || got.Contenders[2].Rounds != 12 {
			t.Errorf("%+v", got)
		}
		return k.order
	}
	one, two := order(1), order(2)
	if slices.Equal(one, two) || !slices.Equal(one, order(1)) {
		t.Errorf("seed 1 gives %v, seed 2 %v, seed 1 again %v", one, two, order(1))
	}
}

func TestRacePercentiles(t *testing.T) {
	k := track{mean: []float64{1e-3, 0.5e-3}}
	got, err := k.race(t, t.Context(), RaceOptions{MinRounds: 20})
	if err != nil {
		t.Fatal(err)
	}
	c := got.Contenders[1] // 60 runs a round
	if !c.P50.OK || !c.P99.OK || math.Abs(c.P50.Value-0.5e-3) > 1e-9 || c.P99.N != 1200 {
		t.Errorf("%+v", c)
	}
	few, _ := (&track{mean: []float64{0.1, 0.1}}).race(t, t.Context(), RaceOptions{})
	if c := few.Contenders[1]; !c.P50.OK || c.P99.OK || c.P99.Need != 368 {
		t.Errorf("%+v", c)
	}
}

func TestRaceEnds(t *testing.T) {
	broken := errors.New("broken")
	for _, tt := range []struct {
		name   string
		row    bool
		at     int // run that fails, or that cancels
		cancel bool
		rounds int
	}{
		// 60 runs of warm-up, then 62 a round.
		{"fails", false, 60 + 62 + 40, false, 1},
		{"fails in a row", true, 60 + 62 + 40, false, 1},
		{"fails while warming up", false, 1, false, 0},
		{"cancelled", false, 60 + 3*62 + 10, true, 3},
		{"cancelled in a row", true, 60 + 3*62 + 10, true, 3},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			k := track{mean: []float64{1e-3, 1e-3}, row: tt.row}
			k.fail = func(run int) error {
				if run != tt.at {
					return nil
				}
				if tt.cancel {
					cancel()
				}
				return broken
			}
			got, err := k.race(t, ctx, RaceOptions{})
			if tt.cancel && err != nil || !tt.cancel && !errors.Is(err, broken) {
				t.Fatalf("error %v", err)
			}
			if got.Interrupted != tt.cancel || got.Rounds != tt.rounds || got.Contenders[1].Runs != 30*tt.rounds {
				t.Errorf("%+v", got)
			}
		})
	}
	if _, err := Race(t.Context(), nil, nil, RaceOptions{}); err == nil {
		t.Error("a race of none is accepted")
	}
	if _, err := Race(t.Context(), make([]Run, 2), make([]Timed, 1), RaceOptions{}); err == nil {
		t.Error("a race with too few timers is accepted")
	}
	if _, err := Race(t.Context(), make([]Run, 2), nil, RaceOptions{MaxTime: -1}); err == nil {
		t.Error("a race of negative time is accepted")
	}
}

func TestRaceReports(t *testing.T) {
	var got []progress.Event
	k := track{mean: []float64{1e-3, 0.5e-3}}
	if _, err := k.race(t, t.Context(), RaceOptions{Progress: func(e progress.Event) { got = append(got, e) }}); err != nil {
		t.Fatal(err)
	}
	last := got[len(got)-1]
	if len(got) != 8 || last.Note != "7 rounds, 1 of 1 decided" || last.Unit != "s" || last.Total != 30 {
		t.Errorf("%d events, the last %+v", len(got), last)
	}
}

// Bind takes the fastest path that a session has.
func TestBind(t *testing.T) {
	in := []tensor.Tensor{{Name: "x"}}
	plain := &session{}
	run, timed, release, err := Bind(t.Context(), plain, in)
	if err != nil || timed != nil {
		t.Fatalf("error %v, timed %v", err, timed != nil)
	}
	if err := run(t.Context()); err != nil || plain.runs != 1 {
		t.Errorf("error %v, %d runs", err, plain.runs)
	}
	release()

	b := &boundSession{}
	run, timed, release, err = Bind(t.Context(), b, in)
	if err != nil || timed == nil {
		t.Fatalf("error %v, timed %v", err, timed != nil)
	}
	if n, err := timed(t.Context(), make([]float64, 3)); n != 3 || err != nil {
		t.Errorf("%d runs, error %v", n, err)
	}
	if err := run(t.Context()); err != nil || b.bound.runs != 4 || b.runs != 0 {
		t.Errorf("error %v, %d bound runs, %d others", err, b.bound.runs, b.runs)
	}
	if release(); !b.bound.closed {
		t.Error("release leaves the buffers")
	}
	b.err = errors.New("no memory")
	if _, _, _, err := Bind(t.Context(), b, in); !errors.Is(err, b.err) {
		t.Errorf("error %v", err)
	}
}

type session struct{ runs int }

func (s *session) Inputs() []model.Port  { return nil }
func (s *session) Outputs() []model.Port { return make([]model.Port, 2) }
func (s *session) Run(_ context.Context, _, out []tensor.Tensor) error {
	s.runs += len(out) / 2
	return nil
}
func (s *session) Close() error { return nil }

type boundSession struct {
	session
	bound bound
	err   error
}

func (s *boundSession) Bind(context.Context, []tensor.Tensor) (engine.Bound, error) {
	return &s.bound, s.err
}

type bound struct {
	runs   int
	closed bool
}

func (b *bound) Run(context.Context) error { b.runs++; return nil }
func (b *bound) RunTimed(_ context.Context, row []float64) (int, error) {
	b.runs += len(row)
	return len(row), nil
}
func (b *bound) Inputs() []tensor.Tensor  { return nil }
func (b *bound) Outputs() []tensor.Tensor { return nil }
func (b *bound) Close() error             { b.closed = true; return nil }
