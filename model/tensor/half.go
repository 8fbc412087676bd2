package tensor

import "math"

// Float16Bits rounds f to IEEE 754 binary16, to nearest with ties to even. What is too large becomes an infinity;
// NaN stays a quiet NaN with the high bits of its payload.
func Float16Bits(f float32) uint16 {
	b := math.Float32bits(f)
	sign := uint16(b >> 16 & 0x8000)
	exp := int(b>>23&0xff) - 127
	man := b & 0x7fffff
	switch {
	case exp == 128 && man != 0:
		return sign | 0x7e00 | uint16(man>>13)
	case exp > 15:
		return sign | 0x7c00
	case exp >= -14:
		// A carry out of the mantissa moves into the exponent, and from the largest number to infinity.
		return sign | uint16(roundShift(uint32(exp+15)<<23|man, 13))
	case exp >= -25:
		return sign | uint16(roundShift(man|0x800000, uint(-exp-1)))
	}
	return sign
}

// Float16Value returns the value of an IEEE 754 binary16 number. It is exact.
func Float16Value(h uint16) float32 {
	sign := uint32(h&0x8000) << 16
	exp := uint32(h >> 10 & 0x1f)
	man := uint32(h & 0x3ff)
	switch {
	case exp == 31:
		return math.Float32frombits(sign | 0x7f800000 | man<<13)
	case exp != 0:
		return math.Float32frombits(sign | (exp+112)<<23 | man<<13)
	}
	v := float32(man) * (1.0 / (1 << 24))
	return math.Float32frombits(sign | math.Float32bits(v))
}

// BFloat16Bits rounds f to bfloat16, the upper half of a float32, to nearest with ties to even. NaN stays a quiet NaN.
func BFloat16Bits(f float32) uint16 {
	b := math.Float32bits(f)
	if f != f {
		return uint16(b>>16) | 0x40
	}
	return uint16(roundShift64(uint64(b), 16))
}

// BFloat16Value returns the value of a bfloat16 number. It is exact.
func BFloat16Value(h uint16) float32 { return math.Float32frombits(uint32(h) << 16) }

// roundShift returns v >> n, rounded to nearest with ties to even.
func roundShift(v uint32, n uint) uint32 { return uint32(roundShift64(uint64(v), n)) }

func roundShift64(v uint64, n uint) uint64 {
	return (v + 1<<(n-1) - 1 + v>>n&1) >> n
}

// minifloat is a floating-point format of at most 8 bits: sign, exponent, mantissa.
type minifloat struct {
	man  uint // mantissa bits
	bias int
	max  uint8 // the largest finite magnitude
	nan  uint8 // a NaN; 0 where the format has none
	sign uint8 // the sign bit
}

// minifloatOf returns the layout of a dtype: https://onnx.ai/onnx/technical/float8.html and float4.html.
func minifloatOf(d DType) (minifloat, bool) {
	switch d {
	case Float8E4M3FN:
		return minifloat{3, 7, 0x7e, 0x7f, 0x80}, true
	case Float8E4M3FNUZ:
		return minifloat{3, 8, 0x7f, 0x80, 0x80}, true
	case Float8E5M2:
		return minifloat{2, 15, 0x7b, 0x7f, 0x80}, true
	case Float8E5M2FNUZ:
		return minifloat{2, 16, 0x7f, 0x80, 0x80}, true
	case Float4E2M1:
		return minifloat{1, 1, 0x7, 0, 0x8}, true
	}
	return minifloat{}, false
}

// SmallFloatBits rounds f to a float8 or float4 dtype as ONNX's Cast does by default: to nearest with ties to even,
// saturating (infinities too), except Float8E8M0, a power of two, which rounds up. NaN stays NaN; Float4E2M1 has none
// and takes its largest number. A negative number has no Float8E8M0 form and becomes NaN. It panics for another dtype.
func SmallFloatBits(d DType, f float32) uint8 {
	if d == Float8E8M0 {
		return e8m0Bits(f)
	}
	m, ok := minifloatOf(d)
	if !ok {
		panic("tensor: SmallFloatBits of " + d.String())
	}
	if f != f {
		if m.nan == 0 {
			return m.max
		}
		return m.nan
	}
	sign := uint8(0)
	if math.Signbit(float64(f)) {
		sign = m.sign
	}
	bits := m.magnitude(math.Abs(float64(f)))
	if bits == 0 && m.nan == m.sign {
		return 0 // the FNUZ formats have one zero
	}
	return sign | bits
}

func (m minifloat) magnitude(a float64) uint8 {
	if math.IsInf(a, 1) {
		return m.max
	}
	if a == 0 {
		return 0
	}
	_, e := math.Frexp(a)
	lowest := 1 - m.bias
	exp := max(e-1, lowest)
	q := int(math.RoundToEven(math.Ldexp(a, int(m.man)-exp))) // a in units of the last place
	bits := q + (exp-lowest)<<m.man                           // q's leading bit is the first step of the exponent
	return uint8(min(bits, int(m.max)))
}

// SmallFloatValue returns the value of a float8 or float4 number. It is exact, and panics for another dtype.
func SmallFloatValue(d DType, b uint8) float32 {
	if d == Float8E8M0 {
		if b == 0xff {
			return float32(math.NaN())
		}
		return float32(math.Ldexp(1, int(b)-127))
	}
	m, ok := minifloatOf(d)
	if !ok {
		panic("tensor: SmallFloatValue of " + d.String())
	}
	mag := b & (m.sign - 1)
	var v float64
	switch {
	case m.nan == m.sign && b == m.sign:
		return float32(math.NaN())
	case mag > m.max && d == Float8E5M2 && mag == m.max+1:
		v = math.Inf(1)
	case mag > m.max:
		return float32(math.NaN())
	case mag>>m.man == 0:
		v = math.Ldexp(float64(mag), 1-m.bias-int(m.man))
	default:
		v = math.Ldexp(float64(1<<m.man|mag&(1<<m.man-1)), int(mag>>m.man)-m.bias-int(m.man))
	}
	if b&m.sign != 0 {
		v = -v
	}
	return float32(v)
}

func e8m0Bits(f float32) uint8 {
	switch {
	case f != f || f < 0:
		return 0xff
	case f == 0:
		return 0
	case math.IsInf(float64(f), 1):
		return 0xfe
	}
	frac, e := math.Frexp(float64(f))
	if frac == 0.5 {
		e--
	}
	return uint8(min(max(e+127, 0), 0xfe))
}
