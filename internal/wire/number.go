package wire

import (
	"encoding/binary"
	"math"
	"strconv"
	"strings"

	"infer/internal/fault"
	"infer/model/tensor"
)

// decimal is a number as JSON writes it: ±mant × 10^exp. It is small, to stay in registers; the digits stand in the
// scanner from start to i as long as nothing else is read.
type decimal struct {
	mant  uint64
	exp   int // clamped to about ±maxExp
	start int
	traits
}

// traits are what else there is to say of a decimal, as bits.
type traits uint8

const (
	negative traits = 1 << iota
	whole           // written without a point or an exponent
	long            // of more than maxDigits digits: mant is not right
	notANumber
	infinite
)

const (
	maxDigits = 19 // 10^19 < 2^64
	maxExp    = 100_000
)

// is reports whether one of the traits is there.
func (t traits) is(one traits) bool { return t&one != 0 }

// number reads a number that starts at i.
func (s *scanner) number() (decimal, error) {
	d, i := s.data, s.i
	n := decimal{start: i, traits: whole}
	if i < len(d) && d[i] == '-' {
		n.traits |= negative
		i++
	}
	first := i
	n.mant, i = digits(d, i, 0)
	count := i - first
	if count == 0 {
		return s.notFinite(n.traits & negative)
	}
	if count > 1 && d[first] == '0' {
		return n, s.fail("a number starts with 0")
	}
	if i < len(d) && d[i] == '.' {
		point := i
		n.mant, i = digits(d, i+1, n.mant)
		n.exp = point + 1 - i
		n.traits &^= whole
		if n.exp == 0 {
			return n, s.fail("a number has no digit behind its point")
		}
		count -= n.exp
	}
	if i < len(d) && d[i]|0x20 == 'e' {
		e, end := exponent(d, i+1)
		if end == 0 {
			return n, s.fail("a number has no digit in its exponent")
		}
		n.exp, i = n.exp+e, end
		n.traits &^= whole
	}
	if count > maxDigits && count-leadingZeros(d[first:i]) > maxDigits {
		n.traits |= long
	}
	s.i = i
	return n, nil
}

// digits reads digits from i on behind those of mant, and returns where they end. Eight at a time: in the eight bytes
// of a word neighbours are joined to numbers of two, four and eight digits (Lemire, "Quickly parsing eight digits").
func digits(d []byte, i int, mant uint64) (uint64, int) {
	for len(d)-i >= 8 {
		w := binary.LittleEndian.Uint64(d[i:])
		const nibbles, six = 0xf0f0f0f0f0f0f0f0, 0x0606060606060606
		if w&nibbles != 0x3030303030303030 || (w+six)&nibbles != 0x3030303030303030 {
			break
		}
		w -= 0x3030303030303030
		w = (w*10 + w>>8) & 0x00ff00ff00ff00ff
		w = (w*100 + w>>16) & 0x0000ffff0000ffff
		mant = mant*100_000_000 + (w*10_000+w>>32)&0xffffffff
		i += 8
	}
	for ; i < len(d) && d[i]-'0' <= 9; i++ {
		mant = mant*10 + uint64(d[i]-'0')
	}
	return mant, i
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

// notFinite reads NaN, Infinity or Inf, behind the sign that it is told.
func (s *scanner) notFinite(sign traits) (decimal, error) {
	n := decimal{start: s.i, traits: sign}
	if sign.is(negative) {
		s.i++
	}
	switch {
	case s.literal("NaN"):
		n.traits |= notANumber
	case s.literal("Infinity"), s.literal("Inf"):
		n.traits |= infinite
	default:
		s.i = n.start
		return n, s.fail("expected a number")
	}
	return n, nil
}

// powers of ten that a float64 holds exactly.
var powers = [...]float64{
	1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20,
	1e21, 1e22,
}

// near returns the value of a number of few digits and a small exponent, wrong by at most two units in the last place,
// and by none where mant < 2^53: then one rounding is all there is.
func (n decimal) near() (f float64, ok bool) {
	if n.is(long|notANumber|infinite) || n.exp > 22 || n.exp < -22 {
		return 0, false
	}
	if f = float64(n.mant); n.exp < 0 {
		f /= powers[-n.exp]
	} else if n.exp > 0 {
		f *= powers[n.exp]
	}
	if n.is(negative) {
		f = -f
	}
	return f, true
}

// float64 returns the float64 nearest to n, which was read last; ok is false for a number out of range.
func (s *scanner) float64(n decimal) (f float64, ok bool) {
	if n.mant < 1<<53 {
		if f, ok = n.near(); ok {
			return f, true
		}
	}
	return s.parse(n, 64)
}

// float32 returns the float32 nearest to n, which was read last; ok is false for a number out of range.
func (s *scanner) float32(n decimal) (f float32, ok bool) {
	if f, ok := n.near(); ok {
		// The value near the number rounds to the same float32 as the number, unless it is as near to the middle of two
		// of them, where the 29 bits that are dropped are a one and zeros.
		const middle = 1 << 28
		low, a := math.Float64bits(f)&(2*middle-1), math.Abs(f)
		if low-(middle-4) > 8 && a >= 0x1p-126 && a < math.MaxFloat32 || n.mant == 0 {
			return float32(f), true
		}
	}
	wide, ok := s.parse(n, 32)
	return float32(wide), ok
}

// parse returns the float of 32 or 64 bits nearest to n.
func (s *scanner) parse(n decimal, bits int) (f float64, ok bool) {
	sign := 1
	if n.is(negative) {
		sign = -1
	}
	switch {
	case n.is(notANumber):
		return math.NaN(), true
	case n.is(infinite):
		return math.Inf(sign), true
	}
	f, err := strconv.ParseFloat(view(s.written(n)), bits)
	return f, err == nil
}

// written returns n, which was read last, as it stands in the JSON.
func (s *scanner) written(n decimal) []byte { return s.data[n.start:s.i] }

// integer returns the bits of n, which was read last, as an integer of dtype d and a size in bytes; those above its
// width mean nothing.
func (s *scanner) integer(n decimal, d tensor.DType, size int) (uint64, error) {
	if !n.is(whole) {
		return 0, fault.New(fault.Usage, "", "%s is not an integer, as %s needs it", clip(s.written(n)), Datatype(d))
	}
	m, ok := n.mant, true
	if n.is(long) {
		v, err := strconv.ParseUint(strings.TrimPrefix(view(s.written(n)), "-"), 10, 64)
		m, ok = v, err == nil
	}
	limit := uint64(1)<<(8*size-1) - 1 // the largest of a signed type
	switch unsigned := d == tensor.Uint8 || d == tensor.Uint16 || d == tensor.Uint32 || d == tensor.Uint64; {
	case unsigned && n.is(negative):
		limit = 0
	case unsigned:
		limit = 2*limit + 1
	case n.is(negative):
		limit++
	}
	if !ok || m > limit {
		return 0, s.outOfRange(n, d)
	}
	if n.is(negative) {
		m = -m
	}
	return m, nil
}

// outOfRange returns the error for a number that a dtype does not hold.
func (s *scanner) outOfRange(n decimal, d tensor.DType) error {
	return fault.New(fault.Usage, "", "%s is out of the range of %s", clip(s.written(n)), Datatype(d))
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
	switch d {
	case tensor.Float32:
		var f float32
		f, ok = s.float32(n)
		le.PutUint32(dst, math.Float32bits(f))
	case tensor.Float64:
		var f float64
		f, ok = s.float64(n)
		le.PutUint64(dst, math.Float64bits(f))
	case tensor.Float16, tensor.BFloat16:
		var f float32
		f, ok = s.float32(n)
		h := tensor.Float16Bits(f)
		if d == tensor.BFloat16 {
			h = tensor.BFloat16Bits(f)
		}
		le.PutUint16(dst, h)
		ok = ok && (n.is(infinite) || !isInf16(h, d))
	default:
		return s.putInteger(dst, d, n)
	}
	if !ok {
		return s.outOfRange(n, d)
	}
	return nil
}

// isInf16 reports whether the bits of a float16 or bfloat16 are an infinity.
func isInf16(h uint16, d tensor.DType) bool {
	if d == tensor.BFloat16 {
		return h&0x7fff == 0x7f80
	}
	return h&0x7fff == 0x7c00
}

// putInteger writes n as an integer of dtype d.
func (s *scanner) putInteger(dst []byte, d tensor.DType, n decimal) error {
	m, err := s.integer(n, d, len(dst))
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
	v, err := s.integer(n, tensor.Uint64, 8)
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
