package optimize

import "infer/model/onnx"

// mergeTransposes makes one Transpose of two, next to each other or with elementwise nodes between them, and none of two
// that undo each other.
func mergeTransposes() Pass {
	return local("merge-transposes", "makes one of two Transposes in a row, and none of two that undo each other",
		func(w *Work, e *Editor, n *onnx.Node) bool {
			if !isTranspose(w, n) {
				return false
			}
			r, ok := e.rowTo(w, n, isTranspose)
			if !ok {
				return false
			}
			first, ok1 := permutation(r.first, w.known(e, r.first.Inputs[0]))
			last, ok2 := permutation(n, w.known(e, n.Inputs[0]))
			if !ok1 || !ok2 || len(first) != len(last) {
				return false
			}
			perm := make([]int64, len(first))
			for i, p := range last {
				perm[i] = first[p]
			}
			if inOrder(perm) {
				return e.mergeRow(r, nil)
			}
			return e.mergeRow(r, &onnx.Node{OpType: "Transpose", Inputs: []string{""}, Attrs: []*onnx.Attribute{intsAttr("perm", perm...)}})
		})
}

// isTranspose reports whether n is a Transpose.
func isTranspose(_ *Work, n *onnx.Node) bool {
	return is(n, "Transpose") && input(n, 0) != "" && only(n) != ""
}
