package optimize

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"infer/internal/fault"
	"infer/model/onnx"
	"infer/model/onnx/static"
	"infer/model/tensor"
)

// MaxOpset is the highest version of ai.onnx that upgrade-opset knows.
const MaxOpset = 25

// upgradeOpset brings ai.onnx up to Work.Opset. Every operator whose definition changed on the way is rewritten, not
// only the number; one that cannot be is an error that leaves the model as it was.
func upgradeOpset() Pass {
	return Pass{
		Name: "upgrade-opset",
		Doc:  "brings the model to a newer version of ai.onnx, rewriting the operators that changed",
		Run: func(ctx context.Context, w *Work) (int, error) {
			return Upgrade(ctx, w.Model, w.Opset)
		},
	}
}

// Upgrade is the pass upgrade-opset alone: it brings m up to a version of ai.onnx, in place, and returns how many nodes
// and imports changed. An error, of kind fault.Unsupported with what stands in the way, leaves m as it was.
func Upgrade(ctx context.Context, m *onnx.Model, to int64) (int, error) {
	if to > MaxOpset {
		return 0, fault.New(fault.Unsupported, fmt.Sprintf("use %d or older", MaxOpset), "opset %d is newer than %d, the last one that infer can bring a model to", to, MaxOpset)
	}
	c := m.Clone()
	changed, err := upgradeModel(ctx, c, to)
	if err != nil || changed == 0 {
		return 0, err
	}
	*m = *c
	return changed, nil
}

// upgradeModel rewrites m for a version and returns how many nodes and imports changed.
func upgradeModel(ctx context.Context, m *onnx.Model, to int64) (int, error) {
	u := &upgrade{ctx: ctx, model: m, steps: steps(), versions: versions(), shapes: static.Infer(m, nil), upsampled: map[*onnx.Node]bool{}}
	if from := importOf(m.Opsets); from != nil && from.Version < to && m.Graph != nil {
		if err := u.graphs(m.Graph, from.Version, to); err != nil {
			return 0, err
		}
		from.Version = to
		u.changed++
	}
	for _, f := range m.Functions {
		from := importOf(f.Opsets)
		if from == nil || from.Version >= to {
			continue
		}
		if err := u.function(f, from.Version, to); err != nil {
			return 0, fault.Wrap(err, "function %q", f.Name)
		}
		from.Version = to
		u.changed++
	}
	if u.changed > 0 {
		m.IRVersion = max(m.IRVersion, IRVersion(to))
	}
	return u.changed, nil
}

// importOf returns the import of ai.onnx in a list, nil where there is none.
func importOf(list []onnx.Opset) *onnx.Opset {
	if i := slices.IndexFunc(list, func(o onnx.Opset) bool { return o.Domain == "" }); i >= 0 {
		return &list[i]
	}
	return nil
}

// IRVersion returns the file format that came with a version of ai.onnx. Ref: ONNX Versioning, released versions.
func IRVersion(opset int64) int64 {
	first := []int64{0, 0, 0, 0, 9, 10, 11, 12, 15, 19, 21, 23, 24, 25} // the first opset of each IR version
	ir := len(first) - 1
	for ir > 3 && first[ir] > opset {
		ir--
	}
	return int64(ir)
}

// upgrade is one run of the pass.
type upgrade struct {
	*Editor // of the graph at hand

	ctx       context.Context
	model     *onnx.Model
	steps     map[step]convert
	versions  map[string][]int64
	shapes    *static.Shapes      // of the model before
	upsampled map[*onnx.Node]bool // those Resize that were Upsample
	changed   int
}

// step is an operator at the version that changed its definition.
type step struct {
	op      string
	version int64
}

// convert rewrites a node, valid at the version before, for that of its step. Its error says what cannot be rewritten.
type convert func(u *upgrade, n *onnx.Node) error

// graphs brings g and the graphs in it from one version to another.
func (u *upgrade) graphs(g *onnx.Graph, from, to int64) error {
	var all []*onnx.Graph
	g.Walk(func(sub *onnx.Graph) { all = append(all, sub) })
	for _, sub := range slices.Backward(all) {
		u.Editor = NewEditor(u.model, sub)
		for v := from + 1; v <= to; v++ {
			for _, n := range u.Graph.Nodes { // those that a step adds are valid at its version
				if err := u.advance(n, v); err != nil {
					return err
				}
			}
			if err := u.ctx.Err(); err != nil {
				return err
			}
		}
		if err := u.Graph.SortNodes(); err != nil {
			return err
		}
	}
	return nil
}

// function brings the body of a function from one version to another.
func (u *upgrade) function(f *onnx.Function, from, to int64) error {
	return editFunction(f, func(g *onnx.Graph) error { return u.graphs(g, from, to) })
}

// editFunction lets edit change the body of a function. A body holds nodes alone, so new constants become nodes.
func editFunction(f *onnx.Function, edit func(g *onnx.Graph) error) error {
	g := &onnx.Graph{Nodes: f.Nodes}
	for _, name := range f.Inputs {
		g.Inputs = append(g.Inputs, &onnx.ValueInfo{Name: name})
	}
	for _, name := range f.Outputs {
		g.Outputs = append(g.Outputs, &onnx.ValueInfo{Name: name})
	}
	if err := edit(g); err != nil {
		return err
	}
	var constants []*onnx.Node
	for _, t := range g.Initializers {
		constants = append(constants, &onnx.Node{Name: t.Name + "_Constant", OpType: "Constant", Outputs: []string{t.Name},
			Attrs: []*onnx.Attribute{{Name: "value", Type: onnx.AttrTensor, T: t}}})
	}
	f.Nodes = append(constants, g.Nodes...)
	return nil
}

// advance takes the step that changed n's operator at a version, where there is one.
func (u *upgrade) advance(n *onnx.Node, version int64) error {
	if n.Domain != "" || !slices.Contains(u.versions[n.OpType], version) {
		return nil
	}
	op, c := n.OpType, u.steps[step{n.OpType, version}]
	err := errNoStep
	switch {
	case c == nil && version > 7:
		return nil // every use before is the same use now
	case slices.ContainsFunc(n.Attrs, func(a *onnx.Attribute) bool { return a.RefName != "" }):
		err = errors.New("it takes attributes of the function around it")
	case len(n.Inputs) == 0 || output(n, 0) == "":
		err = errors.New("it lacks inputs or outputs")
	case c != nil:
		err = c(u, n)
	}
	if err != nil {
		return fault.New(fault.Unsupported, "export the model again with a newer opset", "node %q (%s, making %q) cannot be brought from opset %d to %d: %w",
			n.Name, op, output(n, 0), version-1, version, err)
	}
	u.changed++
	return nil
}

// errNoStep stands for the changes up to version 7, of which none has a rule.
var errNoStep = errors.New("infer has no rule for operators older than opset 7")

// dtype returns the element type of a value, an error where it is not known.
func (u *upgrade) dtype(value string) (tensor.DType, error) {
	v, ok := u.shapes.Of(u.Graph, value)
	if !ok || !v.DType.IsFloat() {
		return 0, errors.New("its new input needs the element type, which is not known to be floating-point")
	}
	return v.DType, nil
}
