package quantize

import (
	"context"
	"fmt"
	"math"

	"infer/model/onnx"
	"infer/model/tensor"
	"infer/optimize"
)

// Smoothing moves the spread between the channels of a normalization's output into the weights that read it.
type Smoothing struct {
	Norm   string    `json:"norm"`   // the node that makes the value
	Scales []float32 `json:"scales"` // its channels are divided by these, the weights' rows multiplied
}

// smoothAlpha is how much of the spread goes into the weights. Ref: Xiao et al., SmoothQuant, 2023.
const smoothAlpha = 0.5

// smoothable returns the layer normalizations of m whose output only products with constant matrices read, with those.
func smoothable(e *optimize.Editor) (norms []*onnx.Node, readers map[*onnx.Node][]*onnx.Node) {
	readers = map[*onnx.Node][]*onnx.Node{}
	for _, n := range e.Graph.Nodes {
		if n.OpType != "LayerNormalization" || n.Domain != "" || len(n.Inputs) < 2 || e.IsOutput(n.Outputs[0]) {
			continue
		}
		list := e.Consumers(n.Outputs[0])
		ok := len(list) > 0
		for _, r := range list {
			w, constant := e.Constant(inputOf(r, 1))
			ok = ok && r.OpType == "MatMul" && r.Domain == "" && r.Inputs[0] == n.Outputs[0] && constant && len(w.Dims) == 2 && w.DType == tensor.Float32
		}
		for _, v := range n.Inputs[1:] {
			c, constant := e.Constant(v)
			ok = ok && constant && c.DType == tensor.Float32 && len(c.Dims) == 1
		}
		if ok {
			norms = append(norms, n)
			readers[n] = list
		}
	}
	return norms, readers
}

func inputOf(n *onnx.Node, i int) string {
	if i < len(n.Inputs) {
		return n.Inputs[i]
	}
	return ""
}

// smoothed adds to a recipe the scales s_j = max|X_j|^α / max|W_j|^(1−α) of every normalization that can take them.
// It returns false where there is none.
func (q *quantizer) smoothed(ctx context.Context, r Recipe) (Recipe, bool, error) {
	m, err := q.base(ctx, Recipe{Passes: r.Passes})
	if err != nil {
		return r, false, err
	}
	e := optimize.NewEditor(m, m.Graph)
	norms, readers := smoothable(e)
	axes := map[string]int{}
	for _, n := range norms {
		axes[n.Outputs[0]] = -1
	}
	if len(axes) == 0 {
		return r, false, nil
	}
	stats, err := q.channels(ctx, m, axes)
	if err != nil {
		return r, false, err
	}
	r.Smooth = nil
	for _, n := range norms {
		weights, err := rowMaxima(e, readers[n])
		if err != nil {
			return r, false, err
		}
		seen := stats[n.Outputs[0]].Max
		if len(seen) != len(weights) {
			continue
		}
		s := make([]float32, len(seen))
		for j := range s {
			s[j] = 1
			if seen[j] > 0 && weights[j] > 0 {
				v := math.Pow(float64(seen[j]), smoothAlpha) / math.Pow(float64(weights[j]), 1-smoothAlpha)
				s[j] = float32(min(max(v, 0.01), 100))
			}
		}
		r.Smooth = append(r.Smooth, Smoothing{Norm: n.Name, Scales: s})
	}
	r.Name += ", smoothed"
	return r, len(r.Smooth) > 0, nil
}

// rowMaxima returns the largest magnitude in each row over the weights of all readers.
func rowMaxima(e *optimize.Editor, readers []*onnx.Node) ([]float32, error) {
	var maxima []float32
	for _, n := range readers {
		v, ok := e.ConstantValue(n.Inputs[1])
		if !ok {
			return nil, fmt.Errorf("weight %q cannot be read", n.Inputs[1])
		}
		x, err := tensor.Floats(v)
		if err != nil {
			return nil, err
		}
		k, cols := int(v.Shape[0]), int(v.Shape[1])
		if maxima == nil {
			maxima = make([]float32, k)
		}
		if len(maxima) != k {
			return nil, fmt.Errorf("weight %q has %d rows, its siblings %d", n.Inputs[1], k, len(maxima))
		}
		for i := range k {
			for _, w := range x[i*cols : (i+1)*cols] {
				maxima[i] = max(maxima[i], w, -w)
			}
		}
	}
	return maxima, nil
}

// smooth applies smoothings to m.
func smooth(m *onnx.Model, list []Smoothing) error {
	if len(list) == 0 {
		return nil
	}
	e := optimize.NewEditor(m, m.Graph)
	norms, readers := smoothable(e)
	by := map[string]*onnx.Node{}
	for _, n := range norms {
		by[n.Name] = n
	}
	for _, s := range list {
		n := by[s.Norm]
		if n == nil {
			return fmt.Errorf("node %q cannot be smoothed", s.Norm)
		}
		for i := 1; i < len(n.Inputs); i++ {
			if err := scaled(e, n, i, s.Scales, func(v, s float32) float32 { return v / s }); err != nil {
				return err
			}
		}
		for _, r := range readers[n] {
			if err := scaled(e, r, 1, s.Scales, func(v, s float32) float32 { return v * s }); err != nil {
				return err
			}
		}
	}
	return e.Finish()
}

// scaled replaces the constant input i of n, whose first axis has one row a scale.
func scaled(e *optimize.Editor, n *onnx.Node, i int, scales []float32, f func(v, s float32) float32) error {
	v, ok := e.ConstantValue(n.Inputs[i])
	if !ok {
		return fmt.Errorf("constant %q cannot be read", n.Inputs[i])
	}
	x, err := tensor.Floats(v)
	if err != nil {
		return err
	}
	if len(scales) == 0 || len(x)%len(scales) != 0 || v.Shape[0] != int64(len(scales)) {
		return fmt.Errorf("constant %q has no row for each of %d channels", n.Inputs[i], len(scales))
	}
	row := len(x) / len(scales)
	out := make([]float32, len(x))
	for k := range x {
		out[k] = f(x[k], scales[k/row])
	}
	t, err := tensor.FromFloat32("", v.Shape, out)
	if err != nil {
		return err
	}
	name, err := e.AddInitializer(n.Inputs[i]+"_smoothed", t)
	if err != nil {
		return err
	}
	e.SetInput(n, i, name)
	return nil
}
