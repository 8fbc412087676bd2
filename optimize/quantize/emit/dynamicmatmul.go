package emit

import (
	"math"
	"slices"

	"infer/model/tensor"
	"infer/optimize/quantize/affine"
)

// matmul rewrites a MatMul or a Gemm by a constant W:
//
//	q, s, z = DynamicQuantizeLinear(x)
//	y = Mul(Cast(MatMulInteger(q, W, z[, zero point of W])), Mul(s, scale of W)) [; Add(y, c)]
//
// ONNX Runtime fuses this where s is the first factor and each node has one reader. A zero point of 0 is left out.
func (d *dynamic) matmul(n *decided) error {
	s, node := n.scope, n.node
	m, why := s.matrixOf(node)
	if why == "" && d.widened(s, n.Output, m.n()) {
		why = "the row that is added to it gives it more columns or axes, which the runtime fuses wrongly"
	}
	if why != "" {
		n.leave(why)
		return nil
	}
	w, err := d.matrix(s, m)
	if err != nil {
		return n.refuse(err)
	}
	scale, err := d.ownScale(s, node.Inputs[0], m.same(), w)
	if err != nil {
		return err
	}
	c, err := s.plainAddend(node)
	if err != nil {
		return err
	}
	q := s.quantizeInput(node.Inputs[0])
	s.Remove(node)
	y := n.Output
	if c != "" {
		y = s.Unique(n.Output + "_product")
	}
	operands := []string{q.value, w.values, q.zero}
	if w.zero != "" {
		operands = append(operands, w.zero)
	}
	sum, float, factor := s.Unique(y+"_integer"), s.Unique(y+"_float"), s.Unique(y+"_scale")
	s.Insert(operator("MatMulInteger", operands, []string{sum}))
	s.Insert(operator("Cast", []string{sum}, []string{float}, toFloat()))
	s.Insert(operator("Mul", []string{q.scale, scale}, []string{factor}))
	last := operator("Mul", []string{float, factor}, []string{y})
	if c != "" {
		s.Insert(last)
		last = operator("Add", []string{y, c}, []string{n.Output})
	}
	last.Name = node.Name
	s.Insert(last)
	n.become(Dynamic, "", m.constant)
	d.products = append(d.products, product{n, q.value, y})
	return nil
}

// widened reports whether a row that is added to y, n wide, makes it wider or gives it more axes. ONNX Runtime 1.30 takes
// any row of more than one element for a bias: it then makes a model that does not run, or an output of too few axes.
func (d *dynamic) widened(s *scope, y string, n int64) bool {
	add, row := s.addedRow(y)
	if add == nil || row[len(row)-1] == 1 {
		return false
	}
	return n == 1 || len(row) > 1 && len(row) > d.rank(s, y) // also where the rank is not known
}

// matrix returns the integer form of a matrix, made once for all nodes that use it alike.
func (d *dynamic) matrix(s *scope, m *matrix) (*quantized, error) {
	if q, ok := d.made[m.same()]; ok {
		return q, nil
	}
	axis, scales := affine.PerTensor, tensor.Shape{}
	if d.options.PerChannel && len(m.dims) == 2 {
		axis, scales = 1, tensor.Shape{m.n()}
	}
	x, err := m.floats()
	if err != nil {
		return nil, err
	}
	w, err := d.weight(x, m.dims, axis)
	m.tensor.Release()
	if err != nil {
		return nil, err
	}
	q, err := s.add(m.constant, integersOf(w, scales), false)
	if err != nil {
		return nil, err
	}
	d.made[m.same()] = q
	return q, nil
}

// activation is a value that is quantized in every run.
type activation struct {
	scope *scope
	value string
}

// scaleUse is the scale by which a product of an activation is multiplied.
type scaleUse struct {
	weight same
	name   string
	scales []float32
}

// ownScale returns the name of the scale of w for a product with x. Two products of one activation whose scales are
// equal bit by bit would share one Mul once the runtime has merged equal constants and equal nodes, and it fuses
// neither of the products then. So the first scale of the second product is one unit in the last place larger, which
// is far below the error of any integer.
func (d *dynamic) ownScale(s *scope, x string, weight same, w *quantized) (string, error) {
	a := activation{s, x}
	own := scaleUse{weight, w.scale, w.scales}
	for taken := true; taken; {
		taken = false
		for _, u := range d.used[a] {
			if u.weight == weight {
				return u.name, nil
			}
			if slices.Equal(u.scales, own.scales) {
				own.scales, taken = slices.Clone(own.scales), true
				own.scales[0] = math.Nextafter32(own.scales[0], math.MaxFloat32)
			}
		}
	}
	if !slices.Equal(own.scales, w.scales) {
		var err error
		if own.name, err = s.addScales(w.beside, own.scales, w.shape); err != nil {
			return "", err
		}
	}
	d.used[a] = append(d.used[a], own)
	return own.name, nil
}

// predict says what ONNX Runtime makes of the products. A DynamicQuantizeLinear that has one product becomes part of it;
// one that has several is kept, so that the activation is quantized once. A row of more than one element that is added
// to the product becomes part of it, too.
func (d *dynamic) predict() {
	for _, p := range d.products {
		s, n := p.decided.scope, p.decided
		n.Predicted = "MatMulIntegerToFloat"
		if s.OnlyReader(p.input) != nil {
			n.Predicted = "DynamicQuantizeMatMul"
		}
		add, row := s.addedRow(p.y)
		if add != nil && row[len(row)-1] > 1 && p.y == n.Output { // the Add of a Gemm is its own
			n.Absorbed = []string{add.Name}
		}
	}
}
