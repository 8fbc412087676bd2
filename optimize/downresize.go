package optimize

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"infer/model/onnx"
	"infer/model/tensor"
)

// resize18 and the steps below it undo what resize11 and upsample10 do, as far as the older forms say the same.
func resize18(_ *downgrade, n *onnx.Node) error {
	if mode := n.Str("coordinate_transformation_mode", "half_pixel"); mode == "half_pixel_symmetric" {
		return fmt.Errorf("it counts coordinates by %s", mode)
	}
	return nil
}

// resize17: all axes are given, and nothing is smoothed.
func resize17(d *downgrade, n *onnx.Node) error {
	if err := inTurn(plain("antialias", 0), words("keep_aspect_ratio_policy", "stretch"))(d, n); err != nil {
		return err
	}
	a := n.Attr("axes")
	if a == nil {
		return nil
	}
	x := d.of(n.Inputs[0])
	if !x.HasShape || input(n, 1) != "" && n.Str("coordinate_transformation_mode", "half_pixel") == "tf_crop_and_resize" {
		return fmt.Errorf("its axes are %d, and the rank is not known or it crops", a.Ints)
	}
	dropAttr(n, "axes")
	at := map[int64]int{}
	for i, axis := range a.Ints {
		if axis < 0 {
			axis += int64(len(x.Dims))
		}
		at[axis] = i
	}
	if v := input(n, 2); v != "" {
		return d.allScales(n, v, len(x.Dims), at)
	}
	sizes, given, err := d.known(n, 3)
	if err != nil || !given {
		return errors.Join(err, errors.New("its sizes are not known"))
	}
	all := make([]int64, len(x.Dims))
	for i := range all {
		j, listed := at[int64(i)]
		switch {
		case listed && j < len(sizes):
			all[i] = sizes[j]
		case x.Dims[i].Known:
			all[i] = x.Dims[i].Size
		default:
			return fmt.Errorf("the size of axis %d of %q is not known", i, n.Inputs[0])
		}
	}
	return d.setInts(n, 3, all)
}

// allScales gives a Resize a scale for each axis: 1 for those that it had none for.
func (d *downgrade) allScales(n *onnx.Node, value string, rank int, at map[int64]int) error {
	scales, _, _, ok := d.floats(value)
	if !ok {
		return fmt.Errorf("its scales %q are not constant", value)
	}
	all := slices.Repeat([]float32{1}, rank)
	for i := range all {
		if j, listed := at[int64(i)]; listed && j < len(scales) {
			all[i] = scales[j]
		}
	}
	name, err := d.addFloats(output(n, 0)+"_scales", tensor.Float32, tensor.Shape{int64(rank)}, all)
	if err != nil {
		return err
	}
	d.SetInput(n, 2, name)
	return nil
}

// resize12: what is omitted was an empty list.
func resize12(d *downgrade, n *onnx.Node) error {
	for i := 1; i <= 2; i++ {
		if input(n, i) != "" {
			continue
		}
		empty, err := d.addFloats(output(n, 0)+"_none", tensor.Float32, tensor.Shape{0}, nil)
		if err != nil {
			return err
		}
		d.setLastInput(n, i, empty)
	}
	return nil
}

// resize10: coordinates were x/scale, rounded down. Other ways to count them give the same where every scale of a
// Resize to the nearest is a whole number.
func resize10(d *downgrade, n *onnx.Node) error {
	scales, err := d.scales(n)
	if err != nil {
		return err
	}
	mode, count := n.Str("mode", "nearest"), n.Str("coordinate_transformation_mode", "half_pixel")
	round := n.Str("nearest_mode", "round_prefer_floor")
	whole := !slices.ContainsFunc(scales, func(s float32) bool { return s < 1 || s != float32(math.Trunc(float64(s))) })
	resizes := slices.ContainsFunc(scales, func(s float32) bool { return s != 1 })
	switch {
	case !resizes:
	case mode == "linear" && count == "asymmetric":
	case mode == "nearest" && count == "asymmetric" && round == "floor" && !slices.ContainsFunc(scales, func(s float32) bool { return s < 1 }):
	case mode == "nearest" && whole && (count == "half_pixel" || count == "pytorch_half_pixel") && (round == "round_prefer_floor" || round == "round_prefer_ceil"):
	default:
		return fmt.Errorf("it resizes by mode %s, coordinates %s and scales %v", mode, count, scales)
	}
	if mode == "cubic" {
		return errors.New("its mode is cubic")
	}
	name, err := d.addFloats(output(n, 0)+"_scales", tensor.Float32, tensor.Shape{int64(len(scales))}, scales)
	if err != nil {
		return err
	}
	dropAttr(n, "coordinate_transformation_mode", "nearest_mode", "cubic_coeff_a", "exclude_outside", "extrapolation_value")
	d.omit(n, 3)
	d.omit(n, 2)
	d.SetInput(n, 1, name)
	return nil
}

// scales returns the scales of a Resize from opset 11 on, from its sizes where it has those.
func (d *downgrade) scales(n *onnx.Node) ([]float32, error) {
	if v, _, _, ok := d.floats(input(n, 2)); ok && len(v) > 0 {
		return v, nil
	}
	sizes, given, err := d.known(n, 3)
	if err != nil || !given {
		return nil, errors.Join(err, errors.New("its scales are not constant"))
	}
	x := d.of(n.Inputs[0])
	if len(sizes) != len(x.Dims) {
		return nil, errors.New("its sizes are not those of all axes")
	}
	var scales []float32
	for i, size := range sizes {
		if !x.Dims[i].Known || x.Dims[i].Size < 1 {
			return nil, fmt.Errorf("the size of axis %d of %q is not known", i, n.Inputs[0])
		}
		s := float32(size) / float32(x.Dims[i].Size)
		if int64(math.Floor(float64(s)*float64(x.Dims[i].Size))) != size {
			return nil, fmt.Errorf("no scale makes %d of %d", size, x.Dims[i].Size)
		}
		scales = append(scales, s)
	}
	return scales, nil
}

// resize9: Upsample could not shrink.
func resize9(d *downgrade, n *onnx.Node) error {
	scales, _, _, ok := d.floats(input(n, 1))
	if !ok || slices.ContainsFunc(scales, func(s float32) bool { return s < 1 }) {
		return errors.New("its scales are not known to be 1 or more")
	}
	n.OpType = "Upsample"
	return nil
}

// upsample8: scales were an attribute.
func upsample8(d *downgrade, n *onnx.Node) error {
	scales, _, _, ok := d.floats(input(n, 1))
	if !ok {
		return errors.New("its scales are not constant")
	}
	setAttr(n, &onnx.Attribute{Name: "scales", Type: onnx.AttrFloats, Floats: scales})
	d.omit(n, 1)
	return nil
}
