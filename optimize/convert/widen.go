package convert

import (
	"infer/model/onnx"
	"infer/model/tensor"
)

// widen rewrites a graph in bfloat16 to one in float32 that holds the same numbers.
func widen(m *onnx.Model) error {
	err := m.Tensors(func(t *onnx.Tensor) error {
		if t.DType != tensor.BFloat16 {
			return nil
		}
		v, err := t.Value()
		if err != nil {
			return err
		}
		f, err := tensor.Floats(v)
		if err != nil {
			return err
		}
		wide, err := tensor.FromFloat32(t.Name, v.Shape, f)
		if err != nil {
			return err
		}
		return t.SetValue(wide)
	})
	if err != nil {
		return err
	}
	m.Walk(func(g *onnx.Graph) {
		for _, list := range [][]*onnx.ValueInfo{g.Inputs, g.Outputs, g.ValueInfo} {
			for _, v := range list {
				widenType(v.Type)
			}
		}
		for _, n := range g.Nodes {
			for _, a := range n.Attrs {
				if (a.Name == "to" || a.Name == "dtype" || a.Name == "output_dtype") && a.I == int64(tensor.BFloat16) {
					a.I = int64(tensor.Float32)
				}
			}
		}
	})
	return nil
}

func widenType(t *onnx.Type) {
	for ; t != nil; t = t.Elem {
		if t.DType == tensor.BFloat16 {
			t.DType = tensor.Float32
		}
	}
}
