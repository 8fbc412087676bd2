package optimize

import (
	"fmt"
	"testing"

	"infer/model/engine/enginetest"
	"infer/model/onnx"
	"infer/model/tensor"
)

// TestSpaceToDepthStem holds the rewritten convolution against the original for kernels and pads of both parities.
func TestSpaceToDepthStem(t *testing.T) {
	for _, c := range []struct {
		kernel, begin, end, size int64
		applies                  bool
	}{
		{7, 3, 3, 16, true},  // ResNet
		{3, 1, 1, 16, true},  // MobileNet by PyTorch
		{3, 0, 1, 16, true},  // MobileNet by TensorFlow
		{6, 2, 2, 12, true},  // YOLO
		{5, 2, 2, 10, true},  //
		{3, 0, 0, 16, true},  // o = 7: it ends a block early, which needs no pad
		{3, 1, 1, 15, false}, // an odd size has no blocks
	} {
		t.Run(fmt.Sprintf("k%d_p%d_%d_%d", c.kernel, c.begin, c.end, c.size), func(t *testing.T) {
			w := make([]float32, 4*3*c.kernel*c.kernel)
			for i := range w {
				w[i] = float32(i%13) - 6
			}
			conv := enginetest.Node("Conv", enginetest.Names("x", "w"), enginetest.Names("y"))
			conv.Name = "conv"
			conv.Attrs = append(conv.Attrs, intsAttr("strides", 2, 2), intsAttr("pads", c.begin, c.begin, c.end, c.end))
			m := enginetest.Build(
				enginetest.Values(enginetest.Value("x", tensor.Float32, 1, 3, int(c.size), int(c.size))),
				enginetest.Values(enginetest.Value("y", tensor.Float32, 1, 4, "h", "w")), []*onnx.Node{conv},
				enginetest.Initializer(enginetest.Floats("w", tensor.Shape{4, 3, c.kernel, c.kernel}, w...)))
			after, results := prepared(t, m.Proto, []Pass{SpaceToDepthStem()}, 0)
			if got := results[0].Changed == 1; got != c.applies {
				t.Fatalf("applied: %v, want %v", got, c.applies)
			}
			alike(t, m, after, nil, 1e-4)
		})
	}
}
