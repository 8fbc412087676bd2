package optimize

import (
	"infer/model/onnx"
	"infer/model/onnx/static"
)

// foldTargets gives Reshape and Expand a constant shape where the shapes that the model declares decide it, so that
// nothing has to compute it.
func foldTargets() Pass {
	return local("fold-targets", "gives Reshape and Expand a constant shape where the declared shapes decide it",
		func(w *Work, e *Editor, n *onnx.Node) bool {
			if !is(n, "Reshape", "Expand") || input(n, 0) == "" || input(n, 1) == "" || only(n) == "" {
				return false
			}
			if _, constant := e.Constant(n.Inputs[1]); constant {
				return false
			}
			x, y := w.known(e, n.Inputs[0]), w.known(e, n.Outputs[0])
			sizes, ok := target(x, y)
			if n.OpType == "Expand" {
				sizes, ok = expansion(x, y)
			}
			if !ok || n.Int("allowzero", 0) != 0 {
				return false
			}
			shape, err := e.addInts(n.Outputs[0]+"_shape", sizes...)
			if err != nil {
				return false
			}
			e.SetInput(n, 1, shape)
			return true
		})
}

// expansion returns what an Expand of x to the shape y is given: 1 where x has the size already.
func expansion(x, y static.Value) ([]int64, bool) {
	if !x.HasShape || !y.HasShape || len(x.Dims) > len(y.Dims) {
		return nil, false
	}
	sizes := make([]int64, len(y.Dims))
	for i, d := range y.Dims {
		own := onnx.Fixed(1)
		if at := i - len(y.Dims) + len(x.Dims); at >= 0 {
			own = x.Dims[at]
		}
		switch {
		case sameDim(own, d):
			sizes[i] = 1
		case d.Known:
			sizes[i] = d.Size
		default:
			return nil, false
		}
	}
	return sizes, true
}
