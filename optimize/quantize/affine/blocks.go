package affine

import (
	"bytes"
	"math"

	"infer/internal/fault"
	"infer/model/tensor"
)

// Blocks is a matrix [K, N] quantized in blocks of Size elements along K, in the layout of com.microsoft::MatMulNBits:
// column by column. It owns its slices. kBlocks is ceil(K/Size).
type Blocks struct {
	Bits, Size int
	K, N       int64
	Packed     []byte    // [N, kBlocks, Size×Bits/8], the first of two 4-bit elements in the low bits; 0 beyond K
	Scales     []float32 // [N, kBlocks]; negative or 0 where the block says so
	Zeros      []byte    // [N, ceil(kBlocks×Bits/8)], packed like the elements; nil: symmetric, 2^(Bits−1) for all
}

// QuantizeBlocks quantizes the row-major matrix w [k, n] to 4 or 8 bits in blocks of 16, 32, 64, 128 or 256.
// Asymmetric blocks cover [min, max] and zero; symmetric ones map the element of largest magnitude to the lowest level,
// by a negative scale where it is positive. Bits and sizes other than these, a w of another length, and a NaN or an
// infinity are errors. Ref: MlasQuantizeBlockwise.
func QuantizeBlocks(w []float32, k, n int64, bits, size int, symmetric bool) (*Blocks, error) {
	if bits != 4 && bits != 8 {
		return nil, fault.New(fault.Usage, "use 4 or 8", "blocks of %d bits", bits)
	}
	if size < 16 || size > 256 || size&(size-1) != 0 {
		return nil, fault.New(fault.Usage, "use 16, 32, 64, 128 or 256", "blocks of %d elements", size)
	}
	elements, err := tensor.Shape{k, n}.Elements()
	if err != nil {
		return nil, err
	}
	if err := finite(w, int(elements)); err != nil {
		return nil, err
	}
	b := &Blocks{Bits: bits, Size: size, K: k, N: n}
	count := int(n) * b.kBlocks()
	b.Packed, b.Scales = make([]byte, count*b.blob()), make([]float32, count)
	if !symmetric {
		b.Zeros = bytes.Repeat([]byte{0x88}, int(n)*b.zeroRow()) // MLAS leaves the middle where a last nibble is over
	}
	b.columns(w, func(i int, x []float32) { b.put(i, x, b.fit(x)) })
	return b, nil
}

func (b *Blocks) kBlocks() int { return int((b.K + int64(b.Size) - 1) / int64(b.Size)) }

// blob is the bytes of a block.
func (b *Blocks) blob() int { return b.Size * b.Bits / 8 }

// zeroRow is the bytes of the zero points of a column.
func (b *Blocks) zeroRow() int { return (b.kBlocks()*b.Bits + 7) / 8 }

// top is the highest level, and the lowest is 0.
func (b *Blocks) top() float32 { return float32(int(1)<<b.Bits - 1) }

// middle is the zero point of symmetric blocks.
func (b *Blocks) middle() float32 { return float32(int(1) << (b.Bits - 1)) }

// columns calls do with the elements of each block, which are gone after the call, and its index in Scales. It reads
// rows of some columns at a time, so that what comes from memory is used whole.
func (b *Blocks) columns(w []float32, do func(i int, x []float32)) {
	const tile = 32 // columns: two cache lines of a row
	n, kBlocks := int(b.N), b.kBlocks()
	buffer := make([]float32, tile*b.Size)
	for block := range kBlocks {
		first := block * b.Size
		rows := min(b.Size, int(b.K)-first)
		for left := 0; left < n; left += tile {
			width := min(tile, n-left)
			for r := range rows {
				at := r
				for _, v := range w[(first+r)*n+left:][:width] {
					buffer[at] = v
					at += b.Size
				}
			}
			for c := range width {
				do((left+c)*kBlocks+block, buffer[c*b.Size:][:rows])
			}
		}
	}
}

// fit returns the line that covers the elements of a block. The arithmetic is in float32 and halves are rounded away
// from zero, as MLAS does it; but a range over the largest float32, for which it gives an infinite scale, is taken in
// float64.
func (b *Blocks) fit(x []float32) line {
	lo, hi := float32(math.MaxFloat32), float32(-math.MaxFloat32)
	for _, v := range x {
		if v < lo {
			lo = v
		}
		if v > hi {
			hi = v
		}
	}
	if b.Zeros == nil {
		most := lo
		if abs(hi) > abs(lo) {
			most = hi
		}
		return line{-most / b.middle(), b.middle()}
	}
	lo, hi = min(lo, 0), max(hi, 0)
	scale := (hi - lo) / b.top()
	if math.IsInf(float64(scale), 0) {
		scale = float32((float64(hi) - float64(lo)) / float64(b.top()))
	}
	if scale == 0 {
		return line{}
	}
	return line{scale, float32(roundAway(-lo/scale, b.top()))}
}

// reciprocal returns what elements are multiplied by, 0 where the scale is 0.
func (l line) reciprocal() float32 {
	if l.scale == 0 {
		return 0
	}
	return 1 / l.scale
}

// blockLevel returns the level of v. The conversion keeps the compiler from fusing product and sum.
func blockLevel(v, reciprocal, zero, top float32) int32 {
	return roundAway(float32(v*reciprocal)+zero, top)
}

// roundAway rounds v to an integer, halves up, and clips it to 0..top; NaN becomes 0.
func roundAway(v, top float32) int32 {
	if !(v > 0) {
		return 0
	}
	if v > top {
		v = top
	}
	return int32(float64(v) + 0.5) // exact in float64
}

// put quantizes the elements of block i by a line.
func (b *Blocks) put(i int, x []float32, l line) {
	r, top := l.reciprocal(), b.top()
	dst := b.Packed[i*b.blob():][:b.blob()]
	if b.Bits == 8 {
		for j, v := range x {
			dst[j] = byte(blockLevel(v, r, l.zero, top))
		}
	} else {
		for j := 0; j+1 < len(x); j += 2 {
			dst[j/2] = byte(blockLevel(x[j], r, l.zero, top)) | byte(blockLevel(x[j+1], r, l.zero, top))<<4
		}
		if last := len(x) - 1; last%2 == 0 {
			dst[last/2] = byte(blockLevel(x[last], r, l.zero, top))
		}
	}
	b.Scales[i] = l.scale
	if b.Zeros != nil {
		at, shift := b.zeroAt(i)
		b.Zeros[at] = b.Zeros[at]&^(byte(top)<<shift) | byte(l.zero)<<shift
	}
}

// zeroAt returns the byte of the zero point of block i, and its lowest bit.
func (b *Blocks) zeroAt(i int) (at, shift int) {
	bit := i % b.kBlocks() * b.Bits
	return i/b.kBlocks()*b.zeroRow() + bit/8, bit % 8
}

// line returns the scale and zero point of block i.
func (b *Blocks) line(i int) line {
	if b.Zeros == nil {
		return line{b.Scales[i], b.middle()}
	}
	at, shift := b.zeroAt(i)
	return line{b.Scales[i], float32(b.Zeros[at] >> shift & byte(b.top()))}
}
