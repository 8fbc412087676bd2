package onnx

import (
	"bytes"
	"testing"

	"infer/model/tensor"
)

// FuzzDecode: whatever decodes is written and read again as the same model; nothing panics.
func FuzzDecode(f *testing.F) {
	f.Add(encode(f, tiny()))
	nest := tiny()
	nest.Graph = nested()
	nest.Graph.Sparse = []*SparseTensor{{Values: raw("v", tensor.Int8, tensor.Shape{1}, 1), Dims: []int64{4}}}
	nest.Functions = []*Function{{Name: "f", Outputs: []string{"o"}, AttrProtos: []*Attribute{{Name: "a", Type: AttrFloats, Floats: []float32{1}}}}}
	f.Add(encode(f, nest))
	f.Add(encode(f, outside(External{Location: "d", Offset: 1, Length: 8})))
	f.Add([]byte("version https://git-lfs.github.com/spec/v1\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := Decode(b)
		if err != nil {
			return
		}
		_ = m.Check()
		once := encode(t, m)
		again, err := Decode(once)
		if err != nil {
			t.Fatalf("what was written does not decode: %v", err)
		}
		if twice := encode(t, again.Clone()); !bytes.Equal(once, twice) {
			t.Fatalf("not stable:\n%x\n%x", once, twice)
		}
		if (m.Check() == nil) != (again.Check() == nil) {
			t.Fatalf("Check changed its mind: %v, %v", m.Check(), again.Check())
		}
		_ = m.Graph.SortNodes()
		_ = m.Graph.Consumers()
		_ = m.Tensors(func(x *Tensor) error {
			_, _ = x.Value()
			return nil
		})
	})
}

// FuzzDecodeTensor: a tensor that decodes has the data that its shape says.
func FuzzDecodeTensor(f *testing.F) {
	f.Add(append(intField(2, 1), lenField(9, make([]byte, 4))...))
	f.Add(append(append(intField(1, 3), intField(2, 22)...), lenField(5, ints(1, 2))...))
	f.Add(append(append(intField(1, 1), intField(2, 8)...), lenField(6, []byte("s"))...))
	f.Fuzz(func(t *testing.T, b []byte) {
		v, err := DecodeTensor(b)
		if err != nil {
			return
		}
		if err := v.Check(); err != nil {
			t.Fatal(err)
		}
	})
}
