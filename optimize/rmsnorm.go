package optimize

import (
	"slices"

	"infer/model/onnx"
)

// fuseRMSNorm makes one RMSNormalization of x/√(mean(x²) + epsilon)·scale over the last axis, from the opset on that has
// it. Ref: ONNX RMSNormalization, opset 23.
func fuseRMSNorm() Pass {
	return local("fuse-rms-norm", "makes one RMSNormalization of its parts, from opset 23 on",
		func(w *Work, e *Editor, n *onnx.Node) bool {
			f, ok := e.factorsOf(n)
			if !ok || w.Model.Opset("") < 23 || f.number != 1 || len(f.over) != 2 || len(f.under) != 1 {
				return false
			}
			for i, x := range f.over {
				m, ok := e.matchRMS(w, f.under[0], x)
				if !ok {
					continue
				}
				scale := f.over[1-i]
				dims := w.known(e, x).Dims
				c, constant := e.Constant(scale)
				if !constant || len(dims) == 0 || !dims[len(dims)-1].Known || !isRow(c.Dims, dims[len(dims)-1].Size, len(dims)) ||
					c.DType != w.known(e, x).DType || !e.private(slices.Concat(m.inner, f.nodes[1:], f.nodes[:1])) {
					return false
				}
				row, err := e.flat(scale)
				if err != nil {
					return false
				}
				out := n.Outputs[0]
				e.Remove(n)
				e.Insert(&onnx.Node{Name: e.Unique(out + "_RMSNormalization"), OpType: "RMSNormalization", Inputs: []string{x, row}, Outputs: []string{out},
					Attrs: []*onnx.Attribute{intAttr("axis", -1), floatAttr("epsilon", float32(m.epsilon))}})
				return true
			}
			return false
		})
}

// matchRMS finds the nodes that make value as √(mean(x²) + epsilon).
func (e *Editor) matchRMS(w *Work, value, x string) (m norm, ok bool) {
	root := e.maker(value, "Sqrt")
	sum := e.operandMaker(root, "Sqrt", "Add")
	if sum == nil || len(sum.Inputs) != 2 {
		return m, false
	}
	for i, v := range sum.Inputs {
		mean := e.maker(v, "ReduceMean")
		if m.epsilon, ok = e.number(sum.Inputs[1-i]); !ok || mean == nil || !e.overLast(w, mean, x) {
			continue
		}
		square := e.maker(mean.Inputs[0], "Pow", "Mul")
		m.inner = []*onnx.Node{square, mean, sum, root}
		return m, e.squares(square, x)
	}
	return m, false
}
