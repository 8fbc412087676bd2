package tensor

import (
	"math"
	"slices"
	"testing"
)

func must[T any](t *testing.T) func(T, error) T {
	t.Helper()
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func TestPackInts(t *testing.T) {
	for _, c := range []struct {
		d    DType
		v    []int8
		want []byte
	}{
		{Int4, []int8{1, -1, -8}, []byte{0xf1, 0x08}},
		{Uint4, []int8{15, 0, 9}, []byte{0x0f, 0x09}},
		{Int2, []int8{1, -1, -2, 0, 1}, []byte{0b00_10_11_01, 1}},
		{Uint2, []int8{3, 2, 1, 0}, []byte{0b00_01_10_11}},
		{Int4, nil, []byte{}},
	} {
		got := PackInts(c.d, c.v)
		if !slices.Equal(got, c.want) {
			t.Errorf("PackInts(%s, %v) = %x, want %x", c.d, c.v, got, c.want)
		}
		if back := UnpackInts(c.d, got, len(c.v)); !slices.Equal(back, c.v) {
			t.Errorf("UnpackInts(%s, %x) = %v, want %v", c.d, got, back, c.v)
		}
	}
}

func TestNumbersOfEveryDType(t *testing.T) {
	values := []int64{0, 1, 2, 3, 1, 0}
	for d := Float32; d <= Int2; d++ {
		if d == String || d == Complex64 || d == Complex128 {
			continue
		}
		want := slices.Clone(values)
		var x Tensor
		var err error
		if d.IsInt() || d == Bool {
			if d == Bool || d == Int2 {
				want = []int64{0, 1, 1, 0, 1, 0}
			}
			x, err = FromInts("x", d, Shape{2, 3}, want)
			if got, err := Int64s(x); err != nil || !slices.Equal(got, want) {
				t.Errorf("Int64s of %s = %v, %v, want %v", d, got, err, want)
			}
		} else {
			if d == Float8E8M0 { // powers of two alone
				want = []int64{1, 2, 4, 8, 16, 32}
			}
			f := make([]float32, 6)
			for i := range f {
				f[i] = float32(want[i])
			}
			x, err = New("x", d, Shape{2, 3})
			EncodeFloats(x.Data, d, f)
			if _, err := Int64s(x); err == nil {
				t.Errorf("Int64s takes %s", d)
			}
		}
		if err != nil {
			t.Fatal(err)
		}
		got, err := Floats(x)
		if err != nil {
			t.Fatal(err)
		}
		for i := range got {
			if got[i] != float32(want[i]) {
				t.Errorf("Floats of %s = %v, want %v", d, got, want)
				break
			}
		}
	}
}

func TestFromIntsRange(t *testing.T) {
	for _, c := range []struct {
		d DType
		v int64
	}{{Int8, 128}, {Int8, -129}, {Uint8, -1}, {Uint8, 256}, {Int4, 8}, {Uint2, 4}, {Bool, 2}, {Uint64, -1}, {Int32, 1 << 31}} {
		if _, err := FromInts("x", c.d, Shape{1}, []int64{c.v}); err == nil {
			t.Errorf("%d fits %s", c.v, c.d)
		}
	}
	if _, err := FromInts("x", Float32, Shape{1}, []int64{1}); err == nil {
		t.Error("FromInts makes float32")
	}
	if _, err := FromFloat32("x", Shape{2, 2}, []float32{1}); err == nil {
		t.Error("FromFloat32 takes one value for shape 2x2")
	}
}

func TestFloatsAlignment(t *testing.T) {
	x := must[Tensor](t)(FromFloat32("x", Shape{2}, []float32{1, -2}))
	odd := Tensor{DType: Float32, Shape: Shape{2}, Data: append([]byte{9}, x.Data...)[1:]}
	for _, v := range []Tensor{x, odd} {
		if got := must[[]float32](t)(Floats(v)); !slices.Equal(got, []float32{1, -2}) {
			t.Errorf("Floats = %v", got)
		}
	}
	view := must[[]float32](t)(Floats(x))
	view[0] = 5
	if got := must[[]float32](t)(Floats(x)); got[0] != 5 {
		t.Error("Floats of an aligned float32 tensor is no view")
	}
}

func TestWiden(t *testing.T) {
	i8 := must[Tensor](t)(FromInts("x", Int8, Shape{3}, []int64{-128, 0, 127}))
	f16, _ := New("h", Float16, Shape{3})
	EncodeFloats(f16.Data, Float16, []float32{1, float32(math.Inf(1)), -0.5})
	f64, _ := New("d", Float64, Shape{1})
	u8 := must[Tensor](t)(FromInts("x", Uint8, Shape{1}, []int64{255}))
	for _, c := range []struct {
		name string
		t    Tensor
		to   DType
		ok   bool
	}{
		{"int8 to int64", i8, Int64, true}, {"int8 to uint64", i8, Uint64, false}, {"int8 to float32", i8, Float32, false},
		{"float16 to float32", f16, Float32, true}, {"float16 to float64", f16, Float64, true},
		{"float16 to bfloat16", f16, BFloat16, false}, {"float64 to float32", f64, Float32, false},
		{"uint8 to int16", u8, Int16, true}, {"uint8 to int8", u8, Int8, false}, {"uint8 to float32", u8, Float32, false},
	} {
		got, ok := Widen(c.t, c.to)
		if ok != c.ok {
			t.Errorf("%s: %v, want %v", c.name, ok, c.ok)
			continue
		}
		if ok {
			a, b := must[[]float32](t)(Floats(c.t)), must[[]float32](t)(Floats(got))
			if got.DType != c.to || !slices.Equal(a, b) {
				t.Errorf("%s: %v became %v", c.name, a, b)
			}
		}
	}
}
