package advice

import (
	"fmt"
	"slices"
	"strings"

	"infer/internal/stats"
	"infer/report"
)

const (
	idleLimit  = 0.20 // of one CPU after a run: what a process that waits for work is far below
	stageLimit = 1.10 // a stage that takes so much longer beside the session than alone: below it is within what caches cost
	noSpinning = "--session-config session.intra_op.allow_spinning=0"
	pipelined  = " pipelined" // behind the name of a stage that was run after the stage before it
)

// spinRules are about threads that spin while they wait for work.
func spinRules() []Rule {
	return []Rule{{
		ID: "SPIN-IDLE", Needs: []Need{needIdle}, Check: checkIdle,
		Trigger: "its threads spin after a run, use more than 20 % of a CPU while they do, and longer than the run took",
		Advice:  "turn spinning off where requests are rare or the machine is shared; a run then begins some microseconds later",
	}, {
		ID: "SPIN-PREPOST", Needs: []Need{needStages}, Check: checkPrePost,
		Trigger: "what comes before or behind the model takes more than 10 % longer beside the live session than alone, and its threads spin",
		Advice:  "turn spinning off: the waiting threads take CPUs from the stage between two runs",
	}}
}

func checkIdle(f *Facts) *report.Advice {
	// Every session of several threads spins; it is worth a word where that costs more than the work.
	i := f.Details.Idle
	if i.Share <= idleLimit || i.CPU <= f.p50() || !f.spins() {
		return nil
	}
	return &report.Advice{
		What: fmt.Sprintf("after a run its threads spin for %s: %s of CPU time, a run takes %s", seconds(i.Spin), seconds(i.CPU), seconds(f.p50())),
		Evidence: []string{fmt.Sprintf("%d threads wait for work with %s of a CPU, limit %s (median of %d gaps of %s)",
			f.threads(), percent(i.Share), percent(idleLimit), i.N, seconds(i.Gap))},
		Try:     "turn spinning off, and look at what it does to the latency",
		Command: f.profile(noSpinning),
	}
}

// pipelined reports whether a stage beside the model was measured alone and in a pipeline.
func (f *Facts) pipelined() bool {
	return slices.ContainsFunc(f.Details.Stages, func(s report.StageRow) bool {
		name, ok := strings.CutSuffix(s.Stage, pipelined)
		return ok && name != "forward" && f.stage(name) != nil
	})
}

// stage returns the times of a stage, nil where it has none.
func (f *Facts) stage(name string) *stats.Histogram {
	for _, s := range f.Details.Stages {
		if s.Stage == name && s.Latency != nil && s.Latency.Count() > 0 {
			return s.Latency
		}
	}
	return nil
}

func checkPrePost(f *Facts) *report.Advice {
	if !f.spins() {
		return nil
	}
	var worst *report.Advice
	for _, name := range []string{"pre", "post"} {
		alone, beside := f.stage(name), f.stage(name+pipelined)
		if alone == nil || beside == nil {
			continue
		}
		a, b := median(alone), median(beside)
		if a.Lo == nil || b.Lo == nil || *b.Lo < *a.Hi*stageLimit {
			continue
		}
		all := b.Value
		for _, other := range []string{"pre", "forward", "post"} {
			if h := f.stage(other + pipelined); h != nil && other != name {
				all += h.Quantile(0.5)
			}
		}
		bound := Bound(b.Value/all, b.Value/a.Value)
		if worst != nil && worst.Bound >= bound {
			continue
		}
		worst = &report.Advice{
			What: fmt.Sprintf("%s takes %s as long beside the live session", name, times(b.Value/a.Value)),
			Evidence: []string{"alone, median: " + interval(report.Time, a), "in the pipeline, median: " + interval(report.Time, b),
				fmt.Sprintf("the bound is that of the pipeline's %s, should the stage become as fast as alone", seconds(all))},
			Bound: bound, Try: "turn spinning off", Command: f.profile(noSpinning),
		}
	}
	return worst
}

// median returns the median of h with its order-statistic interval.
func median(h *stats.Histogram) report.Interval {
	n := int(h.Count())
	i := report.Interval{Value: h.Quantile(0.5), N: n}
	if l, u := stats.Ranks(n, 0.5, 0.95); l >= 1 && u >= l && u <= n {
		s := h.Sketch()
		lo, hi := s.AtRank(int64(l)), s.AtRank(int64(u))
		i.Lo, i.Hi = &lo, &hi
	}
	return i
}
