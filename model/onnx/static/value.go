package static

import (
	"encoding/binary"
	"math"
	"strings"

	"infer/model/onnx"
	"infer/model/tensor"
)

// maxData is the number of elements up to which a tensor's values are followed.
const maxData = 1024

// maxRank bounds ranks that a graph may ask for; ONNX Runtime's own kernels stop far below.
const maxRank = 64

// Value is what is known about a value of the graph.
type Value struct {
	Kind     onnx.TypeKind // KindNone: not even the kind is known
	DType    tensor.DType  // Undefined where unknown; of a sequence, that of its items
	HasShape bool          // the rank is known
	Dims     []onnx.Dim    // a size, an expression in the dynamic axes ("4*sequence"), or nothing
	Ints     []int64       // the elements of a small integer or bool tensor, where they are constant
	Floats   []float64     // the elements of a small float tensor, where they are constant
}

// Shape returns the shape where every size is known.
func (v Value) Shape() (tensor.Shape, bool) {
	if !v.HasShape || v.Kind != onnx.KindTensor {
		return nil, false
	}
	s := make(tensor.Shape, len(v.Dims))
	for i, d := range v.Dims {
		if !d.Known {
			return nil, false
		}
		s[i] = d.Size
	}
	return s, true
}

// Bytes returns the size of the tensor, where shape and dtype are known, fit in an int64 and the dtype has a width.
func (v Value) Bytes() (int64, bool) {
	s, ok := v.Shape()
	if !ok || v.DType.Bits() == 0 {
		return 0, false
	}
	n, err := tensor.ByteSize(v.DType, s)
	return n, err == nil
}

// Elements returns the number of elements, where the shape is known and the number fits in an int64.
func (v Value) Elements() (int64, bool) {
	s, ok := v.Shape()
	if !ok {
		return 0, false
	}
	n, err := s.Elements()
	return n, err == nil
}

// String returns the shape for people: "batch x 77", "scalar", "?" where the rank is unknown.
func (v Value) String() string {
	if !v.HasShape {
		return "?"
	}
	if len(v.Dims) == 0 {
		return "scalar"
	}
	parts := make([]string, len(v.Dims))
	for i, d := range v.Dims {
		switch {
		case d.Known:
			parts[i] = fixed(d.Size).String()
		case d.Name != "":
			parts[i] = d.Name
		default:
			parts[i] = "?"
		}
	}
	return strings.Join(parts, " x ")
}

// val is a value during inference. A nil *val is an omitted input or one of which nothing is known.
type val struct {
	kind   onnx.TypeKind
	dtype  tensor.DType
	ranked bool
	dims   []dim
	ints   []dim     // the elements of a small integer tensor, each known or not; nil where none is
	floats []float64 // the elements of a small constant float tensor
	elem   *val      // of a sequence or optional
}

func tensorVal(d tensor.DType, dims ...dim) *val {
	return &val{kind: onnx.KindTensor, dtype: d, ranked: true, dims: dims}
}

// unranked is a tensor of an unknown rank.
func unranked(d tensor.DType) *val { return &val{kind: onnx.KindTensor, dtype: d} }

// vector is a rank 1 integer tensor with known elements.
func vector(d tensor.DType, elems []dim) *val {
	v := tensorVal(d, fixed(int64(len(elems))))
	if len(elems) <= maxData {
		v.ints = elems
	}
	return v
}

// public converts v. Sequences have no shape.
func (v *val) public() Value {
	if v == nil {
		return Value{}
	}
	p := Value{Kind: v.kind, DType: v.dtype, HasShape: v.ranked, Floats: v.floats}
	if v.kind != onnx.KindTensor && v.elem != nil {
		p.DType = v.elem.dtype
	}
	for _, d := range v.dims {
		p.Dims = append(p.Dims, d.public())
	}
	for _, e := range v.ints {
		n, ok := e.fixed()
		if !ok {
			p.Ints = nil
			return p
		}
		p.Ints = append(p.Ints, n)
	}
	return p
}

// complete reports whether nothing about the shape is left unknown (expressions count as known).
func (v *val) complete() bool {
	if v == nil || v.kind == onnx.KindNone {
		return false
	}
	if v.kind != onnx.KindTensor {
		return true
	}
	if !v.ranked {
		return false
	}
	for _, d := range v.dims {
		if !d.ok {
			return false
		}
	}
	return true
}

// fits reports whether data of n elements belong to the shape of v.
func (v *val) fits(n int) bool { return v.ranked && n <= maxData && product(v.dims).is(int64(n)) }

// constVal returns the value of an initializer or Constant. Only small tensors are read.
func constVal(t *onnx.Tensor) *val {
	v := tensorVal(t.DType)
	for _, d := range t.Dims {
		if d < 0 {
			return unranked(t.DType)
		}
		v.dims = append(v.dims, fixed(d))
	}
	n, err := t.Dims.Elements()
	if err != nil || n > maxData || len(t.Dims) > maxRank {
		return v
	}
	switch t.DType {
	case tensor.Float32, tensor.Float64, tensor.Int64, tensor.Int32, tensor.Bool, tensor.Uint8, tensor.Int8, tensor.Float16, tensor.BFloat16:
		if x, err := t.Value(); err == nil {
			v.setData(x)
		}
	}
	return v
}

func (v *val) setData(x tensor.Tensor) {
	size := x.DType.Bits() / 8
	for b := x.Data; len(b) >= size; b = b[size:] {
		switch x.DType {
		case tensor.Float32:
			v.floats = append(v.floats, float64(math.Float32frombits(binary.LittleEndian.Uint32(b))))
		case tensor.Float64:
			v.floats = append(v.floats, math.Float64frombits(binary.LittleEndian.Uint64(b)))
		case tensor.Float16:
			v.floats = append(v.floats, float64(tensor.Float16Value(binary.LittleEndian.Uint16(b))))
		case tensor.BFloat16:
			v.floats = append(v.floats, float64(tensor.BFloat16Value(binary.LittleEndian.Uint16(b))))
		case tensor.Int64:
			v.ints = append(v.ints, fixed(int64(binary.LittleEndian.Uint64(b))))
		case tensor.Int32:
			v.ints = append(v.ints, fixed(int64(int32(binary.LittleEndian.Uint32(b)))))
		case tensor.Int8:
			v.ints = append(v.ints, fixed(int64(int8(b[0]))))
		default:
			v.ints = append(v.ints, fixed(int64(b[0])))
		}
	}
	if !v.fits(max(len(v.ints), len(v.floats))) {
		v.ints, v.floats = nil, nil
	}
}
