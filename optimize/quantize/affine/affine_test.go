package affine

import (
	"bytes"
	"encoding/binary"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"infer/model/tensor"
)

// dtypes are those that Supports knows.
var dtypes = []tensor.DType{tensor.Uint8, tensor.Int8, tensor.Uint16, tensor.Int16, tensor.Uint4, tensor.Int4}

// TestLevels has the table of ONNX Runtime's quant_utils.py.
func TestLevels(t *testing.T) {
	for _, c := range []struct {
		d                        tensor.DType
		full, symmetric, reduced [2]int32
	}{
		{tensor.Uint8, [2]int32{0, 255}, [2]int32{0, 255}, [2]int32{0, 127}},
		{tensor.Int8, [2]int32{-128, 127}, [2]int32{-127, 127}, [2]int32{-64, 64}},
		{tensor.Uint16, [2]int32{0, 65535}, [2]int32{0, 65535}, [2]int32{0, 32767}},
		{tensor.Int16, [2]int32{-32768, 32767}, [2]int32{-32767, 32767}, [2]int32{-16384, 16384}},
		{tensor.Uint4, [2]int32{0, 15}, [2]int32{0, 15}, [2]int32{0, 7}},
		{tensor.Int4, [2]int32{-8, 7}, [2]int32{-8, 7}, [2]int32{-4, 3}},
	} {
		for g, want := range map[Grid][2]int32{
			{c.d, false, false}: c.full,
			{c.d, true, false}:  c.symmetric,
			{c.d, false, true}:  c.reduced,
			{c.d, true, true}:   c.reduced,
		} {
			if lo, hi := g.Levels(); lo != want[0] || hi != want[1] {
				t.Errorf("%+v: %d..%d, want %d..%d", g, lo, hi, want[0], want[1])
			}
		}
	}
	if Supports(tensor.Int32) || Supports(tensor.Float32) {
		t.Error("int32 and float32 are no grids")
	}
}

func TestFit(t *testing.T) {
	u8, s8 := Grid{DType: tensor.Uint8}, Grid{DType: tensor.Int8}
	symmetric := func(d tensor.DType) Grid { return Grid{DType: d, Symmetric: true} }
	inf := math.Inf(1)
	for _, c := range []struct {
		name   string
		g      Grid
		lo, hi float64
		scale  float32
		zero   int32
	}{
		{"zero between", u8, -1, 3, 4.0 / 255, 64}, // 255/4 = 63.75
		{"zero below", u8, 2, 3, 3.0 / 255, 0},     // [0, 3]
		{"zero above", u8, -3, -2, 3.0 / 255, 255}, // [-3, 0]
		{"tie to 0", u8, -0.5, 254.5, 1, 0},        // 0.5
		{"tie to 2", u8, -1.5, 253.5, 1, 2},        // 1.5
		{"signed", s8, -1, 1, 2.0 / 255, 0},        // -128 + 127.5 = -0.5
		{"symmetric int8", symmetric(tensor.Int8), -1, 0.5, 2.0 / 254, 0},
		{"symmetric uint8", symmetric(tensor.Uint8), -1, 0.5, 2.0 / 255, 128},    // 255/2 = 127.5
		{"symmetric uint16", symmetric(tensor.Uint16), 0, 1, 2.0 / 65535, 32768}, // 65535/2 = 32767.5
		{"symmetric int4", symmetric(tensor.Int4), -7.5, 1, 1, 0},                // -1/2 = -0.5
		{"reduced", Grid{tensor.Int8, true, true}, -1, 1, 0.015625, 0},           // 2/128
		{"reduced uint4", Grid{tensor.Uint4, false, true}, -3, 4, 1, 3},          // 7/7
		{"all zero", symmetric(tensor.Uint8), 0, 0, 1, 0},                        //
		{"too narrow", u8, 0, 255 * 0x1p-127, 1, 0},                              // 2^-127 is subnormal
		{"just wide enough", u8, 0, 255 * 0x1p-126, 0x1p-126, 0},                 //
		{"NaN", u8, math.NaN(), math.NaN(), 1, 0},                                //
		// 1 + 0.75·2^-23 is 1 + 2^-23 in float32, and 1/255 of that 8421505.506·2^-31 (8421505.255 in float64 alone).
		{"width in float32", u8, -1, 0x1.8p-24, 8421506 * 0x1p-31, 255},
		{"infinite", s8, -inf, inf, float32(2.0 / 255 * math.MaxFloat32), 0},    // -0.5
		{"infinite above", u8, 0, inf, float32(1.0 / 255 * math.MaxFloat32), 0}, //
	} {
		if got, want := c.g.Fit(c.lo, c.hi), (Params{c.g.DType, c.scale, c.zero}); got != want {
			t.Errorf("%s: %v, want %v", c.name, got, want)
		}
	}
}

// TestSymmetricZero: the middle, whatever the range; from the scale it would now and then be a level lower.
func TestSymmetricZero(t *testing.T) {
	r := rand.New(rand.NewPCG(15, 16))
	for range 1000 {
		a := r.Float64()
		for d, want := range map[tensor.DType]int32{tensor.Uint8: 128, tensor.Uint16: 32768, tensor.Uint4: 8, tensor.Int8: 0} {
			if p := (Grid{d, true, false}).Fit(-a, a/2); p.Zero != want {
				t.Fatalf("%v of ±%g: zero point %d, want %d", d, a, p.Zero, want)
			}
		}
	}
}

func TestQuantize(t *testing.T) {
	inf := float32(math.Inf(1))
	for _, c := range []struct {
		name string
		p    Params
		x    []float32
		want []byte
	}{
		{"ties to even", Params{tensor.Int8, 0.5, 1}, // 0.5, 1.5, 2.5, -0.5, -1.5 become 0, 2, 2, 0, -2; and 1 more
			[]float32{0.25, 0.75, 1.25, -0.25, -0.75}, []byte{1, 3, 3, 1, 0xff}},
		{"clipped", Params{tensor.Int8, 0.5, 1}, []float32{1e6, -1e6, inf, -inf, float32(math.NaN())},
			[]byte{127, 0x80, 127, 0x80, 0x80}},
		{"beyond 2^24", Params{tensor.Uint8, 1, 7}, []float32{1 << 30, -(1 << 30), math.MaxFloat32}, []byte{255, 0, 255}},
		{"little endian", Params{tensor.Uint16, 1, 256}, []float32{2, -1}, []byte{2, 1, 255, 0}},
		{"low nibble first", Params{tensor.Int4, 1, 0}, []float32{-8, 7, -1}, []byte{0x78, 0x0f}},
	} {
		dst := make([]byte, len(c.want))
		if c.p.Quantize(dst, c.x); !bytes.Equal(dst, c.want) {
			t.Errorf("%s: %x, want %x", c.name, dst, c.want)
		}
	}
}

// TestRoundTrip: whatever the range, zero stays zero and what is inside moves by half a step at most, but for the
// rounding of float32 (1/100 of a step at 65535 levels).
func TestRoundTrip(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, d := range dtypes {
		for range 200 {
			g := Grid{d, r.IntN(2) == 0, false}
			x := normals(r, 64)
			x[0] = 0
			p := g.Fit(bounds(x))
			y := make([]float32, len(x))
			p.Fake(y, x)
			if y[0] != 0 {
				t.Fatalf("%+v: zero becomes %g", p, y[0])
			}
			step := float64(p.Scale)
			for i := range x {
				if e := math.Abs(float64(x[i]) - float64(y[i])); e > 0.51*step {
					t.Fatalf("%+v: %g becomes %g, %g steps away", p, x[i], y[i], e/step)
				}
			}
		}
	}
}

func normals(r *rand.Rand, n int) []float32 {
	x := make([]float32, n)
	magnitude := math.Pow(10, r.Float64()*8-4)
	for i := range x {
		x[i] = float32(r.NormFloat64() * magnitude)
	}
	return x
}

func bounds(x []float32) (lo, hi float64) {
	for _, v := range x {
		lo, hi = min(lo, float64(v)), max(hi, float64(v))
	}
	return lo, hi
}

// slowLevel is the definition of QuantizeLinear: one division in float32, all else exact.
func slowLevel(p Params, x float32) float64 {
	lo, hi := fullRange(p.DType)
	q := math.RoundToEven(float64(x/p.Scale)) + float64(p.Zero)
	return min(max(q, float64(lo)), float64(hi))
}

// FuzzQuantize compares with the definition; Fake is what the level stands for.
func FuzzQuantize(f *testing.F) {
	f.Add(uint8(0), float32(0.5), int32(3), float32(1.25))
	f.Add(uint8(2), float32(1e-3), int32(-7), float32(-8388607.5))
	f.Add(uint8(5), float32(0x1p-126), int32(0), float32(math.MaxFloat32))
	f.Fuzz(func(t *testing.T, d uint8, scale float32, zero int32, x float32) {
		p := Params{DType: dtypes[int(d)%len(dtypes)], Scale: scale}
		lo, hi := fullRange(p.DType)
		p.Zero = min(max(zero, lo), hi)
		if !(scale >= smallest && scale <= math.MaxFloat32) || x != x {
			t.Skip("no parameters")
		}
		want := slowLevel(p, x)
		data := make([]byte, 2)
		p.Quantize(data, []float32{x})
		got := []int32{0}
		load(got, p.DType, data, 0)
		if float64(got[0]) != want {
			t.Errorf("%v of %g: %d, want %g", p, x, got[0], want)
		}
		fake := []float32{x}
		p.Fake(fake, fake)
		if real := float32(got[0]-p.Zero) * scale; fake[0] != real {
			t.Errorf("%v fakes %g as %g, want %g", p, x, fake[0], real)
		}
	})
}

// TestStore writes and reads the levels of every dtype at an odd place, and leaves the neighbours alone.
func TestStore(t *testing.T) {
	for _, d := range dtypes {
		lo, hi := fullRange(d)
		data := bytes.Repeat([]byte{0xaa}, 16)
		all := make([]int32, 7)
		load(all, d, data, 0)
		want := append([]int32{all[0], lo, hi, lo + 1, hi - 1}, all[5:]...)
		store(data, d, 1, want[1:5])
		if load(all, d, data, 0); !slices.Equal(all, want) {
			t.Errorf("%v: %v, want %v", d, all, want)
		}
	}
}

func TestSQNR(t *testing.T) {
	for _, c := range []struct {
		name string
		x, y []float32
		want float64
	}{
		{"20 dB", []float32{3, 4}, []float32{3.3, 4.4}, 20}, // noise is a tenth of the signal: 100 in power
		{"0 dB", []float32{3, 4}, []float32{0, 0}, 0},
		{"equal", []float32{3, 4}, []float32{3, 4}, math.Inf(1)},
		{"all zero", []float32{0, 0}, []float32{0, 0}, math.Inf(1)},
		{"noise alone", []float32{0, 0}, []float32{0, 1}, math.Inf(-1)},
		{"none", nil, nil, math.Inf(1)},
	} {
		if got := SQNR(c.x, c.y); got != c.want && !(math.Abs(got-c.want) < 1e-5) {
			t.Errorf("%s: %g dB, want %g", c.name, got, c.want)
		}
	}
}

// floatsOf reads float32 numbers from a fuzzer's bytes.
func floatsOf(data []byte) []float32 {
	x := make([]float32, len(data)/4)
	for i := range x {
		x[i] = math.Float32frombits(binary.LittleEndian.Uint32(data[4*i:]))
	}
	return x
}
