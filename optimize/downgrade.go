package optimize

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"infer/internal/fault"
	"infer/model/onnx"
	"infer/model/onnx/static"
	"infer/model/tensor"
)

// MinOpset is the lowest version of ai.onnx that Downgrade brings a model to: before it, operators took broadcasting as
// an attribute.
const MinOpset = 7

// Downgrade brings m down to a version of ai.onnx, in place, and returns what it rewrote, one line an operator. Every
// operator whose definition changed in between is written in its old form where that says the same, or put together
// from older ones; one that cannot be is an error of kind fault.Unsupported with the node, the operator and the version,
// which leaves m as it was. Element types are looked at as far as inference knows them. The IR version stays.
func Downgrade(ctx context.Context, m *onnx.Model, to int64) ([]string, error) {
	if to < MinOpset {
		return nil, fault.New(fault.Unsupported, fmt.Sprintf("use %d or newer", MinOpset), "opset %d is older than %d, the first one that infer can bring a model to", to, MinOpset)
	}
	c := m.Clone()
	d := &downgrade{
		ctx: ctx, model: c, undos: undos(), versions: versions(), firsts: firsts(), widened: widened(),
		shapes: static.Infer(c, nil), like: map[string]string{}, done: map[*onnx.Node]string{},
	}
	if from := importOf(c.Opsets); from != nil && from.Version > to && c.Graph != nil {
		if err := d.graphs(c.Graph, from.Version, to); err != nil {
			return nil, err
		}
		from.Version = to
	}
	for _, f := range c.Functions {
		from := importOf(f.Opsets)
		if from == nil || from.Version <= to {
			continue
		}
		if err := editFunction(f, func(g *onnx.Graph) error { return d.graphs(g, from.Version, to) }); err != nil {
			return nil, fault.Wrap(err, "function %q", f.Name)
		}
		from.Version = to
	}
	*m = *c
	counts := map[string]int{}
	for _, op := range d.done {
		counts[op]++
	}
	var lines []string
	for _, op := range slices.Sorted(maps.Keys(counts)) {
		lines = append(lines, fmt.Sprintf("%d × %s rewritten for opset %d", counts[op], op, to))
	}
	return lines, nil
}

// downgrade is one run of Downgrade.
type downgrade struct {
	*Editor // of the graph at hand

	ctx      context.Context
	model    *onnx.Model
	undos    map[step]undo
	versions map[string][]int64
	firsts   map[string]int64
	widened  map[step][]string
	shapes   *static.Shapes        // of the model before
	like     map[string]string     // values that were put in, by one of the same type and rank
	to       int64                 // the version that the node at hand is brought to: one less than that of the step
	done     map[*onnx.Node]string // nodes rewritten, with the operator that they were
}

// undo rewrites a node, valid at the version of its step, for the version before. Its error says what cannot be.
type undo func(d *downgrade, n *onnx.Node) error

// graphs brings g and the graphs in it from one version down to another.
func (d *downgrade) graphs(g *onnx.Graph, from, to int64) error {
	if from > MaxOpset {
		return fault.New(fault.Unsupported, "", "the model has opset %d, and infer knows the changes of operators up to %d", from, MaxOpset)
	}
	var all []*onnx.Graph
	g.Walk(func(sub *onnx.Graph) { all = append(all, sub) })
	for _, sub := range slices.Backward(all) {
		d.Editor = NewEditor(d.model, sub)
		for v := from; v > to; v-- {
			d.to = v - 1
			for _, n := range d.Graph.Nodes { // those that a step adds are valid at the version before
				if !d.has(n) {
					continue
				}
				if err := d.retreat(n, v); err != nil {
					return err
				}
			}
			if err := d.ctx.Err(); err != nil {
				return err
			}
		}
		if err := d.Finish(); err != nil {
			return err
		}
	}
	return nil
}

// retreat undoes the change of n's operator at a version, where there is one.
func (d *downgrade) retreat(n *onnx.Node, version int64) error {
	came := d.firsts[n.OpType] == version
	if n.Domain != "" || !came && !slices.Contains(d.versions[n.OpType], version) {
		return nil
	}
	op, name, value := n.OpType, n.Name, output(n, 0)
	u := d.undos[step{op, version}]
	var err error
	switch {
	case came && u == nil:
		err = errors.New("the operator came with that version")
	case (u != nil || version == 11) && slices.ContainsFunc(n.Attrs, func(a *onnx.Attribute) bool { return a.RefName != "" }):
		err = errors.New("it takes attributes of the function around it")
	case u != nil && (op != "Constant" && len(n.Inputs) == 0 || value == ""):
		err = errors.New("it lacks inputs or outputs")
	default:
		err = d.rewrite(n, version, u)
	}
	if err != nil {
		return fault.New(fault.Unsupported, fmt.Sprintf("use opset %d or newer", version), "node %q (%s, making %q) cannot be brought from opset %d to %d: %w",
			name, op, value, version, version-1, err)
	}
	return nil
}

// rewrite takes a step, and sees that what is left of the node was valid at the version before.
func (d *downgrade) rewrite(n *onnx.Node, version int64, u undo) error {
	op, inputs, attrs := n.OpType, slices.Clone(n.Inputs), slices.Clone(n.Attrs)
	if u != nil {
		if err := u(d, n); err != nil {
			return err
		}
	}
	if d.has(n) && n.OpType == op {
		if err := d.oldTypes(n, version); err != nil {
			return err
		}
		if version == 11 {
			if err := d.positiveAxes(n); err != nil {
				return err
			}
		}
		if slices.Equal(n.Inputs, inputs) && slices.Equal(n.Attrs, attrs) {
			return nil
		}
	}
	d.done[n] = cmp.Or(d.done[n], op)
	return nil
}

// oldTypes reports an element type that the operator takes only from a version on.
func (d *downgrade) oldTypes(n *onnx.Node, version int64) error {
	added := d.widened[step{n.OpType, version}]
	if len(added) == 0 {
		return nil
	}
	for _, name := range []string{input(n, 0), output(n, 0)} {
		v := d.of(name)
		kind := v.DType.String()
		switch v.Kind {
		case onnx.KindSequence:
			kind = "sequence"
		case onnx.KindOptional:
			kind = "optional"
		case onnx.KindNone:
			continue
		}
		if slices.Contains(added, kind) {
			return fmt.Errorf("%q is %s, which it takes from that version on", name, kind)
		}
	}
	return nil
}

// of returns what is known of a value of the graph at hand, as far as type and rank go for one that was put in.
func (d *downgrade) of(value string) static.Value {
	for range 32 {
		old, put := d.like[value]
		if !put {
			break
		}
		value = old
	}
	v, _ := d.shapes.Of(d.Graph, value)
	return v
}

// rank returns the number of axes of a value.
func (d *downgrade) rank(value string) (int64, error) {
	v := d.of(value)
	if !v.HasShape {
		return 0, fmt.Errorf("the rank of %q is not known", value)
	}
	return int64(len(v.Dims)), nil
}

// float returns the element type of a value, an error where it is not known to be floating-point.
func (d *downgrade) float(value string) (tensor.DType, error) {
	if v := d.of(value); v.DType.IsFloat() {
		return v.DType, nil
	}
	return 0, fmt.Errorf("the element type of %q is not known to be floating-point", value)
}

// put inserts a node that makes a value like another one of this graph, and returns the value.
func (d *downgrade) put(op, like string, inputs []string, attrs ...*onnx.Attribute) string {
	out := d.node(op, like+"_"+strings.ToLower(op), inputs, attrs...)
	d.like[out] = like
	return out
}

// last inserts the node that makes what a node made that is gone.
func (d *downgrade) last(op, value string, inputs []string, attrs ...*onnx.Attribute) {
	d.Insert(&onnx.Node{Name: d.Unique(value + "_" + op), OpType: op, Inputs: inputs, Outputs: []string{value}, Attrs: attrs})
}

// number adds a scalar of the type of a value.
func (d *downgrade) number(like string, x float64) (string, error) {
	t, err := d.float(like)
	if err != nil {
		return "", err
	}
	return d.addFloats(like+"_constant", t, tensor.Shape{}, []float32{float32(x)})
}

// positiveAxes counts axes from the front, as operators wanted them before opset 11.
func (d *downgrade) positiveAxes(n *onnx.Node) error {
	for _, a := range n.Attrs {
		if a.Name != "axis" && a.Name != "axes" || n.OpType == "Scan" {
			continue
		}
		list := a.Ints
		if a.Type == onnx.AttrInt {
			list = []int64{a.I}
		}
		if !slices.ContainsFunc(list, func(x int64) bool { return x < 0 }) {
			continue
		}
		rank, err := d.rank(input(n, 0))
		if err != nil {
			return fmt.Errorf("it has an axis below 0, and %w", err)
		}
		if n.OpType == "Unsqueeze" {
			rank += int64(len(list))
		}
		list = slices.Clone(list)
		for i, x := range list {
			if x < 0 {
				list[i] = x + rank
			}
		}
		if a.Type == onnx.AttrInt {
			setAttr(n, intAttr(a.Name, list[0]))
		} else {
			setAttr(n, intsAttr(a.Name, list...))
		}
	}
	return nil
}
