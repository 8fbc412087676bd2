// Package tensor owns the values that flow through a model: element types, shapes, tensors with their bytes
// in row-major little-endian order, half-precision conversion, and the .npy and .npz files that hold them.
package tensor

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// DType is an element type. The values up to 127 are those of ONNX's TensorProto.DataType.
type DType uint8

// The element types of ONNX 1.23 (IR version 13), and the two containers that a graph output can be.
const (
	Undefined      DType = 0
	Float32        DType = 1
	Uint8          DType = 2
	Int8           DType = 3
	Uint16         DType = 4
	Int16          DType = 5
	Int32          DType = 6
	Int64          DType = 7
	String         DType = 8
	Bool           DType = 9
	Float16        DType = 10
	Float64        DType = 11
	Uint32         DType = 12
	Uint64         DType = 13
	Complex64      DType = 14
	Complex128     DType = 15
	BFloat16       DType = 16
	Float8E4M3FN   DType = 17
	Float8E4M3FNUZ DType = 18
	Float8E5M2     DType = 19
	Float8E5M2FNUZ DType = 20
	Uint4          DType = 21
	Int4           DType = 22
	Float4E2M1     DType = 23
	Float8E8M0     DType = 24
	Uint2          DType = 25
	Int2           DType = 26

	Sequence DType = 128 // Elems holds the items
	Map      DType = 129 // Elems holds two tensors of equal length: keys (rank 1), values (rank 1)
)

var dtypes = map[DType]struct {
	name string
	bits int
}{
	Float32: {"float32", 32}, Uint8: {"uint8", 8}, Int8: {"int8", 8}, Uint16: {"uint16", 16}, Int16: {"int16", 16},
	Int32: {"int32", 32}, Int64: {"int64", 64}, String: {"string", 0}, Bool: {"bool", 8}, Float16: {"float16", 16},
	Float64: {"float64", 64}, Uint32: {"uint32", 32}, Uint64: {"uint64", 64}, Complex64: {"complex64", 64},
	Complex128: {"complex128", 128}, BFloat16: {"bfloat16", 16}, Float8E4M3FN: {"float8e4m3fn", 8},
	Float8E4M3FNUZ: {"float8e4m3fnuz", 8}, Float8E5M2: {"float8e5m2", 8}, Float8E5M2FNUZ: {"float8e5m2fnuz", 8},
	Uint4: {"uint4", 4}, Int4: {"int4", 4}, Float4E2M1: {"float4e2m1", 4}, Float8E8M0: {"float8e8m0", 8},
	Uint2: {"uint2", 2}, Int2: {"int2", 2}, Sequence: {"sequence", 0}, Map: {"map", 0},
}

// String returns the lower-case name, such as "float32", or "dtype(N)" for a number that ONNX does not define.
func (d DType) String() string {
	if t, ok := dtypes[d]; ok {
		return t.name
	}
	if d == Undefined {
		return "undefined"
	}
	return fmt.Sprintf("dtype(%d)", uint8(d))
}

// Bits returns the width of one element in bits; 0 for strings, containers and unknown types.
func (d DType) Bits() int { return dtypes[d].bits }

// Valid reports whether d is an element type of ONNX.
func (d DType) Valid() bool { _, ok := dtypes[d]; return ok && d < Sequence }

// IsFloat reports whether d is a floating-point type of 16 bits or more.
func (d DType) IsFloat() bool {
	return d == Float32 || d == Float16 || d == Float64 || d == BFloat16
}

// IsInt reports whether d is a signed or unsigned integer type (bool is none).
func (d DType) IsInt() bool {
	switch d {
	case Uint8, Int8, Uint16, Int16, Int32, Int64, Uint32, Uint64, Uint4, Int4, Uint2, Int2:
		return true
	}
	return false
}

// ParseDType returns the DType of a name as String prints it.
func ParseDType(name string) (DType, error) {
	for d, t := range dtypes {
		if t.name == name && d < Sequence {
			return d, nil
		}
	}
	return Undefined, fmt.Errorf("unknown dtype %q", name)
}

// Shape is a list of dimensions, outermost first. A nil or empty Shape is a scalar (rank 0).
type Shape []int64

// ErrTooLarge is returned for a shape whose element count or byte size does not fit in an int64.
var ErrTooLarge = errors.New("tensor is too large")

// Elements returns the product of the dimensions: 1 for a scalar. A negative dimension is an error, and so is a
// product that overflows.
func (s Shape) Elements() (int64, error) {
	n := int64(1)
	for _, d := range s {
		if d < 0 {
			return 0, fmt.Errorf("shape %s has a negative dimension", s)
		}
		if d > 0 && n > math.MaxInt64/d {
			return 0, fmt.Errorf("shape %s: %w", s, ErrTooLarge)
		}
		n *= d
	}
	return n, nil
}

// String returns the form that the command line takes, such as "1x3x224x224"; "scalar" for rank 0.
func (s Shape) String() string {
	if len(s) == 0 {
		return "scalar"
	}
	b := make([]string, len(s))
	for i, d := range s {
		b[i] = strconv.FormatInt(d, 10)
	}
	return strings.Join(b, "x")
}

// Equal reports whether both shapes have the same dimensions.
func (s Shape) Equal(o Shape) bool {
	if len(s) != len(o) {
		return false
	}
	for i := range s {
		if s[i] != o[i] {
			return false
		}
	}
	return true
}

// Clone returns a copy that shares nothing.
func (s Shape) Clone() Shape { return append(Shape(nil), s...) }

// ParseShape reads "1x3x224x224" ("scalar" or "" for rank 0).
func ParseShape(text string) (Shape, error) {
	if text == "" || text == "scalar" {
		return Shape{}, nil
	}
	var s Shape
	for _, p := range strings.Split(text, "x") {
		d, err := strconv.ParseInt(p, 10, 64)
		if err != nil || d < 0 {
			return nil, fmt.Errorf("shape %q: %q is not a dimension", text, p)
		}
		s = append(s, d)
	}
	return s, nil
}

// Tensor is a value: its bytes belong to whoever made it, unless the maker says otherwise (a session's bound
// buffers, a mapped file). The zero Tensor stands for "no value yet": a session allocates it.
type Tensor struct {
	Name    string   // the input or output it is for; "" where the position says it
	DType   DType    //
	Shape   Shape    //
	Data    []byte   // row-major, little-endian; types under 8 bits are packed low bits first, as in ONNX
	Strings []string // the elements when DType is String; Data is nil then
	Elems   []Tensor // the parts when DType is Sequence or Map
}

// IsZero reports whether t is the zero Tensor but for its name and for memory that its empty slices may have.
func (t Tensor) IsZero() bool {
	return t.DType == Undefined && len(t.Shape) == 0 && len(t.Data) == 0 && len(t.Strings) == 0 && len(t.Elems) == 0
}

// ByteSize returns how many bytes Data must hold for a dtype and shape; 0 for strings and containers.
func ByteSize(d DType, s Shape) (int64, error) {
	n, err := s.Elements()
	if err != nil {
		return 0, err
	}
	bits := int64(d.Bits())
	if bits > 0 && n > (math.MaxInt64-7)/bits {
		return 0, fmt.Errorf("shape %s of %s: %w", s, d, ErrTooLarge)
	}
	return (n*bits + 7) / 8, nil
}

// New returns a zero-filled tensor. It fails where ByteSize does and for containers.
func New(name string, d DType, s Shape) (Tensor, error) {
	t := Tensor{Name: name, DType: d, Shape: s}
	n, err := s.Elements()
	if err != nil {
		return t, err
	}
	if d == String {
		t.Strings = make([]string, n)
		return t, nil
	}
	if !d.Valid() {
		return t, fmt.Errorf("cannot make a tensor of %s", d)
	}
	size, err := ByteSize(d, s)
	if err != nil {
		return t, err
	}
	t.Data = make([]byte, size)
	return t, nil
}

// Check reports a tensor whose data do not fit its dtype and shape.
func (t Tensor) Check() error {
	n, err := t.Shape.Elements()
	if err != nil {
		return fmt.Errorf("tensor %q: %w", t.Name, err)
	}
	switch {
	case t.DType == Sequence || t.DType == Map:
		return nil
	case t.DType == String:
		if int64(len(t.Strings)) != n {
			return fmt.Errorf("tensor %q: %d strings for shape %s", t.Name, len(t.Strings), t.Shape)
		}
		return nil
	case !t.DType.Valid():
		return fmt.Errorf("tensor %q: %s is no element type", t.Name, t.DType)
	}
	size, err := ByteSize(t.DType, t.Shape)
	if err != nil {
		return fmt.Errorf("tensor %q: %w", t.Name, err)
	}
	if int64(len(t.Data)) != size {
		return fmt.Errorf("tensor %q: %d bytes for %s of shape %s, which takes %d", t.Name, len(t.Data), t.DType, t.Shape, size)
	}
	return nil
}
