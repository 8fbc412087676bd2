package cmd

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"infer/internal/stats"
	"infer/internal/term"
	"infer/optimize/tune"
	"infer/report"
)

// The benchmark of infer tune, which scripts/tune-bench.sh runs: it measures every setting that a search could choose, in
// the same kind of blocks, and then lets the search have a share of that time.
const (
	benchModels = "INFER_TUNE_BENCH"      // its arguments by model, NAME=FLAGS…, one a line
	benchTime   = "INFER_TUNE_BENCH_TIME" // of the sweep of a model
	benchPairs  = "INFER_TUNE_BENCH_SAME" // searches of a model against itself
	benchShare  = 0.15                    // of the sweep's time that the search may take
	benchBlock  = 250 * time.Millisecond  //
	benchSearch = 15 * time.Second        // of a search of a model against itself
	leastRounds = 6                       // of a sweep
)

// bench is a model to search.
type bench struct {
	name string
	args []string
}

func benches(t *testing.T) (list []bench) {
	t.Helper()
	for line := range strings.Lines(os.Getenv(benchModels)) {
		if name, args, ok := strings.Cut(strings.TrimSpace(line), "="); ok {
			list = append(list, bench{name, words(args)})
		}
	}
	if len(list) == 0 {
		t.Skip("scripts/tune-bench.sh says of what")
	}
	return list
}

// tunerOf opens what infer tune would with these arguments.
func tunerOf(t *testing.T, args []string) *tuner {
	t.Helper()
	var u *tuner
	a := &app{std: term.Streams{In: strings.NewReader(""), Out: os.Stdout, Err: os.Stderr, Getenv: os.LookupEnv}}
	root := newRoot(a)
	old, _, err := root.Find([]string{"tune"})
	if err != nil {
		t.Fatal(err)
	}
	root.RemoveCommand(old)
	root.AddCommand(newTuneCmd(a, func(ctx context.Context, a *app, args []string, f tuneFlags) error {
		if err := f.settle(); err != nil {
			return err
		}
		u = &tuner{f: &f, a: a}
		if err := u.load(args); err != nil {
			return err
		}
		if err := u.start(ctx, report.New("tune")); err != nil {
			return err
		}
		u.opens = map[string]openCost{}
		return u.plan()
	}))
	root.SetArgs(append([]string{"tune", "--quiet"}, args...))
	err = root.ExecuteContext(t.Context())
	if u != nil {
		t.Cleanup(u.close)
	}
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// allowedSettings are all settings of a space.
func allowedSettings(s *tuneSpace) (list []tune.Setting) {
	var walk func(i int, set tune.Setting)
	walk = func(i int, set tune.Setting) {
		if i == len(s.knobs) {
			if s.allowed(set) == "" {
				list = append(list, maps.Clone(set))
			}
			return
		}
		for _, v := range s.knobs[i].Values {
			set[s.knobs[i].Name] = v
			walk(i+1, set)
		}
	}
	walk(0, tune.Setting{})
	return list
}

// sweep measures every setting in shuffled rounds and returns the median throughput of each by its text, and how long
// that took.
func (t *tuner) sweep(ctx context.Context, most time.Duration) (map[string]float64, int, time.Duration, error) {
	settings := allowedSettings(t.space)
	arms := make([]tune.Arm, len(settings))
	defer func() {
		for _, a := range arms {
			if a != nil {
				_ = a.Close()
			}
		}
	}()
	begin, rates, rounds := time.Now(), map[string][]float64{}, 0
	for ; rounds < leastRounds || time.Since(begin) < most; rounds++ {
		for _, i := range rand.New(rand.NewPCG(1, uint64(rounds))).Perm(len(settings)) {
			var err error
			if arms[i] == nil {
				if arms[i], err = t.open(ctx, settings[i]); err != nil {
					return nil, rounds, 0, err
				}
			}
			b, err := arms[i].Block(ctx, benchBlock, 1)
			if err != nil {
				return nil, rounds, 0, err
			}
			key := settingText(settings[i])
			rates[key] = append(rates[key], b.Throughput)
		}
	}
	medians := map[string]float64{}
	for key, list := range rates {
		medians[key] = stats.Median(list)
	}
	return medians, rounds, time.Since(begin), nil
}

// TestTuneBench compares the search with the sweep, and prints a Markdown table.
func TestTuneBench(t *testing.T) {
	list := benches(t)
	needEngine(t)
	most, err := time.ParseDuration(os.Getenv(benchTime))
	if err != nil {
		t.Fatal(err)
	}
	fmt.Println("| model | settings | sweep | best of it | tune | chosen | share of the best | share of the time |")
	fmt.Println("| --- | ---: | ---: | --- | ---: | --- | ---: | ---: |")
	for _, b := range list {
		u := tunerOf(t, b.args)
		medians, rounds, took, err := u.sweep(t.Context(), most)
		if err != nil {
			t.Fatal(err)
		}
		best := u.space.full(nil)
		for _, set := range allowedSettings(u.space) {
			if medians[settingText(set)] > medians[settingText(best)] {
				best = set
			}
		}
		o := u.f.opts
		o.MaxTime = time.Duration(benchShare * float64(took))
		begin := time.Now()
		x, err := tune.Search(t.Context(), u.describe(), u.open, o)
		if err != nil {
			t.Fatal(err)
		}
		searched := time.Since(begin)
		share := medians[settingText(x.Chosen)] / medians[settingText(best)]
		fmt.Printf("| %s | %d | %d rounds, %.0f s | %s | %.0f s | %s | %.1f %% | %.1f %% |\n", b.name, len(medians), rounds, took.Seconds(),
			u.space.changes(best), searched.Seconds(), u.space.changes(x.Chosen), 100*share, 100*searched.Seconds()/took.Seconds())
	}
}

// TestTuneSame lets a search choose between a model and itself, and counts how often it keeps the default.
func TestTuneSame(t *testing.T) {
	list := benches(t)
	needEngine(t)
	n, err := strconv.Atoi(os.Getenv(benchPairs))
	if err != nil {
		t.Fatal(err)
	}
	fmt.Println("\n| model against itself | searches | default kept |")
	fmt.Println("| --- | ---: | ---: |")
	for _, b := range list {
		u := tunerOf(t, slices.Concat(b.args, []string{"--variant", "same=" + b.args[0], "--batch", "1"}))
		for i := range u.space.knobs { // the variant alone is left to choose
			if k := &u.space.knobs[i]; k.Name != knobVariant {
				k.Values = k.Values[:1]
			}
		}
		kept := 0
		for seed := range n {
			o := u.f.opts
			o.MaxTime, o.Seed = benchSearch, uint64(seed)
			x, err := tune.Search(t.Context(), u.describe(), u.open, o)
			if err != nil {
				t.Fatal(err)
			}
			if x.KeepDefault {
				kept++
			}
		}
		e := stats.Wilson(kept, n, 0.95)
		fmt.Printf("| %s | %d | %d (%.0f %% [%.0f, %.0f]) |\n", b.name, n, kept, 100*e.Value, 100*e.Lo, 100*e.Hi)
	}
}
