package emit

import (
	"math"
	"slices"

	"infer/model/tensor"
	"infer/optimize/quantize/affine"
)

// quantized is a constant in integers, by the names of its parts.
type quantized struct {
	data   string
	zero   string // "" where it is 0
	scale  string
	scales []float32
	owner  *scope
}

// product is a MatMul that was rewritten, for predict.
type product struct {
	decided *decided
	input   dynamicInput
	y       string // what comes before anything is added
	n       int64
	own     bool // what is added comes from the node itself, a Gemm
}

// matmul rewrites a MatMul or a Gemm by a constant W:
//
//	q, s, z = DynamicQuantizeLinear(x)
//	y = Mul(Cast(MatMulInteger(q, W, z[, zero point of W])), Mul(s, scale of W)) [; Add(y, c)]
//
// ONNX Runtime fuses this where s is the first factor and each node has one reader. A zero point of 0 is left out.
func (d *dynamic) matmul(n *decided) error {
	s, node := n.scope, n.node
	m, why := s.matrixOf(node)
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
	c, err := s.scaledAddend(node)
	if err != nil {
		return err
	}
	q := s.quantizeInput(node.Inputs[0])
	s.Remove(node)
	y := n.Output
	if c != "" {
		y = s.Unique(n.Output + "_product")
	}
	operands := []string{q.value, w.data, q.zero}
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
	d.products = append(d.products, product{n, q, y, m.n(), c != ""})
	return nil
}

// matrix returns the integer form of a matrix, made once for all nodes that use it alike.
func (d *dynamic) matrix(s *scope, m *matrix) (*quantized, error) {
	if q, ok := d.made[m.same()]; ok {
		return q, nil
	}
	axis := affine.PerTensor
	if d.options.PerChannel && len(m.dims) == 2 {
		axis = 1
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
	q, err := s.addWeight(m.constant, w)
	if err != nil {
		return nil, err
	}
	d.made[m.same()] = q
	return q, nil
}

// addWeight adds the integer form w of a constant beside it.
func (s *scope) addWeight(c constant, w *affine.Weight) (*quantized, error) {
	name := c.tensor.Name
	q := &quantized{scales: w.Scales, owner: c.owner}
	var err error
	q.data, err = s.addTo(c.owner, name+"_quantized", tensor.Tensor{DType: w.DType, Shape: w.Shape, Data: w.Data})
	if err != nil {
		return nil, err
	}
	shape := tensor.Shape{}
	if w.Axis != affine.PerTensor {
		shape = tensor.Shape{int64(len(w.Scales))}
	}
	if slices.ContainsFunc(w.Zeros, func(z int32) bool { return z != 0 }) {
		if q.zero, err = s.addTo(c.owner, name+"_zero_point", zeroPoints(w, shape)); err != nil {
			return nil, err
		}
	}
	q.scale, err = s.addScales(c.owner, name, w.Scales, shape)
	return q, err
}

// zeroPoints returns the zero points of w, of an 8-bit dtype.
func zeroPoints(w *affine.Weight, shape tensor.Shape) tensor.Tensor {
	data := make([]byte, len(w.Zeros))
	for i, z := range w.Zeros {
		data[i] = byte(z)
	}
	return tensor.Tensor{DType: w.DType, Shape: shape, Data: data}
}

// addScales adds the scales of a constant of a name.
func (s *scope) addScales(owner *scope, name string, scales []float32, shape tensor.Shape) (string, error) {
	v, err := tensor.FromFloat32("", shape, scales)
	if err != nil {
		return "", err
	}
	return s.addTo(owner, name+"_scale", v)
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
		shape := tensor.Shape{}
		if len(w.scales) > 1 {
			shape = tensor.Shape{int64(len(w.scales))}
		}
		var err error
		if own.name, err = s.addScales(w.owner, weight.tensor.Name, own.scales, shape); err != nil {
			return "", err
		}
	}
	d.used[a] = append(d.used[a], own)
	return own.name, nil
}

// predict says what ONNX Runtime makes of the products. A DynamicQuantizeLinear that has one product becomes part of it;
// one that has several is kept, so that the activation is quantized once.
func (d *dynamic) predict() {
	for _, p := range d.products {
		s := p.decided.scope
		p.decided.Predicted = "MatMulIntegerToFloat"
		if s.OnlyReader(p.input.value) != nil {
			p.decided.Predicted = "DynamicQuantizeMatMul"
		}
		if add := s.biasAdd(p.y, p.n); add != nil && !p.own {
			p.decided.Absorbed = []string{add.Name}
		}
	}
}
