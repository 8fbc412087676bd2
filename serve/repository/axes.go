package repository

import (
	"slices"

	"infer/model"
)

// axis is a dynamic axis that several inputs name: it has one size in a call.
type axis struct {
	name  string
	input int // position in the order of the model
	dim   int
	first *axis // that of the input before that every other must agree with
}

// placeholders are names that exporters give to any axis that they know nothing of.
var placeholders = []string{"", "?", "-1", "None", "none", "unk", "unknown", "dynamic"}

// sharedAxes returns the axes that must agree with one of an input before.
func sharedAxes(inputs []model.Port) []axis {
	first := map[string]*axis{}
	var shared []axis
	for i, p := range inputs {
		for at, d := range p.Type.Dims {
			if d.Known || slices.Contains(placeholders, d.Name) {
				continue
			}
			a := axis{name: d.Name, input: i, dim: at, first: first[d.Name]}
			switch {
			case a.first == nil:
				first[d.Name] = &a
			case a.first.input != i:
				shared = append(shared, a)
			}
		}
	}
	return shared
}

// checkAxes reports two inputs that give an axis which they share two sizes: the runtime would fail in the middle of the
// graph, or stretch one of them.
func (h *Handle) checkAxes(c *Call) error {
	for i := range h.axes {
		a := &h.axes[i]
		p, q := &c.in[a.first.input], &c.in[a.input]
		if n, m := p.Shape[a.first.dim], q.Shape[a.dim]; n != m {
			return invalid("inputs '%s' and '%s' for model '%s' share the axis '%s', and it is %d in the one and %d in the other",
				p.Name, q.Name, h.info.Name, a.name, n, m)
		}
	}
	return nil
}
