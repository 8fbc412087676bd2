package surgery

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"infer/internal/fault"
	"infer/model"
	"infer/model/onnx"
	"infer/model/onnx/static"
)

// FixDims gives dynamic axes of m's inputs fixed sizes, in place, and all stated types in it follow: outputs, inner
// values, subgraphs. Axes that b does not name stay dynamic. A size for the first axis of an input that is fixed at
// another one is what FreeDims makes of it, then fixed. It returns what it did, one line for each axis.
// Errors, after which m is of no use: fault.Usage for names that the model lacks and sizes that it contradicts;
// fault.Unsupported where the first axis cannot be freed.
func FixDims(m *onnx.Model, b model.Bindings) ([]string, error) {
	if err := noGraph(m); err != nil {
		return nil, err
	}
	if err := known(m, b); err != nil {
		return nil, err
	}
	lines, err := freeFirst(m, b)
	if err != nil {
		return nil, err
	}
	bound, err := model.New(m).Bind(b)
	if err != nil {
		return nil, err
	}
	sizes := map[string]int64{}
	for _, a := range bound.Axes {
		if a.Reason == model.ByDefault {
			continue
		}
		if a.Name == "" {
			lines = append(lines, fmt.Sprintf("axis %d of input %q is %d", a.Index, a.Input, a.Size))
		} else if _, said := sizes[a.Name]; !said {
			sizes[a.Name] = a.Size
			lines = append(lines, fmt.Sprintf("axis %q is %d", a.Name, a.Size))
		}
	}
	stated := unstate(m)
	before := static.Infer(m, nil)
	fixInputs(m, bound, b)
	if err := contradicted(before, static.Infer(m, nil)); err != nil {
		return nil, err
	}
	for v, t := range stated {
		v.Type = t
	}
	after := static.Infer(m, nil)
	m.Walk(func(g *onnx.Graph) {
		for _, v := range slices.Concat(g.Inputs, g.Outputs, g.ValueInfo) {
			v.Type = fixedType(after, g, v, sizes)
		}
	})
	return lines, nil
}

// known reports names in b that m lacks.
func known(m *onnx.Model, b model.Bindings) error {
	var inputs []string
	axes := map[string]bool{}
	for _, p := range model.New(m).Inputs() {
		inputs = append(inputs, p.Name)
		for _, d := range p.Type.Dims {
			if !d.Known && d.Name != "" {
				axes[d.Name] = true
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(b.Shapes)) {
		if !slices.Contains(inputs, name) {
			return unknown("input", name, inputs)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(b.Dims)) {
		if !axes[name] && len(axes) > 0 {
			return unknown("dynamic axis", name, slices.Sorted(maps.Keys(axes)))
		}
	}
	return nil // Bind says more where the model has no named axis at all
}

// freeFirst frees the first axes that are fixed at another size than b wants. Those that had one size and get one size
// are one batch.
func freeFirst(m *onnx.Model, b model.Bindings) ([]string, error) {
	type change struct{ from, to int64 }
	batches := map[change]string{}
	var axes []Axis
	for _, p := range model.New(m).Inputs() {
		want, ok := b.Shapes[p.Name]
		if !ok || len(want) == 0 || len(want) != len(p.Type.Dims) || !p.Type.Dims[0].Known || p.Type.Dims[0].Size == want[0] || want[0] < 1 {
			continue
		}
		c := change{p.Type.Dims[0].Size, want[0]}
		if batches[c] == "" {
			batches[c] = fmt.Sprintf("rows_%d_%d", c.from, c.to)
		}
		axes = append(axes, Axis{Input: p.Name, Name: batches[c]})
	}
	lines, err := FreeDims(m, axes...)
	return lines, fault.Wrap(err, "change the size of the first axis")
}

// unstate takes the stated shapes of what nodes make away, which would fill in what inference no longer knows, and
// returns them.
func unstate(m *onnx.Model) map[*onnx.ValueInfo]*onnx.Type {
	stated := map[*onnx.ValueInfo]*onnx.Type{}
	m.Graph.Walk(func(g *onnx.Graph) {
		for _, v := range slices.Concat(g.Outputs, g.ValueInfo) {
			if v.Type != nil && v.Type.Kind == onnx.KindTensor {
				stated[v] = v.Type
				v.Type = &onnx.Type{Kind: onnx.KindTensor, DType: v.Type.DType}
			}
		}
	})
	return stated
}

// fixInputs gives the inputs their sizes.
func fixInputs(m *onnx.Model, bound model.Bound, b model.Bindings) {
	byInput := map[string]map[int]int64{}
	for _, a := range bound.Axes {
		if a.Reason != model.ByDefault {
			if byInput[a.Input] == nil {
				byInput[a.Input] = map[int]int64{}
			}
			byInput[a.Input][a.Index] = a.Size
		}
	}
	for _, v := range m.Graph.Inputs {
		shape, given := b.Shapes[v.Name]
		if v.Type == nil || v.Type.Kind != onnx.KindTensor {
			continue
		}
		v.Type = v.Type.Clone()
		if given && !v.Type.HasShape {
			v.Type.HasShape = true
			for _, n := range shape {
				v.Type.Dims = append(v.Type.Dims, onnx.Fixed(n))
			}
		}
		for i, size := range byInput[v.Name] {
			v.Type.Dims[i] = onnx.Dim{Size: size, Known: true, Denotation: v.Type.Dims[i].Denotation}
		}
	}
}

// contradicted reports a node whose outputs can no longer be told: it does not take these sizes.
func contradicted(before, after *static.Shapes) error {
	open := map[*onnx.Node]static.Reason{}
	for _, g := range before.Gaps {
		open[g.Node] = g.Reason
	}
	for _, g := range after.Gaps {
		reason, was := open[g.Node]
		if was && (reason == g.Reason || g.Reason != static.Invalid) {
			continue
		}
		var takes []string
		for _, name := range g.Node.Inputs {
			if v, ok := after.Of(g.Graph, name); ok && name != "" {
				takes = append(takes, fmt.Sprintf("%q of %s", name, v))
			}
		}
		return fault.New(fault.Usage, "choose sizes that fit the model: infer inspect shows its inputs",
			"the model contradicts these sizes: %s does not take %s", label(g.Node), strings.Join(takes, ", "))
	}
	return nil
}

// fixedType returns a stated type with what is known now: sizes of named axes, and what inference finds.
func fixedType(s *static.Shapes, g *onnx.Graph, v *onnx.ValueInfo, sizes map[string]int64) *onnx.Type {
	if v.Type == nil || v.Type.Kind != onnx.KindTensor || !v.Type.HasShape {
		return v.Type
	}
	t := v.Type.Clone()
	found, _ := s.Of(g, v.Name)
	for i, d := range t.Dims {
		size, named := sizes[d.Name]
		switch {
		case found.HasShape && len(found.Dims) == len(t.Dims) && found.Dims[i].Known:
			t.Dims[i] = onnx.Dim{Size: found.Dims[i].Size, Known: true, Denotation: d.Denotation}
		case !d.Known && named && d.Name != "":
			t.Dims[i] = onnx.Dim{Size: size, Known: true, Denotation: d.Denotation}
		}
	}
	return t
}
