package quantize

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"infer/internal/fault"
	"infer/model"
	"infer/model/engine/enginetest"
	"infer/model/onnx"
	"infer/model/tensor"
	"infer/report"
)

// TestOddGraphs: graphs with subgraphs, strings, sequences and the like are quantized, or refused with a reason that is
// not a failure of the program; what is not written leaves nothing behind.
func TestOddGraphs(t *testing.T) {
	files, err := filepath.Glob("../../testdata/odd/*.onnx")
	if err != nil || len(files) < 10 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		m, err := model.Load(file)
		if err != nil {
			continue // refused by whoever reads it
		}
		t.Cleanup(func() { m.Close() })
		for _, mode := range []Mode{Auto, Static, Dynamic, WeightOnly, FP16} {
			t.Run(strings.TrimSuffix(filepath.Base(file), ".onnx")+"/"+string(mode), func(t *testing.T) {
				bound, err := m.Bind(model.Bindings{})
				if err != nil {
					t.Skip(err)
				}
				k := task(t, m, bound.Shapes)
				r, err := quantize(t, t.Context(), k, quick(mode))
				_, none := os.Stat(k.Output)
				switch {
				case err != nil && fault.KindOf(err) == fault.Internal:
					t.Errorf("failed: %v", err)
				case err == nil && (r.Output == "") != (none != nil) || err != nil && none == nil:
					t.Errorf("output is %q, the file: %v", r.Output, none)
				case err == nil && (r.Verdict == report.OK) != (r.Output != ""):
					t.Errorf("verdict %s, output %q", r.Verdict, r.Output)
				case r.Output != "" && (r.Conversion == nil || r.Conversion.Nodes == 0):
					t.Errorf("a model that has no weights was written: %s, %+v", r.Chosen, r.Conversion)
				}
			})
		}
	}
}

// nested is a classifier whose weights are read in subgraphs: an If in whose branches a value and weights of the outer
// graph are used, and a Loop. Its other outputs are text, a sequence and class ids.
func nested(t *testing.T) *model.Model {
	t.Helper()
	const width = 64
	weight := func(name string, seed uint64) *onnx.Tensor {
		r := rand.New(rand.NewPCG(seed, 1))
		v := make([]float32, width*width)
		for i := range v {
			v[i] = float32(r.NormFloat64() / 8)
		}
		return enginetest.Initializer(enginetest.Floats(name, tensor.Shape{width, width}, v...))
	}
	graph := func(name string, ins, outs []*onnx.ValueInfo, nodes ...*onnx.Node) *onnx.Attribute {
		return &onnx.Attribute{Name: name, Type: onnx.AttrGraph, G: &onnx.Graph{Name: name, Inputs: ins, Outputs: outs, Nodes: nodes}}
	}
	node, names, values, value := enginetest.Node, enginetest.Names, enginetest.Values, enginetest.Value
	row := func(name string) *onnx.ValueInfo { return value(name, tensor.Float32, "batch", width) }
	then := graph("then_branch", nil, values(row("t")), node("MatMul", names("h", "w1"), names("t1")), node("Relu", names("t1"), names("t")))
	other := graph("else_branch", nil, values(row("e")), node("MatMul", names("h", "w2"), names("e")))
	body := graph("body", values(value("i", tensor.Int64), value("c", tensor.Bool), row("s")), values(value("c2", tensor.Bool), row("s2")),
		node("Identity", names("c"), names("c2")), node("MatMul", names("s", "w3"), names("s1")), node("Tanh", names("s1"), names("s2")))
	return enginetest.Build(values(row("x"), value("text", tensor.String, 1)),
		append(values(row("y"), value("said", tensor.String, 1), value("id", tensor.Int64, "batch")),
			&onnx.ValueInfo{Name: "list", Type: &onnx.Type{Kind: onnx.KindSequence, Elem: row("").Type}}),
		[]*onnx.Node{
			node("MatMul", names("x", "w0"), names("h")),
			node("ReduceSum", names("h"), names("sum"), enginetest.Int("keepdims", 0)),
			node("Greater", names("sum", "zero"), names("cond")),
			node("If", names("cond"), names("b"), then, other),
			node("Loop", names("three", "", "b"), names("y"), body),
			node("Identity", names("text"), names("said")),
			node("ArgMax", names("y"), names("id"), enginetest.Int("axis", 1), enginetest.Int("keepdims", 0)),
			node("SequenceConstruct", names("y"), names("list")),
		},
		weight("w0", 1), weight("w1", 2), weight("w2", 3), weight("w3", 4),
		enginetest.Initializer(enginetest.Floats("zero", tensor.Shape{}, 0)), enginetest.Initializer(enginetest.Int64s("three", tensor.Shape{}, 3)))
}

// TestNoFloatOutput: where nothing can be compared there is no budget that could be kept, and a warning.
func TestNoFloatOutput(t *testing.T) {
	m := nested(t)
	m.Proto.Graph.Outputs = m.Proto.Graph.Outputs[1:] // text, class ids and a sequence
	k := task(t, m, map[string]tensor.Shape{"x": {2, 64}, "text": {1}})
	r := mustQuantize(t, k, quick(Auto))
	for _, name := range []string{"sqnr_db", "cosine", "max_abs_diff"} {
		if r.Metric(name, nil) != nil {
			t.Errorf("%s was not measured and is told", name)
		}
	}
	if len(r.Gates) > 0 || !strings.Contains(strings.Join(r.Warnings, "\n"), "no output is floating-point") {
		t.Errorf("gates %+v, warnings %q", r.Gates, r.Warnings)
	}
	o := quick(Auto)
	o.Budget = &Budget{Kind: "cosine", Limit: 0.9}
	_, err := quantize(t, t.Context(), k, o)
	wantUsage(t, err, "leave it out", "a budget of cosine needs an output that is floating-point")
}

// TestSubgraphs: products in branches and loops are quantized, too, where the form can, and no output changes its kind.
func TestSubgraphs(t *testing.T) {
	m := nested(t)
	for _, c := range []struct {
		mode  Mode
		nodes int // that are quantized; the static form knows the main graph alone
	}{{Static, 1}, {Dynamic, 4}, {WeightOnly, 4}, {Auto, 0}, {FP16, 0}} {
		t.Run(string(c.mode), func(t *testing.T) {
			k := task(t, m, map[string]tensor.Shape{"x": {2, 64}, "text": {1}})
			r := mustQuantize(t, k, quick(c.mode))
			if r.Verdict != report.OK || r.Output == "" {
				t.Fatalf("verdict %s, reason %q: %+v", r.Verdict, r.Reason, r.Candidates)
			}
			done := 0
			for _, n := range r.Nodes {
				if n.Op == "MatMul" && n.Form != "float" {
					done++
				}
			}
			if c.nodes > 0 && done != c.nodes {
				t.Errorf("%d products are quantized, want %d: %+v", done, c.nodes, r.Nodes)
			}
			if db := *r.Metric("sqnr_db", nil).Value; db < 20 {
				t.Errorf("SQNR is %.1f dB", db)
			}
			was, is := m.Outputs(), load(t, k.Output).Outputs()
			for i := range was {
				if was[i].Name != is[i].Name || was[i].Type.Kind != is[i].Type.Kind || was[i].Type.DType != is[i].Type.DType {
					t.Errorf("output %+v became %+v", was[i], is[i])
				}
			}
		})
	}
}
