package optimize

import (
	"context"
	"math"
	"slices"

	"infer/internal/fault"
	"infer/model"
	"infer/model/engine"
	"infer/model/onnx"
	"infer/model/onnx/static"
	"infer/model/tensor"
)

// defaultMaxFold is Work.MaxFold where none is given.
const defaultMaxFold = 1 << 20

// foldConstants replaces what is the same in every run with initializers: values that shape inference knows, and nodes
// that read constants alone, which the engine runs once in a model of their own. QuantizeLinear and DequantizeLinear
// stay: folding them would undo a quantization. A value of unknown or overridable inputs is not constant.
func foldConstants() Pass {
	return Pass{
		Name: "fold-constants",
		Doc:  "computes what no input changes once and stores the result",
		Run: func(ctx context.Context, w *Work) (int, error) {
			return w.edit(func(e *Editor) (int, error) {
				n := e.storeConstants() + e.storeKnown(w.Declared())
				if w.Provider == nil {
					return n, ctx.Err()
				}
				run, err := e.foldRun(ctx, w)
				return n + run, err
			})
		},
	}
}

// storeConstants makes Constant nodes initializers.
func (e *Editor) storeConstants() int {
	changed := 0
	for _, n := range e.Graph.Nodes {
		if !is(n, "Constant") || only(n) == "" || e.IsOutput(n.Outputs[0]) {
			continue
		}
		if t := constantOf(n); t != nil {
			e.store(n, t)
			changed++
		}
	}
	return changed
}

// constantOf returns the value of a Constant node, nil where it has none that a tensor holds.
func constantOf(n *onnx.Node) *onnx.Tensor {
	if len(n.Attrs) != 1 || n.Attrs[0].RefName != "" {
		return nil
	}
	var v tensor.Tensor
	var err error
	switch a := n.Attrs[0]; a.Name {
	case "value":
		return a.T.Clone()
	case "value_int":
		v, err = tensor.FromInt64("", tensor.Shape{}, []int64{a.I})
	case "value_ints":
		v, err = tensor.FromInt64("", tensor.Shape{int64(len(a.Ints))}, a.Ints)
	case "value_float":
		v, err = tensor.FromFloat32("", tensor.Shape{}, []float32{a.F})
	case "value_floats":
		v, err = tensor.FromFloat32("", tensor.Shape{int64(len(a.Floats))}, a.Floats)
	case "value_string":
		v, err = tensor.FromStrings("", tensor.Shape{}, []string{string(a.S)})
	case "value_strings":
		list := make([]string, len(a.Strings))
		for i, s := range a.Strings {
			list[i] = string(s)
		}
		v, err = tensor.FromStrings("", tensor.Shape{int64(len(list))}, list)
	default:
		return nil
	}
	if err != nil {
		return nil
	}
	t, err := onnx.NewTensor("", v)
	if err != nil {
		return nil
	}
	return t
}

// store puts an initializer in the place of a node's only output.
func (e *Editor) store(n *onnx.Node, t *onnx.Tensor) {
	t.Name = n.Outputs[0]
	e.Remove(n)
	e.Graph.Initializers = append(e.Graph.Initializers, t)
	e.constants[t.Name] = t
}

// storeKnown replaces nodes whose integer result shape inference knows, such as the Shape of a value of a fixed shape.
func (e *Editor) storeKnown(s *static.Shapes) int {
	changed := 0
	for _, n := range e.Graph.Nodes {
		out := only(n)
		if out == "" || !foldable(n) || !e.has(n) || e.IsOutput(out) {
			continue
		}
		v, _ := s.Of(e.Graph, out)
		shape, ok := v.Shape()
		if !ok || len(v.Ints) == 0 || !v.DType.IsInt() && v.DType != tensor.Bool {
			continue
		}
		x, err := tensor.FromInts("", v.DType, shape, v.Ints)
		if err != nil {
			continue
		}
		t, err := onnx.NewTensor("", x)
		if err != nil {
			continue
		}
		e.store(n, t)
		changed++
	}
	return changed
}

// foldable reports whether a node may be replaced by its result where its inputs are constant.
func foldable(n *onnx.Node) bool {
	return n.Domain == "" && deterministic(n) && len(n.Subgraphs()) == 0 &&
		!is(n, "QuantizeLinear", "DequantizeLinear", "Constant") && output(n, 0) != ""
}

// fold is the constant part of a graph.
type fold struct {
	*Editor
	shapes *static.Shapes
	limit  int64               // Work.MaxFold
	inside map[*onnx.Node]bool // nodes to run
	made   map[string]int64    // bytes of the constants that go away once a value of a node inside is stored
	wanted []string            // values of nodes inside that others read, in graph order
}

// foldRun runs the constant part of the graph and stores its results.
func (e *Editor) foldRun(ctx context.Context, w *Work) (int, error) {
	if err := e.Graph.SortNodes(); err != nil {
		return 0, err
	}
	f := &fold{Editor: e, shapes: w.Declared(), limit: w.MaxFold, inside: map[*onnx.Node]bool{}, made: map[string]int64{}}
	if f.limit == 0 {
		f.limit = defaultMaxFold
	}
	f.mark()
	if len(f.wanted) == 0 {
		return 0, nil
	}
	results, err := f.run(ctx, w, f.wanted)
	if err != nil && ctx.Err() == nil {
		// One operator that the engine lacks must not keep the others: each value on its own.
		for _, v := range f.wanted {
			if one, err := f.run(ctx, w, []string{v}); err == nil {
				results = append(results, one...)
			}
		}
	}
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	return f.splice(results), nil
}

// mark finds the nodes to run: those that read constants and each other alone, and whose result is not larger than
// what it replaces by more than the limit. A constant that others read too stays, so it replaces nothing.
func (f *fold) mark() {
	candidates := map[*onnx.Node]bool{}
	constant := func(v string, inside map[*onnx.Node]bool) bool {
		_, stored := f.Constant(v)
		return v == "" || stored || inside[f.producers[v]]
	}
	reads := func(n *onnx.Node, inside map[*onnx.Node]bool) bool {
		return foldable(n) && !slices.ContainsFunc(n.Inputs, func(v string) bool { return !constant(v, inside) })
	}
	for _, n := range f.Graph.Nodes {
		candidates[n] = reads(n, candidates)
	}
	for _, n := range f.Graph.Nodes {
		if candidates[n] && reads(n, f.inside) && !slices.ContainsFunc(n.Outputs, f.IsOutput) {
			f.inside[n] = f.worth(n, candidates)
		}
	}
	for _, n := range f.Graph.Nodes {
		for _, o := range n.Outputs {
			outside := func(r *onnx.Node) bool { return !f.inside[r] }
			if f.inside[n] && o != "" && slices.ContainsFunc(f.consumers[o], outside) {
				f.wanted = append(f.wanted, o)
			}
		}
	}
}

// worth reports whether the results of a node, as far as their size is known, keep to the limit.
func (f *fold) worth(n *onnx.Node, candidates map[*onnx.Node]bool) bool {
	made := int64(0)
	for i, v := range n.Inputs {
		if slices.Contains(n.Inputs[:i], v) {
			continue
		}
		c, stored := f.constants[v] // one of a graph around may be read there
		kept := slices.ContainsFunc(f.consumers[v], func(r *onnx.Node) bool { return !candidates[r] })
		if !stored {
			made += f.made[v]
		} else if size, err := c.ByteSize(); err == nil && !kept {
			made += size
		}
	}
	result := int64(0)
	for _, o := range n.Outputs {
		f.made[o] = made
		v, _ := f.shapes.Of(f.Graph, o)
		size, known := v.Bytes()
		if !known && enlarges[n.OpType] {
			return false
		}
		result = saturate(result, size)
	}
	return result <= saturate(made, f.limit)
}

// enlarges are the operators whose result may be larger than their operands by any factor. They are run only where the
// size is known: what it takes to find out may be more than there is. A later run of the pass knows the constants that
// this one has stored.
var enlarges = map[string]bool{
	"CenterCropPad": true, "ConstantOfShape": true, "Expand": true, "EyeLike": true, "OneHot": true, "Pad": true, "Range": true, "Resize": true,
	"Tile": true, "Upsample": true,
}

// saturate returns a + b for non-negative numbers, the largest int64 where it does not fit.
func saturate(a, b int64) int64 {
	if a > math.MaxInt64-b {
		return math.MaxInt64
	}
	return a + b
}

// run computes values of nodes inside in a model of their own. The results carry the values' names.
func (f *fold) run(ctx context.Context, w *Work, values []string) ([]tensor.Tensor, error) {
	m, err := f.extract(w.Model, values)
	if err != nil {
		return nil, err
	}
	s, err := w.Provider.Open(ctx, model.New(m), engine.Config{OptLevel: engine.OptNone, Threads: 1})
	if err != nil {
		return nil, fault.Wrap(err, "run the constant part")
	}
	defer s.Close()
	results := make([]tensor.Tensor, len(values))
	for i, v := range values {
		results[i].Name = v
	}
	return results, s.Run(ctx, nil, results)
}

// extract returns a model without inputs whose outputs are values.
func (f *fold) extract(of *onnx.Model, values []string) (*onnx.Model, error) {
	g := &onnx.Graph{Name: "constants"}
	taken := map[string]bool{}
	open := slices.Clone(values)
	needed := map[*onnx.Node]bool{}
	for len(open) > 0 {
		v := open[len(open)-1]
		open = open[:len(open)-1]
		if taken[v] || v == "" {
			continue
		}
		taken[v] = true
		if n := f.producers[v]; n != nil && f.inside[n] {
			needed[n] = true
			open = append(open, n.Inputs...)
			continue
		}
		c, ok := f.Constant(v)
		if !ok {
			return nil, fault.New(fault.Internal, "", "constant %q has no value", v)
		}
		x, err := c.Value()
		if err != nil {
			return nil, err
		}
		t, err := onnx.NewTensor(v, x) // without the reference to a file
		if err != nil {
			return nil, err
		}
		g.Initializers = append(g.Initializers, t)
	}
	for _, n := range f.Graph.Nodes {
		if needed[n] {
			g.Nodes = append(g.Nodes, n)
		}
	}
	for _, v := range values {
		g.Outputs = append(g.Outputs, &onnx.ValueInfo{Name: v, Type: f.declaredType(v)})
	}
	return &onnx.Model{IRVersion: max(of.IRVersion, 4), Producer: of.Producer, Opsets: of.Opsets, Graph: g}, nil
}

// declaredType returns what is known of a value's type, nil for nothing: the runtime infers it then.
func (f *fold) declaredType(value string) *onnx.Type {
	v, ok := f.shapes.Of(f.Graph, value)
	if !ok || v.DType == tensor.Undefined || v.Kind != onnx.KindTensor {
		return nil
	}
	return &onnx.Type{Kind: onnx.KindTensor, DType: v.DType}
}

// splice makes results initializers in the place of what computed them. A result that is no tensor or over the limit
// stays computed.
func (f *fold) splice(results []tensor.Tensor) int {
	stored := map[string]bool{}
	for _, r := range results {
		if int64(len(r.Data)) > saturate(f.made[r.Name], f.limit) {
			continue
		}
		t, err := onnx.NewTensor(r.Name, tensor.Tensor{DType: r.DType, Shape: r.Shape, Data: r.Data, Strings: r.Strings})
		if err != nil || r.DType >= tensor.Sequence {
			continue
		}
		f.detach(r.Name, r.Name+"_folded") // what is left of its node is dead, or makes other values too
		f.Graph.Initializers = append(f.Graph.Initializers, t)
		f.constants[t.Name] = t
		stored[r.Name] = true
	}
	return len(stored)
}
