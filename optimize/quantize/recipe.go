package quantize

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sort"
	"sync"
	"sync/atomic"

	"infer/internal/fault"
	"infer/internal/host"
	"infer/model/onnx"
	"infer/model/onnx/static"
	"infer/model/tensor"
	"infer/optimize"
	"infer/optimize/half"
	"infer/optimize/quantize/affine"
	"infer/optimize/quantize/calibrate"
	"infer/optimize/quantize/emit"
)

// Recipe is all that makes one model of the prepared float graph: the same graph and recipe give the same bytes.
type Recipe struct {
	Name       string      `json:"name"`
	Form       Mode        `json:"form"` // a mode, "stored" or "float"
	Passes     []string    `json:"passes,omitempty"`
	PerChannel bool        `json:"per_channel,omitempty"`
	Float      []string    `json:"float,omitempty"` // nodes that stay float, sorted
	Ranges     []Range     `json:"ranges,omitempty"`
	Smooth     []Smoothing `json:"smooth,omitempty"`
	Means      []Means     `json:"means,omitempty"` // for bias correction
	Bits       int         `json:"bits,omitempty"`
	Block      int         `json:"block,omitempty"`
	Level      int         `json:"accuracy_level,omitempty"`
	Portable   bool        `json:"portable,omitempty"`
	Embeddings bool        `json:"embeddings,omitempty"`
	Refine     bool        `json:"refine,omitempty"`
	Plain      bool        `json:"-"` // leave biases as they are
}

// Forms of recipes beyond the modes.
const (
	formStored Mode = "stored" // integers in the file, float in the session
	formFloat  Mode = "float"  // prepared, not quantized
)

// Range is what the integers of a value span.
type Range struct {
	Value  string  `json:"value"`
	Lo     float64 `json:"lo"`
	Hi     float64 `json:"hi"`
	Method string  `json:"method"`
}

// Means is the mean of each channel of a value, over calibration rows.
type Means struct {
	Value string    `json:"value"`
	Axis  int       `json:"axis"`
	Mean  []float32 `json:"mean"`
}

// built is the model that a recipe makes.
type built struct {
	recipe    Recipe
	model     *onnx.Model
	decisions []emit.Decision
	emitted   *emit.Emitted // of static
	half      *half.Result
}

// base returns the float graph that a recipe starts from: the prepared one, smoothed, with the recipe's own passes run.
// It is the caller's to rewrite.
func (q *quantizer) base(ctx context.Context, r Recipe) (*onnx.Model, error) {
	key, err := json.Marshal([]any{r.Passes, r.Smooth})
	if err != nil {
		return nil, err
	}
	if m, ok := q.bases[string(key)]; ok {
		return m.Clone(), nil
	}
	m := q.prepared.Clone()
	if err := smooth(m, r.Smooth); err != nil {
		return nil, err
	}
	var passes []optimize.Pass
	for _, name := range r.Passes {
		p, ok := extraPass(name)
		if !ok {
			return nil, fault.New(fault.Usage, "", "there is no pass %q", name)
		}
		passes = append(passes, p)
	}
	w := &optimize.Work{Model: m, Provider: q.task.Provider}
	if _, err := optimize.Run(ctx, w, passes); err != nil {
		return nil, err
	}
	q.bases[string(key)] = m
	return m.Clone(), nil
}

// build makes the model of a recipe.
func (q *quantizer) build(ctx context.Context, r Recipe) (*built, error) {
	m, err := q.base(ctx, r)
	if err != nil {
		return nil, err
	}
	m.Producer, m.ProducerVersion = "infer", ""
	b := &built{recipe: r, model: m}
	switch r.Form {
	case formFloat:
		return b, nil
	case Static:
		err = q.static(b)
	case Dynamic:
		if err := q.correctFloat(m, r); err != nil {
			return nil, err
		}
		b.decisions, err = emit.ToDynamic(m, q.picker(r), emit.DynamicOptions{
			PerChannel: r.PerChannel, Reduced: q.task.Target.Weight.Reduced, Embeddings: r.Embeddings,
		})
	case WeightOnly:
		b.decisions, err = emit.ToWeightOnly(m, q.picker(r), emit.WeightOptions{
			Bits: r.Bits, Block: r.Block, AccuracyLevel: r.Level, Portable: r.Portable, Embeddings: r.Embeddings, Refine: r.Refine, Store: r.Bits == 8,
		})
	case formStored:
		b.decisions, err = emit.ToStored(m, q.picker(r), emit.StoreOptions{})
	case FP16, BF16:
		o := half.DefaultOptions
		if r.Form == BF16 {
			o.DType = tensor.BFloat16
		}
		o.BlockNodes = func(n *onnx.Node) bool { return q.refuse(r)(n) != "" }
		o.Range = magnitudes(r.Ranges)
		b.half, err = half.Convert(m, nil, o)
	default:
		return nil, fault.New(fault.Usage, "", "recipe of form %q", r.Form)
	}
	if err != nil {
		return nil, err
	}
	return b, m.Check()
}

// magnitudes returns the largest magnitude that calibration saw of each value, nil where there was none.
func magnitudes(ranges []Range) map[string]float64 {
	if len(ranges) == 0 {
		return nil
	}
	by := map[string]float64{}
	for _, r := range ranges {
		by[r.Value] = max(-r.Lo, r.Hi)
	}
	return by
}

// static emits the static form.
func (q *quantizer) static(b *built) error {
	r := b.recipe
	plan := q.plan(b.model, r)
	ranges := map[string]Range{}
	for _, x := range r.Ranges {
		ranges[x.Value] = x
	}
	means := map[string]Means{}
	for _, x := range r.Means {
		means[x.Value] = x
	}
	var err error
	b.emitted, err = plan.Static(b.model, func(value string, _ affine.Grid) (lo, hi float64, err error) {
		x, ok := ranges[value]
		if !ok {
			return 0, 0, fmt.Errorf("value %q has no range", value)
		}
		return x.Lo, x.Hi, nil
	}, emit.StaticOptions{PerChannel: r.PerChannel, Bias: func(u *emit.Unit, original, quantized []float32, shape tensor.Shape) []float32 {
		return biasShift(u, means[u.In[0]].Mean, original, quantized, shape)
	}})
	if err == nil {
		b.decisions = b.emitted.Decisions
	}
	return err
}

// plan plans the static form of m.
func (q *quantizer) plan(m *onnx.Model, r Recipe) *emit.Plan {
	return emit.NewPlan(m, static.Infer(m, nil), q.task.Target, q.refuse(r))
}

// refuse returns why a node must stay float in a recipe, "" where it need not.
func (q *quantizer) refuse(r Recipe) func(*onnx.Node) string {
	float := map[string]bool{}
	for _, name := range r.Float {
		float[name] = true
	}
	return func(n *onnx.Node) string {
		switch {
		case len(q.options.Include) > 0 && !matchesAny(q.options.Include, n):
			return "--include does not name it"
		case matchesAny(q.options.Exclude, n):
			return "--exclude names it"
		case float[n.Name]:
			return q.whyFloat(n.Name)
		}
		return ""
	}
}

func (q *quantizer) whyFloat(name string) string {
	if why := q.reasons[name]; why != "" {
		return why
	}
	return "the search left it float"
}

func (q *quantizer) picker(r Recipe) func(*onnx.Node) bool {
	refuse := q.refuse(r)
	return func(n *onnx.Node) bool { return refuse(n) == "" }
}

// calibrated fills the ranges of a static recipe by the calibration of its base.
func (q *quantizer) calibrated(ctx context.Context, r Recipe) (Recipe, error) {
	m, err := q.base(ctx, r)
	if err != nil {
		return r, err
	}
	values := q.plan(m, Recipe{}).Values() // of all nodes: one calibration serves every choice of nodes
	if r.Form == FP16 {
		values = floatValues(m)
	}
	if len(values) == 0 {
		return r, nil
	}
	table, err := q.table(ctx, m, r, values)
	if err != nil {
		return r, err
	}
	method := q.options.Method
	if r.Form == FP16 { // nothing but the extremes counts
		method = calibrate.Method{Name: calibrate.MinMax}
		values = slices.DeleteFunc(values, func(v string) bool { return !ranged(table, v) })
	}
	r.Ranges, err = q.ranges(table, values, method)
	return r, err
}

// ranged reports whether calibration saw a finite element of a value.
func ranged(table *calibrate.Table, value string) bool {
	o, ok := table.Observation(value)
	if ok {
		_, _, ok = o.Extremes()
	}
	return ok
}

// floatValues returns the tensors that the nodes of the main graph make, in its order.
func floatValues(m *onnx.Model) []string {
	shapes := static.Infer(m, nil)
	var list []string
	for _, n := range m.Graph.Nodes {
		for _, o := range n.Outputs {
			if v, ok := shapes.Of(m.Graph, o); ok && v.Kind == onnx.KindTensor && v.DType == tensor.Float32 && n.OpType != "Constant" {
				list = append(list, o)
			}
		}
	}
	return list
}

// ranges makes the range of every value, several at a time: a search over a histogram takes a while.
func (q *quantizer) ranges(table *calibrate.Table, values []string, method calibrate.Method) ([]Range, error) {
	list, errs := make([]Range, len(values)), make([]error, len(values))
	var wg sync.WaitGroup
	next := atomic.Int64{}
	for range min(host.EffectiveCPUs().Count, len(values)) {
		wg.Go(func() {
			for i := next.Add(1) - 1; i < int64(len(values)); i = next.Add(1) - 1 {
				lo, hi, used, err := table.Range(values[i], method, q.task.Target.Activation)
				list[i], errs[i] = Range{Value: values[i], Lo: lo, Hi: hi, Method: used.String()}, err
			}
		})
	}
	wg.Wait()
	return list, errors.Join(errs...)
}

// without returns r with more nodes left float.
func (r Recipe) without(nodes ...string) Recipe {
	r.Float = append(slices.Clone(r.Float), nodes...)
	sort.Strings(r.Float)
	r.Float = slices.Compact(r.Float)
	return r
}
