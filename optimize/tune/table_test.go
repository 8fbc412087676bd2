package tune

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"infer/internal/stats"
)

var tableTrials = flag.Int("trials", 0, "searches behind each figure of the table that TestTable logs; 0: none")

// TestTable logs how searches do on simulated machines, as Markdown:
//
//	go test ./optimize/tune -run Table -v -trials 200
func TestTable(t *testing.T) {
	if *tableTrials <= 0 {
		t.Skip("-trials was not given")
	}
	var b strings.Builder
	fmt.Fprintf(&b, "\n| machine: noise, drift, session, spikes | settings | ≥ 95 %% of the best | time / sweep: median, p90 | blocks | the default is kept where all are equal |\n|---|---|---|---|---|---|\n")
	for _, w := range weathers() {
		for _, c := range []struct{ cores, batches int }{{2, 4}, {4, 6}, {8, 8}} {
			space := cpuSpace(c.cores, []string{"1", "2", "4", "8", "16", "32", "64", "128"}[:c.batches]...)
			fmt.Fprintf(&b, "| %s: %g, %g, %g, %g %% | %s |\n", w.name, 100*w.spread, 100*w.drift, 100*w.session, 100*w.spikes, figures(t, w, space))
		}
	}
	t.Log(b.String())
}

// figures are those of a row: searches of drawn models, and of one that no setting changes.
func figures(t *testing.T, w weather, space Space) string {
	var shares, blocks []float64
	reached, kept, n := 0, 0, *tableTrials
	settings := 0
	for seed := range uint64(n) {
		m := newMachine(w, seed, cpuModel(rand.New(rand.NewPCG(seed, 3))))
		o := try(t, space, m, Options{Objective: "throughput", Seed: seed})
		if o.reached >= 0.95 {
			reached++
		}
		shares, blocks, settings = append(shares, o.share), append(blocks, float64(m.blocks)), o.details.Candidates
		alike := newMachine(w, seed, func(Setting) (float64, float64) { return 0.01, 100 })
		if try(t, space, alike, Options{Objective: "throughput", Seed: seed}).details.KeepDefault {
			kept++
		}
	}
	share := func(hits int) string {
		e := stats.Wilson(hits, n, confidence)
		return fmt.Sprintf("%.1f %% [%.1f, %.1f]", 100*e.Value, 100*e.Lo, 100*e.Hi)
	}
	s := stats.Sorted(shares)
	return fmt.Sprintf("%d | %s | %.1f %%, %.1f %% | %.0f | %s", settings, share(reached),
		100*stats.Median(s), 100*stats.Quantile(s, 0.9, confidence).Value, stats.Median(blocks), share(kept))
}
