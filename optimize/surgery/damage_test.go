package surgery

import (
	"context"
	"path/filepath"
	"slices"
	"testing"

	"infer/model"
	"infer/model/engine/enginetest"
	"infer/model/onnx"
	"infer/model/tensor"
)

// survives does everything to copies of m: nothing may panic, and what it leaves of a well-formed model without an error
// is well-formed.
func survives(t *testing.T, m *onnx.Model, from, to string, axis int64) {
	t.Helper()
	well := m.Check() == nil
	b := model.Bindings{Shapes: map[string]tensor.Shape{}, Dims: map[string]int64{}}
	var inputs []*onnx.ValueInfo
	if m.Graph != nil {
		inputs = m.Graph.Inputs
	}
	for _, v := range inputs {
		if v.Type == nil || !v.Type.HasShape {
			continue
		}
		shape := make(tensor.Shape, len(v.Type.Dims))
		for i, d := range v.Type.Dims {
			shape[i] = max(d.Size, axis&7)
		}
		b.Shapes[v.Name] = shape
	}
	for _, c := range []struct {
		name string
		edit func(m *onnx.Model) ([]string, error)
	}{
		{"fix", func(m *onnx.Model) ([]string, error) { return FixDims(m, b) }},
		{"free", func(m *onnx.Model) ([]string, error) { return FreeDims(m, Axis{Name: "batch"}) }},
		{"free it", func(m *onnx.Model) ([]string, error) {
			return FreeDims(m, Axis{Input: from, Index: int(axis), Name: "n"})
		}},
		{"extract", func(m *onnx.Model) ([]string, error) { return Extract(m, []string{from}, []string{to}) }},
		{"front", func(m *onnx.Model) ([]string, error) { return Extract(m, nil, []string{to}) }},
		{"back", func(m *onnx.Model) ([]string, error) { return Extract(m, []string{from}, nil) }},
		{"keep", func(m *onnx.Model) ([]string, error) { return KeepOutputs(m, to) }},
		{"drop", func(m *onnx.Model) ([]string, error) { return DropOutputs(m, to) }},
		{"ir", func(m *onnx.Model) ([]string, error) { return SetIR(m, 3+axis&15) }},
		{"down", func(m *onnx.Model) ([]string, error) { return Opset(context.Background(), m, 7+axis&15) }},
		{"up", func(m *onnx.Model) ([]string, error) { return Opset(context.Background(), m, 25) }},
	} {
		copied := m.Clone()
		if _, err := c.edit(copied); err == nil && well {
			if err := copied.Check(); err != nil {
				t.Fatalf("%s left a broken model: %v", c.name, err)
			}
		}
	}
}

// samples are models for the fuzzer to damage.
func samples() []*onnx.Model {
	return []*onnx.Model{
		chain(), conditional(), attention(),
		build(values(float("x", 1, 2, 6)), values(float("y", 1, 2, 6)), []*onnx.Node{op("Reshape", named("x", "t"), named("a")), op("Softmax", named("a"), named("b")), op("Reshape", named("b", "u"), named("y"))}, list1("t", 2, 6), list1("u", 1, 2, 6)),
		build(values(float("x", 1, 3, 4)), values(float("y", 1, 4, 4)), []*onnx.Node{op("Concat", named("c", "x"), named("y"), enginetest.Int("axis", 1))}, floats("c", 1, 1, 4)),
		build(values(float("x", 5, 1, 3)), values(float("y", 5, 1, 1, 2)), []*onnx.Node{op("LSTM", named("x", "w", "r", "", "", "h", "c"), named("y"))}, floats("w", 1, 8, 3), floats("r", 1, 8, 2), floats("h", 1, 1, 2), floats("c", 1, 1, 2)),
		build(values(float("x", 1, 2, 3, 4)), values(float("y", 1, 2, 6, 8)), []*onnx.Node{op("Resize", named("x", "", "", "s"), named("r")), op("Slice", named("r", "b", "e", "a"), named("l")), op("Expand", named("l", "s"), named("y"))},
			list1("s", 1, 2, 6, 8), list1("b", 0), list1("e", 1), list1("a", 0)),
		build(values(float("x", 2, 3, 8)), values(float("y")), []*onnx.Node{op("LayerNormalization", named("x", "s", "b"), named("a")), op("Gelu", named("a"), named("g")), op("GroupNormalization", named("g", "s", "b"), named("n")), op("Trilu", named("n"), named("y"))}, floats("s", 8), floats("b", 8)),
	}
}

// TestDamagedNodes takes each input, output and attribute of the samples away, and makes attributes absurd.
func TestDamagedNodes(t *testing.T) {
	for _, m := range samples() {
		for k, n := range m.Graph.Nodes {
			try := func(edit func(n *onnx.Node)) {
				c := m.Clone()
				edit(c.Graph.Nodes[k])
				for _, axis := range []int64{0, 1, 5} {
					survives(t, c, m.Graph.Inputs[0].Name, m.Graph.Outputs[0].Name, axis)
				}
			}
			try(func(*onnx.Node) {})
			for i := range n.Inputs {
				try(func(n *onnx.Node) { n.Inputs[i] = "" })
				try(func(n *onnx.Node) { n.Inputs = n.Inputs[:i] })
				try(func(n *onnx.Node) { n.Inputs[i] = n.Inputs[0] })
			}
			for i := range n.Outputs {
				try(func(n *onnx.Node) { n.Outputs[i] = "" })
				try(func(n *onnx.Node) { n.Outputs = n.Outputs[:i] })
			}
			for i := range n.Attrs {
				try(func(n *onnx.Node) { n.Attrs = slices.Delete(n.Attrs, i, i+1) })
				try(func(n *onnx.Node) { n.Attrs[i].I, n.Attrs[i].Ints, n.Attrs[i].G = -1<<63, []int64{1 << 62, -1}, nil })
			}
		}
		for i := range m.Graph.Initializers {
			for _, s := range []tensor.Shape{{}, {0}, {1 << 40, 0, 1}, {3, 3}} {
				c := m.Clone()
				v, err := tensor.New("", tensor.Int64, s)
				if err != nil {
					t.Fatal(err)
				}
				if err := c.Graph.Initializers[i].SetValue(v); err != nil {
					t.Fatal(err)
				}
				survives(t, c, m.Graph.Inputs[0].Name, m.Graph.Outputs[0].Name, 0)
			}
		}
	}
}

// TestOddModels: nothing panics on the odd models of testdata and shared, whatever can be read of them.
func TestOddModels(t *testing.T) {
	paths, _ := filepath.Glob("../../testdata/odd/*.onnx")
	shared, _ := filepath.Glob("../../../shared/models/odd/*.onnx")
	if len(paths) == 0 {
		t.Fatal("no odd models")
	}
	for _, path := range append(paths, shared...) {
		m, c, err := onnx.OpenFile(path)
		if err != nil {
			continue // a pointer, an empty file
		}
		if m.Graph == nil || len(m.Graph.Inputs) == 0 || len(m.Graph.Outputs) == 0 {
			survives(t, m, "x", "y", 0)
		} else {
			survives(t, m, m.Graph.Inputs[0].Name, m.Graph.Outputs[0].Name, 0)
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
}

// FuzzSurgery feeds damaged files and made-up names to everything.
func FuzzSurgery(f *testing.F) {
	for _, m := range samples() {
		b, err := onnx.Encode(m)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b, m.Graph.Inputs[0].Name, m.Graph.Outputs[0].Name, int64(1))
		f.Add(b, m.Graph.Nodes[0].Outputs[0], m.Graph.Outputs[0].Name, int64(-1))
	}
	f.Fuzz(func(t *testing.T, b []byte, from, to string, axis int64) {
		m, err := onnx.Decode(b)
		if err != nil || len(b) > 1<<16 {
			return
		}
		survives(t, m, from, to, axis)
	})
}

// FuzzAxis: what ParseAxis takes, it writes the same way.
func FuzzAxis(f *testing.F) {
	for _, s := range []string{"batch", "x:0=batch", "x:0:1=n", "=", "x:-9=n"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		a, err := ParseAxis(text)
		if err != nil {
			return
		}
		if again, err := ParseAxis(a.String()); err != nil || again != a {
			t.Errorf("%q is %+v, and %q is %+v, %v", text, a, a.String(), again, err)
		}
	})
}
