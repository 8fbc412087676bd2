package tensor

import (
	"bytes"
	"fmt"
	"math"
)

// Rows returns the size of axis 0; 1 for a scalar.
func Rows(t Tensor) int64 {
	if len(t.Shape) == 0 {
		return 1
	}
	return t.Shape[0]
}

// Slice returns rows lo to hi (exclusive) along axis 0 as a view of t. Types under 8 bits are copied where a row does
// not start at a byte. It fails for a scalar, a container, and rows outside t.
func Slice(t Tensor, lo, hi int64) (Tensor, error) {
	if len(t.Shape) == 0 || t.DType >= Sequence {
		return Tensor{}, fmt.Errorf("tensor %q: a %s of shape %s has no rows", t.Name, t.DType, t.Shape)
	}
	if lo < 0 || hi < lo || hi > t.Shape[0] {
		return Tensor{}, fmt.Errorf("tensor %q: rows %d to %d of %d", t.Name, lo, hi, t.Shape[0])
	}
	if err := t.Check(); err != nil {
		return Tensor{}, err
	}
	out := Tensor{Name: t.Name, DType: t.DType, Shape: t.Shape.Clone()}
	out.Shape[0] = hi - lo
	n, err := t.Shape[1:].Elements()
	if err != nil {
		return Tensor{}, err
	}
	bits := int64(t.DType.Bits())
	switch {
	case t.DType == String:
		out.Strings = t.Strings[lo*n : hi*n : hi*n]
	case lo*n*bits%8 != 0 || hi*n*bits%8 != 0 && hi != t.Shape[0]:
		out.Data = copyBits(t.Data, lo*n*bits, (hi-lo)*n*bits, bits)
	default:
		end := (hi*n*bits + 7) / 8
		out.Data = t.Data[lo*n*bits/8 : end : end]
	}
	return out, nil
}

// copyBits copies n bits that start at bit from, in steps of an element's width.
func copyBits(src []byte, from, n, width int64) []byte {
	out := make([]byte, (n+7)/8)
	for i := int64(0); i < n; i += width {
		v := src[(from+i)/8] >> ((from + i) % 8) & (1<<width - 1)
		out[i/8] |= v << (i % 8)
	}
	return out
}

// Concat joins tensors along axis 0 into a new one with the first one's name. They have the same dtype and the same
// shape but for axis 0; scalars and containers are errors.
func Concat(rows ...Tensor) (Tensor, error) {
	if len(rows) == 0 {
		return Tensor{}, fmt.Errorf("no tensors to join")
	}
	first := rows[0]
	total := int64(0)
	for _, t := range rows {
		if len(t.Shape) == 0 || t.DType != first.DType || t.DType >= Sequence || !t.Shape[1:].Equal(first.Shape[1:]) {
			return Tensor{}, fmt.Errorf("tensor %q: %s of shape %s does not join %s of shape %s",
				t.Name, t.DType, t.Shape, first.DType, first.Shape)
		}
		if err := t.Check(); err != nil {
			return Tensor{}, err
		}
		total += t.Shape[0]
	}
	shape := first.Shape.Clone()
	shape[0] = total
	if packedNibbles(first.DType) {
		return concatPacked(first, shape, rows)
	}
	out := Tensor{Name: first.Name, DType: first.DType, Shape: shape}
	for _, t := range rows {
		out.Data = append(out.Data, t.Data...)
		out.Strings = append(out.Strings, t.Strings...)
	}
	if out.Data == nil && out.DType != String {
		out.Data = []byte{}
	}
	return out, nil
}

func concatPacked(first Tensor, shape Shape, rows []Tensor) (Tensor, error) {
	out, err := New(first.Name, first.DType, shape)
	if err != nil {
		return out, err
	}
	width, at := int64(first.DType.Bits()), int64(0)
	for _, t := range rows {
		n, _ := t.Shape.Elements()
		for i := range n {
			v := t.Data[i*width/8] >> (i * width % 8) & (1<<width - 1)
			out.Data[at/8] |= v << (at % 8)
			at += width
		}
	}
	return out, nil
}

// ArgMax returns, for each row along axis 0, the index of its largest element, the first of equals; all other axes
// count as one. NaN is never the largest. A row without elements, or of NaN alone, gives -1.
func ArgMax(t Tensor) ([]int64, error) {
	f, err := Floats(t)
	if err != nil {
		return nil, err
	}
	rows := Rows(t)
	if rows > int64(len(f)) && len(f) == 0 {
		return nil, fmt.Errorf("tensor %q of shape %s has no elements", t.Name, t.Shape)
	}
	out := make([]int64, rows)
	if rows == 0 {
		return out, nil
	}
	width := int64(len(f)) / rows
	for r := range out {
		out[r] = -1
		best := float32(math.Inf(-1))
		for i, v := range f[int64(r)*width : int64(r+1)*width] {
			if v > best || out[r] < 0 && v == best {
				best, out[r] = v, int64(i)
			}
		}
	}
	return out, nil
}

// Equal reports whether both tensors have the same dtype, shape and elements, bit by bit; names are not compared.
func Equal(a, b Tensor) bool {
	if a.DType != b.DType || !a.Shape.Equal(b.Shape) || len(a.Strings) != len(b.Strings) || len(a.Elems) != len(b.Elems) {
		return false
	}
	for i := range a.Strings {
		if a.Strings[i] != b.Strings[i] {
			return false
		}
	}
	for i := range a.Elems {
		if !Equal(a.Elems[i], b.Elems[i]) {
			return false
		}
	}
	return bytes.Equal(a.Data, b.Data)
}

// MaxAbsDiff returns the largest absolute difference between elements of two tensors of the same shape, computed in
// float64 from their float32 values. A NaN or infinity in the same place of both counts as equal; otherwise the result
// is NaN or infinite. It fails where shapes differ or elements are not numbers.
func MaxAbsDiff(a, b Tensor) (float64, error) {
	if !a.Shape.Equal(b.Shape) {
		return 0, fmt.Errorf("shape %s differs from %s", a.Shape, b.Shape)
	}
	x, err := Floats(a)
	if err != nil {
		return 0, err
	}
	y, err := Floats(b)
	if err != nil {
		return 0, err
	}
	worst := 0.0
	for i := range x {
		if x[i] == y[i] || x[i] != x[i] && y[i] != y[i] {
			continue
		}
		worst = math.Max(worst, math.Abs(float64(x[i])-float64(y[i]))) // Max keeps a NaN
	}
	return worst, nil
}
