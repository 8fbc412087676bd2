package quantize

import (
	"context"
	"math/rand/v2"
	"runtime/debug"

	"infer/internal/fault"
	"infer/internal/progress"
	"infer/model"
	"infer/model/engine"
	"infer/model/onnx"
	"infer/model/tensor"
	"infer/optimize"
	"infer/optimize/quantize/emit"
	"infer/report"
)

// largeModel is the size in bytes from which a model is quantized, in weight-only mode, without ever being in memory as
// a whole: it is judged product by product, and its speed is not measured.
const largeModel = 1 << 30

// largeGCPercent is how much garbage, in percent of what is in use, may gather.
const largeGCPercent = 15

// isLarge reports whether the model is worked on piece by piece.
func (q *quantizer) isLarge() bool {
	return q.options.Mode == WeightOnly && q.task.Model.Bytes() >= largeModel
}

// large quantizes a model piece by piece.
func (q *quantizer) large(ctx context.Context) error {
	// The new weights are nearly all of the heap: at its default pace the collector would let garbage grow as large.
	defer debug.SetGCPercent(debug.SetGCPercent(largeGCPercent))
	q.away = "each product is judged by itself, and speed is not measured"
	q.doc.Warn("the model takes %.1f GB: %s", float64(q.task.Model.Bytes())/1e9, q.away)
	q.original = &contestant{bytes: q.task.Model.Bytes()}
	if q.options.Budget != nil {
		return fault.New(fault.Usage, "leave it out: the report has the SQNR of every product", "an accuracy budget needs the whole model to run, and this one is judged product by product")
	}
	if q.options.Sensitivity || q.options.Explain != "" {
		return fault.New(fault.Usage, "leave them out", "--sensitivity and --explain need the whole model to run, and this one is judged product by product")
	}
	recipe, err := q.largeRecipe()
	if err != nil {
		return err
	}
	c := &candidate{name: recipe.Name, recipe: recipe, within: true}
	q.candidates = append(q.candidates, c)
	if err := q.phase("rewrite", func() (err error) {
		c.built, err = q.build(ctx, recipe)
		return err
	}); err != nil {
		return err
	}
	if !quantizes(c.built.decisions) {
		c.why = errNothing.Error() + reasonsOf(c.built.decisions)
		c.built = nil
		q.conclude(nil)
		return nil
	}
	c.bytes = q.modelOf(c.built.model).Bytes()
	if err := q.phase("judge", func() error { return q.judgeProducts(ctx, c) }); err != nil {
		return err
	}
	if c.verdict.Rows > 0 {
		q.details.Held = &report.HeldOut{Source: "random inputs of each product", Rows: c.verdict.Rows}
	} else {
		q.doc.Warn("what quantization does to the answers is not measured: no quantized node is a MatMul")
	}
	if err := q.phase("write and verify", func() error { return q.write(ctx, c) }); err != nil {
		return err
	}
	q.conclude(c)
	return nil
}

// largeRecipe is that of the record, or weight-only without what would look at all weights first or several times.
func (q *quantizer) largeRecipe() (Recipe, error) {
	if r := q.task.Record; r != nil {
		return r.Recipe, nil
	}
	recipes, err := q.recipes()
	if err != nil {
		return Recipe{}, err
	}
	r := recipes[0]
	r.Passes, r.Refine = nil, false
	return r, nil
}

// prepareLarge runs the passes that read no weights.
func (q *quantizer) prepareLarge(ctx context.Context) error {
	var passes []optimize.Pass
	for _, p := range optimize.Prepare() {
		switch p.Name {
		case "name-nodes", "drop-initializer-inputs", "eliminate-identity", "upgrade-opset", "eliminate-dead":
			passes = append(passes, p)
		}
	}
	m := q.task.Model.Proto.Clone()
	w := &optimize.Work{Model: m, Progress: q.task.Progress}
	if q.options.Portable {
		w.Opset = portableOpset
	}
	if _, err := optimize.Run(ctx, w, passes); err != nil {
		return err
	}
	q.prepared = m
	return m.Check()
}

// productRows are the rows of the random input that a product is judged on.
const productRows = 16

// judgeProducts compares every product with its float original on random inputs, one in memory at a time.
func (q *quantizer) judgeProducts(ctx context.Context, c *candidate) error {
	v := &verdict{}
	before := weightsOf(q.prepared)
	nodes, makers := map[string]*onnx.Node{}, map[string]*onnx.Node{}
	after := map[string]*onnx.Tensor{}
	for _, t := range c.built.model.Graph.Initializers {
		after[t.Name] = t
	}
	for _, n := range c.built.model.Graph.Nodes {
		nodes[n.Name] = n
		for _, name := range n.Outputs {
			makers[name] = n
		}
	}
	for i, d := range c.built.decisions {
		small := withBlocks(nodes[d.Node], makers)
		if d.Form != emit.WeightOnly || small == nil || before[d.Node] == nil {
			continue
		}
		q.task.Progress.Send(progress.Event{Phase: "judge", Done: float64(i), Total: float64(len(c.built.decisions)), Unit: "products", Note: d.Node})
		if err := q.judgeProduct(ctx, v, small, before[d.Node], after); err != nil {
			return fault.Wrap(err, "judge node %q", d.Node)
		}
	}
	c.verdict = v
	return nil
}

// withBlocks returns the nodes that multiply by a matrix in blocks, the product n last; nil where n does not.
func withBlocks(n *onnx.Node, makers map[string]*onnx.Node) []*onnx.Node {
	switch {
	case n == nil:
	case n.OpType == "MatMulNBits":
		return []*onnx.Node{n}
	case n.OpType == "MatMul":
		if d := makers[inputOf(n, 1)]; d != nil && d.OpType == "DequantizeLinear" {
			return []*onnx.Node{d, n}
		}
	}
	return nil
}

// weightsOf returns the constant matrix that each MatMul multiplies by, by the node's name.
func weightsOf(m *onnx.Model) map[string]*onnx.Tensor {
	e := optimize.NewEditor(m, m.Graph)
	by := map[string]*onnx.Tensor{}
	for _, n := range m.Graph.Nodes {
		if w, ok := e.Constant(inputOf(n, 1)); ok && n.OpType == "MatMul" && len(w.Dims) == 2 {
			by[n.Name] = w
		}
	}
	return by
}

// judgeProduct runs one product in both forms; small are the nodes of the quantized one.
func (q *quantizer) judgeProduct(ctx context.Context, v *verdict, small []*onnx.Node, weight *onnx.Tensor, constants map[string]*onnx.Tensor) error {
	k, cols := weight.Dims[0], weight.Dims[1]
	x := make([]float32, productRows*k)
	r := rand.New(rand.NewPCG(q.options.Seed, uint64(k)))
	for i := range x {
		x[i] = float32(r.NormFloat64())
	}
	in, err := tensor.FromFloat32("x", tensor.Shape{productRows, k}, x)
	if err != nil {
		return err
	}
	plain := &onnx.Node{Name: "float", OpType: "MatMul", Inputs: []string{"x", weight.Name}, Outputs: []string{"y"}}
	want, err := q.product(ctx, []*onnx.Node{plain}, in, k, cols, weight)
	weight.Release()
	if err != nil {
		return err
	}
	last := small[len(small)-1].Clone()
	last.Inputs[0], last.Outputs[0] = "x", "y"
	small = append(small[:len(small)-1:len(small)-1], last)
	var stored []*onnx.Tensor
	for _, n := range small {
		for _, name := range n.Inputs {
			if t := constants[name]; t != nil {
				stored = append(stored, t)
			}
		}
	}
	got, err := q.product(ctx, small, in, k, cols, stored...)
	if err != nil {
		return err
	}
	return v.add([]tensor.Tensor{want}, []tensor.Tensor{got}, productRows)
}

// product runs a graph of nodes from x to y.
func (q *quantizer) product(ctx context.Context, nodes []*onnx.Node, in tensor.Tensor, k, cols int64, constants ...*onnx.Tensor) (tensor.Tensor, error) {
	port := func(name string, width int64) *onnx.ValueInfo {
		return &onnx.ValueInfo{Name: name, Type: &onnx.Type{Kind: onnx.KindTensor, DType: tensor.Float32, HasShape: true, Dims: []onnx.Dim{onnx.Fixed(productRows), onnx.Fixed(width)}}}
	}
	g := &onnx.Graph{Name: "product", Nodes: nodes, Inputs: []*onnx.ValueInfo{port("x", k)}, Outputs: []*onnx.ValueInfo{port("y", cols)}}
	for _, t := range constants {
		v, err := t.Value()
		if err != nil {
			return tensor.Tensor{}, err
		}
		inside, err := onnx.NewTensor(t.Name, v)
		if err != nil {
			return tensor.Tensor{}, err
		}
		g.Initializers = append(g.Initializers, inside)
	}
	m := model.New(&onnx.Model{IRVersion: q.prepared.IRVersion, Graph: g, Opsets: []onnx.Opset{{Version: max(q.prepared.Opset(""), 13)}, {Domain: "com.microsoft", Version: 1}}})
	s, err := q.task.Provider.Open(ctx, m, engine.Config{Threads: q.task.Config.Threads})
	if err != nil {
		return tensor.Tensor{}, err
	}
	defer s.Close()
	out := make([]tensor.Tensor, 1)
	err = s.Run(ctx, []tensor.Tensor{in}, out)
	return out[0], err
}
