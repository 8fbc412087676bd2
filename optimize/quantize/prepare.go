package quantize

import (
	"context"

	"infer/internal/fault"
	"infer/model"
	"infer/model/onnx"
	"infer/optimize"
	"infer/report"
)

// wantOpset is the version that preparation brings a model to: LayerNormalization, which decomposed ones are fused to.
const wantOpset = 17

// portableOpset has DequantizeLinear of blocks.
const portableOpset = 21

// prepare makes the float graph that every recipe starts from.
func (q *quantizer) prepare(ctx context.Context) error {
	if err := checkPatterns(q.task.Model.Proto, "--include", q.options.Include); err != nil {
		return err
	}
	if err := checkPatterns(q.task.Model.Proto, "--exclude", q.options.Exclude); err != nil {
		return err
	}
	if q.isLarge() {
		return q.prepareLarge(ctx)
	}
	opset := int64(wantOpset)
	if q.options.Portable {
		opset = portableOpset
	}
	m, results, err := q.passes(ctx, opset)
	if fault.KindOf(err) == fault.Unsupported && !q.options.Portable {
		q.doc.Warn("the model stays at opset %d: %v", q.task.Model.Proto.Opset(""), err)
		m, results, err = q.passes(ctx, 0)
	}
	if err != nil {
		return err
	}
	for _, r := range results {
		if r.Changed > 0 {
			q.details.Passes = append(q.details.Passes, report.PassCount{Pass: r.Pass, Changed: r.Changed})
		}
	}
	q.prepared = m
	return m.Check()
}

func (q *quantizer) passes(ctx context.Context, opset int64) (*onnx.Model, []optimize.Result, error) {
	m := q.task.Model.Proto.Clone()
	w := &optimize.Work{Model: m, Provider: q.task.Provider, Opset: max(opset, m.Opset("")), Progress: q.task.Progress}
	if opset == 0 {
		w.Opset = 0
	}
	results, err := optimize.Run(ctx, w, optimize.Prepare())
	return m, results, err
}

// extraPasses are those that a recipe may name, beyond preparation.
func extraPasses() []optimize.Pass {
	return []optimize.Pass{optimize.SumBeforeNorm(), optimize.SpaceToDepthStem(), optimize.FlattenRows(), optimize.FuseQKV(), optimize.FuseGelu()}
}

func extraPass(name string) (optimize.Pass, bool) {
	for _, p := range extraPasses() {
		if p.Name == name {
			return p, true
		}
	}
	return optimize.Pass{}, false
}

// shortcuts are the passes that make a graph faster on the target's runtime and change no result.
func (q *quantizer) shortcuts(static bool) []string {
	if !q.task.Target.Contrib {
		return nil
	}
	list := []string{optimize.SumBeforeNorm().Name}
	if static {
		list = append(list, optimize.SpaceToDepthStem().Name, optimize.FlattenRows().Name)
	}
	return list
}

// modelOf wraps a graph that external data of the original may be part of.
func (q *quantizer) modelOf(m *onnx.Model) *model.Model {
	if q.task.Model.Path == "" {
		return model.New(m)
	}
	w := &model.Model{Path: q.task.Model.Path, Proto: m}
	w.MarkEdited()
	return w
}
