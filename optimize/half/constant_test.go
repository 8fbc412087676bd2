package half

import (
	"bytes"
	"encoding/binary"
	"math"
	"testing"

	"infer/model/engine/enginetest"
	"infer/model/onnx"
	"infer/model/tensor"
)

// TestRound tries the edges. float16: largest 65504 = 0x7bff, smallest 2⁻²⁴ = 0x0001; 65520 is half way to the next
// power and would round to infinity; 2⁻²⁵ is half way to the smallest and would round to zero. bfloat16: largest
// 0x7f7f, smallest 2⁻¹³³ = 0x0001.
func TestRound(t *testing.T) {
	inf := float32(math.Inf(1))
	for _, c := range []struct {
		name             string
		x                float32
		d                tensor.DType
		want             uint16
		clamped, flushed int64
	}{
		{"one", 1, tensor.Float16, 0x3c00, 0, 0},
		{"zero", 0, tensor.Float16, 0, 0, 0},
		{"minus zero", float32(math.Copysign(0, -1)), tensor.Float16, 0x8000, 0, 0},
		{"tie to even below", 1 + 0x1p-11, tensor.Float16, 0x3c00, 0, 0},
		{"tie to even above", 1 + 3*0x1p-11, tensor.Float16, 0x3c02, 0, 0},
		{"largest", 65504, tensor.Float16, 0x7bff, 0, 0},
		{"a little more", 65505, tensor.Float16, 0x7bff, 1, 0},
		{"half way to infinity", 65520, tensor.Float16, 0x7bff, 1, 0},
		{"1e38", 1e38, tensor.Float16, 0x7bff, 1, 0},
		{"-1e38", -1e38, tensor.Float16, 0xfbff, 1, 0},
		{"infinity", inf, tensor.Float16, 0x7c00, 0, 0},
		{"minus infinity", -inf, tensor.Float16, 0xfc00, 0, 0},
		{"NaN", float32(math.NaN()), tensor.Float16, 0x7e00, 0, 0},
		{"smallest", 0x1p-24, tensor.Float16, 1, 0, 0},
		{"subnormal", 3 * 0x1p-24, tensor.Float16, 3, 0, 0},
		{"above half of the smallest", 0x1.8p-25, tensor.Float16, 1, 0, 0},
		{"half of the smallest", 0x1p-25, tensor.Float16, 1, 0, 1},
		{"negative and tiny", -1e-30, tensor.Float16, 0x8001, 0, 1},
		{"float32 subnormal", math.SmallestNonzeroFloat32, tensor.Float16, 1, 0, 1},
		{"bfloat16 one", 1, tensor.BFloat16, 0x3f80, 0, 0},
		{"bfloat16 1e38", 1e38, tensor.BFloat16, 0x7e96, 0, 0},
		{"bfloat16 largest float32", math.MaxFloat32, tensor.BFloat16, 0x7f7f, 1, 0},
		{"bfloat16 infinity", -inf, tensor.BFloat16, 0xff80, 0, 0},
		{"bfloat16 NaN", float32(math.NaN()), tensor.BFloat16, 0x7fc0, 0, 0},
		{"bfloat16 tiny", -math.SmallestNonzeroFloat32, tensor.BFloat16, 0x8001, 0, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			data, clamped, flushed := round([]float32{c.x}, c.d)
			if got := binary.LittleEndian.Uint16(data); got != c.want || clamped != c.clamped || flushed != c.flushed {
				t.Errorf("%g: %#04x, %d clamped, %d flushed; want %#04x, %d, %d", c.x, got, clamped, flushed, c.want, c.clamped, c.flushed)
			}
		})
	}
}

// FuzzRound: what comes out is the nearest number of the type, except where that is zero or infinite.
func FuzzRound(f *testing.F) {
	for _, x := range []float32{0, 1, -65520, 1e-8, 3e38, float32(math.NaN())} {
		f.Add(math.Float32bits(x))
	}
	f.Fuzz(func(t *testing.T, bits uint32) {
		x := math.Float32frombits(bits)
		for _, d := range []tensor.DType{tensor.Float16, tensor.BFloat16} {
			data, clamped, flushed := round([]float32{x}, d)
			y := make([]float32, 1)
			tensor.DecodeFloats(y, d, data)
			largest, smallest := limit(d)
			a, b := float64(x), float64(y[0])
			switch {
			case a != a:
				if b == b {
					t.Errorf("%s: NaN became %g", d, b)
				}
			case math.IsInf(a, 0) || a == 0:
				if a != b || math.Signbit(a) != math.Signbit(b) || clamped+flushed != 0 {
					t.Errorf("%s: %g became %g", d, a, b)
				}
			case math.IsInf(b, 0) || b == 0 || math.Signbit(a) != math.Signbit(b):
				t.Errorf("%s: %g became %g", d, a, b)
			case math.Abs(a) > largest:
				if math.Abs(b) != largest || clamped != 1 {
					t.Errorf("%s: %g became %g", d, a, b)
				}
			case math.Abs(b-a) > max(math.Abs(a)*0x1p-8, smallest):
				t.Errorf("%s: %g became %g", d, a, b)
			}
		}
	})
}

// TestDeferredConstants: a model whose constants are rounded when they are written is the same file, with the same counts.
func TestDeferredConstants(t *testing.T) {
	m := build([]any{4}, enginetest.Values(f32("y", 4)), []*onnx.Node{enginetest.Node("Add", enginetest.Names("x", "c"), enginetest.Names("y"))},
		constant("c", tensor.Shape{4}, 1, 1e-9, -3, 0.1))
	at := DefaultOptions
	plain, r := convertCopy(t, m, at)
	at.Deferred = true
	late, q := convertCopy(t, m, at)
	if r.Flushed != 1 || q.Flushed != 1 || r.Clamped != q.Clamped {
		t.Errorf("%+v and %+v", r, q)
	}
	want, err := onnx.Encode(plain)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := onnx.Encode(late); err != nil || !bytes.Equal(got, want) {
		t.Errorf("the files differ, %v", err)
	}
}
