package quantize

import (
	"context"

	"infer/model/tensor"
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

// corrected adds to a static recipe the means of its inputs, by which biases are corrected.
func (q *quantizer) corrected(ctx context.Context, r Recipe) (Recipe, error) {
	m, err := q.base(ctx, r)
	if err != nil {
		return r, err
	}
	axes := map[string]int{}
	for _, u := range q.plan(m, r).Seeds() {
		if u.Bias == "" {
			continue
		}
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
	for _, u := range q.plan(m, r).Seeds() {
		if s, ok := stats[u.In[0]]; ok && len(s.Mean) > 0 {
			r.Means = append(r.Means, Means{Value: u.In[0], Axis: axes[u.In[0]], Mean: s.Mean})
			delete(stats, u.In[0])
		}
	}
	r.Name += ", bias corrected"
	return r, nil
}
