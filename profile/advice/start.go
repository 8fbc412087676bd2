package advice

import (
	"context"
	"fmt"

	"infer/internal/stats"
	"infer/model"
	"infer/model/engine"
	"infer/model/measure"
	"infer/model/tensor"
	"infer/report"
)

const (
	coldRuns  = 100 // steady runs that a start takes as long as: a service that starts for fewer requests feels it
	coldFloor = 0.2 // seconds of session and first run, below which a start is not worth a word
	shapeJump = 3.0 // the first run at a new shape over the median at it: above, more than caches is cold
)

// startRules are about the first runs.
func startRules() []Rule {
	return []Rule{{
		ID: "COLD", Needs: []Need{needCold}, Check: checkCold,
		Trigger: "creating the session and the first run take longer than 100 steady runs, and 0.2 s or more",
		Advice:  "store the optimized graph and load it without optimizing it again; warm up before the first request",
	}, {
		ID: "FIRST-SHAPE", Needs: []Need{needShapes}, Check: checkFirstShape,
		Trigger: "the first run at a new shape takes more than 3 times as long as those after it, in a session that was warm",
		Advice:  "pad inputs to a few shapes and run each once before serving, or fix the axes",
	}}
}

// start is a cold start.
type start struct {
	init, first float64 // seconds, medians
	n           int     // fresh processes
}

// coldStart returns the median start; false where none was measured.
func (f *Facts) coldStart() (start, bool) {
	var init, first []float64
	for _, c := range f.Details.Cold {
		init, first = append(init, c.SessionInit), append(first, c.FirstRun)
	}
	if len(init) == 0 {
		return start{}, false
	}
	return start{stats.Median(init), stats.Median(first), len(init)}, true
}

func checkCold(f *Facts) *report.Advice {
	t, _ := f.coldStart()
	all := t.init + t.first
	if all < coldFloor || all <= coldRuns*f.p50() {
		return nil
	}
	return &report.Advice{
		What: fmt.Sprintf("a start takes as long as %.0f steady runs", all/f.p50()),
		Evidence: []string{fmt.Sprintf("session %s, first run %s (medians, n=%d fresh processes)", seconds(t.init), seconds(t.first), t.n),
			fmt.Sprintf("a steady run, median: %s", seconds(f.p50()))},
		Try:     "store the optimized graph, load it at level none, and warm up before the first request",
		Command: f.infer("convert", "--to ort"),
	}
}

func checkFirstShape(f *Facts) *report.Advice {
	var worst *report.Advice
	ratio := shapeJump
	for _, b := range f.Details.Batches {
		if b.FirstRun <= 0 || b.Latency == nil || b.Latency.Count() == 0 {
			continue
		}
		m := median(b.Latency)
		if m.Value <= 0 || b.FirstRun/m.Value <= ratio {
			continue
		}
		ratio = b.FirstRun / m.Value
		worst = &report.Advice{
			What: fmt.Sprintf("the first run at a new shape takes %s as long as those after it", times(ratio)),
			Evidence: []string{fmt.Sprintf("batch %d in a warm session: first run %s (n=1), median after it %s",
				b.Batch, seconds(b.FirstRun), interval(report.Time, m))},
			Try: "run every shape once before serving, pad inputs to a few shapes, or fix the axes", Command: f.infer("optimize", "--fix-dims"),
		}
	}
	return worst
}

// FirstRuns returns how long the first run at each batch size takes, in seconds, in one session that has run at the size of inputs(0)
// steadyRuns times before. It is what FIRST-SHAPE looks at, as the FirstRun of a report.BatchRow.
func FirstRuns(ctx context.Context, p engine.Provider, m *model.Model, c engine.Config, inputs func(batch int64) ([]tensor.Tensor, error), sizes []int64) (map[int64]float64, error) {
	s, err := p.Open(ctx, m, c)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	runs := func(batch int64, n int) (*measure.Series, error) {
		in, err := inputs(batch)
		if err != nil {
			return nil, err
		}
		out := make([]tensor.Tensor, len(s.Outputs()))
		return measure.Steady(ctx, func(ctx context.Context) error {
			clear(out)
			return s.Run(ctx, in, out)
		}, measure.Options{Runs: n})
	}
	if _, err := runs(0, steadyRuns); err != nil {
		return nil, err
	}
	first := map[int64]float64{}
	for _, size := range sizes {
		x, err := runs(size, 1)
		if err != nil {
			return first, fmt.Errorf("batch %d: %w", size, err)
		}
		if len(x.Seconds) > 0 {
			first[size] = x.Seconds[0]
		}
	}
	return first, ctx.Err()
}

// steadyRuns are enough for the arena and the memory plan of a shape to be as they stay.
const steadyRuns = 5
