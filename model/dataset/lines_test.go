package dataset

import (
	"slices"
	"strings"
	"testing"

	"infer/internal/fault"
	"infer/model"
	"infer/model/onnx"
	"infer/model/tensor"
)

func TestLines(t *testing.T) {
	x, ids := port("x", tensor.Float32, "batch", 2), port("ids", tensor.Int32, "batch", "sequence")
	for _, c := range []struct {
		name  string
		ports []model.Port
		text  string
		shape string // of the first input of all rows
		last  float32
		err   string
	}{
		{"objects", []model.Port{x, ids}, `{"x": [1, 2], "ids": [7]}` + "\n\n" + `{"ids": [8], "x": [3, 4.5]}`, "2x2", 4.5, ""},
		{"inputs", []model.Port{x}, `{"inputs": {"x": [1, 2]}}`, "1x2", 2, ""},
		{"bare", []model.Port{x}, "[1, 2]\n[3, 4]", "2x2", 4, ""},
		{"batch axis", []model.Port{x}, "[[1, 2]]\n[[3, 4]]", "2x2", 4, ""},
		{"by the name input", []model.Port{x}, `{"input": [1, 2], "label": 3}`, "1x2", 2, ""},
		{"scalar", []model.Port{port("s", tensor.Int64, "batch")}, "5\n6", "2", 6, ""},
		{"bool", []model.Port{port("b", tensor.Bool, "batch")}, "true\nfalse", "2", 0, ""},
		{"whole inputs", []model.Port{port("x", tensor.Float32, "n", 2)}, "[[1,2],[3,4]]", "2x2", 4, ""},
		{"ragged", []model.Port{ids}, "[[1], [2, 3]]", "", 0, "ragged"},
		{"deeper", []model.Port{ids}, "[1, [2]]", "", 0, "ragged"},
		{"fraction", []model.Port{ids}, "[1.5]", "", 0, "1.5 is no int32"},
		{"range", []model.Port{ids}, "[4294967296]", "", 0, "does not fit int32"},
		{"null", []model.Port{x}, "[null, 1]", "", 0, "no float32"},
		{"too large", []model.Port{x}, "[1e300, 1]", "", 0, "no float32"},
		{"text", []model.Port{x}, `["a", "b"]`, "", 0, "no float32"},
		{"unknown name", []model.Port{x}, `{"z": [1, 2]}`, "", 0, `"z" is no input`},
		{"missing name", []model.Port{x, ids}, `{"x": [1, 2]}`, "", 0, `no value for the input "ids"`},
		{"bare with two", []model.Port{x, ids}, `[1, 2]`, "", 0, "bare value"},
		{"no JSON", []model.Port{x}, "[1, 2]\n[3,", "", 0, "line 2"},
		{"label missing", []model.Port{x}, `{"x":[1,2],"label":1}` + "\n" + `{"x":[1,2]}`, "", 0, "1 of 2 lines have no label"},
		{"width", []model.Port{x}, "[1, 2, 3]", "", 0, "takes float32 [batch, 2]"},
		{"width of a later line", []model.Port{x}, "[1, 2]\n[1, 2, 3]", "", 0, "line 2"},
		{"nothing", []model.Port{x}, "\n", "", 0, "no rows"},
		{"deep", []model.Port{x}, strings.Repeat("[", 5000), "", 0, "nested more than 64 deep"},
	} {
		s := &Set{ports: c.ports}
		err := s.readLines(strings.NewReader(c.text))
		if err == nil {
			err = s.settle(Options{})
		}
		if c.err != "" {
			if err == nil || !strings.Contains(err.Error(), c.err) || fault.ExitCode(err) != 2 {
				t.Errorf("%s: %v, want %q", c.name, err, c.err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		in, err := s.Batch(0, s.Rows())
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		v, _ := tensor.Floats(in[0])
		if in[0].Shape.String() != c.shape || v[len(v)-1] != c.last {
			t.Errorf("%s: %s %v, want %s ending in %v", c.name, in[0].Shape, v, c.shape, c.last)
		}
	}
}

func TestLinesOfDifferentLength(t *testing.T) {
	s := &Set{ports: []model.Port{port("ids", tensor.Int64, "batch", "sequence")}}
	if err := s.readLines(strings.NewReader("[1, 2]\n[3, 4, 5]")); err != nil {
		t.Fatal(err)
	}
	if err := s.settle(Options{}); err != nil {
		t.Fatal(err)
	}
	if in, err := s.Batch(1, 2); err != nil || in[0].Shape.String() != "1x3" {
		t.Errorf("the second row: %v, %v", in, err)
	}
	if _, err := s.Batch(0, 2); err == nil || !strings.Contains(fault.HintOf(err), "--batch 1") {
		t.Errorf("rows of different length in one batch: %v, want a hint at --batch 1", err)
	}
	text := &Set{ports: []model.Port{port("t", tensor.String, "batch", 1)}}
	if err := text.readLines(strings.NewReader(`["große Wörter"]`)); err != nil || !slices.Equal(text.columns[0].lines[0].Strings, []string{"große Wörter"}) {
		t.Error(err, text.columns)
	}
}

func FuzzLines(f *testing.F) {
	f.Add(`{"x": [[1, 2]], "label": 1}`)
	f.Add("[[[1],[2]]]\n[[[1]]]")
	f.Add(`{"inputs": {"x": ["a"]}}`)
	f.Fuzz(func(t *testing.T, text string) {
		for _, d := range []tensor.DType{tensor.Float32, tensor.Int4, tensor.Bool, tensor.String, tensor.Float16} {
			s := &Set{ports: []model.Port{{Name: "x", Type: &onnx.Type{Kind: onnx.KindTensor, DType: d}}}}
			if s.readLines(strings.NewReader(text)) != nil || s.settle(Options{}) != nil {
				continue
			}
			in, err := s.Batch(0, max(1, s.BatchSize()))
			if err != nil || in[0].Check() != nil {
				t.Fatalf("%q as %s: %v, %v", text, d, err, in)
			}
		}
	})
}
