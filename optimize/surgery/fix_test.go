package surgery

import (
	"slices"
	"strings"
	"testing"

	"infer/internal/fault"
	"infer/model"
	"infer/model/engine/enginetest"
	"infer/model/onnx"
	"infer/model/tensor"
)

// attention is x·xᵀ of a batch of sequences, with a mask that shares their axes and an axis without a name.
func attention() *onnx.Model {
	any := float("u", "batch", 7)
	any.Type.Dims[1] = onnx.Dim{}
	m := build(values(float("x", "batch", "tokens", 4), float("mask", "batch", "tokens"), any),
		values(float("y", "batch", "tokens", "tokens"), float("z", "batch", "other")), []*onnx.Node{
			op("Transpose", named("x"), named("t"), ints("perm", 0, 2, 1)),
			op("MatMul", named("x", "t"), named("y")),
			op("ReduceSum", named("mask"), named("s")),
			op("Add", named("u", "s"), named("z")),
		})
	m.Graph.ValueInfo = values(float("t", "batch", 4, "tokens"))
	return m
}

func TestFixDims(t *testing.T) {
	for _, c := range []struct {
		name   string
		want   model.Bindings
		lines  string
		stated string // of x, mask, u, t, y, z
	}{
		{"by name", model.Bindings{Dims: map[string]int64{"batch": 2}}, `axis "batch" is 2`, "2 tokens 4|2 tokens|2 ?|2 4 tokens|2 tokens tokens|2 other"},
		{"by shape", model.Bindings{Shapes: map[string]tensor.Shape{"mask": {2, 8}}}, `axis "batch" is 2;axis "tokens" is 8`, "2 8 4|2 8|2 ?|2 4 8|2 8 8|2 other"},
		{"without a name", model.Bindings{Shapes: map[string]tensor.Shape{"u": {1, 3}}}, `axis "batch" is 1;axis 1 of input "u" is 3`, "1 tokens 4|1 tokens|1 3|1 4 tokens|1 tokens tokens|1 3"},
		{"all", model.Bindings{Shapes: map[string]tensor.Shape{"u": {2, 3}}, Dims: map[string]int64{"tokens": 5}}, `axis "batch" is 2;axis "tokens" is 5;axis 1 of input "u" is 3`, "2 5 4|2 5|2 3|2 4 5|2 5 5|2 3"},
		{"nothing", model.Bindings{}, "", "batch tokens 4|batch tokens|batch ?|batch 4 tokens|batch tokens tokens|batch other"},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := attention()
			lines, err := FixDims(m, c.want)
			if err != nil {
				t.Fatal(err)
			}
			valid(t, m)
			var stated []string
			for _, v := range slices.Concat(m.Graph.Inputs, m.Graph.ValueInfo, m.Graph.Outputs) {
				stated = append(stated, dims(v))
			}
			if got := strings.Join(stated, "|"); got != c.stated || strings.Join(lines, ";") != c.lines {
				t.Errorf("%s, %q\nwant %s, %q", got, lines, c.stated, c.lines)
			}
			same(t, m, attention(), nil) // on inputs of the fixed shapes
		})
	}
}

// TestFixChangesBatch: another size for a fixed first axis goes through a dynamic one.
func TestFixChangesBatch(t *testing.T) {
	m := build(values(float("x", 1, 2, 6), float("m", 1, 6)), values(float("y", 1, 3, 4)), []*onnx.Node{op("Add", named("x", "m"), named("a")), op("Reshape", named("a", "t"), named("y"))}, list1("t", 1, 3, 4))
	_, err := FixDims(m.Clone(), model.Bindings{Shapes: map[string]tensor.Shape{"x": {4, 2, 6}, "m": {4, 6}}})
	refused(t, err, fault.Unsupported, "change the size of the first axis", "") // [4, 6] does not stand for rows of [4, 2, 6]
	if _, err := FixDims(m, model.Bindings{Shapes: map[string]tensor.Shape{"x": {4, 2, 6}}}); err != nil {
		t.Fatal(err)
	}
	valid(t, m)
	if got := dims(m.Graph.Inputs[0]) + "|" + dims(m.Graph.Outputs[0]); got != "4 2 6|4 3 4" {
		t.Error(got)
	}
	run(t, m, random(t, m, nil))
}

func TestFixRefuses(t *testing.T) {
	for _, c := range []struct {
		name       string
		want       model.Bindings
		says, hint string
	}{
		{"an axis that is misspelt", model.Bindings{Dims: map[string]int64{"token": 2}}, `no dynamic axis is called "token"`, "did you mean tokens?"},
		{"an input that is misspelt", model.Bindings{Shapes: map[string]tensor.Shape{"maks": {1, 1}}}, `no input is called "maks"`, "did you mean mask?"},
		{"a fixed axis", model.Bindings{Shapes: map[string]tensor.Shape{"x": {1, 1, 5}}}, `axis 2 of input "x" is fixed at 4`, "the input takes"},
		{"another rank", model.Bindings{Shapes: map[string]tensor.Shape{"x": {1, 1}}}, "has 3 axes", ""},
		{"two sizes", model.Bindings{Shapes: map[string]tensor.Shape{"x": {1, 2, 4}, "mask": {1, 3}}}, `axis "tokens" is 2`, "one size"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := FixDims(attention(), c.want)
			refused(t, err, fault.Usage, c.says, c.hint)
		})
	}
	m := build(values(float("x", "n")), values(float("y", "n")), []*onnx.Node{op("Add", named("x", "w"), named("y"))}, floats("w", 4))
	_, err := FixDims(m, model.Bindings{Dims: map[string]int64{"n": 3}})
	refused(t, err, fault.Usage, `the model contradicts these sizes: node "y" (Add) does not take "x" of 3, "w" of 4`, "sizes that fit")
	m = build(values(float("x", 1)), values(float("y", 1)), []*onnx.Node{op("Relu", named("x"), named("y"))})
	_, err = FixDims(m, model.Bindings{Dims: map[string]int64{"n": 3}})
	refused(t, err, fault.Usage, "no named dynamic axes", "--shape")
}

func TestParseAxis(t *testing.T) {
	for text, want := range map[string]Axis{
		"batch":                   {Name: "batch"},
		"x:0=batch":               {Input: "x", Name: "batch"},
		"serving_default_x:0:1=n": {Input: "serving_default_x:0", Index: 1, Name: "n"},
		"a=b:-1=n_2":              {Input: "a=b", Index: -1, Name: "n_2"},
	} {
		if got, err := ParseAxis(text); err != nil || got != want {
			t.Errorf("%q: %+v, %v", text, got, err)
		}
	}
	for text, want := range map[string]string{
		"": "names no axis", "x:0": "names no axis", "x=batch": "no input and axis", ":0=batch": "no input and axis", "x:y=batch": `"y" is no axis`,
		"x:0=": "needs a name", "x:0=2": `called "2"`, "a b": `called "a b"`, "x:0=" + strings.Repeat("a", 65): "needs a name",
	} {
		_, err := ParseAxis(text)
		refused(t, err, fault.Usage, want, "")
	}
}

// TestCustomOperators: what nobody knows does not keep the rest from being fixed, cut and written.
func TestCustomOperators(t *testing.T) {
	m := build(values(float("x", "n", 2)), values(float("y", "n", 2)), []*onnx.Node{{Name: "c", OpType: "Op", Domain: "own", Inputs: named("x"), Outputs: named("c")}, op("Relu", named("c"), named("y"))})
	m.Opsets = append(m.Opsets, onnx.Opset{Domain: "own", Version: 1})
	if _, err := FixDims(m, model.Bindings{Dims: map[string]int64{"n": 3}}); err != nil || dims(m.Graph.Outputs[0]) != "3 2" {
		t.Errorf("%v: %s", err, dims(m.Graph.Outputs[0]))
	}
	if _, err := Opset(t.Context(), m, 13); err != nil || m.Opset("own") != 1 {
		t.Error(err)
	}
	m.Graph.ValueInfo = values(enginetest.Value("c", tensor.Float32, 3, 2))
	if _, err := Extract(m, named("c"), nil); err != nil || m.Opset("own") != 0 || dims(m.Graph.Inputs[0]) != "3 2" {
		t.Errorf("%v: imports %v", err, m.Opsets)
	}
}
