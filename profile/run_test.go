package profile

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"infer/internal/fault"
	"infer/internal/progress"
	"infer/model"
	"infer/model/engine"
	"infer/model/engine/enginetest"
	"infer/model/measure"
	"infer/model/onnx"
	"infer/model/tensor"
	"infer/model/trace"
	"infer/report"
)

// small is a model y = Relu(x) with x [batch, 4].
func small(t *testing.T) *model.Model {
	t.Helper()
	typ := &onnx.Type{Kind: onnx.KindTensor, DType: tensor.Float32, HasShape: true, Dims: []onnx.Dim{onnx.Symbol("batch"), onnx.Fixed(4)}}
	return model.New(&onnx.Model{IRVersion: 8, Opsets: []onnx.Opset{{Version: 17}}, Graph: &onnx.Graph{
		Nodes:   []*onnx.Node{{Name: "relu", OpType: "Relu", Inputs: []string{"x"}, Outputs: []string{"y"}}},
		Inputs:  []*onnx.ValueInfo{{Name: "x", Type: typ}},
		Outputs: []*onnx.ValueInfo{{Name: "y", Type: typ}},
	}})
}

func target(t *testing.T, f *enginetest.Fake) Target {
	t.Helper()
	return Target{Model: small(t), Provider: f, Config: engine.Config{Threads: 1}, Inputs: func(batch int64) ([]tensor.Tensor, error) {
		x, err := tensor.New("x", tensor.Float32, tensor.Shape{max(batch, 1), 4})
		return []tensor.Tensor{x}, err
	}}
}

func TestRunOnFake(t *testing.T) {
	f := &enginetest.Fake{}
	d := report.New("profile")
	tg := target(t, f)
	phases := map[string]bool{}
	tg.Progress = func(e progress.Event) { phases[e.Phase] = true }
	if _, err := Run(t.Context(), tg, Options{Runs: 400, WarmUp: 3, Batches: []int64{1, 4}, By: "op", Top: 5}, d); err != nil {
		t.Fatal(err)
	}
	if err := d.Validate(); err != nil {
		t.Error(err)
	}
	for _, labels := range []map[string]string{nil, {"batch": "1"}, {"batch": "4"}} {
		for _, name := range []string{"latency_mean", "latency_p50", "latency_p99", "throughput"} {
			if m := d.Metric(name, labels); m == nil || m.Value == nil || m.N != 400 || m.Lo == nil {
				t.Errorf("%s %v is %+v", name, labels, m)
			}
		}
	}
	// The shapes are [batch, 4] of float32: x and y are alive at the only node, 2·16 bytes.
	if m := d.Metric("activation_bytes", nil); m == nil || *m.Value != 32 {
		t.Errorf("activation_bytes is %+v", m)
	}
	if n := f.Sessions(); n != 0 {
		t.Errorf("%d sessions are left open", n)
	}
	if !phases["open the session"] {
		t.Errorf("progress told of %v", phases)
	}
}

func TestRunFailures(t *testing.T) {
	broken := errors.New("the library broke")
	for _, c := range []struct {
		name string
		fake *enginetest.Fake
		want string
	}{
		{"open", &enginetest.Fake{OpenErr: broken}, "the library broke"},
		{"a run", &enginetest.Fake{RunErr: func(run int) error {
			if run == 5 {
				return broken
			}
			return nil
		}}, "the library broke"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Run(t.Context(), target(t, c.fake), Options{Runs: 50, WarmUp: 1, By: "op", Top: 5}, report.New("profile"))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error is %v", err)
			}
			if n := c.fake.Sessions(); n != 0 {
				t.Errorf("%d sessions are left open", n)
			}
		})
	}
}

// TestBatchThatCannotRun: one size of a sweep that fails is named, the others are measured.
func TestBatchThatCannotRun(t *testing.T) {
	f := &enginetest.Fake{Compute: func(in []tensor.Tensor, outputs []engine.Port) ([]tensor.Tensor, error) {
		if in[0].Shape[0] == 2 {
			return nil, errors.New("Reshape: 8 elements do not fit 1x4")
		}
		return enginetest.Zeros(in, outputs)
	}}
	d := report.New("profile")
	if _, err := Run(t.Context(), target(t, f), Options{Runs: 10, WarmUp: 1, Batches: []int64{2, 4}, By: "op", Top: 5}, d); err != nil {
		t.Fatal(err)
	}
	if d.Metric("latency_p50", map[string]string{"batch": "2"}) != nil || d.Metric("latency_p50", map[string]string{"batch": "4"}) == nil {
		t.Errorf("metrics are %+v", d.Metrics)
	}
	if !strings.Contains(strings.Join(d.Warnings, "\n"), "batch 2 could not be run: ") {
		t.Errorf("warnings are %q", d.Warnings)
	}
}

// TestRunInterrupted: what was measured before the interruption is in the document.
func TestRunInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	f := &enginetest.Fake{Latency: func(run int, _ []tensor.Tensor) time.Duration {
		if run == 60 {
			cancel()
		}
		return 0
	}}
	d := report.New("profile")
	if _, err := Run(ctx, target(t, f), Options{Runs: 1 << 20, WarmUp: 2, Batches: []int64{2}, Cold: 3, By: "op", Top: 5}, d); err != nil {
		t.Fatal(err)
	}
	m := d.Metric("latency_p50", nil)
	if d.Verdict != report.Interrupted || m == nil || m.Value == nil || m.N < 40 || m.N > 60 {
		t.Errorf("verdict %s, latency_p50 %+v", d.Verdict, m)
	}
	if err := d.Validate(); err != nil {
		t.Error(err)
	}
}

// TestCold: the medians come from fresh processes; with fewer than six the range stands in for the interval.
func TestCold(t *testing.T) {
	tg := target(t, &enginetest.Fake{})
	tg.Cold = func(ctx context.Context) *exec.Cmd {
		return exec.CommandContext(ctx, "echo", `{"library_load":0.02,"session_init":0.3,"first_run":0.004,"peak_rss":1000}`)
	}
	for _, c := range []struct {
		cold       int
		confidence float64
	}{{2, 0}, {6, 0.95}} {
		d := report.New("profile")
		if _, err := Run(t.Context(), tg, Options{Runs: 10, WarmUp: 1, Cold: c.cold, By: "op", Top: 5}, d); err != nil {
			t.Fatal(err)
		}
		m := d.Metric("session_init", nil)
		if m == nil || *m.Value != 0.3 || m.N != c.cold || m.Confidence != c.confidence || *m.Lo != 0.3 {
			t.Errorf("%d processes: session_init is %+v", c.cold, m)
		}
	}
	tg.Cold = func(ctx context.Context) *exec.Cmd { return exec.CommandContext(ctx, "false") }
	if _, err := Run(t.Context(), tg, Options{Runs: 10, WarmUp: 1, Cold: 1, By: "op", Top: 5}, report.New("profile")); err == nil {
		t.Error("a child that fails is no error")
	}
}

func TestNext(t *testing.T) {
	check := func(name string) func(*runner) {
		return func(r *runner) { r.d.AddCheck(name, false, "%s was seen", name) }
	}
	for _, c := range []struct {
		name  string
		setup func(*runner)
		want  string // in the command; "" for none
	}{
		{"more threads than CPUs", func(r *runner) { r.t.Config.Threads = 8 }, "--threads 2"},
		{"throttled", func(r *runner) { r.t.Config.Threads = 2; check("cpu_throttled")(r) }, "--threads 1"},
		{"throttled on one thread", check("cpu_throttled"), ""},
		{"others use the machine", check("other_load"), ""},
		{"not steady", check("steady_state"), "--duration 20s"},
		{"too few runs for the p99", func(r *runner) {
			r.o.Runs = 30
			r.d.Add(report.NewMetric("latency_p99"))
		}, "--runs 400"},
		{"the batch axis is free", func(*runner) {}, "--batch 1,2,4,8"},
		{"the sweep is done", func(r *runner) { r.o.Batches = []int64{1, 2} }, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := small(t)
			m.Path = "my model.onnx"
			r := &runner{d: report.New("profile"), t: Target{Model: m}, o: Options{Duration: 5 * time.Second}, cpus: 2, base: &measure.Series{Seconds: []float64{1}}}
			c.setup(r)
			got := r.next()
			switch {
			case got == nil && c.want != "":
				t.Errorf("no advice, want %q", c.want)
			case got != nil && (c.want == "" || !strings.Contains(got.Command, c.want)):
				t.Errorf("advice is %q, want %q", got.Command, c.want)
			case got != nil && !strings.HasPrefix(got.Command, "infer profile 'my model.onnx' "):
				t.Errorf("the command %q cannot be pasted", got.Command)
			}
		})
	}
}

func TestValidate(t *testing.T) {
	if err := DefaultOptions.Validate(); err != nil {
		t.Errorf("the defaults: %v", err)
	}
	bad := Options{Runs: -1, WarmUp: -2, Cold: -1, Batches: []int64{0, 2, 2}, By: "layer", TracePath: "t.json"}
	err := bad.Validate()
	if fault.KindOf(err) != fault.Usage {
		t.Fatalf("kind of %v", err)
	}
	for _, want := range []string{"--runs", "--warm-up", "--cold", "--top", "--by", "--trace", "--batch 0", "--batch names 2 twice"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error lacks %s: %v", want, err)
		}
	}
}

// TestShares: rows are sorted, sum to one, and mixed groups lose what their nodes do not share.
func TestShares(t *testing.T) {
	tr := &trace.Trace{Runs: 2, Nodes: []*trace.Node{
		{Name: "/a/x/Conv", Op: "Conv", Provider: "CPU", Shapes: "float 1x2", Seconds: []float64{1, 3}},
		{Name: "/a/x/Relu", Op: "Relu", Provider: "CPU", Seconds: []float64{1, 1}},
		{Name: "/b/y/Conv", Op: "Conv", Provider: "CUDA", Shapes: "float 1x4", Seconds: []float64{5, 5}},
	}}
	ops := table(tracedTimes(tr), func(n *nodeTime) string { return n.Op })
	if len(ops) != 2 || ops[0].Name != "Conv" || ops[0].Count != 2 || ops[0].Seconds != 7 || ops[0].Share != 0.875 || ops[0].Provider != "mixed" || ops[0].Shapes != "" {
		t.Errorf("by operator: %+v", ops)
	}
	blocks := table(tracedTimes(tr), func(n *nodeTime) string { return block(n.Name) })
	if names := []string{blocks[0].Name, blocks[1].Name}; !slices.Equal(names, []string{"b/y", "a/x"}) || blocks[1].Op != "" {
		t.Errorf("by block: %+v", blocks)
	}
}

// TestBlock: a block is the first two parts of a path, without the part that names the node itself.
func TestBlock(t *testing.T) {
	for _, c := range []struct{ name, want string }{
		{"/encoder/layer.3/attention/MatMul", "encoder/layer.3"},
		{"/conv1/Conv", "conv1"},
		{"Conv_12", "(unnamed)"},
		{"", "(unnamed)"},
	} {
		if got := block(c.name); got != c.want {
			t.Errorf("block(%q) = %q, want %q", c.name, got, c.want)
		}
	}
}

// TestDiff names what differs between two models, and nothing for a model and itself.
func TestDiff(t *testing.T) {
	a, b := small(t), small(t)
	d, err := Diff(a, a, model.Bindings{})
	if err != nil || !d.Identical {
		t.Errorf("a model and itself: %+v, %v", d, err)
	}
	b.Proto.Graph.Inputs[0].Type.Dims[0] = onnx.Fixed(1)
	b.Proto.Graph.Nodes[0].OpType = "Tanh"
	if d, err = Diff(a, b, model.Bindings{}); err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	if d.Identical || len(d.Nodes) != 1 || d.Nodes[0].What != "relu operator" {
		t.Errorf("nodes differ by %+v", d.Nodes)
	}
	for _, want := range []string{"batch", "Relu", "Tanh"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("the difference lacks %s: %s", want, text)
		}
	}
}

// TestDiffSeesAttributesAndWiring: two models that differ in nothing but an attribute, or an operand, are not alike.
func TestDiffSeesAttributesAndWiring(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(n *onnx.Node)
		want   report.DiffRow
	}{
		{"attribute", func(n *onnx.Node) { n.Attrs[0].I = -2 }, report.DiffRow{What: "relu attribute axis", Base: "-1", Head: "-2"}},
		{"attribute gone", func(n *onnx.Node) { n.Attrs = nil }, report.DiffRow{What: "relu attribute axis", Base: "-1"}},
		{"operand", func(n *onnx.Node) { n.Inputs = []string{"x", "x"} }, report.DiffRow{What: "relu inputs", Base: "x", Head: "x, x"}},
	} {
		a, b := small(t), small(t)
		for _, m := range []*model.Model{a, b} {
			m.Proto.Graph.Nodes[0].Attrs = []*onnx.Attribute{{Name: "axis", Type: onnx.AttrInt, I: -1}}
		}
		c.change(b.Proto.Graph.Nodes[0])
		d, err := Diff(a, b, model.Bindings{})
		if err != nil {
			t.Fatal(err)
		}
		if d.Identical || len(d.Nodes) != 1 || d.Nodes[0] != c.want {
			t.Errorf("%s: %+v, want %+v", c.name, d.Nodes, c.want)
		}
	}
}

// TestDiffSeesGraphsWithin: weights of a branch, of a function's node and sparse ones are compared, too.
func TestDiffSeesGraphsWithin(t *testing.T) {
	weight := func(v byte) *onnx.Tensor {
		return onnx.NewTensorIn("w", tensor.Uint8, tensor.Shape{1}, []byte{v}, false)
	}
	for name, add := range map[string]func(m *onnx.Model, v byte){
		"branch": func(m *onnx.Model, v byte) {
			n := m.Graph.Nodes[0]
			n.Attrs = append(n.Attrs, &onnx.Attribute{Name: "then_branch", Type: onnx.AttrGraph, G: &onnx.Graph{Initializers: []*onnx.Tensor{weight(v)}}})
		},
		"sparse": func(m *onnx.Model, v byte) {
			m.Graph.Sparse = append(m.Graph.Sparse, &onnx.SparseTensor{Values: weight(1), Indices: weight(v), Dims: []int64{9}})
		},
		"sparse attribute": func(m *onnx.Model, v byte) {
			n := m.Graph.Nodes[0]
			n.Attrs = append(n.Attrs, &onnx.Attribute{Name: "value", Type: onnx.AttrSparseTensor, Sparse: &onnx.SparseTensor{Values: weight(v), Indices: weight(0)}})
		},
		"function": func(m *onnx.Model, v byte) {
			m.Functions = append(m.Functions, &onnx.Function{Name: "f", Nodes: []*onnx.Node{{OpType: "Constant", Outputs: []string{"c"}, Attrs: []*onnx.Attribute{{Name: "value_int", Type: onnx.AttrInt, I: int64(v)}}}}})
		},
	} {
		t.Run(name, func(t *testing.T) {
			a, b, same := small(t), small(t), small(t)
			add(a.Proto, 1)
			add(b.Proto, 2)
			add(same.Proto, 1)
			if d, err := Diff(a, same, model.Bindings{}); err != nil || !d.Identical {
				t.Errorf("alike: %+v, %v", d, err)
			}
			if d, err := Diff(a, b, model.Bindings{}); err != nil || d.Identical || len(d.Nodes)+len(d.Constants) != 1 {
				t.Errorf("another value: %+v, %v", d, err)
			}
		})
	}
}

// TestTraceNotKept: a trace that cannot be written where it was asked for takes nothing of the profile with it.
func TestTraceNotKept(t *testing.T) {
	tg := target(t, &enginetest.Fake{})
	tg.Provider = enginetest.CPU(t)
	d := report.New("profile")
	p, err := Run(t.Context(), tg, Options{Runs: 8, ProfiledRuns: 5, Duration: 40 * time.Millisecond, By: "op", TracePath: filepath.Join(t.TempDir(), "none", "t.json")}, d)
	if err != nil {
		t.Fatal(err)
	}
	x, err := Details(d)
	if !errors.Is(p.Unkept, os.ErrNotExist) || p.Trace == nil || err != nil || len(x.ByNode) == 0 || d.Metric("latency_p50", nil).Value == nil {
		t.Errorf("%v, %+v, %v", p.Unkept, d, err)
	}
}
