package optimize

import (
	"errors"
	"fmt"
	"math"

	"infer/model/onnx"
	"infer/model/onnx/static"
	"infer/model/tensor"
)

// gelu is x/2·(1 + erf(x/√2)), or with a tanh in its place. Ref: ONNX Gelu, opset 20.
func gelu(d *downgrade, n *onnx.Node) error {
	x, y := n.Inputs[0], n.Outputs[0]
	half, err := d.number(x, 0.5)
	if err != nil {
		return err
	}
	one, err := d.number(x, 1)
	if err != nil {
		return err
	}
	var inner string
	switch form := n.Str("approximate", "none"); form {
	case "none":
		root, err := d.number(x, math.Sqrt2)
		if err != nil {
			return err
		}
		inner = d.put("Erf", x, []string{d.put("Div", x, []string{x, root})})
	case "tanh":
		cubic, err := d.number(x, 0.044715)
		if err != nil {
			return err
		}
		scale, err := d.number(x, math.Sqrt(2/math.Pi))
		if err != nil {
			return err
		}
		cube := d.put("Mul", x, []string{x, d.put("Mul", x, []string{x, x})})
		sum := d.put("Add", x, []string{x, d.put("Mul", x, []string{cube, cubic})})
		inner = d.put("Tanh", x, []string{d.put("Mul", x, []string{sum, scale})})
	default:
		return fmt.Errorf("its attribute approximate is %q", form)
	}
	d.Remove(n)
	product := d.put("Mul", x, []string{x, d.put("Add", x, []string{inner, one})})
	d.last("Mul", y, []string{product, half})
	return nil
}

// hardSwish is x·max(0, min(1, x/6 + 1/2)).
func hardSwish(d *downgrade, n *onnx.Node) error {
	x, y := n.Inputs[0], n.Outputs[0]
	d.Remove(n)
	d.last("Mul", y, []string{x, d.put("HardSigmoid", x, []string{x}, floatAttr("alpha", 1.0/6), floatAttr("beta", 0.5))})
	return nil
}

// mish is x·tanh(ln(1 + eˣ)).
func mish(d *downgrade, n *onnx.Node) error {
	x, y := n.Inputs[0], n.Outputs[0]
	d.Remove(n)
	d.last("Mul", y, []string{x, d.put("Tanh", x, []string{d.put("Softplus", x, []string{x})})})
	return nil
}

// swish is x·sigmoid(alpha·x).
func swish(d *downgrade, n *onnx.Node) error {
	x, y, inner := n.Inputs[0], n.Outputs[0], n.Inputs[0]
	if alpha := n.Float("alpha", 1); alpha != 1 {
		k, err := d.number(x, float64(alpha))
		if err != nil {
			return err
		}
		inner = d.put("Mul", x, []string{x, k})
	}
	d.Remove(n)
	d.last("Mul", y, []string{x, d.put("Sigmoid", x, []string{inner})})
	return nil
}

// celu is alpha·elu(x/alpha).
func celu(d *downgrade, n *onnx.Node) error {
	x, y := n.Inputs[0], n.Outputs[0]
	alpha, err := d.number(x, float64(n.Float("alpha", 1)))
	if err != nil {
		return err
	}
	d.Remove(n)
	d.last("Mul", y, []string{d.put("Elu", x, []string{d.put("Div", x, []string{x, alpha})}), alpha})
	return nil
}

// orEqual is the comparison or equality: NaN is neither.
func orEqual(op string) undo {
	return func(d *downgrade, n *onnx.Node) error {
		if len(n.Inputs) != 2 {
			return errors.New("it lacks operands")
		}
		y, operands := n.Outputs[0], n.Inputs
		d.Remove(n)
		strict, same := d.put(op, y, operands), d.put("Equal", y, operands)
		d.like[same], d.like[strict] = operands[0], operands[0] // of the operands' type, as far as opset 11 asks
		d.last("Or", y, []string{strict, same})
		return nil
	}
}

func castLike(d *downgrade, n *onnx.Node) error {
	t := d.of(input(n, 1)).DType
	if t == tensor.Undefined {
		return fmt.Errorf("the element type of %q is not known", input(n, 1))
	}
	d.SetInput(n, 1, "")
	n.OpType, n.Inputs, n.Attrs = "Cast", n.Inputs[:1], []*onnx.Attribute{intAttr("to", int64(t))}
	return nil
}

// shape14 cuts the part of a shape out.
func shape14(d *downgrade, n *onnx.Node) error {
	start, end := n.Int("start", 0), n.Int("end", math.MaxInt64)
	dropAttr(n, "start", "end")
	if start == 0 && end == math.MaxInt64 {
		return nil
	}
	y := n.Outputs[0]
	var list [3]string
	for i, x := range []int64{start, end, 0} {
		name, err := d.addInts(y+"_slice", x)
		if err != nil {
			return err
		}
		list[i] = name
	}
	whole := d.detach(y, y+"_whole")
	d.like[whole] = y
	d.last("Slice", y, append([]string{whole}, list[:]...))
	return nil
}

// softmax12: all axes from one on counted as one, so the axis must be the last.
func softmax12(d *downgrade, n *onnx.Node) error {
	axis := n.Int("axis", -1)
	v := d.of(n.Inputs[0])
	rank := int64(len(v.Dims))
	switch {
	case !v.HasShape && axis == -1:
		setAttr(n, intAttr("axis", -1))
		return nil
	case !v.HasShape:
		return fmt.Errorf("the rank of %q is not known", n.Inputs[0])
	case axis < 0:
		axis += rank
	}
	if axis < 0 || axis >= rank {
		return fmt.Errorf("its axis %d is none of %d", n.Int("axis", -1), rank)
	}
	if lastOfSize(v, axis) {
		setAttr(n, intAttr("axis", axis))
		return nil
	}
	swap := make([]int64, rank)
	for i := range swap {
		swap[i] = int64(i)
	}
	swap[axis], swap[rank-1] = rank-1, axis
	x, y := n.Inputs[0], n.Outputs[0]
	d.SetInput(n, 0, d.put("Transpose", x, []string{x}, intsAttr("perm", swap...)))
	setAttr(n, intAttr("axis", rank-1))
	inner := d.detach(y, y+"_swapped")
	d.like[inner] = x
	d.last("Transpose", y, []string{inner}, intsAttr("perm", swap...))
	return nil
}

// lastOfSize reports whether all axes behind one have size 1.
func lastOfSize(v static.Value, axis int64) bool {
	for _, d := range v.Dims[axis+1:] {
		if !d.Known || d.Size != 1 {
			return false
		}
	}
	return true
}

// constantOfShape becomes what it makes.
func constantOfShape(d *downgrade, n *onnx.Node) error {
	shape, ok := d.of(n.Outputs[0]).Shape()
	elements, err := shape.Elements()
	if !ok || err != nil || elements > defaultMaxFold/8 {
		return errors.New("the shape that it makes is not known, or large")
	}
	v, err := tensor.New("", tensor.Float32, shape)
	if err != nil {
		return err
	}
	if a := n.Attr("value"); a != nil && a.T != nil {
		one, err := a.T.Value()
		if err != nil || one.DType == tensor.String || one.DType.Bits() < 8 || len(one.Data) != one.DType.Bits()/8 {
			return errors.New("its value is no single element")
		}
		v.DType, v.Data = one.DType, nil
		for range elements {
			v.Data = append(v.Data, one.Data...)
		}
	}
	t, err := onnx.NewTensor("", v)
	if err != nil {
		return err
	}
	d.SetInput(n, 0, "")
	n.OpType, n.Inputs, n.Attrs = "Constant", nil, []*onnx.Attribute{{Name: "value", Type: onnx.AttrTensor, T: t}}
	return nil
}

// trilu chooses between the input and 0 by a constant mask.
func trilu(d *downgrade, n *onnx.Node) error {
	x, y := n.Inputs[0], n.Outputs[0]
	v := d.of(x)
	k, _, err := d.known(n, 1)
	if err != nil {
		return err
	}
	offset := int64(0)
	if len(k) > 0 {
		offset = k[0]
	}
	rank := len(v.Dims)
	if rank < 2 || !v.Dims[rank-2].Known || !v.Dims[rank-1].Known || v.DType.Bits() < 8 || v.Dims[rank-2].Size*v.Dims[rank-1].Size > defaultMaxFold {
		return fmt.Errorf("the type or the last two axes of %q are not known, or large", x)
	}
	rows, columns := v.Dims[rank-2].Size, v.Dims[rank-1].Size
	mask := tensor.Tensor{DType: tensor.Bool, Shape: tensor.Shape{rows, columns}, Data: make([]byte, rows*columns)}
	upper := n.Int("upper", 1) != 0
	for i := range rows {
		for j := range columns {
			if upper && j-i >= offset || !upper && j-i <= offset {
				mask.Data[i*columns+j] = 1
			}
		}
	}
	kept, err := d.AddInitializer(y+"_mask", mask)
	if err != nil {
		return err
	}
	zero, err := d.AddInitializer(y+"_zero", tensor.Tensor{DType: v.DType, Shape: tensor.Shape{}, Data: make([]byte, v.DType.Bits()/8)})
	if err != nil {
		return err
	}
	d.Remove(n)
	d.last("Where", y, []string{kept, x, zero})
	return nil
}
