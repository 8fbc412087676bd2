package main

import (
	"path/filepath"
	"testing"

	"infer/model"
)

// TestModels: every generated model but the large ones is one that can be read.
func TestModels(t *testing.T) {
	dir := t.TempDir()
	for _, m := range models {
		if m.large || m.name == "resnet50" || m.name == "resnet50-batch" {
			continue
		}
		path := filepath.Join(dir, m.name+".onnx")
		if err := model.New(m.make()).Save(path, model.SaveOptions{}); err != nil {
			t.Fatal(err)
		}
		loaded, err := model.Load(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := loaded.Proto.Check(); err != nil {
			t.Errorf("%s: %v", m.name, err)
		}
		loaded.Close()
	}
}
