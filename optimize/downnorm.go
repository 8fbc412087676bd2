package optimize

import (
	"errors"
	"fmt"
	"slices"

	"infer/model/onnx"
	"infer/model/tensor"
)

// normalizing is a normalization while it is put together.
type normalizing struct {
	*downgrade
	x       string  // what is normalized, in the type of the statistics
	epsilon float32 //
	back    int64   // the type to cast the result back to; 0: none
}

// widen begins a normalization: the statistics of half-precision inputs are in float32 where the node says so.
func (d *downgrade) widen(n *onnx.Node, x string) (*normalizing, error) {
	t, err := d.float(x)
	if err != nil {
		return nil, err
	}
	m := &normalizing{downgrade: d, x: x, epsilon: n.Float("epsilon", 1e-5)}
	if stash := n.Int("stash_type", int64(tensor.Float32)); tensor.DType(stash) != t && t.Bits() < 32 {
		m.x, m.back = d.put("Cast", x, []string{x}, intAttr("to", stash)), int64(t)
	}
	return m, nil
}

// mean reduces a value, in the form of the version that the node is brought to.
func (m *normalizing) mean(value string, axes []int64) (string, error) {
	keep := intAttr("keepdims", 1)
	if m.to < 18 {
		return m.put("ReduceMean", value, []string{value}, intsAttr("axes", axes...), keep), nil
	}
	list, err := m.addInts(value+"_axes", axes...)
	if err != nil {
		return "", err
	}
	return m.put("ReduceMean", value, []string{value, list}, keep), nil
}

// root returns √(value + epsilon).
func (m *normalizing) root(value string) (string, error) {
	t := tensor.Float32
	if m.back == 0 {
		v, err := m.float(m.x)
		if err != nil {
			return "", err
		}
		t = v
	}
	epsilon, err := m.addFloats(value+"_epsilon", t, tensor.Shape{}, []float32{m.epsilon})
	if err != nil {
		return "", err
	}
	return m.put("Sqrt", value, []string{m.put("Add", value, []string{value, epsilon})}), nil
}

// narrow returns a result in the type that the node makes.
func (m *normalizing) narrow(value, like string) string {
	if m.back == 0 {
		return value
	}
	out := m.put("Cast", value, []string{value}, intAttr("to", m.back))
	m.like[out] = like
	return out
}

// centered returns (x - mean)/√(variance + epsilon) over axes, with the mean and the root.
func (m *normalizing) centered(axes []int64) (result, mean, root string, err error) {
	if mean, err = m.mean(m.x, axes); err != nil {
		return
	}
	away := m.put("Sub", m.x, []string{m.x, mean})
	variance, err := m.mean(m.put("Mul", away, []string{away, away}), axes)
	if err != nil {
		return
	}
	if root, err = m.root(variance); err != nil {
		return
	}
	return m.put("Div", away, []string{away, root}), mean, root, nil
}

// trailing returns the axes from that of a node on.
func (d *downgrade) trailing(n *onnx.Node) ([]int64, error) {
	axis := n.Int("axis", -1)
	rank, err := d.rank(n.Inputs[0])
	if err != nil {
		return nil, err
	}
	if axis < 0 {
		axis += rank
	}
	if axis < 0 || axis >= rank {
		return nil, fmt.Errorf("its axis %d is none of %d", n.Int("axis", -1), rank)
	}
	var list []int64
	for a := axis; a < rank; a++ {
		list = append(list, a)
	}
	return list, nil
}

// layerNorm is what the operator's own definition says. Ref: ONNX LayerNormalization, opset 17.
func layerNorm(d *downgrade, n *onnx.Node) error {
	axes, err := d.trailing(n)
	if err != nil || len(n.Inputs) < 2 {
		return errors.Join(err, missing(n, 2))
	}
	x, outputs := n.Inputs[0], slices.Clone(n.Outputs)
	m, err := d.widen(n, x)
	if err != nil {
		return err
	}
	result, mean, root, err := m.centered(axes)
	if err != nil {
		return err
	}
	scale, bias := n.Inputs[1], input(n, 2)
	d.Remove(n)
	d.scaled(outputs[0], m.narrow(result, x), scale, bias)
	if len(outputs) > 1 && outputs[1] != "" {
		d.last("Identity", outputs[1], []string{mean})
	}
	if len(outputs) > 2 && outputs[2] != "" {
		d.last("Reciprocal", outputs[2], []string{root})
	}
	return nil
}

// scaled makes y = x·scale + bias, where bias may be omitted.
func (d *downgrade) scaled(y, x, scale, bias string) {
	if bias == "" {
		d.last("Mul", y, []string{x, scale})
		return
	}
	d.last("Add", y, []string{d.put("Mul", x, []string{x, scale}), bias})
}

// missing is the error of a node with too few inputs.
func missing(n *onnx.Node, want int) error {
	if len(n.Inputs) < want {
		return fmt.Errorf("it has %d inputs, not %d", len(n.Inputs), want)
	}
	return nil
}

// rmsNorm is x/√(mean(x²) + epsilon)·scale. Ref: ONNX RMSNormalization, opset 23.
func rmsNorm(d *downgrade, n *onnx.Node) error {
	axes, err := d.trailing(n)
	if err != nil || len(n.Inputs) < 2 {
		return errors.Join(err, missing(n, 2))
	}
	x, y, scale := n.Inputs[0], n.Outputs[0], n.Inputs[1]
	m, err := d.widen(n, x)
	if err != nil {
		return err
	}
	mean, err := m.mean(m.put("Mul", m.x, []string{m.x, m.x}), axes)
	if err != nil {
		return err
	}
	root, err := m.root(mean)
	if err != nil {
		return err
	}
	d.Remove(n)
	d.scaled(y, m.narrow(m.put("Div", m.x, []string{m.x, root}), x), scale, "")
	return nil
}

// groupNorm normalizes each group of channels of x, [N, C, …], seen as [N, groups, rest]. Scale and bias are one for
// each channel, before opset 21 one for each group. Ref: ONNX GroupNormalization, opsets 18 and 21.
func groupNorm(d *downgrade, n *onnx.Node) error {
	if len(n.Inputs) < 3 {
		return missing(n, 3)
	}
	x, y, scale, bias, groups := n.Inputs[0], n.Outputs[0], n.Inputs[1], n.Inputs[2], n.Int("num_groups", 0)
	each := d.of(scale)
	if groups < 1 || len(each.Dims) != 1 || !each.Dims[0].Known {
		return fmt.Errorf("its groups or the size of %q are not known", scale)
	}
	grouped, err := d.reshaped(x, 0, groups, -1)
	if err != nil {
		return err
	}
	m, err := d.widen(n, grouped)
	if err != nil {
		return err
	}
	result, _, _, err := m.centered([]int64{2})
	if err != nil {
		return err
	}
	flat, err := d.reshaped(m.narrow(result, x), 0, each.Dims[0].Size, -1)
	if err != nil {
		return err
	}
	if scale, err = d.reshaped(scale, -1, 1); err != nil {
		return err
	}
	if bias, err = d.reshaped(bias, -1, 1); err != nil {
		return err
	}
	d.Remove(n)
	sum := d.put("Add", flat, []string{d.put("Mul", flat, []string{flat, scale}), bias})
	d.last("Reshape", y, []string{sum, d.put("Shape", x, []string{x})})
	return nil
}

// reshaped puts a value into another shape.
func (d *downgrade) reshaped(value string, shape ...int64) (string, error) {
	target, err := d.addInts(value+"_shape", shape...)
	if err != nil {
		return "", err
	}
	return d.put("Reshape", value, []string{value, target}), nil
}
