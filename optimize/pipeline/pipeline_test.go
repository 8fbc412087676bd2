package pipeline

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"infer/internal/fault"
	"infer/model"
	"infer/model/engine/enginetest"
	"infer/model/onnx"
	"infer/model/tensor"
	"infer/optimize"
	"infer/optimize/proof"
	"infer/optimize/surgery"
	"infer/report"
)

// chain is y = Relu(x + 1) - 2, with an Identity in between.
func chain() *model.Model {
	one := enginetest.Initializer(enginetest.Floats("one", tensor.Shape{1}, 1))
	two := enginetest.Initializer(enginetest.Floats("two", tensor.Shape{1}, 2))
	return enginetest.Build(enginetest.Values(enginetest.Value("x", tensor.Float32, "n")), enginetest.Values(enginetest.Value("y", tensor.Float32, "n")),
		[]*onnx.Node{
			enginetest.Node("Add", enginetest.Names("x", "one"), enginetest.Names("a")),
			enginetest.Node("Identity", enginetest.Names("a"), enginetest.Names("b")),
			enginetest.Node("Relu", enginetest.Names("b"), enginetest.Names("c")),
			enginetest.Node("Sub", enginetest.Names("c", "two"), enginetest.Names("y")),
		}, one, two)
}

// on is a task for m with two sets of inputs of different sizes.
func on(t *testing.T, m *model.Model) Task {
	t.Helper()
	return Task{
		Model: m, Provider: enginetest.CPU(t), Source: "two rows", Output: filepath.Join(t.TempDir(), "out.onnx"),
		Inputs: [][]tensor.Tensor{{enginetest.Floats("x", tensor.Shape{2}, -3, 3)}, {enginetest.Floats("x", tensor.Shape{3}, 1, 2, 3)}},
	}
}

// run optimizes without measuring the speed.
func run(t *testing.T, task Task, o Options) (report.OptimizeDetails, *report.Document, error) {
	t.Helper()
	o.RaceTime = 0
	d := report.New("optimize")
	err := Run(t.Context(), task, o, d)
	var x report.OptimizeDetails
	if err == nil {
		if err := json.Unmarshal(d.Details, &x); err != nil {
			t.Fatal(err)
		}
	}
	return x, d, err
}

func options(passes ...optimize.Pass) Options {
	o := DefaultOptions()
	o.Passes = passes
	return o
}

// pass is a pass that applies once, by editing the graph.
func pass(name string, edit func(*onnx.Graph)) optimize.Pass {
	done := false
	return optimize.Pass{Name: name, Level: optimize.Safe, Run: func(_ context.Context, w *optimize.Work) (int, error) {
		if done {
			return 0, nil
		}
		done = true
		edit(w.Model.Graph)
		return 1, nil
	}}
}

// without takes a node out of the graph, and lets its reader read its input.
func without(op string) func(*onnx.Graph) {
	return func(g *onnx.Graph) {
		i := slices.IndexFunc(g.Nodes, func(n *onnx.Node) bool { return n.OpType == op })
		n := g.Nodes[i]
		g.Nodes = slices.Delete(g.Nodes, i, i+1)
		for _, r := range g.Nodes {
			for k, v := range r.Inputs {
				if v == n.Outputs[0] {
					r.Inputs[k] = n.Inputs[0]
				}
			}
		}
	}
}

// TestPasses: a good pass stays, and one that changes an output, grows the graph, breaks it or fails goes back.
func TestPasses(t *testing.T) {
	bad := map[string]struct {
		pass optimize.Pass
		why  string
	}{
		"drifts": {pass("drifts", without("Relu")), "outside the tolerance"},
		"grows": {pass("grows", func(g *onnx.Graph) {
			g.Nodes = append(g.Nodes, enginetest.Node("Relu", enginetest.Names("a"), enginetest.Names("new1")), enginetest.Node("Relu", enginetest.Names("a"), enginetest.Names("new2")))
		}), "nodes of"},
		"invalid": {pass("invalid", func(g *onnx.Graph) { g.Nodes[0].Inputs[0] = "nothing" }), "invalid graph"},
		"unknown": {pass("unknown", func(g *onnx.Graph) { g.Nodes[0].OpType = "NoSuchOperator" }), "does not open"},
		"fails": {optimize.Pass{Name: "fails", Run: func(context.Context, *optimize.Work) (int, error) { return 1, errors.New("no luck") }},
			"it failed: no luck"},
	}
	for name, c := range bad {
		task := on(t, chain())
		x, d, err := run(t, task, options(pass("good", without("Identity")), c.pass))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if x.Passes[0].Verdict != kept || x.Passes[0].Changed != 1 || x.Passes[1].Verdict != rolledBack || !strings.Contains(x.Passes[1].Why, c.why) {
			t.Errorf("%s: %+v", name, x.Passes)
		}
		if len(d.Warnings) != 1 || x.Verification.Verdict != proof.Equal || x.Verification.Sets != 2 || x.Before.Nodes != 4 || x.After.Nodes != 3 {
			t.Errorf("%s: warnings %v, verification %+v, %d nodes", name, d.Warnings, x.Verification, x.After.Nodes)
		}
		m, err := model.Load(task.Output)
		if err != nil || len(m.Proto.Graph.Nodes) != 3 {
			t.Fatalf("%s: written: %v", name, err)
		}
		if sum, err := m.Digest(); err != nil || sum != x.OutputHash {
			t.Errorf("%s: digest %s, the report says %s (%v)", name, sum, x.OutputHash, err)
		}
		m.Close()
	}
}

// TestRefusedSets: made-up inputs after the first that the original refuses are left out, not an error.
func TestRefusedSets(t *testing.T) {
	task := on(t, chain())
	task.Inputs = append(task.Inputs, []tensor.Tensor{enginetest.Floats("x", tensor.Shape{1, 1}, 1)})
	x, _, err := run(t, task, options(optimize.Passes()...))
	if err != nil || x.Verification.Sets != 2 || len(x.Kept) != 1 {
		t.Errorf("%d sets, %v, %v", x.Verification.Sets, x.Kept, err)
	}
	task.Inputs = task.Inputs[2:]
	if _, _, err := run(t, task, options(optimize.Passes()...)); err == nil {
		t.Error("a first set that the original refuses: no error")
	}
}

// TestNotRun: without inputs, and for a model that is too large, nothing is run, and the report says so.
func TestNotRun(t *testing.T) {
	task := on(t, chain())
	task.Inputs = nil
	x, _, err := run(t, task, options(optimize.Passes()...))
	if err != nil || x.Verification.Verdict != proof.NotRun || x.After.Nodes != 3 {
		t.Errorf("%+v, %v", x.Verification, err)
	}
	task = on(t, chain())
	task.Provider = &enginetest.Fake{OpenErr: errors.New("it was opened")}
	o := options(optimize.Passes()...)
	o.Large = 1
	x, _, err = run(t, task, o)
	if err != nil || x.Verification.Verdict != proof.NotRun || !strings.Contains(x.Verification.Why, "never in memory") || x.After.Nodes != 3 {
		t.Errorf("%+v, %v", x.Verification, err)
	}
}

// TestCut: a part that is cut out is proven against the whole, and passes against the part.
func TestCut(t *testing.T) {
	cut := func(edit func(*onnx.Model)) Options {
		o := options(optimize.Passes()...)
		o.Edits = []Edit{{Name: "--from", Cuts: true, Run: func(_ context.Context, m *onnx.Model) ([]string, error) {
			done, err := surgery.Extract(m, []string{"a"}, []string{"c"})
			if edit != nil {
				edit(m)
			}
			return done, err
		}}}
		return o
	}
	task := on(t, chain())
	x, _, err := run(t, task, cut(nil))
	if err != nil || x.After.Nodes != 1 || x.Verification.Verdict != proof.Equal || !strings.Contains(x.Verification.Source, "as the whole model makes") {
		t.Errorf("%d nodes, %+v, %v", x.After.Nodes, x.Verification, err)
	}
	task = on(t, chain())
	_, _, err = run(t, task, cut(func(m *onnx.Model) { m.Graph.Nodes[1].OpType = "Abs" }))
	if err == nil || !strings.Contains(err.Error(), "answers differently from the whole") {
		t.Errorf("a part that computes something else: %v", err)
	}
	if _, err := os.Stat(task.Output); err == nil {
		t.Error("it was written")
	}
}

// TestEdit: an edit that fails or drifts leaves nothing.
func TestEdit(t *testing.T) {
	for _, e := range []Edit{
		{Name: "--x", Run: func(context.Context, *onnx.Model) ([]string, error) {
			return nil, fault.New(fault.Usage, "", "no such name")
		}},
		{Name: "--x", Run: func(context.Context, *onnx.Model) ([]string, error) { return []string{"done"}, nil },
			Prove: func(context.Context, *model.Model, *model.Model) (report.Agreement, error) {
				return report.Agreement{Verdict: proof.Drifts, Why: "rows mix"}, nil
			}},
	} {
		task := on(t, chain())
		o := options(optimize.Passes()...)
		o.Edits = []Edit{e}
		if _, _, err := run(t, task, o); err == nil || !strings.Contains(err.Error(), "--x") {
			t.Errorf("got %v", err)
		}
		if left, _ := os.ReadDir(filepath.Dir(task.Output)); len(left) > 0 {
			t.Errorf("left behind: %v", left)
		}
	}
	// One that changes what the model computes, unseen by its own proof, is seen by the comparison: nothing is written.
	task := on(t, chain())
	o := options(optimize.Passes()...)
	o.Edits = []Edit{{Name: "--x", Run: func(_ context.Context, m *onnx.Model) ([]string, error) {
		m.Graph.Nodes[2].OpType = "Abs"
		return nil, nil
	}}}
	x, d, err := run(t, task, o)
	if err != nil || x.Verification.Verdict != proof.Drifts || d.Verdict != report.FailedGate {
		t.Errorf("%+v, %s, %v", x.Verification, d.Verdict, err)
	}
	if left, _ := os.ReadDir(filepath.Dir(task.Output)); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// TestRetreat: going back to an earlier state rolls back the passes that did nothing before it.
func TestRetreat(t *testing.T) {
	m := chain()
	d := report.New("optimize")
	p := &pipeline{Task: Task{Model: m}, doc: d, stages: []stage{{model: m.Proto}, {pass: "a", model: m.Proto}, {pass: "b", model: m.Proto}, {pass: "a", model: m.Proto}}}
	p.details.Passes = []report.PassRun{{Pass: "a", Verdict: kept}, {Pass: "b", Verdict: kept}, {Pass: "c", Verdict: unchanged}}
	p.retreat(1, "slow")
	if v := p.details.Passes; v[0].Verdict != kept || v[1].Verdict != rolledBack || v[1].Why != "slow" || v[2].Verdict != unchanged || len(p.stages) != 2 {
		t.Errorf("%+v, %d stages", v, len(p.stages))
	}
	if got := spread(11, 6); !slices.Equal(got, []int{0, 2, 4, 6, 8, 10}) {
		t.Errorf("spread is %v", got)
	}
	if got := spread(2, 6); !slices.Equal(got, []int{0, 1}) {
		t.Errorf("spread is %v", got)
	}
}

// TestSameGraph: what the runtime rewrites to the same nodes is the same graph; other weights' shapes are not.
func TestSameGraph(t *testing.T) {
	p := &pipeline{Task: on(t, chain())}
	less := chain()
	without("Identity")(less.Proto.Graph)
	if !p.sameGraph(t.Context(), chain(), less) {
		t.Error("an Identity that the runtime drops makes another graph")
	}
	other := chain()
	without("Relu")(other.Proto.Graph)
	if p.sameGraph(t.Context(), chain(), other) {
		t.Error("without Relu it is the same graph")
	}
}

func TestInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	task := on(t, chain())
	stop := optimize.Pass{Name: "stop", Run: func(context.Context, *optimize.Work) (int, error) {
		cancel()
		return 0, nil
	}}
	err := Run(ctx, task, options(stop), report.New("optimize"))
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if left, _ := os.ReadDir(filepath.Dir(task.Output)); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestValidate(t *testing.T) {
	for _, f := range []func(*Options){
		func(o *Options) { o.Tolerance.Rel = -1 }, func(o *Options) { o.Tolerance.Abs = math.Inf(1) }, func(o *Options) { o.MaxFold = -1 }, func(o *Options) { o.RaceTime = -1 },
	} {
		o := DefaultOptions()
		f(&o)
		if err := o.Validate(); fault.KindOf(err) != fault.Usage {
			t.Errorf("got %v", err)
		}
	}
	if err := DefaultOptions().Validate(); err != nil {
		t.Error(err)
	}
}
