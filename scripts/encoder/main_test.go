package main

import (
	"path/filepath"
	"testing"

	"infer/model"
)

func TestWrite(t *testing.T) {
	small := encoder{layers: 1, hidden: 64, tokens: 4, classes: 3, seed: 1}
	tests := []struct {
		name   string
		change func(*encoder)
		ok     bool
	}{
		{"dynamic batch", func(*encoder) {}, true},
		{"fixed batch", func(e *encoder) { e.batch = 2 }, true},
		{"no layers", func(e *encoder) { e.layers = 0 }, false},
		{"no classes", func(e *encoder) { e.classes = 0 }, false},
		{"half a head", func(e *encoder) { e.hidden = 96 }, false},
		{"more tokens than positions", func(e *encoder) { e.tokens = positions + 1 }, false},
		{"negative batch", func(e *encoder) { e.batch = -1 }, false},
	}
	for _, c := range tests {
		t.Run(c.name, func(t *testing.T) {
			e := small
			c.change(&e)
			path := filepath.Join(t.TempDir(), "encoder.onnx")
			err := e.write(path)
			if (err == nil) != c.ok {
				t.Fatalf("write: %v", err)
			}
			if !c.ok {
				return
			}
			m, err := model.Load(path)
			if err != nil {
				t.Fatal(err)
			}
			in, out := m.Inputs(), m.Outputs()
			if len(in) != 2 || in[0].Name != "input_ids" || in[1].Name != "attention_mask" || len(out) != 1 || out[0].Name != "logits" {
				t.Errorf("inputs %v, outputs %v", in, out)
			}
		})
	}
}
