package optimize

import "infer/model/onnx"

// SumBeforeNorm writes the addition in front of a layer normalization as Sum. ONNX Runtime makes SkipLayerNormalization
// of Add and LayerNormalization, whose CPU kernel takes several times as long as both of them (docs/benchmarks.md); a
// Sum it leaves alone. The result is the same to the last bit but for the order in which the kernel adds.
func SumBeforeNorm() Pass {
	return local("sum-before-norm", "writes Add in front of LayerNormalization as Sum, which the runtime computes faster",
		func(_ *Work, e *Editor, n *onnx.Node) bool {
			if !is(n, "LayerNormalization") {
				return false
			}
			add := e.maker(input(n, 0), "Add")
			if add == nil || len(add.Inputs) != 2 {
				return false
			}
			for _, v := range add.Inputs {
				if _, constant := e.Constant(v); constant {
					return false
				}
			}
			add.OpType = "Sum"
			return true
		})
}
