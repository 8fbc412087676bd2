package model

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"infer/internal/fault"
	"infer/model/onnx"
	"infer/model/tensor"
)

// Bindings are the sizes that the user gives to dynamic axes.
type Bindings struct {
	Shapes map[string]tensor.Shape // by input name
	Dims   map[string]int64        // by axis name
}

// Reason says why an axis has its size.
type Reason string

// The reasons, in order of precedence.
const (
	ByShape   Reason = "shape"   // the shape given for the input
	ByDim     Reason = "dim"     // the size given for the axis name
	BySibling Reason = "sibling" // an axis of the same name got its size from the shape of another input
	ByDefault Reason = "default" // nothing was said: 1
)

// Axis is a dynamic axis that was bound.
type Axis struct {
	Input  string
	Index  int    // counted from 0, the outermost
	Name   string // "" for an unnamed axis
	Size   int64
	Reason Reason
}

// Bound is every input with a shape without dynamic axes.
type Bound struct {
	Shapes   map[string]tensor.Shape // by input name; without inputs that are no tensors and those in Rankless
	Axes     []Axis                  // the dynamic axes, in graph order
	Notes    []string                // what was assumed, one line each
	Rankless []string                // inputs that declare no shape and were given none
}

// Complete reports inputs that have no shape yet: an input that declares none needs one from the user.
func (b Bound) Complete() error {
	if len(b.Rankless) == 0 {
		return nil
	}
	name := b.Rankless[0]
	return fault.New(fault.Usage, fmt.Sprintf("pass --shape %s:1x3x224x224, with the shape that it takes", name),
		"input %q declares no shape, and none is given", name)
}

// Bind gives every dynamic axis of the model's inputs a size: from the shape of its input, else from the size of its
// name, else from an axis of that name in an input with a given shape, else 1 with a note.
// Errors are of kind fault.Usage: names that the model does not have, shapes of another rank, sizes that contradict a
// fixed axis or each other.
func (m *Model) Bind(want Bindings) (Bound, error) {
	b := binder{want: want, byShape: map[string]given{}, bound: Bound{Shapes: map[string]tensor.Shape{}}}
	for _, p := range m.Inputs() {
		if p.Type.Kind == onnx.KindTensor || p.Type.Kind == onnx.KindSparseTensor || p.Type.Kind == onnx.KindNone {
			b.inputs = append(b.inputs, p)
		}
	}
	if err := b.checkNames(); err != nil {
		return Bound{}, err
	}
	for _, p := range b.inputs {
		if err := b.checkShape(p); err != nil {
			return Bound{}, err
		}
	}
	for _, p := range b.inputs {
		b.bind(p)
	}
	b.note()
	return b.bound, nil
}

// given is a size and the input whose shape it came from.
type given struct {
	size  int64
	input string
}

type binder struct {
	inputs  []Port
	want    Bindings
	byShape map[string]given // by axis name
	bound   Bound
}

// dynamic reports whether an axis has no size. Some exporters write -1 for that.
func dynamic(d onnx.Dim) bool { return !d.Known || d.Size < 0 }

// checkNames reports names in the bindings that the model lacks.
func (b *binder) checkNames() error {
	var inputs []string
	axes := map[string]bool{}
	for _, p := range b.inputs {
		inputs = append(inputs, p.Name)
		for _, d := range p.Type.Dims {
			if dynamic(d) && d.Name != "" {
				axes[d.Name] = true
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(b.want.Shapes)) {
		if !slices.Contains(inputs, name) {
			return fault.New(fault.Usage, "the inputs are: "+strings.Join(inputs, ", "), "no input is called %q", name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(b.want.Dims)) {
		if axes[name] {
			if b.want.Dims[name] < 0 {
				return fault.New(fault.Usage, "pass a size of 1 or more", "axis %q cannot have size %d", name, b.want.Dims[name])
			}
			continue
		}
		if len(axes) == 0 {
			return fault.New(fault.Usage, "bind unnamed axes by --shape; fixed ones cannot be changed", "no axis is called %q: the model has no named dynamic axes", name)
		}
		return fault.New(fault.Usage, "the named axes are: "+strings.Join(slices.Sorted(maps.Keys(axes)), ", "), "no dynamic axis is called %q", name)
	}
	return nil
}

// checkShape compares the shape given for an input with what the input declares and with the other bindings.
func (b *binder) checkShape(p Port) error {
	shape, ok := b.want.Shapes[p.Name]
	if !ok {
		return nil
	}
	if _, err := shape.Elements(); err != nil {
		return fault.New(fault.Usage, "", "input %q: %w", p.Name, err)
	}
	if !p.Type.HasShape {
		return nil
	}
	hint := fmt.Sprintf("the input takes %s", declared(p.Type))
	if len(shape) != len(p.Type.Dims) {
		return fault.New(fault.Usage, hint, "input %q has %d axes, and shape %s has %d", p.Name, len(p.Type.Dims), shape, len(shape))
	}
	for i, d := range p.Type.Dims {
		if !dynamic(d) {
			if d.Size != shape[i] {
				return fault.New(fault.Usage, hint, "axis %d of input %q is fixed at %d, and shape %s says %d", i, p.Name, d.Size, shape, shape[i])
			}
			continue
		}
		if d.Name == "" {
			continue
		}
		if size, ok := b.want.Dims[d.Name]; ok && size != shape[i] {
			return fault.New(fault.Usage, "give the axis one size", "axis %q is %d by name, and shape %s of input %q says %d", d.Name, size, shape, p.Name, shape[i])
		}
		if o, ok := b.byShape[d.Name]; ok && o.size != shape[i] {
			return fault.New(fault.Usage, "give the axis one size", "axis %q is %d in the shape of input %q and %d in that of %q", d.Name, o.size, o.input, shape[i], p.Name)
		}
		b.byShape[d.Name] = given{shape[i], p.Name}
	}
	return nil
}

// bind sets the shape of one input, whose bindings are checked.
func (b *binder) bind(p Port) {
	shape, ok := b.want.Shapes[p.Name]
	if !p.Type.HasShape {
		if ok {
			b.bound.Shapes[p.Name] = shape.Clone()
		} else {
			b.bound.Rankless = append(b.bound.Rankless, p.Name)
		}
		return
	}
	out := make(tensor.Shape, len(p.Type.Dims))
	for i, d := range p.Type.Dims {
		if !dynamic(d) {
			out[i] = d.Size
			continue
		}
		a := Axis{Input: p.Name, Index: i, Name: d.Name, Size: 1, Reason: ByDefault}
		switch size, named := b.want.Dims[d.Name]; {
		case ok:
			a.Size, a.Reason = shape[i], ByShape
		case d.Name == "":
		case named:
			a.Size, a.Reason = size, ByDim
		default:
			if o, known := b.byShape[d.Name]; known {
				a.Size, a.Reason = o.size, BySibling
			}
		}
		out[i] = a.Size
		b.bound.Axes = append(b.bound.Axes, a)
	}
	b.bound.Shapes[p.Name] = out
}

// note writes one line for each axis name, and each unnamed axis, that became 1.
func (b *binder) note() {
	seen := map[string]bool{}
	for _, a := range b.bound.Axes {
		switch {
		case a.Reason != ByDefault:
		case a.Name == "":
			b.bound.Notes = append(b.bound.Notes, fmt.Sprintf("axis %d of input %q is dynamic and was set to 1 (--shape sets it)", a.Index, a.Input))
		case !seen[a.Name]:
			seen[a.Name] = true
			b.bound.Notes = append(b.bound.Notes, fmt.Sprintf("axis %q of input %q is dynamic and was set to 1 (--dim %s=N sets it)", a.Name, a.Input, a.Name))
		}
	}
	for _, name := range b.bound.Rankless {
		b.bound.Notes = append(b.bound.Notes, fmt.Sprintf("input %q declares no shape (--shape sets it)", name))
	}
}

// declared formats a type's dimensions, with ? for an unnamed dynamic axis.
func declared(t *onnx.Type) string {
	if len(t.Dims) == 0 {
		return "a scalar"
	}
	text := make([]string, len(t.Dims))
	for i, d := range t.Dims {
		switch {
		case !dynamic(d):
			text[i] = strconv.FormatInt(d.Size, 10)
		case d.Name != "":
			text[i] = d.Name
		default:
			text[i] = "?"
		}
	}
	return strings.Join(text, "x")
}

// ParseShapeFlag reads "name:1x3x224x224". The name ends at the last colon: names such as "serving_default_x:0" hold
// one themselves. "name:scalar" is rank 0.
func ParseShapeFlag(text string) (name string, shape tensor.Shape, err error) {
	const hint = "write it as input:1x3x224x224"
	at := strings.LastIndexByte(text, ':')
	if at < 1 || at == len(text)-1 {
		return "", nil, fault.New(fault.Usage, hint, "--shape %q has no input name and shape", text)
	}
	shape, err = tensor.ParseShape(text[at+1:])
	if err != nil {
		return "", nil, fault.New(fault.Usage, hint, "--shape %q: %w", text, err)
	}
	return text[:at], shape, nil
}

// ParseDimFlag reads "batch=8". The name ends at the last equals sign; the size is at least 1.
func ParseDimFlag(text string) (name string, size int64, err error) {
	const hint = "write it as batch=8"
	at := strings.LastIndexByte(text, '=')
	if at < 1 {
		return "", 0, fault.New(fault.Usage, hint, "--dim %q has no axis name and size", text)
	}
	size, err = strconv.ParseInt(text[at+1:], 10, 64)
	if err != nil || size < 1 {
		return "", 0, fault.New(fault.Usage, hint, "--dim %q: %q is no size of 1 or more", text, text[at+1:])
	}
	return text[:at], size, nil
}
