package surgery

import (
	"fmt"
	"slices"

	"infer/internal/fault"
	"infer/model"
	"infer/model/onnx"
	"infer/model/onnx/static"
)

// FreeDims makes fixed axes of m's inputs dynamic, in place, so that the model takes any number of rows along them, and
// what holds the old size as a constant follows: targets of Reshape, Expand and Resize, Slices over all rows, constants
// that stand for one row, value types and outputs. It returns what it did, one line for each axis and node. The axes
// of one name are one batch, and so is an axis that has the name already: they have one size.
// It knows from the operators that rows stay apart; ProveBatch shows it by running.
// Errors, after which m is of no use: fault.Usage for inputs and axes that the model lacks; fault.Unsupported with the
// node that stands in the way and why.
func FreeDims(m *onnx.Model, axes ...Axis) ([]string, error) {
	if err := noGraph(m); err != nil {
		return nil, err
	}
	var lines, order []string
	byName := map[string][]Axis{}
	for _, a := range axes {
		if err := checkAxisName(a.Name); err != nil {
			return nil, err
		}
		if byName[a.Name] == nil {
			order = append(order, a.Name)
		}
		byName[a.Name] = append(byName[a.Name], a)
	}
	for _, name := range order {
		freed, err := resolve(m, byName[name])
		if err != nil {
			return nil, err
		}
		f, err := newFreeing(m, name, freed)
		if err != nil {
			return nil, err
		}
		if err := f.run(); err != nil {
			return nil, err
		}
		lines = append(lines, f.lines...)
	}
	return lines, nil
}

// freedAxis is an axis of an input of the model.
type freedAxis struct {
	input *onnx.ValueInfo
	index int
	size  int64 // until now
}

// resolve finds the axes that are meant.
func resolve(m *onnx.Model, axes []Axis) ([]freedAxis, error) {
	var list []freedAxis
	infos := map[string]*onnx.ValueInfo{}
	for _, v := range m.Graph.Inputs {
		infos[v.Name] = v
	}
	for _, a := range axes {
		if a.Input == "" {
			all, err := firstAxes(m, infos)
			if err != nil {
				return nil, err
			}
			list = append(list, all...)
			continue
		}
		one, err := resolveOne(m, infos, a)
		if err != nil {
			return nil, err
		}
		list = append(list, one)
	}
	list = slices.CompactFunc(list, func(a, b freedAxis) bool { return a.input == b.input && a.index == b.index })
	for _, a := range list[1:] {
		if a.size != list[0].size {
			return nil, fault.New(fault.Usage, "give them different names, or free one of them", "axis %d of input %q is %d and axis %d of input %q is %d: they cannot be one batch",
				list[0].index, list[0].input.Name, list[0].size, a.index, a.input.Name, a.size)
		}
	}
	return list, nil
}

// firstAxes returns the first axis of the inputs where it is fixed at the size that the first of them has.
func firstAxes(m *onnx.Model, infos map[string]*onnx.ValueInfo) ([]freedAxis, error) {
	const hint = "name the axis: --free-dim x:1=batch"
	var list []freedAxis
	for _, p := range model.New(m).Inputs() {
		if p.Type.Kind != onnx.KindTensor || len(p.Type.Dims) == 0 {
			continue
		}
		d := p.Type.Dims[0]
		switch {
		case len(list) == 0 && !d.Known:
			return nil, fault.New(fault.Usage, hint, "the first axis of input %q is dynamic already", p.Name)
		case len(list) == 0 && d.Size == 0:
			return nil, fault.New(fault.Usage, hint, "the first axis of input %q has size 0", p.Name)
		case d.Known && (len(list) == 0 || d.Size == list[0].size):
			list = append(list, freedAxis{infos[p.Name], 0, d.Size})
		}
	}
	if len(list) == 0 {
		return nil, fault.New(fault.Usage, hint, "no input has axes")
	}
	return list, nil
}

func resolveOne(m *onnx.Model, infos map[string]*onnx.ValueInfo, a Axis) (freedAxis, error) {
	var all []string
	for _, p := range model.New(m).Inputs() {
		all = append(all, p.Name)
		if p.Name != a.Input {
			continue
		}
		at := a.Index
		if at < 0 {
			at += len(p.Type.Dims)
		}
		switch {
		case p.Type.Kind != onnx.KindTensor || !p.Type.HasShape:
			return freedAxis{}, fault.New(fault.Usage, "", "input %q declares no shape", a.Input)
		case at < 0 || at >= len(p.Type.Dims):
			return freedAxis{}, fault.New(fault.Usage, "axes are counted from 0", "input %q has %s and no axis %d", a.Input, countAxes(len(p.Type.Dims)), a.Index)
		case !p.Type.Dims[at].Known:
			return freedAxis{}, fault.New(fault.Usage, "", "axis %d of input %q is dynamic already", at, a.Input)
		case p.Type.Dims[at].Size == 0:
			return freedAxis{}, fault.New(fault.Usage, "", "axis %d of input %q has size 0", at, a.Input)
		}
		return freedAxis{infos[p.Name], at, p.Type.Dims[at].Size}, nil
	}
	return freedAxis{}, unknown("input", a.Input, all)
}

func countAxes(n int) string {
	if n == 1 {
		return "1 axis"
	}
	return fmt.Sprintf("%d axes", n)
}

// newFreeing declares the axes and takes the stated types that depend on them away.
func newFreeing(m *onnx.Model, name string, axes []freedAxis) (*freeing, error) {
	f := &freeing{
		model: m, name: name, rows: axes[0].size, source: axes[0], before: static.Infer(m, nil), rules: rules(),
		depends: map[string]bool{}, stated: map[*onnx.ValueInfo]*onnx.Type{},
	}
	if err := m.Graph.SortNodes(); err != nil {
		return nil, err
	}
	for _, a := range axes {
		a.input.Type = a.input.Type.Clone()
		a.input.Type.Dims[a.index] = onnx.Dim{Name: name, Denotation: a.input.Type.Dims[a.index].Denotation}
		f.depends[a.input.Name] = true
		f.say("axis %d of input %q is dynamic under the name %q, was %d", a.index, a.input.Name, name, a.size)
	}
	f.follow(m.Graph)
	m.Graph.Walk(func(g *onnx.Graph) {
		lists := [][]*onnx.ValueInfo{g.ValueInfo, g.Outputs}
		if g != m.Graph {
			lists = append(lists, g.Inputs)
		}
		for _, v := range slices.Concat(lists...) {
			if f.depends[v.Name] && v.Type != nil && v.Type.Kind == onnx.KindTensor {
				f.stated[v] = v.Type
				v.Type = &onnx.Type{Kind: onnx.KindTensor, DType: v.Type.DType}
			}
		}
	})
	return f, nil
}

// follow marks the values that depend on the freed inputs; all of a subgraph does whose node does.
func (f *freeing) follow(g *onnx.Graph) {
	for _, n := range g.Nodes {
		if !slices.ContainsFunc(reads(n), func(v string) bool { return f.depends[v] }) {
			continue
		}
		for _, o := range n.Outputs {
			f.depends[o] = o != ""
		}
		for _, sub := range n.Subgraphs() {
			sub.Walk(func(g *onnx.Graph) {
				for _, v := range g.Inputs {
					f.depends[v.Name] = true
				}
				for _, n := range g.Nodes {
					for _, o := range n.Outputs {
						f.depends[o] = o != ""
					}
				}
			})
		}
	}
}

// reads returns what a node takes, with what its subgraphs take from around them.
func reads(n *onnx.Node) []string {
	list := n.Inputs
	for _, sub := range n.Subgraphs() {
		list = slices.Concat(list, sub.Captures())
	}
	return list
}
