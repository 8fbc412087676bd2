package emit

import (
	"fmt"
	"slices"

	"infer/internal/fault"
	"infer/model/onnx"
	"infer/model/tensor"
	"infer/optimize"
	"infer/optimize/quantize/affine"
)

// Ranges returns the range [lo, hi] that a value is quantized by on a grid.
type Ranges func(value string, g affine.Grid) (lo, hi float64, err error)

// Emitted is what a rewritten model holds.
type Emitted struct {
	Decisions []Decision // units in graph order, then what was left float
	Tensors   []Tensor   // quantized activations, in the order in which they were met
	Weights   []Weight
}

// Tensor is a quantized activation.
type Tensor struct {
	Value  string
	Lo, Hi float64 // the range it was given
	affine.Params
}

// Weight is a quantized constant.
type Weight struct {
	Node     string
	Name     string // in the float graph
	Shape    tensor.Shape
	DType    tensor.DType
	Axis     int // of its channels, −1 for one scale
	Block    int // elements that share a scale along K, 0: all
	Scales   []float32
	SQNR     float64 // dB, against the float constant
	Adjusted int     // channels whose scale grew so that the bias fits
}

// StaticOptions are the choices of Static.
type StaticOptions struct {
	PerChannel bool
	// Bias returns what is to be added to the bias of a unit, one element a channel, to undo the mean error that its
	// quantized weight makes; nil, or an empty result, for nothing.
	Bias func(u *Unit, original, quantized []float32, shape tensor.Shape) []float32
}

// minOpset is the first version of ai.onnx whose QuantizeLinear has an axis.
const minOpset = 13

// Static rewrites m, the graph that p was planned on or a clone of it, to QuantizeLinear and DequantizeLinear around
// its units. Values keep their names: what was Out in the float graph is the dequantized value afterwards.
func (p *Plan) Static(m *onnx.Model, ranges Ranges, o StaticOptions) (*Emitted, error) {
	if v := m.Opset(""); v < minOpset {
		return nil, fault.New(fault.Unsupported, "upgrade it first", "static quantization needs opset %d, the model has %d", minOpset, v)
	}
	w := &staticWriter{
		plan: p, options: o, ranges: ranges, editor: optimize.NewEditor(m, m.Graph), nodes: map[string]*onnx.Node{},
		params: map[string]affine.Params{}, dequantized: map[string]string{}, out: &Emitted{},
	}
	for _, n := range m.Graph.Nodes {
		w.nodes[n.Name] = n
	}
	if err := w.parameters(); err != nil {
		return nil, err
	}
	for _, u := range p.Units {
		if err := w.unit(u); err != nil {
			return nil, fault.Wrap(err, "node %q", u.Node)
		}
	}
	w.out.Decisions = append(w.out.Decisions, p.Left...)
	return w.out, w.editor.Finish()
}

// staticWriter carries one rewriting.
type staticWriter struct {
	plan    *Plan
	options StaticOptions
	ranges  Ranges
	editor  *optimize.Editor
	nodes   map[string]*onnx.Node
	params  map[string]affine.Params // by value
	// dequantized is the name under which a quantized value is read as float. A value that its unit gives as integers
	// is read under its own name.
	dequantized map[string]string
	out         *Emitted
}

// parameters gives every quantized value its scale and zero point.
func (w *staticWriter) parameters() error {
	g := w.plan.Target.Activation
	for _, u := range w.plan.Units {
		values := slices.Clone(u.In)
		if u.Ints {
			values = append(values, u.Out)
		}
		for _, v := range values {
			if _, done := w.params[v]; done {
				continue
			}
			if v == u.Out && u.SameAs != "" {
				w.params[v] = w.params[u.SameAs]
				continue
			}
			t := Tensor{Value: v}
			if v == u.Out && u.Fixed != nil {
				t.Lo, t.Hi = u.Fixed[0], u.Fixed[1]
			} else {
				var err error
				if t.Lo, t.Hi, err = w.ranges(v, g); err != nil {
					return err
				}
			}
			t.Params = g.Fit(t.Lo, t.Hi)
			w.params[v] = t.Params
			w.out.Tensors = append(w.out.Tensors, t)
		}
	}
	return nil
}

// unit rewrites one unit.
func (w *staticWriter) unit(u *Unit) error {
	n := w.nodes[u.Node]
	if u.Direct {
		return w.direct(u, n)
	}
	for i, v := range u.In {
		read, err := w.read(v)
		if err != nil {
			return err
		}
		w.editor.SetInput(n, u.At[i], read)
	}
	if u.Weight != "" {
		if err := w.weight(u, n); err != nil {
			return err
		}
	}
	if u.Ints {
		if err := w.give(u); err != nil {
			return err
		}
	}
	w.out.Decisions = append(w.out.Decisions, Decision{
		Node: u.Node, Op: u.Op, Output: u.Out, Form: Static, Weight: u.Weight, Predicted: u.Kernel, Absorbed: u.Absorbed,
	})
	return nil
}

// direct lets a node move the integers themselves.
func (w *staticWriter) direct(u *Unit, n *onnx.Node) error {
	p := w.params[u.SameAs]
	scale, zero, err := w.scalars(u.Out, p)
	if err != nil {
		return err
	}
	from, to := w.editor.Unique(u.In[0]+"_quantized"), w.editor.Unique(u.Out+"_quantized")
	w.editor.Insert(&onnx.Node{
		Name: w.editor.Unique(u.In[0] + "_QuantizeLinear"), OpType: "QuantizeLinear", Inputs: []string{u.In[0], scale, zero}, Outputs: []string{from},
	})
	w.editor.SetInput(n, 0, from)
	n.Outputs[0] = to
	w.editor.Insert(&onnx.Node{
		Name: w.editor.Unique(u.Out + "_DequantizeLinear"), OpType: "DequantizeLinear", Inputs: []string{to, scale, zero}, Outputs: []string{u.Out},
	})
	w.out.Decisions = append(w.out.Decisions, Decision{Node: u.Node, Op: u.Op, Output: u.Out, Form: Static, Predicted: u.Kernel})
	return nil
}

// read returns the name under which a value is read as what its integers stand for.
func (w *staticWriter) read(v string) (string, error) {
	if name, ok := w.dequantized[v]; ok {
		return name, nil
	}
	if w.plan.ints[v] {
		return v, nil // its own unit makes it so
	}
	name := w.editor.Unique(v + "_dequantized")
	w.dequantized[v] = name
	return name, w.pair(v, v, name)
}

// pair puts QuantizeLinear and DequantizeLinear between from and to, by the parameters of value.
func (w *staticWriter) pair(value, from, to string) error {
	p := w.params[value]
	scale, zero, err := w.scalars(value, p)
	if err != nil {
		return err
	}
	q := w.editor.Unique(value + "_quantized")
	w.editor.Insert(&onnx.Node{
		Name: w.editor.Unique(value + "_QuantizeLinear"), OpType: "QuantizeLinear", Inputs: []string{from, scale, zero}, Outputs: []string{q},
	})
	w.editor.Insert(&onnx.Node{
		Name: w.editor.Unique(value + "_DequantizeLinear"), OpType: "DequantizeLinear", Inputs: []string{q, scale, zero}, Outputs: []string{to},
	})
	return nil
}

func (w *staticWriter) scalars(value string, p affine.Params) (scale, zero string, err error) {
	s, err := tensor.FromFloat32("", nil, []float32{p.Scale})
	if err != nil {
		return "", "", err
	}
	z, err := tensor.FromInts("", p.DType, nil, []int64{int64(p.Zero)})
	if err != nil {
		return "", "", err
	}
	if scale, err = w.editor.AddInitializer(value+"_scale", s); err != nil {
		return "", "", err
	}
	zero, err = w.editor.AddInitializer(value+"_zero_point", z)
	return scale, zero, err
}

// give quantizes what a unit makes. The value keeps its name for all who read it; what its Relu or Clip did is part of
// the range.
func (w *staticWriter) give(u *Unit) error {
	for _, name := range u.Absorbed {
		if name != u.BiasNode {
			w.editor.Remove(w.nodes[name])
		}
	}
	maker := w.nodes[u.Node]
	if u.BiasNode != "" {
		maker = w.nodes[u.BiasNode]
	}
	raw := w.editor.Unique(u.Out + "_float")
	for i, o := range maker.Outputs {
		if o == u.Raw {
			maker.Outputs[i] = raw
		}
	}
	return w.pair(u.Out, raw, u.Out)
}

// weight quantizes the constant of a unit, and its bias.
func (w *staticWriter) weight(u *Unit, n *onnx.Node) error {
	v, ok := w.editor.ConstantValue(u.Weight)
	if !ok {
		return fmt.Errorf("weight %q cannot be read", u.Weight)
	}
	x, err := tensor.Floats(v)
	if err != nil {
		return err
	}
	axis := u.Axis
	if !w.options.PerChannel {
		axis = affine.PerTensor
	}
	q, err := affine.QuantizeWeight(x, v.Shape, axis, w.plan.Target.Weight)
	if err != nil {
		return fault.Wrap(err, "weight %q", u.Weight)
	}
	adjusted := 0
	if u.Bias != "" {
		if adjusted, err = w.bias(u, n, q, x, v.Shape); err != nil {
			return err
		}
	}
	back := q.Dequantize()
	w.out.Weights = append(w.out.Weights, Weight{
		Node: u.Node, Name: u.Weight, Shape: v.Shape, DType: q.DType, Axis: axis, Scales: q.Scales, SQNR: affine.SQNR(x, back), Adjusted: adjusted,
	})
	name, err := w.constant(u.Weight, tensor.Tensor{DType: q.DType, Shape: v.Shape, Data: q.Data}, q.Scales, axis)
	if err != nil {
		return err
	}
	w.editor.SetInput(n, u.WeightAt, name)
	return nil
}

// bias quantizes the bias of a unit to int32 and returns how many channels of q had to grow for it.
func (w *staticWriter) bias(u *Unit, n *onnx.Node, q *affine.Weight, x []float32, shape tensor.Shape) (int, error) {
	v, ok := w.editor.ConstantValue(u.Bias)
	if !ok {
		return 0, fmt.Errorf("bias %q cannot be read", u.Bias)
	}
	b, err := tensor.Floats(v)
	if err != nil {
		return 0, err
	}
	if w.options.Bias != nil {
		if shift := w.options.Bias(u, x, q.Dequantize(), shape); len(shift) == len(b) {
			b = slices.Clone(b)
			for i := range b {
				b[i] += shift[i]
			}
		}
	}
	r, err := affine.QuantizeBias(b, w.params[u.In[0]].Scale, q, x)
	if err != nil {
		return 0, fault.Wrap(err, "bias %q", u.Bias)
	}
	ints := make([]int64, len(r.Data))
	for i, e := range r.Data {
		ints[i] = int64(e)
	}
	t, err := tensor.FromInts("", tensor.Int32, v.Shape, ints)
	if err != nil {
		return 0, err
	}
	axis := 0
	if len(r.Scales) == 1 {
		axis = affine.PerTensor
	}
	name, err := w.constant(u.Bias, t, r.Scales, axis)
	if err != nil {
		return 0, err
	}
	reader := n
	if u.BiasNode != "" {
		reader = w.nodes[u.BiasNode]
	}
	for i, in := range reader.Inputs {
		if in == u.Bias {
			w.editor.SetInput(reader, i, name)
			break
		}
	}
	return r.Adjusted, nil
}

// constant stores integers with zero point 0 and returns the name of the float value that they stand for.
func (w *staticWriter) constant(base string, v tensor.Tensor, scales []float32, axis int) (string, error) {
	shape := tensor.Shape{int64(len(scales))}
	if axis < 0 {
		shape = nil
	}
	s, err := tensor.FromFloat32("", shape, scales)
	if err != nil {
		return "", err
	}
	z, err := tensor.New("", v.DType, shape)
	if err != nil {
		return "", err
	}
	var names [3]string
	for i, c := range []struct {
		suffix string
		value  tensor.Tensor
	}{{"_quantized", v}, {"_scale", s}, {"_zero_point", z}} {
		if names[i], err = w.editor.AddInitializer(base+c.suffix, c.value); err != nil {
			return "", err
		}
	}
	out := w.editor.Unique(base + "_dequantized")
	d := &onnx.Node{Name: w.editor.Unique(base + "_DequantizeLinear"), OpType: "DequantizeLinear", Inputs: names[:], Outputs: []string{out}}
	if axis >= 0 {
		d.Attrs = []*onnx.Attribute{{Name: "axis", Type: onnx.AttrInt, I: int64(axis)}}
	}
	w.editor.Insert(d)
	return out, nil
}
