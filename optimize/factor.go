package optimize

import "infer/model/onnx"

// foldFactor moves a number that a value is multiplied or divided by into the constants that the value is made of, past
// products, sums and movements of data: such as the 1/√d of attention into the projection of the queries.
func foldFactor() Pass {
	return local("fold-factor", "moves a factor past products and movements of data into the constants before them",
		func(w *Work, e *Editor, n *onnx.Node) bool {
			if !is(n, "Mul", "Div") || len(n.Inputs) != 2 || only(n) == "" {
				return false
			}
			for i, x := range n.Inputs {
				k, ok := e.number(n.Inputs[1-i])
				if !ok || n.OpType == "Div" && i == 1 {
					continue
				}
				if c, _ := e.Constant(n.Inputs[1-i]); len(w.known(e, x).Dims) < len(c.Dims) {
					continue
				}
				if n.OpType == "Div" {
					k = 1 / k
				}
				s := scaling{Editor: e, by: k}
				if !moderate(k) || !s.value(x, n) || !s.apply() {
					return false
				}
				return e.bypass(n, x)
			}
			return false
		})
}

// scaling is what has to be multiplied by a number so that a value is.
type scaling struct {
	*Editor
	by     float64
	places []place
}

// place is an input of a node.
type place struct {
	node *onnx.Node
	i    int
}

// value finds the constants to multiply for a value that reader alone reads.
func (s *scaling) value(value string, reader *onnx.Node) bool {
	p := s.Producer(value)
	if p == nil || p.Domain != "" || only(p) != value || s.OnlyReader(value) != reader {
		return false
	}
	switch p.OpType {
	case "Transpose", "Reshape", "Squeeze", "Unsqueeze", "Flatten", "Identity", "Slice":
		return input(p, 0) != "" && s.value(p.Inputs[0], p)
	case "MatMul":
		return len(p.Inputs) == 2 && (s.either(p, 1) || s.either(p, 0))
	case "Gemm", "Conv", "ConvTranspose":
		return s.constant(p, 1) && (input(p, 2) == "" || s.constant(p, 2))
	case "Add", "Sub":
		return len(p.Inputs) == 2 && p.Inputs[0] != p.Inputs[1] && s.either(p, 0) && s.either(p, 1)
	case "Mul":
		return len(p.Inputs) == 2 && (s.constant(p, 0) || s.constant(p, 1))
	case "LayerNormalization":
		return s.constant(p, 1) && (input(p, 2) == "" || s.constant(p, 2))
	}
	return false
}

// either finds the constants to multiply for an input: itself, or what it is made of. Where there are none it leaves no
// trace.
func (s *scaling) either(n *onnx.Node, i int) bool {
	before := len(s.places)
	if s.constant(n, i) || s.value(n.Inputs[i], n) {
		return true
	}
	s.places = s.places[:before]
	return false
}

// constant notes an input that is a constant to multiply. One that others read too would be stored twice then.
func (s *scaling) constant(n *onnx.Node, i int) bool {
	v, _, d, ok := s.floats(input(n, i))
	if !ok || len(s.Consumers(n.Inputs[i])) != 1 || s.IsOutput(n.Inputs[i]) || !representable(d, multiply(v, float32(s.by))) {
		return false
	}
	s.places = append(s.places, place{n, i})
	return true
}

// apply multiplies the constants that were found.
func (s *scaling) apply() bool {
	made := make([]string, len(s.places))
	for j, p := range s.places {
		v, shape, d, ok := s.floats(p.node.Inputs[p.i])
		if !ok {
			return false
		}
		scaled := make([]float32, len(v))
		for i, x := range v {
			scaled[i] = float32(float64(x) * s.by)
		}
		name, err := s.addFloats(p.node.Inputs[p.i], d, shape, scaled)
		if err != nil {
			return false
		}
		made[j] = name
	}
	for j, p := range s.places {
		s.SetInput(p.node, p.i, made[j])
	}
	return true
}
