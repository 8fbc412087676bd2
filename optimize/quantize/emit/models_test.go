package emit

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"infer/model"
	"infer/model/engine"
	"infer/model/engine/enginetest"
	"infer/model/onnx"
	"infer/model/tensor"
)

// shared opens a model of the folder shared/models beside the checkout, or skips.
func shared(t *testing.T, path string) *onnx.Model {
	t.Helper()
	path = "../../../../shared/models/" + path
	if _, err := os.Stat(path); err != nil {
		t.Skip("no " + path)
	}
	m, err := model.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return m.Proto
}

// rows reads the first n rows of .npy files, in that many tensors of names.
func rows(t *testing.T, n int64, files map[string]string) []tensor.Tensor {
	t.Helper()
	var in []tensor.Tensor
	for name, path := range files {
		v, err := tensor.ReadNpy("../../../../shared/models/" + path)
		if err != nil {
			t.Fatal(err)
		}
		if v, err = tensor.Slice(v, 0, n); err != nil {
			t.Fatal(err)
		}
		v.Name = name
		in = append(in, v)
	}
	return in
}

// answers returns the index of the largest element of each row of the first output.
func answers(t *testing.T, m *onnx.Model, in []tensor.Tensor) []int64 {
	t.Helper()
	s, err := enginetest.CPU(t).Open(t.Context(), model.New(m), engine.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var all []int64
	for at, n := int64(0), tensor.Rows(in[0]); at < n; at += 8 {
		out := make([]tensor.Tensor, 1)
		if err := s.Run(t.Context(), part(t, in, at, min(at+8, n)), out); err != nil {
			t.Fatal(err)
		}
		classes, err := tensor.ArgMax(out[0])
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, classes...)
	}
	return all
}

// part returns rows of tensors.
func part(t *testing.T, in []tensor.Tensor, lo, hi int64) []tensor.Tensor {
	t.Helper()
	out := make([]tensor.Tensor, len(in))
	for i, v := range in {
		var err error
		if out[i], err = tensor.Slice(v, lo, hi); err != nil {
			t.Fatal(err)
		}
		out[i].Name = v.Name
	}
	return out
}

// agreement returns the share of answers that are the same.
func agreement(a, b []int64) float64 {
	same := 0
	for i := range a {
		if a[i] == b[i] {
			same++
		}
	}
	return float64(same) / float64(len(a))
}

// TestBanking77: a transformer keeps its answers.
func TestBanking77(t *testing.T) {
	float := shared(t, "banking77-encoder/banking77-encoder.onnx")
	in := rows(t, 512, map[string]string{
		"input_ids": "banking77-encoder/test/input_ids.npy", "attention_mask": "banking77-encoder/test/attention_mask.npy",
	})
	want := answers(t, float, in)
	four := DefaultWeightOptions
	four.Embeddings = true
	eight, refined := four, four
	eight.Bits, refined.Refine = 8, true
	for _, c := range []struct {
		name      string
		rewrite   func(*onnx.Model) ([]Decision, error)
		least     float64
		operators map[string]int
	}{
		// Three blocks of q, k and v on one activation each, o, f1 and f2; the classifier at last.
		{"dynamic", dynamically(DynamicOptions{Reduced: true, PerChannel: true, Embeddings: true}), 0.97,
			map[string]int{"MatMulIntegerToFloat": 9, "DynamicQuantizeMatMul": 10, "DynamicQuantizeLinear": 3}},
		{"dynamic per tensor", dynamically(DynamicOptions{Reduced: true}), 0.97, map[string]int{"MatMulIntegerToFloat": 9, "DynamicQuantizeMatMul": 10}},
		{"8 bits", weightOnlyWith(eight), 0.99, map[string]int{"MatMulNBits": 19}},
		{"4 bits", weightOnlyWith(four), 0.97, map[string]int{"MatMulNBits": 19}},
		{"4 bits, refined", weightOnlyWith(refined), 0.97, map[string]int{"MatMulNBits": 19}},
		{"stored", stored, 0.99, map[string]int{"DequantizeLinear": 0}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := try(t, float, part(t, in, 0, 8), c.rewrite)
			r.check(t, 10, c.operators)
			got := agreement(want, answers(t, r.model, in))
			t.Logf("agreement %.4f, %.1f dB, %d bytes of %d", got, r.sqnr[0], onnx.Size(r.model), onnx.Size(float))
			if got < c.least {
				t.Errorf("%.2f %% of the answers are the same, not %.0f %%", 100*got, 100*c.least)
			}
		})
	}
}

// TestClassifiers: convolutions and small heads keep their answers.
func TestClassifiers(t *testing.T) {
	eight := DefaultWeightOptions
	eight.Bits, eight.Store = 8, true
	for _, c := range []struct {
		model, input string
		rows         int64
	}{{"mnist-cnn/mnist-cnn-dynamic.onnx", "input.1", 500}, {"magika-v3.3/magika-v3.3.onnx", "bytes", 64}} {
		for _, r := range []struct {
			name    string
			rewrite func(*onnx.Model) ([]Decision, error)
			least   float64
		}{
			{"dynamic", dynamically(DynamicOptions{Reduced: true, PerChannel: true}), 0.98},
			{"8 bits", weightOnlyWith(eight), 0.99},
			{"stored", stored, 0.99},
		} {
			t.Run(filepath.Base(c.model)+", "+r.name, func(t *testing.T) {
				float := shared(t, c.model)
				in := rows(t, c.rows, map[string]string{c.input: filepath.Dir(c.model) + "/test/input.npy"})
				got := try(t, float, part(t, in, 0, 8), r.rewrite)
				got.check(t, 20, nil)
				if same := agreement(answers(t, float, in), answers(t, got.model, in)); same < r.least {
					t.Errorf("%.2f %% of the answers are the same", 100*same)
				}
			})
		}
	}
}

// spectrum returns a frame of the noisy speech of gtcrn, [1, 257, 1, 2], out of [1, 257, frames, 2].
func spectrum(t *testing.T, frame int) tensor.Tensor {
	t.Helper()
	all, err := tensor.ReadNpy("../../../../shared/models/gtcrn/mix_spec.npy")
	if err != nil {
		t.Fatal(err)
	}
	x, frames := floatsOf(t, all), int(all.Shape[2])
	var bins []float32
	for bin := range 257 {
		at := 2 * (bin*frames + frame)
		bins = append(bins, x[at:at+2]...)
	}
	v, err := tensor.FromFloat32("mix", tensor.Shape{1, 257, 1, 2}, bins)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// TestRecurrent: models of GRU and LSTM cells, the latter inside the branches of an If, keep their outputs.
func TestRecurrent(t *testing.T) {
	eight := DefaultWeightOptions
	eight.Bits, eight.Block, eight.Store = 8, 16, true
	rewrites := map[string]func(*onnx.Model) ([]Decision, error){
		"dynamic": dynamically(DynamicOptions{Reduced: true, PerChannel: true}), "8 bits": weightOnlyWith(eight), "stored": stored,
	}
	for name, rewrite := range rewrites {
		t.Run("gtcrn, "+name, func(t *testing.T) {
			m := shared(t, "gtcrn/gtcrn-simple.onnx")
			r := try(t, m, []tensor.Tensor{
				spectrum(t, 100), normal("conv_cache", 2, 0.1, 2, 1, 16, 16, 33),
				normal("tra_cache", 3, 0.1, 2, 3, 1, 1, 16), normal("inter_cache", 4, 0.1, 2, 1, 33, 16),
			}, rewrite)
			r.check(t, 15, map[string]int{"GRU": 14})

		})
		t.Run("silero, "+name, func(t *testing.T) {
			m := shared(t, "silero-vad/silero-vad-op18-ifless.onnx")
			frames := rows(t, 40, map[string]string{"input": "silero-vad/frames.npy"})[0]
			frames.Shape = tensor.Shape{40, 576}
			rate, err := tensor.FromInt64("sr", nil, []int64{16000})
			if err != nil {
				t.Fatal(err)
			}
			r := try(t, m, []tensor.Tensor{frames, rate, normal("state", 2, 0.1, 2, 40, 128)}, rewrite)
			r.check(t, 20, nil)
			if !slices.ContainsFunc(r.decisions, func(d Decision) bool { return d.Op == "Gemm" && d.Form != Float }) {
				t.Errorf("no Gemm inside the If was rewritten: %+v", r.decisions)
			}
		})
	}
}
