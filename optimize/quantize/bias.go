package quantize

import (
	"context"
	"slices"

	"infer/model/onnx"
	"infer/model/tensor"
	"infer/optimize"
	"infer/optimize/quantize/affine"
	"infer/optimize/quantize/emit"
)

// biasShift returns what the bias of a unit needs so that the mean of its output is that of the float graph:
// Σ (W − Ŵ)·E[x] over the inputs of each output channel. mean is E[x] by input channel. Borders, where padding makes the
// mean smaller, are taken for the inside. It is nil where there is no mean.
// Ref: Nagel et al., Data-Free Quantization Through Weight Equalization and Bias Correction, 2019, section 4.2.
func biasShift(u *emit.Unit, mean, original, quantized []float32, shape tensor.Shape) []float32 {
	if len(mean) == 0 {
		return nil
	}
	if u.Op != "Conv" {
		k, n := int(shape[0]), int(shape[1])
		if u.Axis != 1 || len(mean) != k {
			return nil
		}
		sums := make([]float64, n)
		for i := range k {
			for j := range n {
				sums[j] += float64(original[i*n+j]-quantized[i*n+j]) * float64(mean[i])
			}
		}
		return narrow(sums)
	}
	outs, ins := int(shape[0]), int(shape[1])
	inner := len(original) / max(outs*ins, 1)
	if ins == 0 || len(mean)%ins != 0 {
		return nil
	}
	groups := len(mean) / ins
	if groups == 0 || outs%groups != 0 {
		return nil
	}
	sums := make([]float64, outs)
	for o := range outs {
		first := o / (outs / groups) * ins
		for c := range ins {
			d := 0.0
			for i := (o*ins + c) * inner; i < (o*ins+c+1)*inner; i++ {
				d += float64(original[i] - quantized[i])
			}
			sums[o] += d * float64(mean[first+c])
		}
	}
	return narrow(sums)
}

func narrow(x []float64) []float32 {
	out := make([]float32, len(x))
	for i, v := range x {
		out[i] = float32(v)
	}
	return out
}

// corrected adds to a recipe the means of the inputs of its products, by which their biases are corrected.
func (q *quantizer) corrected(ctx context.Context, r Recipe) (Recipe, error) {
	m, err := q.base(ctx, r)
	if err != nil {
		return r, err
	}
	axes := map[string]int{}
	var order []string
	for _, u := range q.plan(m, r).Seeds() {
		if _, seen := axes[u.In[0]]; seen || u.Weight == "" {
			continue
		}
		order = append(order, u.In[0])
		axes[u.In[0]] = -1
		if u.Op == "Conv" {
			axes[u.In[0]] = 1
		}
	}
	stats, err := q.channels(ctx, m, axes)
	if err != nil {
		return r, err
	}
	r.Means = nil
	for _, v := range order {
		if mean := stats[v].Mean; len(mean) > 0 {
			r.Means = append(r.Means, Means{Value: v, Axis: axes[v], Mean: mean})
		}
	}
	if len(r.Means) > 0 {
		r.Name += ", bias corrected"
	}
	return r, nil
}

// correctFloat adds to the constant behind each product of m what quantizing its weight will take away: for forms whose
// bias stays a float Add.
func (q *quantizer) correctFloat(m *onnx.Model, r Recipe) error {
	means := map[string][]float32{}
	for _, x := range r.Means {
		means[x.Value] = x.Mean
	}
	e := optimize.NewEditor(m, m.Graph)
	refuse := q.refuse(r)
	for _, n := range m.Graph.Nodes {
		if n.OpType != "MatMul" || n.Domain != "" || len(means[n.Inputs[0]]) == 0 || refuse(n) != "" {
			continue
		}
		add := e.OnlyReader(n.Outputs[0])
		w, ok := e.ConstantValue(n.Inputs[1])
		if !ok || w.DType != tensor.Float32 || len(w.Shape) != 2 || add == nil || add.OpType != "Add" || add.Domain != "" {
			continue
		}
		if err := q.shiftBias(e, add, w, means[n.Inputs[0]], r.PerChannel); err != nil {
			return err
		}
	}
	return e.Finish()
}

// shiftBias adds to the constant operand of add, a row of the product's width, the mean error of the weight.
func (q *quantizer) shiftBias(e *optimize.Editor, add *onnx.Node, weight tensor.Tensor, mean []float32, perChannel bool) error {
	x, err := tensor.Floats(weight)
	if err != nil {
		return err
	}
	axis := 1
	if !perChannel {
		axis = affine.PerTensor
	}
	for i, v := range add.Inputs {
		c, ok := e.ConstantValue(v)
		if !ok || c.DType != tensor.Float32 || !c.Shape.Equal(weight.Shape[1:]) {
			continue
		}
		w, err := affine.QuantizeWeight(x, weight.Shape, axis, q.task.Target.Weight)
		if err != nil {
			return err
		}
		b, err := tensor.Floats(c)
		if err != nil {
			return err
		}
		shift := biasShift(&emit.Unit{Op: "MatMul", Axis: 1}, mean, x, w.Dequantize(), weight.Shape)
		if len(shift) != len(b) {
			return nil
		}
		b = slices.Clone(b)
		for k := range b {
			b[k] += shift[k]
		}
		t, err := tensor.FromFloat32("", c.Shape, b)
		if err != nil {
			return err
		}
		name, err := e.AddInitializer(v+"_corrected", t)
		if err != nil {
			return err
		}
		e.SetInput(add, i, name)
		return nil
	}
	return nil
}
