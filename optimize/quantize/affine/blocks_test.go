package affine

import (
	"bytes"
	"encoding/binary"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"infer/model/tensor"
)

// TestQuantizeBlocks has columns whose scale is a power of two; their elements are in steps of it.
func TestQuantizeBlocks(t *testing.T) {
	tail := make([]float32, 17) // a second block of one element
	tail[16] = -4
	for _, c := range []struct {
		name      string
		w         []float32
		bits      int
		symmetric bool
		packed    []byte
		scales    []float32
		zeros     []byte
	}{
		// -8 is the largest, and level 0: q = x + 8, where 8.5 and 7.5 round up, 15.6 is clipped.
		{"symmetric", []float32{-8, 7, 0, 0.5, -0.5, 7.6, 1, 2, 3, 4, 5, 6, -7, -6, -5, -4}, 4, true,
			[]byte{0xf0, 0x98, 0xf8, 0xa9, 0xcb, 0xed, 0x21, 0x43}, []float32{1}, nil},
		// +8 is the largest, and level 0 by a negative scale: q = 8 - x.
		{"negative scale", []float32{8, -7, 0, 0.5, -0.5, 1, 2, 3, 4, 5, 6, 7, -1, -2, -3, -4}, 4, true,
			[]byte{0x10 | 0xe0, 0x88, 0x79, 0x56, 0x34, 0x12, 0xa9, 0xcb}, []float32{-1}, nil},
		// Of -8 and 8, the negative one decides: 16 is clipped to 15.
		{"equal magnitudes", append([]float32{8, -8}, make([]float32, 14)...), 4, true,
			append([]byte{0x0f}, bytes.Repeat([]byte{0x88}, 7)...), []float32{1}, nil},
		// A fifteenth of the smallest subnormal is 0: a block of zeros.
		{"underflow", slices.Repeat([]float32{-math.SmallestNonzeroFloat32}, 16), 4, false,
			make([]byte, 8), []float32{0}, []byte{0x80}},
		// From -5 to 10 in 15 steps: zero point 5.
		{"asymmetric", []float32{-5, 10, 0, 0.5, -0.5, 9.5, 1, 2, 3, 4, 5, 6, 7, 8, 9, -4}, 4, false,
			[]byte{0xf0, 0x65, 0xf5, 0x76, 0x98, 0xba, 0xdc, 0x1e}, []float32{1}, []byte{0x85}},
		// From 1 to 127.5, and zero: zero point 0, half a step an element.
		{"8 bits", []float32{127.5, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 1}, 8, false,
			[]byte{255, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 2}, []float32{0.5}, []byte{0}},
		// A block of zeros, of scale 0 and zero point 0, then [-4, 0] in 15 steps with zero point 15.
		{"tail", tail, 4, false, make([]byte, 16), []float32{0, 4.0 / 15}, []byte{0xf0}},
		// The scale of zeros is -0; that of -4 is 4/8, with level 0. What is beyond K is 0.
		{"symmetric tail", tail, 4, true, append(bytes.Repeat([]byte{0x88}, 8), make([]byte, 8)...), []float32{0, 0.5}, nil},
	} {
		b, err := QuantizeBlocks(c.w, int64(len(c.w)), 1, c.bits, 16, c.symmetric)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(b.Packed, c.packed) || !slices.Equal(b.Scales, c.scales) || !bytes.Equal(b.Zeros, c.zeros) {
			t.Errorf("%s:\n%x %g %x, want\n%x %g %x", c.name, b.Packed, b.Scales, b.Zeros, c.packed, c.scales, c.zeros)
		}
	}
}

func TestQuantizeBlocksRefuses(t *testing.T) {
	w := make([]float32, 32)
	bad := slices.Clone(w)
	bad[5] = float32(math.Inf(1))
	for _, c := range []struct {
		name       string
		w          []float32
		bits, size int
		want       string
	}{
		{"bits", w, 2, 16, "blocks of 2 bits"},
		{"small", w, 4, 8, "blocks of 8 elements"},
		{"no power of two", w, 4, 48, "blocks of 48 elements"},
		{"large", w, 4, 512, "blocks of 512 elements"},
		{"length", w[1:], 4, 16, "31 elements where the shape has 32"},
		{"infinity", bad, 4, 16, "element 5 is +Inf"},
	} {
		if _, err := QuantizeBlocks(c.w, 16, 2, c.bits, c.size, true); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
	for _, shape := range [][2]int64{{0, 3}, {3, 0}} {
		b, err := QuantizeBlocks(nil, shape[0], shape[1], 4, 16, false)
		if err != nil || len(b.Packed) != 0 || b.Refine(nil) != 0 {
			t.Errorf("an empty matrix: %+v, %v", b, err)
		}
	}
}

// portableValues computes what ONNX says of a blocked DequantizeLinear.
func portableValues(t *testing.T, b *Blocks) []float32 {
	t.Helper()
	elements, scales, zeros := b.Portable()
	for _, x := range []tensor.Tensor{elements, scales} {
		if err := x.Check(); err != nil {
			t.Fatal(err)
		}
	}
	q, err := tensor.Floats(elements)
	if err != nil {
		t.Fatal(err)
	}
	s, err := tensor.Floats(scales)
	if err != nil {
		t.Fatal(err)
	}
	z := make([]float32, len(s))
	if b.Zeros != nil {
		if z, err = tensor.Floats(zeros); err != nil {
			t.Fatal(err)
		}
	} else if !zeros.IsZero() {
		t.Error("symmetric blocks have zero points")
	}
	out := make([]float32, len(q))
	for i := range out {
		row, column := i/int(b.N), i%int(b.N)
		at := row/b.Size*int(b.N) + column
		out[i] = (q[i] - z[at]) * s[at]
	}
	return out
}

// TestBlocksForms: both forms of random blocks are the same numbers, near the matrix that they were made of, and Refine
// brings them nearer, block by block.
func TestBlocksForms(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	for _, bits := range []int{4, 8} {
		for _, symmetric := range []bool{true, false} {
			for range 20 {
				k, n, size := 1+r.IntN(100), 1+r.IntN(70), 16<<r.IntN(3)
				w := normals(r, k*n)
				b, err := QuantizeBlocks(w, int64(k), int64(n), bits, size, symmetric)
				if err != nil {
					t.Fatal(err)
				}
				checkForms(t, b, w)
				before := blockErrors(b, w)
				improved, changed := b.Refine(w), 0
				for i, after := range blockErrors(b, w) {
					if after > before[i] {
						t.Fatalf("%d bits, block %d: error %g, was %g", bits, i, after, before[i])
					}
					if after < before[i] {
						changed++
					}
				}
				if improved != changed || improved == 0 && k >= 16 {
					t.Errorf("%d bits, %d x %d: %d blocks improved, Refine says %d", bits, k, n, changed, improved)
				}
				if !slices.Equal(b.Dequantize(), portableValues(t, b)) {
					t.Error("the forms differ after Refine")
				}
			}
		}
	}
}

// checkForms: an element is off by half a step, by a whole one where symmetric blocks clip (levels 8..15 for what may
// be as large as the 8 steps below).
func checkForms(t *testing.T, b *Blocks, w []float32) {
	t.Helper()
	got := b.Dequantize()
	if !slices.Equal(got, portableValues(t, b)) {
		t.Fatalf("%d bits: the forms differ", b.Bits)
	}
	most := 0.51
	if b.Zeros == nil {
		most = 1.01
	}
	for i, v := range w {
		row, column := i/int(b.N), i%int(b.N)
		step := float64(abs(b.Scales[column*b.kBlocks()+row/b.Size]))
		if e := math.Abs(float64(v) - float64(got[i])); e > most*step {
			t.Fatalf("%d bits: element %d, %g, is %g: %g steps away", b.Bits, i, v, got[i], e/step)
		}
	}
}

func blockErrors(b *Blocks, w []float32) []float64 {
	got, errs := b.Dequantize(), make([]float64, len(b.Scales))
	for i := range w {
		row, column := i/int(b.N), i%int(b.N)
		errs[column*b.kBlocks()+row/b.Size] += squares(w[i:i+1], got[i:i+1])
	}
	return errs
}

// TestBlocksRefine has -8 and fifteen 1.5 in 4 bits. The range gives scale 1, where 1.5 rounds to 2: an error of
// 15·0.5² = 3.75. The scale that fits these levels best is (8·8 + 15·1.5·2)/(8² + 15·2²) = 0.879, with an error of
// (8 - 7.032)² + 15·(1.5 - 1.758)² = 1.94.
func TestBlocksRefine(t *testing.T) {
	w := append([]float32{-8}, slices.Repeat([]float32{1.5}, 15)...)
	b, err := QuantizeBlocks(w, 16, 1, 4, 16, true)
	if err != nil {
		t.Fatal(err)
	}
	if e := squares(w, b.Dequantize()); e != 3.75 {
		t.Fatalf("error %g before, want 3.75", e)
	}
	if n := b.Refine(w); n != 1 {
		t.Errorf("%d blocks improved", n)
	}
	if e := squares(w, b.Dequantize()); e > 1.94 {
		t.Errorf("error %g after, want 1.94 or less", e)
	}
}

// FuzzBlocks: any matrix is refused or has blocks whose forms agree and which Refine makes no worse.
func FuzzBlocks(f *testing.F) {
	f.Add(uint8(3), true, true, []byte("\x00\x00\x80\x3f\x00\x00\x00\xc1\x01\x00\x00\x00\xff\xff\x7f\x7f"))
	f.Add(uint8(1), false, false, binary.LittleEndian.AppendUint32(nil, math.Float32bits(-math.MaxFloat32)))
	f.Fuzz(func(t *testing.T, columns uint8, eight, symmetric bool, data []byte) {
		n, bits := int(columns%7)+1, 4
		if eight {
			bits = 8
		}
		w := floatsOf(data)
		k := len(w) / n
		w = w[:k*n]
		b, err := QuantizeBlocks(w, int64(k), int64(n), bits, 16, symmetric)
		if (err != nil) != slices.ContainsFunc(w, func(v float32) bool { return math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) }) {
			t.Fatalf("%v of %v", err, w)
		}
		if err != nil {
			return
		}
		if !slices.Equal(b.Dequantize(), portableValues(t, b)) {
			t.Error("the forms differ")
		}
		before := blockErrors(b, w)
		b.Refine(w)
		for i, after := range blockErrors(b, w) {
			if !(after <= before[i]) {
				t.Errorf("block %d: error %g, was %g", i, after, before[i])
			}
		}
	})
}
