package wire

import (
	"encoding/binary"
	"math"
	"strconv"

	"infer/internal/fault"
	"infer/model/tensor"
)

// decimal is a number as JSON writes it: ±mant × 10^exp, or one of the tokens for what is not finite.
type decimal struct {
	text  []byte  // the whole token
	mant  uint64  // right where digits ≤ maxDigits
	exp   int     // clamped to ±maxExp
	token float64 // NaN or Inf, 0 for a finite number
	// digits are those of mant without leading zeros where there are more than maxDigits, else possibly with them.
	digits  int
	neg     bool
	integer bool // neither a point nor an exponent
}

const (
	maxDigits = 19 // 10^19 < 2^64
	maxExp    = 100_000
)

// number reads a number that starts at i.
func (s *scanner) number() (decimal, error) {
	d, start := s.data, s.i
	n := decimal{integer: true}
	i := start
	if i < len(d) && d[i] == '-' {
		n.neg = true
		i++
	}
	first := i
	for ; i < len(d) && d[i]-'0' <= 9; i++ {
		n.mant = n.mant*10 + uint64(d[i]-'0')
	}
	n.digits = i - first
	if n.digits == 0 {
		return s.notFinite(n, i)
	}
	if n.digits > 1 && d[first] == '0' {
		return n, s.fail("a number starts with 0")
	}
	if i < len(d) && d[i] == '.' {
		n.integer = false
		point := i
		for i++; i < len(d) && d[i]-'0' <= 9; i++ {
			n.mant = n.mant*10 + uint64(d[i]-'0')
		}
		n.exp = point + 1 - i
		n.digits -= n.exp
		if n.exp == 0 {
			return n, s.fail("a number has no digit behind its point")
		}
	}
	if i < len(d) && d[i]|0x20 == 'e' {
		e, end := exponent(d, i+1)
		if end == 0 {
			return n, s.fail("a number has no digit in its exponent")
		}
		n.integer, n.exp, i = false, n.exp+e, end
	}
	n.text, s.i = d[start:i], i
	if n.digits > maxDigits {
		n.digits -= leadingZeros(d[first:i])
	}
	return n, nil
}

// exponent reads an exponent behind its e at i, clamped to ±maxExp. end is 0 where there is none.
func exponent(d []byte, i int) (e, end int) {
	neg := i < len(d) && d[i] == '-'
	if neg || i < len(d) && d[i] == '+' {
		i++
	}
	first := i
	for ; i < len(d) && d[i]-'0' <= 9; i++ {
		e = min(e*10+int(d[i]-'0'), maxExp)
	}
	if i == first {
		return 0, 0
	}
	if neg {
		e = -e
	}
	return e, i
}

// leadingZeros counts the zeros in front of the first other digit.
func leadingZeros(b []byte) (n int) {
	for _, c := range b {
		if c == '0' {
			n++
		} else if c != '.' {
			break
		}
	}
	return n
}

// notFinite reads NaN, Infinity or Inf at i, behind the sign of n.
func (s *scanner) notFinite(n decimal, i int) (decimal, error) {
	start := s.i
	s.i = i
	switch {
	case s.literal("NaN"):
		n.token = math.NaN()
	case s.literal("Infinity"), s.literal("Inf"):
		n.token = math.Inf(1)
	default:
		s.i = start
		return n, s.fail("expected a number")
	}
	if n.neg {
		n.token = -n.token
	}
	n.text, n.integer = s.data[start:s.i], false
	return n, nil
}

// powers of ten that a float64 holds exactly.
var powers = [...]float64{
	1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20,
	1e21, 1e22,
}

// near returns the value of a number of few digits and a small exponent, wrong by at most two units in the last place,
// and by none where mant < 2^53: then one rounding is all there is.
func (n *decimal) near() (f float64, ok bool) {
	if n.digits > maxDigits || n.exp > 22 || n.exp < -22 {
		return 0, false
	}
	if f = float64(n.mant); n.exp < 0 {
		f /= powers[-n.exp]
	} else {
		f *= powers[n.exp]
	}
	if n.neg {
		f = -f
	}
	return f, true
}

// float64 returns the nearest float64; ok is false for a number out of range.
func (n *decimal) float64() (f float64, ok bool) {
	if n.token != 0 {
		return n.token, true
	}
	if n.mant < 1<<53 {
		if f, ok = n.near(); ok {
			return f, true
		}
	}
	f, err := strconv.ParseFloat(view(n.text), 64)
	return f, err == nil
}

// float32 returns the nearest float32; ok is false for a number out of range.
func (n *decimal) float32() (f float32, ok bool) {
	if n.token != 0 {
		return float32(n.token), true
	}
	if f, ok := n.near(); ok {
		if n.mant == 0 {
			return float32(f), true
		}
		// The value near the number rounds to the same float32 as the number, unless it is as near to the middle of two
		// of them, where the 29 bits that are dropped are a one and zeros.
		const middle = 1 << 28
		a := math.Abs(f)
		if low := math.Float64bits(f) & (2*middle - 1); low-(middle-4) > 8 && a >= 0x1p-126 && a < math.MaxFloat32 {
			return float32(f), true
		}
	}
	v, err := strconv.ParseFloat(view(n.text), 32)
	return float32(v), err == nil
}

// integerOf returns the bits of an integer of dtype d, those above its width of no meaning.
func (n *decimal) integerOf(d tensor.DType, size int) (uint64, error) {
	if !n.integer {
		return 0, fault.New(fault.Usage, "", "%s is not an integer, as %s needs it", clip(n.text), Datatype(d))
	}
	m, ok := n.mant, true
	if n.digits > maxDigits {
		digits := n.text
		if n.neg {
			digits = digits[1:]
		}
		v, err := strconv.ParseUint(view(digits), 10, 64)
		m, ok = v, err == nil
	}
	limit := uint64(1)<<(8*size-1) - 1 // the largest of a signed type
	switch unsigned := d == tensor.Uint8 || d == tensor.Uint16 || d == tensor.Uint32 || d == tensor.Uint64; {
	case unsigned && n.neg:
		limit = 0
	case unsigned:
		limit = 2*limit + 1
	case n.neg:
		limit++
	}
	if !ok || m > limit {
		return 0, fault.New(fault.Usage, "", "%s is out of the range of %s", clip(n.text), Datatype(d))
	}
	if n.neg {
		m = -m
	}
	return m, nil
}

// put reads a bool or number into dst, which has the size of d's elements.
func (s *scanner) put(dst []byte, d tensor.DType) error {
	if d == tensor.Bool {
		b, err := s.boolean()
		if dst[0] = 0; b {
			dst[0] = 1
		}
		return err
	}
	n, err := s.number()
	if err != nil {
		return err
	}
	le, ok := binary.LittleEndian, true
	var f float32
	switch d {
	case tensor.Float32:
		f, ok = n.float32()
		le.PutUint32(dst, math.Float32bits(f))
	case tensor.Float64:
		var wide float64
		wide, ok = n.float64()
		le.PutUint64(dst, math.Float64bits(wide))
	case tensor.Float16:
		f, ok = n.float32()
		h := tensor.Float16Bits(f)
		ok = ok && (n.token != 0 || h&0x7fff < 0x7c00)
		le.PutUint16(dst, h)
	case tensor.BFloat16:
		f, ok = n.float32()
		h := tensor.BFloat16Bits(f)
		ok = ok && (n.token != 0 || h&0x7fff < 0x7f80)
		le.PutUint16(dst, h)
	default:
		return putInteger(dst, d, &n)
	}
	if !ok {
		return fault.New(fault.Usage, "", "%s is out of the range of %s", clip(n.text), Datatype(d))
	}
	return nil
}

// putInteger writes n as an integer of dtype d.
func putInteger(dst []byte, d tensor.DType, n *decimal) error {
	m, err := n.integerOf(d, len(dst))
	if err != nil {
		return err
	}
	switch len(dst) {
	case 8:
		binary.LittleEndian.PutUint64(dst, m)
	case 4:
		binary.LittleEndian.PutUint32(dst, uint32(m))
	case 2:
		binary.LittleEndian.PutUint16(dst, uint16(m))
	default:
		dst[0] = byte(m)
	}
	return nil
}

// uint reads an integer from 0 to limit.
func (s *scanner) uint(limit uint64) (uint64, error) {
	s.peek()
	n, err := s.number()
	if err != nil {
		return 0, err
	}
	v, err := n.integerOf(tensor.Uint64, 8)
	if err == nil && v > limit {
		err = fault.New(fault.Usage, "", "%d is more than %d", v, limit)
	}
	return v, err
}

// clip shortens a text from outside for an error.
func clip(b []byte) string {
	if len(b) > 40 {
		return string(b[:40]) + "…"
	}
	return string(b)
}
