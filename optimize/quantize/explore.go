package quantize

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"infer/internal/fault"
	"infer/internal/progress"
	"infer/model/onnx"
	"infer/model/onnx/static"
	"infer/model/tensor"
	"infer/optimize/quantize/calibrate"
	"infer/optimize/quantize/emit"
	"infer/report"
)

// recipes returns what is tried first, by the mode.
func (q *quantizer) recipes() ([]Recipe, error) {
	o := q.options
	weight := Recipe{Name: fmt.Sprintf("weight-only int%d", o.Bits), Form: WeightOnly, Bits: o.Bits, Block: o.Block, Level: o.AccuracyLevel,
		Portable: o.Portable, Embeddings: o.Embeddings, Refine: true, Passes: q.shortcuts(false)}
	dynamic := Recipe{Name: "dynamic", Form: Dynamic, PerChannel: o.PerChannel, Embeddings: o.Embeddings, Passes: q.shortcuts(false)}
	static := Recipe{Name: "static " + o.Method.String(), Form: Static, PerChannel: o.PerChannel, Passes: q.shortcuts(true)}
	switch o.Mode {
	case Static:
		if q.fit == nil && len(o.Ranges) == 0 {
			return nil, fault.New(fault.Usage, "pass --calib with a data set, or --calib random to make inputs up", "static quantization needs calibration data")
		}
		return []Recipe{static}, nil
	case Dynamic:
		if !q.task.Target.Dynamic {
			return nil, fault.New(fault.Usage, "use --mode static", "%s has no kernels for dynamic quantization", q.task.Target.Name)
		}
		return []Recipe{dynamic}, nil
	case WeightOnly:
		return []Recipe{weight}, nil
	case FP16, BF16:
		if q.task.Target.Contrib {
			q.doc.Warn("the cpu provider has no kernels for %s: what it runs it computes in float32, no faster than before", o.Mode)
		}
		return []Recipe{{Name: string(o.Mode), Form: o.Mode}}, nil
	}
	return q.autoRecipes(static, dynamic, weight), nil
}

// autoRecipes keeps those that make sense for the graph and the target.
func (q *quantizer) autoRecipes(static, dynamic, weight Recipe) []Recipe {
	skip := func(r Recipe, format string, args ...any) {
		q.details.NotTried = append(q.details.NotTried, report.NotTried{Name: r.Name, Why: fmt.Sprintf(format, args...)})
	}
	has := operators(q.prepared)
	var list []Recipe
	switch {
	case q.fit == nil && len(q.options.Ranges) == 0:
		skip(static, "it needs calibration data: pass --calib with a data set")
	case !has["Conv"] && !has["Gemm"] && !has["MatMul"] && !has["ConvTranspose"]:
		skip(static, "the graph has no Conv, Gemm or MatMul")
	default:
		list = append(list, static)
	}
	products := has["MatMul"] || has["Gemm"] || has["LSTM"] || has["Attention"]
	switch {
	case !q.task.Target.Dynamic:
		skip(dynamic, "%s has no kernels for it", q.task.Target.Name)
		skip(weight, "%s has no kernels for it", q.task.Target.Name)
		return list
	case !products:
		skip(dynamic, "the graph has no MatMul, Gemm or LSTM")
		skip(weight, "the graph has no MatMul or Gemm")
	default:
		list = append(list, dynamic)
		if q.onlyRows() <= weightOnlyRows {
			list = append(list, weight)
		} else {
			skip(weight, "products of more than %d rows are faster with int8 activations", weightOnlyRows)
		}
	}
	return append(list, Recipe{Name: "int8 in the file only", Form: formStored, Passes: q.shortcuts(false)})
}

// weightOnlyRows are the most rows of a product for which weights in blocks pay: beyond them the kernel is slower than
// float (docs/benchmarks.md).
const weightOnlyRows = 16

// onlyRows returns the most rows that a product with a constant has, as far as shapes are known at the measured inputs.
func (q *quantizer) onlyRows() int64 {
	bound := map[string][]onnx.Dim{}
	for name, s := range shapesOf(q.task.Inputs) {
		for _, d := range s {
			bound[name] = append(bound[name], onnx.Fixed(d))
		}
	}
	shapes := static.Infer(q.prepared, bound)
	most := int64(1)
	for _, n := range q.prepared.Graph.Nodes {
		if n.OpType != "MatMul" && n.OpType != "Gemm" {
			continue
		}
		v, _ := shapes.Of(q.prepared.Graph, n.Inputs[0])
		if s, ok := v.Shape(); ok && len(s) > 0 {
			if rows, err := tensor.Shape(s[:len(s)-1]).Elements(); err == nil {
				most = max(most, rows)
			}
		}
	}
	return most
}

// operators returns the operators of all graphs of m.
func operators(m *onnx.Model) map[string]bool {
	has := map[string]bool{}
	m.Walk(func(g *onnx.Graph) {
		for _, n := range g.Nodes {
			has[n.OpType] = true
		}
	})
	return has
}

// explore tries the recipes, measures them, and then tries what improves on those that are fast enough to be worth it.
func (q *quantizer) explore(ctx context.Context, recipes []Recipe) error {
	for _, r := range recipes {
		if _, err := q.try(ctx, r); err != nil {
			return err
		}
	}
	if q.options.KeepBest {
		if _, err := q.try(ctx, Recipe{Name: "optimized float", Form: formFloat, Passes: q.shortcuts(false)}); err != nil {
			return err
		}
	}
	if err := q.race(ctx); err != nil {
		return err
	}
	if err := q.repair(ctx); err != nil {
		return err
	}
	if q.options.Mode == Auto {
		if err := q.trim(ctx); err != nil {
			return err
		}
	}
	return q.race(ctx)
}

// try makes a candidate of a recipe and judges it. A recipe that cannot be followed is a candidate with a reason;
// where it was asked for by name, that is an error.
func (q *quantizer) try(ctx context.Context, r Recipe) (*candidate, error) {
	c := &candidate{name: r.Name, recipe: r}
	err := q.attempt(ctx, c)
	switch {
	case err == nil:
	case ctx.Err() != nil || q.options.Mode != Auto && fault.KindOf(err) != fault.Gate || fault.KindOf(err) == fault.Usage:
		return nil, err
	default:
		c.why = err.Error()
	}
	q.candidates = append(q.candidates, c)
	return c, nil
}

// errNothing is the reason of a candidate that leaves every node float.
var errNothing = errors.New("it leaves every node float")

func (q *quantizer) attempt(ctx context.Context, c *candidate) error {
	if err := q.phase("calibrate", func() error { return q.calibrate(ctx, c) }); err != nil {
		return err
	}
	q.task.Progress.Send(progress.Event{Phase: "try " + c.name})
	if err := q.phase("rewrite", func() error { return q.make(ctx, c) }); err != nil {
		return err
	}
	if h := c.built.half; h != nil && h.Nodes == 0 || h == nil && c.recipe.Form != formFloat && !quantizes(c.built.decisions) {
		return fault.New(fault.Gate, "", "%w%s", errNothing, reasonsOf(c.built.decisions))
	}
	m := q.modelOf(c.built.model)
	c.bytes = m.Bytes()
	return q.phase("judge", func() (err error) {
		c.verdict, err = q.judge.judge(ctx, m, 0)
		if err != nil && c.built.half != nil && ctx.Err() == nil {
			return fault.New(fault.Unsupported, "run it where there are such kernels: --provider cuda or tensorrt; or use --fp16", "the %s model cannot run on the %s provider: %w",
				c.recipe.Form, q.task.Provider.Name(), err)
		}
		if err != nil {
			return err
		}
		ok, why := q.budget.within(c.verdict)
		if c.within = ok; !ok {
			c.why = why
		}
		return nil
	})
}

// make builds the model of a candidate and has the runtime say what it makes of each node. Nodes that do not become the
// integer kernels that were predicted are left float, once: between QuantizeLinear and DequantizeLinear they would be
// slower than before.
func (q *quantizer) make(ctx context.Context, c *candidate) (err error) {
	for range 2 {
		if c.built, err = q.build(ctx, c.recipe); err != nil {
			return err
		}
		if !q.task.Target.Contrib || c.built.half != nil || c.recipe.Form == formFloat {
			return nil
		}
		if c.lint, err = emit.Check(ctx, q.task.Provider, q.task.Config, q.modelOf(c.built.model), c.built.decisions); err != nil {
			return err
		}
		missed := missed(c)
		if len(missed) == 0 || c.recipe.Form != Static || q.task.Record != nil {
			return nil
		}
		for _, d := range missed {
			q.note(d.Node, "the runtime makes %s of it, not %s", cmp.Or(c.lint.Actual[d.Node], "float nodes"), d.Predicted)
			c.recipe = c.recipe.without(d.Node)
		}
	}
	return nil
}

// missed returns the decisions about nodes with weights that did not become what was predicted.
func missed(c *candidate) []emit.Decision {
	var list []emit.Decision
	for _, d := range c.built.decisions {
		if d.Weight != "" && d.Predicted != "" && c.lint.Missed[d.Node] {
			list = append(list, d)
		}
	}
	return list
}

// quantizes reports whether a node of the decisions is not left float.
func quantizes(decisions []emit.Decision) bool {
	return slices.ContainsFunc(decisions, func(d emit.Decision) bool { return d.Form != emit.Float })
}

// calibrate fills what a recipe needs to know about activations, and does not know yet: ranges for static, and the means
// by which biases are corrected, which costs no speed.
func (q *quantizer) calibrate(ctx context.Context, c *candidate) (err error) {
	fresh := c.recipe.Form == Static && c.recipe.Ranges == nil
	if fresh || c.recipe.Form == FP16 && c.recipe.Ranges == nil && q.fit != nil {
		if c.recipe, err = q.calibrated(ctx, c.recipe); err != nil {
			return err
		}
	}
	if q.fit != nil && !c.recipe.Plain && c.recipe.Means == nil && (fresh || c.recipe.Form == Dynamic) && q.task.Target.IntBias {
		c.recipe, err = q.corrected(ctx, c.recipe)
		c.name = c.recipe.Name
	}
	return err
}

// reasonsOf lists why nodes were left float, each reason once.
func reasonsOf(decisions []emit.Decision) string {
	var list []string
	for _, d := range decisions {
		if d.Form == emit.Float && d.Why != "" && !slices.Contains(list, d.Op+": "+d.Why) {
			list = append(list, d.Op+": "+d.Why)
		}
	}
	if len(list) == 0 {
		return ": no Conv, Gemm or MatMul of its main graph has constant weights for it"
	}
	text := ": " + list[0]
	if len(list) > 1 {
		text += fmt.Sprintf(" (and %d more reasons)", len(list)-1)
	}
	return text
}

// tableKey names the float graph of a recipe among those that were calibrated.
func tableKey(r Recipe) string { return fmt.Sprint(r.Passes, len(r.Smooth)) }

// table returns what calibration saw of values in the base of a recipe.
func (q *quantizer) table(ctx context.Context, m *onnx.Model, r Recipe, values []string) (*calibrate.Table, error) {
	key := tableKey(r)
	if t, ok := q.tables[key]; ok {
		return t, nil
	}
	if len(q.options.Ranges) > 0 {
		return q.loadTables(key)
	}
	method := q.options.Method
	if r.Form == FP16 {
		method = calibrate.Method{Name: calibrate.MinMax}
	}
	o := calibrate.Options{Memory: q.options.Memory, Method: method, Progress: q.task.Progress, Key: fmt.Sprintf("%s|%s|%d rows", q.task.Key, key, q.fit.Rows())}
	if len(q.tables) == 0 {
		o.Checkpoint = q.options.Cache
	}
	if o.Checkpoint != "" {
		if old, err := calibrate.Load(o.Checkpoint); err == nil && old.Key != o.Key {
			q.doc.Warn("%s was of another model, of other data or options: it is begun anew", o.Checkpoint)
		}
	}
	t, err := calibrate.Run(ctx, q.task.Provider, q.task.Config, m, values, q.fit, o)
	if err != nil {
		return nil, err
	}
	q.tables[key] = t
	q.describeCalibration(t, values)
	return t, nil
}

// loadTables merges the calibration files that were named.
func (q *quantizer) loadTables(key string) (*calibrate.Table, error) {
	var all *calibrate.Table
	for _, path := range q.options.Ranges {
		t, err := calibrate.Load(path)
		if err != nil {
			return nil, err
		}
		if all == nil {
			all = t
			continue
		}
		if all, err = calibrate.Merge(all, t); err != nil {
			return nil, err
		}
	}
	q.tables[key] = all
	q.describeCalibration(all, all.Values())
	return all, nil
}
