package quantize

import (
	"context"
	"slices"
	"time"

	"infer/internal/fault"
	"infer/internal/stats"
	"infer/model"
	"infer/model/measure"
	"infer/report"
)

// sameSpeed is how far apart two models may be and count as equally fast.
const sameSpeed = 0.015

// undecidedFloor is the least lower end of the interval of a speedup that could not be told from 1 in the time there
// was, for the model to count as not slower.
const undecidedFloor = 0.97

// A model whose speedup could not be told from 1 counts as faster where it is clearly above and its interval reaches
// little below.
const (
	clearSpeedup = 1.05
	clearFloor   = 0.9
)

// playoff measures once more, and three times as long, the candidates that might be fast enough, where the race was too
// short to tell of any.
func (q *quantizer) playoff(ctx context.Context) error {
	any := false
	for _, c := range q.candidates {
		if c.within && c.unsure && c.recipe.Form != formFloat && q.away == "" {
			c.contestant, c.why, any = contestant{bytes: c.bytes}, "", true
		}
	}
	if !any {
		return nil
	}
	q.options.RaceTime *= 3
	return q.race(ctx)
}

// race measures the original and the candidates that have not been measured yet, interleaved.
func (q *quantizer) race(ctx context.Context) error {
	if q.away != "" {
		for _, c := range q.candidates {
			c.measured = c.verdict != nil
		}
		return nil
	}
	return q.phase("measure speed", func() error { return q.interleave(ctx) })
}

func (q *quantizer) interleave(ctx context.Context) error {
	var field []*candidate
	for _, c := range q.candidates {
		if c.built != nil && c.built.model != nil && c.verdict != nil && !c.measured {
			field = append(field, c)
		}
	}
	if len(field) == 0 {
		return nil
	}
	g := grid{q: q}
	defer g.close()
	if err := g.enter(ctx, q.task.Model); err != nil {
		return err
	}
	for _, c := range field {
		if err := g.enter(ctx, q.modelOf(c.built.model)); err != nil {
			return fault.Wrap(err, "%s", c.name)
		}
	}
	r, err := measure.Race(ctx, g.runs, g.timed, measure.RaceOptions{
		MaxTime: max(q.options.RaceTime, leastRace*g.lap+time.Duration(len(g.runs))*leastBlocks), Same: sameSpeed, Drop: q.options.Mode == Auto, Seed: q.options.Seed,
		Progress: q.task.Progress, Phase: "measure speed",
	})
	if err != nil {
		return err
	}
	if r.Interrupted {
		return ctx.Err()
	}
	q.original.take(r.Contenders[0])
	for i, c := range field {
		c.take(r.Contenders[i+1])
		if q.original.p50 != nil && c.p50 != nil {
			c.rough = q.original.p50.Value / c.p50.Value
		}
		if c.why == "" && c.slower && !q.options.AllowSlower {
			c.why = "slower than the original"
			if c.unsure {
				c.why = "the time was too short to tell its speed from the original's"
			}
		}
	}
	return nil
}

// leastRace is how many times every model must be able to run in a race: seven rounds of a run that warms up and one
// that counts, and some to spare.
const leastRace = 16

// leastBlocks is the time that the blocks of one model need in the rounds that decide anything, however short its runs.
const leastBlocks = 8 * 40 * time.Millisecond

// grid holds the models of a race, open and bound.
type grid struct {
	q     *quantizer
	runs  []measure.Run
	timed []measure.Timed
	lap   time.Duration // one run of each
	free  []func()
}

func (g *grid) enter(ctx context.Context, m *model.Model) error {
	s, err := g.q.task.Provider.Open(ctx, m, g.q.task.Config)
	if err != nil {
		return err
	}
	g.free = append(g.free, func() { s.Close() })
	run, timed, release, err := measure.Bind(ctx, s, g.q.task.Inputs)
	if err != nil {
		return err
	}
	g.free = append(g.free, release)
	g.runs, g.timed = append(g.runs, run), append(g.timed, timed)
	begin := time.Now()
	err = run(ctx)
	g.lap += time.Since(begin)
	return err
}

func (g *grid) close() {
	for _, f := range slices.Backward(g.free) {
		f()
	}
}

// take notes how a model did in a race.
func (c *contestant) take(r measure.Contender) {
	c.measured = true
	c.p50, c.p99 = level(r.P50), level(r.P99)
	if r.Outcome == "" {
		return
	}
	c.speedup = level(r.Speedup)
	c.equal = r.Outcome == measure.Equal
	switch r.Outcome {
	case measure.Slower:
		c.slower = true
	case measure.Undecided, measure.Dropped:
		sure := r.Speedup.Lo >= undecidedFloor || r.Speedup.Value >= clearSpeedup && r.Speedup.Lo >= clearFloor
		c.slower = !r.Speedup.OK || r.Speedup.Hi < 1 || !sure
		c.unsure = !r.Speedup.OK || r.Speedup.Hi >= 1
	}
}

// level is an estimate as the report has it; nil where the sample supports none.
func level(e stats.Estimate) *report.Level95 {
	if !e.OK {
		return nil
	}
	lo, hi := e.Lo, e.Hi
	return &report.Level95{Value: e.Value, Lo: &lo, Hi: &hi, N: e.N}
}
