package dataset

import (
	"fmt"

	"infer/internal/fault"
	"infer/model"
	"infer/model/onnx"
	"infer/model/tensor"
)

// rowKind says how an array is cut into rows.
type rowKind int

const (
	axisRow  rowKind = iota // axis 0 of the array is axis 0 of the input
	wholeRow                // axis 0 counts rows, the rest is a whole input
	everyRow                // the array is the input of every row
)

// column is the data of one input, from one of four places.
type column struct {
	port model.Port
	file string // what messages call it

	array *tensor.Npy     // rows read from a file
	lines []tensor.Tensor // one tensor a row, without a row axis
	whole tensor.Tensor   // one whole input, for every row
	made  *encoded        // rows that a declaration makes of images or texts
	part  int             // which of the inputs that it makes

	kind  rowKind
	item  tensor.Shape // of a row, without the row axis
	n     int64        // rows
	fixed int64        // size that the port fixes axis 0 to; 0 where it is dynamic
	cast  bool         // the elements are widened to the port's dtype
	note  string
}

func (c *column) dtype() tensor.DType {
	switch {
	case c.cast:
		return c.port.Type.DType
	case c.array != nil:
		return c.array.DType
	case c.lines != nil:
		return c.lines[0].DType
	case c.made != nil:
		return c.made.first[c.part].DType
	}
	return c.whole.DType
}

// shape is that of the array, with the row axis.
func (c *column) shape() tensor.Shape {
	switch {
	case c.array != nil:
		return c.array.Shape
	case c.lines != nil:
		return append(tensor.Shape{int64(len(c.lines))}, c.lines[0].Shape...)
	case c.made != nil:
		return append(tensor.Shape{int64(len(c.made.samples))}, c.made.item(c.part)...)
	}
	return c.whole.Shape
}

// check fits the array to the port and to a shape asked for.
func (c *column) check(asked tensor.Shape) error {
	ty := c.port.Type
	if ty.Kind != onnx.KindTensor && ty.Kind != onnx.KindNone {
		return fault.New(fault.Unsupported, "", "input %q is no tensor", c.port.Name)
	}
	if have := c.dtype(); ty.Kind == onnx.KindTensor && have != ty.DType {
		if _, ok := tensor.Widen(tensor.Tensor{DType: have, Shape: tensor.Shape{0}, Data: []byte{}}, ty.DType); !ok {
			return fault.New(fault.Usage, fmt.Sprintf("convert it with array.astype(%q), and scale it as the model expects", ty.DType),
				"input %q is %s and the array is %s", c.port.Name, ty.DType, have)
		}
		c.cast = true
		c.note = fmt.Sprintf("%s is %s and is widened to %s", c.file, have, ty.DType)
	}
	if c.array == nil && c.lines == nil && c.made == nil {
		c.kind, c.item, c.n = everyRow, c.whole.Shape, 1
		return c.fits(c.item, ty, 0)
	}
	shape := c.shape()
	switch {
	case len(shape) == 0:
		c.kind, c.item, c.n = everyRow, shape, 1
		return c.fits(shape, ty, 0)
	case ty.HasShape && len(shape) == len(ty.Dims)+1:
		c.kind, c.item, c.n = wholeRow, shape[1:], shape[0]
		if err := c.fits(c.item, ty, 0); err != nil {
			return err
		}
		return c.agrees(asked, 0)
	}
	c.kind, c.item, c.n = axisRow, shape[1:], shape[0]
	if ty.HasShape && len(ty.Dims) > 0 && ty.Dims[0].Known {
		c.fixed = ty.Dims[0].Size
	}
	if err := c.fits(shape, ty, 1); err != nil {
		return err
	}
	if c.fixed > 0 && c.n%c.fixed != 0 {
		return fault.New(fault.Usage, "", "%d rows for input %q, which takes %d a run", c.n, c.port.Name, c.fixed)
	}
	return c.agrees(asked, 1)
}

// fits compares a shape with the port's, from axis from on.
func (c *column) fits(s tensor.Shape, ty *onnx.Type, from int) error {
	if !ty.HasShape {
		return nil
	}
	ok := len(s) == len(ty.Dims)
	for i := from; ok && i < len(s); i++ {
		ok = !ty.Dims[i].Known || ty.Dims[i].Size == s[i]
	}
	if ok {
		return nil
	}
	return fault.New(fault.Usage, "rows lie along axis 0: give one array with every row in it",
		"input %q takes %s and the array is %s", c.port.Name, dimsText(ty), c.shape())
}

// agrees compares a row with a shape that was asked for, from axis from on.
func (c *column) agrees(asked tensor.Shape, from int) error {
	if asked == nil {
		return nil
	}
	item := c.item
	if from == 1 {
		item = append(tensor.Shape{0}, item...)
	}
	if len(asked) == len(item) && asked[from:].Equal(item[from:]) {
		return nil
	}
	return fault.New(fault.Usage, "leave --shape out: the data have their own", "shape %s was asked for and the array is %s", asked, c.shape())
}

// maybeWhole reports whether an array along axis 0 may as well be one whole input.
func (c *column) maybeWhole() bool {
	return c.array != nil && c.kind == axisRow && c.fixed > 1 && c.n == c.fixed
}

// read returns the input for rows lo to hi.
func (c *column) read(lo, hi int64) (tensor.Tensor, error) {
	t, err := c.raw(lo, hi)
	if err != nil {
		return t, err
	}
	if c.kind == wholeRow && hi == lo+1 {
		t.Shape = t.Shape[1:]
	}
	if c.cast {
		t, _ = tensor.Widen(t, c.port.Type.DType) // check tried it
	}
	return t, nil
}

func (c *column) raw(lo, hi int64) (tensor.Tensor, error) {
	switch {
	case c.lines != nil:
		rows := make([]tensor.Tensor, 0, hi-lo)
		for _, t := range c.lines[lo:hi] {
			t.Shape = append(tensor.Shape{1}, t.Shape...)
			rows = append(rows, t)
		}
		t, err := tensor.Concat(rows...)
		if err != nil {
			return t, fault.New(fault.Usage, "pass --batch 1, or pad the rows to one length", "rows of different shapes do not fit into one run: %w", err)
		}
		return t, nil
	case c.made != nil:
		return c.made.column(lo, hi, c.part)
	case c.array == nil:
		return c.whole, nil
	case c.kind == everyRow:
		return c.array.All()
	}
	return c.array.Read(lo, hi)
}

// chunk returns how many rows make about a megabyte, for reading everything.
func (c *column) chunk() int64 {
	size, err := tensor.ByteSize(c.dtype(), c.item)
	if err != nil || c.lines != nil || c.made != nil {
		return 1
	}
	return max(1, 1<<20/max(1, size))
}

// dimsText returns a declared shape such as "float32 [batch, 3, 224, 224]".
func dimsText(ty *onnx.Type) string {
	s := ty.DType.String() + " ["
	for i, d := range ty.Dims {
		if i > 0 {
			s += ", "
		}
		switch {
		case d.Known:
			s += fmt.Sprint(d.Size)
		case d.Name != "":
			s += d.Name
		default:
			s += "?"
		}
	}
	return s + "]"
}
