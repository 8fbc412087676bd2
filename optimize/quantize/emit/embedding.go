package emit

import (
	"infer/model/onnx"
	"infer/model/tensor"
	"infer/optimize/quantize/affine"
)

// embeddings is a rewrite of Gather from constant tables.
type embeddings struct {
	made map[*onnx.Tensor]*quantized
}

func newEmbeddings() *embeddings { return &embeddings{map[*onnx.Tensor]*quantized{}} }

// gather rewrites a Gather of rows of a constant table to one of int8 rows that have a scale each:
//
//	y = Mul(Cast(Gather(rows, i)), Gather(scales, i))
//
// One scale for the table would need a node less and lose more: the rows of rare words are small.
func (e *embeddings) gather(n *decided) error {
	s, node := n.scope, n.node
	t, owner := s.find(input(node, 0))
	if t == nil || t.DType != tensor.Float32 || len(t.Dims) < 2 || node.Int("axis", 0) != 0 {
		return nil // no table
	}
	if elements, err := t.Dims.Elements(); err != nil || elements < storedElements {
		return nil
	}
	q, err := e.rows(s, constant{t, owner})
	if err != nil {
		return n.refuse(err)
	}
	s.Remove(node)
	y, index := n.Output, node.Inputs[1]
	rows, scales, float := s.Unique(y+"_rows"), s.Unique(y+"_scale"), s.Unique(y+"_float")
	s.Insert(operator("Gather", []string{q.values, index}, []string{rows}))
	s.Insert(operator("Gather", []string{q.scale, index}, []string{scales}))
	s.Insert(operator("Cast", []string{rows}, []string{float}, toFloat()))
	last := operator("Mul", []string{float, scales}, []string{y})
	last.Name = node.Name
	s.Insert(last)
	n.become(WeightOnly, "Gather", constant{t, owner})
	return nil
}

// rows returns a table as int8 with scales of shape [rows, 1, …].
func (e *embeddings) rows(s *scope, c constant) (*quantized, error) {
	if q, ok := e.made[c.tensor]; ok {
		return q, nil
	}
	x, err := floats(c.tensor)
	if err != nil {
		return nil, err
	}
	defer c.tensor.Release()
	w, err := affine.QuantizeWeight(x, c.tensor.Dims, 0, affine.Grid{DType: tensor.Int8, Symmetric: true})
	if err != nil {
		return nil, err
	}
	q, err := s.add(c, integersOf(w, channels{}.scales(c.tensor.Dims)), false)
	e.made[c.tensor] = q
	return q, err
}
