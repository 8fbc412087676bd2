package emit

import (
	"fmt"
	"slices"
	"strings"

	"infer/model/onnx"
	"infer/model/onnx/static"
	"infer/model/tensor"
	"infer/optimize"
)

// Plan says which nodes of a float graph become integer kernels, and which values are quantized for that. It is made of
// units; what is not part of one stays float.
type Plan struct {
	Target Target
	Units  []*Unit
	Left   []Decision // nodes that could have been units, and why they are none

	editor *optimize.Editor
	shapes *static.Shapes
	graph  *onnx.Graph
	unitOf map[*onnx.Node]*Unit // units and what they absorb
	ints   map[string]bool      // values that units give as integers
}

// Unit is a node that becomes one integer kernel, with what becomes part of it.
type Unit struct {
	Node     string
	Op       string
	Seed     bool      // it multiplies by a constant weight: it pays by itself; others follow their inputs
	In       []string  // activations that it reads as integers
	At       []int     // the place of each among the node's inputs
	Weight   string    // its constant, "" for none
	WeightAt int       // the place of the constant among the inputs
	Axis     int       // the axis of the constant's channels
	Bias     string    // constant bias that becomes int32, "" for none
	BiasNode string    // the Add that adds it; "": it is an input of the node
	Absorbed []string  // Relu, Clip and bias Add that become part of it, by name
	Raw      string    // the value that the node, or its bias Add, makes
	Out      string    // Raw, or what the absorbed Relu or Clip makes of it
	Ints     bool      // Out is quantized: the kernel gives integers
	SameAs   string    // it moves integers and computes nothing: Out has the parameters of this value
	Direct   bool      // the node itself runs on the integers, without QuantizeLinear pairs around it
	Fixed    []float64 // the range [lo, hi] of Out where the operator sets it; nil: calibrated
	Kernel   string    // the operator that the runtime should make of it
}

// movers are the operators that move elements and compute none, by what the runtime runs on integers. Input 0 is the
// data.
var movers = map[string]bool{
	"Reshape": true, "Transpose": true, "Squeeze": true, "Unsqueeze": true, "Flatten": true, "Slice": true,
	"MaxPool": true, "DepthToSpace": true, "SpaceToDepth": true, "Split": true, "Expand": true, "Tile": true, "Gather": true,
}

// weighted are the operators that multiply by a weight.
var weighted = map[string]bool{"Conv": true, "ConvTranspose": true, "Gemm": true, "MatMul": true}

// NewPlan plans the main graph of m, whose nodes have unique names. shapes are those of m as it is written, without
// bindings: the runtime sees no more. refuse says why a node must stay float, "" where it need not.
func NewPlan(m *onnx.Model, shapes *static.Shapes, t Target, refuse func(*onnx.Node) string) *Plan {
	p := &Plan{
		Target: t, editor: optimize.NewEditor(m, m.Graph), shapes: shapes, graph: m.Graph,
		unitOf: map[*onnx.Node]*Unit{}, ints: map[string]bool{},
	}
	for _, n := range m.Graph.Nodes {
		if n.Domain != "" || !weighted[n.OpType] {
			continue
		}
		why := refuse(n)
		if why == "" {
			why = p.seed(n)
		}
		if why != "" {
			p.leave(n, why)
		}
	}
	if t.Outputs {
		p.raise()
		for _, n := range m.Graph.Nodes {
			if p.unitOf[n] == nil && n.Domain == "" {
				p.follow(n, refuse)
			}
		}
		p.giveInts()
		p.prune()
	} else {
		p.residuals(refuse)
	}
	p.sort()
	return p
}

func (p *Plan) leave(n *onnx.Node, why string) {
	p.Left = append(p.Left, Decision{Node: n.Name, Op: n.OpType, Output: n.Outputs[0], Form: Float, Why: why})
}

func (p *Plan) add(n *onnx.Node, u *Unit) *Unit {
	u.Node, u.Op = n.Name, n.OpType
	if u.Raw == "" {
		u.Raw = n.Outputs[0]
	}
	if u.Out == "" {
		u.Out = u.Raw
	}
	p.Units = append(p.Units, u)
	p.unitOf[n] = u
	return u
}

// seed makes a unit of a node that multiplies by a constant, or says why it cannot be one.
func (p *Plan) seed(n *onnx.Node) string {
	u := &Unit{Seed: true, In: []string{n.Inputs[0]}, At: []int{0}, WeightAt: 1, Weight: n.Inputs[1]}
	w, constant := p.editor.Constant(n.Inputs[1])
	switch {
	case p.known(n.Inputs[0]) != tensor.Float32:
		return fmt.Sprintf("its input is %s, not float32", p.known(n.Inputs[0]))
	case !constant && (n.OpType != "MatMul" || p.Target.Outputs):
		return "its weight is no constant"
	case constant && w.DType != tensor.Float32:
		return fmt.Sprintf("its weight is %s, not float32", w.DType)
	case !constant:
		u.In, u.At, u.Weight = append(u.In, n.Inputs[1]), append(u.At, 1), ""
	}
	why := ""
	switch n.OpType {
	case "Conv":
		why = p.conv(n, u)
	case "ConvTranspose":
		why = p.convTranspose(n, u)
	case "Gemm":
		why = p.gemm(n, u, w)
	case "MatMul":
		why = p.matMul(n, u, w)
	}
	if why == "" {
		p.add(n, u)
	}
	return why
}

func (p *Plan) conv(n *onnx.Node, u *Unit) string {
	u.Axis, u.Kernel = 0, "QLinearConv"
	if why := p.biasInput(n, u, 2); why != "" {
		return why
	}
	if !p.Target.Outputs {
		return ""
	}
	u.Raw, u.Ints = n.Outputs[0], true
	p.absorbRelu(u)
	p.ints[u.Out] = true
	return ""
}

func (p *Plan) convTranspose(n *onnx.Node, u *Unit) string {
	if p.Target.Outputs {
		return "the runtime has no integer kernel for ConvTranspose"
	}
	u.Axis = 1
	if n.Int("group", 1) != 1 {
		u.Axis = -1
	}
	return p.biasInput(n, u, 2)
}

func (p *Plan) gemm(n *onnx.Node, u *Unit, w *onnx.Tensor) string {
	u.Axis, u.Kernel = 1, "QGemm"
	if n.Int("transB", 0) != 0 {
		u.Axis = 0
	}
	switch {
	case n.Int("transA", 0) != 0:
		return "its input is transposed"
	case n.Float("alpha", 1) != 1 || n.Float("beta", 1) != 1:
		return "its alpha or beta is not 1"
	case len(w.Dims) != 2:
		return "its weight is no matrix"
	}
	return p.biasInput(n, u, 2)
}

// matMul takes the constant that is added to the product along: as int32 where the runtime makes a Gemm of both, which
// it does for a matrix, and for a fixed shape. Elsewhere the bias stays float, and fuses with what comes after it.
func (p *Plan) matMul(n *onnx.Node, u *Unit, w *onnx.Tensor) string {
	u.Axis, u.Kernel = 1, "MatMulIntegerToFloat"
	if u.Weight == "" {
		return ""
	}
	if len(w.Dims) != 2 {
		return "its weight is no matrix"
	}
	u.Raw = n.Outputs[0]
	add := p.editor.OnlyReader(u.Raw)
	if !p.Target.IntBias || add == nil || add.OpType != "Add" || add.Domain != "" || !p.becomesGemm(n.Inputs[0]) {
		return ""
	}
	for _, v := range add.Inputs {
		if c, ok := p.editor.Constant(v); ok && c.DType == tensor.Float32 && slices.Equal(c.Dims, tensor.Shape{w.Dims[1]}) {
			u.Bias, u.BiasNode, u.Raw, u.Kernel = v, add.Name, add.Outputs[0], "QGemm"
			u.Absorbed = append(u.Absorbed, add.Name)
			p.unitOf[add] = u
			break
		}
	}
	return ""
}

// becomesGemm reports whether the runtime makes one Gemm of a MatMul on this value and an Add.
func (p *Plan) becomesGemm(value string) bool {
	v, ok := p.shapes.Of(p.graph, value)
	if !ok || !v.HasShape || len(v.Dims) < 2 {
		return false
	}
	_, fixed := v.Shape()
	return fixed || len(v.Dims) == 2
}

// biasInput takes the bias, an optional input of n, along.
func (p *Plan) biasInput(n *onnx.Node, u *Unit, at int) string {
	if at >= len(n.Inputs) || n.Inputs[at] == "" || !p.Target.IntBias {
		return ""
	}
	b, ok := p.editor.Constant(n.Inputs[at])
	if !ok || b.DType != tensor.Float32 {
		return "its bias is no float32 constant"
	}
	w, _ := p.editor.Constant(u.Weight)
	if channels := w.Dims[u.Axis]; !slices.Equal(b.Dims, tensor.Shape{channels}) {
		return fmt.Sprintf("its bias has shape %s, not one element a channel", b.Dims)
	}
	u.Bias = n.Inputs[at]
	return ""
}

// absorbRelu makes the one Relu or Clip that reads u.Raw part of u: its range, which starts at 0, cuts off the same.
func (p *Plan) absorbRelu(u *Unit) bool {
	u.Out = u.Raw
	r := p.editor.OnlyReader(u.Raw)
	if r == nil || r.Domain != "" || p.Target.Activation.Symmetric || !p.startsAtZero(r) {
		return false
	}
	u.Out = r.Outputs[0]
	u.Absorbed = append(u.Absorbed, r.Name)
	p.unitOf[r] = u
	return true
}

func (p *Plan) startsAtZero(n *onnx.Node) bool {
	switch n.OpType {
	case "Relu":
		return true
	case "Clip":
		if len(n.Inputs) < 2 {
			return false
		}
		low, ok := p.editor.ConstantValue(n.Inputs[1])
		if !ok || n.Inputs[0] == n.Inputs[1] {
			return false
		}
		f, err := tensor.Floats(low)
		return err == nil && len(f) == 1 && f[0] == 0
	}
	return false
}

// known returns the dtype of a value, Undefined where it is not known.
func (p *Plan) known(value string) tensor.DType {
	if c, ok := p.editor.Constant(value); ok {
		return c.DType
	}
	v, _ := p.shapes.Of(p.graph, value)
	return v.DType
}

// raise lets SpaceToDepth in front of a product run on integers, so that QuantizeLinear comes before it and the runtime
// moves a quarter of the bytes. ONNX Runtime drops no QuantizeLinear pairs around it, but has the kernel.
func (p *Plan) raise() {
	for _, u := range slices.Clone(p.Units) {
		n := p.editor.Producer(u.In[0])
		if n == nil || n.OpType != "SpaceToDepth" || n.Domain != "" || p.unitOf[n] != nil || p.editor.OnlyReader(u.In[0]) == nil {
			continue
		}
		x := n.Inputs[0]
		p.add(n, &Unit{In: []string{x}, At: []int{0}, SameAs: x, Ints: true, Direct: true, Kernel: n.OpType})
		p.ints[u.In[0]] = true
	}
}

// follow makes a unit of a node whose activations all come as integers, where the runtime runs it on those.
func (p *Plan) follow(n *onnx.Node, refuse func(*onnx.Node) string) {
	data := n.Inputs
	kernel := "QLinear" + n.OpType
	var u Unit
	switch {
	case n.OpType == "Add" || n.OpType == "Mul" || n.OpType == "Concat":
	case n.OpType == "LeakyRelu" || n.OpType == "AveragePool" || n.OpType == "GlobalAveragePool":
	case n.OpType == "Sigmoid" && p.allReadersAre(n.Outputs[0], "Mul"):
		u.Fixed = []float64{0, 1}
	case p.moves(n) && len(data) > 0:
		data, kernel, u.SameAs = data[:1], n.OpType, data[0]
	default:
		return
	}
	if len(data) == 0 {
		return
	}
	for _, v := range data {
		if !p.ints[v] {
			return
		}
	}
	if why := refuse(n); why != "" {
		p.leave(n, why)
		return
	}
	u.Kernel, u.In, u.Ints = kernel, slices.Clone(data), true
	for i := range data {
		u.At = append(u.At, i)
	}
	u.Raw = n.Outputs[0]
	if n.OpType == "Add" || n.OpType == "Mul" {
		p.absorbRelu(&u)
	}
	p.add(n, &u)
	p.ints[u.Out] = true
}

// moves reports whether n moves elements of its first input and computes none.
func (p *Plan) moves(n *onnx.Node) bool {
	if n.OpType == "Resize" {
		return n.Str("mode", "nearest") == "nearest"
	}
	return movers[n.OpType] && len(n.Outputs) == 1
}

func (p *Plan) allReadersAre(value, op string) bool {
	readers := p.editor.Consumers(value)
	return len(readers) > 0 && !p.editor.IsOutput(value) && !slices.ContainsFunc(readers, func(n *onnx.Node) bool { return n.OpType != op })
}

// giveInts lets a matrix product give integers where nothing else reads them than products: the kernel then needs no
// float in between. A Relu on the way becomes part of it.
func (p *Plan) giveInts() {
	for _, u := range p.Units {
		if u.Op != "Gemm" && u.Kernel != "QGemm" {
			continue
		}
		absorbed := p.absorbRelu(u)
		readers := p.editor.Consumers(u.Out)
		ok := len(readers) > 0 && !p.editor.IsOutput(u.Out)
		for _, r := range readers {
			reader := p.unitOf[r]
			ok = ok && reader != nil && slices.Contains(reader.In, u.Out)
		}
		if ok {
			u.Ints = true
			p.ints[u.Out] = true
			continue
		}
		if absorbed {
			relu := u.Absorbed[len(u.Absorbed)-1]
			u.Absorbed = u.Absorbed[:len(u.Absorbed)-1]
			for n := range p.unitOf {
				if n.Name == relu {
					delete(p.unitOf, n)
				}
			}
		}
		u.Out = u.Raw
	}
}

// prune drops units that only follow and that no integer kernel reads: at the edge of an integer region the float
// operator costs no more, and is exact.
func (p *Plan) prune() {
	for changed := true; changed; {
		changed = false
		read := map[string]bool{}
		for _, u := range p.Units {
			for _, v := range u.In {
				read[v] = true
			}
		}
		p.Units = slices.DeleteFunc(p.Units, func(u *Unit) bool {
			drop := !u.Seed && !read[u.Out] && u.SameAs == ""
			if u.Op == "GlobalAveragePool" || u.Op == "AveragePool" || u.Op == "Add" || u.Op == "Concat" {
				drop = false // they shrink, or read several: float would cost more
			}
			if drop {
				changed = true
				delete(p.ints, u.Out)
			}
			return drop
		})
	}
}

// residuals quantizes what is added to a product, for runtimes that then add inside the product's kernel.
func (p *Plan) residuals(refuse func(*onnx.Node) string) {
	for _, n := range p.graph.Nodes {
		if n.OpType != "Add" || n.Domain != "" || len(n.Inputs) != 2 || n.Inputs[0] == n.Inputs[1] || refuse(n) != "" {
			continue
		}
		for i, v := range n.Inputs {
			other := p.unitOf[p.editor.Producer(n.Inputs[1-i])]
			if _, constant := p.editor.Constant(v); constant || other == nil || other.Op != "Conv" || p.known(v) != tensor.Float32 {
				continue
			}
			p.add(n, &Unit{In: []string{v}, At: []int{i}, Kernel: "Add"})
			break
		}
	}
}

// sort puts the units in the order of the graph.
func (p *Plan) sort() {
	order := map[string]int{}
	for i, n := range p.graph.Nodes {
		order[n.Name] = i
	}
	slices.SortStableFunc(p.Units, func(a, b *Unit) int { return order[a.Node] - order[b.Node] })
	slices.SortStableFunc(p.Left, func(a, b Decision) int { return order[a.Node] - order[b.Node] })
}

// Values returns the values that may be quantized, in the order of the graph: those that calibration has to observe,
// so that any choice among the units has its ranges.
func (p *Plan) Values() []string {
	var list []string
	seen := map[string]bool{}
	for _, u := range p.Units {
		values := u.In
		if u.Ints {
			values = append(slices.Clone(values), u.Out)
		}
		for _, v := range values {
			if !seen[v] {
				seen[v] = true
				list = append(list, v)
			}
		}
	}
	return list
}

// Seeds returns the units that multiply by a weight, in the order of the graph.
func (p *Plan) Seeds() []*Unit {
	var list []*Unit
	for _, u := range p.Units {
		if u.Seed {
			list = append(list, u)
		}
	}
	return list
}

// Describe names the operators of a unit: "Conv+Relu".
func (u *Unit) Describe(op func(node string) string) string {
	parts := []string{u.Op}
	for _, name := range u.Absorbed {
		parts = append(parts, op(name))
	}
	return strings.Join(parts, "+")
}
