// Package agree owns the question whether two models answer alike: the outputs of one are recorded on sets of inputs,
// those of the other are held against them.
package agree

import (
	"context"
	"fmt"
	"math"
	"slices"

	"infer/internal/fault"
	"infer/model/engine"
	"infer/model/tensor"
)

// Tolerance is how far two elements x (the original) and y may lie apart: |x - y| ≤ Abs + Rel·|x|. NaN agrees with NaN,
// an infinity with the same one. Integers, bools and strings must be equal unless Whole is above 0.
type Tolerance struct {
	Rel, Abs float64
	Whole    int64   // by which integers may differ
	Share    float64 // of an output's elements that must be within it; 0 is all
}

// Validate reports a Rel or Abs that is no finite number of 0 or more. Errors are of kind fault.Usage.
func (t Tolerance) Validate() error {
	for _, v := range []float64{t.Rel, t.Abs} {
		if !(v >= 0) || math.IsInf(v, 1) {
			return fault.New(fault.Usage, "give a finite number, 0 or more", "tolerance of %g relative and %g absolute: %g is negative or not finite", t.Rel, t.Abs, v)
		}
	}
	return nil
}

// Float32 is the tolerance of a rewrite that changes no more than the order of sums.
func Float32() Tolerance { return Tolerance{Rel: 1e-5, Abs: 1e-5} }

// Half is the tolerance of a model in half precision: most elements agree to two digits, and no more is promised.
func Half() Tolerance { return Tolerance{Rel: 3e-2, Abs: 3e-2, Share: 0.95} }

// Reference is what the original answers to sets of inputs.
type Reference struct {
	Inputs  [][]tensor.Tensor // one set a run, by name
	Outputs [][]tensor.Tensor // of each set, by name
	Random  map[string]bool   // outputs that differ from run to run of the original itself: they are not compared
}

// Accepted returns the sets of inputs that a session runs on. The first is what was asked for: its failure is an error.
// The others may have sizes that nobody promised the model takes.
func Accepted(ctx context.Context, s engine.Session, sets [][]tensor.Tensor) ([][]tensor.Tensor, error) {
	var list [][]tensor.Tensor
	for i, in := range sets {
		_, err := run(ctx, s, in)
		switch {
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case err == nil:
			list = append(list, in)
		case i == 0:
			return nil, fault.Wrap(err, "run the original")
		}
	}
	return list, nil
}

// Record runs a session on each set of inputs, on the first one twice: an output that differs between the two is random.
func Record(ctx context.Context, s engine.Session, inputs [][]tensor.Tensor) (*Reference, error) {
	r := &Reference{Inputs: inputs, Random: map[string]bool{}}
	for i, in := range inputs {
		out, err := run(ctx, s, in)
		if err != nil {
			return nil, fault.Wrap(err, "run the original on inputs %d of %d", i+1, len(inputs))
		}
		r.Outputs = append(r.Outputs, out)
	}
	if len(inputs) == 0 {
		return r, nil
	}
	again, err := run(ctx, s, inputs[0])
	if err != nil {
		return nil, fault.Wrap(err, "run the original")
	}
	for i, x := range r.Outputs[0] {
		if o := compare(x, again[i], Float32()); !o.Within(Float32()) {
			r.Random[x.Name] = true
		}
	}
	return r, nil
}

// run returns all outputs of a session, by name.
func run(ctx context.Context, s engine.Session, in []tensor.Tensor) ([]tensor.Tensor, error) {
	out := make([]tensor.Tensor, len(s.Outputs()))
	for i, p := range s.Outputs() {
		out[i].Name = p.Name
	}
	return out, s.Run(ctx, in, out)
}

// Result is the comparison of a model with a reference.
type Result struct {
	Tolerance Tolerance
	Sets      int
	Outputs   []Output
}

// Within reports whether all outputs agree.
func (r *Result) Within() bool {
	return !slices.ContainsFunc(r.Outputs, func(o Output) bool { return !o.Within(r.Tolerance) })
}

// Equal reports whether all outputs that were compared are the same.
func (r *Result) Equal() bool {
	return !slices.ContainsFunc(r.Outputs, func(o Output) bool { return !o.Skipped && (o.Why != "" || o.Worst > 0) })
}

// Compared reports whether any output could be compared.
func (r *Result) Compared() bool {
	return r.Sets > 0 && slices.ContainsFunc(r.Outputs, func(o Output) bool { return !o.Skipped })
}

// Worst returns the largest Output.Worst.
func (r *Result) Worst() float64 {
	worst := 0.0
	for _, o := range r.Outputs {
		worst = max(worst, o.Worst)
	}
	return worst
}

// Why says of the output that differs most by how much, in words for people; "" where all agree.
func (r *Result) Why() string {
	at := -1
	for i, o := range r.Outputs {
		if !o.Within(r.Tolerance) && (at < 0 || o.Why != "" || o.Worst > r.Outputs[at].Worst) {
			at = i
		}
	}
	if at < 0 {
		return ""
	}
	o := r.Outputs[at]
	if o.Why != "" {
		return fmt.Sprintf("output %q: %s", o.Name, o.Why)
	}
	if math.IsInf(o.Worst, 1) && o.MaxAbs == 0 {
		return fmt.Sprintf("output %q: %d of %d elements differ", o.Name, o.Beyond, o.Elements)
	}
	return fmt.Sprintf("output %q: %d of %d elements are outside the tolerance, the largest difference is %.3g", o.Name, o.Beyond, o.Elements, o.MaxAbs)
}

// Compare runs a session on the inputs of the reference and compares what it answers. The session may lack inputs and
// outputs that the original had; an output that the original lacks is an error. Floating-point inputs of the reference
// are rounded to what the session takes; floating-point outputs are compared as numbers, whatever their width.
func (r *Reference) Compare(ctx context.Context, s engine.Session, t Tolerance) (*Result, error) {
	result := &Result{Tolerance: t, Sets: len(r.Inputs)}
	totals := map[string]*total{}
	for i, in := range r.Inputs {
		given, err := Suit(in, s.Inputs())
		if err != nil {
			return nil, err
		}
		out, err := run(ctx, s, given)
		if err != nil {
			return nil, fault.Wrap(err, "run on inputs %d of %d", i+1, len(r.Inputs))
		}
		for _, y := range out {
			at := slices.IndexFunc(r.Outputs[i], func(x tensor.Tensor) bool { return x.Name == y.Name })
			if at < 0 {
				return nil, fault.New(fault.Internal, "", "output %q is none of the original", y.Name)
			}
			if totals[y.Name] == nil {
				totals[y.Name] = &total{Output: Output{Name: y.Name, DType: y.DType, Skipped: r.Random[y.Name]}}
			}
			totals[y.Name].add(r.Outputs[i][at], y, t)
		}
	}
	for _, p := range s.Outputs() {
		if o := totals[p.Name]; o != nil {
			result.Outputs = append(result.Outputs, o.finish())
		}
	}
	return result, nil
}

// Suit returns the tensors of in that a session takes, as it takes them: floating-point ones rounded to its type. An input
// that in lacks is an error.
func Suit(in []tensor.Tensor, ports []engine.Port) ([]tensor.Tensor, error) {
	var given []tensor.Tensor
	for i, p := range ports {
		at := slices.IndexFunc(in, func(x tensor.Tensor) bool { return x.Name == p.Name })
		if at < 0 && i < len(in) && in[i].Name == "" {
			at = i
		}
		if at < 0 {
			return nil, fault.New(fault.Internal, "", "input %q is none of the original", p.Name)
		}
		x := in[at]
		if d := p.Type.DType; d != x.DType && d.IsFloat() && x.DType.IsFloat() {
			var err error
			if x, err = round(x, d); err != nil {
				return nil, fault.Wrap(err, "input %q", p.Name)
			}
		}
		given = append(given, x)
	}
	return given, nil
}

// round returns x in another floating-point type.
func round(x tensor.Tensor, d tensor.DType) (tensor.Tensor, error) {
	values, err := tensor.Floats(x)
	if err != nil {
		return x, err
	}
	size, err := tensor.ByteSize(d, x.Shape)
	if err != nil {
		return x, err
	}
	y := tensor.Tensor{Name: x.Name, DType: d, Shape: x.Shape, Data: make([]byte, size)}
	tensor.EncodeFloats(y.Data, d, values)
	return y, nil
}
