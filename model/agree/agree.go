// Package agree owns the question whether two models answer alike: the outputs of one are recorded on sets of inputs,
// those of the other are held against them.
package agree

import (
	"context"

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

// Float32 is the tolerance of a rewrite that changes no more than the order of sums; Float16 that of half precision.
var (
	Float32 = Tolerance{Rel: 1e-5, Abs: 1e-6}
	Float16 = Tolerance{Rel: 3e-2, Abs: 3e-2, Share: 0.95}
)

// Reference is what the original answers to sets of inputs.
type Reference struct {
	Inputs  [][]tensor.Tensor // one set a run, by name
	Outputs [][]tensor.Tensor // of each set, by name
	Random  map[string]bool   // outputs that differ from run to run of the original itself: they are not compared
}

// Record runs a session on each set of inputs, on the first one twice.
func Record(ctx context.Context, s engine.Session, inputs [][]tensor.Tensor) (*Reference, error) {
	return nil, nil
}

// Output is how one output differs, over all sets.
type Output struct {
	Name     string
	DType    tensor.DType
	Elements int64
	Beyond   int64    // elements outside the tolerance
	MaxAbs   float64  // the largest |x - y| of finite elements
	MaxRel   float64  // the largest |x - y|/|x| of those with |x| above Tolerance.Abs
	Worst    float64  // the largest |x - y| / (Abs + Rel·|x|)
	SQNR     *float64 // dB, of float outputs that differ
	Top1     *float64 // share of rows with the same largest element, of float outputs [rows, classes] with 2 classes or more
	Why      string   // shapes or types that differ: then nothing was compared element by element
	Skipped  bool     // one of Reference.Random
}

// Within reports whether the output agrees.
func (o Output) Within(t Tolerance) bool { return false }

// Result is the comparison of a model with a reference.
type Result struct {
	Tolerance Tolerance
	Sets      int
	Outputs   []Output
}

// Within reports whether all outputs agree.
func (r *Result) Within() bool { return false }

// Equal reports whether all outputs are the same bit for bit.
func (r *Result) Equal() bool { return false }

// Worst returns the largest Output.Worst.
func (r *Result) Worst() float64 { return 0 }

// Why names the output that differs most, in words for people: "output \"y\": 3 of 1000 elements differ by up to 0.2".
func (r *Result) Why() string { return "" }

// Compare runs a session on the inputs of the reference and compares what it answers. The session may lack inputs
// that the original had; it must have all outputs. A float32 input of the reference is rounded where the session takes
// half precision; half-precision outputs are compared as numbers.
func (r *Reference) Compare(ctx context.Context, s engine.Session, t Tolerance) (*Result, error) {
	return nil, nil
}
