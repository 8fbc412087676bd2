package profile

import (
	"fmt"
	"slices"
	"strings"

	"infer/model/onnx"
	"infer/model/tensor"
	"infer/report"
)

// integerOps compute on 8-bit integers with float scales at their edges: the QOperator form.
var integerOps = []string{"QLinearConv", "QLinearMatMul", "QLinearAdd", "QLinearMul", "QLinearSigmoid", "QLinearLeakyRelu",
	"QLinearAveragePool", "QLinearGlobalAveragePool", "QLinearSoftmax", "QLinearConcat", "QLinearReduceMean", "QLinearWhere", "QGemm"}

// dynamicOps quantize their activations while they run.
var dynamicOps = []string{"DynamicQuantizeLinear", "DynamicQuantizeMatMul", "DynamicQuantizeLSTM", "MatMulIntegerToFloat", "MatMulInteger", "ConvInteger"}

// weightOnlyOps hold narrow weights and compute in float.
var weightOnlyOps = []string{"MatMulNBits", "MatMulBnb4", "GatherBlockQuantized", "QMoE"}

// quantization says in which forms a graph is quantized, and on how many nodes.
func quantization(g *onnx.Graph) report.Quantization {
	q := report.Quantization{State: "none"}
	stored := map[string]*onnx.Tensor{}
	for _, t := range g.Initializers {
		stored[t.Name] = t
	}
	states := map[string]bool{}
	formats := map[string]bool{}
	quantizes, weights := false, false
	for _, n := range g.Nodes {
		switch {
		case n.OpType == "QuantizeLinear":
			quantizes = true
		case n.OpType == "DequantizeLinear":
			if len(n.Inputs) > 0 && stored[n.Inputs[0]] != nil {
				weights = true
				formats[weightFormat(n, stored)] = true
			}
		case slices.Contains(integerOps, n.OpType):
			states["qoperator"] = true
		case slices.Contains(dynamicOps, n.OpType):
			states["dynamic"] = true
		case slices.Contains(weightOnlyOps, n.OpType):
			states["weight-only"] = true
			formats[fmt.Sprintf("%d-bit blocks of %d", n.Int("bits", 4), n.Int("block_size", 32))] = true
		default:
			continue
		}
		q.Nodes++
	}
	if len(states) == 0 && quantizes {
		states["qdq"] = true // the Q and DQ nodes at the edges of the QOperator form do not count as QDQ
	}
	if len(states) == 0 && weights {
		states["weight-only"] = true
	}
	names := sortedKeys(states)
	switch len(names) {
	case 0:
	case 1:
		q.State = names[0]
	default:
		q.State = "mixed"
		q.Formats = append(q.Formats, names...)
	}
	q.Formats = append(q.Formats, sortedKeys(formats)...)
	return q
}

// weightFormat describes the stored weight that a DequantizeLinear reads, such as "int8 per-channel symmetric".
func weightFormat(n *onnx.Node, stored map[string]*onnx.Tensor) string {
	w := stored[n.Inputs[0]]
	parts := []string{w.DType.String()}
	scale := stored[input(n, 1)]
	switch {
	case scale == nil:
	case n.Int("block_size", 0) > 0:
		parts = append(parts, fmt.Sprintf("blocks of %d", n.Int("block_size", 0)))
	case len(scale.Dims) == 0 || elements(scale.Dims) == 1:
		parts = append(parts, "per-tensor")
	default:
		parts = append(parts, "per-channel")
	}
	if zero := stored[input(n, 2)]; input(n, 2) == "" || zero != nil && allZero(zero) {
		parts = append(parts, "symmetric")
	}
	return strings.Join(parts, " ")
}

func input(n *onnx.Node, i int) string {
	if i < len(n.Inputs) {
		return n.Inputs[i]
	}
	return ""
}

func elements(s tensor.Shape) int64 {
	n, err := s.Elements()
	if err != nil {
		return -1
	}
	return n
}

func allZero(t *onnx.Tensor) bool {
	v, err := t.Value()
	return err == nil && !slices.ContainsFunc(v.Data, func(b byte) bool { return b != 0 })
}
