package affine

import (
	"encoding/binary"

	"infer/model/tensor"
)

// chunk is how many elements are worked on at a time: what is kept of them stays in the nearest cache.
const chunk = 1024

// level returns clip(roundEven(x/scale) + zero), for levels of up to 16 bits.
func level(x, scale, zero, lo, hi float32) int32 {
	// A float32 of 2^23 and more has no fraction: adding 1.5·2^23 rounds the quotient, ties to even, and subtracting
	// it gives the integer. Quotients beyond ±2^22 come out inexact, and are clipped.
	const round = 3 << 22
	v := x/scale + round - round + zero
	if !(v > lo) { // NaN too
		return int32(lo)
	}
	if v > hi {
		v = hi
	}
	return int32(v)
}

// put quantizes x into the elements of dst from at on, clipping to lo and hi.
func (p Params) put(dst []byte, at int, x []float32, lo, hi float32) {
	var q [chunk]int32
	zero := float32(p.Zero)
	for len(x) > 0 {
		n := min(len(x), chunk)
		for i, v := range x[:n] {
			q[i] = level(v, p.Scale, zero, lo, hi)
		}
		store(dst, p.DType, at, q[:n])
		x, at = x[n:], at+n
	}
}

// store writes levels to the elements of dst from at on.
func store(dst []byte, d tensor.DType, at int, q []int32) {
	switch d.Bits() {
	case 4:
		for i, v := range q {
			storeNibble(dst, at+i, byte(v))
		}
	case 8:
		dst = dst[at : at+len(q)]
		for i, v := range q {
			dst[i] = byte(v)
		}
	case 16:
		for i, v := range q {
			binary.LittleEndian.PutUint16(dst[2*(at+i):], uint16(v))
		}
	}
}

// storeNibble writes the low bits of v to 4-bit element at.
func storeNibble(dst []byte, at int, v byte) {
	shift := at % 2 * 4
	dst[at/2] = dst[at/2]&^(15<<shift) | v&15<<shift
}

// load reads levels from the elements of src from at on.
func load(q []int32, d tensor.DType, src []byte, at int) {
	bits := d.Bits()
	for i := range q {
		switch bits {
		case 4:
			q[i] = int32(src[(at+i)/2] >> ((at + i) % 2 * 4) & 15)
		case 8:
			q[i] = int32(src[at+i])
		case 16:
			q[i] = int32(binary.LittleEndian.Uint16(src[2*(at+i):]))
		}
	}
	if signed(d) { // the shifts extend the sign
		for i := range q {
			q[i] = q[i] << (32 - bits) >> (32 - bits)
		}
	}
}
