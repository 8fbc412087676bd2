package tensor

import (
	"math"
	"testing"
)

func TestFloat16EveryValue(t *testing.T) {
	for i := range 1 << 16 {
		h := uint16(i)
		exp, man := int(h>>10&31), float64(h&0x3ff)
		var want float64
		switch {
		case exp == 31 && man == 0:
			want = math.Inf(1)
		case exp == 31:
			want = math.NaN()
		case exp == 0:
			want = math.Ldexp(man, -24)
		default:
			want = math.Ldexp(1024+man, exp-25)
		}
		want = math.Copysign(want, 1-2*float64(h>>15))
		got := Float16Value(h)
		if want != want {
			if got == got || Float16Bits(got)&0x7c00 != 0x7c00 || Float16Bits(got)&0x3ff == 0 {
				t.Fatalf("%#04x: NaN became %v, then %#04x", h, got, Float16Bits(got))
			}
			continue
		}
		if float64(got) != want || math.Signbit(float64(got)) != math.Signbit(want) {
			t.Fatalf("Float16Value(%#04x) = %v, want %v", h, got, want)
		}
		if back := Float16Bits(got); back != h {
			t.Fatalf("Float16Bits(%v) = %#04x, want %#04x", got, back, h)
		}
	}
}

// Every midpoint of two neighbours goes to the even one, and what is beside the midpoint to the nearer one.
func TestFloat16Rounding(t *testing.T) {
	for h := uint16(0); h < 0x7c00; h++ {
		lo := Float16Value(h)
		hi := float32(65536) // what the next step after the largest number would be
		if h < 0x7bff {
			hi = Float16Value(h + 1)
		}
		checkRounding(t, lo, hi, h, h+1, Float16Bits)
	}
	for _, c := range []struct {
		f    float32
		want uint16
	}{{1e9, 0x7c00}, {float32(math.Inf(-1)), 0xfc00}, {1e-30, 0}, {-1e-30, 0x8000}, {65519, 0x7bff}} {
		if got := Float16Bits(c.f); got != c.want {
			t.Errorf("Float16Bits(%v) = %#04x, want %#04x", c.f, got, c.want)
		}
	}
}

func checkRounding[B uint8 | uint16](t *testing.T, lo, hi float32, a, b B, bits func(float32) B) {
	t.Helper()
	mid := lo + (hi-lo)/2
	even := a
	if a&1 == 1 {
		even = b
	}
	below, above := math.Nextafter32(mid, lo), math.Nextafter32(mid, hi)
	if bits(mid) != even || bits(below) != a || bits(above) != b {
		t.Fatalf("between %v and %v: %#x %#x %#x, want %#x %#x %#x", lo, hi, bits(below), bits(mid), bits(above), a, even, b)
	}
}

func TestBFloat16(t *testing.T) {
	for i := range 1 << 16 {
		h := uint16(i)
		v := BFloat16Value(h)
		if v != v {
			if b := BFloat16Bits(v); BFloat16Value(b) == BFloat16Value(b) {
				t.Fatalf("%#04x: NaN became %#04x", h, b)
			}
		} else if BFloat16Bits(v) != h {
			t.Fatalf("BFloat16Bits(%v) = %#04x, want %#04x", v, BFloat16Bits(v), h)
		}
	}
	for h := uint16(0x80); h < 0x7f7f; h++ {
		checkRounding(t, BFloat16Value(h), BFloat16Value(h+1), h, h+1, BFloat16Bits)
	}
	if got := BFloat16Bits(math.MaxFloat32); got != 0x7f80 {
		t.Errorf("the largest float32 becomes %#04x, want infinity 0x7f80", got)
	}
}

// The largest and smallest numbers are those of the tables at https://onnx.ai/onnx/technical/float8.html.
func TestSmallFloats(t *testing.T) {
	inf, nan := float32(math.Inf(1)), float32(math.NaN())
	for _, c := range []struct {
		d              DType
		largest, least float32
		top            uint8
	}{
		{Float8E4M3FN, 448, 1.0 / 512, 0x7e},
		{Float8E4M3FNUZ, 240, 1.0 / 1024, 0x7f},
		{Float8E5M2, 57344, 1.0 / 65536, 0x7b},
		{Float8E5M2FNUZ, 57344, 1.0 / 131072, 0x7f},
		{Float4E2M1, 6, 0.5, 7},
	} {
		bits := func(f float32) uint8 { return SmallFloatBits(c.d, f) }
		value := func(b uint8) float32 { return SmallFloatValue(c.d, b) }
		if value(c.top) != c.largest || value(1) != c.least {
			t.Errorf("%s: largest %v, least %v", c.d, value(c.top), value(1))
		}
		if bits(inf) != c.top || bits(1e30) != c.top || value(bits(-inf)) != -c.largest {
			t.Errorf("%s does not saturate: %#x %#x", c.d, bits(inf), bits(1e30))
		}
		if c.d != Float4E2M1 && value(bits(nan)) == value(bits(nan)) {
			t.Errorf("%s: NaN becomes %v", c.d, value(bits(nan)))
		}
		for b := uint8(0); b < c.top; b++ {
			checkRounding(t, value(b), value(b+1), b, b+1, bits)
			if n := -value(b); b > 0 && value(bits(n)) != n {
				t.Errorf("%s: %v becomes %v", c.d, n, value(bits(n)))
			}
		}
	}
	if v := SmallFloatValue(Float8E5M2, 0x7c); v != inf {
		t.Errorf("float8e5m2 0x7c = %v, want +Inf", v)
	}
	for f, want := range map[float32]uint8{1: 127, 1.1: 128, 2: 128, 0: 0, -1: 0xff, inf: 0xfe} {
		if got := SmallFloatBits(Float8E8M0, f); got != want {
			t.Errorf("float8e8m0 of %v = %d, want %d", f, got, want)
		}
	}
}
