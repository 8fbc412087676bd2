package optimize

import (
	"context"
	"fmt"

	"infer/model/onnx"
	"infer/model/tensor"
)

// foldGemm makes Gemm plain where its operands are constant: alpha goes into B, beta into C, and a transposed B is
// stored as it is used. A quantizer that divides a bias by scales needs beta to be 1.
func foldGemm() Pass {
	return Pass{
		Name: "fold-gemm",
		Doc:  "folds alpha, beta and transB of Gemm into its constant operands",
		Run: func(ctx context.Context, w *Work) (int, error) {
			return w.edit(func(e *Editor) (int, error) {
				changed := 0
				made := map[string]string{} // what was made of a constant that several Gemms read
				for _, n := range e.Graph.Nodes {
					if !is(n, "Gemm") {
						continue
					}
					b, c := e.foldGemmB(n, made), e.foldGemmC(n, made)
					if b || c {
						changed++
					}
				}
				return changed, ctx.Err()
			})
		},
	}
}

// foldGemmB folds alpha and transB into B.
func (e *Editor) foldGemmB(n *onnx.Node, made map[string]string) bool {
	alpha, trans := n.Float("alpha", 1), n.Int("transB", 0) != 0
	if alpha == 1 && !trans {
		return false
	}
	v, shape, d, ok := e.floats(input(n, 1))
	if !ok || len(shape) != 2 {
		return false
	}
	key := fmt.Sprint("B ", alpha, trans, n.Inputs[1])
	if made[key] == "" {
		if trans {
			v, shape = transpose(v, shape), tensor.Shape{shape[1], shape[0]}
		}
		b, err := e.addFloats(n.Inputs[1], d, shape, multiply(v, alpha))
		if err != nil {
			return false
		}
		made[key] = b
	}
	e.SetInput(n, 1, made[key])
	dropAttr(n, "alpha", "transB")
	return true
}

// foldGemmC folds beta into C.
func (e *Editor) foldGemmC(n *onnx.Node, made map[string]string) bool {
	beta := n.Float("beta", 1)
	if beta == 1 {
		return false
	}
	if input(n, 2) != "" {
		v, shape, d, ok := e.floats(n.Inputs[2])
		if !ok {
			return false
		}
		key := fmt.Sprint("C ", beta, n.Inputs[2])
		if made[key] == "" {
			c, err := e.addFloats(n.Inputs[2], d, shape, multiply(v, beta))
			if err != nil {
				return false
			}
			made[key] = c
		}
		e.SetInput(n, 2, made[key])
	}
	dropAttr(n, "beta")
	return true
}

// multiply returns v·k, v itself for 1.
func multiply(v []float32, k float32) []float32 {
	if k == 1 {
		return v
	}
	out := make([]float32, len(v))
	for i, x := range v {
		out[i] = x * k
	}
	return out
}

// transpose returns the elements of a matrix column by column.
func transpose(v []float32, s tensor.Shape) []float32 {
	rows, columns := int(s[0]), int(s[1])
	out := make([]float32, len(v))
	for i, x := range v {
		out[i%columns*rows+i/columns] = x
	}
	return out
}

// GemmToMatMul replaces each Gemm with a constant B, no transposed A and a bias that one Add can add by a MatMul and
// that Add, the form that dynamic quantization knows. It wants fold-gemm before it: a Gemm runs faster than the two.
func GemmToMatMul() Pass {
	return local("gemm-to-matmul", "makes Gemm a MatMul and an Add", func(_ *Work, e *Editor, n *onnx.Node) bool {
		_, constant := e.Constant(input(n, 1))
		if !is(n, "Gemm") || !constant || n.Int("transA", 0) != 0 || n.Int("transB", 0) != 0 ||
			n.Float("alpha", 1) != 1 || n.Float("beta", 1) != 1 || only(n) == "" {
			return false
		}
		y, c := n.Outputs[0], input(n, 2)
		e.Remove(n)
		product := &onnx.Node{Name: n.Name, OpType: "MatMul", Inputs: n.Inputs[:2], Outputs: []string{y}}
		if c != "" {
			product.Outputs = []string{e.Unique(y + "_product")}
			e.Insert(&onnx.Node{Name: e.Unique(n.Name + "_Add"), OpType: "Add", Inputs: []string{product.Outputs[0], c}, Outputs: []string{y}})
		}
		e.Insert(product)
		return true
	})
}
