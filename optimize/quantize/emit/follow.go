package emit

import (
	"math"
	"slices"

	"infer/model/onnx"
	"infer/model/tensor"
)

// movers are the operators that move elements of their first input and compute none, and around which the runtime drops
// DequantizeLinear and QuantizeLinear. Around SpaceToDepth it does not, but it has a kernel for integers.
var movers = map[string]bool{
	"Reshape": true, "Transpose": true, "Squeeze": true, "Unsqueeze": true, "Flatten": true, "Slice": true, "Split": true,
	"MaxPool": true, "Expand": true, "Tile": true, "Gather": true, "GatherElements": true, "DepthToSpace": true,
}

// absorbRelu makes the one Relu or Clip that reads u.Raw part of u: a range from 0 cuts off the same.
func (p *Plan) absorbRelu(u *Unit) {
	r := p.editor.OnlyReader(u.Raw)
	if r == nil || p.Target.Activation.Symmetric || p.unitOf[r] != nil || p.refuse(r) != "" {
		return
	}
	if limits := p.limits(r); limits != nil {
		u.Out, u.Limits = r.Outputs[0], limits
		u.Absorbed = append(u.Absorbed, r.Name)
		p.unitOf[r] = u
	}
}

// limits returns the range that a Relu or Clip cuts off at, nil where it does not start at 0.
func (p *Plan) limits(n *onnx.Node) []float64 {
	if is(n, "Relu") {
		return []float64{0, math.Inf(1)}
	}
	if !is(n, "Clip") || p.scalar(input(n, 1)) != 0 {
		return nil
	}
	hi := math.Inf(1)
	if name := input(n, 2); name != "" {
		hi = p.scalar(name)
	}
	if !(hi > 0) {
		return nil
	}
	return []float64{0, hi}
}

// scalar returns the one element of a constant, NaN where it is none.
func (p *Plan) scalar(value string) float64 {
	if c, ok := p.editor.ConstantValue(value); ok {
		if f, err := tensor.Floats(c); err == nil && len(f) == 1 {
			return float64(f[0])
		}
	}
	return math.NaN()
}

// raise lets SpaceToDepth in front of a product run on integers, so that QuantizeLinear comes before it and the runtime
// moves a quarter of the bytes.
func (p *Plan) raise() {
	for _, u := range slices.Clone(p.Units) {
		n := p.editor.Producer(u.In[0])
		if n == nil || !is(n, "SpaceToDepth") || p.unitOf[n] != nil || p.editor.OnlyReader(u.In[0]) == nil || p.refuse(n) != "" {
			continue
		}
		x := n.Inputs[0]
		p.add(n, &Unit{In: []string{x}, At: []int{0}, SameAs: x, Ints: true, Direct: true, Kernel: n.OpType})
	}
}

// follow makes a unit of a node whose activations all come as integers, where the runtime runs it on those.
func (p *Plan) follow(n *onnx.Node) {
	if p.unitOf[n] != nil || len(n.Inputs) == 0 || slices.Contains(n.Outputs, "") {
		return
	}
	u := &Unit{Kernel: "QLinear" + n.OpType, Ints: true, Raw: n.Outputs[0]}
	data := n.Inputs
	switch {
	case is(n, "Add") || is(n, "Mul"):
		data = p.takeConstant(n, u)
	case is(n, "Concat") || is(n, "LeakyRelu") || is(n, "GlobalAveragePool"):
	case is(n, "AveragePool") && n.Attr("dilations") == nil: // which the integer kernel does not know
	case is(n, "Sigmoid") && p.allReadersAre(n.Outputs[0], "Mul"):
		u.Fixed = []float64{0, 1}
	case is(n, "SpaceToDepth"):
		u.Kernel, u.SameAs, u.Direct = n.OpType, data[0], true
	case moves(n):
		data = data[:1]
		u.Kernel, u.SameAs, u.More = n.OpType, data[0], slices.Clone(n.Outputs[1:])
	default:
		return
	}
	if len(data) == 0 || slices.ContainsFunc(data, func(v string) bool { return !p.ints[v] }) {
		return
	}
	if why := p.refuse(n); why != "" {
		p.leave(n, why)
		return
	}
	u.In = slices.Clone(data)
	for i, v := range n.Inputs {
		if len(u.At) < len(data) && v == data[len(u.At)] {
			u.At = append(u.At, i)
		}
	}
	if u.SameAs == "" && u.Fixed == nil {
		p.absorbRelu(u)
	}
	p.add(n, u)
}

// huge is what a constant has to be smaller than to be quantized: what is larger stands for an infinity, and would leave
// no levels for the rest.
const huge = 1e4

// takeConstant makes the constant operand of an Add or Mul an input of u and returns the other operands. The constant
// has one element: by one for each channel, the integer kernel is slower than the float one (2 ms and 1.1 ms on 8
// channels of 256 by 256, where by one element they take 0.1 ms and 0.4 ms).
func (p *Plan) takeConstant(n *onnx.Node, u *Unit) []string {
	for i, v := range n.Inputs {
		if math.Abs(p.scalar(v)) < huge { // not so NaN
			u.Constant, u.ConstantAt = v, i
			return slices.Delete(slices.Clone(n.Inputs), i, i+1)
		}
	}
	return n.Inputs
}

// moves reports whether n moves elements of its first input and computes none.
func moves(n *onnx.Node) bool {
	switch {
	case n.Domain != "":
		return false
	case n.OpType == "Resize": // outside the image this one makes numbers of its own
		return n.Str("mode", "nearest") == "nearest" && n.Str("coordinate_transformation_mode", "") != "tf_crop_and_resize"
	}
	return movers[n.OpType] && (len(n.Outputs) == 1 || n.OpType == "Split")
}

func (p *Plan) allReadersAre(value, op string) bool {
	readers := p.editor.Consumers(value)
	return len(readers) > 0 && !p.editor.IsOutput(value) && !slices.ContainsFunc(readers, func(n *onnx.Node) bool { return !is(n, op) })
}

// giveInts lets a Gemm give integers where nothing else reads them than products: the kernel then needs no float in
// between. A Relu on the way becomes part of it.
func (p *Plan) giveInts() {
	for _, u := range p.Units {
		if u.Kernel != "QGemm" {
			continue
		}
		before := *u
		p.absorbRelu(u)
		readers := p.editor.Consumers(u.Out)
		float := func(n *onnx.Node) bool { return p.unitOf[n] == nil || !slices.Contains(p.unitOf[n].In, u.Out) }
		// The runtime makes a Relu part of a float Gemm before it looks for integer ones: a QGemm in front of one has to
		// give integers, or its weight is dequantized in every run.
		relu := is(p.editor.OnlyReader(before.Raw), "Relu") && u.Out != before.Out
		if relu || len(readers) > 0 && !p.editor.IsOutput(u.Out) && !slices.ContainsFunc(readers, float) {
			u.Ints = true
			p.ints[u.Out] = true
			continue
		}
		if u.Out != before.Out {
			delete(p.unitOf, p.editor.Producer(u.Out))
		}
		*u = before
	}
}

// views are the movers that cost nothing in either form.
var views = map[string]bool{"Reshape": true, "Flatten": true, "Squeeze": true, "Unsqueeze": true}

// prune drops units that only follow and that no integer kernel reads: at the edge of an integer region the float
// operator costs little more, and is exact. An average at the edge above all: as float it averages the rounding of what
// it reads away, as integer it rounds the class scores themselves. Those stay that would cost much more as float: they
// move, or read several values. But not a sum of products of activations, such as the polynomial inside GELU: those
// lose too much.
func (p *Plan) prune() {
	for changed := true; changed; {
		changed = false
		read, products := map[string]bool{}, map[string]bool{}
		for _, u := range p.Units {
			for _, v := range u.In {
				read[v] = true
			}
			products[u.Out] = u.Op == "Mul"
		}
		p.Units = slices.DeleteFunc(p.Units, func(u *Unit) bool {
			stays := u.Seed || u.SameAs != "" && !views[u.Op] || read[u.Out]
			switch u.Op {
			case "Concat":
				stays = true
			case "Add":
				stays = stays || len(u.In) > 1 && !slices.ContainsFunc(u.In, func(v string) bool { return products[v] })
			}
			if stays {
				return false
			}
			changed = true
			delete(p.ints, u.Out)
			return true
		})
	}
}

// residuals quantizes what is added to a product, for runtimes that then add inside the product's kernel.
func (p *Plan) residuals() {
	for _, n := range p.graph.Nodes {
		if !is(n, "Add") || len(n.Inputs) != 2 || n.Inputs[0] == n.Inputs[1] || p.refuse(n) != "" {
			continue
		}
		for i, v := range n.Inputs {
			product := p.unitOf[p.editor.Producer(n.Inputs[1-i])]
			if _, constant := p.editor.Constant(v); constant || product == nil || product.Op != "Conv" || p.known(v) != tensor.Float32 {
				continue
			}
			p.add(n, &Unit{In: []string{v}, At: []int{i}})
			break
		}
	}
}
