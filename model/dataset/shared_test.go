package dataset

import (
	"os"
	"path/filepath"
	"testing"

	"infer/model"
	"infer/model/tensor"
)

// The shared models are real ones with data sets in this form, where a folder `shared` lies beside the checkout.
func TestSharedDataSets(t *testing.T) {
	root := filepath.Join("..", "..", "..", "shared", "models")
	if _, err := os.Stat(root); err != nil {
		t.Skip("no folder shared/models beside the checkout")
	}
	for _, c := range []struct {
		model, data string
		rows, batch int64
		shapes      map[string]string
		labels      bool
	}{
		{"mnist-cnn/mnist-cnn.onnx", "mnist-cnn/test", 1000, 1, map[string]string{"input.1": "1x1x28x28"}, true},
		{"mnist-cnn/mnist-cnn-dynamic.onnx", "mnist-cnn/calib", 200, 0, map[string]string{"input.1": "1x1x28x28"}, false},
		{"banking77-encoder/banking77-encoder.onnx", "banking77-encoder/test", 3080, 0,
			map[string]string{"input_ids": "1x48", "attention_mask": "1x48"}, true},
		{"magika-v3.3/magika-v3.3.onnx", "magika-v3.3/test", 152, 0, map[string]string{"bytes": "1x2048"}, true},
		{"iris-rf/iris-rf.onnx", "iris-rf/test", 150, 0, map[string]string{"X": "1x4"}, true},
	} {
		m, err := model.Load(filepath.Join(root, c.model))
		if err != nil {
			t.Fatal(err)
		}
		s := open(t, filepath.Join(root, c.data), m.Inputs()...)
		_, labels := s.Labels()
		if s.Rows() != c.rows || s.BatchSize() != c.batch || labels != c.labels {
			t.Errorf("%s: %d rows, batch %d, labels %v", c.data, s.Rows(), s.BatchSize(), labels)
		}
		for name, want := range c.shapes {
			if got := s.Shapes()[name].String(); got != want {
				t.Errorf("%s: %s has shape %s, want %s", c.data, name, got, want)
			}
		}
		if _, err := s.Batch(0, max(1, s.BatchSize())); err != nil {
			t.Error(err)
		}
		m.Close()
	}
}

// The sample rate of the speech model is compared with a constant, and its branches take other shapes than its own.
func TestSharedRandom(t *testing.T) {
	path := filepath.Join("..", "..", "..", "shared", "models", "silero-vad", "silero-vad.onnx")
	if _, err := os.Stat(path); err != nil {
		t.Skip("no folder shared/models beside the checkout")
	}
	m, err := model.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	in, _, err := Random(m, map[string]tensor.Shape{"input": {1, 576}}, 1)
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range in {
		if x.Name == "sr" {
			if v, _ := tensor.Int64s(x); v[0] != 16000 {
				t.Errorf("sr is %d, want 16000", v[0])
			}
		}
	}
}
