package affine

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"infer/model/tensor"
)

func TestQuantizeWeight(t *testing.T) {
	s8 := Grid{DType: tensor.Int8, Symmetric: true}
	// [[127, -254], [0, 127]] has absolute maxima 127 and 127 in its rows' first cells, 254 in all.
	x := []float32{127, -254, 0, 127}
	for _, c := range []struct {
		name   string
		x      []float32
		axis   int
		g      Grid
		scales []float32
		zeros  []int32
		data   []byte
	}{
		{"per tensor", x, PerTensor, s8, []float32{2}, []int32{0}, []byte{64, 0x81, 0, 64}}, // 63.5 rounds to 64
		{"rows", x, 0, s8, []float32{2, 1}, []int32{0, 0}, []byte{64, 0x81, 0, 127}},
		{"columns", x, 1, s8, []float32{1, 2}, []int32{0, 0}, []byte{127, 0x81, 0, 64}},
		{"a column of zeros", []float32{0, 1, 0, 255}, 1, Grid{DType: tensor.Uint8}, []float32{1, 1}, []int32{0, 0}, []byte{0, 1, 0, 255}},
		{"nibbles", []float32{-3, 0, 1, 12}, PerTensor, Grid{DType: tensor.Uint4}, []float32{1}, []int32{3}, []byte{0x30, 0xf4}},
	} {
		w, err := QuantizeWeight(c.x, tensor.Shape{2, 2}, c.axis, c.g)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(w.Scales, c.scales) || !slices.Equal(w.Zeros, c.zeros) || !slices.Equal(w.Data, c.data) {
			t.Errorf("%s: %v %v %x, want %v %v %x", c.name, w.Scales, w.Zeros, w.Data, c.scales, c.zeros, c.data)
		}
	}
}

func TestQuantizeWeightRefuses(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(-1))
	for _, c := range []struct {
		name string
		x    []float32
		axis int
		want string
	}{
		{"NaN", []float32{1, nan, 2, 3}, 0, "element 1 is NaN, which has no quantized form"},
		{"infinity", []float32{1, 2, 3, inf}, 0, "element 3 is -Inf, which has no quantized form"},
		{"axis", []float32{1, 2, 3, 4}, 2, "shape 2x2 has no axis 2"},
		{"length", []float32{1, 2, 3}, 0, "3 elements where the shape has 4"},
	} {
		_, err := QuantizeWeight(c.x, tensor.Shape{2, 2}, c.axis, Grid{DType: tensor.Int8})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
	if w, err := QuantizeWeight(nil, tensor.Shape{0, 2}, 1, Grid{DType: tensor.Int8}); err != nil || len(w.Scales) != 2 || len(w.Dequantize()) != 0 {
		t.Errorf("an empty weight: %v, %v", w, err)
	}
}

// TestWeightChannels: every channel is quantized as if it were a tensor of its own, whatever the axis, also across the
// chunks that the work is done in.
func TestWeightChannels(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	shape := tensor.Shape{3, 5, 217} // 3255 elements: more than three chunks
	x := normals(r, 3*5*217)
	for _, d := range dtypes {
		for axis := PerTensor; axis < 3; axis++ {
			g := Grid{d, r.IntN(2) == 0, r.IntN(2) == 0}
			w, err := QuantizeWeight(x, shape, axis, g)
			if err != nil {
				t.Fatal(err)
			}
			l, got := w.layout(), w.Dequantize()
			for c := range w.Scales {
				var channel, back []float32
				for at := range l.runs(c) {
					channel = append(channel, x[at:at+l.inner]...)
					back = append(back, got[at:at+l.inner]...)
				}
				want := make([]float32, len(channel))
				if g.Fit(bounds(channel)).Fake(want, channel); !slices.Equal(back, want) {
					t.Fatalf("%+v, axis %d, channel %d: differs from the channel alone", g, axis, c)
				}
			}
		}
	}
}

func TestTransposed(t *testing.T) {
	x := []float32{1, 2, 3, 4, 5, 127, 10, 20, 30, 40, 50, 1270}
	for _, d := range []tensor.DType{tensor.Int8, tensor.Int16} {
		for axis, want := range map[int]int{PerTensor: PerTensor, 0: 0, 1: 2, 2: 1} {
			w, err := QuantizeWeight(x, tensor.Shape{2, 2, 3}, axis, Grid{DType: d, Symmetric: true})
			if err != nil {
				t.Fatal(err)
			}
			y := w.Transposed()
			if y.Axis != want || !y.Shape.Equal(tensor.Shape{2, 3, 2}) {
				t.Errorf("axis %d of %s, want %d of 2x3x2", y.Axis, y.Shape, want)
			}
			before, after := w.Dequantize(), y.Dequantize()
			for i, j := range []int{0, 3, 1, 4, 2, 5, 6, 9, 7, 10, 8, 11} { // [m][r][c] becomes [m][c][r]
				if after[i] != before[j] {
					t.Errorf("%v, axis %d: element %d is %g, want %g", d, axis, i, after[i], before[j])
				}
			}
		}
	}
}

// TestWeightRefine has 16 ones and -3.6 in the levels -4..3. The range gives the scale 2·3.6/7 = 1.0286, where -3.6 is
// -3.5 steps, a tie to -4: an error of 16·0.0286² + 0.5143² = 0.2776. The scale that fits these levels best is
// (16·1 + 4·3.6)/(16·1² + 4²) = 0.95, with an error of 16·0.05² + 0.2² = 0.08.
func TestWeightRefine(t *testing.T) {
	x := []float32{-3.6}
	for range 16 {
		x = append(x, 1)
	}
	g := Grid{tensor.Int4, true, true}
	w, err := QuantizeWeight(x, tensor.Shape{17}, PerTensor, g)
	if err != nil {
		t.Fatal(err)
	}
	if e := squares(x, w.Dequantize()); math.Abs(e-0.2776) > 1e-3 {
		t.Fatalf("error %g before, want 0.2776", e)
	}
	if n := w.Refine(x); n != 1 {
		t.Fatalf("%d channels improved", n)
	}
	if e := squares(x, w.Dequantize()); e > 0.08+1e-6 {
		t.Errorf("error %g after, want 0.08 or less", e)
	}
}

// TestWeightRefineNeverWorse: no channel's error grows, and Refine says how many shrink.
func TestWeightRefineNeverWorse(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for _, d := range dtypes {
		for axis := PerTensor; axis < 2; axis++ {
			g := Grid{d, r.IntN(2) == 0, r.IntN(2) == 0}
			x := normals(r, 40*30)
			w, err := QuantizeWeight(x, tensor.Shape{40, 30}, axis, g)
			if err != nil {
				t.Fatal(err)
			}
			before := channelErrors(w, x)
			n := w.Refine(x)
			changed := 0
			for c, after := range channelErrors(w, x) {
				if after > before[c] {
					t.Errorf("%+v, axis %d: channel %d had error %g, has %g", g, axis, c, before[c], after)
				}
				if after < before[c] {
					changed++
				}
			}
			if changed != n {
				t.Errorf("%+v, axis %d: %d channels improved, Refine says %d", g, axis, changed, n)
			}
			if d.Bits() == 4 && n == 0 {
				t.Errorf("%+v, axis %d: nothing improved in 4 bits", g, axis)
			}
		}
	}
}

// TestWeightRefineKeepsGrid: kernels that need reduced levels get no others.
func TestWeightRefineKeepsGrid(t *testing.T) {
	g := Grid{tensor.Int8, true, true}
	x := append([]float32{4}, slices.Repeat([]float32{0.03125, 1.46875}, 500)...) // 4 is 64 steps of 0.0625, the rest are halves
	w, err := QuantizeWeight(x, tensor.Shape{1001}, PerTensor, g)
	if err != nil {
		t.Fatal(err)
	}
	if n := w.Refine(x); n != 1 || !(w.Scales[0] < 0.0625) {
		t.Fatalf("%d channels improved, scale %g", n, w.Scales[0])
	}
	if q := w.levels(); slices.Max(q) != 64 {
		t.Errorf("highest level %d, want 64", slices.Max(q))
	}
}

func channelErrors(w *Weight, x []float32) []float64 {
	y := w.Dequantize()
	l, errs := w.layout(), make([]float64, len(w.Scales))
	for c := range errs {
		for at := range l.runs(c) {
			errs[c] += squares(x[at:at+l.inner], y[at:at+l.inner])
		}
	}
	return errs
}

func squares(x, y []float32) (sum float64) {
	for i := range x {
		d := float64(x[i]) - float64(y[i])
		sum += d * d
	}
	return sum
}

func TestQuantizeBias(t *testing.T) {
	s8 := Grid{DType: tensor.Int8, Symmetric: true}
	small := float32(0x1p-10)
	x := []float32{127, -127, 127 * small, -127 * small} // rows of scale 1 and 2^-10
	input := float32(0x1p-20)
	w, err := QuantizeWeight(x, tensor.Shape{2, 2}, 0, s8)
	if err != nil {
		t.Fatal(err)
	}
	b, err := QuantizeBias([]float32{0.125, 1024}, input, w, x)
	if err != nil {
		t.Fatal(err)
	}
	// Row 0: 0.125 at scale 2^-20 is 2^17. Row 1: at 2^-30, 1024 would be 2^40. The scale that holds it is
	// 1.0001·2048/(2^32-2), 2^20 times that for the weight, 0.50005, where 127·2^-10 = 0.124 is a quarter step: 0.
	if b.Adjusted != 1 || b.Data[0] != 1<<17 || b.Scales[0] != 0x1p-20 || w.Scales[0] != 1 {
		t.Errorf("row 0: %+v at %g", b, w.Scales[0])
	}
	if got := float64(w.Scales[1]); math.Abs(got-0.50005) > 1e-7 {
		t.Errorf("scale %g of row 1, want 0.50005", got)
	}
	if got := float64(b.Data[1]); math.Abs(got/(math.MaxInt32/1.0001)-1) > 1e-6 {
		t.Errorf("bias %g of row 1, want 2^31/1.0001", got)
	}
	if want := []byte{127, 0x81, 0, 0}; !slices.Equal(w.Data, want) {
		t.Errorf("weight %x, want %x", w.Data, want)
	}
}

func TestQuantizeBiasPerTensor(t *testing.T) {
	x := []float32{127, -127}
	input := float32(0x1p-20)
	for _, c := range []struct {
		d        tensor.DType
		adjusted int
		data     []int32
	}{
		{tensor.Int8, 1, []int32{0, 1048471, -math.MaxInt32}}, // 1 of 2048, of the 2^31/1.0001 that 2048 gets
		{tensor.Uint8, 0, []int32{0, 1 << 20, math.MinInt32}}, // zero point 128: clipped
	} {
		w, err := QuantizeWeight(x, tensor.Shape{2}, PerTensor, Grid{DType: c.d, Symmetric: true})
		if err != nil {
			t.Fatal(err)
		}
		w.Scales[0] = 1
		b, err := QuantizeBias([]float32{0, 1, -2048}, input, w, x)
		if err != nil {
			t.Fatal(err)
		}
		near := math.Abs(float64(b.Data[2])/float64(c.data[2])-1) < 2e-4
		if b.Adjusted != c.adjusted || b.Data[0] != 0 || b.Data[1] != c.data[1] || !near || len(b.Scales) != 1 {
			t.Errorf("%v: %+v, want %v", c.d, b, c.data)
		}
	}
}

func TestQuantizeBiasRefuses(t *testing.T) {
	w, err := QuantizeWeight([]float32{1, 2}, tensor.Shape{2}, 0, Grid{DType: tensor.Int8, Symmetric: true})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := QuantizeBias([]float32{1}, 1, w, nil); err == nil || err.Error() != "a bias of 1 elements for a weight of 2 channels" {
		t.Errorf("length: %v", err)
	}
	if _, err := QuantizeBias([]float32{1, float32(math.NaN())}, 1, w, nil); err == nil || !strings.Contains(err.Error(), "bias: element 1 is NaN") {
		t.Errorf("NaN: %v", err)
	}
	// Scales that underflow have no product to grow: 0 stays 0, the rest is clipped.
	if b, err := QuantizeBias([]float32{0, -1}, 0, w, nil); err != nil || b.Data[0] != 0 || b.Data[1] != math.MinInt32 || b.Adjusted != 0 {
		t.Errorf("input of scale 0: %+v, %v", b, err)
	}
}
