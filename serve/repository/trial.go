package repository

import (
	"context"
	"fmt"
	"time"

	"infer/model"
	"infer/model/dataset"
	"infer/model/engine"
	"infer/model/tensor"
)

const (
	trialSeed = 1                      // of made-up inputs
	trialRows = 3                      // different rows that are made up
	slow      = 250 * time.Millisecond // a first run that is longer is a slow one
	steadyFor = 30 * time.Millisecond  // of warm-up at most, where a run is shorter
	steadyBy  = 0.1                    // two runs in a row that differ by less are steady
)

// sizes are tried in turn for the dynamic axes that are no batch axis, until the model runs: sequences come first, then
// images, then what a model may be particular about.
var sizes = []int64{16, 64, 224, 1, 8, 128, 512}

// trial makes up inputs for a model and runs it on them.
type trial struct {
	h     *Handle
	m     *model.Model
	batch bool            // axis 0 of all inputs and outputs may count rows
	lead  map[string]bool // names of axis 0 of the inputs
	open  bool            // there are other dynamic axes
	guess guess           // what they were given
	slow  bool            // a run is so long that it is tried as little as will do
	key   uint64          // the shape bucket of the inputs

	err     error             // why it was never run; nil where it was
	rows    [][]tensor.Tensor // made-up inputs of one row each; one where batch is not set
	answers [][]tensor.Tensor // the outputs of each, in the order of Info.Outputs
	single  time.Duration     // the shortest run of one row
	finite  map[string]bool   // by output: whether every answer is finite
	runs    []time.Duration   // of one row, warm
}

// init looks at the signature.
func (t *trial) init(h *Handle, m *model.Model) {
	t.h, t.m, t.lead = h, m, map[string]bool{}
	t.batch = len(h.info.Inputs) > 0
	for i, p := range h.info.Model {
		dims := p.Type.Dims
		if !p.Type.HasShape || len(dims) == 0 || dims[0].Known {
			t.batch = false
		} else if dims[0].Name != "" {
			t.lead[dims[0].Name] = true
		}
		for at, n := range h.info.Inputs[i].Shape {
			t.open = t.open || at > 0 && n < 0
		}
	}
	if len(t.lead) > 1 {
		t.batch = false // two axes of two names
	}
	for _, p := range h.info.Outputs {
		if len(p.Shape) == 0 || p.Shape[0] >= 0 {
			t.batch = false
		}
	}
}

// guess is a choice for the dynamic axes that are no batch axis.
type guess struct {
	size  int64
	first bool // of the first input alone; those of the others, which may be states, are as many as the rows
}

// inputs makes up inputs of a number of rows.
func (t *trial) inputs(rows int64, g guess) ([]tensor.Tensor, error) {
	shapes := map[string]tensor.Shape{}
	for at, p := range t.h.info.Model {
		if !p.Type.HasShape {
			continue // said by Random
		}
		s := make(tensor.Shape, len(p.Type.Dims))
		for i, d := range p.Type.Dims {
			switch {
			case d.Known:
				s[i] = d.Size
			case i == 0 || t.lead[d.Name] || at > 0 && g.first && d.Name == "":
				s[i] = rows
			default:
				s[i] = g.size
			}
		}
		shapes[p.Name] = s
	}
	in, _, err := dataset.Random(t.m, shapes, trialSeed)
	return in, err
}

// find looks for sizes of the dynamic axes with which the model runs, and keeps the inputs. Where there are none err
// says why; what is returned is the error of ctx alone.
func (t *trial) find(ctx context.Context, s engine.Session) error {
	for _, g := range t.guesses() {
		in, err := t.inputs(1, g)
		var took time.Duration
		if err == nil {
			_, took, err = t.run(ctx, s, in)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err == nil {
			t.guess, t.err, t.slow = g, nil, took > slow
			return t.makeRows(in)
		}
		if t.err == nil {
			t.err = err
		}
	}
	return nil
}

func (t *trial) guesses() []guess {
	if !t.open {
		return []guess{{size: 1}} // it is not used
	}
	var list []guess
	for _, n := range sizes {
		list = append(list, guess{size: n})
	}
	for _, n := range sizes {
		list = append(list, guess{size: n, first: true})
	}
	return list
}

// makeRows makes up the rows that everything is tried with.
func (t *trial) makeRows(one []tensor.Tensor) error {
	t.rows = [][]tensor.Tensor{one}
	if !t.batch {
		return nil
	}
	all, err := t.inputs(trialRows, t.guess)
	if err != nil {
		return err
	}
	t.rows = nil
	for r := range int64(trialRows) {
		row := make([]tensor.Tensor, len(all))
		for i := range all {
			if row[i], err = tensor.Slice(all[i], r, r+1); err != nil {
				return err
			}
		}
		t.rows = append(t.rows, row)
	}
	return nil
}

// run runs a session once and returns the outputs in the order of Info.Outputs.
func (t *trial) run(ctx context.Context, s engine.Session, in []tensor.Tensor) ([]tensor.Tensor, time.Duration, error) {
	out := make([]tensor.Tensor, len(t.h.info.Outputs))
	for i, p := range t.h.info.Outputs {
		out[i].Name = p.Name
	}
	begin := time.Now()
	err := s.Run(ctx, in, out)
	return out, time.Since(begin), err
}

// warm runs a session on one row until it is steady: at least twice after the first, and at most for
// steadyFor where that is longer. A slow one, which has run once to find the sizes, runs once more.
func (t *trial) warm(ctx context.Context, s engine.Session) error {
	if t.err != nil {
		return nil
	}
	t.runs, t.single = t.runs[:0], 0
	last := time.Duration(0)
	for begin := time.Now(); ; {
		_, took, err := t.run(ctx, s, t.rows[0])
		if err != nil {
			return fmt.Errorf("run on made-up inputs: %w", err)
		}
		if last > 0 || t.slow {
			t.runs = append(t.runs, took)
		}
		if t.single == 0 || took < t.single {
			t.single = took
		}
		n := len(t.runs)
		if t.slow && n >= 1 {
			return nil
		}
		steady := n >= 2 && (took-last).Abs().Seconds() < steadyBy*last.Seconds()
		if steady && n >= 8 || n >= 2 && time.Since(begin) >= steadyFor {
			return nil
		}
		last = took
	}
}

// answer runs every row alone and keeps the outputs.
func (t *trial) answer(ctx context.Context, s engine.Session) error {
	t.answers = nil
	t.finite = map[string]bool{}
	for _, p := range t.h.info.Outputs {
		t.finite[p.Name] = true
	}
	for _, row := range t.rows {
		out, _, err := t.run(ctx, s, row)
		if err != nil {
			return fmt.Errorf("run on made-up inputs: %w", err)
		}
		for _, o := range out {
			t.finite[o.Name] = t.finite[o.Name] && finite(o)
		}
		t.answers = append(t.answers, out)
	}
	t.key = t.h.key(t.rows[0])
	return nil
}

// tile joins rows, given by their numbers, to the inputs of one run.
func (t *trial) tile(rows []int) ([]tensor.Tensor, error) {
	in := make([]tensor.Tensor, len(t.rows[0]))
	for i := range in {
		parts := make([]tensor.Tensor, len(rows))
		for k, r := range rows {
			parts[k] = t.rows[r][i]
		}
		var err error
		if in[i], err = tensor.Concat(parts...); err != nil {
			return nil, err
		}
	}
	return in, nil
}
