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
			src := b.Packed[i*b.blob():][:b.blob()]
			for j := range q {
				q[j] = src[j*b.Bits/8] >> (j * b.Bits % 8) & byte(b.top())
			}
			do(i, first*n+column, q)
		}
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
// without zero points (the zero Tensor). Ref: ONNX DequantizeLinear, opset 21.
func (b *Blocks) Portable() (elements, scales, zeros tensor.Tensor) {
	d := map[int]tensor.DType{4: tensor.Uint4, 8: tensor.Uint8}[b.Bits]
	offset := int32(0)
	if b.Zeros == nil {
		d = map[int]tensor.DType{4: tensor.Int4, 8: tensor.Int8}[b.Bits]
		offset = int32(b.middle())
	}
	elements = tensor.Tensor{DType: d, Shape: tensor.Shape{b.K, b.N}, Data: make([]byte, (int(b.K*b.N)*b.Bits+7)/8)}
	b.elements(func(i, at int, q []byte) {
		for _, v := range q {
			store(elements.Data, d, at, []int32{int32(v) - offset})
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

// transposed returns the index in [kBlocks, N] of block i.
func (b *Blocks) transposed(i int) int { return i%b.kBlocks()*int(b.N) + i/b.kBlocks() }
