package half

import (
	"fmt"
	"slices"

	"infer/model/tensor"
)

// keep says why a node stays float32; "" where it does not.
func (s *scope) keep(u *site) string {
	for _, rule := range []func(*site) string{
		s.unformed, s.asked, s.untyped, s.quantized, s.ranged, s.reduced, s.excessive, s.shapely, s.squares, s.follows,
	} {
		if why := rule(u); why != "" {
			return why
		}
	}
	return ""
}

// unformed keeps operators without a half-precision form.
func (s *scope) unformed(u *site) string {
	switch {
	case s.calls[u.Domain+":"+u.OpType]:
		return "a function of the model"
	case u.name != u.OpType:
		return "an operator of domain " + u.Domain
	case !u.listed:
		return "no " + s.o.DType.String() + " form that computes the same"
	case u.def.since(s.o.DType) >= never:
		return "no " + s.o.DType.String() + " form"
	case u.Str("reduction", "none") != "none": // of ScatterND and ScatterElements
		return "the runtime scatters with a reduction in float32 alone"
	case s.opset < u.def.since(s.o.DType):
		return fmt.Sprintf("%s from opset %d on", s.o.DType, u.def.since(s.o.DType))
	}
	return ""
}

// asked keeps what the caller wants kept.
func (s *scope) asked(u *site) string {
	if slices.Contains(s.o.BlockOps, u.name) {
		return "blocked operator"
	}
	if s.o.BlockNodes != nil && s.o.BlockNodes(u.Node) {
		return "blocked node"
	}
	return ""
}

// untyped keeps nodes that touch a value whose type nobody knows: whether it needs a Cast cannot be told.
func (s *scope) untyped(u *site) string {
	for _, v := range u.in {
		if v != nil && v.kind == unknown {
			return fmt.Sprintf("type of %q is not known", v.name)
		}
	}
	if i := slices.Index(u.out, unknown); i >= 0 {
		return fmt.Sprintf("type of %q is not known", u.Outputs[i])
	}
	return ""
}

// quantized keeps what stands between DequantizeLinear and QuantizeLinear: a Cast in between breaks the fusion.
func (s *scope) quantized(u *site) string {
	for _, v := range u.in {
		if v != nil && v.quantized {
			return "quantized"
		}
	}
	for _, o := range u.Outputs {
		for _, r := range s.consumers[o] {
			if r.OpType == "QuantizeLinear" {
				return "quantized"
			}
		}
	}
	return ""
}

// ranged keeps nodes with values that calibration found too large.
func (s *scope) ranged(u *site) string {
	if s.o.DType != tensor.Float16 {
		return ""
	}
	for _, name := range slices.Concat(u.Node.Inputs, u.Node.Outputs) {
		if r, ok := s.o.Range[name]; ok && !(r <= s.o.ActMax) {
			return fmt.Sprintf("%q reaches %.4g", name, r)
		}
	}
	return ""
}

// reduced keeps nodes that sum over too many terms.
func (s *scope) reduced(u *site) string {
	if n := s.terms(u); s.o.MaxReduction > 0 && n > s.o.MaxReduction {
		return fmt.Sprintf("sums over %d terms", n)
	}
	return ""
}

// terms returns over how many terms a node sums for one element of its output; 0 where it does not, or sizes are not
// known.
func (s *scope) terms(u *site) int64 {
	dims := func(name string) tensor.Shape {
		v, _ := s.shapes.Of(s.graph, name)
		shape, _ := v.Shape()
		return shape
	}
	count := func(shape tensor.Shape) int64 {
		n, err := shape.Elements()
		if err != nil || len(shape) == 0 {
			return 0
		}
		return n
	}
	switch u.name {
	case "MatMul":
		if v, _ := s.shapes.Of(s.graph, u.Inputs[0]); len(v.Dims) > 0 && v.Dims[len(v.Dims)-1].Known {
			return v.Dims[len(v.Dims)-1].Size
		}
	case "Gemm":
		if v, _ := s.shapes.Of(s.graph, u.Inputs[0]); len(v.Dims) == 2 {
			return v.Dims[1-min(u.Int("transA", 0), 1)].Size
		}
	case "Conv": // weights [out, in/group, kernel…]
		if w := dims(u.Inputs[1]); count(w) > 0 {
			return count(w[1:])
		}
	case "ConvTranspose": // weights [in, out/group, kernel…]: at most in/group·kernel terms meet in one element
		if w := dims(u.Inputs[1]); len(w) > 2 && count(w) > 0 {
			return w[0] / max(u.Int("group", 1), 1) * count(w[2:])
		}
	case "ReduceSum", "ReduceMean", "ReduceL1", "ReduceL2", "ReduceSumSquare", "ReduceLogSum", "ReduceLogSumExp", "ReduceProd",
		"GlobalAveragePool":
		if out := count(dims(u.Outputs[0])); out > 0 {
			return count(dims(u.Inputs[0])) / out
		}
	}
	return 0
}

// bounds are operators whose large constants only limit or replace values: cut to the range they do the same.
var bounds = []string{"Clip", "Max", "Min", "Pad", "Where"}

// masks are operators that add a large negative constant to what is to vanish behind them.
var masks = []string{"Add", "Sub", "Mul"}

// excessive keeps nodes with a constant that means something else when it is cut to the range of float16.
func (s *scope) excessive(u *site) string {
	for _, v := range u.in {
		if v == nil || v.twin == nil || !v.twin.above && !v.twin.below || slices.Contains(bounds, u.name) {
			continue
		}
		if !v.twin.above && (u.def.moves || slices.Contains(masks, u.name)) {
			continue
		}
		return fmt.Sprintf("constant %q exceeds float16", v.name)
	}
	return ""
}

// shapely keeps arithmetic on shapes and constants, which costs nothing: sizes and positions above 2048 are no float16,
// and a constant that is folded in float32 is rounded once.
func (s *scope) shapely(u *site) string {
	switch {
	case u.def.moves:
		return ""
	case u.fixed:
		return "computed from shapes"
	case u.constant:
		return "computed from constants"
	}
	return ""
}

// squares keeps squares and what is summed up of them while their range is not known: the square of 256 is no float16,
// and a variance that overflows makes a normalization zero or NaN.
func (s *scope) squares(u *site) string {
	switch {
	case len(u.Outputs) == 0 || s.calibrated(u.Outputs[0]):
		return ""
	case u.squaring():
		return "squares of unknown range"
	case u.carries() || u.tames():
		return "works on squares of unknown range"
	}
	return ""
}

// calibrated reports whether the range of a value is known.
func (s *scope) calibrated(name string) bool {
	_, ok := s.o.Range[name]
	return ok
}

// squaring reports whether the node makes squares or higher powers.
func (u *site) squaring() bool {
	switch u.name {
	case "Mul":
		return len(u.in) == 2 && u.in[0] != nil && u.in[0] == u.in[1]
	case "ReduceProd", "ReduceSumSquare":
		return true
	case "Pow":
		if len(u.in) < 2 || u.in[1] == nil || u.in[1].twin == nil || u.in[1].twin.tensor == nil {
			return true
		}
		v, err := u.in[1].twin.tensor.Value()
		if err != nil {
			return true
		}
		f, err := tensor.Floats(v)
		return err != nil || slices.ContainsFunc(f, func(x float32) bool { return x > 1 || x < -1 })
	}
	return false
}

// carries reports whether the node hands squares on.
func (u *site) carries() bool {
	switch u.name {
	case "Add", "Sub", "Mul", "Sum", "Mean", "Max", "Min", "Neg", "Abs", "ReduceSum", "ReduceMean", "ReduceMax", "GlobalAveragePool",
		"AveragePool":
		return anySquared(u.in)
	case "Div":
		return anySquared(u.in[:1])
	}
	return u.def.moves && anySquared(u.in)
}

// tames reports whether the node makes something of usual size of squares.
func (u *site) tames() bool {
	switch u.name {
	case "Sqrt", "Reciprocal", "Log", "Tanh", "Sigmoid", "Erf", "Clip", "Div", "Pow":
		return anySquared(u.in)
	}
	return false
}

func anySquared(list []*value) bool {
	return slices.ContainsFunc(list, func(v *value) bool { return v != nil && v.squared })
}

// follows keeps what only moves float32 values: the Cast comes behind it, if at all.
func (s *scope) follows(u *site) string {
	if !u.def.moves {
		return ""
	}
	found := u.fixed
	for _, v := range u.in {
		if v == nil || v.kind != float || v.twin != nil {
			continue
		}
		if v.native == half {
			return ""
		}
		found = true
	}
	if found {
		return "moves float32 values"
	}
	return ""
}

// inherit notes on an output of a node what follows from its inputs.
func (s *scope) inherit(v *value, u *site) {
	if v.native == half {
		return
	}
	v.squared = !s.calibrated(v.name) && (u.squaring() || u.carries())
	v.quantized = u.name == "DequantizeLinear"
	for _, in := range u.in {
		if in == nil {
			continue
		}
		v.quantized = v.quantized || in.quantized && u.def.moves
		if in.large || in.twin != nil && (in.twin.above || in.twin.below) {
			v.large = !slices.Contains([]string{"Erf", "HardSigmoid", "Sigmoid", "Softmax", "Tanh"}, u.name)
		}
	}
}
