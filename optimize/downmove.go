package optimize

import (
	"errors"
	"fmt"
	"slices"

	"infer/model/onnx"
	"infer/model/tensor"
)

// known returns the elements of an integer input that are the same in every run; given is false for an omitted input.
func (d *downgrade) known(n *onnx.Node, i int) (list []int64, given bool, err error) {
	name := input(n, i)
	if name == "" {
		return nil, false, nil
	}
	if list, ok := d.ints(name); ok {
		return slices.Clone(list), true, nil
	}
	if v := d.of(name); d.like[name] == "" && (v.Ints != nil || len(v.Dims) == 1 && v.Dims[0].Known && v.Dims[0].Size == 0) {
		return slices.Clone(v.Ints), true, nil
	}
	return nil, true, fmt.Errorf("its input %q is not constant", name)
}

// omit takes the i-th input away, and those behind it that are omitted.
func (d *downgrade) omit(n *onnx.Node, i int) {
	if input(n, i) != "" {
		d.SetInput(n, i, "")
	}
	for len(n.Inputs) > 1 && n.Inputs[len(n.Inputs)-1] == "" {
		n.Inputs = n.Inputs[:len(n.Inputs)-1]
	}
}

// toInts makes a constant input an integer-list attribute.
func toInts(name string, i int) undo {
	return func(d *downgrade, n *onnx.Node) error {
		list, given, err := d.known(n, i)
		if err != nil || !given {
			return err
		}
		setAttr(n, intsAttr(name, list...))
		d.omit(n, i)
		return nil
	}
}

// reduceAxes: axes became an input, and none of them could mean that nothing is reduced.
func reduceAxes(d *downgrade, n *onnx.Node) error {
	list, _, err := d.known(n, 1)
	if err != nil {
		return err
	}
	nothing := n.Int("noop_with_empty_axes", 0) != 0 && len(list) == 0
	dropAttr(n, "noop_with_empty_axes")
	d.omit(n, 1)
	switch {
	case nothing && !is(n, "ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceProd"):
		return errors.New("it reduces no axes")
	case nothing:
		n.OpType, n.Attrs = "Identity", nil
	case len(list) > 0:
		setAttr(n, intsAttr("axes", list...))
	}
	return nil
}

// slice9: steps went away, the other lists became attributes.
func slice9(d *downgrade, n *onnx.Node) error {
	steps, _, err := d.known(n, 4)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(steps, func(x int64) bool { return x != 1 }) {
		return fmt.Errorf("its steps are %d", steps)
	}
	d.omit(n, 4)
	return inTurn(toInts("axes", 3), toInts("ends", 2), toInts("starts", 1))(d, n)
}

func topK9(d *downgrade, n *onnx.Node) error {
	k, _, err := d.known(n, 1)
	if err != nil {
		return err
	}
	if len(k) != 1 {
		return errors.New("it lacks k")
	}
	setAttr(n, intAttr("k", k[0]))
	d.omit(n, 1)
	return nil
}

// clip10: constant bounds become attributes; others are a Max and a Min.
func clip10(d *downgrade, n *onnx.Node) error {
	low, lowOK := d.scalar(input(n, 1))
	high, highOK := d.scalar(input(n, 2))
	if (lowOK || input(n, 1) == "") && (highOK || input(n, 2) == "") {
		if lowOK {
			setAttr(n, floatAttr("min", float32(low)))
		}
		if highOK {
			setAttr(n, floatAttr("max", float32(high)))
		}
		d.omit(n, 2)
		d.omit(n, 1)
		return nil
	}
	x, y := n.Inputs[0], n.Outputs[0]
	bounds := []string{input(n, 1), input(n, 2)}
	d.Remove(n)
	if bounds[0] != "" && bounds[1] != "" {
		x = d.put("Max", x, []string{x, bounds[0]})
	}
	if bounds[1] != "" {
		d.last("Min", y, []string{x, bounds[1]})
	} else {
		d.last("Max", y, []string{x, bounds[0]})
	}
	return nil
}

func pad10(d *downgrade, n *onnx.Node) error {
	if v := input(n, 2); v != "" {
		x, ok := d.scalar(v)
		if !ok {
			return fmt.Errorf("its input %q is not constant", v)
		}
		setAttr(n, floatAttr("value", float32(x)))
		d.omit(n, 2)
	}
	return toInts("pads", 1)(d, n)
}

// pad17: the pads are those of all axes.
func pad17(d *downgrade, n *onnx.Node) error {
	axes, given, err := d.known(n, 3)
	if err != nil || !given {
		return err
	}
	pads, _, err := d.known(n, 1)
	if err != nil {
		return err
	}
	rank, err := d.rank(n.Inputs[0])
	if err != nil {
		return err
	}
	if len(pads) != 2*len(axes) {
		return fmt.Errorf("it has %d pads for %d axes", len(pads), len(axes))
	}
	all := make([]int64, 2*rank)
	for i, a := range axes {
		if a < 0 {
			a += rank
		}
		if a < 0 || a >= rank {
			return fmt.Errorf("its axis %d is none of %d", a, rank)
		}
		all[a], all[a+rank] = pads[i], pads[i+len(axes)]
	}
	d.omit(n, 3)
	return d.setInts(n, 1, all)
}

// setInts gives a node another constant list.
func (d *downgrade) setInts(n *onnx.Node, i int, list []int64) error {
	name, err := d.addInts(output(n, 0)+"_list", list...)
	if err != nil {
		return err
	}
	d.setLastInput(n, i, name)
	return nil
}

// pad18: wrapping around is new.
func pad18(_ *downgrade, n *onnx.Node) error {
	if mode := n.Str("mode", "constant"); mode == "wrap" {
		return errors.New(`its attribute mode is "wrap"`)
	}
	return nil
}

// gemm10: C could not be left out.
func gemm10(d *downgrade, n *onnx.Node) error {
	if input(n, 2) != "" {
		return nil
	}
	zero, err := d.number(n.Inputs[0], 0)
	if err != nil {
		return err
	}
	d.setLastInput(n, 2, zero)
	return nil
}

func scatterElements10(_ *downgrade, n *onnx.Node) error {
	n.OpType = "Scatter"
	return nil
}

// constant8: only floats could be constants of a node.
func constant8(d *downgrade, n *onnx.Node) error {
	if t := constantOf(n); t != nil && !t.DType.IsFloat() && !d.IsOutput(output(n, 0)) {
		d.store(n, t)
	}
	return nil
}

func constant10(_ *downgrade, n *onnx.Node) error {
	if n.Attr("sparse_value") != nil {
		return errors.New("its value is sparse")
	}
	return nil
}

// constant11: the value is a tensor.
func constant11(_ *downgrade, n *onnx.Node) error {
	if n.Attr("value") != nil || n.Attr("sparse_value") != nil {
		return nil
	}
	t := constantOf(n)
	if t == nil {
		return errors.New("it has no value")
	}
	n.Attrs = []*onnx.Attribute{{Name: "value", Type: onnx.AttrTensor, T: t}}
	return nil
}

// dropout11: only a Dropout that does nothing is left as one.
func dropout11(d *downgrade, n *onnx.Node) error {
	if v := input(n, 2); v != "" {
		t, ok := d.ConstantValue(v)
		if !ok || t.DType != tensor.Bool || len(t.Data) != 1 || t.Data[0] != 0 {
			return errors.New("it may be training")
		}
		d.omit(n, 2)
	}
	if v := input(n, 1); v != "" {
		ratio, ok := d.scalar(v)
		if !ok {
			ratio = 0.5 // it drops nothing
		}
		setAttr(n, floatAttr("ratio", float32(ratio)))
		d.omit(n, 1)
	}
	dropAttr(n, "seed")
	return nil
}

// pow11: base and exponent have one type.
func pow11(d *downgrade, n *onnx.Node) error {
	base, exponent := d.of(input(n, 0)), d.of(input(n, 1))
	if base.DType == exponent.DType || base.DType == tensor.Undefined || exponent.DType == tensor.Undefined {
		return nil
	}
	cast := d.put("Cast", n.Inputs[1], []string{n.Inputs[1]}, intAttr("to", int64(base.DType)))
	d.like[cast] = n.Inputs[0]
	d.SetInput(n, 1, cast)
	return nil
}

// split17: equal parts needed no number of them.
func split17(d *downgrade, n *onnx.Node) error {
	parts := int64(len(n.Outputs))
	if x := n.Int("num_outputs", parts); x != parts {
		return fmt.Errorf("its attribute num_outputs is %d, and it has %d", x, parts)
	}
	dropAttr(n, "num_outputs")
	if input(n, 1) != "" {
		return nil
	}
	v := d.of(n.Inputs[0])
	axis := n.Int("axis", 0)
	if axis < 0 {
		axis += int64(len(v.Dims))
	}
	if axis < 0 || axis >= int64(len(v.Dims)) || !v.Dims[axis].Known {
		return errors.New("whether its parts are equal is not known")
	}
	size := v.Dims[axis].Size
	if size%parts == 0 {
		return nil
	}
	each := (size + parts - 1) / parts
	list := make([]int64, parts)
	for i := range list {
		list[i] = max(min(each, size-int64(i)*each), 0)
	}
	return d.setInts(n, 1, list)
}

// tensorScale: there was one scale for the whole tensor.
func tensorScale(d *downgrade, n *onnx.Node) error {
	scale := d.of(input(n, 1))
	if elements, ok := scale.Elements(); !scale.HasShape || len(scale.Dims) > 0 && (!ok || elements != 1) {
		return fmt.Errorf("its scale %q is one for each channel", input(n, 1))
	}
	dropAttr(n, "axis")
	return nil
}

// reshape13: a 0 in the target copies.
func reshape13(d *downgrade, n *onnx.Node) error {
	if n.Int("allowzero", 0) != 0 {
		target, _, err := d.known(n, 1)
		if err != nil {
			return err
		}
		if slices.Contains(target, 0) {
			return errors.New("a 0 of its target is a size")
		}
	}
	dropAttr(n, "allowzero")
	return nil
}

func roiAlign15(_ *downgrade, n *onnx.Node) error {
	if mode := n.Str("coordinate_transformation_mode", "half_pixel"); mode != "output_half_pixel" {
		return fmt.Errorf("it counts coordinates by %s", mode)
	}
	dropAttr(n, "coordinate_transformation_mode")
	return nil
}

func gridSample19(d *downgrade, n *onnx.Node) error {
	if rank, err := d.rank(n.Inputs[0]); err != nil || rank != 4 {
		return errors.New("it is not known to sample images")
	}
	switch mode := n.Str("mode", "linear"); mode {
	case "linear":
		setAttr(n, stringAttr("mode", "bilinear"))
	case "cubic":
		setAttr(n, stringAttr("mode", "bicubic"))
	}
	return nil
}

func dft19(d *downgrade, n *onnx.Node) error {
	axis, given, err := d.known(n, 2)
	if err != nil {
		return err
	}
	if !given {
		axis = []int64{-2}
	}
	if len(axis) != 1 {
		return errors.New("it has no single axis")
	}
	if axis[0] < 0 {
		rank, err := d.rank(n.Inputs[0])
		if err != nil {
			return err
		}
		axis[0] += rank
	}
	d.omit(n, 2)
	setAttr(n, intAttr("axis", axis[0]))
	return nil
}
