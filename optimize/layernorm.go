package optimize

import (
	"slices"

	"infer/model/onnx"
	"infer/model/tensor"
)

// fuseLayerNorm makes one LayerNormalization of the nodes that exporters wrote before opset 17:
// (x - mean)/√(mean((x - mean)²) + epsilon)·scale + bias over the last axis, whose size is known and that of scale.
// Models of an older opset stay as they are. Ref: ONNX LayerNormalization, opset 17.
func fuseLayerNorm() Pass {
	return local("fuse-layer-norm", "makes one LayerNormalization of its parts, from opset 17 on",
		func(w *Work, e *Editor, n *onnx.Node) bool {
			if w.Model.Opset("") < 17 {
				return false
			}
			m, ok := e.matchNorm(w, n)
			if !ok {
				return false
			}
			last := m.inner[len(m.inner)-1]
			inputs := []string{m.x}
			for _, v := range []string{m.scale, m.bias} {
				if v == "" {
					continue
				}
				v, err := e.flat(v)
				if err != nil {
					return false
				}
				inputs = append(inputs, v)
			}
			out := last.Outputs[0]
			e.Remove(last)
			e.Insert(&onnx.Node{Name: e.Unique(out + "_LayerNormalization"), OpType: "LayerNormalization", Inputs: inputs, Outputs: []string{out},
				Attrs: []*onnx.Attribute{intAttr("axis", -1), floatAttr("epsilon", float32(m.epsilon))}})
			return true
		})
}

// norm is a layer normalization in parts.
type norm struct {
	x, scale, bias string
	epsilon        float64
	inner          []*onnx.Node // in the order of the computation
}

// matchNorm finds the layer normalization in which n divides by the standard deviation.
func (e *Editor) matchNorm(w *Work, n *onnx.Node) (m norm, ok bool) {
	if !is(n, "Div") {
		return m, false
	}
	d, root := input(n, 0), e.Producer(input(n, 1))
	sub, sum := e.maker(d, "Sub"), e.operandMaker(root, "Sqrt", "Add")
	if sub == nil || sum == nil || len(sub.Inputs) != 2 || len(sum.Inputs) != 2 {
		return m, false
	}
	variance := sum.Inputs[0]
	if m.epsilon, ok = e.scalar(sum.Inputs[1]); !ok {
		variance = sum.Inputs[1]
		if m.epsilon, ok = e.scalar(sum.Inputs[0]); !ok {
			return m, false
		}
	}
	m.x = sub.Inputs[0]
	mean, spread := e.maker(sub.Inputs[1], "ReduceMean"), e.maker(variance, "ReduceMean")
	if !e.overLast(w, mean, m.x) || !e.overLast(w, spread, d) || mean.Inputs[0] != m.x {
		return m, false
	}
	square := e.maker(spread.Inputs[0], "Pow", "Mul")
	if !e.squares(square, d) {
		return m, false
	}
	m.inner = []*onnx.Node{mean, sub, square, spread, sum, root, n}
	return m, e.matchScale(w, &m) && e.private(m.inner)
}

// matchScale finds the Mul and the Add behind a normalization. Without a scale there is none to give.
func (e *Editor) matchScale(w *Work, m *norm) bool {
	x, _ := w.Declared().Of(e.Graph, m.x)
	if len(x.Dims) == 0 || !x.Dims[len(x.Dims)-1].Known {
		return false
	}
	size := x.Dims[len(x.Dims)-1].Size
	for i, part := range []struct {
		op    string
		value *string
	}{{"Mul", &m.scale}, {"Add", &m.bias}} {
		last := m.inner[len(m.inner)-1]
		next := e.OnlyReader(output(last, 0))
		if !is(next, part.op) {
			return i == 1
		}
		value := other(next, output(last, 0))
		if c, ok := e.Constant(value); !ok || !isRow(c.Dims, size, len(x.Dims)) {
			return i == 1
		}
		*part.value = value
		m.inner = append(m.inner, next)
	}
	return true
}

// isRow reports whether a shape is that of n elements along the last of at most rank axes.
func isRow(s tensor.Shape, n int64, rank int) bool {
	if len(s) == 0 || len(s) > rank || s[len(s)-1] != n {
		return false
	}
	return !slices.ContainsFunc(s[:len(s)-1], func(d int64) bool { return d != 1 })
}

// maker returns the node that makes value if it is one of these operators, nil otherwise.
func (e *Editor) maker(value string, ops ...string) *onnx.Node {
	if p := e.Producer(value); is(p, ops...) {
		return p
	}
	return nil
}

// operandMaker returns the node, of operator inner, that makes what n, of operator op, reads first; nil where they are
// others.
func (e *Editor) operandMaker(n *onnx.Node, op, inner string) *onnx.Node {
	if !is(n, op) {
		return nil
	}
	return e.maker(input(n, 0), inner)
}

// squares reports whether n is the square of value.
func (e *Editor) squares(n *onnx.Node, value string) bool {
	switch {
	case n == nil || len(n.Inputs) != 2 || n.Inputs[0] != value:
		return false
	case n.OpType == "Mul":
		return n.Inputs[1] == value
	}
	two, ok := e.scalar(n.Inputs[1])
	return ok && two == 2
}

// overLast reports whether a ReduceMean reduces the last axis of what it reads, which has the rank of like, and keeps
// it.
func (e *Editor) overLast(w *Work, n *onnx.Node, like string) bool {
	if n == nil || input(n, 0) == "" || n.Int("keepdims", 1) != 1 {
		return false
	}
	axes := n.Ints("axes")
	if axis := input(n, 1); axis != "" {
		axes, _ = e.ints(axis)
	}
	x, _ := w.Declared().Of(e.Graph, like)
	return len(axes) == 1 && (axes[0] == -1 || x.HasShape && axes[0] == int64(len(x.Dims))-1)
}

// private reports whether the values that nodes make are read by these nodes alone, but for those of the last one.
func (e *Editor) private(nodes []*onnx.Node) bool {
	for _, n := range nodes[:len(nodes)-1] {
		for _, o := range n.Outputs {
			outside := func(r *onnx.Node) bool { return !slices.Contains(nodes, r) }
			if e.IsOutput(o) || slices.ContainsFunc(e.Consumers(o), outside) {
				return false
			}
		}
	}
	return only(nodes[len(nodes)-1]) != ""
}

// flat returns a constant as a vector: itself where it is one.
func (e *Editor) flat(value string) (string, error) {
	c, _ := e.Constant(value)
	if len(c.Dims) == 1 {
		return value, nil
	}
	t, err := c.Value()
	if err != nil {
		return "", err
	}
	t.Shape = c.Dims[len(c.Dims)-1:]
	return e.AddInitializer(value, t)
}
