package optimize

import (
	"errors"
	"math"

	"infer/model/onnx"
	"infer/model/onnx/static"
	"infer/model/tensor"
)

// refuse is the step of a change that has no rewrite here.
func refuse(why string) convert {
	return func(*upgrade, *onnx.Node) error { return errors.New(why) }
}

// moveInts makes an integer-list attribute an input. An empty list meant the same as none.
func moveInts(name string, at int) convert {
	return func(u *upgrade, n *onnx.Node) error {
		list := n.Ints(name)
		dropAttr(n, name)
		if len(list) == 0 {
			return nil
		}
		value, err := u.addInts(output(n, 0)+"_"+name, list...)
		if err != nil {
			return err
		}
		u.setLastInput(n, at, value)
		return nil
	}
}

// moveFloat makes a float attribute, where it is given, an input: a scalar of a dtype.
func (u *upgrade) moveFloat(n *onnx.Node, name string, at int, d tensor.DType) error {
	if n.Attr(name) == nil {
		return nil
	}
	value, err := u.addFloats(output(n, 0)+"_"+name, d, tensor.Shape{}, []float32{n.Float(name, 0)})
	if err != nil {
		return err
	}
	dropAttr(n, name)
	u.setLastInput(n, at, value)
	return nil
}

// all does several steps in turn.
func (u *upgrade) all(n *onnx.Node, list ...convert) error {
	for _, c := range list {
		if err := c(u, n); err != nil {
			return err
		}
	}
	return nil
}

func slice10(u *upgrade, n *onnx.Node) error {
	if n.Attr("starts") == nil || n.Attr("ends") == nil {
		return errors.New("it lacks starts or ends")
	}
	return u.all(n, moveInts("starts", 1), moveInts("ends", 2), moveInts("axes", 3))
}

func topK10(u *upgrade, n *onnx.Node) error {
	k, err := u.addInts(output(n, 0)+"_k", n.Int("k", 0))
	if err != nil {
		return err
	}
	dropAttr(n, "k")
	u.setLastInput(n, 1, k)
	return nil
}

// clip11: the bounds became inputs of the type of what is clipped.
func clip11(u *upgrade, n *onnx.Node) error {
	if n.Attr("min") == nil && n.Attr("max") == nil {
		return nil
	}
	d, err := u.dtype(n.Inputs[0])
	if err != nil {
		return err
	}
	return errors.Join(u.moveFloat(n, "min", 1, d), u.moveFloat(n, "max", 2, d))
}

func pad11(u *upgrade, n *onnx.Node) error {
	if n.Attr("pads") == nil {
		return errors.New("it lacks pads")
	}
	if err := moveInts("pads", 1)(u, n); err != nil {
		return err
	}
	if n.Float("value", 0) == 0 || n.Str("mode", "constant") != "constant" {
		dropAttr(n, "value")
		return nil
	}
	d, err := u.dtype(n.Inputs[0])
	if err != nil {
		return err
	}
	return u.moveFloat(n, "value", 2, d)
}

// dropout10: the mask became bool.
func dropout10(u *upgrade, n *onnx.Node) error { return u.soleOutput(n) }

// dropout12: ratio became an input; without the new input training_mode a Dropout does nothing, as before.
func dropout12(u *upgrade, n *onnx.Node) error { return u.moveFloat(n, "ratio", 1, tensor.Float32) }

func batchNormalization9(_ *upgrade, n *onnx.Node) error {
	if n.Int("spatial", 1) != 1 {
		return errors.New("statistics for each element (spatial = 0) went away")
	}
	dropAttr(n, "spatial")
	return nil
}

// batchNormalization14: outputs beside the first meant training, which is an attribute now.
func batchNormalization14(u *upgrade, n *onnx.Node) error { return u.soleOutput(n) }

// soleOutput takes outputs that nobody reads off a node and fails where one beside the first is read.
func (e *Editor) soleOutput(n *onnx.Node) error {
	for _, o := range n.Outputs[1:] {
		if len(e.Consumers(o)) > 0 || e.IsOutput(o) {
			return errors.New("output \"" + o + "\" has another meaning now")
		}
	}
	for _, o := range n.Outputs[1:] {
		delete(e.producers, o)
	}
	n.Outputs = n.Outputs[:1]
	return nil
}

// softmax13: all axes from the given one on counted as one; now it is that axis alone, the last by default.
func softmax13(u *upgrade, n *onnx.Node) error {
	axis := n.Int("axis", 1)
	x, _ := u.shapes.Of(u.Graph, n.Inputs[0])
	if one, ok := soleAxis(x, axis); ok {
		setAttr(n, intAttr("axis", one))
		return nil
	}
	y := n.Outputs[0]
	flat := u.node("Flatten", y+"_flat", []string{n.Inputs[0]}, intAttr("axis", axis))
	shape := u.node("Shape", y+"_shape", []string{n.Inputs[0]})
	u.SetInput(n, 0, flat)
	setAttr(n, intAttr("axis", -1))
	inner := u.detach(y, y+"_2d")
	u.Insert(&onnx.Node{Name: u.Unique(y + "_Reshape"), OpType: "Reshape", Inputs: []string{inner, shape}, Outputs: []string{y}})
	return nil
}

// soleAxis returns the one axis from axis on whose size is not known to be 1; false where there are several, or where
// the rank is not known.
func soleAxis(x static.Value, axis int64) (int64, bool) {
	if axis == -1 {
		return -1, true
	}
	rank := int64(len(x.Dims))
	if axis < 0 {
		axis += rank
	}
	if !x.HasShape || axis < 0 || axis >= rank {
		return 0, false
	}
	found := rank - 1
	count := 0
	for i := axis; i < rank; i++ {
		if d := x.Dims[i]; !d.Known || d.Size != 1 {
			found = i
			count++
		}
	}
	return found, count <= 1
}

// erf13: integers went away.
func erf13(u *upgrade, n *onnx.Node) error {
	if v, _ := u.shapes.Of(u.Graph, n.Inputs[0]); v.DType.IsInt() {
		return errors.New("integers went away")
	}
	return nil
}

// split18: without sizes the number of parts must be said.
func split18(_ *upgrade, n *onnx.Node) error {
	if input(n, 1) == "" {
		setAttr(n, intAttr("num_outputs", int64(len(n.Outputs))))
	}
	return nil
}

func scatter11(_ *upgrade, n *onnx.Node) error {
	n.OpType = "ScatterElements"
	return nil
}

// roiAlign16: the default moved by half a pixel.
func roiAlign16(_ *upgrade, n *onnx.Node) error {
	setAttr(n, stringAttr("coordinate_transformation_mode", "output_half_pixel"))
	return nil
}

func gridSample20(_ *upgrade, n *onnx.Node) error {
	switch mode := n.Str("mode", "bilinear"); mode {
	case "bilinear":
		setAttr(n, stringAttr("mode", "linear"))
	case "bicubic":
		setAttr(n, stringAttr("mode", "cubic"))
	}
	return nil
}

func dft20(u *upgrade, n *onnx.Node) error {
	axis, err := tensor.FromInt64("", tensor.Shape{}, []int64{n.Int("axis", 1)})
	if err != nil {
		return err
	}
	value, err := u.AddInitializer(output(n, 0)+"_axis", axis)
	if err != nil {
		return err
	}
	dropAttr(n, "axis")
	u.setLastInput(n, 2, value)
	return nil
}

// affine10: alpha·x + beta.
func affine10(u *upgrade, n *onnx.Node) error {
	return u.scaleShift(n, n.Float("alpha", 1), tensor.Shape{}, []float32{n.Float("beta", 0)})
}

// imageScaler10: scale·x + bias, one bias a channel of N x C x H x W.
func imageScaler10(u *upgrade, n *onnx.Node) error {
	a := n.Attr("bias")
	if a == nil || len(a.Floats) == 0 {
		return errors.New("it lacks bias")
	}
	return u.scaleShift(n, n.Float("scale", 1), tensor.Shape{int64(len(a.Floats)), 1, 1}, a.Floats)
}

// scaleShift makes n a Mul with a scalar and an Add.
func (u *upgrade) scaleShift(n *onnx.Node, scale float32, s tensor.Shape, shift []float32) error {
	d, err := u.dtype(n.Inputs[0])
	if err != nil {
		return err
	}
	y := n.Outputs[0]
	k, err := u.addFloats(y+"_scale", d, tensor.Shape{}, []float32{scale})
	if err != nil {
		return err
	}
	b, err := u.addFloats(y+"_shift", d, s, shift)
	if err != nil {
		return err
	}
	n.OpType, n.Attrs = "Mul", nil
	u.setLastInput(n, 1, k)
	scaled := u.detach(y, y+"_scaled")
	u.Insert(&onnx.Node{Name: u.Unique(y + "_Add"), OpType: "Add", Inputs: []string{scaled, b}, Outputs: []string{y}})
	return nil
}

// crop10: border is left, top, right, bottom of N x C x H x W.
func crop10(u *upgrade, n *onnx.Node) error {
	border := n.Ints("border")
	if len(border) != 4 || n.Attr("scale") != nil {
		return errors.New("it has a scale, or no border of four sides")
	}
	end := func(side int64) int64 {
		if side == 0 {
			return math.MaxInt64
		}
		return -side
	}
	n.OpType, n.Attrs = "Slice", []*onnx.Attribute{
		{Name: "starts", Type: onnx.AttrInts, Ints: []int64{border[1], border[0]}},
		{Name: "ends", Type: onnx.AttrInts, Ints: []int64{end(border[3]), end(border[2])}},
		{Name: "axes", Type: onnx.AttrInts, Ints: []int64{2, 3}},
	}
	return slice10(u, n)
}
