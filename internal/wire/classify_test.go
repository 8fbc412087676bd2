package wire

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"infer/internal/fault"
	"infer/model/tensor"
)

func TestClassify(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	labels := []string{"cat", "dog"}
	for _, c := range []struct {
		name    string
		d       tensor.DType
		shape   tensor.Shape
		v       []float32
		k       int
		batched bool
		want    string
		ws      string
	}{
		{"one row", tensor.Float32, tensor.Shape{3}, []float32{3.3, 0.5, 7}, 2, false, "7.000000:2 3.300000:0:cat", "2"},
		{"rows", tensor.Float32, tensor.Shape{2, 2}, []float32{0, 1, 4, 2}, 1, true, "1.000000:1:dog 4.000000:0:cat", "2x1"},
		{"all as one row", tensor.Float32, tensor.Shape{2, 2}, []float32{0, 1, 4, 2}, 3, false, "4.000000:2 2.000000:3 1.000000:1:dog", "3"},
		{"more than there are", tensor.Float32, tensor.Shape{1, 2}, []float32{0, 1}, 9, true, "1.000000:1:dog 0.000000:0:cat", "1x2"},
		{"equals: the first", tensor.Float32, tensor.Shape{4}, []float32{1, 2, 2, 1}, 3, false, "2.000000:1:dog 2.000000:2 1.000000:0:cat", "3"},
		{"not finite", tensor.Float32, tensor.Shape{4}, []float32{nan, -inf, nan, inf}, 4, false, "inf:3 -inf:1:dog nan:0:cat nan:2", "4"},
		{"double", tensor.Float64, tensor.Shape{2}, []float32{0.5, -1e6}, 2, false, "0.500000:0:cat -1000000.000000:1:dog", "2"},
		{"no rows", tensor.Float32, tensor.Shape{0, 5}, nil, 2, true, "", "0x2"},
		{"no classes", tensor.Float32, tensor.Shape{2, 0}, nil, 2, true, "", "2x0"},
		{"rows of one", tensor.Float32, tensor.Shape{2}, []float32{5, 6}, 2, true, "5.000000:0:cat 6.000000:0:cat", "2x1"},
	} {
		x, _ := tensor.New("y", c.d, c.shape)
		tensor.EncodeFloats(x.Data, c.d, c.v)
		got, err := Classify(x, c.k, labels, c.batched)
		if err != nil || strings.Join(got.Strings, " ") != c.want || got.Shape.String() != c.ws || got.Name != "y" || got.Check() != nil {
			t.Errorf("%s: %q %v %v, want %q", c.name, got.Strings, got.Shape, err, c.want)
		}
	}
	for d, v := range map[tensor.DType]string{tensor.Int8: "127:1 -3:0", tensor.Int64: "127:1 -3:0", tensor.Int16: "127:1 -3:0", tensor.Int32: "127:1 -3:0"} {
		x, _ := tensor.FromInts("y", d, tensor.Shape{2}, []int64{-3, 127})
		if got, err := Classify(x, 2, nil, false); err != nil || strings.Join(got.Strings, " ") != v {
			t.Errorf("%s: %q %v", d, got.Strings, err)
		}
	}
	x := tensor.Tensor{Name: "y", DType: tensor.Uint64, Shape: tensor.Shape{2}, Data: []byte{1, 0, 0, 0, 0, 0, 0, 0, 255, 255, 255, 255, 255, 255, 255, 255}}
	if got, err := Classify(x, 1, nil, false); err != nil || got.Strings[0] != "18446744073709551615:1" {
		t.Errorf("uint64: %q %v", got.Strings, err)
	}
}

func TestClassifyRefuses(t *testing.T) {
	for _, d := range []tensor.DType{tensor.String, tensor.Bool, tensor.Float16, tensor.BFloat16, tensor.Int4, tensor.Complex64} {
		x, _ := tensor.New("y", d, tensor.Shape{2})
		if _, err := Classify(x, 1, nil, false); fault.KindOf(err) != fault.Usage || !strings.Contains(err.Error(), "class result not available for output") {
			t.Errorf("%s: %v", d, err)
		}
	}
	x, _ := tensor.New("y", tensor.Uint8, tensor.Shape{maxScores + 1})
	if _, err := Classify(x, 1, nil, false); fault.KindOf(err) != fault.Usage {
		t.Error(err)
	}
	if _, err := Classify(x, 0, nil, true); fault.KindOf(err) != fault.Usage {
		t.Error(err)
	}
}

// TestClassifyIsASort holds the k best against a sort of everything.
func TestClassifyIsASort(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	for range 200 {
		n := 1 + rng.IntN(50)
		v := make([]int64, n)
		order := make([]int, n)
		for i := range v {
			v[i], order[i] = int64(rng.IntN(20)), i
		}
		slices.SortStableFunc(order, func(a, b int) int { return int(v[b] - v[a]) })
		x, _ := tensor.FromInt64("y", tensor.Shape{int64(n)}, v)
		k := 1 + rng.IntN(n)
		got, err := Classify(x, k, nil, false)
		if err != nil {
			t.Fatal(err)
		}
		for i, s := range got.Strings {
			if want := fmt.Sprintf("%d:%d", v[order[i]], order[i]); s != want {
				t.Fatalf("%v: %q at %d, want %s", v, got.Strings, i, want)
			}
		}
	}
}
