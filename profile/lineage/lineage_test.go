package lineage

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"infer/model"
	"infer/model/engine"
	"infer/model/engine/enginetest"
	"infer/model/onnx"
	"infer/model/tensor"
	"infer/testdata/arch"
)

func TestGeneratedModels(t *testing.T) {
	for name, m := range generated() {
		t.Run(name, func(t *testing.T) {
			r := run(t, model.New(m.model), engine.OptAll, nil)
			checkOrigins(t, r)
			if macs := checkCosts(t, r); m.macs != 0 && macs != m.macs {
				t.Errorf("%d multiply-accumulates, want %d", macs, m.macs)
			}
		})
	}
}

func TestSharedModels(t *testing.T) {
	shared(t, func(name string, m *model.Model) {
		t.Run(name, func(t *testing.T) {
			r := run(t, m, engine.OptAll, shapesOf(name))
			checkOrigins(t, r)
			checkCosts(t, r)
		})
	})
}

// checkOrigins: origins are nodes of the model, none is claimed twice, and each convolution, product and recurrence is
// claimed.
func checkOrigins(t *testing.T, r ran) {
	t.Helper()
	written, claimed := map[string]*onnx.Node{}, map[string]string{}
	r.written.Graph.Walk(func(g *onnx.Graph) {
		for _, n := range g.Nodes {
			written[Name(n)] = n
		}
	})
	for node, names := range Origins(r.written, r.graph) {
		for _, o := range names {
			if written[o] == nil {
				t.Errorf("%q has the origin %q, which is no node of the model", node, o)
			}
			if other, twice := claimed[o]; twice {
				t.Errorf("%q is claimed by %q and %q", o, node, other)
			}
			claimed[o] = node
		}
	}
	for o, n := range written {
		if isHeavy(n) && claimed[o] == "" {
			t.Errorf("%s %q is claimed by no node", n.OpType, o)
		}
	}
}

// TestNameless: without a name in the model, every node of the trace finds its origins, except the changes of shape that
// the runtime adds.
func TestNameless(t *testing.T) {
	r := run(t, model.New(nameless(tiny(arch.WithDecomposedNorm()))), engine.OptAll, nil)
	origins := Origins(r.written, r.graph)
	for _, n := range r.trace.Nodes {
		if len(origins[n.Name]) == 0 && !strings.HasPrefix(n.Name, "gemm_") {
			t.Errorf("%s %q has no origin", n.Op, n.Name)
		}
	}
}

// isHeavy reports whether a node is one of those that take the time of a model.
func isHeavy(n *onnx.Node) bool {
	return slices.Contains([]string{"Conv", "MatMul", "Gemm", "LSTM", "GRU", "QLinearConv", "QLinearMatMul", "ConvTranspose", "TreeEnsembleClassifier"}, n.OpType)
}

// normalized is Conv, BatchNormalization and Relu in a row, on 16 channels.
func normalized() *model.Model {
	weights := func(name string, shape tensor.Shape) *onnx.Tensor {
		n, _ := shape.Elements()
		v := make([]float32, n)
		for i := range v {
			v[i] = 1 + float32(i%7)/8
		}
		return enginetest.Initializer(enginetest.Floats(name, shape, v...))
	}
	conv := enginetest.Node("Conv", enginetest.Names("x", "w"), enginetest.Names("c"))
	norm := enginetest.Node("BatchNormalization", enginetest.Names("c", "scale", "bias", "mean", "var"), enginetest.Names("n"))
	relu := enginetest.Node("Relu", enginetest.Names("n"), enginetest.Names("y"))
	conv.Name, norm.Name, relu.Name = "conv", "norm", "relu"
	port := func(name string) []*onnx.ValueInfo {
		return enginetest.Values(enginetest.Value(name, tensor.Float32, 1, 16, 8, 8))
	}
	return enginetest.Build(port("x"), port("y"), []*onnx.Node{conv, norm, relu}, weights("w", tensor.Shape{16, 16, 1, 1}),
		weights("scale", tensor.Shape{16}), weights("bias", tensor.Shape{16}), weights("mean", tensor.Shape{16}), weights("var", tensor.Shape{16}))
}

func TestOriginsAtEveryLevel(t *testing.T) {
	for _, c := range []struct {
		name  string
		level engine.OptLevel
		want  []string // the origins of each node, in order of the first one
	}{
		{"none", engine.OptNone, []string{"[conv]", "[norm]", "[relu]"}},
		{"basic", engine.OptBasic, []string{"[conv norm]", "[relu]"}},
		{"extended", engine.OptExtended, []string{"[conv norm relu]"}},
		{"all", engine.OptAll, []string{"[conv norm relu]"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := run(t, normalized(), c.level, nil)
			var got []string
			for _, names := range Origins(r.written, r.graph) {
				got = append(got, fmt.Sprint(names))
			}
			if slices.Sort(got); !slices.Equal(got, c.want) {
				t.Errorf("origins are %q, want %q", got, c.want)
			}
		})
	}
}

// TestFusions checks, by hand, what the nodes of known fusions stand for. A node is named by one of its origins.
func TestFusions(t *testing.T) {
	resnet := run(t, model.New(arch.ResNet50()), engine.OptAll, nil)
	encoder := run(t, model.New(tiny()), engine.OptAll, nil)
	pieces := run(t, model.New(tiny(arch.WithDecomposedNorm(), arch.WithEmbeddings())), engine.OptAll, nil)
	for _, c := range []struct {
		name, of string
		r        ran
		op       string // "": differs between processors
		want     string
	}{
		{"Conv and Relu", "Conv_0", resnet, "", "[Conv_0 Relu_1]"},
		{"Conv, residual Add and Relu", "Conv_7", resnet, "", "[Conv_7 Add_9 Relu_10]"},
		{"MatMul and Add of three axes", "MatMul_0", encoder, "Gemm", "[MatMul_0 Add_1]"},
		{"MatMul and Div", "MatMul_33", encoder, "FusedMatMul", "[MatMul_33 Div_34]"},
		{"Add and LayerNormalization", "LayerNormalization_49", encoder, "SkipLayerNormalization", "[Add_48 LayerNormalization_49]"},
		{"Gelu in pieces", "Erf_53", encoder, "Gelu", "[Div_52 Erf_53 Add_54 Mul_55 Mul_56]"},
		{"a shape folded into a Reshape", "Reshape_45", encoder, "Reshape", "[Reshape_45]"},
		{"LayerNormalization in pieces", "Sqrt_16", pieces, "LayerNormalization",
			"[ReduceMean_11 Sub_12 Pow_13 ReduceMean_14 Add_15 Sqrt_16 Div_17 Mul_18 Add_19]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			ops := map[string]string{}
			for _, n := range c.r.graph.Graph.Nodes {
				ops[n.Name] = n.OpType
			}
			for node, names := range Origins(c.r.written, c.r.graph) {
				if !slices.Contains(names, c.of) {
					continue
				}
				if fmt.Sprint(names) != c.want || c.op != "" && ops[node] != c.op {
					t.Errorf("%s %q stands for %v; want %s %s", ops[node], node, names, c.op, c.want)
				}
				return
			}
			t.Errorf("no node stands for %q", c.of)
		})
	}
}

// graph makes a model of nodes written as "name: Op in,in -> out,out".
func graph(lines ...string) *onnx.Model {
	g := &onnx.Graph{}
	for _, line := range lines {
		name, rest, _ := strings.Cut(line, ": ")
		op, rest, _ := strings.Cut(rest, " ")
		in, out, _ := strings.Cut(rest, " -> ")
		n := &onnx.Node{Name: name, OpType: op, Outputs: strings.Split(out, ",")}
		n.Domain, n.OpType = "", op
		if domain, short, ok := strings.Cut(op, ":"); ok {
			n.Domain, n.OpType = domain, short
		}
		if in != "" {
			n.Inputs = strings.Split(in, ",")
		}
		g.Nodes = append(g.Nodes, n)
	}
	g.Inputs = []*onnx.ValueInfo{{Name: "x"}}
	g.Initializers = []*onnx.Tensor{{Name: "w"}, {Name: "b"}}
	return &onnx.Model{IRVersion: 8, Graph: g}
}

func TestOriginsByHand(t *testing.T) {
	const nchwc = "com.microsoft.nchwc:"
	for _, c := range []struct {
		name         string
		written, ran *onnx.Model
		want         string
	}{
		{"nothing changed, no names",
			graph(": Constant  -> k", ": Add x,k -> a", ": Add a,a -> y"), graph(": Add x,k -> a", ": Add a,a -> y"),
			"map[Add_0:[Add → a] Add_1:[Add → y]]"},
		{"changes of layout are nobody's",
			graph("c: Conv x,w -> t", "r: Relu t -> y"),
			graph("ReorderInput: "+nchwc+"ReorderInput x -> p", "y_nchwc: "+nchwc+"Conv p,q -> s", "ReorderOutput: "+nchwc+"ReorderOutput s -> y"),
			"map[y_nchwc:[c r]]"},
		{"a renamed value is found by its reader",
			graph("c: Conv x,w -> t", "p: MaxPool t -> y"), graph("new: FusedConv x,w -> s", "p: MaxPool s -> y"),
			"map[new:[c] p:[p]]"},
		{"a node without a name between renamed values is found by what it reads",
			graph("c: Conv x,w -> t", ": Concat t,x -> u", "d: Conv u,w -> y"),
			graph("t_nchwc: "+nchwc+"Conv x,q -> s", ": Concat s,x -> v", "y_nchwc: "+nchwc+"Conv v,r -> y"),
			"map[Concat_1:[Concat → u] t_nchwc:[c] y_nchwc:[d]]"},
		{"two that compute the same run once",
			graph("a: Neg x -> s", "b: Neg x -> t", "c: Abs s -> u", "d: Exp t -> y"), graph("a: Neg x -> s", "c: Abs s -> u", "d: Exp s -> y"),
			"map[a:[a] c:[c] d:[d]]"},
		{"constants are folded",
			graph("n: Neg w -> v", "m: Mul x,v -> y"), graph("m: Mul x,folded -> y"),
			"map[m:[m]]"},
		{"an integer kernel takes what quantizes around it, and its weights",
			graph("q: QuantizeLinear x,w -> xq", "dx: DequantizeLinear xq,w -> xd", "dw: DequantizeLinear b,w -> wd", "c: Conv xd,wd -> t",
				"qt: QuantizeLinear t,w -> tq", "dt: DequantizeLinear tq,w -> y"),
			graph("q: QuantizeLinear x,w -> xq", "c: QLinearConv xq,w,w,b,w,w,w,w -> tq", "dt: DequantizeLinear tq,w -> y"),
			"map[c:[dx dw c qt] dt:[dt] q:[q]]"},
		{"another model", graph("a: Neg x -> s"), graph("k: Softmax z -> o"), "map[]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := fmt.Sprint(Origins(c.written, c.ran)); got != c.want {
				t.Errorf("origins are %s, want %s", got, c.want)
			}
		})
	}
	if got := Origins(nil, &onnx.Model{}); len(got) != 0 {
		t.Errorf("origins of nothing are %v", got)
	}
}

// TestOriginsOfBodies: bodies are matched by the name of their attribute, whose order the runtime changes.
func TestOriginsOfBodies(t *testing.T) {
	branches := func(first, second string, nodes map[string]*onnx.Model) *onnx.Model {
		m := graph("i: If x -> y")
		for _, name := range []string{first, second} {
			m.Graph.Nodes[0].Attrs = append(m.Graph.Nodes[0].Attrs, &onnx.Attribute{Name: name, Type: onnx.AttrGraph, G: nodes[name].Graph})
		}
		return m
	}
	written := branches("then_branch", "else_branch", map[string]*onnx.Model{
		"then_branch": graph("c: Conv x,w -> t", "r: Relu t -> o"), "else_branch": graph(": Neg x -> o"),
	})
	ran := branches("else_branch", "then_branch", map[string]*onnx.Model{
		"then_branch": graph("c: FusedConv x,w -> o"), "else_branch": graph(": Neg x -> o"),
	})
	if got, want := fmt.Sprint(Origins(written, ran)), "map[Neg_0:[Neg → o] c:[c r] i:[i]]"; got != want {
		t.Errorf("origins are %s, want %s", got, want)
	}
}
