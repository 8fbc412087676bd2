package ortformat_test

import (
	"flag"
	"os"
	"path/filepath"
	"testing"

	"infer/model"
	"infer/model/engine"
	"infer/model/engine/enginetest"
	"infer/model/ortformat"
)

var update = flag.Bool("update", false, "write the files of testdata again, with the ONNX Runtime that the tests use")

// TestSeeds: what ONNX Runtime writes today of the models that testdata was made from can be read. With -update it
// writes testdata.
func TestSeeds(t *testing.T) {
	cpu := enginetest.CPU(t)
	for _, name := range []string{"if", "loop", "map-output", "sequence-output", "string-io", "weight-input", "unsorted"} {
		m, err := model.Load(filepath.Join("../../testdata/odd", name+".onnx"))
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close()
		path := filepath.Join(t.TempDir(), name+".ort")
		s, err := cpu.Open(t.Context(), m, engine.Config{
			Threads: 1, OptLevel: engine.OptBasic, OptimizedModelPath: path, Entries: map[string]string{"session.save_model_format": "ORT"},
		})
		if err != nil {
			t.Fatal(err)
		}
		s.Close()
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		got, info, err := ortformat.Decode(b, nil)
		if err != nil || info.Version != 6 || len(got.Graph.Nodes) != len(m.Proto.Graph.Nodes) {
			t.Errorf("%s: %+v, %v", name, info, err)
		}
		if *update {
			if err := os.WriteFile(filepath.Join("testdata", name+".ort"), b, 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
}
