package emit

import (
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
		params: map[string]affine.Params{}, quantized: map[string]string{}, dequantized: map[string]string{},
		constants: map[constantKey]string{}, out: &Emitted{},
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
	// quantized is the name of the integers of a value, dequantized the name under which they are read as float. A
	// value that its unit gives as integers is read under its own name.
	quantized, dequantized map[string]string
	constants              map[constantKey]string // dequantized values, by what they stand for
	out                    *Emitted
}

// constantKey is equal for constants that are quantized alike.
type constantKey struct {
	name  string
	axis  int
	dtype tensor.DType
}

// parameters gives every quantized value its scale and zero point.
func (w *staticWriter) parameters() error {
	for _, u := range w.plan.Units {
		for _, v := range u.In {
			if err := w.fit(v, nil, nil); err != nil {
				return err
			}
		}
		for _, v := range u.outs() {
			if u.SameAs != "" {
				w.params[v] = w.params[u.SameAs]
			} else if err := w.fit(v, u.Fixed, u.Limits); err != nil {
				return err
			}
		}
	}
	return nil
}

// fit gives a value parameters for its range: fixed, or the calibrated one within limits.
func (w *staticWriter) fit(v string, fixed, limits []float64) error {
	if _, done := w.params[v]; done {
		return nil
	}
	t, g := Tensor{Value: v}, w.plan.Target.Activation
	if fixed != nil {
		t.Lo, t.Hi = fixed[0], fixed[1]
	} else {
		var err error
		if t.Lo, t.Hi, err = w.ranges(v, g); err != nil {
			return err
		}
	}
	if limits != nil {
		t.Lo, t.Hi = max(t.Lo, limits[0]), min(t.Hi, limits[1])
	}
	t.Params = g.Fit(t.Lo, t.Hi)
	w.params[v] = t.Params
	w.out.Tensors = append(w.out.Tensors, t)
	return nil
}

// unit rewrites one unit.
func (w *staticWriter) unit(u *Unit) error {
	n := w.nodes[u.Node]
	rewrite := w.around
	if u.Direct {
		rewrite = w.direct
	}
	if err := rewrite(u, n); err != nil {
		return err
	}
	w.out.Decisions = append(w.out.Decisions, Decision{
		Node: u.Node, Op: u.Op, Output: u.Out, Form: Static, Weight: u.Weight, Predicted: u.Kernel, Absorbed: u.Absorbed,
	})
	return nil
}

// around puts DequantizeLinear before the node of a unit, and QuantizeLinear behind it where the unit gives integers.
func (w *staticWriter) around(u *Unit, n *onnx.Node) error {
	for i, v := range u.In {
		read, err := w.read(v)
		if err != nil {
			return err
		}
		w.editor.SetInput(n, u.At[i], read)
	}
	if u.Constant != "" {
		if err := w.operand(u, n); err != nil {
			return err
		}
	}
	if u.Weight != "" {
		if err := w.weight(u, n); err != nil {
			return err
		}
	}
	if !u.Ints {
		return nil
	}
	return w.give(u)
}

// direct lets a node move the integers themselves.
func (w *staticWriter) direct(u *Unit, n *onnx.Node) error {
	x := u.In[0]
	if _, err := w.read(x); err != nil { // its integers, which may be all that is read
		return err
	}
	w.editor.SetInput(n, 0, w.quantized[x])
	to := w.editor.Unique(u.Out + "_quantized")
	n.Outputs[0], w.quantized[u.Out] = to, to
	scale, zero, err := w.scalars(u.Out)
	if err != nil {
		return err
	}
	w.insert("DequantizeLinear", u.Out, []string{to, scale, zero}, u.Out)
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
	scale, zero, err := w.scalars(value)
	if err != nil {
		return err
	}
	q := w.editor.Unique(value + "_quantized")
	w.quantized[value] = q
	w.insert("QuantizeLinear", value, []string{from, scale, zero}, q)
	w.insert("DequantizeLinear", value, []string{q, scale, zero}, to)
	return nil
}

// insert adds a node that is named after a value.
func (w *staticWriter) insert(op, value string, inputs []string, output string, attrs ...*onnx.Attribute) {
	n := operator(op, inputs, []string{output}, attrs...)
	n.Name = w.editor.Unique(value + "_" + op)
	w.editor.Insert(n)
}

// scalars adds the scale and zero point of a value.
func (w *staticWriter) scalars(value string) (scale, zero string, err error) {
	p := w.params[value]
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

// give quantizes what a unit makes. The values keep their names for all who read them; what a Relu or Clip did is part
// of the range.
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
	for i, v := range u.outs() {
		raw := w.editor.Unique(v + "_float")
		maker.Outputs[i] = raw
		if err := w.pair(v, raw, v); err != nil {
			return err
		}
	}
	return nil
}
