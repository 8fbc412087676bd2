package calibrate

import (
	"context"
	"testing"

	"infer/model"
	"infer/model/engine"
	"infer/model/engine/enginetest"
	"infer/model/onnx"
	"infer/model/tensor"
)

// spy is a provider that notes how its sessions are opened.
type spy struct {
	enginetest.Fake
	models  []*onnx.Model
	configs []engine.Config
}

func (s *spy) Open(ctx context.Context, m *model.Model, c engine.Config) (engine.Session, error) {
	s.models, s.configs = append(s.models, m.Proto), append(s.configs, c)
	return s.Fake.Open(ctx, m, c)
}

// ragged is a source whose rows are of one or of two lines by turns.
type ragged struct{ rows }

func (r ragged) Batch(lo, hi int64) ([]tensor.Tensor, error) { return r.rows.Batch(lo, hi+lo%2) }

// TestRunnerLeavesShapesOpen: after three shapes in a row a session is opened for all.
func TestRunnerLeavesShapesOpen(t *testing.T) {
	p := &spy{Fake: enginetest.Fake{Compute: compute}}
	tab, err := Run(t.Context(), p, engine.Config{}, toy(), []string{"relu"}, ragged{rows{n: 10}}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if o, _ := tab.Observation("relu"); o.Elements != 5*4+5*8 || o.Rows() != 10 {
		t.Errorf("%+v", o)
	}
	if len(p.models) != maxOpens+1 {
		t.Errorf("%d sessions, want %d", len(p.models), maxOpens+1)
	}
	fixed := func(m *onnx.Model) bool { return m.Graph.Inputs[0].Type.Dims[0].Known }
	if !fixed(p.models[0]) || fixed(p.models[maxOpens]) {
		t.Error("the first session is to have fixed shapes, the last to leave them open")
	}
}

// TestRunnerBelievesTheRuntime: where a run gives another shape than inference, it is done again with shapes left open.
func TestRunnerBelievesTheRuntime(t *testing.T) {
	p := &spy{Fake: enginetest.Fake{Compute: func(in []tensor.Tensor, outputs []engine.Port) ([]tensor.Tensor, error) {
		t, err := tensor.New("add", tensor.Float32, tensor.Shape{in[0].Shape[0], 5})
		return []tensor.Tensor{t}, err
	}}}
	tab, err := Run(t.Context(), p, engine.Config{}, toy(), []string{"add"}, rows{n: 3}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if o, _ := tab.Observation("add"); o.Elements != 15 || len(p.models) != 2 || p.Runs() != 4 {
		t.Errorf("%+v in %d sessions and %d runs", o, len(p.models), p.Runs())
	}
}

// TestSessionsAreOfThePartThatIsNeeded: asked for relu, the graph ends there; nothing is optimized or traced, and the
// caller's model and configuration stay as they are.
func TestSessionsAreOfThePartThatIsNeeded(t *testing.T) {
	p := &spy{Fake: enginetest.Fake{Compute: compute}}
	m := toy()
	before, err := onnx.Encode(m)
	if err != nil {
		t.Fatal(err)
	}
	entries := map[string]string{"a": "b"}
	cfg := engine.Config{Threads: 3, TracePrefix: "trace", OptimizedModelPath: "graph", Entries: entries}
	if _, err := Run(t.Context(), p, cfg, m, []string{"relu", "x"}, rows{n: 2}, Options{}); err != nil {
		t.Fatal(err)
	}
	g := p.models[0].Graph
	if len(p.models) != 1 || len(g.Nodes) != 1 || g.Nodes[0].Name != "relu" || len(g.Initializers) != 0 || len(g.Outputs) != 1 {
		t.Errorf("%d sessions, %d nodes, %d constants, %d outputs", len(p.models), len(g.Nodes), len(g.Initializers), len(g.Outputs))
	}
	if c := p.configs[0]; c.OptLevel != engine.OptNone || c.TracePrefix != "" || c.OptimizedModelPath != "" || c.Threads != 3 || c.Entries["a"] != "b" {
		t.Errorf("opened with %+v", c)
	}
	after, err := onnx.Encode(m)
	if err != nil || string(after) != string(before) || len(entries) != 1 {
		t.Errorf("the model or the configuration was changed: %v, %v", err, entries)
	}
	// Inputs alone need no session.
	p = &spy{}
	if _, err := Run(t.Context(), p, engine.Config{}, m, []string{"x"}, rows{n: 2}, Options{}); err != nil || len(p.models) != 0 {
		t.Errorf("%d sessions for the input, %v", len(p.models), err)
	}
}

// TestExposeKeepsWhatSubgraphsTake: a node with a body needs the values that the body takes from the graph around it.
func TestExposeKeepsWhatSubgraphsTake(t *testing.T) {
	body := &onnx.Graph{
		Nodes:   []*onnx.Node{{OpType: "Add", Inputs: []string{"taken", "held"}, Outputs: []string{"sum"}}},
		Outputs: []*onnx.ValueInfo{{Name: "sum"}},
	}
	one, err := tensor.FromFloat32("", nil, []float32{1})
	if err != nil {
		t.Fatal(err)
	}
	held, err := onnx.NewTensor("held", one)
	if err != nil {
		t.Fatal(err)
	}
	m := &onnx.Model{Graph: &onnx.Graph{
		Inputs:       []*onnx.ValueInfo{{Name: "x"}},
		Initializers: []*onnx.Tensor{held},
		Nodes: []*onnx.Node{
			{Name: "a", OpType: "Relu", Inputs: []string{"x"}, Outputs: []string{"taken"}},
			{Name: "b", OpType: "Relu", Inputs: []string{"x"}, Outputs: []string{"unused"}},
			{Name: "c", OpType: "If", Inputs: []string{"x"}, Outputs: []string{"y"}, Attrs: []*onnx.Attribute{{Name: "then_branch", Type: onnx.AttrGraph, G: body}}},
		},
	}}
	g := expose(m, []string{"y"}, nil, nil).Graph
	if len(g.Nodes) != 2 || g.Nodes[0].Name != "a" || g.Nodes[1].Name != "c" || len(g.Initializers) != 1 {
		t.Errorf("nodes %v, %d constants", g.Nodes, len(g.Initializers))
	}
}
