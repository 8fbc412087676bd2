package emit

import (
	"path/filepath"
	"testing"

	"infer/model"
	"infer/model/engine"
	"infer/model/engine/enginetest"
	"infer/model/onnx"
	"infer/model/tensor"
	"infer/optimize"
	"infer/optimize/quantize/affine"
)

// prepared returns a model as quantization prepares it.
func prepared(t *testing.T, p engine.Provider, path string) *onnx.Model {
	t.Helper()
	m := shared(t, path).Clone()
	if _, err := optimize.Run(t.Context(), &optimize.Work{Model: m, Provider: p, Opset: max(17, m.Opset(""))}, optimize.Prepare()); err != nil {
		t.Fatal(err)
	}
	return m
}

// TestSharedModels: real models open in their static form, become what was predicted, and keep their outputs. Inputs are
// random where no files are named.
func TestSharedModels(t *testing.T) {
	p := enginetest.CPU(t)
	for _, c := range []struct {
		path  string
		files map[string]string
		seeds int
		least float64 // dB
	}{
		// Three blocks of q, k, v, o, f1 and f2; the classifier.
		{"banking77-encoder/banking77-encoder.onnx", map[string]string{
			"input_ids": "banking77-encoder/test/input_ids.npy", "attention_mask": "banking77-encoder/test/attention_mask.npy"}, 19, 30},
		{"mnist-cnn/mnist-cnn.onnx", nil, 5, 25},
		{"mnist-cnn/mnist-cnn-dynamic.onnx", map[string]string{"input.1": "mnist-cnn/test/input.npy"}, 5, 30},
		{"magika-v3.3/magika-v3.3.onnx", map[string]string{"bytes": "magika-v3.3/test/input.npy"}, 3, 50},
		{"micro-kws/micro-kws-fp32.onnx", nil, 6, 50},
		{"gtcrn/gtcrn-simple.onnx", nil, 23, 25},
		{"silero-vad/silero-vad-op18-ifless.onnx", map[string]string{"input": "silero-vad/frames.npy"}, 0, 0},
		{"squeezenet1.1/squeezenet1.1-fp32.onnx", nil, 26, 20},
		// Sigmoid and Mul behind nearly every Conv, and outputs of boxes, objectness and classes in one tensor.
		{"yolox-nano/yolox-nano.onnx", map[string]string{"images": "yolox-nano/images_u8_bgr_nchw_416.npy"}, 113, 5},
		{"odd/legacy-ops-candy.onnx", nil, 14, 5},
	} {
		t.Run(filepath.Base(c.path), func(t *testing.T) {
			if testing.Short() && filepath.Dir(c.path) == "odd" {
				t.Skip("a large image")
			}
			m := prepared(t, p, c.path)
			in := inputs(t, m, c.files)
			q, plan, e := quantize(t, p, m, target(t, "cpu:avx2"), in)
			l, err := Check(t.Context(), p, engine.Config{Threads: 1}, model.New(q), e.Decisions)
			if err != nil {
				t.Fatal(err)
			}
			db := affine.SQNR(floatsOf(t, run(t, p, m, in)[0]), floatsOf(t, run(t, p, q, in)[0]))
			t.Logf("%d of %d nodes with weights, %d integer kernels, %.1f dB, %d pairs stay", len(plan.Seeds()), len(plan.Seeds())+len(plan.Left), l.Fused, db, l.Islands)
			if len(plan.Seeds()) != c.seeds {
				t.Errorf("%d nodes with weights are quantized, not %d: %v", len(plan.Seeds()), c.seeds, plan.Left)
			}
			if l.Fused != l.Predicted {
				t.Errorf("%d of %d predictions came true: %v", l.Fused, l.Predicted, l.Mismatches)
			}
			if !(db >= c.least) {
				t.Errorf("%.1f dB are kept, not %.0f", db, c.least)
			}
		})
	}
}

// inputs returns the first row of files, or random numbers.
func inputs(t *testing.T, m *onnx.Model, files map[string]string) []tensor.Tensor {
	t.Helper()
	if files != nil {
		in := rows(t, 1, files)
		if in[0].Name == "input" { // silero-vad: one frame, the rate and the state
			in[0].Shape = tensor.Shape{1, 576}
			return append(in, enginetest.Int64s("sr", tensor.Shape{}, 16000), normal("state", 2, 0.1, 2, 1, 128))
		}
		for i, v := range in {
			if v.DType != tensor.Uint8 {
				continue
			}
			x := make([]float32, len(v.Data))
			for j, b := range v.Data {
				x[j] = float32(b)
			}
			in[i], _ = tensor.FromFloat32(v.Name, v.Shape, x)
		}
		return in
	}
	return random(t, m)
}
