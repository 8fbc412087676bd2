package affine

import (
	"encoding/binary"
	"math"

	"infer/model/tensor"
)

// elements calls do with the index of each block in Scales and the levels of its elements, which are gone after the
// call, row by row of blocks; at is where the first of them lies in the row-major matrix, the others N after each other.
func (b *Blocks) elements(do func(i, at int, q []byte)) {
	n, kBlocks := int(b.N), b.kBlocks()
	buffer := make([]byte, b.Size)
	for block := range kBlocks {
		first := block * b.Size
		q := buffer[:min(b.Size, int(b.K)-first)]
		for column := range n {
			i := column*kBlocks + block
			b.unpack(buffer, i)
			do(i, first*n+column, q)
		}
	}
}

// unpack writes the levels of block i to q, of Size elements.
func (b *Blocks) unpack(q []byte, i int) {
	src := b.Packed[i*b.blob():][:b.blob()]
	if b.Bits == 8 {
		copy(q, src)
		return
	}
	for j, v := range src {
		q[2*j], q[2*j+1] = v&15, v>>4
	}
}

// Dequantize returns the numbers that the blocks stand for, row-major [K, N].
func (b *Blocks) Dequantize() []float32 {
	x := make([]float32, b.K*b.N)
	b.elements(func(i, at int, q []byte) {
		l := b.line(i)
		for _, v := range q {
			x[at] = (float32(v) - l.zero) * l.scale
			at += int(b.N)
		}
	})
	return x
}

// Portable returns the inputs of a DequantizeLinear of axis 0 and block_size Size that makes the same matrix: elements
// [K, N], scales [kBlocks, N] and zero points [kBlocks, N]. They are of Uint4 or Uint8; symmetric ones of Int4 or Int8,
// without zero points (the zero Tensor). The tool that writes this form for ONNX Runtime rounds before it adds the zero
// point and so takes some halves the other way. Ref: ONNX DequantizeLinear, opset 21.
func (b *Blocks) Portable() (elements, scales, zeros tensor.Tensor) {
	d, offset := b.dtype()
	elements = tensor.Tensor{DType: d, Shape: tensor.Shape{b.K, b.N}, Data: make([]byte, (int(b.K*b.N)*b.Bits+7)/8)}
	b.elements(func(i, at int, q []byte) {
		for _, v := range q {
			if b.Bits == 8 {
				elements.Data[at] = v - offset
			} else {
				storeNibble(elements.Data, at, v-offset)
			}
			at += int(b.N)
		}
	})
	shape := tensor.Shape{int64(b.kBlocks()), b.N}
	scales = tensor.Tensor{DType: tensor.Float32, Shape: shape, Data: make([]byte, 4*len(b.Scales))}
	for i, s := range b.Scales {
		binary.LittleEndian.PutUint32(scales.Data[4*b.transposed(i):], math.Float32bits(s))
	}
	if b.Zeros != nil {
		zeros = tensor.Tensor{DType: d, Shape: shape.Clone(), Data: make([]byte, (len(b.Scales)*b.Bits+7)/8)}
		for i := range b.Scales {
			store(zeros.Data, d, b.transposed(i), []int32{int32(b.line(i).zero)})
		}
	}
	return elements, scales, zeros
}

// dtype returns the dtype of the portable form, and the level that is 0 there.
func (b *Blocks) dtype() (d tensor.DType, offset byte) {
	switch {
	case b.Zeros != nil && b.Bits == 4:
		return tensor.Uint4, 0
	case b.Zeros != nil:
		return tensor.Uint8, 0
	case b.Bits == 4:
		return tensor.Int4, 8
	}
	return tensor.Int8, 128
}

// transposed returns the index in [kBlocks, N] of block i.
func (b *Blocks) transposed(i int) int { return i%b.kBlocks()*int(b.N) + i/b.kBlocks() }
