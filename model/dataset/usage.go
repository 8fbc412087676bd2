package dataset

import (
	"slices"

	"infer/model/onnx"
	"infer/model/tensor"
)

// usage is what a graph does with an input, as far as it bounds the values that make sense.
type usage struct {
	limited bool    // the values index something: lo ≤ v < hi
	lo, hi  int64   //
	choices []int64 // constants that the value is compared with
	mask    bool    // 1 keeps, 0 drops
	lengths bool    // lengths of sequences (RNN sequence_lens)
	shape   bool    // a shape, a count or a size: 1 is always in range
	zero    bool    // 0 is always in range, and little else is (Pad pads, Slice starts)
}

// use is one place where a node reads a value.
type use struct {
	node *onnx.Node
	pos  int
}

// graphIndex finds the readers and the makers of values in a graph and its subgraphs, whose names ONNX keeps apart.
type graphIndex struct {
	uses    map[string][]use
	makers  map[string]*onnx.Node
	consts  map[string]*onnx.Tensor
	types   map[string]*onnx.Type
	aliases map[string][]string // body inputs of Loop and Scan that take a value
}

func indexGraph(g *onnx.Graph) *graphIndex {
	x := &graphIndex{map[string][]use{}, map[string]*onnx.Node{}, map[string]*onnx.Tensor{}, map[string]*onnx.Type{}, map[string][]string{}}
	x.add(g)
	return x
}

func (x *graphIndex) add(g *onnx.Graph) {
	for _, t := range g.Initializers {
		x.consts[t.Name] = t
	}
	for _, list := range [][]*onnx.ValueInfo{g.Inputs, g.ValueInfo, g.Outputs} {
		for _, v := range list {
			x.types[v.Name] = v.Type
		}
	}
	for _, n := range g.Nodes {
		for i, name := range n.Inputs {
			if name != "" {
				x.uses[name] = append(x.uses[name], use{n, i})
			}
		}
		for _, name := range n.Outputs {
			x.makers[name] = n
		}
		if a := n.Attr("value"); n.OpType == "Constant" && a != nil && a.T != nil && len(n.Outputs) > 0 {
			x.consts[n.Outputs[0]] = a.T
		}
		for _, sub := range n.Subgraphs() {
			for i := 0; (n.OpType == "Loop" || n.OpType == "Scan") && i < min(len(n.Inputs), len(sub.Inputs)); i++ {
				x.aliases[n.Inputs[i]] = append(x.aliases[n.Inputs[i]], sub.Inputs[i].Name)
			}
			x.add(sub)
		}
	}
}

// passes are the operators whose result holds the elements of their first input, or no others than 0 and 1.
var passes = map[string]bool{
	"Cast": true, "Reshape": true, "Unsqueeze": true, "Squeeze": true, "Identity": true, "Flatten": true, "Transpose": true,
	"Expand": true, "Slice": true, "Tile": true, "Split": true, "Dropout": true, "Gather": true, "GatherND": true,
	"ReduceMax": true, "ReduceMin": true, "SplitToSequence": true, "CastLike": true,
}

// of returns what the graph does with a value. It walks from the value to its readers, and on to what passes it.
func (x *graphIndex) of(name string) usage {
	w := walk{x: x, seen: map[string]bool{}}
	w.push(0, name)
	for len(w.todo) > 0 { // a list, not recursion: a hostile graph is as deep as it is long
		v := w.todo[len(w.todo)-1]
		w.todo = w.todo[:len(w.todo)-1]
		w.push(v.shift, x.aliases[v.name]...)
		for _, r := range x.uses[v.name] {
			w.read(r, v.shift)
		}
	}
	return w.usage
}

// walk is the state of one look-up: values yet to visit, each with what was added to the input on the way.
type walk struct {
	usage
	x    *graphIndex
	seen map[string]bool
	todo []shifted
}

type shifted struct {
	name  string
	shift int64
}

func (w *walk) push(shift int64, names ...string) {
	for _, name := range names {
		if !w.seen[name] {
			w.seen[name] = true
			w.todo = append(w.todo, shifted{name, shift})
		}
	}
}

func (w *walk) read(r use, shift int64) {
	n, x, u := r.node, w.x, &w.usage
	switch {
	case n.OpType == "Add" && len(n.Inputs) == 2:
		if c, ok := x.constant(n.Inputs[1-r.pos]); ok {
			w.push(shift+c, n.Outputs...)
		}
	case n.OpType == "Sub" && len(n.Inputs) == 2:
		if c, ok := x.constant(n.Inputs[1]); ok && r.pos == 0 {
			w.push(shift-c, n.Outputs...)
		} else if r.pos == 1 && x.feeds(n, "Mul", "Where", "Cast") {
			u.mask = u.mask || x.constantIs(n.Inputs[0], 1) // (1 - mask) * -10000
		}
	case n.OpType == "Concat", n.OpType == "Where" && r.pos > 0, passes[n.OpType] && r.pos == 0:
		w.push(shift, n.Outputs...)
	case n.OpType == "Equal" && len(n.Inputs) == 2:
		x.compared(u, n, n.Inputs[1-r.pos], shift)
	default:
		x.readOther(r, shift, u)
	}
}

// compared notes what a value is compared with: one constant, or the list of all classes in a one-hot encoding.
func (x *graphIndex) compared(u *usage, n *onnx.Node, other string, shift int64) {
	if c, ok := x.constant(other); ok {
		u.choices = append(u.choices, c-shift)
		u.mask = u.mask || c == 0 && x.feeds(n, "Where", "Not")
		return
	}
	if t := x.consts[other]; t != nil && t.DType.IsInt() {
		v, err := t.Value()
		if err != nil {
			return
		}
		if list, err := tensor.Int64s(v); err == nil && len(list) > 1 {
			u.bound(slices.Min(list)-shift, slices.Max(list)+1-shift)
		}
	}
}

// readOther notes the readers at which the walk ends.
func (x *graphIndex) readOther(r use, shift int64, u *usage) {
	n := r.node
	switch n.OpType {
	case "Gather", "GatherElements", "ScatterElements", "Scatter":
		if r.pos == 1 {
			x.limit(u, n.Inputs[0], n.Int("axis", 0), shift)
		}
	case "GatherND", "ScatterND":
		if r.pos == 1 {
			x.limit(u, n.Inputs[0], n.Int("batch_dims", 0), shift)
		}
	case "EmbedLayerNormalization":
		if r.pos < 2 && len(n.Inputs) > 4 {
			x.limit(u, n.Inputs[2+2*r.pos], 0, shift)
		}
		u.mask = u.mask || r.pos == 7
	case "OneHot":
		if depth, ok := x.constant(n.Inputs[min(1, len(n.Inputs)-1)]); ok && r.pos == 0 {
			u.bound(-shift, depth-shift)
		}
		u.shape = u.shape || r.pos == 1
	case "TopK", "Expand", "Tile", "Reshape", "Range", "Resize", "Upsample":
		u.shape = u.shape || r.pos > 0
	case "ConstantOfShape", "Loop": // a shape, and the trip count
		u.shape = u.shape || r.pos == 0
	case "Pad", "Slice", "Unsqueeze", "Squeeze", "Trilu", "CumSum":
		u.zero = u.zero || r.pos > 0
	case "LSTM", "GRU", "RNN":
		u.lengths = u.lengths || r.pos == 4
	case "Where", "Not":
		u.mask = u.mask || r.pos == 0
	}
}

// limit bounds the input by the axis of the value that it indexes; of an axis of unknown size 0 is the one safe index.
func (x *graphIndex) limit(u *usage, data string, axis, shift int64) {
	dims := x.dims(data, 8)
	if axis < 0 {
		axis += int64(len(dims))
	}
	size := int64(1)
	if axis >= 0 && axis < int64(len(dims)) && dims[axis].Known {
		size = dims[axis].Size
	}
	u.bound(-shift, size-shift)
}

func (u *usage) bound(lo, hi int64) {
	if hi <= lo {
		return
	}
	if u.limited {
		lo, hi = max(lo, u.lo), min(hi, u.hi)
	}
	u.limited, u.lo, u.hi = true, lo, hi
}

// dims returns the axes of a value as far as the file tells, looking back over at most depth nodes.
func (x *graphIndex) dims(name string, depth int) []onnx.Dim {
	if t := x.consts[name]; t != nil {
		out := make([]onnx.Dim, len(t.Dims))
		for i, d := range t.Dims {
			out[i] = onnx.Fixed(d)
		}
		return out
	}
	if ty := x.types[name]; ty != nil && ty.HasShape {
		return ty.Dims
	}
	n := x.makers[name]
	if n == nil || depth == 0 || len(n.Inputs) == 0 {
		return nil
	}
	switch n.OpType {
	case "Identity", "Cast", "DequantizeLinear", "QuantizeLinear", "Dropout":
		return x.dims(n.Inputs[0], depth-1)
	case "Transpose":
		in, perm := x.dims(n.Inputs[0], depth-1), n.Ints("perm")
		out := make([]onnx.Dim, len(in))
		for i := range out {
			p := int64(len(in) - 1 - i)
			if perm != nil && i < len(perm) {
				p = perm[i]
			}
			if p < 0 || p >= int64(len(in)) {
				return nil
			}
			out[i] = in[p]
		}
		return out
	}
	return nil
}

// constant returns the single integer that a value holds, as an initializer or a Constant node.
func (x *graphIndex) constant(name string) (int64, bool) {
	n := x.makers[name]
	if n == nil {
		return x.constantTensor(name)
	}
	if a := n.Attr("value_int"); a != nil && n.OpType == "Constant" {
		return a.I, true
	}
	if (n.OpType == "Cast" || n.OpType == "Identity") && len(n.Inputs) > 0 {
		return x.constantTensor(n.Inputs[0])
	}
	return x.constantTensor(name)
}

func (x *graphIndex) constantTensor(name string) (int64, bool) {
	t := x.consts[name]
	if t == nil {
		return 0, false
	}
	if n, err := t.Dims.Elements(); err != nil || n != 1 {
		return 0, false
	}
	v, err := t.Value()
	if err != nil {
		return 0, false
	}
	if f, err := tensor.Floats(v); err == nil && !v.DType.IsInt() {
		return int64(f[0]), float32(int64(f[0])) == f[0]
	}
	i, err := tensor.Int64s(v)
	return append(i, 0)[0], err == nil
}

func (x *graphIndex) constantIs(name string, want int64) bool {
	c, ok := x.constant(name)
	return ok && c == want
}

// feeds reports whether one of the operators reads a result of n.
func (x *graphIndex) feeds(n *onnx.Node, ops ...string) bool {
	for _, out := range n.Outputs {
		for _, r := range x.uses[out] {
			if slices.Contains(ops, r.node.OpType) {
				return true
			}
		}
	}
	return false
}
