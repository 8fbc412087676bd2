package quantize

import (
	"context"
	"fmt"

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
	var runs []measure.Run
	var timed []measure.Timed
	enter := func(m *model.Model) (release func(), err error) {
		s, err := q.task.Provider.Open(ctx, m, q.task.Config)
		if err != nil {
			return nil, err
		}
		run, t, free, err := measure.Bind(ctx, s, q.task.Inputs)
		if err != nil {
			s.Close()
			return nil, err
		}
		runs, timed = append(runs, run), append(timed, t)
		return func() { free(); s.Close() }, nil
	}
	release, err := enter(q.task.Model)
	if err != nil {
		return err
	}
	defer release()
	for _, c := range field {
		release, err := enter(q.modelOf(c.built.model))
		if err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
		defer release()
	}
	r, err := measure.Race(ctx, runs, timed, measure.RaceOptions{
		MaxTime: q.options.RaceTime, Same: sameSpeed, Drop: q.options.Mode == Auto, Seed: q.options.Seed, Progress: q.task.Progress, Phase: "measure speed",
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
		if c.why == "" && c.slower && !q.options.AllowSlower {
			c.why = "slower than the original"
		}
	}
	return nil
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
		c.slower = !r.Speedup.OK || r.Speedup.Hi < 1 || r.Speedup.Lo < undecidedFloor
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
