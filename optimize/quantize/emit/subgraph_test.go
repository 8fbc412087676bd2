package emit

import (
	"slices"
	"testing"

	"infer/model/engine/enginetest"
	"infer/model/onnx"
	"infer/model/tensor"
)

// branches is a model of an If whose branches multiply by a constant of their own and by one around them.
//
//	y = mean(x) > 0 ? x·w·own + c : x·w·other
func branches() *onnx.Model {
	body := func(own *onnx.Tensor, nodes ...*onnx.Node) *onnx.Graph {
		out := nodes[len(nodes)-1].Outputs[0]
		return &onnx.Graph{
			Name: own.Name, Nodes: nodes, Initializers: []*onnx.Tensor{own},
			Outputs: []*onnx.ValueInfo{{Name: out, Type: &onnx.Type{Kind: onnx.KindTensor, DType: tensor.Float32}}},
		}
	}
	then := body(weight("own", 2, 64, 64),
		enginetest.Node("MatMul", enginetest.Names("x", "w"), enginetest.Names("t1")),
		enginetest.Node("MatMul", enginetest.Names("t1", "own"), enginetest.Names("t2")),
		enginetest.Node("Add", enginetest.Names("t2", "c"), enginetest.Names("t3")))
	other := body(weight("other", 3, 64, 64),
		enginetest.Node("MatMul", enginetest.Names("x", "w"), enginetest.Names("e1")),
		enginetest.Node("MatMul", enginetest.Names("e1", "other"), enginetest.Names("e2")))
	zero, _ := tensor.FromFloat32("zero", nil, []float32{0})
	return graph([]*onnx.ValueInfo{enginetest.Value("x", tensor.Float32, "batch", 64)}, []string{"y"},
		[]*onnx.Node{
			enginetest.Node("ReduceMean", enginetest.Names("x"), enginetest.Names("mean"), enginetest.Int("keepdims", 0)),
			enginetest.Node("Greater", enginetest.Names("mean", "zero"), enginetest.Names("positive")),
			enginetest.Node("If", enginetest.Names("positive"), enginetest.Names("y"),
				&onnx.Attribute{Name: "then_branch", Type: onnx.AttrGraph, G: then},
				&onnx.Attribute{Name: "else_branch", Type: onnx.AttrGraph, G: other}),
		}, weight("w", 1, 64, 64), weight("c", 4, 64), enginetest.Initializer(zero))
}

// TestSubgraphs: the nodes of subgraphs are rewritten too, and a constant of the graph around them once.
func TestSubgraphs(t *testing.T) {
	portable := DefaultWeightOptions
	portable.Portable, portable.Bits = true, 8
	for _, c := range []struct {
		name      string
		rewrite   func(*onnx.Model) ([]Decision, error)
		least     float64
		operators map[string]int
		outer     []string // the constants of the main graph
	}{
		{"dynamic", dynamically(DynamicOptions{Reduced: true}), least - 3, map[string]int{"DynamicQuantizeMatMul": 4}, []string{"c", "w_quantized", "w_scale", "zero"}},
		{"weight-only", weightOnlyWith(DefaultWeightOptions), 15, map[string]int{"MatMulNBits": 4}, []string{"c", "w_blocks", "w_scale", "w_zero_point", "zero"}},
		{"portable", weightOnlyWith(portable), 35, map[string]int{"MatMulNBits": 4}, []string{"c", "zero"}},
		{"stored", stored, 38, map[string]int{"MatMul": 3, "Gemm": 1, "Cast": 0}, []string{"c", "w_quantized", "w_scale", "zero"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := try(t, branches(), []tensor.Tensor{normal("x", 5, 1, 9, 64)}, c.rewrite)
			r.check(t, c.least, c.operators)
			var order, outer []string
			for _, d := range r.decisions {
				order = append(order, d.Output)
			}
			if want := []string{"t1", "t2", "e1", "e2"}; !slices.Equal(order, want) {
				t.Errorf("decided about %v, not %v", order, want)
			}
			for _, i := range r.model.Graph.Initializers {
				outer = append(outer, i.Name)
			}
			if slices.Sort(outer); !slices.Equal(outer, c.outer) {
				t.Errorf("the main graph has %v, not %v", outer, c.outer)
			}
		})
	}
}
