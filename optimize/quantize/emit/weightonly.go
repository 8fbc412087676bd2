package emit

import (
	"errors"
	"fmt"
	"slices"

	"infer/internal/fault"
	"infer/model/onnx"
)

// WeightOptions say how ToWeightOnly quantizes. DefaultWeightOptions is a start; the zero value is not valid.
type WeightOptions struct {
	Bits      int  // 4 or 8
	Block     int  // weights along K that share a scale: 16, 32, 64, 128 or 256
	Symmetric bool // no zero points: a little smaller and faster, and a little less exact

	// AccuracyLevel says what com.microsoft MatMulNBits may compute in: 1 float32, 2 float16, 3 bfloat16, 4 int8; 0 leaves
	// the attribute out, and ONNX Runtime then computes in float32, with 8 bits by a kernel that is many times slower.
	AccuracyLevel int
	// Portable writes DequantizeLinear of blocks and MatMul, which every runtime of opset 21 knows, instead. ONNX Runtime
	// makes MatMulNBits of it, of the accuracy level that the session asks for (4 by default).
	Portable   bool
	Refine     bool // scales of a smaller squared error than those that cover a block; takes some ten times as long
	Embeddings bool // store the tables of Gather as int8, too
	Store      bool // store what is left as ToStored does
}

// DefaultWeightOptions is 4 bits in blocks of 32, with zero points and products in int8.
var DefaultWeightOptions = WeightOptions{Bits: 4, Block: 32, AccuracyLevel: 4}

// Validate reports every option that is not valid.
func (o WeightOptions) Validate() error {
	var errs []error
	if o.Bits != 4 && o.Bits != 8 {
		errs = append(errs, fault.New(fault.Usage, "use 4 or 8", "weight-only quantization to %d bits", o.Bits))
	}
	if !slices.Contains([]int{16, 32, 64, 128, 256}, o.Block) { // those of the kernels
		errs = append(errs, fault.New(fault.Usage, "use 16, 32, 64, 128 or 256", "weight-only quantization in blocks of %d", o.Block))
	}
	if o.AccuracyLevel < 0 || o.AccuracyLevel > 4 {
		errs = append(errs, fault.New(fault.Usage, "use 0 to 4", "accuracy level %d of weight-only quantization", o.AccuracyLevel))
	}
	return errors.Join(errs...)
}

// ToWeightOnly stores the constant matrix of the picked MatMul and Gemm nodes of m (nil: all), in subgraphs too, in
// blocks of 4 or 8 bits, with activations in float: com.microsoft MatMulNBits, or the portable form. One tensor is
// worked on at a time; the model then holds the blocks in memory, and all else where it was.
//
// It returns a decision for each picked node that multiplies, convolves or remembers, outer graphs first, in graph
// order. Errors: those of Validate, fault.Unsupported before opset 9 (21 for the portable form), and weights that
// cannot be read.
func ToWeightOnly(m *onnx.Model, pick func(*onnx.Node) bool, o WeightOptions) ([]Decision, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	opset := int64(9)
	if o.Portable {
		opset = 21
	}
	if err := need(m, "weight-only quantization", opset); err != nil {
		return nil, err
	}
	w := weightOnly{
		rewrite: newRewrite(m), options: o, made: map[blocksKey]*blocks{},
		tables: newEmbeddings(), rest: newStoring(StoreOptions{BestScale: o.Refine}),
	}
	if err := w.each(pick, w.node); err != nil {
		return nil, err
	}
	w.predict()
	return w.finish()
}

// weightOnly is a rewrite to weights in blocks.
type weightOnly struct {
	*rewrite
	options  WeightOptions
	made     map[blocksKey]*blocks
	products []product
	tables   *embeddings
	rest     *storing
}

// node rewrites one node.
func (w *weightOnly) node(n *decided) error {
	if err := w.form(n); err != nil {
		return err
	}
	if w.options.Store && (n.Form == "" || n.Form == Float) {
		return w.rest.node(n)
	}
	return nil
}

// form gives a node its form but for the stored one.
func (w *weightOnly) form(n *decided) error {
	switch op := n.node; {
	case is(op, "MatMul"), is(op, "Gemm"):
		return w.matmul(n)
	case is(op, "Gather") && w.options.Embeddings:
		return w.tables.gather(n)
	case is(op, "LSTM"), is(op, "GRU"), is(op, "RNN"), is(op, "Conv"), is(op, "ConvTranspose"):
		n.leave("no kernel for " + op.OpType + " with weights in blocks")
	case op.OpType == "Attention" && op.Domain == microsoft:
		n.leave("no kernel for Attention with weights in blocks")
	}
	return nil
}

// predict finds the products of the portable form that ONNX Runtime makes no MatMulNBits of: it fuses MatMul and Add of
// matrices to Gemm before it looks at the blocks, and goes no further with a Gemm whose addend is a matrix.
func (w *weightOnly) predict() {
	for _, p := range w.products {
		s := p.decided.scope
		add := s.OnlyReader(p.y)
		if !w.options.Portable || add == nil || !is(add, "Add") {
			continue
		}
		other := add.Inputs[0]
		if other == p.y {
			other = add.Inputs[1]
		}
		if w.rank(s, p.input) == 2 && w.rank(s, other) == 2 {
			p.decided.Predicted = "Gemm"
			p.decided.Note = "ONNX Runtime turns the blocks into float in every run: it fuses MatMul with what is added to it"
		}
	}
}

// smallestMatrix is the least elements of a matrix that is worth another node.
const smallestMatrix = 1024

// matmul rewrites a MatMul or a Gemm.
func (w *weightOnly) matmul(n *decided) error {
	s, node := n.scope, n.node
	m, why := s.matrixOf(node)
	switch {
	case why != "":
	case len(m.dims) > 2:
		why = fmt.Sprintf("its weight has %d axes, and the kernel takes matrices", len(m.dims))
	case m.k() < int64(w.options.Block):
		why = fmt.Sprintf("its %d rows are fewer than a block of %d", m.k(), w.options.Block)
	case m.k()*m.n() < smallestMatrix:
		why = fmt.Sprintf("its weight has only %d elements", m.k()*m.n())
	}
	if why != "" {
		n.leave(why)
		return nil
	}
	b, err := w.blocks(s, m)
	if err != nil {
		return n.refuse(err)
	}
	c, err := s.plainAddend(node)
	if err != nil {
		return err
	}
	s.Remove(node)
	y := n.Output
	if c != "" {
		y = s.Unique(n.Output + "_product")
	}
	if w.options.Portable {
		s.Model.IRVersion = max(s.Model.IRVersion, 10) // for the types of 4 bits
	}
	last := w.product(s, node.Inputs[0], b, y)
	if c != "" {
		s.Insert(last)
		last = operator("Add", []string{y, c}, []string{n.Output})
	}
	last.Name = node.Name
	s.Insert(last)
	n.become(WeightOnly, "MatMulNBits", m.constant)
	w.products = append(w.products, product{decided: n, input: node.Inputs[0], y: y})
	return nil
}

// product returns the node that multiplies x by a matrix in blocks.
func (w *weightOnly) product(s *scope, x string, b *blocks, y string) *onnx.Node {
	size := integer("block_size", int64(w.options.Block))
	if w.options.Portable {
		float := s.Unique(y + "_weight")
		s.Insert(operator("DequantizeLinear", b.parts, []string{float}, integer("axis", 0), size))
		return operator("MatMul", []string{x, float}, []string{y})
	}
	n := s.microsoftOperator("MatMulNBits", append([]string{x}, b.parts...), []string{y},
		integer("K", b.k), integer("N", b.n), integer("bits", int64(w.options.Bits)), size)
	if w.options.AccuracyLevel != 0 {
		n.Attrs = append(n.Attrs, integer("accuracy_level", int64(w.options.AccuracyLevel)))
	}
	return n
}
