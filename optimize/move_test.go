package optimize

import (
	"path/filepath"
	"slices"
	"testing"

	"infer/model"
	"infer/model/engine/enginetest"
	"infer/model/onnx"
	"infer/model/tensor"
	"infer/testdata/arch"
)

// moves returns models for the passes that change how data are moved, shapes and branches.
func moves() []*onnx.Model {
	x, dynamic := float("x", 2, 3, 4), float("x", "n", 3, 4)
	turn := func(perm ...int64) *onnx.Node { return then("Transpose", nil, intsAttr("perm", perm...)) }
	return []*onnx.Model{
		inRow(x, sequence(then("Reshape", names("6,4")), then("Flatten", nil), then("Relu", nil), then("Squeeze", names("none")), then("Unsqueeze", names("0")),
			then("Unsqueeze", names("-1")), turn(1, 0, 2, 3), turn(0, 1, 3, 2), then("Mul", names("two")), turn(0, 1, 3, 2), then("ReduceMean", names("0"), intAttr("keepdims", 0)), then("Unsqueeze", names("0"))),
			i64("6,4", 6, 4), i64("none"), i64("0", 0), i64("-1", -1), scalar("two", 2)).Proto,
		inRow(x, sequence(sliced("1", "5", "0"), sliced("0", "2", "1"), then("Mul", names("one")), then("Gather", names("0"), intAttr("axis", 0)), then("Expand", names("2")), then("Where", names("k"))),
			append(sliceBounds(), scalar("one", 1), f32("k", 4))...).Proto,
		lean(build(values(dynamic), values(untyped("y")), []*onnx.Node{node("Slice", names("x", "0", "1", "1"), names("a")), node("Slice", names("x", "1", "end", "1"), names("b")),
			node("Concat", names("a", "b", "e"), names("c"), intAttr("axis", 1)), node("Concat", names("c", "x"), names("d"), intAttr("axis", -2)),
			node("Cast", names("d"), names("f"), intAttr("to", 11)), node("Cast", names("f"), names("y"), intAttr("to", 1))}, append(sliceBounds(), f32("e", 1, 0, 4))...)).Proto,
		shaped(dynamic, "Reshape", nil, size("a", "0"), node("Slice", names("sizes", "1", "ends"), names("b")), joined("a", "b", "-1")).Proto,
		shaped(dynamic, "Expand", nil, node("Gather", names("sizes", "at0"), names("g")), node("Unsqueeze", names("g", "0"), names("u")), joined("u", "3", "4")).Proto,
		einsum("aik,kj->aij", map[rune]int{'a': 2, 'i': 3, 'k': 4, 'j': 5}).Proto, einsum("aij->ja", map[rune]int{'a': 2, 'i': 3, 'j': 5}).Proto, einsum("ij->ji", map[rune]int{'i': 3, 'j': 5}).Proto,
		build(values(x), values(untyped("z")), []*onnx.Node{node("Neg", names("x"), names("a")), node("If", names("yes"), names("y"), branches()...), node("Relu", names("y"), names("z"))}, boolean("yes", tensor.Shape{}, 1)).Proto,
		onceModel().Proto,
	}
}

// onceModel is a Loop of one trip.
func onceModel() *model.Model {
	in := values(value("i", tensor.Int64), value("go", tensor.Bool), float("v", 2, 3))
	g := graph("body", nil, in, node("Identity", names("go"), names("on")), node("Add", names("v", "x"), names("w")))
	g.G.Outputs = values(value("on", tensor.Bool), float("w", 2, 3))
	return build(values(float("x", 2, 3)), values(untyped("y")), []*onnx.Node{node("Loop", names("1", "", "x"), names("y"), g)}, number64("1", 1))
}

// realModels calls f with the models of testdata, those that are shared where they are there, and made-up ones of
// well-known architectures.
func realModels(t *testing.T, f func(t *testing.T, m *model.Model, shapes map[string]tensor.Shape)) {
	paths, err := filepath.Glob("../testdata/digits/*.onnx")
	if err != nil {
		t.Fatal(err)
	}
	shared, err := filepath.Glob("../../shared/models/*/*.onnx")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range append(paths, shared...) {
		folder := filepath.Base(filepath.Dir(path))
		if folder == "odd" {
			continue
		}
		t.Run(folder+"/"+filepath.Base(path), func(t *testing.T) {
			m, err := model.Load(path)
			if err != nil {
				t.Fatal(err)
			}
			defer m.Close()
			var shapes map[string]tensor.Shape
			if folder == "silero-vad" {
				shapes = map[string]tensor.Shape{"input": {1, 576}}
			}
			f(t, m, shapes)
		})
	}
	small := arch.BERT{Layers: 2, Hidden: 32, Heads: 4, FFN: 64, Vocab: 50, Positions: 16, Classes: 3}
	for name, m := range map[string]*onnx.Model{
		"encoder": arch.Encoder("encoder", small, 0, arch.WithSymbolicBatch(), arch.WithDecomposedNorm()), "encoder of eight": arch.Encoder("encoder", small, 8),
		"mobilenet": arch.MobileNetV2(arch.WithSymbolicBatch()), "lstm": arch.LSTM(5, 8, 16), "chain": arch.Chain("Relu", 10, 16),
	} {
		t.Run(name, func(t *testing.T) {
			f(t, model.New(m), stretched(model.New(m)))
		})
	}
}

// TestEachPassAlone: each pass by itself, on the model as it is and with its constants stored, keeps the outputs within
// 1e-5 of their size and, where it is one of Passes, makes no node more.
func TestEachPassAlone(t *testing.T) {
	enginetest.CPU(t)
	realModels(t, func(t *testing.T, m *model.Model, shapes map[string]tensor.Shape) {
		in := madeUp(t, m, shapes)
		want := run(t, enginetest.CPU(t), m, in)
		folded, _ := prepared(t, m.Proto, []Pass{foldConstants()}, 0)
		for _, before := range []*model.Model{m, folded} {
			for _, p := range All() {
				after, results := prepared(t, before.Proto, []Pass{p}, 0)
				if results[0].Changed == 0 {
					continue
				}
				t.Logf("%s changed %d times, %d nodes, then %d", p.Name, results[0].Changed, nodes(before.Proto), nodes(after.Proto))
				if p.Level == Safe && nodes(after.Proto) > nodes(before.Proto) {
					t.Errorf("%s: more nodes", p.Name)
				}
				same(t, want, after, in, 1e-5)
			}
		}
	})
}

// TestPassesSettle: no pass undoes what another one did: a second run of Passes finds nothing to do.
func TestPassesSettle(t *testing.T) {
	enginetest.CPU(t)
	realModels(t, func(t *testing.T, m *model.Model, shapes map[string]tensor.Shape) {
		after, _ := prepared(t, m.Proto, slices.Concat(Passes(), Passes()), 0)
		again, results := prepared(t, after.Proto, Passes(), 0)
		for _, r := range results {
			if r.Changed > 0 {
				t.Errorf("%s changed %d times in the third run", r.Pass, r.Changed)
			}
		}
		t.Logf("%d nodes, then %d", nodes(m.Proto), nodes(again.Proto))
		alike(t, m, again, shapes, 1e-5)
	})
}
