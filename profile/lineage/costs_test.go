package lineage

import (
	"math"
	"testing"

	"infer/model"
	"infer/model/engine"
	"infer/model/onnx"
	"infer/model/onnx/static"
	"infer/model/tensor"
	"infer/model/trace"
	"infer/testdata/arch"
)

// checkCosts: each traced node has a cost, one that is not known says why, and the multiply-accumulates, which it
// returns, are those of the model as written, where all of that is known.
func checkCosts(t *testing.T, r ran) int64 {
	t.Helper()
	noFormula := map[string]bool{"If": true, "ScatterND": true, "TreeEnsembleClassifier": true, "ZipMap": true}
	costs := Costs(r.graph, r.trace.Nodes)
	var macs, normalizing int64
	for _, n := range r.trace.Nodes {
		c, ok := costs[n.Name]
		if !ok || !c.Known && !(noFormula[n.Op] && c.Why != "") {
			t.Errorf("%s %q: cost %+v, in the table: %v", n.Op, n.Name, c, ok)
		}
		macs += c.MACs
	}
	// A BatchNormalization that no convolution takes up runs as one of its own, a product an element.
	written := static.Cost(r.written, static.Infer(r.written, nil))
	for _, c := range written.Nodes {
		if !c.Known && c.Node.OpType != "ScatterND" {
			return macs // dynamic axes
		}
		if c.Node.OpType == "BatchNormalization" {
			normalizing += c.Work.FLOPs / 2
		}
	}
	if extra := macs - written.Total.MACs; extra < 0 || extra > normalizing {
		t.Errorf("%d multiply-accumulates ran, %d are written", macs, written.Total.MACs)
	}
	return macs
}

func TestBERTBase(t *testing.T) {
	if testing.Short() {
		t.Skip("BERT-base takes 700 MB")
	}
	m := arch.BERTBase(128)
	r := run(t, model.New(m), engine.OptAll, nil)
	var macs, weights int64
	for _, c := range Costs(r.graph, r.trace.Nodes) {
		macs, weights = macs+c.MACs, weights+c.BytesWeights
	}
	if macs != 11_173_625_856 { // derived in testdata/arch
		t.Errorf("%d multiply-accumulates, want 11 173 625 856", macs)
	}
	// Weights are read from the graph although the runtime packs them.
	params := static.Cost(m, static.Infer(m, nil)).ParamBytes
	if got := float64(weights) / float64(params); math.Abs(got-1) > 0.001 {
		t.Errorf("%d bytes of weights, %d in the model", weights, params)
	}
}

func seen(name, op string, in, out []trace.Tensor) *trace.Node {
	return &trace.Node{Name: name, Op: op, Inputs: in, Outputs: out}
}

func float(shape ...int64) trace.Tensor { return trace.Tensor{DType: "float", Shape: shape} }

func list(t ...trace.Tensor) []trace.Tensor { return t }

func TestCostsByHand(t *testing.T) {
	const nchwc = "com.microsoft.nchwc:"
	matmul := graph("m: MatMul x,w -> y")
	matmul.Graph.Initializers[0] = &onnx.Tensor{Name: "w", DType: tensor.Float32, Dims: tensor.Shape{3, 4}}
	half := graph("m: MatMul x,w -> y")
	half.Graph.Initializers[0] = &onnx.Tensor{Name: "w", DType: tensor.Float16, Dims: tensor.Shape{3, 4}}
	blocked := graph("i: "+nchwc+"ReorderInput x -> p", "c: "+nchwc+"Conv p,w -> q", "o: "+nchwc+"ReorderOutput q -> y")
	blocked.Graph.Initializers[0] = &onnx.Tensor{Name: "w", DType: tensor.Float32, Dims: tensor.Shape{8, 8, 1, 1}}
	blocked.Graph.Nodes[2].Attrs = []*onnx.Attribute{{Name: "channels", Type: onnx.AttrInt, I: 5}}
	for _, c := range []struct {
		name, node string
		ran        *onnx.Model
		nodes      []*trace.Node
		want       Cost
	}{
		{"the packed weight comes from the file", "m", matmul, []*trace.Node{seen("m", "MatMul", list(float(2, 3)), list(float(2, 4)))},
			Cost{Known: true, Work: static.Work{MACs: 24, BytesIn: 24, BytesWeights: 48, BytesOut: 32}}},
		{"a weight that is seen", "m", matmul, []*trace.Node{seen("m", "MatMul", list(float(2, 3), float(3, 4)), list(float(2, 4)))},
			Cost{Known: true, Work: static.Work{MACs: 24, BytesIn: 24, BytesWeights: 48, BytesOut: 32}}},
		{"the stored dtype of a weight", "m", half, []*trace.Node{seen("m", "MatMul", list(trace.Tensor{DType: "float16", Shape: []int64{2, 3}}), list(trace.Tensor{DType: "float16", Shape: []int64{2, 4}}))},
			Cost{Known: true, Work: static.Work{MACs: 24, BytesIn: 12, BytesWeights: 24, BytesOut: 16}}},
		{"no shape was traced", "m", matmul, []*trace.Node{seen("m", "MatMul", nil, nil)},
			Cost{Why: "the shape of y is not known in full"}},
		{"another operator under the name", "m", matmul, []*trace.Node{seen("m", "Gemm", list(float(2, 3)), list(float(2, 4)))},
			Cost{Why: "the shape of y is not known in full"}},
		// 3 channels in, 5 out, both filled up to 8, on 2 x 2: 4·5·3 products.
		{"blocks are filled up", "c", blocked, []*trace.Node{
			seen("i", "ReorderInput", list(float(1, 3, 2, 2)), list(float(1, 8, 2, 2))), seen("c", "Conv", list(float(1, 8, 2, 2), float(8, 8, 1, 1)), list(float(1, 8, 2, 2))),
			seen("o", "ReorderOutput", list(float(1, 8, 2, 2)), list(float(1, 5, 2, 2))),
		}, Cost{Known: true, Work: static.Work{MACs: 60, BytesIn: 48, BytesWeights: 60, BytesOut: 80}}},
		{"nodes without a name are matched in order", "Neg_7", graph(": Neg x -> t", ": Neg t -> y"), []*trace.Node{
			seen("Neg_3", "Neg", list(float(2)), list(float(2))), seen("Neg_7", "Neg", list(float(2)), list(float(2))),
		}, Cost{Known: true, Work: static.Work{FLOPs: 2, BytesIn: 8, BytesOut: 8}}},
		{"but not where the counts differ", "Neg_7", graph(": Neg x -> t", ": Neg t -> y"), []*trace.Node{
			seen("Neg_7", "Neg", list(float(2)), list(float(2))),
		}, Cost{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := Costs(c.ran, c.nodes)[c.node]; got != c.want {
				t.Errorf("cost %+v, want %+v", got, c.want)
			}
		})
	}
	if got := Costs(nil, nil); len(got) != 0 {
		t.Errorf("costs of nothing are %v", got)
	}
}
