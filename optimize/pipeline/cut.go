package pipeline

import (
	"context"
	"slices"

	"infer/internal/fault"
	"infer/model"
	"infer/model/agree"
	"infer/model/engine"
	"infer/model/onnx"
	"infer/model/onnx/static"
	"infer/model/tensor"
)

// cut proves a part that was cut out: the original runs with the part's inputs and outputs as outputs of its own, and
// the part must make of the former what the latter are. The former are what the part is compared on from then on.
func (p *pipeline) cut(ctx context.Context, whole, part *model.Model) error {
	if p.isLarge() || len(p.Inputs) == 0 {
		return nil
	}
	var ins, outs []string
	for _, q := range part.Inputs() {
		ins = append(ins, q.Name)
	}
	for _, q := range part.Outputs() {
		outs = append(outs, q.Name)
	}
	exposed := p.wrap(expose(whole.Proto, slices.Concat(ins, outs)))
	s, err := p.open(ctx, exposed, engine.OptNone)
	if err != nil {
		return err
	}
	defer s.Close()
	if err := p.accepted(ctx, s); err != nil {
		return err
	}
	seen, err := agree.Record(ctx, s, p.Inputs)
	if err != nil {
		return err
	}
	ref := &agree.Reference{Random: seen.Random}
	for i, out := range seen.Outputs {
		values := slices.Concat(out, p.Inputs[i])
		ref.Inputs = append(ref.Inputs, pick(values, ins))
		ref.Outputs = append(ref.Outputs, pick(values, outs))
	}
	cut, err := p.open(ctx, part, engine.OptNone)
	if err != nil {
		return err
	}
	defer cut.Close()
	r, err := ref.Compare(ctx, cut, p.Tolerance)
	if err != nil {
		return err
	}
	if !r.Within() {
		return fault.New(fault.Internal, "", "the part answers differently from the whole: %s", r.Why())
	}
	p.Inputs = ref.Inputs
	p.Source += ", as the whole model makes of them what the part takes"
	return nil
}

// expose returns a copy of m whose outputs are values.
func expose(m *onnx.Model, values []string) *onnx.Model {
	c := m.Clone()
	shapes := static.Infer(m, nil)
	produced := c.Graph.Producers()
	c.Graph.Outputs = slices.DeleteFunc(c.Graph.Outputs, func(v *onnx.ValueInfo) bool { return !slices.Contains(values, v.Name) })
	for _, name := range values {
		if produced[name] == nil || slices.ContainsFunc(c.Graph.Outputs, func(v *onnx.ValueInfo) bool { return v.Name == name }) {
			continue
		}
		o := &onnx.ValueInfo{Name: name}
		if v, ok := shapes.Of(m.Graph, name); ok && v.Kind == onnx.KindTensor && v.DType != tensor.Undefined {
			o.Type = &onnx.Type{Kind: onnx.KindTensor, DType: v.DType}
		}
		c.Graph.Outputs = append(c.Graph.Outputs, o)
	}
	return c
}

// pick returns the tensors of the names, each once.
func pick(values []tensor.Tensor, names []string) []tensor.Tensor {
	var list []tensor.Tensor
	for _, name := range names {
		if i := slices.IndexFunc(values, func(t tensor.Tensor) bool { return t.Name == name }); i >= 0 {
			list = append(list, values[i])
		}
	}
	return list
}
