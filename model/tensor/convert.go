package tensor

import (
	"encoding/binary"
	"fmt"
	"math"
	"unsafe"

	"infer/internal/fault"
)

// hostIsLittle reports whether the machine stores numbers as Data does, so that views are possible.
func hostIsLittle() bool { return binary.NativeEndian.Uint16([]byte{1, 0}) == 1 }

// view reinterprets bytes as elements of T without a copy; ok is false where the bytes are not aligned for it.
func view[T float32 | int64 | int32 | float64](b []byte) (v []T, ok bool) {
	var zero T
	size := unsafe.Sizeof(zero)
	if len(b) == 0 {
		return []T{}, true
	}
	p := unsafe.Pointer(unsafe.SliceData(b))
	if !hostIsLittle() || uintptr(p)%size != 0 {
		return nil, false
	}
	return unsafe.Slice((*T)(p), uintptr(len(b))/size), true
}

// bytesOf returns the bytes of numbers: a view on little-endian machines, a copy elsewhere.
func bytesOf[T float32 | int64](v []T) []byte {
	if len(v) == 0 {
		return []byte{}
	}
	size := unsafe.Sizeof(v[0])
	if hostIsLittle() {
		return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(v))), uintptr(len(v))*size)
	}
	out := make([]byte, 0, uintptr(len(v))*size)
	out, _ = binary.Append(out, binary.LittleEndian, v)
	return out
}

// Floats returns the elements of a numeric or bool tensor as float32, row-major. It is a view of t.Data where t is
// Float32 and aligned, a copy otherwise; 64-bit and 32-bit integers and float64 are rounded. Strings, complex numbers
// and containers are errors.
func Floats(t Tensor) ([]float32, error) {
	if err := t.Check(); err != nil {
		return nil, err
	}
	if t.DType == Float32 {
		if v, ok := view[float32](t.Data); ok {
			return v, nil
		}
	}
	n, _ := t.Shape.Elements()
	if t.DType == Sequence || t.DType == Map || t.DType == String || t.DType == Complex64 || t.DType == Complex128 {
		return nil, fault.New(fault.Usage, "", "tensor %q: %s has no float values", t.Name, t.DType)
	}
	out := make([]float32, n)
	DecodeFloats(out, t.DType, t.Data)
	return out, nil
}

// DecodeFloats writes the elements of src, of a numeric or bool dtype, to dst as float32. src holds at least len(dst)
// elements. It panics for strings, complex numbers and containers.
func DecodeFloats(dst []float32, d DType, src []byte) {
	le := binary.LittleEndian
	switch d {
	case Float32:
		for i := range dst {
			dst[i] = math.Float32frombits(le.Uint32(src[4*i:]))
		}
	case Float16:
		for i := range dst {
			dst[i] = Float16Value(le.Uint16(src[2*i:]))
		}
	case BFloat16:
		for i := range dst {
			dst[i] = BFloat16Value(le.Uint16(src[2*i:]))
		}
	case Float64:
		for i := range dst {
			dst[i] = float32(math.Float64frombits(le.Uint64(src[8*i:])))
		}
	case Uint64:
		for i := range dst {
			dst[i] = float32(le.Uint64(src[8*i:]))
		}
	case Float8E4M3FN, Float8E4M3FNUZ, Float8E5M2, Float8E5M2FNUZ, Float8E8M0:
		var table [256]float32
		for i := range table {
			table[i] = SmallFloatValue(d, uint8(i))
		}
		for i := range dst {
			dst[i] = table[src[i]]
		}
	case Float4E2M1:
		for i := range dst {
			dst[i] = SmallFloatValue(d, src[i/2]>>(i%2*4)&15)
		}
	default:
		decodeInts(len(dst), d, src, func(i int, v int64) { dst[i] = float32(v) })
	}
}

// EncodeFloats writes src to dst as a floating-point dtype, rounded to nearest with ties to even; the small formats
// saturate (SmallFloatBits). dst holds ByteSize(d, {len(src)}) bytes. It panics for another dtype.
func EncodeFloats(dst []byte, d DType, src []float32) {
	le := binary.LittleEndian
	switch d {
	case Float32:
		for i, f := range src {
			le.PutUint32(dst[4*i:], math.Float32bits(f))
		}
	case Float16:
		for i, f := range src {
			le.PutUint16(dst[2*i:], Float16Bits(f))
		}
	case BFloat16:
		for i, f := range src {
			le.PutUint16(dst[2*i:], BFloat16Bits(f))
		}
	case Float64:
		for i, f := range src {
			le.PutUint64(dst[8*i:], math.Float64bits(float64(f)))
		}
	case Float4E2M1:
		clear(dst[:(len(src)+1)/2])
		for i, f := range src {
			dst[i/2] |= SmallFloatBits(d, f) << (i % 2 * 4)
		}
	default:
		for i, f := range src {
			dst[i] = SmallFloatBits(d, f)
		}
	}
}

// Int64s returns the elements of an integer or bool tensor, row-major. It is a view of t.Data where t is Int64 and
// aligned, a copy otherwise. Other dtypes, and a uint64 over the range of int64, are errors.
func Int64s(t Tensor) ([]int64, error) {
	if err := t.Check(); err != nil {
		return nil, err
	}
	if !t.DType.IsInt() && t.DType != Bool {
		return nil, fault.New(fault.Usage, "", "tensor %q: %s is no integer type", t.Name, t.DType)
	}
	if t.DType == Int64 {
		if v, ok := view[int64](t.Data); ok {
			return v, nil
		}
	}
	n, _ := t.Shape.Elements()
	out := make([]int64, n)
	if t.DType == Uint64 {
		for i := range out {
			v := binary.LittleEndian.Uint64(t.Data[8*i:])
			if v > math.MaxInt64 {
				return nil, fault.New(fault.Usage, "", "tensor %q: element %d is %d, over the range of int64", t.Name, i, v)
			}
			out[i] = int64(v)
		}
		return out, nil
	}
	decodeInts(len(out), t.DType, t.Data, func(i int, v int64) { out[i] = v })
	return out, nil
}

// decodeInts calls put with each of n elements of an integer or bool dtype; uint64 is not for it.
func decodeInts(n int, d DType, src []byte, put func(int, int64)) {
	le := binary.LittleEndian
	for i := range n {
		switch d {
		case Int64:
			put(i, int64(le.Uint64(src[8*i:])))
		case Int32:
			put(i, int64(int32(le.Uint32(src[4*i:]))))
		case Uint32:
			put(i, int64(le.Uint32(src[4*i:])))
		case Int16:
			put(i, int64(int16(le.Uint16(src[2*i:]))))
		case Uint16:
			put(i, int64(le.Uint16(src[2*i:])))
		case Int8:
			put(i, int64(int8(src[i])))
		case Uint8, Bool:
			put(i, int64(src[i]))
		case Int4, Uint4, Int2, Uint2:
			bits, _ := subBits(d)
			per := 8 / bits
			put(i, int64(UnpackInts(d, []byte{src[i/per] >> (i % per * bits)}, 1)[0]))
		default:
			panic("tensor: " + d.String() + " is no integer type")
		}
	}
}

// FromFloat32 returns a Float32 tensor over v, which it may alias. It fails where shape does not hold len(v) elements.
func FromFloat32(name string, s Shape, v []float32) (Tensor, error) {
	t := Tensor{Name: name, DType: Float32, Shape: s, Data: bytesOf(v)}
	return t, t.Check()
}

// FromInt64 returns an Int64 tensor over v, which it may alias. It fails where shape does not hold len(v) elements.
func FromInt64(name string, s Shape, v []int64) (Tensor, error) {
	t := Tensor{Name: name, DType: Int64, Shape: s, Data: bytesOf(v)}
	return t, t.Check()
}

// FromInts returns a tensor of any integer dtype or Bool. A value out of its range is an error.
func FromInts(name string, d DType, s Shape, v []int64) (Tensor, error) {
	t, err := New(name, d, s)
	if err != nil {
		return t, err
	}
	if n, _ := s.Elements(); n != int64(len(v)) {
		return t, fmt.Errorf("tensor %q: %d values for shape %s", name, len(v), s)
	}
	lo, hi, ok := intRange(d)
	if !ok {
		return t, fmt.Errorf("tensor %q: %s is no integer type", name, d)
	}
	for i, x := range v {
		if x < lo || x > hi {
			return t, fault.New(fault.Usage, "", "tensor %q: %d does not fit %s, which holds %d to %d", name, x, d, lo, hi)
		}
		putInt(t.Data, d, i, x)
	}
	return t, nil
}

// FromStrings returns a String tensor over v. It fails where shape does not hold len(v) elements.
func FromStrings(name string, s Shape, v []string) (Tensor, error) {
	t := Tensor{Name: name, DType: String, Shape: s, Strings: v}
	return t, t.Check()
}

// intRange returns the range of an integer dtype or Bool, as far as int64 reaches.
func intRange(d DType) (lo, hi int64, ok bool) {
	switch d {
	case Bool:
		return 0, 1, true
	case Int64:
		return math.MinInt64, math.MaxInt64, true
	case Uint64:
		return 0, math.MaxInt64, true
	case Int8, Int16, Int32, Int4, Int2:
		return -1 << (d.Bits() - 1), 1<<(d.Bits()-1) - 1, true
	case Uint8, Uint16, Uint32, Uint4, Uint2:
		return 0, 1<<d.Bits() - 1, true
	}
	return 0, 0, false
}

// putInt stores v, which fits, at element i of zeroed data.
func putInt(data []byte, d DType, i int, v int64) {
	le := binary.LittleEndian
	switch d.Bits() {
	case 64:
		le.PutUint64(data[8*i:], uint64(v))
	case 32:
		le.PutUint32(data[4*i:], uint32(v))
	case 16:
		le.PutUint16(data[2*i:], uint16(v))
	case 8:
		data[i] = byte(v)
	default:
		bits := d.Bits()
		per := 8 / bits
		data[i/per] |= byte(v) & (1<<bits - 1) << (i % per * bits)
	}
}

// Widen converts t to dtype d where every value of t's dtype is one of d's and of the same sort: an integer to a wider
// one, a floating-point number to a wider one. ok is false, and t unchanged, for any other pair.
func Widen(t Tensor, d DType) (out Tensor, ok bool) {
	if t.DType == d {
		return t, true
	}
	n, err := t.Shape.Elements()
	if err != nil || t.Check() != nil {
		return t, false
	}
	if isSmallFloat(t.DType) && (d == Float32 || d == Float64) {
		f, _ := Floats(t)
		out, err = New(t.Name, d, t.Shape)
		if err != nil {
			return t, false
		}
		EncodeFloats(out.Data, d, f)
		return out, true
	}
	lo, hi, isInt := intRange(t.DType)
	dlo, dhi, toInt := intRange(d)
	if !isInt || !toInt || t.DType == Bool || d == Bool || t.DType == Uint64 || lo < dlo || hi > dhi {
		return t, false
	}
	if out, err = New(t.Name, d, t.Shape); err != nil {
		return t, false
	}
	decodeInts(int(n), t.DType, t.Data, func(i int, v int64) { putInt(out.Data, d, i, v) })
	return out, true
}

// isSmallFloat reports whether every value of d is one of Float32's.
func isSmallFloat(d DType) bool {
	_, mini := minifloatOf(d)
	return mini || d == Float8E8M0 || d == Float16 || d == BFloat16 || d == Float32
}
