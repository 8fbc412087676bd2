package dataset

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"infer/internal/fault"
	"infer/model"
	"infer/model/onnx"
	"infer/model/tensor"
)

// build makes a graph of ports and nodes, each node as "Op in1,in2 -> out".
func build(t *testing.T, ports []model.Port, inits []*onnx.Tensor, nodes ...string) *onnx.Graph {
	t.Helper()
	g := &onnx.Graph{Initializers: inits}
	for _, p := range ports {
		g.Inputs = append(g.Inputs, &onnx.ValueInfo{Name: p.Name, Type: p.Type})
	}
	for _, text := range nodes {
		f := strings.Fields(text)
		g.Nodes = append(g.Nodes, &onnx.Node{OpType: f[0], Inputs: strings.Split(f[1], ","), Outputs: strings.Split(f[3], ",")})
	}
	return g
}

func constant(t *testing.T, name string, d tensor.DType, s tensor.Shape, v ...int64) *onnx.Tensor {
	t.Helper()
	x, err := tensor.New(name, d, s)
	if d.IsInt() {
		x, err = tensor.FromInts(name, d, s, v)
	} else if err == nil && len(v) == 1 {
		tensor.EncodeFloats(x.Data, d, []float32{float32(v[0])})
	}
	c := &onnx.Tensor{Name: name}
	if err == nil {
		err = c.SetValue(x)
	}
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestRandomSuitsTheGraph(t *testing.T) {
	i64, f32 := tensor.Int64, tensor.Float32
	table := constant(t, "table", f32, tensor.Shape{7, 2})
	for _, c := range []struct {
		name   string
		port   model.Port
		inits  []*onnx.Tensor
		nodes  []string
		lo, hi float32 // the range of the values
		all    bool    // every value of the range occurs
	}{
		{"indices", port("ids", i64, 1, 400), []*onnx.Tensor{table}, []string{"Gather table,ids -> y"}, 0, 6, true},
		{"indices through a chain", port("ids", f32, 1, 400), []*onnx.Tensor{table, constant(t, "two", i64, nil, 2)},
			[]string{"Cast ids -> a", "Unsqueeze a -> b", "Reshape b -> c", "Add two,c -> d", "Gather table,d -> y"}, 0, 4, true},
		{"two tables", port("ids", i64, 1, 400), []*onnx.Tensor{table, constant(t, "small", f32, tensor.Shape{3, 2})},
			[]string{"Gather table,ids -> y", "Gather small,ids -> z"}, 0, 2, true},
		{"quantized table", port("ids", i64, 1, 400), []*onnx.Tensor{constant(t, "q", tensor.Int8, tensor.Shape{4, 1}, 1, 2, 3, 4)},
			[]string{"DequantizeLinear q -> table", "Gather table,ids -> y"}, 0, 3, true},
		{"indices of unknown bounds", port("i", i64, 40), nil, []string{"Relu x -> a", "Gather a,i -> y"}, 0, 0, true},
		{"gathered from", port("x", f32, 1, 400), nil, []string{"GatherElements x,i -> y"}, -6, 6, false},
		{"mask by name", port("attention_mask", i64, 1, 8), nil, nil, 1, 1, true},
		{"mask by use", port("m", i64, 1, 8), []*onnx.Tensor{constant(t, "one", f32, nil, 1)},
			[]string{"Cast m -> a", "Sub one,a -> b", "Mul b,c -> y"}, 1, 1, true},
		{"condition", port("c", tensor.Bool, 1, 8), nil, []string{"Where c,a,b -> y"}, 1, 1, true},
		{"padding mask", port("key_padding_mask", tensor.Bool, 1, 8), nil, nil, 0, 0, true},
		{"token types", port("token_type_ids", i64, 1, 8), []*onnx.Tensor{table}, []string{"Gather table,token_type_ids -> y"}, 0, 0, true},
		{"positions", port("position_ids", i64, 2, 7), []*onnx.Tensor{table}, []string{"Gather table,position_ids -> y"}, 0, 6, true},
		{"sample rate", port("sr", i64), []*onnx.Tensor{constant(t, "rate", i64, nil, 16000)}, []string{"Equal sr,rate -> y"}, 16000, 16000, true},
		{"one-hot by comparison", port("b", tensor.Int32, 1, 200), []*onnx.Tensor{constant(t, "classes", tensor.Int32, tensor.Shape{3}, 0, 1, 2)},
			[]string{"Expand b -> e", "Equal e,classes -> y"}, 0, 2, true},
		{"top k", port("k", i64, 1), nil, []string{"TopK x,k -> y,z"}, 1, 1, true},
		{"bytes", port("image", tensor.Uint8, 1, 100, 100), nil, nil, 0, 255, true},
		{"bool", port("b", tensor.Bool, 64), nil, nil, 0, 1, true},
		{"half", port("x", tensor.Float16, 100), nil, nil, -6, 6, false},
	} {
		m := &model.Model{Proto: &onnx.Model{Graph: build(t, []model.Port{c.port}, c.inits, c.nodes...)}}
		in, _, err := Random(m, nil, 1)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		v, _ := tensor.Floats(in[0])
		if slices.Min(v) < c.lo || slices.Max(v) > c.hi || c.all && (slices.Min(v) != c.lo || slices.Max(v) != c.hi) {
			t.Errorf("%s: values %v to %v, want %v to %v", c.name, slices.Min(v), slices.Max(v), c.lo, c.hi)
		}
		again, _, _ := Random(m, nil, 1)
		if !tensor.Equal(in[0], again[0]) {
			t.Errorf("%s: the same seed gives other values", c.name)
		}
		if other, _, _ := Random(m, nil, 2); c.lo != c.hi && c.name != "positions" && tensor.Equal(in[0], other[0]) {
			t.Errorf("%s: another seed gives the same values", c.name)
		}
		zero, _, err := Zeros(m, nil)
		z, _ := tensor.Floats(zero[0])
		if err != nil || slices.Max(z) > c.hi || slices.Min(z) < c.lo {
			t.Errorf("%s: zeros are %v to %v, %v", c.name, slices.Min(z), slices.Max(z), err)
		}
	}
}

func TestRandomLooksIntoSubgraphs(t *testing.T) {
	ids := port("ids", tensor.Int64, 1, 300)
	body := build(t, []model.Port{port("i", tensor.Int64), port("c", tensor.Bool), port("inner", tensor.Int64, 1, 300)}, nil, "Gather table,inner -> y")
	g := build(t, []model.Port{ids}, []*onnx.Tensor{constant(t, "table", tensor.Float32, tensor.Shape{5, 1})}, "Loop n,c,ids -> out")
	g.Nodes[0].Attrs = []*onnx.Attribute{{Name: "body", Type: onnx.AttrGraph, G: body}}
	in, _, err := Random(&model.Model{Proto: &onnx.Model{Graph: g}}, nil, 3)
	if err != nil {
		t.Fatal(err)
	}
	if v, _ := tensor.Int64s(in[0]); slices.Max(v) != 4 || slices.Min(v) != 0 {
		t.Errorf("indices %d to %d, want 0 to 4", slices.Min(v), slices.Max(v))
	}
}

func TestRandomShapes(t *testing.T) {
	a, b := port("a", tensor.Float32, "batch", "", 3), port("b", tensor.String, "batch")
	m := &model.Model{Proto: &onnx.Model{Graph: build(t, []model.Port{a, b}, nil)}}
	for _, c := range []struct {
		name   string
		shapes map[string]tensor.Shape
		want   []string
		notes  int
		err    string
	}{
		{"nothing given", nil, []string{"1x1x3", "1"}, 2, ""},
		{"one given", map[string]tensor.Shape{"a": {4, 5, 3}}, []string{"4x5x3", "4"}, 0, ""},
		{"by the other", map[string]tensor.Shape{"b": {2}}, []string{"2x1x3", "2"}, 1, ""},
		{"unknown input", map[string]tensor.Shape{"z": {1}}, nil, 0, "no input"},
		{"fixed axis", map[string]tensor.Shape{"a": {1, 1, 4}}, nil, 0, "takes float32 [batch, ?, 3]"},
		{"rank", map[string]tensor.Shape{"a": {1, 3}}, nil, 0, "takes float32"},
		{"two sizes of one axis", map[string]tensor.Shape{"a": {2, 1, 3}, "b": {3}}, nil, 0, `axis "batch" is 2`},
		{"too large", map[string]tensor.Shape{"a": {1 << 40, 1 << 40, 3}}, nil, 0, "too large"},
		{"larger than memory", map[string]tensor.Shape{"a": {1 << 40, 1, 3}}, nil, 0, "too large"},
	} {
		in, notes, err := Random(m, c.shapes, 1)
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
		for i := range in {
			if in[i].Shape.String() != c.want[i] || in[i].Check() != nil {
				t.Errorf("%s: %s has shape %s, want %s", c.name, in[i].Name, in[i].Shape, c.want[i])
			}
		}
		if len(notes) != c.notes {
			t.Errorf("%s: notes %q, want %d", c.name, notes, c.notes)
		}
	}
}

// An index of another input stays inside the shape that this is bound to.
func TestRandomIndexOfAnInput(t *testing.T) {
	m := &model.Model{Proto: &onnx.Model{Graph: build(t, []model.Port{port("x", tensor.Float32, "n", 2), port("i", tensor.Int64, 300)}, nil, "Gather x,i -> y")}}
	in, _, err := Random(m, map[string]tensor.Shape{"x": {4, 2}}, 1)
	if err != nil {
		t.Fatal(err)
	}
	if v, _ := tensor.Int64s(in[1]); slices.Max(v) != 3 {
		t.Errorf("indices up to %d, want 3", slices.Max(v))
	}
}

// Open takes "random" and "zeros" too, as one row.
func TestOpenRandom(t *testing.T) {
	ports := []model.Port{port("x", tensor.Float32, "batch", 3)}
	for _, source := range []string{"random", "zeros"} {
		s, err := Open(source, ports, Options{Seed: 1, Shapes: map[string]tensor.Shape{"x": {4, 3}}})
		if err != nil {
			t.Fatal(err)
		}
		in, err := s.Batch(0, 1)
		if err != nil || s.Rows() != 1 || in[0].Shape.String() != "4x3" || s.Shapes()["x"].String() != "4x3" {
			t.Errorf("%s: %d rows of %v, %v", source, s.Rows(), in, err)
		}
	}
}

// TestProtos reads a folder as the ONNX backend tests have them. The bytes are a TensorProto by hand: dims (field 1),
// data_type (2), name (8) and raw_data (9).
func TestProtos(t *testing.T) {
	dir := t.TempDir()
	for file, text := range map[string]string{
		"input_0.pb":  "\x08\x02\x10\x06\x4a\x08\x01\x00\x00\x00\x02\x00\x00\x00",
		"output_0.pb": "\x08\x01\x10\x06\x42\x01y\x4a\x04\x03\x00\x00\x00",
	} {
		if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	p := port("x", tensor.Int32, 2)
	for _, source := range []string{dir, filepath.Join(dir, "input_0.pb")} {
		s := open(t, source, p)
		in, err := s.Batch(0, 1)
		if err != nil || s.Rows() != 1 || in[0].Shape.String() != "2" || in[0].Data[4] != 2 {
			t.Errorf("%s: %v, %v", source, in, err)
		}
	}
	if y, ok, err := open(t, dir, p).Expected("y"); !ok || err != nil || y.Data[0] != 3 {
		t.Errorf("expected: %v %v %v", y, ok, err)
	}
}
