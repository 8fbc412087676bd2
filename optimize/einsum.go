package optimize

import (
	"slices"
	"strings"

	"infer/model/onnx"
	"infer/model/onnx/static"
	"infer/model/tensor"
)

// replaceEinsum puts one plain operator in the place of an Einsum that needs no more. Ref: ONNX Einsum, opset 12.
func replaceEinsum() Pass {
	return local("replace-einsum", "makes an Einsum one MatMul, Gemm, Mul, Transpose or ReduceSum where one is enough",
		func(w *Work, e *Editor, n *onnx.Node) bool {
			if !is(n, "Einsum") || only(n) == "" || slices.Contains(n.Inputs, "") {
				return false
			}
			q, ok := parseEquation(n.Str("equation", ""), len(n.Inputs))
			if !ok {
				return false
			}
			var plain *onnx.Node
			if len(n.Inputs) == 1 {
				plain = e.einsumOfOne(w, n, q)
			} else {
				plain = e.einsumOfTwo(w, n, q)
			}
			if plain == nil {
				return false
			}
			plain.Name, plain.Outputs = n.Name, n.Outputs
			e.Remove(n)
			e.Insert(plain)
			return true
		})
}

// equation is an Einsum of one or two operands without an ellipsis: a letter an axis, none twice for one value.
type equation struct {
	in  []string
	out string
}

// parseEquation reads an equation for so many operands; false where it is none, or not of that kind.
func parseEquation(s string, operands int) (q equation, ok bool) {
	s = strings.ReplaceAll(s, " ", "")
	left, right, explicit := strings.Cut(s, "->")
	q.in, q.out = strings.Split(left, ","), right
	if !explicit {
		q.out = implied(left)
	}
	if len(q.in) != operands || operands < 1 || operands > 2 {
		return q, false
	}
	for _, labels := range append(slices.Clone(q.in), q.out) {
		for i, c := range labels {
			letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
			if !letter || strings.ContainsRune(labels[:i], c) {
				return q, false
			}
		}
	}
	return q, true
}

// implied returns the output of an equation that names none: the letters that occur once, in alphabetical order.
func implied(left string) string {
	var out []rune
	for _, c := range left {
		if c != ',' && strings.Count(left, string(c)) == 1 {
			out = append(out, c)
		}
	}
	slices.Sort(out)
	return string(out)
}

// einsumOfOne returns the Transpose or ReduceSum that an Einsum of one operand is, nil where it is both.
func (e *Editor) einsumOfOne(w *Work, n *onnx.Node, q equation) *onnx.Node {
	in := q.in[0]
	kept := strings.Map(func(c rune) rune {
		if strings.ContainsRune(q.out, c) {
			return c
		}
		return -1
	}, in)
	switch {
	case len(kept) != len(q.out):
		return nil
	case len(in) == len(q.out):
		var perm []int64
		for _, c := range q.out {
			perm = append(perm, int64(strings.IndexRune(in, c)))
		}
		return &onnx.Node{OpType: "Transpose", Inputs: n.Inputs, Attrs: []*onnx.Attribute{intsAttr("perm", perm...)}}
	case kept != q.out:
		return nil
	}
	var axes []int64
	for i, c := range in {
		if !strings.ContainsRune(q.out, c) {
			axes = append(axes, int64(i))
		}
	}
	keep := intAttr("keepdims", 0)
	if w.Model.Opset("") < 13 {
		return &onnx.Node{OpType: "ReduceSum", Inputs: n.Inputs, Attrs: []*onnx.Attribute{intsAttr("axes", axes...), keep}}
	}
	name, err := e.addInts(n.Outputs[0]+"_axes", axes...)
	if err != nil {
		return nil
	}
	return &onnx.Node{OpType: "ReduceSum", Inputs: []string{n.Inputs[0], name}, Attrs: []*onnx.Attribute{keep}}
}

// einsumOfTwo returns the Mul, MatMul or Gemm that an Einsum of two operands is, nil where it takes more.
func (e *Editor) einsumOfTwo(w *Work, n *onnx.Node, q equation) *onnx.Node {
	a, b, out := q.in[0], q.in[1], q.out
	x, y := w.known(e, n.Inputs[0]), w.known(e, n.Inputs[1])
	if !x.HasShape || !y.HasShape || len(x.Dims) != len(a) || len(y.Dims) != len(b) || x.DType != tensor.Float32 && x.DType != tensor.Float64 {
		return nil
	}
	if a == out && strings.HasSuffix(out, b) || b == out && strings.HasSuffix(out, a) {
		return &onnx.Node{OpType: "Mul", Inputs: n.Inputs}
	}
	for i, inputs := range [][]string{n.Inputs, {n.Inputs[1], n.Inputs[0]}} {
		if i == 1 {
			a, b, x, y = b, a, y, x
		}
		if isProduct(a, b, out, x, y) {
			return &onnx.Node{OpType: "MatMul", Inputs: slices.Clone(inputs)}
		}
		if g := gemmOf(a, b, out, x, y); g != nil {
			g.Inputs = slices.Clone(inputs)
			return g
		}
	}
	return nil
}

// isProduct reports whether MatMul computes a·b with the axes out: [batch…, m, k] and [batch…, k, n] give
// [batch…, m, n], where m, n and the batch of either may be missing. The axis that is summed over has one size in both,
// which MatMul asks for and Einsum does not.
func isProduct(a, b, out string, x, y static.Value) bool {
	if a == "" || b == "" {
		return false
	}
	k := a[len(a)-1:]
	at := max(len(b)-2, 0)
	if b[at:at+1] != k || strings.Contains(out, k) || !sameDim(x.Dims[len(a)-1], y.Dims[at]) {
		return false
	}
	rowsOf, columns := a[:len(a)-1], b[at+1:]
	batch, m := rowsOf, ""
	if rowsOf != "" {
		batch, m = rowsOf[:len(rowsOf)-1], rowsOf[len(rowsOf)-1:]
	}
	other := b[:at]
	// A letter that both have is a batch: it must be at the same place in front of the matrices of both.
	if m != "" && strings.Contains(b, m) || columns != "" && strings.Contains(a, columns) {
		return false
	}
	switch {
	case strings.HasSuffix(batch, other):
		return out == batch+m+columns && (other == batch || !strings.ContainsAny(other, batch[:len(batch)-len(other)]))
	case strings.HasSuffix(other, batch):
		return out == other+m+columns
	}
	return false
}

// gemmOf returns the Gemm that multiplies matrices of which one is transposed, nil where a·b with the axes out is none.
func gemmOf(a, b, out string, x, y static.Value) *onnx.Node {
	if len(a) != 2 || len(b) != 2 || len(out) != 2 {
		return nil
	}
	m, n := strings.Index(a, out[:1]), strings.Index(b, out[1:])
	if m < 0 || n < 0 || a[1-m] != b[1-n] || strings.Contains(out, a[1-m:2-m]) || !sameDim(x.Dims[1-m], y.Dims[1-n]) {
		return nil
	}
	return &onnx.Node{OpType: "Gemm", Attrs: []*onnx.Attribute{intAttr("transA", int64(m)), intAttr("transB", int64(1-n))}}
}
