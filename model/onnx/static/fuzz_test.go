package static

import (
	"encoding/binary"
	"slices"
	"testing"

	"infer/model/onnx"
)

// FuzzInfer gives made-up dims, attributes and inputs to every operator that there is a rule for: nothing may panic,
// and known sizes are never negative.
func FuzzInfer(f *testing.F) {
	var ops []string
	for op := range rules() {
		ops = append(ops, op)
	}
	slices.Sort(ops)
	for i := range ops {
		f.Add(uint16(i), uint8(17), []byte{3, 2, 2, 1, 4, 4, 1, 1, 0, 0, 2, 2, 1, 1, 255, 3})
	}
	names := []string{"axis", "axes", "perm", "pads", "strides", "dilations", "kernel_shape", "group", "split", "keepdims",
		"allowzero", "blocksize", "starts", "ends", "scales", "to", "hidden_size", "equation", "num_outputs", "N", "K", "output_shape"}
	f.Fuzz(func(t *testing.T, op uint16, opset uint8, b []byte) {
		if len(b) > 256 {
			return
		}
		next := func() int64 {
			if len(b) == 0 {
				return 0
			}
			v := b[0]
			b = b[1:]
			if v == 250 && len(b) >= 8 {
				n := binary.LittleEndian.Uint64(b)
				b = b[8:]
				return int64(n)
			}
			return int64(int8(v))
		}
		some := func() (out []int64) {
			for range uint64(next()) % 6 {
				out = append(out, next())
			}
			return out
		}
		var inputs []any
		for range uint64(next()) % 6 {
			switch uint64(next()) % 4 {
			case 0:
				inputs = append(inputs, some())
			case 1:
				inputs = append(inputs, []any{"-", "unranked", "", "n x 3 x n", "0 x ? x 4"}[uint64(next())%5])
			default:
				inputs = append(inputs, "")
			}
		}
		var at []*onnx.Attribute
		for range uint64(next()) % 6 {
			name := names[uint64(next())%uint64(len(names))]
			if uint64(next())%2 == 0 {
				at = append(at, &onnx.Attribute{Name: name, Type: onnx.AttrInt, I: next()})
			} else {
				at = append(at, &onnx.Attribute{Name: name, Type: onnx.AttrInts, Ints: some(), Floats: []float32{float32(next()), 0}})
			}
		}
		m := one(ops[int(op)%len(ops)], int64(opset%30), at, 3, inputs...)
		for _, v := range m.Graph.Inputs {
			for range uint64(next()) % 5 {
				v.Type.Dims = append(v.Type.Dims, onnx.Fixed(next()))
			}
		}
		s := Infer(m, nil)
		for name, v := range s.Values(m.Graph) {
			for _, d := range v.Dims {
				if d.Known && d.Size < 0 {
					t.Errorf("%s has shape %s", name, v)
				}
			}
		}
		Cost(m, s)
		Liveness(m, s)
	})
}

// TestNodeWithoutOutputs: a damaged node that makes nothing is no reason to panic, whatever its operator.
func TestNodeWithoutOutputs(t *testing.T) {
	attrs := []*onnx.Attribute{{Name: "value_float", Type: onnx.AttrFloat}, {Name: "to", Type: onnx.AttrInt, I: 1}}
	for op := range rules() {
		m := one(op, 17, attrs, 0, []int64{1, 2}, []int64{1, 1}, []int64{1}, []int64{0})
		Cost(m, Infer(m, nil))
	}
}
