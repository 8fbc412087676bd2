package quantize

import (
	"slices"
	"testing"

	"infer/model/engine/enginetest"
	"infer/model/onnx"
	"infer/model/tensor"
)

func TestChannelSum(t *testing.T) {
	for _, c := range []struct {
		name   string
		axis   int
		values []tensor.Tensor
		mean   []float32
		max    []float32
	}{
		// Channels (1, 2, 7, 8), (3, 4, 9, -10), (5, 6, 11, 12): sums 18, 6, 34.
		{"in the middle", 1, []tensor.Tensor{enginetest.Floats("x", tensor.Shape{2, 3, 2}, 1, 2, 3, 4, 5, 6, 7, 8, 9, -10, 11, 12)}, []float32{4.5, 1.5, 8.5}, []float32{8, 10, 12}},
		{"at the end", -1, []tensor.Tensor{enginetest.Floats("x", tensor.Shape{2, 2}, 1, -2, 3, 4)}, []float32{2, 1}, []float32{3, 4}},
		{"over runs of several sizes", -1, []tensor.Tensor{
			enginetest.Floats("x", tensor.Shape{1, 2}, 1, 2), enginetest.Floats("x", tensor.Shape{3, 2}, 3, 4, 5, 6, 7, -12),
		}, []float32{4, 0}, []float32{7, 12}},
		{"what is infinite is left out of the maximum", 0, []tensor.Tensor{enginetest.Floats("x", tensor.Shape{2, 2}, inf, 1, 2, 2)}, nil, []float32{1, 2}},
		{"an axis that varies", -1, []tensor.Tensor{enginetest.Floats("x", tensor.Shape{1, 2}, 1, 2), enginetest.Floats("x", tensor.Shape{1, 3}, 9, 9, 9)}, []float32{1, 2}, []float32{1, 2}},
		{"no such axis", 2, []tensor.Tensor{enginetest.Floats("x", tensor.Shape{2}, 1, 2)}, []float32{}, nil},
		{"no elements", 0, []tensor.Tensor{enginetest.Floats("x", tensor.Shape{0, 2})}, []float32{}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := &channelSum{axis: c.axis}
			for _, v := range c.values {
				if err := s.add(v); err != nil {
					t.Fatal(err)
				}
			}
			got := s.stat()
			if c.mean != nil && !slices.Equal(got.Mean, c.mean) || !slices.Equal(got.Max, c.max) {
				t.Errorf("mean %v, largest %v; want %v, %v", got.Mean, got.Max, c.mean, c.max)
			}
		})
	}
	if err := (&channelSum{}).add(tensor.Tensor{DType: tensor.String, Shape: tensor.Shape{1}}); err == nil {
		t.Error("text has channels")
	}
}

// TestChannels: values between the nodes and inputs are seen alike, in more groups than one.
func TestChannels(t *testing.T) {
	names := []string{"x"}
	nodes := []*onnx.Node{}
	for range channelsAtOnce + 3 {
		next := names[len(names)-1] + "'"
		nodes = append(nodes, enginetest.Node("Neg", enginetest.Names(names[len(names)-1]), enginetest.Names(next)))
		names = append(names, next)
	}
	m := enginetest.Build(enginetest.Values(enginetest.Value("x", tensor.Float32, "batch", 2)), enginetest.Values(enginetest.Value(names[len(names)-1], tensor.Float32, "batch", 2)), nodes)
	k := task(t, m, map[string]tensor.Shape{"x": {1, 2}})
	q := newQuantizer(k, quick(Static), nil)
	q.fit = &memory{enginetest.Floats("x", tensor.Shape{2, 2}, 1, 10, 3, -20)} // means 2 and −5
	axes := map[string]int{}
	for _, n := range names {
		axes[n] = -1
	}
	got, err := q.channels(t.Context(), m.Proto, axes)
	if err != nil {
		t.Fatal(err)
	}
	for i, n := range names {
		sign := float32(1 - 2*(i%2))
		if s := got[n]; !slices.Equal(s.Mean, []float32{2 * sign, -5 * sign}) || !slices.Equal(s.Max, []float32{3, 20}) {
			t.Errorf("value %d has %+v", i, s)
		}
	}
}
