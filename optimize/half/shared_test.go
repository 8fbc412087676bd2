package half

import (
	"math"
	"os"
	"path/filepath"
	"testing"

	"infer/model"
	"infer/model/dataset"
	"infer/model/engine"
	"infer/model/engine/enginetest"
	"infer/model/onnx"
	"infer/model/tensor"
	"infer/testdata/arch"
)

// convertCopy returns m converted; m itself stays as it is.
func convertCopy(t *testing.T, m *onnx.Model, o Options) (*onnx.Model, *Result) {
	t.Helper()
	c := m.Clone()
	r, err := Convert(c, nil, o)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Check(); err != nil {
		t.Fatalf("the converted model is not valid: %v", err)
	}
	if len(r.Kept) != r.Float {
		t.Errorf("%d nodes kept, %d reasons", r.Float, len(r.Kept))
	}
	return c, r
}

// open opens a model on the CPU.
func open(t *testing.T, m *model.Model) engine.Session {
	t.Helper()
	s, err := enginetest.CPU(t).Open(t.Context(), m, engine.Config{Threads: 1})
	if err != nil {
		t.Fatalf("the runtime refuses the model: %v", err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// outputs runs a session once.
func outputs(t *testing.T, s engine.Session, in []tensor.Tensor) []tensor.Tensor {
	t.Helper()
	out := make([]tensor.Tensor, len(s.Outputs()))
	if err := s.Run(t.Context(), in, out); err != nil {
		t.Fatal(err)
	}
	return out
}

// distance returns ‖a − b‖ / ‖b‖ over the float32 elements of two lists of outputs; other outputs must be equal.
func distance(t *testing.T, a, b []tensor.Tensor) float64 {
	t.Helper()
	var diff, norm float64
	for i := range b {
		if b[i].DType != tensor.Float32 {
			if !tensor.Equal(a[i], b[i]) {
				t.Errorf("output %d differs", i)
			}
			continue
		}
		x, err := tensor.Floats(a[i])
		if err != nil {
			t.Fatal(err)
		}
		y, err := tensor.Floats(b[i])
		if err != nil {
			t.Fatal(err)
		}
		if !a[i].Shape.Equal(b[i].Shape) {
			t.Fatalf("output %d has shape %s, want %s", i, a[i].Shape, b[i].Shape)
		}
		for j := range y {
			d := float64(x[j]) - float64(y[j])
			diff += d * d
			norm += float64(y[j]) * float64(y[j])
		}
	}
	return math.Sqrt(diff / max(norm, 1e-30))
}

// sharedModels is the folder of real models beside the checkout.
func sharedModels(t *testing.T) string {
	t.Helper()
	root := filepath.Join("..", "..", "..", "shared", "models")
	if _, err := os.Stat(root); err != nil {
		t.Skip("no folder shared/models beside the checkout")
	}
	return root
}

// load opens a model file.
func load(t *testing.T, path string) *model.Model {
	t.Helper()
	m, err := model.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return m
}

// TestRealModels converts every shared model and runs it. float16 has 11 significant bits, a relative error of 2⁻¹¹ =
// 0.0005 a rounding; errors of depth n add up to about 0.0005·√n of the norm, so 0.02 is ample for all of them.
func TestRealModels(t *testing.T) {
	root := sharedModels(t)
	for _, c := range []struct {
		path     string
		nodes    int // that compute in float16, at least
		bindings model.Bindings
		image    string    // of uint8 [n, channels, height, width]; "" for made-up inputs
		mean     []float32 // by channel, to be subtracted
	}{
		{path: "mnist-cnn/mnist-cnn.onnx", nodes: 13},
		{path: "mnist-cnn/mnist-cnn-dynamic.onnx", nodes: 13},
		{path: "squeezenet1.1/squeezenet1.1-fp32.onnx", nodes: 66, image: "squeezenet1.1/images_u8_bgr_nchw.npy", mean: []float32{104, 117, 124}},
		{path: "banking77-encoder/banking77-encoder.onnx", nodes: 140},
		{path: "yolox-nano/yolox-nano.onnx", nodes: 350, image: "yolox-nano/images_u8_bgr_nchw_416.npy", mean: make([]float32, 3)},
		{path: "silero-vad/silero-vad.onnx", nodes: 80, bindings: model.Bindings{Shapes: map[string]tensor.Shape{"input": {1, 576}}}},
		{path: "silero-vad/silero-vad-op18-ifless.onnx", nodes: 60, bindings: model.Bindings{Shapes: map[string]tensor.Shape{"input": {1, 576}}}},
		{path: "gtcrn/gtcrn-simple.onnx", nodes: 300},
		{path: "magika-v3.3/magika-v3.3.onnx", nodes: 50},
		{path: "micro-kws/micro-kws-fp32.onnx", nodes: 19},
		{path: "micro-kws/micro-kws-qdq.onnx"},
		{path: "micro-kws/micro-kws-qoperator.onnx"},
		{path: "adult-gbdt/adult-gbdt.onnx"},
		{path: "odd/legacy-ops-candy.onnx", nodes: 40},
	} {
		t.Run(filepath.Base(c.path), func(t *testing.T) {
			m := load(t, filepath.Join(root, c.path))
			bound, err := m.Bind(c.bindings)
			if err != nil {
				t.Fatal(err)
			}
			in, _, err := dataset.Random(m, bound.Shapes, 7)
			if err != nil {
				t.Fatal(err)
			}
			if c.image != "" {
				in[0] = picture(t, filepath.Join(root, c.image), in[0].Name, c.mean)
			}
			converted, r := convertCopy(t, m.Proto, DefaultOptions)
			t.Logf("%d nodes in float16, %d in float32, %d Casts, %d clamped, %d flushed", r.Nodes, r.Float, r.Casts, r.Clamped, r.Flushed)
			if r.Nodes < c.nodes {
				t.Errorf("%d nodes compute in float16, want %d", r.Nodes, c.nodes)
			}
			if c.nodes == 0 && r.Casts > 0 {
				t.Errorf("%d Casts in a model without a node to convert", r.Casts)
			}
			d := distance(t, outputs(t, open(t, model.New(converted)), in), outputs(t, open(t, m), in))
			t.Logf("distance %.5f", d)
			if !(d < 0.02) {
				t.Errorf("outputs differ by %.4f of their norm, want less than 0.02", d)
			}
		})
	}
}

// picture returns the first of the images in a file, less the mean of each channel.
func picture(t *testing.T, path, name string, mean []float32) tensor.Tensor {
	t.Helper()
	a, err := tensor.OpenNpy(path)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	row, err := a.Read(0, 1)
	if err != nil {
		t.Fatal(err)
	}
	f, err := tensor.Floats(row)
	if err != nil {
		t.Fatal(err)
	}
	for i := range f {
		f[i] -= mean[i/(len(f)/len(mean))]
	}
	x, err := tensor.FromFloat32(name, row.Shape, f)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

// TestState carries the state of a recurrent model through 100 runs in both precisions: errors must not build up.
func TestState(t *testing.T) {
	root := sharedModels(t)
	a, err := tensor.OpenNpy(filepath.Join(root, "silero-vad", "frames.npy"))
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	m := load(t, filepath.Join(root, "silero-vad", "silero-vad.onnx"))
	converted, _ := convertCopy(t, m.Proto, DefaultOptions)
	sessions := []engine.Session{open(t, m), open(t, model.New(converted))}
	states := []tensor.Tensor{}
	for range sessions {
		s, err := tensor.New("state", tensor.Float32, tensor.Shape{2, 1, 128})
		if err != nil {
			t.Fatal(err)
		}
		states = append(states, s)
	}
	rate, err := tensor.FromInt64("sr", nil, []int64{16000})
	if err != nil {
		t.Fatal(err)
	}
	worst := 0.0
	for i := range int64(100) {
		frame, err := a.Read(i, i+1)
		if err != nil {
			t.Fatal(err)
		}
		frame.Name, frame.Shape = "input", tensor.Shape{1, 576}
		var p [2]float64
		for k, s := range sessions {
			out := outputs(t, s, []tensor.Tensor{frame, states[k], rate})
			f, err := tensor.Floats(out[0])
			if err != nil {
				t.Fatal(err)
			}
			p[k], states[k] = float64(f[0]), out[1]
			states[k].Name = "state"
		}
		worst = max(worst, math.Abs(p[0]-p[1]))
	}
	t.Logf("largest difference of a probability %.5f", worst)
	if !(worst < 0.01) {
		t.Errorf("a probability differs by %.4f, want less than 0.01", worst)
	}
}

// TestAgreement compares the answers of classifiers on real data.
func TestAgreement(t *testing.T) {
	root := sharedModels(t)
	for _, c := range []struct {
		model, data string
		batch       int64
		share       float64
	}{
		{"banking77-encoder/banking77-encoder.onnx", "banking77-encoder/test", 64, 0.99},
		{"mnist-cnn/mnist-cnn-dynamic.onnx", "mnist-cnn/test", 100, 0.999},
		{"magika-v3.3/magika-v3.3.onnx", "magika-v3.3/test", 8, 0.99},
	} {
		t.Run(filepath.Base(c.model), func(t *testing.T) {
			m := load(t, filepath.Join(root, c.model))
			set, err := dataset.Open(filepath.Join(root, c.data), m.Inputs(), dataset.Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer set.Close()
			converted, _ := convertCopy(t, m.Proto, DefaultOptions)
			a, b := open(t, model.New(converted)), open(t, m)
			var same, rows int64
			end := min(set.Rows(), 1000)
			for lo := int64(0); lo < end; lo += c.batch {
				in, err := set.Batch(lo, min(lo+c.batch, end))
				if err != nil {
					t.Fatal(err)
				}
				got, err := tensor.ArgMax(outputs(t, a, in)[0])
				if err != nil {
					t.Fatal(err)
				}
				want, err := tensor.ArgMax(outputs(t, b, in)[0])
				if err != nil {
					t.Fatal(err)
				}
				for i := range want {
					rows++
					if got[i] == want[i] {
						same++
					}
				}
			}
			t.Logf("%d of %d rows agree", same, rows)
			if float64(same) < c.share*float64(rows) {
				t.Errorf("%d of %d rows agree, want %g", same, rows, c.share)
			}
		})
	}
}

// TestArchitectures converts generated models in every way: what the graph gives stays what it is.
func TestArchitectures(t *testing.T) {
	for _, c := range []struct {
		name  string
		m     *onnx.Model
		limit float64 // as in TestRealModels; random weights amplify errors through more layers
	}{
		{"ResNet-50", arch.ResNet50(), 0.05},
		{"MobileNetV2, any batch", arch.MobileNetV2(arch.WithSymbolicBatch()), 0.05},
		{"BERT-base, norms in pieces", arch.BERTBase(8, arch.WithDecomposedNorm()), 0.02},
		{"LSTM", arch.LSTM(5, 10, 20), 0.01},
		{"MatMul", arch.MatMulOne(2, 300, 4), 0.01},
		{"chain of Relu", arch.Chain("Relu", 20, 64), 0.01},
	} {
		t.Run(c.name, func(t *testing.T) {
			if testing.Short() && len(c.m.Graph.Nodes) > 100 {
				t.Skip("large")
			}
			m := model.New(c.m)
			bound, err := m.Bind(model.Bindings{})
			if err != nil {
				t.Fatal(err)
			}
			in, _, err := dataset.Random(m, bound.Shapes, 3)
			if err != nil {
				t.Fatal(err)
			}
			before, err := m.Digest()
			if err != nil {
				t.Fatal(err)
			}
			converted, r := convertCopy(t, c.m, DefaultOptions)
			if after, _ := m.Digest(); after != before {
				t.Error("the elements of the given model have changed")
			}
			if r.Nodes < 4*r.Float { // of the nine nodes of a norm in pieces four work on squares
				t.Errorf("%d nodes compute in float16, and %d do not", r.Nodes, r.Float)
			}
			d := distance(t, outputs(t, open(t, model.New(converted)), in), outputs(t, open(t, m), in))
			t.Logf("%d nodes in float16, %d in float32, %d Casts, distance %.5f", r.Nodes, r.Float, r.Casts, d)
			if !(d < c.limit) {
				t.Errorf("outputs differ by %.4f of their norm, want less than %g", d, c.limit)
			}
		})
	}
}
