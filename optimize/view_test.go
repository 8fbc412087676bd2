package optimize

import (
	"testing"

	"infer/model"
	"infer/model/onnx"
	"infer/model/tensor"
)

// inRow is Neg, the nodes, and Abs; each node reads what the one before it makes first, then its own inputs.
func inRow(x *onnx.ValueInfo, nodes []*onnx.Node, constants ...*onnx.Tensor) *model.Model {
	list := []*onnx.Node{node("Neg", names("x"), names("v"))}
	last := "v"
	for i, n := range nodes {
		out := string(rune('a' + i))
		n.Name, n.Inputs, n.Outputs = out, append(names(last), n.Inputs...), names(out)
		list, last = append(list, n), out
	}
	return lean(build(values(x), values(untyped("y")), append(list, node("Abs", names(last), names("y"))), constants...))
}

// lean returns m without the constants that nothing reads; those of the test stay.
func lean(m *model.Model) *model.Model {
	m.Proto = m.Proto.Clone()
	if err := NewEditor(m.Proto, m.Proto.Graph).Finish(); err != nil {
		panic(err)
	}
	return m
}

// then is a node of a row: its operator, its inputs behind the first, its attributes.
func then(op string, inputs []string, attrs ...*onnx.Attribute) *onnx.Node {
	return &onnx.Node{OpType: op, Inputs: inputs, Attrs: attrs}
}

// sequence is a list of nodes.
func sequence(n ...*onnx.Node) []*onnx.Node { return n }

func TestMergeViews(t *testing.T) {
	x, dynamic := float("x", 2, 3, 4), float("x", "n", 3, 4)
	reshape := func(shape string) *onnx.Node { return then("Reshape", names(shape)) }
	squeeze := func(axes string) *onnx.Node { return then("Squeeze", names(axes)) }
	unsqueeze := func(axes string) *onnx.Node { return then("Unsqueeze", names(axes)) }
	consts := []*onnx.Tensor{i64("6,4", 6, 4), i64("24", 24), i64("-1,2", -1, 2), i64("2,3,4", 2, 3, 4), i64("0,-1", 0, -1), i64("0", 0), i64("1", 1), i64("2", 2), i64("3", 3), i64("-1", -1), i64("0,2", 0, 2), i64("1,2", 1, 2)}
	row := func(x *onnx.ValueInfo, n ...*onnx.Node) *model.Model {
		return inRow(x, n, consts...)
	}
	relu := func() *onnx.Node { return then("Relu", nil) }
	ones := float("x", 2, 1, 3, 1)
	check(t, mergeViews(), 0, []passTest{
		{"two reshapes", row(x, reshape("6,4"), reshape("-1,2")), 0, 1, "Neg Reshape Abs"},
		{"three reshapes", row(x, reshape("6,4"), reshape("24"), reshape("-1,2")), 0, 2, "Neg Reshape Abs"},
		{"there and back", row(x, reshape("24"), reshape("2,3,4")), 0, 1, "Neg Abs"},
		{"flatten of a reshape", row(x, reshape("6,4"), then("Flatten", nil, intAttr("axis", 2))), 0, 1, "Neg Reshape Abs"},
		{"reshape of a flatten", row(dynamic, then("Flatten", nil), reshape("-1,2")), 0, 1, "Neg Reshape Abs"},
		{"flatten of a dynamic reshape", row(dynamic, unsqueeze("1"), then("Flatten", nil)), 0, 1, "Neg Reshape Abs"},
		{"a reshape that copies", row(x, reshape("6,4"), reshape("0,-1")), 0, 1, "Neg Reshape Abs"},
		{"a reshape that copies a dynamic size", row(dynamic, unsqueeze("2"), reshape("0,-1")), 0, 1, "Neg Reshape Abs"},
		{"squeeze twice", row(ones, squeeze("3"), squeeze("1")), 0, 1, "Neg Squeeze Abs"},
		{"unsqueeze twice", row(dynamic, unsqueeze("0"), unsqueeze("-1")), 0, 1, "Neg Unsqueeze Abs"},
		{"squeeze and back", row(ones, squeeze("1"), unsqueeze("1")), 0, 1, "Neg Abs"},
		{"unsqueeze and back", row(dynamic, unsqueeze("2"), squeeze("2")), 0, 1, "Neg Abs"},
		{"squeeze and elsewhere", row(float("x", "n", "m", 1), squeeze("2"), unsqueeze("0")), 0, 0, "Neg Squeeze Unsqueeze Abs"},
		{"squeeze and elsewhere beside a size that stays", row(float("x", "n", 1, "m"), squeeze("1"), unsqueeze("0")), 0, 1, "Neg Reshape Abs"},
		{"squeeze and elsewhere of known sizes", row(ones, squeeze("1"), unsqueeze("0")), 0, 1, "Neg Reshape Abs"},
		{"a transpose of single elements", row(ones, then("Transpose", nil, intsAttr("perm", 0, 3, 2, 1)), squeeze("3")), 0, 1, "Neg Reshape Abs"},
		{"a transpose that turns", row(ones, then("Transpose", nil, intsAttr("perm", 2, 1, 0, 3)), squeeze("3")), 0, 0, "Neg Transpose Squeeze Abs"},
		{"the only one of an axis", row(ones, then("Gather", names("0"), intAttr("axis", 1)), squeeze("1")), 0, 1, "Neg Reshape Abs"},
		{"one of an axis", row(x, then("Gather", names("0"), intAttr("axis", 1)), squeeze("1")), 0, 0, "Neg Gather Squeeze Abs"},
		{"a sum over one element", row(ones, then("ReduceSum", names("1")), squeeze("3")), 0, 1, "Neg Reshape Abs"},
		{"a sum over more", row(ones, then("ReduceSum", names("2")), squeeze("3")), 0, 0, "Neg ReduceSum Squeeze Abs"},
		{"through a relu", row(x, reshape("6,4"), relu(), reshape("24")), 0, 1, "Neg Relu Reshape Abs"},
		{"there and back through two", row(dynamic, unsqueeze("1"), relu(), then("Exp", nil), squeeze("1")), 0, 1, "Neg Relu Exp Abs"},
		{"through a softmax", row(x, reshape("6,4"), then("Softmax", nil), reshape("24")), 0, 0, "Neg Reshape Softmax Reshape Abs"},
	})
}

func TestMergeViewsThroughConstants(t *testing.T) {
	x := float("x", 2, 3)
	row := func(x *onnx.ValueInfo, k *onnx.Tensor, op string, n ...*onnx.Node) *model.Model {
		return inRow(x, append(sequence(then("Unsqueeze", names("0")), then(op, names(k.Name))), n...), k, i64("0", 0))
	}
	squeeze := then("Squeeze", names("0"))
	clone := func() *onnx.Node { return squeeze.Clone() }
	check(t, mergeViews(), 0, []passTest{
		{"times a scalar", row(x, scalar("k", 3), "Mul", clone()), 0, 1, "Neg Mul Abs"},
		{"times one of an axis", row(x, f32("k", 1), "Mul", clone()), 0, 1, "Neg Mul Abs"},
		{"times one of more axes", row(x, f32("k", 1, 1, 1), "Mul", clone()), 0, 0, "Neg Unsqueeze Mul Squeeze Abs"},
		{"times a row", row(x, f32("k", 3), "Mul", clone()), 0, 0, "Neg Unsqueeze Mul Squeeze Abs"},
		{"times what may make it larger", row(float("x"), f32("k", 1), "Mul", clone()), 0, 0, "Neg Unsqueeze Mul Squeeze Abs"},
		{"a slope", row(x, f32("k", 1), "PRelu", clone()), 0, 1, "Neg PRelu Abs"},
	})
}

// TestMergeViewsOfSeveralReaders: what others read too has to stay, so another node would be one more; where all of them
// can do without it, it goes.
func TestMergeViewsOfSeveralReaders(t *testing.T) {
	x := float("x", 2, 3, 4)
	consts := []*onnx.Tensor{i64("6,4", 6, 4), i64("24", 24), i64("4,6", 4, 6), i64("back", 2, 3, 4)}
	of := func(outputs []string, n ...*onnx.Node) *model.Model {
		var out []*onnx.ValueInfo
		for _, o := range outputs {
			out = append(out, untyped(o))
		}
		return lean(build(values(x), out, append([]*onnx.Node{node("Neg", names("x"), names("v")), node("Reshape", names("v", "6,4"), names("a"))}, n...), consts...))
	}
	flat, other := node("Reshape", names("a", "24"), names("p")), node("Reshape", names("a", "4,6"), names("q"))
	abs, back := node("Exp", names("a"), names("q")), node("Reshape", names("a", "back"), names("b"))
	check(t, mergeViews(), 0, []passTest{
		{"two reshapes of one", of(names("p", "q"), flat, other), 0, 2, "Neg Reshape Reshape"},
		{"a reshape and another", of(names("p", "q"), flat, abs), 0, 0, "Neg Reshape Reshape Exp"},
		{"an output", of(names("a", "p"), flat), 0, 0, "Neg Reshape Reshape"},
		{"back and another", of(names("y", "q"), back, abs, node("Abs", names("b"), names("y"))), 0, 1, "Neg Reshape Exp Abs"},
		{"back as an output", of(names("b"), back), 0, 1, "Neg"},
		{"back to an input", build(values(x), values(untyped("b")), []*onnx.Node{node("Reshape", names("x", "24"), names("a")), node("Reshape", names("a", "back"), names("b"))}, consts[1], consts[3]), 0, 1, "Identity"},
	})
}

// TestMergeViewsOfOldOpsets: axes and shapes were attributes, and no rank is needed to undo what was done.
func TestMergeViewsOfOldOpsets(t *testing.T) {
	x := float("x", 1, 3, 4)
	unranked := &onnx.ValueInfo{Name: "x", Type: &onnx.Type{Kind: onnx.KindTensor, DType: tensor.Float32}}
	axes := func(op string, list ...int64) *onnx.Node { return then(op, nil, intsAttr("axes", list...)) }
	check(t, mergeViews(), 0, []passTest{
		{"squeeze and back", at(11, inRow(x, sequence(axes("Squeeze", 0), axes("Unsqueeze", 0)))), 11, 1, "Neg Abs"},
		{"unsqueeze twice", at(11, inRow(x, sequence(axes("Unsqueeze", 1), axes("Unsqueeze", 0)))), 11, 1, "Neg Unsqueeze Abs"},
		{"flatten of an unsqueeze", at(11, inRow(x, sequence(axes("Unsqueeze", 1), then("Flatten", nil)))), 11, 1, "Neg Reshape Abs"},
	})
	m := inRow(unranked, sequence(axes("Unsqueeze", 1), axes("Squeeze", 1)))
	m.Proto.Opsets[0].Version = 11
	after, results := prepared(t, m.Proto, []Pass{mergeViews()}, 0)
	if results[0].Changed != 1 || ops(after) != "Neg Abs" {
		t.Errorf("of an unknown rank: %v, %s", results, ops(after))
	}
	m = inRow(unranked, sequence(axes("Unsqueeze", -1), axes("Squeeze", 1)))
	m.Proto.Opsets[0].Version = 11
	if _, results := prepared(t, m.Proto, []Pass{mergeViews()}, 0); results[0].Changed != 0 {
		t.Error("of an unknown rank the last axis may be another one than the second")
	}
}

// TestRefill: a new axis in the place of one that went is that one.
func TestRefill(t *testing.T) {
	for _, c := range []struct {
		at       []int
		rank     int
		op       string
		axes     []int64
		possible bool
	}{
		{[]int{0, -1, 2}, 3, "", nil, true},
		{[]int{-1, 0, 2}, 3, "", nil, false},
		{[]int{0, -1, -1, 2}, 3, "Unsqueeze", []int64{2}, true},
		{[]int{0, -1}, 3, "Squeeze", []int64{2}, true},
		{[]int{0, 2}, 3, "Squeeze", []int64{1}, true},
		{[]int{-1, -1}, 2, "", nil, true},
	} {
		op, axes, ok := axesNodeOf(refill(c.at, c.rank), c.rank)
		if op != c.op || ok != c.possible || len(axes) != len(c.axes) || len(axes) > 0 && axes[0] != c.axes[0] {
			t.Errorf("%v of %d axes: %s %v %v", c.at, c.rank, op, axes, ok)
		}
	}
}
