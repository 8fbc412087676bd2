package optimize

import (
	"errors"
	"slices"

	"infer/model/onnx"
	"infer/model/tensor"
)

// upsample9: scales became an input.
func upsample9(u *upgrade, n *onnx.Node) error {
	a := n.Attr("scales")
	if a == nil || len(a.Floats) == 0 {
		return errors.New("it lacks scales")
	}
	scales, err := u.addFloats(output(n, 0)+"_scales", tensor.Float32, tensor.Shape{int64(len(a.Floats))}, a.Floats)
	if err != nil {
		return err
	}
	dropAttr(n, "scales")
	u.setLastInput(n, 1, scales)
	return nil
}

// upsample10: Resize took its place.
func upsample10(u *upgrade, n *onnx.Node) error {
	n.OpType = "Resize"
	u.upsampled[n] = true
	return nil
}

// resize11: how coordinates are counted became attributes with new defaults. Until then it was x/scale, which a Resize
// to the nearest rounds down where it enlarges and, in ONNX Runtime, up where it shrinks.
func resize11(u *upgrade, n *onnx.Node) error {
	scales := input(n, 1)
	if scales == "" {
		return errors.New("it lacks scales")
	}
	if n.Str("mode", "nearest") == "nearest" {
		rounding, err := u.rounding(n, scales)
		if err != nil {
			return err
		}
		setAttr(n, stringAttr("nearest_mode", rounding))
	}
	setAttr(n, stringAttr("coordinate_transformation_mode", "asymmetric"))
	roi, err := u.addFloats(output(n, 0)+"_roi", tensor.Float32, tensor.Shape{0}, nil)
	if err != nil {
		return err
	}
	u.SetInput(n, 1, roi)
	u.setLastInput(n, 2, scales)
	return nil
}

// rounding returns the nearest_mode of a Resize older than opset 11.
func (u *upgrade) rounding(n *onnx.Node, scales string) (string, error) {
	if u.upsampled[n] {
		return "floor", nil
	}
	v, _, _, ok := u.floats(scales)
	if !ok {
		return "", errors.New("how it rounds depends on its scales, which are not constant")
	}
	shrinks := func(s float32) bool { return s < 1 }
	switch {
	case !slices.ContainsFunc(v, shrinks):
		return "floor", nil
	case slices.ContainsFunc(v, func(s float32) bool { return s > 1 }):
		return "", errors.New("it enlarges one axis and shrinks another, which round differently")
	}
	return "ceil", nil
}

// resize13: an input that does not count is omitted, not empty.
func resize13(u *upgrade, n *onnx.Node) error {
	if n.Str("coordinate_transformation_mode", "") == "tf_half_pixel_for_nn" {
		return errors.New("coordinates by tf_half_pixel_for_nn went away")
	}
	for i := 1; i < len(n.Inputs); i++ {
		if c, ok := u.Constant(n.Inputs[i]); ok && len(c.Dims) == 1 && c.Dims[0] == 0 {
			u.SetInput(n, i, "")
		}
	}
	for len(n.Inputs) > 1 && n.Inputs[len(n.Inputs)-1] == "" {
		n.Inputs = n.Inputs[:len(n.Inputs)-1]
	}
	return nil
}
