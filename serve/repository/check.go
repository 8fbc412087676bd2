package repository

import (
	"fmt"
	"slices"
	"strings"
	"unsafe"

	"infer/internal/fault"
	"infer/internal/wire"
	"infer/model/tensor"
)

const signatureHint = "GET /v2/models/MODEL shows the inputs and outputs of a model"

func invalid(format string, args ...any) error {
	return fault.New(fault.Usage, signatureHint, format, args...)
}

// check brings the inputs of a call into the order of the model, finds the outputs that it wants and counts its rows.
// What does not fit is a fault.Usage error in the words that clients know from other servers of the protocol.
func (h *Handle) check(c *Call) error {
	if err := h.checkInputs(c); err != nil {
		return err
	}
	if err := h.checkOutputs(c); err != nil {
		return err
	}
	c.Rows = 1
	if h.info.BatchAxis {
		if err := h.checkRows(c); err != nil {
			return err
		}
	}
	return h.checkAxes(c)
}

// checkRows counts the rows of a call, of which each input has as many.
func (h *Handle) checkRows(c *Call) error {
	c.Rows = int(c.in[0].Shape[0])
	for i := range c.in {
		switch n := c.in[i].Shape[0]; {
		case n == 0:
			return invalid("input '%s' for model '%s' has no rows: axis 0 of its shape is 0", c.in[i].Name, h.info.Name)
		case n != int64(c.Rows):
			return invalid("input '%s' batch size does not match other inputs for '%s'", c.in[i].Name, h.info.Name)
		}
	}
	return nil
}

func (h *Handle) checkInputs(c *Call) error {
	ports := h.info.Inputs
	c.in = append(c.in[:0], c.Inputs...)
	clear(c.in)
	got := 0
	for i := range c.Inputs {
		t := &c.Inputs[i]
		at := portAt(ports, t.Name)
		if at < 0 {
			return unexpected("input", t.Name, h.info.Name, ports)
		}
		if at >= len(c.in) {
			continue // too few inputs: said below
		}
		if c.in[at].Name != "" {
			return invalid("input '%s' for model '%s' is given twice", t.Name, h.info.Name)
		}
		c.in[at] = *t
		got++
	}
	if len(c.Inputs) != len(ports) || got != len(ports) {
		return h.wrongInputs(c)
	}
	for i := range c.in {
		if err := h.checkInput(&c.in[i], &ports[i], h.info.Model[i].Type.HasShape); err != nil {
			return err
		}
		c.in[i].Data = c.align(i)
	}
	return nil
}

// checkInput checks dtype, shape and size of one input.
func (h *Handle) checkInput(t *tensor.Tensor, p *wire.Port, ranked bool) error {
	if t.DType != p.DType {
		return invalid("inference input '%s' data-type is '%s', but model '%s' expects '%s'", t.Name, datatype(t.DType), h.info.Name, datatype(p.DType))
	}
	fits := !ranked || len(t.Shape) == len(p.Shape)
	for i, n := range t.Shape {
		fits = fits && n >= 0 && (!ranked || p.Shape[i] < 0 || p.Shape[i] == n)
	}
	if !fits {
		return invalid("unexpected shape for input '%s' for model '%s'. Expected %s, got %s", t.Name, h.info.Name, wire.ShapeText(p.Shape), wire.ShapeText(t.Shape))
	}
	n, err := t.Shape.Elements()
	if err != nil {
		return invalid("input '%s' for model '%s': %w", t.Name, h.info.Name, err)
	}
	if t.DType == tensor.String {
		if int64(len(t.Strings)) != n {
			return invalid("expected %d string elements for inference input '%s' for model '%s', got %d", n, t.Name, h.info.Name, len(t.Strings))
		}
		return nil
	}
	size, err := tensor.ByteSize(t.DType, t.Shape)
	if err != nil {
		return invalid("input '%s' for model '%s': %w", t.Name, h.info.Name, err)
	}
	if int64(len(t.Data)) != size {
		return invalid("input byte size mismatch for input '%s' for model '%s'. Expected %d, got %d", t.Name, h.info.Name, size, len(t.Data))
	}
	return nil
}

// wrongInputs is the error of too few or too many inputs.
func (h *Handle) wrongInputs(c *Call) error {
	var got, missing []string
	for _, t := range c.Inputs {
		got = append(got, "'"+t.Name+"'")
	}
	for _, p := range h.info.Inputs {
		given := false
		for _, t := range c.Inputs {
			given = given || t.Name == p.Name
		}
		if !given {
			missing = append(missing, "'"+p.Name+"'")
		}
	}
	text := fmt.Sprintf("expected %d inputs but got %d inputs for model '%s'. Got input(s) [%s]",
		len(h.info.Inputs), len(c.Inputs), h.info.Name, strings.Join(got, ","))
	if len(missing) > 0 {
		text += fmt.Sprintf(", but missing required input(s) [%s]. Please provide all required input(s).", strings.Join(missing, ","))
	}
	return invalid("%s", text)
}

func (h *Handle) checkOutputs(c *Call) error {
	c.want = c.want[:0]
	if len(c.Want) == 0 {
		for i := range h.info.Outputs {
			c.want = append(c.want, i)
		}
		return nil
	}
	for _, name := range c.Want {
		at := portAt(h.info.Outputs, name)
		if at < 0 {
			return unexpected("output", name, h.info.Name, h.info.Outputs)
		}
		for _, other := range c.want {
			if other == at {
				return invalid("output '%s' for model '%s' is asked for twice", name, h.info.Name)
			}
		}
		c.want = append(c.want, at)
	}
	return nil
}

// align returns the data of input i at an address that the runtime can read from: a view of a request body can start
// anywhere.
func (c *Call) align(i int) []byte {
	data := c.in[i].Data
	size := uintptr(min(max(c.in[i].DType.Bits()/8, 1), 8))
	if uintptr(unsafe.Pointer(unsafe.SliceData(data)))%size == 0 {
		return data
	}
	for len(c.aligned) <= i {
		c.aligned = append(c.aligned, nil)
	}
	room := slices.Grow(c.aligned[i][:0], max(len(data), 16)) // the allocator puts less than 16 bytes anywhere
	c.aligned[i] = append(room, data...)
	return c.aligned[i]
}

func portAt(ports []wire.Port, name string) int {
	for i := range ports {
		if ports[i].Name == name {
			return i
		}
	}
	return -1
}

// datatype is the name of a dtype in the protocol, or infer's own for one that the protocol lacks.
func datatype(d tensor.DType) string {
	if name := wire.Datatype(d); name != "" {
		return name
	}
	return d.String()
}
