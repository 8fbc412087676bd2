package surgery

import (
	"path/filepath"
	"slices"
	"testing"

	"infer/internal/fault"
	"infer/model"
	"infer/model/engine/enginetest"
	"infer/model/onnx"
	"infer/model/tensor"
)

// chain is x → Relu a → Split b, c → Mul with w: d → Add of b: y, and Exp of a: z. An If reads a in its branches: i.
func chain() *onnx.Model {
	branch := func(name, kind string) *onnx.Attribute {
		return &onnx.Attribute{Name: name, Type: onnx.AttrGraph, G: &onnx.Graph{Name: name, Outputs: values(float(name, "n", 4)), Nodes: []*onnx.Node{op(kind, named("a"), named(name+"_in")), op("Neg", named(name+"_in"), named(name))}}}
	}
	return build(values(float("x", "n", 4), enginetest.Value("go", tensor.Bool)), values(float("y", "n", 2), float("z", "n", 4), float("i", "n", 4)), []*onnx.Node{
		op("Relu", named("x"), named("a")),
		op("Split", named("a"), named("b", "c"), enginetest.Int("axis", 1), enginetest.Int("num_outputs", 2)),
		op("Mul", named("c", "w"), named("d")),
		op("Add", named("d", "b"), named("y")),
		op("Exp", named("a"), named("z")),
		op("If", named("go"), named("i"), branch("then_branch", "Exp"), branch("else_branch", "Abs")),
	}, floats("w", 2), floats("unused", 5))
}

// TestExtract: the part between values answers what the model has there.
func TestExtract(t *testing.T) {
	for _, c := range []struct {
		name     string
		from, to []string
		inputs   string // with stated shapes
		outputs  string
		ops      string
	}{
		{"from the inputs", nil, []string{"d"}, "x n 4", "d n 2", "Relu Split Mul"},
		{"to the outputs", []string{"a", "go"}, nil, "a n 4 go scalar", "y n 2 z n 4 i n 4", "Split Mul Add Exp If"},
		{"between", []string{"c", "b"}, []string{"y"}, "c n 2 b n 2", "y n 2", "Mul Add"},
		{"one of two that a node makes", []string{"a", "c"}, []string{"y"}, "a n 4 c n 2", "y n 2", "Split Mul Add"},
		{"what a branch takes", []string{"a", "go"}, []string{"i"}, "a n 4 go scalar", "i n 4", "If"},
		{"a part of the inputs", []string{"x"}, []string{"z"}, "x n 4", "z n 4", "Relu Exp"},
	} {
		t.Run(c.name, func(t *testing.T) {
			m, whole := chain(), chain()
			lines, err := Extract(m, c.from, c.to)
			if err != nil {
				t.Fatal(err)
			}
			valid(t, m)
			text := func(list []*onnx.ValueInfo) string {
				s := ""
				for _, v := range list {
					if s != "" {
						s += " "
					}
					s += v.Name + " " + dims(v)
					if len(v.Type.Dims) == 0 {
						s += "scalar"
					}
				}
				return s
			}
			if in, out := text(m.Graph.Inputs), text(m.Graph.Outputs); in != c.inputs || out != c.outputs || ops(m) != c.ops || len(lines) != 1 {
				t.Errorf("inputs %q, outputs %q, operators %q, %q", in, out, ops(m), lines)
			}
			if m.Graph.Initializer("unused") != nil {
				t.Error("a constant came along that nothing needs")
			}
			for _, name := range append(slices.Clone(c.from), c.to...) { // as outputs of the whole
				if !slices.Contains(names(whole.Graph.Outputs), name) && !slices.Contains(names(whole.Graph.Inputs), name) {
					whole.Graph.Outputs = append(whole.Graph.Outputs, &onnx.ValueInfo{Name: name})
				}
			}
			in := random(t, whole, nil)
			all := append(run(t, whole, in), in...)
			for _, got := range run(t, m, all) {
				at := slices.IndexFunc(all, func(x tensor.Tensor) bool { return x.Name == got.Name })
				if !tensor.Equal(all[at], got) {
					t.Errorf("%q differs", got.Name)
				}
			}
		})
	}
}

func TestExtractRefuses(t *testing.T) {
	for _, c := range []struct {
		name       string
		from, to   []string
		want, hint string
	}{
		{"a value that is misspelt", []string{"A"}, nil, `no value is called "A"`, "did you mean a?"},
		{"an output that is not there", nil, []string{"why"}, `no value is called "why"`, "the values are: x, go"},
		{"a constant", nil, []string{"w"}, `"w" is a constant`, "by themselves"},
		{"inside a branch", []string{"then_branch_in"}, nil, `inside node "i" (If)`, "before or behind"},
		{"an input that is needed", []string{"c"}, []string{"y"}, `also need input "x"`, "name it among the inputs"},
		{"an input that is not", []string{"x", "d"}, []string{"z"}, `no output needs "d"`, "leave it out"},
		{"twice", []string{"a", "a"}, []string{"z"}, `"a" is named twice`, ""},
		{"nothing between", []string{"a"}, []string{"a"}, "an input and an output", "computed from it"},
		{"an empty name", []string{""}, nil, `no value is called ""`, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Extract(chain(), c.from, c.to)
			refused(t, err, fault.Usage, c.want, c.hint)
		})
	}
	m := build(values(float("x", 2)), values(float("y")), []*onnx.Node{op("Unheard", named("x"), named("u")), op("Relu", named("u"), named("y"))})
	_, err := Extract(m, []string{"u"}, nil)
	refused(t, err, fault.Unsupported, `the type of "u" is not known`, "behind known operators")
}

// TestExtractOld: initializers of old models are inputs too, and come along as such where they are needed.
func TestExtractOld(t *testing.T) {
	m := build(values(float("x", 2), float("w", 2), float("v", 2)), values(float("y", 2)), []*onnx.Node{op("Add", named("x", "w"), named("a")), op("Mul", named("a", "v"), named("y"))}, floats("w", 2), floats("v", 2))
	m.IRVersion, m.Opsets = 3, []onnx.Opset{{Version: 8}}
	whole := m.Clone()
	if _, err := Extract(m, []string{"x"}, []string{"a"}); err != nil {
		t.Fatal(err)
	}
	valid(t, m)
	if got := names(m.Graph.Inputs); !slices.Equal(got, named("x", "w")) || len(m.Graph.Initializers) != 1 {
		t.Errorf("inputs %q", got)
	}
	whole.Graph.Outputs = append(whole.Graph.Outputs, float("a", 2))
	same(t, whole, m, nil)
}

// TestExtractSharedModel cuts SqueezeNet in two: both halves in turn answer what the whole does.
func TestExtractSharedModel(t *testing.T) {
	m, err := model.Load(filepath.FromSlash("../../../shared/models/squeezenet1.1/squeezenet1.1-fp32.onnx"))
	if err != nil {
		t.Skip("no folder shared/models beside the checkout")
	}
	defer m.Close()
	g := m.Proto.Graph
	at := slices.IndexFunc(g.Nodes, func(n *onnx.Node) bool { return n.OpType == "Concat" })
	middle := g.Nodes[at].Outputs[0]
	front, back := m.Proto.Clone(), m.Proto.Clone()
	if _, err := Extract(front, nil, []string{middle}); err != nil {
		t.Fatal(err)
	}
	if _, err := Extract(back, []string{middle}, nil); err != nil {
		t.Fatal(err)
	}
	in := random(t, m.Proto, nil)
	want := run(t, m.Proto, in)[0]
	got := run(t, back, run(t, front, in))[0]
	if diff, err := tensor.MaxAbsDiff(want, got); err != nil || diff > 1e-6 {
		t.Errorf("differs by %g: %v", diff, err)
	}
	if len(front.Graph.Nodes)+len(back.Graph.Nodes) != len(g.Nodes) || len(front.Graph.Initializers) >= len(g.Initializers) {
		t.Errorf("%d and %d of %d nodes", len(front.Graph.Nodes), len(back.Graph.Nodes), len(g.Nodes))
	}
}

func TestOutputs(t *testing.T) {
	for _, c := range []struct {
		name string
		edit func(m *onnx.Model) ([]string, error)
		left []string
		ops  string
	}{
		{"keep", func(m *onnx.Model) ([]string, error) { return KeepOutputs(m, "z") }, named("z"), "Relu Exp"},
		{"keep in the model's order", func(m *onnx.Model) ([]string, error) { return KeepOutputs(m, "z", "y") }, named("y", "z"), "Relu Split Mul Add Exp"},
		{"drop", func(m *onnx.Model) ([]string, error) { return DropOutputs(m, "y") }, named("z", "i"), "Relu Exp If"},
		{"keep all", func(m *onnx.Model) ([]string, error) { return KeepOutputs(m, "y", "z", "i") }, named("y", "z", "i"), "Relu Split Mul Add Exp If"},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := chain()
			lines, err := c.edit(m)
			if err != nil {
				t.Fatal(err)
			}
			valid(t, m)
			if got := names(m.Graph.Outputs); !slices.Equal(got, c.left) || ops(m) != c.ops || (len(lines) == 0) != (len(c.left) == 3) {
				t.Errorf("outputs %q, operators %q, %q", got, ops(m), lines)
			}
			if len(m.Graph.Inputs) != 2 {
				t.Errorf("inputs %q", names(m.Graph.Inputs))
			}
			same(t, chain(), m, nil)
		})
	}
	_, err := KeepOutputs(chain(), "Z")
	refused(t, err, fault.Usage, `no output is called "Z"`, "did you mean z?")
	_, err = KeepOutputs(chain())
	refused(t, err, fault.Usage, "needs an output", "y, z, i")
	_, err = DropOutputs(chain(), "y", "i", "z")
	refused(t, err, fault.Usage, "needs an output", "leave one")
}

// TestTidy: functions and imports go with the last node that uses them.
func TestTidy(t *testing.T) {
	m := chain()
	imports := []onnx.Opset{{Version: 21}, {Domain: "own", Version: 1}}
	m.Functions = []*onnx.Function{
		{Name: "Outer", Domain: "own", Inputs: named("p"), Outputs: named("q"), Opsets: imports, Nodes: []*onnx.Node{{OpType: "Inner", Domain: "own", Inputs: named("p"), Outputs: named("q")}}},
		{Name: "Inner", Domain: "own", Inputs: named("p"), Outputs: named("q"), Opsets: imports, Nodes: []*onnx.Node{{OpType: "Relu", Inputs: named("p"), Outputs: named("q")}}},
	}
	m.Opsets = append(m.Opsets, onnx.Opset{Domain: "own", Version: 1})
	m.Graph.Nodes = append(m.Graph.Nodes, &onnx.Node{OpType: "Outer", Domain: "own", Inputs: named("a"), Outputs: named("f")})
	m.Graph.Outputs = append(m.Graph.Outputs, float("f", "n", 4))
	with := m.Clone()
	if _, err := KeepOutputs(with, "f"); err != nil || len(with.Functions) != 2 || with.Opset("own") != 1 {
		t.Errorf("%v: %d functions, imports %v", err, len(with.Functions), with.Opsets)
	}
	same(t, m, with, nil)
	if _, err := KeepOutputs(m, "z"); err != nil || len(m.Functions) != 0 || m.Opset("own") != 0 || m.Opset("") == 0 {
		t.Errorf("%v: %d functions, imports %v", err, len(m.Functions), m.Opsets)
	}
}
