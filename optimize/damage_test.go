package optimize

import (
	"context"
	"fmt"
	"path/filepath"
	"runtime/debug"
	"testing"

	"infer/model"
	"infer/model/onnx"
	"infer/model/tensor"
)

// every returns all passes, and once more what could not be folded before them.
func every() []Pass { return append(All(), nameNodes(), foldConstants()) }

// samples returns models on which each pass has something to do.
func samples() []*onnx.Model {
	x := float("x", 2, 4, 5, 5)
	list := append(moves(), []*onnx.Model{
		chain().Proto, subgraphModel().Proto,
		normalized(x, 6, node("Conv", names("x", "w"), names("a"), intAttr("group", 2)), f32("w", 6, 2, 3, 3)).Proto,
		normalized(x, 6, node("ConvTranspose", names("x", "w", "b"), names("a"), intAttr("group", 2)), f32("w", 4, 3, 2, 2), f32("b", 6)).Proto,
		normalized(float("x", 3, 4), 5, node("Gemm", names("x", "w", "c"), names("a"), floatAttr("alpha", 0.5), intAttr("transB", 1)), f32("w", 5, 4), f32("c", 5)).Proto,
		normalized(float("x", 3, 4), 5, node("MatMul", names("x", "w"), names("a")), f32("w", 4, 5)).Proto,
		normParts(18, []int64{-1}, nil).Proto,
		build(values(float("x", 5, 4)), values(untyped("q"), untyped("k")), []*onnx.Node{node("MatMul", names("x", "wq"), names("a")), node("MatMul", names("x", "wk"), names("b")),
			node("Add", names("a", "bq"), names("q")), node("Add", names("b", "bk"), names("k"))}, f32("wq", 4, 6), f32("wk", 4, 3), f32("bq", 6), f32("bk", 3)).Proto,
		build(values(x), values(untyped("y")), []*onnx.Node{node("Div", names("x", "r"), names("d")), node("Erf", names("d"), names("e")), node("Add", names("e", "one"), names("s")),
			node("Mul", names("x", "s"), names("m")), node("Mul", names("m", "half"), names("y"))}, scalar("r", 1.4142135), scalar("one", 1), scalar("half", 0.5)).Proto,
		build(values(x), values(untyped("y")), []*onnx.Node{node("Relu", names("x"), names("a")), node("Clip", names("a", "lo", "hi"), names("y"))}, scalar("lo", -1), scalar("hi", 1)).Proto,
		build(values(x), values(untyped("y")), []*onnx.Node{node("Conv", names("x", "w"), names("a")), node("Mul", names("k", "a"), names("y"))}, f32("w", 6, 4, 3, 3), f32("k", 6, 1, 1)).Proto,
		at(7, build(values(float("x", 1, 3, 4, 6)), values(untyped("y")), []*onnx.Node{
			node("Upsample", names("x"), names("u"), floatsAttr("scales", 1, 1, 2, 2)), node("Slice", names("u"), names("s"), intsAttr("starts", 0), intsAttr("ends", 1)),
			node("Clip", names("s"), names("c"), floatAttr("min", 0)), node("Pad", names("c"), names("p"), intsAttr("pads", 0, 0, 0, 0, 0, 0, 0, 0), floatAttr("value", 1)),
			node("Softmax", names("p"), names("t")), node("ImageScaler", names("t"), names("i"), floatsAttr("bias", 1, 2, 3)), node("Crop", names("i"), names("r"), intsAttr("border", 0, 0, 1, 1)),
			node("TopK", names("r"), names("y", "at"), intAttr("k", 1))})).Proto,
	}...)
	for _, c := range foldTests() {
		list = append(list, c.model.Proto)
	}
	return append(list, fusions()...)
}

// fusions returns models for the passes that make one node of several.
func fusions() []*onnx.Model {
	x, rows := float("x", 2, 4, 5, 5), float("x", 3, 4)
	out := values(untyped("y"))
	return []*onnx.Model{
		attentionModel(float("x", 2, 5, 4), nil).Proto,
		build(values(x), out, []*onnx.Node{two("Mul", "x", "k", "m"), node("Pad", names("m", "pads"), names("p")), node("Conv", names("p", "w"), names("c")), two("Sub", "k2", "c", "y")},
			i64("pads", 0, 0, 1, 1, 0, 0, 1, 1), f32("w", 6, 4, 3, 3), f32("k", 4, 1, 1), f32("k2", 6, 1, 1)).Proto,
		build(values(x), out, []*onnx.Node{node("Relu", names("x"), names("r")), node("Pad", names("r", "pads", "", "axes"), names("p")), node("MaxPool", names("p"), names("y"), intsAttr("kernel_shape", 3, 3))},
			i64("pads", 1, 1, 1, 1), i64("axes", -1, -2)).Proto,
		build(values(float("x", 4, 3)), out, []*onnx.Node{node("Transpose", names("x"), names("t")), two("MatMul", "t", "w", "p"), two("Add", "p", "b", "s"), two("Div", "s", "k", "y")},
			f32("w", 4, 5), f32("b", 5), scalar("k", 3)).Proto,
		build(values(rows), out, []*onnx.Node{two("Add", "x", "k", "a"), two("Sub", "k", "a", "b"), node("Neg", names("b"), names("n")), two("Add", "n", "x", "c"), node("Cast", names("c"), names("d"), intAttr("to", 11)),
			node("Cast", names("d"), names("e"), intAttr("to", 10)), node("Cast", names("e"), names("f"), intAttr("to", 1)), two("Max", "f", "k", "g"), two("Max", "k", "g", "y")}, scalar("k", 3)).Proto,
		at(20, build(values(rows), out, []*onnx.Node{node("Pow", names("x", "3"), names("q")), two("Mul", "q", "c", "r"), two("Add", "x", "r", "p"), two("Mul", "p", "k", "u"), node("Tanh", names("u"), names("h")),
			two("Add", "1", "h", "s"), two("Mul", "x", "half", "m"), two("Mul", "m", "s", "y")}, scalar("3", 3), scalar("c", 0.044715), scalar("k", 0.7978846), scalar("1", 1), scalar("half", 0.5))).Proto,
		at(14, build(values(rows), out, []*onnx.Node{two("Add", "x", "3", "s"), node("Clip", names("s", "0", "6"), names("c")), two("Mul", "x", "c", "m"), two("Div", "m", "6", "y")}, scalar("3", 3), scalar("0", 0), scalar("6", 6))).Proto,
		at(23, build(values(rows), out, []*onnx.Node{two("Mul", "x", "x", "q"), node("ReduceMean", names("q", "axes"), names("v")), two("Add", "v", "eps", "e"), node("Sqrt", names("e"), names("d")), two("Div", "x", "d", "n"), two("Mul", "n", "w", "y")},
			i64("axes", -1), scalar("eps", 1e-5), f32("w", 4))).Proto,
		at(18, build(values(rows), out, []*onnx.Node{node("Softplus", names("x"), names("p")), node("Tanh", names("p"), names("h")), two("Mul", "x", "h", "y")})).Proto,
	}
}

// survives runs passes one by one on a copy of m: none may panic, and a model that was well-formed stays so, whether
// the pass fails or not.
func survives(t *testing.T, m *onnx.Model) {
	t.Helper()
	valid := m.Check() == nil
	w := &Work{Model: m.Clone(), Opset: 21}
	for _, p := range every() {
		_, err := p.Run(context.Background(), w)
		w.Touch()
		if broken := w.Model.Check(); valid && broken != nil {
			t.Fatalf("%s, which returned %v, left a broken model: %v", p.Name, err, broken)
		}
	}
}

// TestDamagedNodes takes away, one at a time, each input, output, attribute and initializer of models that the passes
// work on, makes attributes absurd and lets constants be empty.
func TestDamagedNodes(t *testing.T) {
	for i, m := range samples() {
		survives(t, m)
		for k := range m.Graph.Nodes {
			for j := range m.Graph.Nodes[k].Inputs {
				damaged(t, fmt.Sprintf("model %d, node %d, input %d", i, k, j), m, func(c *onnx.Node) { c.Inputs[j] = "" }, k)
				damaged(t, fmt.Sprintf("model %d, node %d, inputs from %d", i, k, j), m, func(c *onnx.Node) { c.Inputs = c.Inputs[:j] }, k)
				damaged(t, fmt.Sprintf("model %d, node %d, input %d again", i, k, j), m, func(c *onnx.Node) { c.Inputs[j] = c.Inputs[0] }, k)
			}
			for j := range m.Graph.Nodes[k].Outputs {
				damaged(t, fmt.Sprintf("model %d, node %d, output %d", i, k, j), m, func(c *onnx.Node) { c.Outputs[j] = "" }, k)
				damaged(t, fmt.Sprintf("model %d, node %d, outputs from %d", i, k, j), m, func(c *onnx.Node) { c.Outputs = c.Outputs[:j] }, k)
			}
			for j := range m.Graph.Nodes[k].Attrs {
				damaged(t, fmt.Sprintf("model %d, node %d, attribute %d", i, k, j), m, func(c *onnx.Node) { c.Attrs = append(c.Attrs[:j:j], c.Attrs[j+1:]...) }, k)
				damaged(t, fmt.Sprintf("model %d, node %d, attribute %d absurd", i, k, j), m, func(c *onnx.Node) {
					c.Attrs[j].I, c.Attrs[j].Ints, c.Attrs[j].Floats, c.Attrs[j].T = -1<<63, []int64{1 << 62, -1}, nil, nil
				}, k)
			}
		}
		for j := range m.Graph.Initializers {
			for _, s := range []tensor.Shape{{}, {0}, {1 << 40, 0, 1}, {0, 3, 3, 3}} {
				c := m.Clone()
				v, err := tensor.New("", tensor.Float32, s)
				if err != nil {
					t.Fatal(err)
				}
				if err := c.Graph.Initializers[j].SetValue(v); err != nil {
					t.Fatal(err)
				}
				survives(t, c)
			}
			c := m.Clone()
			c.Graph.Initializers = append(c.Graph.Initializers[:j:j], c.Graph.Initializers[j+1:]...)
			survives(t, c)
		}
	}
}

// damaged runs the passes on a copy of m whose k-th node f has changed.
func damaged(t *testing.T, what string, m *onnx.Model, f func(n *onnx.Node), k int) {
	t.Helper()
	c := m.Clone()
	f(c.Graph.Nodes[k])
	defer func() {
		if r := recover(); r != nil {
			t.Errorf("%s: panic: %v %s", what, r, debug.Stack())
		}
	}()
	survives(t, c)
}

// TestOddModels: the passes do not break what they cannot help.
func TestOddModels(t *testing.T) {
	paths, err := filepath.Glob("../testdata/odd/*.onnx")
	if err != nil {
		t.Fatal(err)
	}
	if len(paths) < 15 {
		t.Fatalf("%d models", len(paths))
	}
	for _, path := range paths {
		t.Run(filepath.Base(path), func(t *testing.T) {
			m, c, err := onnx.OpenFile(path)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			survives(t, m)
			loaded, err := model.Load(path)
			if err != nil {
				return // TestDamage of the core says why
			}
			defer loaded.Close()
			switch filepath.Base(path) {
			case "unknown-op.onnx", "external.onnx":
				return // the runtime does not take it; a copy in memory does not know where its data lie
			}
			after, _ := prepared(t, loaded.Proto, every(), 21)
			alike(t, loaded, after, nil, 0)
		})
	}
}

// FuzzPasses feeds damaged files to all passes.
func FuzzPasses(f *testing.F) {
	for _, m := range samples() {
		b, err := onnx.Encode(m)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := onnx.Decode(b)
		if err != nil || len(b) > 1<<16 {
			return
		}
		survives(t, m)
	})
}
