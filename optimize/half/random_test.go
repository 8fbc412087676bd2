package half

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"infer/model"
	"infer/model/engine/enginetest"
	"infer/model/onnx"
	"infer/model/tensor"
)

// randomGraph returns a graph of bounded operators on 2 x 2 matrices, wired at random, with some of its values as
// outputs, some in both branches of an If, and constants that several nodes read.
func randomGraph(r *rand.Rand) *onnx.Model {
	values := []string{"x", "c0", "c1"}
	pick := func() string { return values[r.IntN(len(values))] }
	random := func(out string) *onnx.Node {
		switch op := []string{"Tanh", "Sigmoid", "Transpose", "Identity", "Add", "Where", "Max"}[r.IntN(7)]; op {
		case "Add", "Max":
			return node(op, names(pick(), pick()), names(out))
		case "Where":
			return node(op, names("yes", pick(), pick()), names(out))
		default:
			return node(op, names(pick()), names(out))
		}
	}
	branch := func(name, out string) *onnx.Attribute {
		nodes := []*onnx.Node{random(out + name)}
		nodes = append(nodes, node("Tanh", names(out+name), names(out+"_out")))
		return body(name, &onnx.Graph{Name: name, Nodes: nodes, Outputs: enginetest.Values(f32(out+"_out", 2, 2))})
	}
	var nodes []*onnx.Node
	var out []*onnx.ValueInfo
	for i := range 12 {
		name := fmt.Sprintf("v%d", i)
		if r.IntN(6) == 0 {
			nodes = append(nodes, node("If", names("cond"), names(name), branch("then_branch", name), branch("else_branch", name)))
		} else {
			nodes = append(nodes, random(name))
		}
		values = append(values, name)
		if r.IntN(4) == 0 || i == 11 {
			out = append(out, f32(name, 2, 2))
		}
	}
	truth := func(name string, s tensor.Shape, b ...byte) *onnx.Tensor {
		return enginetest.Initializer(tensor.Tensor{Name: name, DType: tensor.Bool, Shape: s, Data: b})
	}
	return build([]any{2, 2}, out, nodes, constant("c0", tensor.Shape{2, 2}, 0.1, -0.2, 0.3, 1), constant("c1", tensor.Shape{2, 2}, 0.7, 0, -3, 2),
		truth("yes", tensor.Shape{2, 2}, 1, 0, 0, 1), truth("cond", nil, byte(r.IntN(2))))
}

// TestRandomGraphs: whatever stays float32, the result is valid, runs, and computes the same; and it depends on the
// model and the options alone.
func TestRandomGraphs(t *testing.T) {
	for seed := range uint64(150) {
		r := rand.New(rand.NewPCG(seed, 1))
		m := randomGraph(r)
		o := DefaultOptions
		o.KeepIO = r.IntN(2) == 0
		share := r.IntN(5)
		blocked := map[string]bool{}
		for _, n := range m.Graph.Nodes {
			blocked[n.Name] = r.IntN(5) < share
		}
		o.BlockNodes = func(n *onnx.Node) bool { return blocked[n.Name] }
		converted, _ := convertCopy(t, m, o)
		again, _ := convertCopy(t, m, o)
		first, err := onnx.Encode(converted)
		if err != nil {
			t.Fatal(err)
		}
		second, err := onnx.Encode(again)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(first, second) {
			t.Fatalf("seed %d: two conversions of one model differ", seed)
		}
		in := matrix()
		want := outputs(t, open(t, model.New(m)), []tensor.Tensor{in})
		if !o.KeepIO {
			in = halves(in)
		}
		got := outputs(t, open(t, model.New(converted)), []tensor.Tensor{in})
		for i := range got {
			if d := got[i].DType; (d == tensor.Float16) == o.KeepIO {
				t.Errorf("seed %d: output %d is %s", seed, i, d)
			}
			got[i], _ = tensor.Widen(got[i], tensor.Float32)
		}
		// At most 12 nodes in a row, each of which rounds by 2⁻¹¹ and enlarges an error at most twice.
		if d := distance(t, got, want); !(d < 0.02) {
			t.Errorf("seed %d: outputs differ by %.5f of their norm\n%s", seed, d, text(converted.Graph))
		}
	}
}
