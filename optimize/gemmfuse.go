package optimize

import (
	"slices"

	"infer/model/onnx"
	"infer/model/onnx/static"
	"infer/model/tensor"
)

// fuseGemm makes one Gemm of a product of two matrices and what is added to it, and takes what a Gemm's operands are
// transposed by, and what is added to a Gemm that adds nothing yet, into it.
func fuseGemm() Pass {
	return local("fuse-gemm", "makes one Gemm of a product of matrices, an Add behind it and Transposes before it",
		func(w *Work, e *Editor, n *onnx.Node) bool {
			switch {
			case w.Model.Opset("") < 7: // C did not broadcast by itself
				return false
			case is(n, "Add"):
				return e.fuseAddend(w, n)
			case is(n, "MatMul"):
				return e.isMatrixProduct(w, n) && e.absorbTranspose(w, n)
			}
			return is(n, "Gemm") && only(n) != "" && e.absorbTranspose(w, n)
		})
}

// isMatrixProduct reports whether a Gemm can compute what a MatMul does: both operands have two axes, and elements of a
// type that runtimes know a Gemm of.
func (e *Editor) isMatrixProduct(w *Work, n *onnx.Node) bool {
	a, b := w.known(e, input(n, 0)), w.known(e, input(n, 1))
	return only(n) != "" && len(n.Inputs) == 2 && a.HasShape && b.HasShape && len(a.Dims) == 2 && len(b.Dims) == 2 &&
		slices.Contains([]tensor.DType{tensor.Float32, tensor.Float64, tensor.Float16}, a.DType)
}

// fuseAddend makes a Gemm of an Add n and the product that it alone reads.
func (e *Editor) fuseAddend(w *Work, n *onnx.Node) bool {
	if len(n.Inputs) != 2 || only(n) == "" {
		return false
	}
	for i, y := range n.Inputs {
		p, c := e.Producer(y), n.Inputs[1-i]
		plain := is(p, "Gemm") && input(p, 2) == "" && only(p) == y
		if c == "" || e.OnlyReader(y) != n || !plain && (!is(p, "MatMul") || !e.isMatrixProduct(w, p)) || !fitsMatrix(w.known(e, c), w.known(e, y)) {
			continue
		}
		out := n.Outputs[0]
		e.Remove(n)
		e.Remove(p)
		gemm := &onnx.Node{Name: p.Name, OpType: "Gemm", Inputs: []string{p.Inputs[0], p.Inputs[1], c}, Outputs: []string{out}}
		for _, a := range p.Attrs {
			if a.Name != "beta" { // of nothing
				gemm.Attrs = append(gemm.Attrs, a)
			}
		}
		e.Insert(gemm)
		return true
	}
	return false
}

// fitsMatrix reports whether c broadcasts to a matrix y, in one direction.
func fitsMatrix(c, y static.Value) bool {
	if !c.HasShape || !y.HasShape || len(y.Dims) != 2 || len(c.Dims) > 2 {
		return false
	}
	for i, d := range c.Dims {
		if !isUnit(d) && !sameDim(d, y.Dims[2-len(c.Dims)+i]) {
			return false
		}
	}
	return true
}

// absorbTranspose makes a product of matrices read what is in front of a Transpose that nothing else reads but such
// products.
func (e *Editor) absorbTranspose(w *Work, n *onnx.Node) bool {
	changed := false
	for i, attr := range []string{"transA", "transB"} {
		t := e.maker(input(n, i), "Transpose")
		if t == nil || !e.transposesMatrix(w, t) || !e.productsOnly(w, t.Outputs[0]) {
			continue
		}
		e.SetInput(n, i, t.Inputs[0])
		n.OpType = "Gemm"
		setAttr(n, intAttr(attr, 1-min(1, n.Int(attr, 0))))
		changed = true
	}
	return changed
}

// transposesMatrix reports whether a Transpose swaps the axes of a matrix.
func (e *Editor) transposesMatrix(w *Work, t *onnx.Node) bool {
	perm := t.Ints("perm")
	x := w.known(e, input(t, 0))
	return input(t, 0) != "" && only(t) != "" && x.HasShape && len(x.Dims) == 2 && (t.Attr("perm") == nil || slices.Equal(perm, []int64{1, 0}))
}

// productsOnly reports whether a value is read as an operand of products that fuseGemm looks at, and by nothing else.
func (e *Editor) productsOnly(w *Work, value string) bool {
	if e.IsOutput(value) {
		return false
	}
	return !slices.ContainsFunc(e.Consumers(value), func(r *onnx.Node) bool {
		reads := input(r, 0) == value || input(r, 1) == value
		return !reads || input(r, 2) == value || !(is(r, "Gemm") && only(r) != "") && !(is(r, "MatMul") && e.isMatrixProduct(w, r))
	})
}
