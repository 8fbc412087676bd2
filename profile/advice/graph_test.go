package advice

import (
	"path/filepath"
	"strings"
	"testing"

	"infer/model"
	"infer/model/engine"
	"infer/model/engine/enginetest"
	"infer/model/onnx"
	"infer/model/tensor"
	"infer/report"
	"infer/testdata/arch"
)

var (
	node   = enginetest.Node
	names  = enginetest.Names
	value  = enginetest.Value
	values = enginetest.Values
)

func ints(name string, v ...int64) *onnx.Attribute {
	return &onnx.Attribute{Name: name, Type: onnx.AttrInts, Ints: v}
}

func f32(name string, s tensor.Shape, v ...float32) *onnx.Tensor {
	return enginetest.Initializer(enginetest.Floats(name, s, v...))
}

// filled is a constant with all elements v.
func filled(name string, v float32, s ...int64) *onnx.Tensor {
	n := int64(1)
	for _, d := range s {
		n *= d
	}
	data := make([]float32, n)
	for i := range data {
		data[i] = v
	}
	return f32(name, s, data...)
}

func zeroPoint(name string) *onnx.Tensor {
	return enginetest.Initializer(tensor.Tensor{Name: name, DType: tensor.Uint8, Shape: tensor.Shape{}, Data: []byte{128}})
}

// quantized is two convolutions in QDQ form, with a float operator between them unless it is "".
func quantized(between string) *model.Model {
	q := func(x, out string) *onnx.Node { return node("QuantizeLinear", names(x, "s", "z"), names(out)) }
	dq := func(x, out string) *onnx.Node { return node("DequantizeLinear", names(x, "s", "z"), names(out)) }
	nodes := []*onnx.Node{q("x", "x_q"), dq("x_q", "x_d"), q("w", "w_q"), dq("w_q", "w_d"),
		node("Conv", names("x_d", "w_d"), names("a")), q("a", "a_q"), dq("a_q", "a_d")}
	last := "a_d"
	if between != "" {
		nodes = append(nodes, node(between, names("a_d"), names("b")), q("b", "b_q"), dq("b_q", "b_d"))
		last = "b_d"
	}
	nodes = append(nodes, node("Conv", names(last, "w_d"), names("c")), q("c", "c_q"), dq("c_q", "y"))
	return enginetest.Build(values(value("x", tensor.Float32, 1, 8, 16, 16)), values(value("y", tensor.Float32, 1, 8, 16, 16)),
		nodes, filled("w", 0.1, 8, 8, 1, 1), f32("s", tensor.Shape{}, 0.02), zeroPoint("z"))
}

// TestLeftover: an operator that has no 8-bit form keeps a pair beside it in the graph that the runtime runs; without it
// only the borders are left, where callers speak float.
func TestLeftover(t *testing.T) {
	f := ran(t, quantized("Sin"), engine.Config{Threads: 1})
	if a := want(t, f, "QDQ-LEFTOVER", true); a != nil {
		if !strings.Contains(a.What, "float at Sin") || !strings.Contains(strings.Join(a.Evidence, "\n"), "dequantized for Sin → QuantizeLinear") || a.Bound <= 1 {
			t.Errorf("it says %+v", *a)
		}
	}
	want(t, ran(t, quantized(""), engine.Config{Threads: 1}), "QDQ-LEFTOVER", false)
}

// TestLeftoverConstant: a weight that is dequantized in every run is no island, but left over.
func TestLeftoverConstant(t *testing.T) {
	q := enginetest.Initializer(tensor.Tensor{Name: "w", DType: tensor.Uint8, Shape: tensor.Shape{2}, Data: []byte{1, 2}})
	m := enginetest.Build(values(value("x", tensor.Float32, 2)), values(value("y", tensor.Float32, 2)),
		[]*onnx.Node{node("DequantizeLinear", names("w", "s", "z"), names("w_d")), node("Add", names("x", "w_d"), names("y"))}, q, f32("s", tensor.Shape{}, 1), zeroPoint("z"))
	a := want(t, &Facts{Ran: m.Proto, Model: m}, "QDQ-LEFTOVER", true)
	if a != nil && !strings.Contains(strings.Join(a.Evidence, "\n"), "1 constant dequantized anew in every run") {
		t.Errorf("it says %+v", *a)
	}
}

// norm spells LayerNorm out, its squares by Pow, which the runtime knows, or by Mul, which it does not.
func norm(square string) *model.Model {
	second := "two"
	if square == "Mul" {
		second = "d"
	}
	return enginetest.Build(values(value("x", tensor.Float32, 1, 64, 256)), values(value("y", tensor.Float32, 1, 64, 256)), []*onnx.Node{
		node("ReduceMean", names("x", "axes"), names("m")), node("Sub", names("x", "m"), names("d")), node(square, names("d", second), names("p")),
		node("ReduceMean", names("p", "axes"), names("v")), node("Add", names("v", "eps"), names("e")), node("Sqrt", names("e"), names("r")),
		node("Div", names("d", "r"), names("n")), node("Mul", names("n", "scale"), names("g")), node("Add", names("g", "shift"), names("y")),
	}, enginetest.Initializer(enginetest.Int64s("axes", nil, -1)), f32("two", tensor.Shape{}, 2), f32("eps", tensor.Shape{}, 1e-5), filled("scale", 1.5, 256), filled("shift", 0.5, 256))
}

func TestUnfusedNorm(t *testing.T) {
	a := want(t, ran(t, norm("Mul"), engine.Config{Threads: 1}), "UNFUSED", true)
	if a != nil && (!strings.Contains(a.What, "1 × LayerNorm") || a.Bound <= 1 || a.Command != "infer optimize model.onnx --level full") {
		t.Errorf("it says %+v", *a)
	}
	want(t, ran(t, norm("Pow"), engine.Config{Threads: 1}), "UNFUSED", false)
}

// TestUnfusedGelu: the runtime fuses the Erf of Gelu, unless it was told not to optimize.
func TestUnfusedGelu(t *testing.T) {
	gelu := enginetest.Build(values(value("x", tensor.Float32, 64, 256)), values(value("y", tensor.Float32, 64, 256)), []*onnx.Node{
		node("Div", names("x", "root"), names("a")), node("Erf", names("a"), names("b")), node("Add", names("b", "one"), names("c")),
		node("Mul", names("x", "c"), names("d")), node("Mul", names("d", "half"), names("y")),
	}, f32("root", tensor.Shape{}, 1.4142135), f32("one", tensor.Shape{}, 1), f32("half", tensor.Shape{}, 0.5))
	a := want(t, ran(t, gelu, engine.Config{Threads: 1, OptLevel: engine.OptNone}), "UNFUSED", true)
	if a != nil && (!strings.Contains(a.What, "1 × Gelu") || a.Bound < 4.9 || a.Bound > 5.1) { // five passes become one
		t.Errorf("it says %+v", *a)
	}
	want(t, ran(t, gelu, engine.Config{Threads: 1}), "UNFUSED", false)
}

// TestUnfusedInBody: a pattern inside a Loop counts, too. Without times the bound is unknown.
func TestUnfusedInBody(t *testing.T) {
	body := &onnx.Graph{Name: "body", Nodes: []*onnx.Node{node("MatMul", names("h", "w"), names("p")), node("Add", names("p", "b"), names("s")), node("Relu", names("s"), names("h_out"))},
		Initializers: []*onnx.Tensor{filled("w", 1, 4, 4), filled("b", 1, 4)}, Outputs: values(value("h_out", tensor.Float32, 1, 4))}
	m := &onnx.Model{Graph: &onnx.Graph{Nodes: []*onnx.Node{node("Loop", names("n", "", "h0"), names("y"), &onnx.Attribute{Name: "body", Type: onnx.AttrGraph, G: body})}}}
	a := want(t, &Facts{Ran: m}, "UNFUSED", true)
	if a != nil && (!strings.Contains(a.What, "MatMul, Add and activation") || a.Bound != 0) {
		t.Errorf("it says %+v", *a)
	}
	body.Nodes[1].Inputs[1] = "h" // a residual, not a bias
	want(t, &Facts{Ran: m}, "UNFUSED", false)
}

// TestLayout: a model in NHWC that the runtime must lay out anew; and one that it need not.
func TestLayout(t *testing.T) {
	nhwc := enginetest.Build(values(value("x", tensor.Float32, 1, 64, 64, 64)), values(value("y", tensor.Float32, 1, 64, 64, 64)),
		[]*onnx.Node{node("Transpose", names("x"), names("a"), ints("perm", 0, 2, 3, 1)), node("Relu", names("a"), names("y"))})
	a := want(t, ran(t, nhwc, engine.Config{Threads: 1}), "LAYOUT", true)
	if a != nil && (a.Bound <= 1 || !strings.Contains(strings.Join(a.Evidence, "\n"), "Transpose a: ")) {
		t.Errorf("it says %+v", *a)
	}
	want(t, ran(t, enginetest.Identity(tensor.Float32, 4), engine.Config{Threads: 1}), "LAYOUT", false)
}

func TestCancelling(t *testing.T) {
	graph := func(second ...int64) *onnx.Graph {
		return &onnx.Graph{Nodes: []*onnx.Node{node("Transpose", names("x"), names("a"), ints("perm", 0, 2, 3, 1)), node("Relu", names("a"), names("b")),
			node("Transpose", names("b"), names("y"), ints("perm", second...))}, Outputs: values(value("y", tensor.Float32))}
	}
	if got := cancelling(graph(0, 3, 1, 2)); len(got) != 1 || got[0] != "a and y cancel" {
		t.Errorf("pairs are %q", got)
	}
	if got := cancelling(graph(0, 2, 3, 1)); len(got) != 0 {
		t.Errorf("pairs are %q", got)
	}
}

// TestGemv: one row against a large weight reads it for one use of each element; many rows do not.
func TestGemv(t *testing.T) {
	a := want(t, ran(t, model.New(arch.MatMulOne(1, 512, 512)), engine.Config{Threads: 1}), "BATCH1-GEMV", true)
	// One product of 512 × 512 float32 weights: 1048576 bytes, and all of the time: with 8 bits a quarter at best.
	if a != nil && (!strings.Contains(a.What, "1 product read 1.05 MB of weights") || a.Bound < 3.9 || a.Bound > 4) {
		t.Errorf("it says %+v", *a)
	}
	want(t, ran(t, model.New(arch.MatMulOne(64, 512, 512)), engine.Config{Threads: 1}), "BATCH1-GEMV", false)
}

// TestParallel: a chain has nothing to run side by side.
func TestParallel(t *testing.T) {
	chain := model.New(arch.Chain("Abs", 50, 16))
	f := ran(t, chain, engine.Config{Threads: 1, InterThreads: 2})
	if a := want(t, f, "PAR-EXEC", true); a != nil && a.Command != "infer profile model.onnx --inter-threads 1" {
		t.Errorf("it says %+v", *a)
	}
	f.Details.Trace.Run.Value /= 1e6 // as if branches had overlapped
	want(t, f, "PAR-EXEC", false)
	f.Details.Correction = &report.Correction{Traced: report.Interval{Value: f.Details.Trace.Run.Value * 1e6}} // the warm-up is in the trace
	want(t, f, "PAR-EXEC", true)
	want(t, ran(t, chain, engine.Config{Threads: 1}), "PAR-EXEC", false)
}

// TestSharedQDQ: the rules go through the graph of a public quantized model as the runtime left it.
func TestSharedQDQ(t *testing.T) {
	m, err := model.Load(filepath.Join("..", "..", "..", "shared", "models", "micro-kws", "micro-kws-qdq.onnx"))
	if err != nil {
		t.Skipf("no shared models: %v", err)
	}
	defer m.Close()
	f := ran(t, m, engine.Config{Threads: 1})
	f.Machine.ISA = []string{"avx2"}
	want(t, f, "NO-VNNI", true)
	for _, a := range Check(f) {
		t.Logf("%s: %s (%.2f) %s", a.Rule, a.What, a.Bound, strings.Join(a.Evidence, "; "))
		if a.Bound < 0 || a.What == "" || a.Try == "" || len(a.Evidence) == 0 {
			t.Errorf("%+v lacks something", a)
		}
	}
}

func TestRowsOf(t *testing.T) {
	for text, want := range map[string]int64{"float 1x77x512": 77, "1x64 → 1x1000": 1, "float 8": 1, "float 4x8x16x2": 512} {
		if got, ok := rowsOf(text); !ok || got != want {
			t.Errorf("rowsOf(%q) is %d, %v", text, got, ok)
		}
	}
	for _, text := range []string{"", "float", "float 1x?x4", "float 2, float 3", "float 1x0"} {
		if got, ok := rowsOf(text); ok {
			t.Errorf("rowsOf(%q) is %d", text, got)
		}
	}
}
