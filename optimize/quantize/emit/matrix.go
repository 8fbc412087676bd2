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
	if len(n.Inputs) < 3 || n.Float("beta", 1) == 0 {
		return ""
	}
	return n.Inputs[2]
}

// addendFault says why the addend of a Gemm cannot be taken out of it, "" where it can.
func (s *scope) addendFault(n *onnx.Node) string {
	if t, _ := s.find(addend(n)); addend(n) == "" || n.Float("beta", 1) == 1 || t != nil && t.DType == tensor.Float32 {
		return ""
	}
	return "what it adds is computed, and scaled by beta"
}

// scaledAddend returns the name of beta × what a Gemm adds, a new constant where beta is not 1; "" for nothing.
func (s *scope) scaledAddend(n *onnx.Node) (string, error) {
	name, beta := addend(n), n.Float("beta", 1)
	if name == "" || beta == 1 {
		return name, nil
	}
	t, _ := s.find(name)
	x, err := floats(t)
	if err != nil {
		return "", err
	}
	scaled := make([]float32, len(x))
	for i, v := range x {
		scaled[i] = beta * v
	}
	out, err := tensor.FromFloat32("", t.Dims, scaled)
	if err != nil {
		return "", err
	}
	return s.addTo(s, name+"_scaled", out)
}

// product is a multiplication that was rewritten.
type product struct {
	decided *decided
	input   string // the integers of the activation, where it is quantized
	y       string // what comes before anything is added
	n       int64
	own     bool // what is added comes from the node itself, a Gemm
}

// absorb notes the Add of a constant row that the runtime makes part of the product: one of n elements, more than one,
// and, where flat, without axes of 1.
func (p product) absorb(flat bool) {
	add, row := p.decided.scope.addedRow(p.y)
	if p.own || add == nil || p.n < 2 || row[len(row)-1] != p.n || flat && len(row) > 1 {
		return
	}
	p.decided.Absorbed = []string{add.Name}
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
