package advice

import (
	"fmt"
	"slices"
	"strings"

	"infer/model/onnx"
	"infer/model/tensor"
	"infer/report"
)

// graphRules are about the graph that the runtime ran.
func graphRules() []Rule {
	return []Rule{{
		ID: "UNFUSED", Needs: []Need{needRan}, Check: checkUnfused,
		Trigger: "the optimized graph still spells out Gelu (Erf), LayerNorm or RMSNorm, or MatMul, Add and an activation in a row",
		Advice:  "fuse them ahead with infer optimize --level full, or export with opset 17 or later, which has LayerNormalization",
	}, {
		ID: "QDQ-LEFTOVER", Needs: []Need{needRan}, Check: checkLeftover,
		Trigger: "QuantizeLinear or DequantizeLinear nodes are left inside the optimized graph: around them it computes in float",
		Advice:  "quantize the operator in between as well, or leave its neighbours float: the evidence names what blocks",
	}, {
		ID: "DENORMALS", Needs: []Need{needScan}, Check: checkDenormals,
		Trigger: "initializers hold subnormal numbers, and zeros in their place make a run more than 10 % faster, or nobody measured it",
		Advice:  "set them to zero in the file; session.set_denormal_as_zero=1 reaches only the runtime's own threads",
	}}
}

// quantized reports whether the model computes or stores in 8 bits or fewer.
func (f *Facts) quantized() bool {
	if f.Model == nil {
		return false
	}
	return int8Ops(f.Model.Proto) > 0 || slices.ContainsFunc(f.Model.Proto.Graph.Nodes, func(n *onnx.Node) bool { return n.OpType == "MatMulNBits" })
}

// narrowing is how many times fewer bytes the model's weights take with 8 bits.
func (f *Facts) narrowing() float64 {
	if f.Model == nil || f.Model.Proto.Graph == nil {
		return 4
	}
	var half, all int64
	for _, t := range f.Model.Proto.Graph.Initializers {
		n, err := t.ByteSize()
		if err != nil {
			continue
		}
		switch t.DType {
		case tensor.Float16, tensor.BFloat16:
			half += n
			all += n
		case tensor.Float32:
			all += n
		}
	}
	if 2*half > all {
		return 2
	}
	return 4
}

// int8Ops counts the nodes that quantize or compute in 8 bits.
func int8Ops(m *onnx.Model) int {
	n := 0
	m.Walk(func(g *onnx.Graph) {
		for _, node := range g.Nodes {
			if strings.HasPrefix(node.OpType, "QLinear") || slices.Contains([]string{"QuantizeLinear", "ConvInteger", "MatMulInteger", "DynamicQuantizeLinear",
				"QGemm", "MatMulIntegerToFloat", "DynamicQuantizeMatMul", "QAttention"}, node.OpType) {
				n++
			}
		}
	})
	return n
}

// net is a graph to follow values in.
type net struct {
	g       *onnx.Graph
	maker   map[string]*onnx.Node
	readers map[string][]*onnx.Node
	outputs map[string]bool
	consts  map[string]bool
}

func newNet(g *onnx.Graph) *net {
	n := &net{g: g, maker: g.Producers(), readers: g.Consumers(), outputs: map[string]bool{}, consts: map[string]bool{}}
	for _, o := range g.Outputs {
		n.outputs[o.Name] = true
	}
	for _, t := range g.Initializers {
		n.consts[t.Name] = true
	}
	for _, node := range g.Nodes {
		if node.OpType == "Constant" {
			for _, o := range node.Outputs {
				n.consts[o] = true
			}
		}
	}
	return n
}

// only returns the one node that reads the first output of a node, nil where it is not alone.
func (n *net) only(node *onnx.Node) *onnx.Node {
	if node == nil || len(node.Outputs) == 0 || n.outputs[node.Outputs[0]] || len(n.readers[node.Outputs[0]]) != 1 {
		return nil
	}
	return n.readers[node.Outputs[0]][0]
}

// from returns the node of one of the operators that makes the i-th input of a node, nil where none does.
func (n *net) from(node *onnx.Node, i int, ops ...string) *onnx.Node {
	if node == nil || i >= len(node.Inputs) {
		return nil
	}
	if m := n.maker[node.Inputs[i]]; m != nil && slices.Contains(ops, m.OpType) {
		return m
	}
	return nil
}

// to returns the only reader of a node where it is one of the operators, else nil.
func (n *net) to(node *onnx.Node, ops ...string) *onnx.Node {
	if next := n.only(node); next != nil && slices.Contains(ops, next.OpType) {
		return next
	}
	return nil
}

// cancelling names transposes that undo each other, with nothing but elementwise nodes between them.
func cancelling(g *onnx.Graph) []string {
	n := newNet(g)
	var lines []string
	for _, a := range g.Nodes {
		if a.OpType != "Transpose" {
			continue
		}
		b := n.only(a)
		for b != nil && elementwise(b.OpType) {
			b = n.only(b)
		}
		if b != nil && b.OpType == "Transpose" && undoes(a.Ints("perm"), b.Ints("perm")) {
			lines = append(lines, fmt.Sprintf("%s and %s cancel", nameOf(a), nameOf(b)))
		}
	}
	if len(lines) > most {
		lines = append(lines[:most], fmt.Sprintf("and %d more pairs", len(lines)-most))
	}
	return lines
}

// undoes reports whether b brings the axes that a has permuted back. Without a perm an operator reverses the axes.
func undoes(a, b []int64) bool {
	if len(a) != len(b) {
		return false
	}
	for i, axis := range b {
		if axis < 0 || int(axis) >= len(a) || a[axis] != int64(i) {
			return false
		}
	}
	return true
}

func elementwise(op string) bool {
	return slices.Contains([]string{"Relu", "LeakyRelu", "Sigmoid", "Tanh", "Clip", "Elu", "HardSwish", "HardSigmoid", "Gelu", "Erf", "Exp", "Log",
		"Sqrt", "Abs", "Neg", "Cast", "Identity", "QuickGelu", "Softplus", "Selu", "QuantizeLinear", "DequantizeLinear"}, op)
}

// nameOf is the name of a node, or its operator and first output where it has none.
func nameOf(n *onnx.Node) string {
	if n.Name != "" {
		return n.Name
	}
	if len(n.Outputs) > 0 {
		return n.OpType + " → " + n.Outputs[0]
	}
	return n.OpType
}

func checkDenormals(f *Facts) *report.Advice {
	d := f.Details.Denormals
	s := d.Speedup
	if d.Found == 0 || s != nil && !(s.Lo != nil && *s.Lo > flushGain) {
		return nil
	}
	a := &report.Advice{
		What: fmt.Sprintf("%d of %d weights are subnormal numbers, with which some CPUs compute many times slower", d.Found, d.Elements),
		Try:  "set them to zero in the file; session.set_denormal_as_zero=1 helps the runtime's own threads, not the one that calls it",
	}
	for _, i := range d.Initializers[:min(most, len(d.Initializers))] {
		a.Evidence = append(a.Evidence, fmt.Sprintf("%s: %d", i.Name, i.Count))
	}
	if s != nil {
		a.Bound = s.Value
		a.Evidence = append(a.Evidence, "measured, with zeros in their place, in alternating blocks: "+interval(report.Factor, *s)+" as fast")
	} else {
		a.Evidence = append(a.Evidence, "what it costs on this CPU was not measured")
	}
	return a
}
