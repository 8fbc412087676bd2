package tensor

import (
	"math"
	"slices"
	"testing"
)

func TestSliceAndConcat(t *testing.T) {
	mk := must[Tensor](t)
	text := mk(FromStrings("s", Shape{3, 2}, []string{"a", "b", "c", "d", "e", "f"}))
	for _, x := range []Tensor{
		mk(FromFloat32("f", Shape{3, 2}, []float32{1, 2, 3, 4, 5, 6})),
		mk(FromInts("i4", Int4, Shape{3, 3}, []int64{1, 2, 3, -4, -5, -6, 7, -8, 0})), // rows of a byte and a half
		mk(FromInts("u2", Uint2, Shape{5, 1}, []int64{1, 2, 3, 0, 1})),
		text,
	} {
		var rows []Tensor
		for i := range Rows(x) {
			rows = append(rows, mk(Slice(x, i, i+1)))
		}
		if got := mk(Concat(rows...)); !Equal(got, x) {
			t.Errorf("%s: its rows join to %v, want %v", x.Name, got, x)
		}
	}
	part := mk(Slice(text, 1, 3))
	if !slices.Equal(part.Strings, []string{"c", "d", "e", "f"}) || !part.Shape.Equal(Shape{2, 2}) {
		t.Errorf("rows 1 to 3: %v", part)
	}
	if e := mk(Slice(text, 3, 3)); e.Shape[0] != 0 || len(e.Strings) != 0 {
		t.Errorf("no rows: %v", e)
	}
	scalar, _ := FromFloat32("x", Shape{}, []float32{1})
	for name, err := range map[string]error{
		"scalar":  second(Slice(scalar, 0, 1)),
		"beyond":  second(Slice(text, 2, 4)),
		"reverse": second(Slice(text, 2, 1)),
		"join":    second(Concat(text, mk(FromStrings("s", Shape{1, 3}, make([]string, 3))))),
		"nothing": second(Concat()),
	} {
		if err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func second(_ Tensor, err error) error { return err }

func TestArgMax(t *testing.T) {
	nan := float32(math.NaN())
	inf := float32(math.Inf(-1))
	x := must[Tensor](t)(FromFloat32("x", Shape{5, 3}, []float32{1, 3, 3, nan, -1, -2, nan, nan, nan, inf, inf, inf, 9, 0, 1}))
	got := must[[]int64](t)(ArgMax(x))
	if want := []int64{1, 1, -1, 0, 0}; !slices.Equal(got, want) {
		t.Errorf("ArgMax = %v, want %v", got, want)
	}
	if _, err := ArgMax(Tensor{DType: Float32, Shape: Shape{1 << 40, 0}, Data: []byte{}}); err == nil {
		t.Error("ArgMax takes 2^40 empty rows")
	}
}

func TestMaxAbsDiff(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	mk := func(v ...float32) Tensor { return must[Tensor](t)(FromFloat32("x", Shape{int64(len(v))}, v)) }
	for _, c := range []struct {
		name string
		a, b Tensor
		want float64
	}{
		{"equal", mk(1, nan, inf), mk(1, nan, inf), 0},
		{"apart", mk(1, 2, -3), mk(1, 4, -2.5), 2},
		{"infinite", mk(inf), mk(0), math.Inf(1)},
		{"nan", mk(nan, 1), mk(0, 1), math.NaN()},
	} {
		got, err := MaxAbsDiff(c.a, c.b)
		if err != nil || got != c.want && !(got != got && c.want != c.want) {
			t.Errorf("%s: %v, %v, want %v", c.name, got, err, c.want)
		}
	}
	if _, err := MaxAbsDiff(mk(1), mk(1, 2)); err == nil {
		t.Error("shapes 1 and 2 are compared")
	}
}
