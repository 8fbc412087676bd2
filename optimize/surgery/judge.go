package surgery

import (
	"slices"
	"strings"

	"infer/model/onnx"
	"infer/model/onnx/static"
)

// node is a node that judge looks at, with the rows of its inputs.
type node struct {
	*onnx.Node
	graph  *onnx.Graph
	places []place
	has    []bool // whether an input has rows
	opset  int64
}

// at returns where the rows of input i are.
func (n node) at(i int) (place, bool) {
	if i < 0 || i >= len(n.has) || !n.has[i] {
		return place{}, false
	}
	return n.places[i], true
}

// rule looks at a node before its outputs are looked at. It may mend it.
type rule func(f *freeing, n node) (mended bool, err error)

// judge sees whether a node keeps rows apart, mends it where it holds the old size, and fails where neither is so.
func (f *freeing) judge(g *onnx.Graph, x *onnx.Node) (bool, error) {
	n := node{Node: x, graph: g, places: make([]place, len(x.Inputs)), has: make([]bool, len(x.Inputs)), opset: f.model.Opset("")}
	outer := int64(1)
	for i, v := range x.Inputs {
		var err error
		if n.places[i], n.has[i], err = f.place(g, v); err != nil {
			return false, f.blocked(x, "%v", err)
		}
		if n.has[i] {
			outer = max(outer, n.places[i].outer)
		}
	}
	if x.Domain == "" {
		if x.OpType == "Shape" || x.OpType == "Size" {
			return false, nil // what they make follows by itself
		}
		if r := f.rules[x.OpType]; r != nil {
			if mended, err := r(f, n); mended || err != nil {
				return mended, err
			}
		}
	}
	return false, f.outputs(n, outer)
}

// outputs sees that what a node makes has its rows along one axis, where it reads any.
func (f *freeing) outputs(n node, outer int64) error {
	hasRows := slices.Contains(n.has, true)
	for _, o := range n.Outputs {
		if o == "" || !f.read(n.graph, o) {
			continue
		}
		v, _ := f.now.Of(n.graph, o)
		switch {
		case v.Kind != onnx.KindTensor && v.Kind != onnx.KindNone:
			if hasRows && n.OpType != "ZipMap" {
				return f.blocked(n.Node, "it makes a sequence or map of the rows")
			}
			continue
		case !v.HasShape && hasRows:
			return f.blocked(n.Node, "the shape of what it makes is not known%s", f.gap(n.Node))
		}
		_, found, err := f.place(n.graph, o)
		switch {
		case err != nil:
			return f.blocked(n.Node, "%v", err)
		case hasRows && !found:
			return f.blocked(n.Node, "%s", f.lost(n, v))
		case found && outer > 1 && f.outer[o] == 0:
			f.outer[o] = outer
		}
	}
	return nil
}

// lost says how a node loses the rows.
func (f *freeing) lost(n node, v static.Value) string {
	if slices.ContainsFunc(v.Dims, func(d onnx.Dim) bool { return !d.Known && d.Name == "" }) {
		return "how many rows it makes depends on their values" + f.gap(n.Node)
	}
	return "what it makes, " + v.String() + ", has no axis for the rows: it mixes them"
}

// gap returns why inference knows too little of a node, in brackets.
func (f *freeing) gap(n *onnx.Node) string {
	for _, g := range f.now.Gaps {
		if g.Node == n {
			return " (" + string(g.Reason) + ")"
		}
	}
	return ""
}

// read reports whether anything reads a value of g.
func (f *freeing) read(g *onnx.Graph, value string) bool {
	e := f.editor(g)
	return e.IsOutput(value) || len(e.Consumers(value)) > 0
}

// rules returns the operators whose outputs alone do not tell.
func rules() map[string]rule {
	all := map[string]rule{
		"Reshape": reshape, "Flatten": flatten, "Expand": expand, "Tile": tile, "Slice": slice, "Concat": concat,
		"Resize": resize, "Upsample": resize, "MatMul": matMul, "MatMulInteger": matMul, "Gemm": gemm,
		"If": decides, "Loop": decides, "Scan": scans, "RNN": recurrent, "GRU": recurrent, "LSTM": recurrent,
	}
	for op := range strings.FieldsSeq(`Add Sub Mul Div Pow Max Min Mean Sum And Or Xor Equal Greater Less GreaterOrEqual LessOrEqual
		Where Mod PRelu BitShift BitwiseAnd BitwiseOr BitwiseXor`) {
		all[op] = lineUp
	}
	for op, axes := range mixing() {
		all[op] = mixes(axes)
	}
	for _, op := range []string{
		"AveragePool", "BatchNormalization", "Conv", "ConvInteger", "ConvTranspose", "DeformConv", "DepthToSpace", "GlobalAveragePool",
		"GlobalLpPool", "GlobalMaxPool", "GridSample", "GroupNormalization", "InstanceNormalization", "LRN", "LpPool",
		"MaxPool", "MaxUnpool", "QLinearConv", "SpaceToDepth", "Col2Im",
	} {
		all[op] = rowsFirst
	}
	return all
}

// rowsFirst: the operator takes rows along the first axis of its first input and along no other.
func rowsFirst(f *freeing, n node) (bool, error) {
	for i := range n.Inputs {
		if p, ok := n.at(i); ok && (i > 0 && n.OpType != "GridSample" && n.OpType != "MaxUnpool" && n.OpType != "DeformConv" || p.axis != 0) {
			return false, f.blocked(n.Node, "%q has the rows on axis %d, and the operator keeps rows apart on axis 0 of its first input alone", n.Inputs[i], p.axis)
		}
	}
	if n.OpType == "BatchNormalization" && n.Int("training_mode", 0) != 0 {
		return false, f.blocked(n.Node, "its statistics are those of all rows")
	}
	return false, nil
}

// lineUp: operands are broadcast from the last axis on, so the rows of all must be as far from it.
func lineUp(f *freeing, n node) (bool, error) {
	first, at := "", -1
	for i, name := range n.Inputs {
		p, ok := n.at(i)
		if !ok {
			continue
		}
		v, _ := f.now.Of(n.graph, name)
		if back := len(v.Dims) - p.axis; at < 0 {
			first, at = name, back
		} else if back != at {
			return false, f.blocked(n.Node, "the rows of %q do not line up with those of %q", name, first)
		}
	}
	for i, name := range n.Inputs {
		v, _ := f.now.Of(n.graph, name)
		if at < 0 || n.has[i] || len(v.Dims) < at {
			continue
		}
		if d := v.Dims[len(v.Dims)-at]; d.Known && d.Size != 1 {
			return false, f.blocked(n.Node, "%q, %s, does not fit any other number of rows of %q", name, v, first)
		}
	}
	return false, nil
}

// matMul: rows must not lie along the axis over which it sums.
func matMul(f *freeing, n node) (bool, error) {
	for i := range min(2, len(n.Inputs)) {
		p, ok := n.at(i)
		if !ok {
			continue
		}
		v, _ := f.now.Of(n.graph, n.Inputs[i])
		if sum := len(v.Dims) - 1 - i; p.axis == max(sum, 0) {
			return false, f.blocked(n.Node, "it sums over axis %d of %q, which holds the rows", p.axis, n.Inputs[i])
		}
	}
	return false, nil
}

func gemm(f *freeing, n node) (bool, error) {
	for i, transposed := range []int64{n.Int("transA", 0), 1 - n.Int("transB", 0)} {
		if p, ok := n.at(i); ok && p.axis == 1-int(min(transposed, 1)) {
			return false, f.blocked(n.Node, "it sums over axis %d of %q, which holds the rows", p.axis, n.Inputs[i])
		}
	}
	return false, nil
}

// decides: what an If or Loop decides on must be one for all rows.
func decides(f *freeing, n node) (bool, error) {
	for i := range n.Inputs {
		if _, ok := n.at(i); ok && (n.OpType == "If" || i < 2) {
			return false, f.blocked(n.Node, "it decides on %q, which each row has one of", n.Inputs[i])
		}
	}
	return false, nil
}

// scans: a Scan takes slices along an axis that must not hold the rows.
func scans(f *freeing, n node) (bool, error) {
	states := len(n.Inputs) - int(n.Int("num_scan_inputs", 0))
	axes := n.Ints("scan_input_axes")
	for i := range n.Inputs {
		p, ok := n.at(i)
		if !ok || i < states {
			continue
		}
		along := 0
		if i-states < len(axes) {
			along = int(axes[i-states])
		}
		if v, _ := f.now.Of(n.graph, n.Inputs[i]); along < 0 {
			along += len(v.Dims)
		}
		if along == p.axis {
			return false, f.blocked(n.Node, "it goes through the rows of %q one after the other", n.Inputs[i])
		}
	}
	return false, nil
}
