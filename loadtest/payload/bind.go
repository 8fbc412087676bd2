package payload

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"infer/internal/fault"
	"infer/internal/wire"
	"infer/model"
	"infer/model/tensor"
)

// batchAxis is the one name by which an axis of a server's inputs can be bound: metadata name none.
const batchAxis = "batch"

// bindPorts gives every port a shape without open axes.
func bindPorts(ports []wire.Port, b model.Bindings) (map[string]tensor.Shape, []string, error) {
	batch, err := checkBindings(ports, b)
	if err != nil {
		return nil, nil, err
	}
	shapes, notes := map[string]tensor.Shape{}, []string(nil)
	for _, p := range ports {
		if given, ok := b.Shapes[p.Name]; ok {
			shapes[p.Name] = given
			continue
		}
		if like := slices.IndexFunc(ports, func(q wire.Port) bool {
			return b.Shapes[q.Name] != nil && slices.Equal(q.Shape, p.Shape) && slices.Contains(p.Shape, -1)
		}); like >= 0 {
			shapes[p.Name] = b.Shapes[ports[like].Name]
			notes = append(notes, fmt.Sprintf("input %q has the shape of %q, as the model takes the same for both", p.Name, ports[like].Name))
			continue
		}
		s, open := make(tensor.Shape, len(p.Shape)), []string(nil)
		for i, d := range p.Shape {
			switch s[i] = d; {
			case d >= 0:
			case i == 0 && batch > 0:
				s[i] = batch
			default:
				s[i] = 1
				open = append(open, strconv.Itoa(i))
			}
		}
		if len(open) > 0 {
			notes = append(notes, fmt.Sprintf("input %q: open axis %s was set to 1 (--shape sets it)", p.Name, strings.Join(open, ", ")))
		}
		shapes[p.Name] = s
	}
	return shapes, notes, nil
}

// checkBindings refuses bindings that do not fit the ports. It returns the size of open first axes, 0 where nothing or
// more than one thing is said.
func checkBindings(ports []wire.Port, b model.Bindings) (batch int64, err error) {
	for name := range b.Dims {
		if name != batchAxis {
			return 0, fault.New(fault.Usage, "bind it by --shape NAME:…; --dim batch=N sets the first axis of all inputs", "no axis is called %q: a server does not tell names of axes", name)
		}
	}
	for name := range b.Shapes {
		if !slices.Contains(wire.PortNames(ports), name) {
			return 0, fault.New(fault.Usage, wire.NamesHint("inputs", name, wire.PortNames(ports)), "a shape for %q, which is no input of the model", name)
		}
	}
	if n, ok := b.Dims[batchAxis]; ok {
		batch = n
	}
	for _, p := range ports {
		s, ok := b.Shapes[p.Name]
		if !ok {
			continue
		}
		if !fits(s, p) {
			return 0, fault.New(fault.Usage, "", "shape %s for the input %q, which takes %s", wire.ShapeText(s), p.Name, portText(p))
		}
		if _, named := b.Dims[batchAxis]; named || len(p.Shape) == 0 || p.Shape[0] >= 0 || len(s) == 0 {
			continue
		}
		if batch > 0 && batch != s[0] {
			return 0, nil
		}
		batch = s[0]
	}
	return batch, nil
}
