package tensor

// subBits returns the width of a packed integer type (4 or 2 bits) and whether it is signed; 0 for other types.
func subBits(d DType) (bits int, signed bool) {
	switch d {
	case Int4:
		return 4, true
	case Uint4:
		return 4, false
	case Int2:
		return 2, true
	case Uint2:
		return 2, false
	}
	return 0, false
}

// PackInts stores each value in the low bits of a type of 4 or 2 bits, first element in the lowest bits, as ONNX does.
// Values are cut to the width; the unused bits of the last byte are zero. It panics for another dtype.
func PackInts(d DType, v []int8) []byte {
	bits, _ := subBits(d)
	if bits == 0 {
		panic("tensor: PackInts of " + d.String())
	}
	per := 8 / bits
	out := make([]byte, (len(v)+per-1)/per)
	for i, x := range v {
		out[i/per] |= byte(x) & (1<<bits - 1) << (i % per * bits)
	}
	return out
}

// UnpackInts reads n values of a type of 4 or 2 bits from data, which must hold them. It panics for another dtype.
func UnpackInts(d DType, data []byte, n int) []int8 {
	bits, signed := subBits(d)
	if bits == 0 {
		panic("tensor: UnpackInts of " + d.String())
	}
	per := 8 / bits
	out := make([]int8, n)
	for i := range out {
		b := data[i/per] >> (i % per * bits) << (8 - bits) // to the top, so that the shift back extends the sign
		if signed {
			out[i] = int8(b) >> (8 - bits)
		} else {
			out[i] = int8(b >> (8 - bits))
		}
	}
	return out
}

// packedNibbles reports whether elements of d share a byte.
func packedNibbles(d DType) bool { return d.Bits() == 4 || d.Bits() == 2 }
