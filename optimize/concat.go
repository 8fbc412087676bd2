package optimize

import (
	"slices"

	"infer/model/onnx"
)

// mergeConcats puts the parts of a Concat in the place of it in another one along the same axis, leaves out parts
// without elements, and parts of a value in their order for that value.
func mergeConcats() Pass {
	return local("merge-concats", "joins nested Concats, leaves out empty parts and puts what a Split took apart together again",
		func(w *Work, e *Editor, n *onnx.Node) bool {
			if !is(n, "Concat") || only(n) == "" || input(n, 0) == "" {
				return false
			}
			nested, empty := e.joinConcat(w, n), e.dropEmpty(w, n)
			return e.rejoin(w, n) || nested || empty
		})
}

// concatAxis returns the axis of a Concat: the index where the rank is known, else as it is written. Up to opset 3 it
// was 1 where the attribute was missing.
func (e *Editor) concatAxis(w *Work, n *onnx.Node) int64 {
	axis := n.Int("axis", 1)
	if x := w.known(e, n.Outputs[0]); x.HasShape {
		if i, ok := axisOf(axis, len(x.Dims)); ok {
			return int64(i)
		}
	}
	return axis
}

// joinConcat takes in the parts of a Concat that n alone reads.
func (e *Editor) joinConcat(w *Work, n *onnx.Node) bool {
	changed := false
	for i := 0; i < len(n.Inputs); i++ {
		p := e.Producer(n.Inputs[i])
		if p == n || !is(p, "Concat") || only(p) == "" || len(p.Inputs) == 0 || e.OnlyReader(n.Inputs[i]) != n || e.concatAxis(w, p) != e.concatAxis(w, n) {
			continue
		}
		e.setInputs(n, slices.Concat(n.Inputs[:i], p.Inputs, n.Inputs[i+1:]))
		e.Remove(p)
		i--
		changed = true
	}
	return changed
}

// setInputs gives n other inputs.
func (e *Editor) setInputs(n *onnx.Node, inputs []string) {
	old := n.Inputs
	n.Inputs = inputs
	now := reads(n)
	for _, v := range old {
		if v != "" && !slices.Contains(now, v) {
			e.unread(n, v)
		}
	}
	for _, v := range now {
		if !slices.Contains(e.consumers[v], n) {
			e.consumers[v] = append(slices.Clip(e.consumers[v]), n)
		}
	}
}

// dropEmpty leaves out the parts without elements, but where all have none.
func (e *Editor) dropEmpty(w *Work, n *onnx.Node) bool {
	y := w.known(e, n.Outputs[0])
	axis := e.concatAxis(w, n)
	var parts []string
	for _, v := range n.Inputs {
		x := w.known(e, v)
		if v == "" || !y.HasShape || !x.HasShape || axis < 0 || axis >= int64(len(x.Dims)) || len(x.Dims) != len(y.Dims) || !x.Dims[axis].Known || x.Dims[axis].Size != 0 {
			parts = append(parts, v)
		}
	}
	if len(parts) == len(n.Inputs) || len(parts) == 0 {
		return false
	}
	e.setInputs(n, parts)
	return true
}

// rejoin replaces n where its parts are all the parts of a Split in their order.
func (e *Editor) rejoin(w *Work, n *onnx.Node) bool {
	p := e.Producer(n.Inputs[0])
	if !is(p, "Split") || len(n.Inputs) < 2 || !slices.Equal(p.Outputs, n.Inputs) || input(p, 0) == "" {
		return false
	}
	x := w.known(e, p.Inputs[0])
	if !x.HasShape {
		return false
	}
	apart, ok := axisOf(p.Int("axis", 0), len(x.Dims))
	if !ok || int64(apart) != e.concatAxis(w, n) {
		return false
	}
	return e.bypass(n, p.Inputs[0])
}
