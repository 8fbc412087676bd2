package static

import (
	"slices"
	"strings"

	"infer/model/tensor"
)

func matrixRules() map[string]rule {
	mm := func(c *call) { c.matmul(0, 1, c.dtype(0)) }
	return map[string]rule{
		"MatMul":                              mm,
		"com.microsoft:FusedMatMul":           mm,
		"MatMulInteger":                       func(c *call) { c.matmul(0, 1, tensor.Int32) },
		"QLinearMatMul":                       func(c *call) { c.matmul(0, 3, c.dtype(7)) },
		"Gemm":                                gemm,
		"com.microsoft:FusedGemm":             gemm,
		"com.microsoft:QGemm":                 func(c *call) { c.gemm(0, 3, pickDType(c, 8, tensor.Float32)) },
		"com.microsoft:MatMulNBits":           matmulNBits,
		"com.microsoft:DynamicQuantizeMatMul": func(c *call) { c.matmul(0, 1, c.dtype(0)) },
		"com.microsoft:MatMulIntegerToFloat":  func(c *call) { c.matmul(0, 1, c.dtype(2)) },
		"Einsum":                              einsum,
		"Det": func(c *call) {
			if d, ok := c.dims(0); ok && len(d) >= 2 {
				c.put(0, c.dtype(0), d[:len(d)-2]...)
			}
		},
	}
}

func pickDType(c *call, i int, def tensor.DType) tensor.DType {
	if c.present(i) {
		return c.dtype(i)
	}
	return def
}

// transposed returns the shape of a MatMul operand after the flags of FusedMatMul.
func (c *call) transposed(d []dim, trans, batch string) []dim {
	d = slices.Clone(d)
	n := len(d)
	if n < 2 {
		return d
	}
	if c.node.Int(batch, 0) != 0 && n > 2 { // the leading axes go one up: (b0 … M, K) was (M, b0 …, K)
		d = append(append(d[1:n-1:n-1], d[0]), d[n-1])
	}
	if c.node.Int(trans, 0) != 0 {
		d[n-1], d[n-2] = d[n-2], d[n-1]
	}
	return d
}

func (c *call) matmul(ia, ib int, d tensor.DType) {
	a, okA := c.dims(ia)
	b, okB := c.dims(ib)
	if !okA || !okB {
		c.open(0, d)
		return
	}
	if len(a) == 0 || len(b) == 0 {
		c.invalid()
		return
	}
	a, b = c.transposed(a, "transA", "transBatchA"), c.transposed(b, "transB", "transBatchB")
	rowA, rowB := len(a) == 1, len(b) == 1
	if rowA {
		a = []dim{fixed(1), a[0]}
	}
	if rowB {
		b = []dim{b[0], fixed(1)}
	}
	x, okX := a[len(a)-1].fixed()
	if y, okY := b[len(b)-2].fixed(); okX && okY && x != y {
		c.invalid()
		c.open(0, d)
		return
	}
	out := broadcast(a[:len(a)-2], b[:len(b)-2])
	if !rowA {
		out = append(out, a[len(a)-2])
	}
	if !rowB {
		out = append(out, b[len(b)-1])
	}
	c.put(0, d, out...)
}

func gemm(c *call) { c.gemm(0, 1, c.dtype(0)) }

func (c *call) gemm(ia, ib int, d tensor.DType) {
	a, okA := c.dims(ia)
	b, okB := c.dims(ib)
	if !okA || !okB || len(a) != 2 || len(b) != 2 {
		m, n := unknown, unknown
		c.put(0, d, m, n)
		if okA && okB {
			c.invalid()
		}
		return
	}
	c.put(0, d, c.transposed(a, "transA", "")[0], c.transposed(b, "transB", "")[1])
}

func matmulNBits(c *call) {
	a, ok := c.dims(0)
	if !ok || len(a) == 0 {
		c.open(0, c.dtype(0))
		return
	}
	c.put(0, c.dtype(0), append(slices.Clone(a[:len(a)-1]), fixed(c.node.Int("N", -1)))...)
}

// dots stands for the axis of an ellipsis that is i-th from the right.
func dots(i int) rune { return '\uE000' + rune(i) }

// einsumTerms splits an equation into the labels of each operand and of the output; ok is false for one that does not
// fit the operands.
func einsumTerms(equation string, shapes [][]dim) (in [][]rune, out []rune, ok bool) {
	left, right, explicit := strings.Cut(strings.ReplaceAll(equation, " ", ""), "->")
	parts, wide := strings.Split(left, ","), 0
	if len(parts) != len(shapes) {
		return nil, nil, false
	}
	expand := func(term string, n int) []rune {
		var axes []rune
		for i := n - 1; i >= 0; i-- {
			axes = append(axes, dots(i))
		}
		return []rune(strings.Replace(term, "...", string(axes), 1))
	}
	for i, p := range parts {
		n := 0
		if strings.Contains(p, "...") {
			n = len(shapes[i]) - len([]rune(p)) + len("...")
			wide = max(wide, n)
		}
		t := expand(p, n)
		if n < 0 || len(t) != len(shapes[i]) || slices.Contains(t, '.') {
			return nil, nil, false
		}
		in = append(in, t)
	}
	if explicit {
		out = expand(right, wide)
		return in, out, !slices.Contains(out, '.')
	}
	all := strings.NewReplacer(",", "", "...", "").Replace(left)
	out = expand("...", wide)
	for r := 'A'; r <= 'z'; r++ {
		if strings.Count(all, string(r)) == 1 {
			out = append(out, r)
		}
	}
	return in, out, true
}

// einsumSizes returns the size of each label.
func einsumSizes(terms [][]rune, shapes [][]dim) (map[rune]dim, bool) {
	sizes := map[rune]dim{}
	for i, t := range terms {
		if len(shapes[i]) != len(t) {
			return nil, false
		}
		for j, r := range t {
			if old, seen := sizes[r]; seen {
				sizes[r] = broadcastDim(old, shapes[i][j])
			} else {
				sizes[r] = shapes[i][j]
			}
		}
	}
	return sizes, true
}

func einsum(c *call) {
	c.open(0, c.dtype(0))
	var shapes [][]dim
	for i := range c.in {
		s, ok := c.dims(i)
		if !ok {
			return
		}
		shapes = append(shapes, s)
	}
	terms, out, ok := einsumTerms(c.node.Str("equation", ""), shapes)
	if !ok {
		c.invalid()
		return
	}
	sizes, ok := einsumSizes(terms, shapes)
	if !ok {
		return
	}
	dims := []dim{}
	for _, r := range out {
		dims = append(dims, sizes[r])
	}
	c.put(0, c.dtype(0), dims...)
}
