package optimize

import (
	"context"
	"slices"

	"infer/model/onnx"
	"infer/model/tensor"
)

// elementwise are the operators that compute each element from those at its place.
var elementwise = map[string]bool{
	"Add": true, "Sub": true, "Mul": true, "Div": true, "Sum": true, "Max": true, "Min": true, "Pow": true,
	"Erf": true, "Tanh": true, "Sigmoid": true, "Relu": true, "Sqrt": true, "Neg": true, "Gelu": true,
}

// FlattenRows makes matrices of the values [batch, rows, columns] that products with a constant, layer normalizations
// and elementwise operators pass on, where the sizes are known. ONNX Runtime makes a Gemm of such a product with a Reshape
// in front of it and one behind; so there is one where a value enters the region, and one where it leaves.
func FlattenRows() Pass {
	return Pass{
		Name: "flatten-rows", Doc: "makes matrices of batches of rows between products with a constant, which need no Reshape each then",
		Run: func(_ context.Context, w *Work) (int, error) {
			f := flattening{w: w, e: NewEditor(w.Model, w.Model.Graph), flat: map[string]string{}}
			return f.run()
		},
	}
}

// flattening carries one run of FlattenRows.
type flattening struct {
	w    *Work
	e    *Editor
	flat map[string]string // the matrix that stands for a value
}

func (f *flattening) run() (int, error) {
	var nodes []*onnx.Node
	products := 0
	for _, n := range f.e.Graph.Nodes {
		if f.fits(n) {
			nodes = append(nodes, n)
			if n.OpType == "MatMul" {
				products++
			}
		}
	}
	if products == 0 {
		return 0, nil
	}
	for _, n := range nodes {
		if err := f.flatten(n); err != nil {
			return 0, err
		}
	}
	return products, f.e.Finish()
}

// rows returns the sizes of a value [batch, rows, columns]; ok is false for a constant, and where a size is not known.
func (f *flattening) rows(value string) (shape tensor.Shape, ok bool) {
	if _, constant := f.e.Constant(value); constant {
		return nil, false
	}
	v, known := f.w.Declared().Of(f.e.Graph, value)
	shape, fixed := v.Shape()
	return shape, known && fixed && len(shape) == 3 && v.DType == tensor.Float32 && !slices.Contains(shape, 0)
}

// fits reports whether n computes the same on matrices.
func (f *flattening) fits(n *onnx.Node) bool {
	out, ok := f.rows(output(n, 0))
	if !ok || only(n) == "" {
		return false
	}
	in, first := f.rows(input(n, 0))
	switch {
	case is(n, "MatMul"):
		w, constant := f.e.Constant(input(n, 1))
		return first && constant && len(w.Dims) == 2
	case is(n, "LayerNormalization"):
		axis := n.Int("axis", -1)
		return first && in.Equal(out) && (axis == -1 || axis == 2) && f.narrow(n.Inputs[1:])
	case !elementwise[n.OpType] || n.Domain != "" && n.OpType != "Gelu":
		return false
	}
	for _, v := range n.Inputs {
		if s, ok := f.rows(v); ok && s.Equal(out) {
			continue
		}
		if !f.narrow([]string{v}) {
			return false
		}
	}
	return true
}

// narrow reports whether all values are constants that a matrix broadcasts as three axes do: of one axis at most.
func (f *flattening) narrow(values []string) bool {
	for _, v := range values {
		if c, ok := f.e.Constant(v); !ok || len(c.Dims) > 1 {
			return false
		}
	}
	return true
}

// flatten lets n compute on matrices. Its value keeps its name and shape for all who read it otherwise: a Reshape makes
// it, which is dropped where nobody does.
func (f *flattening) flatten(n *onnx.Node) error {
	for i, v := range n.Inputs {
		if _, ok := f.rows(v); !ok {
			continue
		}
		m, err := f.matrix(v)
		if err != nil {
			return err
		}
		f.e.SetInput(n, i, m)
	}
	out := n.Outputs[0]
	shape, _ := f.rows(out)
	m := f.e.Unique(out + "_flat")
	n.Outputs[0] = m
	f.flat[out] = m
	if err := f.reshape(m, out, shape); err != nil {
		return err
	}
	for _, r := range slices.Clone(f.e.Consumers(out)) {
		if is(r, "Reshape") && f.absolute(input(r, 1)) {
			f.e.SetInput(r, 0, m)
		}
	}
	return nil
}

// absolute reports whether a constant shape copies no size of the value that is reshaped.
func (f *flattening) absolute(value string) bool {
	v, ok := f.e.ConstantValue(value)
	if !ok {
		return false
	}
	sizes, err := tensor.Int64s(v)
	return err == nil && !slices.Contains(sizes, 0)
}

// matrix returns the name of the matrix of a value.
func (f *flattening) matrix(value string) (string, error) {
	if m, ok := f.flat[value]; ok {
		return m, nil
	}
	s, _ := f.rows(value)
	m := f.e.Unique(value + "_flat")
	f.flat[value] = m
	return m, f.reshape(value, m, tensor.Shape{s[0] * s[1], s[2]})
}

func (f *flattening) reshape(from, to string, shape tensor.Shape) error {
	t, err := tensor.FromInt64("", tensor.Shape{int64(len(shape))}, shape)
	if err != nil {
		return err
	}
	name, err := f.e.AddInitializer(to+"_shape", t)
	if err != nil {
		return err
	}
	f.e.Insert(&onnx.Node{Name: f.e.Unique(to + "_Reshape"), OpType: "Reshape", Inputs: []string{from, name}, Outputs: []string{to}})
	return nil
}
