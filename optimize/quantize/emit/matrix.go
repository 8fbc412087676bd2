package emit

import (
	"fmt"

	"infer/model/onnx"
	"infer/model/tensor"
)

// matrix is the constant of a node that multiplies by it: MatMul, y = x·W, or Gemm, y = alpha·x·W + beta·c.
type matrix struct {
	constant
	dims       tensor.Shape // of W: [K, N], or [..., K, N] of a MatMul
	transposed bool         // the tensor holds [N, K]
	alpha      float32
}

func (m *matrix) k() int64 { return m.dims[len(m.dims)-2] }
func (m *matrix) n() int64 { return m.dims[len(m.dims)-1] }

// same is equal for matrices of equal elements.
type same struct {
	tensor     *onnx.Tensor
	transposed bool
	alpha      float32
}

func (m *matrix) same() same { return same{m.tensor, m.transposed, m.alpha} }

// matrixOf returns the constant matrix of a MatMul or Gemm, or why there is none that can be quantized.
func (s *scope) matrixOf(n *onnx.Node) (*matrix, string) {
	t, owner := s.find(input(n, 1))
	switch {
	case t == nil:
		return nil, "its second operand is no constant"
	case t.DType != tensor.Float32:
		return nil, fmt.Sprintf("its weight is %s, and only float32 is quantized", t.DType)
	case len(t.Dims) < 2:
		return nil, "its weight is a vector"
	}
	m := &matrix{constant: constant{t, owner}, dims: t.Dims, alpha: 1}
	if n.OpType == "Gemm" {
		if n.Int("transA", 0) != 0 {
			return nil, "its first operand is transposed (transA)"
		}
		if why := s.addendFault(n); why != "" {
			return nil, why
		}
		m.alpha = n.Float("alpha", 1)
		if m.transposed = n.Int("transB", 0) != 0; m.transposed {
			m.dims = tensor.Shape{t.Dims[1], t.Dims[0]}
		}
	}
	if elements, err := m.dims.Elements(); err != nil || elements == 0 {
		return nil, "its weight is empty"
	}
	return m, ""
}

// floats returns alpha·W, row-major: a view of the tensor where it is stored so.
func (m *matrix) floats() ([]float32, error) {
	x, err := floats(m.tensor)
	if err != nil || !m.transposed && m.alpha == 1 {
		return x, err
	}
	w := make([]float32, len(x))
	if !m.transposed {
		for i, v := range x {
			w[i] = m.alpha * v
		}
		return w, nil
	}
	transpose(w, x, int(m.n()), int(m.k()), m.alpha)
	return w, nil
}

// transpose writes factor × the transpose of src [rows, cols] to dst, in tiles that stay in the cache.
func transpose(dst, src []float32, rows, cols int, factor float32) {
	const tile = 32
	for top := 0; top < rows; top += tile {
		for left := 0; left < cols; left += tile {
			for r := top; r < min(top+tile, rows); r++ {
				for c := left; c < min(left+tile, cols); c++ {
					dst[c*rows+r] = factor * src[r*cols+c]
				}
			}
		}
	}
}

// addend is the name of what a Gemm adds to its product, "" for nothing.
func addend(n *onnx.Node) string {
	if n.Float("beta", 1) == 0 {
		return ""
	}
	return input(n, 2)
}

// addendFault says why the addend of a Gemm cannot be taken out of it, "" where it can.
func (s *scope) addendFault(n *onnx.Node) string {
	if t, _ := s.find(addend(n)); addend(n) == "" || n.Float("beta", 1) == 1 || t != nil && t.DType == tensor.Float32 {
		return ""
	}
	return "what it adds is computed, and scaled by beta"
}

// plainAddend returns the name of beta × what a Gemm adds, "" for nothing. It is a new constant where beta is not 1, and
// where the Gemm adds a row with axes of 1 in front, which the runtime would not make part of the product.
func (s *scope) plainAddend(n *onnx.Node) (string, error) {
	name, beta := addend(n), n.Float("beta", 1)
	t, owner := s.find(name)
	if t == nil || t.DType != tensor.Float32 {
		return name, nil
	}
	dims := t.Dims
	if len(dims) == 2 && dims[0] == 1 {
		dims = dims[1:]
	}
	if beta == 1 && len(dims) == len(t.Dims) {
		return name, nil
	}
	x, err := floats(t)
	if err != nil {
		return "", err
	}
	scaled := make([]float32, len(x))
	for i, v := range x {
		scaled[i] = beta * v
	}
	out, err := tensor.FromFloat32("", dims, scaled)
	if err != nil {
		return "", err
	}
	return s.addTo(owner, name+"_addend", out)
}

// product is a multiplication that was rewritten.
type product struct {
	decided *decided
	input   string // the activation, as integers where it is quantized
	y       string // what comes before anything is added
}

// addedRow returns the node that adds a constant row to y, where it is the only reader of y, and the shape of the row,
// [1, …, 1, n]; nil where there is none.
func (s *scope) addedRow(y string) (*onnx.Node, tensor.Shape) {
	add := s.OnlyReader(y)
	if add == nil || !is(add, "Add") {
		return nil, nil
	}
	row := add.Inputs[0]
	if row == y {
		row = add.Inputs[1]
	}
	t, _ := s.find(row)
	if t == nil || t.DType != tensor.Float32 || len(t.Dims) == 0 {
		return nil, nil
	}
	if n, err := t.Dims.Elements(); err != nil || n == 0 || n != t.Dims[len(t.Dims)-1] {
		return nil, nil
	}
	return add, t.Dims
}
