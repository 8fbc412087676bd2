package surgery

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"infer/internal/fault"
	"infer/model"
	"infer/model/agree"
	"infer/model/dataset"
	"infer/model/engine"
	"infer/model/onnx/static"
	"infer/model/tensor"
	"infer/optimize/proof"
	"infer/report"
)

// ProofOptions says how ProveBatch proves. The zero value is valid.
type ProofOptions struct {
	Sizes     []int64         // rows to run at once; nil: 1, 2 and 3
	Bindings  model.Bindings  // sizes of the other dynamic axes, of the original
	Seed      uint64          // of the made-up inputs
	Tolerance agree.Tolerance // zero: agree.Float32
	Config    engine.Config   // of both sessions
}

// ProveBatch runs the original once for each row (for as many rows as it takes at once) and the freed model on all rows
// at once, for each of the sizes, and compares row by row. axes is what FreeDims was given; those of one name are one
// batch, and each batch is tried with the others at their old size.
// Errors: those of opening the models and of running the original; a freed model that refuses a size drifts, with the
// reason, and so does one whose rows do not stay apart.
func ProveBatch(ctx context.Context, p engine.Provider, original, freed *model.Model, axes []Axis, o ProofOptions) (report.Agreement, error) {
	if len(o.Sizes) == 0 {
		o.Sizes = []int64{1, 2, 3}
	}
	if o.Tolerance == (agree.Tolerance{}) {
		o.Tolerance = agree.Float32()
	}
	x := proving{original: original, freed: freed, options: o}
	ref, err := x.record(ctx, p, axes)
	if err != nil {
		return report.Agreement{}, err
	}
	s, err := p.Open(ctx, freed, o.Config)
	if err != nil {
		return report.Agreement{}, fault.Wrap(err, "open the model with dynamic axes")
	}
	defer s.Close()
	source := fmt.Sprintf("random, seed %d: %s rows at once against one run after the other", o.Seed, numbers(o.Sizes))
	a, err := proof.Outputs(ctx, ref, s, o.Tolerance, source)
	if err != nil && ctx.Err() == nil {
		return report.Agreement{Verdict: proof.Drifts, Why: err.Error(), Source: source, Sets: len(ref.Inputs), Rel: o.Tolerance.Rel, Abs: o.Tolerance.Abs}, nil
	}
	return a, err
}

// numbers is a list of numbers in words: "1, 2 and 3".
func numbers(list []int64) string {
	text := ""
	for i, n := range list {
		switch {
		case i > 0 && i == len(list)-1:
			text += " and "
		case i > 0:
			text += ", "
		}
		text += strconv.FormatInt(n, 10)
	}
	return text
}

// proving is one call of ProveBatch.
type proving struct {
	original, freed *model.Model
	options         ProofOptions
}

// batch is a number of rows under one name, and the runs of the original that make up its answer.
type batch struct {
	name  string
	rows  int64
	old   int64 // rows that the original takes at once
	whole []tensor.Tensor
	first int // the index of its first run among all of the original
	runs  int
}

// record runs the original and puts together what it answers for each number of rows.
func (x *proving) record(ctx context.Context, p engine.Provider, axes []Axis) (*agree.Reference, error) {
	var batches []batch
	var parts [][]tensor.Tensor
	var names []string
	for _, a := range axes {
		if slices.Contains(names, a.Name) {
			continue
		}
		names = append(names, a.Name)
		for _, rows := range x.options.Sizes {
			b := batch{name: a.Name, rows: rows, old: x.old(a.Name), first: len(parts)}
			if err := x.inputs(&b); err != nil {
				return nil, err
			}
			runs, err := x.split(b)
			if err != nil {
				return nil, err
			}
			b.runs = len(runs)
			batches, parts = append(batches, b), append(parts, runs...)
		}
	}
	s, err := p.Open(ctx, x.original, x.options.Config)
	if err != nil {
		return nil, fault.Wrap(err, "open the original")
	}
	defer s.Close()
	single, err := agree.Record(ctx, s, parts)
	if err != nil {
		return nil, err
	}
	ref := &agree.Reference{Random: single.Random}
	for _, b := range batches {
		out, err := x.join(b, single.Outputs[b.first:b.first+b.runs])
		if err != nil {
			return nil, err
		}
		ref.Inputs, ref.Outputs = append(ref.Inputs, b.whole), append(ref.Outputs, out)
	}
	return ref, nil
}

// rowAxis returns the axis of a port that has a name, -1 where none has.
func rowAxis(p model.Port, name string) int {
	for i, d := range p.Type.Dims {
		if !d.Known && d.Name == name {
			return i
		}
	}
	return -1
}

// old returns how many rows the original takes along the axes of a name.
func (x *proving) old(name string) int64 {
	was := x.original.Inputs()
	for _, p := range x.freed.Inputs() {
		at := rowAxis(p, name)
		i := slices.IndexFunc(was, func(o model.Port) bool { return o.Name == p.Name })
		if at < 0 || i < 0 || at >= len(was[i].Type.Dims) {
			continue
		}
		if d := was[i].Type.Dims[at]; d.Known && d.Size > 0 {
			return d.Size
		}
	}
	return 1
}

// inputs makes the inputs of all rows of a batch up.
func (x *proving) inputs(b *batch) error {
	want := model.Bindings{Shapes: map[string]tensor.Shape{}, Dims: map[string]int64{}}
	bound, err := x.original.Bind(x.options.Bindings)
	if err != nil {
		return err
	}
	for _, p := range x.freed.Inputs() {
		shape, ok := bound.Shapes[p.Name]
		if !ok {
			continue
		}
		shape = shape.Clone()
		if at := rowAxis(p, b.name); at >= 0 && at < len(shape) {
			shape[at] = b.rows
		}
		want.Shapes[p.Name] = shape
	}
	b.whole, _, err = dataset.Random(x.freed, want.Shapes, x.options.Seed+uint64(b.rows))
	return err
}

// split returns what the original is given for a batch, run by run. The last row stands in where a run lacks some.
func (x *proving) split(b batch) ([][]tensor.Tensor, error) {
	var runs [][]tensor.Tensor
	ports := x.freed.Inputs()
	for from := int64(0); from < b.rows; from += b.old {
		in := slices.Clone(b.whole)
		for i, p := range ports {
			at := rowAxis(p, b.name)
			if at < 0 {
				continue
			}
			var err error
			if in[i], err = take(b.whole[i], at, rowRange(from, from+b.old, b.rows)); err != nil {
				return nil, err
			}
		}
		runs = append(runs, in)
	}
	return runs, nil
}

// join puts the answers of the original's runs together to that for all rows.
func (x *proving) join(b batch, runs [][]tensor.Tensor) ([]tensor.Tensor, error) {
	shapes := static.Infer(x.freed.Proto, nil)
	out := slices.Clone(runs[0])
	for i := range out {
		var parts []tensor.Tensor
		for _, r := range runs {
			parts = append(parts, r[i])
		}
		if out[i].DType >= tensor.Sequence { // of one map a row
			for _, p := range parts[1:] {
				out[i].Elems = append(slices.Clip(out[i].Elems), p.Elems...)
			}
			out[i].Elems = out[i].Elems[:min(int64(len(out[i].Elems)), b.rows)]
			continue
		}
		v, _ := shapes.Of(x.freed.Proto.Graph, out[i].Name)
		at := -1
		for j, d := range v.Dims {
			if in, _ := share(d, b.name); in {
				at = j
			}
		}
		if at < 0 {
			continue // the same for all rows
		}
		all, err := join(parts, at)
		if err != nil {
			return nil, err
		}
		each := all.Shape[at] / (b.old * int64(len(runs)))
		if out[i], err = take(all, at, rowRange(0, each*b.rows, all.Shape[at])); err != nil {
			return nil, err
		}
	}
	return out, nil
}
