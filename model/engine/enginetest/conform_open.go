package enginetest

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"infer/internal/fault"
	"infer/model"
	"infer/model/engine"
	"infer/model/onnx"
	"infer/model/tensor"
)

// settings opens with every optimization level and threading mode, and refuses settings that are none.
func (c suite) settings(t *testing.T) {
	a, b := Floats("", pair, 5, 7), Floats("", pair, 2, 3)
	for _, config := range []engine.Config{
		{}, {Threads: 2}, {Threads: 1, InterThreads: 2},
		{OptLevel: engine.OptNone}, {OptLevel: engine.OptBasic}, {OptLevel: engine.OptExtended},
		{Entries: map[string]string{"session.intra_op.allow_spinning": "0"}},
	} {
		s := c.openWith(t, threeOutputs(), config)
		same(t, runs(t, s, a, b)[2], Floats("", pair, 10, 21))
	}
	for _, config := range []engine.Config{
		{Threads: -1}, {InterThreads: -1}, {OptLevel: 17},
		{Entries: map[string]string{"": "x"}},
		{Providers: []engine.ProviderSpec{{Name: "warp"}}},
	} {
		_, err := c.p.Provider.Open(t.Context(), Add(2), config)
		wantKind(t, err, fault.Usage)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.p.Provider.Open(ctx, Add(2), engine.Config{}); !errors.Is(err, context.Canceled) {
		t.Fatalf("open with a cancelled context: got %v", err)
	}
}

// trace arrives with Close.
func (c suite) trace(t *testing.T) {
	prefix := filepath.Join(t.TempDir(), "trace")
	s := c.openWith(t, Add(2), engine.Config{Threads: 1, TracePrefix: prefix})
	tracer, ok := s.(engine.Tracer)
	if !ok {
		t.Skipf("the %s provider writes no traces", c.p.Name)
	}
	runs(t, s, Floats("", nil, 1, 2), Floats("", nil, 3, 4))
	if got := tracer.TracePath(); got != "" {
		t.Fatalf("before Close: got %q", got)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(tracer.TracePath())
	if err != nil {
		t.Fatal(err)
	}
	node := "c"
	if c.p.Name == "openvino" { // it compiles the graph into a node of its own
		node = "subgraph"
	}
	if !strings.HasPrefix(tracer.TracePath(), prefix) || !strings.Contains(string(text), node) || !strings.Contains(string(text), "_kernel_time") {
		t.Fatalf("%s: the trace does not name the node %s", tracer.TracePath(), node)
	}
}

// optimizedGraph is written where it was asked for, and is a model.
func (c suite) optimizedGraph(t *testing.T) {
	path := filepath.Join(t.TempDir(), "optimized.onnx")
	m := Build(Values(Value("x", tensor.Float32, 2)), Values(Value("y", tensor.Float32, 2)), []*onnx.Node{
		Node("Identity", Names("x"), Names("same")), Node("Add", Names("same", "same"), Names("y")),
	})
	c.openWith(t, m, engine.Config{Threads: 1, OptLevel: engine.OptBasic, OptimizedModelPath: path})
	got, err := model.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	defer got.Close()
	if n := len(got.Proto.Graph.Nodes); n != 1 {
		t.Fatalf("got %d nodes, want the Identity gone", n)
	}
}

// saved writes m to a file and opens that.
func saved(t *testing.T, m *model.Model) *model.Model {
	t.Helper()
	bytes, err := onnx.Encode(m.Proto)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "model.onnx")
	if err := os.WriteFile(path, bytes, 0o600); err != nil {
		t.Fatal(err)
	}
	return loaded(t, path)
}

func loaded(t *testing.T, path string) *model.Model {
	t.Helper()
	m, err := model.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return m
}

// edited opens a model from its file, then with an edit that the file does not have; closing the model does not touch
// the session.
func (c suite) edited(t *testing.T) {
	m := saved(t, Add(2))
	a, b := Floats("", nil, 5, 7), Floats("", nil, 2, 3)
	same(t, runs(t, c.open(t, m), a, b)[0], Floats("", nil, 7, 10))
	m.Proto.Graph.Nodes[0].OpType = "Sub"
	m.MarkEdited()
	s := c.open(t, m)
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	same(t, runs(t, s, a, b)[0], Floats("", nil, 3, 4))
	if s.Inputs()[1].Name != "b" || s.Outputs()[0].Type.DType != tensor.Float32 {
		t.Fatalf("ports after closing the model: %v %v", s.Inputs(), s.Outputs())
	}
}

// externalData opens a model whose constant lies in a file beside it: as it is, edited, through links from another
// folder, and with the file gone.
func (c suite) externalData(t *testing.T) {
	dir := t.TempDir()
	data := filepath.Join(dir, "weights.bin")
	w := Floats("w", nil, 10, 20)
	if err := os.WriteFile(data, append(make([]byte, 16), w.Data...), 0o600); err != nil {
		t.Fatal(err)
	}
	m := Build(Values(Value("x", tensor.Float32, 2)), Values(Value("y", tensor.Float32, 2)),
		[]*onnx.Node{Node("Add", Names("x", "w"), Names("y"))},
		&onnx.Tensor{Name: "w", DType: tensor.Float32, Dims: tensor.Shape{2}, External: &onnx.External{Location: "weights.bin", Offset: 16, Length: 8}})
	bytes, err := onnx.Encode(m.Proto)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "model.onnx")
	if err := os.WriteFile(path, bytes, 0o600); err != nil {
		t.Fatal(err)
	}
	x := Floats("", nil, 1, 2)
	file := loaded(t, path)
	same(t, runs(t, c.open(t, file), x)[0], Floats("", nil, 11, 22))
	file.Proto.Graph.Nodes[0].OpType = "Mul"
	file.MarkEdited()
	same(t, runs(t, c.open(t, file), x)[0], Floats("", nil, 10, 40))

	links := t.TempDir() // as in a download cache: both files are links to another folder
	link := filepath.Join(links, "link.onnx")
	if err := errors.Join(os.Symlink(path, link), os.Symlink(data, filepath.Join(links, "weights.bin"))); err != nil {
		t.Fatal(err)
	}
	linked := loaded(t, link)
	same(t, runs(t, c.open(t, linked), x)[0], Floats("", nil, 11, 22))
	linked.MarkEdited()
	same(t, runs(t, c.open(t, linked), x)[0], Floats("", nil, 11, 22))

	if left, _ := filepath.Glob(filepath.Join(dir, "*")); len(left) != 2 {
		t.Fatalf("files left behind: %q", left)
	}
	if err := os.Remove(data); err != nil {
		t.Fatal(err)
	}
	if _, err := c.p.Provider.Open(t.Context(), file, engine.Config{}); err == nil {
		t.Fatal("opened without its external data")
	}
}

// badModels are refused with an error of one line and leave nothing behind.
func (c suite) badModels(t *testing.T) {
	dir := t.TempDir()
	broken := func(edit func(*onnx.Model)) *model.Model {
		m := Add(2)
		edit(m.Proto)
		return m
	}
	for _, test := range []struct {
		name string
		m    *model.Model
		kind fault.Kind
		want string
	}{
		{"unknown operator", broken(func(m *onnx.Model) { m.Graph.Nodes[0].OpType = "Warp" }), fault.Unsupported, "Warp"},
		{"custom domain", broken(func(m *onnx.Model) {
			m.Graph.Nodes[0].OpType, m.Graph.Nodes[0].Domain = "Bar", "com.foo"
			m.Opsets = append(m.Opsets, onnx.Opset{Domain: "com.foo", Version: 1})
		}), fault.Unsupported, `operator Bar of domain "com.foo"`},
		{"future IR", broken(func(m *onnx.Model) { m.IRVersion = 999 }), fault.Unsupported, "999"},
		{"future opset", broken(func(m *onnx.Model) { m.Opsets = []onnx.Opset{{Version: 999}} }), fault.Unsupported, "999"},
		{"cycle", broken(func(m *onnx.Model) { m.Graph.Nodes[0].Inputs[1] = "c" }), fault.Internal, ""},
		{"missing input", broken(func(m *onnx.Model) { m.Graph.Nodes[0].Inputs[1] = "nobody" }), fault.Internal, "nobody"},
		{"no graph", broken(func(m *onnx.Model) { m.Graph.Nodes = nil }), fault.Internal, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			s, err := c.p.Provider.Open(t.Context(), test.m, engine.Config{
				Threads: 1, TracePrefix: filepath.Join(dir, "trace"), OptimizedModelPath: filepath.Join(dir, "optimized.onnx"),
			})
			if err == nil {
				s.Close()
				t.Fatal("opened")
			}
			if left, _ := os.ReadDir(dir); len(left) > 0 {
				t.Fatalf("left behind: %v", left)
			}
			t.Logf("error: %v; hint: %s", err, fault.HintOf(err))
			wantKind(t, err, test.kind)
			if !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "\n") {
				t.Fatalf("message %q does not say %q in one line", err, test.want)
			}
			if test.kind == fault.Unsupported && fault.HintOf(err) == "" {
				t.Fatal("no hint")
			}
		})
	}
}

// externalConstants: the values of Constant nodes and the initializers of branches may lie outside the file too.
func (c suite) externalConstants(t *testing.T) {
	const n = 512
	many := func(name string, v float32) tensor.Tensor {
		list := make([]float32, n)
		for i := range list {
			list[i] = v
		}
		return Floats(name, nil, list...)
	}
	constant := Initializer(many("", 1))
	value := &onnx.Attribute{Name: "value", Type: onnx.AttrTensor, T: constant}
	branch := func(name string, w float32) *onnx.Attribute {
		g := &onnx.Graph{Name: name, Nodes: []*onnx.Node{Node("Add", Names("s", name+"_w"), Names(name))},
			Initializers: []*onnx.Tensor{Initializer(many(name+"_w", w))}, Outputs: Values(Value(name, tensor.Float32, n))}
		return &onnx.Attribute{Name: name, Type: onnx.AttrGraph, G: g}
	}
	m := Build(Values(Value("b", tensor.Bool), Value("x", tensor.Float32, n)), Values(Value("y", tensor.Float32, n)), []*onnx.Node{
		{Name: "k", OpType: "Constant", Outputs: Names("k"), Attrs: []*onnx.Attribute{value}},
		Node("Add", Names("x", "k"), Names("s")),
		Node("If", Names("b"), Names("y"), branch("then_branch", 10), branch("else_branch", 20)),
	})
	path := filepath.Join(t.TempDir(), "model.onnx")
	if err := m.Save(path, model.SaveOptions{External: model.ExternalAlways, DataFile: "constants.bin"}); err != nil {
		t.Fatal(err)
	}
	file := loaded(t, path)
	if got := file.Proto.Graph.Nodes[0].Attrs[0].T.External; got == nil {
		t.Error("the value of the Constant node is in the file")
	}
	yes := tensor.Tensor{DType: tensor.Bool, Shape: tensor.Shape{}, Data: []byte{1}}
	for range 2 {
		same(t, runs(t, c.open(t, file), yes, many("", 2))[0], many("", 13))
		file.MarkEdited()
	}
}
