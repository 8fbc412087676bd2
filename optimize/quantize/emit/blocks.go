package emit

import (
	"infer/model/tensor"
	"infer/optimize/quantize/affine"
)

// blocks is a matrix [k, n] in blocks.
type blocks struct {
	k, n  int64
	parts []string // the names of its elements, scales and, where there are any, zero points
}

// blocksKey is equal for the blocks of equal matrices that one set of constants can stand for.
type blocksKey struct {
	same
	owner *scope
}

// blocks returns a matrix in blocks, made once for all nodes that use it alike, beside the constant that they stand for.
// ONNX Runtime 1.30 opens no model in which blocks of the portable form lie in a graph around that of their node, so
// those are made once a graph.
func (w *weightOnly) blocks(s *scope, m *matrix) (*blocks, error) {
	key := blocksKey{m.same(), m.owner}
	if w.options.Portable {
		key.owner = s
	}
	if b, ok := w.made[key]; ok {
		return b, nil
	}
	x, err := m.floats()
	if err != nil {
		return nil, err
	}
	q, err := affine.QuantizeBlocks(x, m.k(), m.n(), w.options.Bits, w.options.Block, w.options.Symmetric)
	if err == nil && w.options.Refine {
		q.Refine(x)
	}
	m.tensor.Release()
	if err != nil {
		return nil, err
	}
	parts, err := packed(q)
	if w.options.Portable {
		parts[0], parts[1], parts[2] = q.Portable()
	}
	b := &blocks{k: m.k(), n: m.n()}
	for i, suffix := range []string{"_blocks", "_scale", "_zero_point"} {
		if err != nil || parts[i].IsZero() {
			continue
		}
		var name string
		name, err = s.addTo(key.owner, m.tensor.Name+suffix, parts[i])
		b.parts = append(b.parts, name)
	}
	w.made[key] = b
	return b, err
}

// packed returns the inputs of MatMulNBits: elements [N, blocks, bytes a block], scales [N, blocks] and zero points,
// packed like the elements, or the zero Tensor.
func packed(q *affine.Blocks) (parts [3]tensor.Tensor, err error) {
	size := int64(q.Size * q.Bits / 8)
	count := int64(len(q.Packed)) / (q.N * size)
	parts[0] = tensor.Tensor{DType: tensor.Uint8, Shape: tensor.Shape{q.N, count, size}, Data: q.Packed}
	if q.Zeros != nil {
		parts[2] = tensor.Tensor{DType: tensor.Uint8, Shape: tensor.Shape{q.N, int64(len(q.Zeros)) / q.N}, Data: q.Zeros}
	}
	parts[1], err = tensor.FromFloat32("", tensor.Shape{q.N, count}, q.Scales)
	return parts, err
}
