package tune

import (
	"context"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"infer/report"
)

// outcome is how a search of a space did against the best setting of it, and against measuring every setting with as many
// blocks as the one of the finalists with the most.
type outcome struct {
	details *report.TuneDetails
	reached float64 // objective of the chosen setting / the best one's
	share   float64 // of the time of the exhaustive sweep
}

func try(t testing.TB, space Space, m *machine, o Options) outcome {
	t.Helper()
	d, err := searchBy(context.Background(), space, m.openArm, o, m.clock)
	if err != nil {
		t.Fatal(err)
	}
	value := func(s Setting) float64 {
		latency, rate := m.truth(s)
		if o.Objective == "latency" {
			return 1 / latency
		}
		return rate
	}
	l, err := newLattice(space)
	if err != nil {
		t.Fatal(err)
	}
	best, most := 0.0, 0
	for _, row := range d.Trials {
		if row.Outcome == "chosen" || row.Outcome == "finalist" {
			most = max(most, row.Rounds)
		}
	}
	block := m.now - time.Duration(m.opens)*m.weather.open
	block /= time.Duration(m.blocks)
	for _, p := range l.allowed {
		best = math.Max(best, value(l.setting(p)))
	}
	sweep := time.Duration(len(l.allowed)) * (m.weather.open + time.Duration(most)*block)
	return outcome{d, value(d.Chosen) / best, float64(m.now) / float64(sweep)}
}

func TestTryout(t *testing.T) {
	for _, w := range weathers() {
		for _, c := range []struct{ cores, batches int }{{2, 4}, {4, 6}, {8, 8}} {
			batches := []string{"1", "2", "4", "8", "16", "32", "64", "128"}[:c.batches]
			var reach, share, sum, time, rounds float64
			n := 100.0
			for i := range int(n) {
				r := rand.New(rand.NewPCG(uint64(i), 3))
				m := newMachine(w, uint64(i), cpuModel(r))
				o := try(t, cpuSpace(c.cores, batches...), m, Options{Objective: "throughput", Seed: uint64(i)})
				if o.reached >= 0.95 {
					reach++
				}
				if o.share <= 0.15 {
					share++
				}
				sum += o.share / n
				time += o.details.Elapsed / n
				rounds += float64(m.blocks) / n
			}
			t.Logf("%-8s %d cores: >= 95 %% of the best %.0f %%, <= 15 %% of the time %.0f %% (mean %.3f), %.1f s, %.0f blocks", w.name, c.cores, 100*reach/n, 100*share/n, sum, time, rounds)
		}
		for _, batches := range [][]string{{"1", "2"}, {"1", "2", "4", "8"}} {
			keep := 0
			for i := range 100 {
				m := newMachine(w, uint64(i), func(Setting) (float64, float64) { return 0.01, 100 })
				if try(t, cpuSpace(4, batches...), m, Options{Objective: "throughput", Seed: uint64(i)}).details.KeepDefault {
					keep++
				}
			}
			t.Logf("%-8s A/A kept %d of 200", w.name, keep)
		}
	}
}
