package repository

import (
	"context"
	"fmt"
	"math"
	"time"

	"infer/model/tensor"
)

const (
	largestBatch = 1024 // rows that the batcher goes up to without an option that says otherwise

	mostRows  = 128       // of a run that is measured
	mostBytes = 128 << 20 // of the inputs and outputs of a run that is measured
	cheaper   = 0.97      // a row that is not cheaper than by this factor makes larger runs not worth it
	measuring = 20        // runs of one row: the time that is spent on measuring, but at least and at most
	measureLo = 30 * time.Millisecond
	measureHi = 3 * time.Second
)

// measure times runs of 1, 2, 4, … rows, as far as a row still gets cheaper, the SLO allows it and the time for it
// lasts. The first run of each size is proven too.
func (l *loader) measure(ctx context.Context) error {
	t, i := &l.trial, &l.h.info
	for _, took := range t.runs {
		l.points = append(l.points, point{1, took})
	}
	l.h.perRow = t.single
	if !i.BatchAxis {
		return nil
	}
	budget := min(max(measuring*t.single, measureLo), measureHi)
	begin := time.Now()
	best, worse := t.single.Seconds(), 0
	for n := 2; n <= min(i.MaxBatch, mostRows) && worse < 2; n *= 2 {
		if time.Since(begin) > budget || t.slow || int64(n)*t.bytes() > mostBytes {
			break
		}
		took, err := l.measureRows(ctx, n, budget/4)
		if err != nil || !i.BatchAxis {
			return err
		}
		row := took.Seconds() / float64(n)
		if row > cheaper*best {
			worse++
		} else {
			best, worse = row, 0
		}
		if l.o.SLO > 0 && took > l.o.SLO {
			break
		}
	}
	l.h.perRow = time.Duration(best * float64(time.Second))
	return nil
}

// measureRows times runs of n rows for a time, at least two after the first, and returns the shortest. Where the proof
// fails for so many rows batching is switched off.
func (l *loader) measureRows(ctx context.Context, n int, budget time.Duration) (time.Duration, error) {
	t, s := &l.trial, l.h.sessions[0]
	rows := make([]int, n)
	for k := range rows {
		rows[k] = k % len(t.rows)
	}
	in, err := t.tile(rows)
	if err != nil {
		return 0, err
	}
	shortest := time.Duration(math.MaxInt64)
	begin := time.Now()
	for k := 0; k < 3 || k < 8 && time.Since(begin) < budget; k++ {
		out, took, err := t.run(ctx, s, in)
		if ctx.Err() != nil {
			return 0, ctx.Err()
		}
		if err == nil && k == 0 {
			_, err = t.check(out, rows)
		}
		if err != nil {
			i := &l.h.info
			i.BatchAxis, i.MaxBatch, i.BatchNote = false, 0, fmt.Sprintf("no batching: at %d rows: %v", n, err)
			l.points, t.key = l.points[:len(t.runs)], l.h.key(t.rows[0])
			return 0, nil
		}
		if k > 0 {
			l.points = append(l.points, point{n, took})
			shortest = min(shortest, took)
		}
	}
	return shortest, nil
}

// bytes is what one row takes, inputs and outputs.
func (t *trial) bytes() int64 {
	var n int64
	for _, list := range [][]tensor.Tensor{t.rows[0], t.answers[0]} {
		for _, x := range list {
			n += int64(len(x.Data) + 16*len(x.Strings))
		}
	}
	return n
}
