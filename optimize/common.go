package optimize

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"infer/model/onnx"
)

// eliminateCommon lets the readers of a node that repeats an earlier one read the earlier one.
func eliminateCommon() Pass {
	return Pass{
		Name: "eliminate-common",
		Doc:  "computes what several nodes compute alike once",
		Run: func(ctx context.Context, w *Work) (int, error) {
			return w.edit(func(e *Editor) (int, error) {
				if err := e.Graph.SortNodes(); err != nil {
					return 0, err
				}
				changed := 0
				first := map[string]*onnx.Node{}
				for _, n := range e.Graph.Nodes {
					k, ok := e.identity(n)
					switch earlier := first[k]; {
					case !ok:
					case earlier == nil:
						first[k] = n
					case e.merge(n, earlier):
						changed++
					}
				}
				return changed, ctx.Err()
			})
		},
	}
}

// identity returns what the result of a node depends on, as a key; false for a node whose result depends on more.
func (e *Editor) identity(n *onnx.Node) (string, bool) {
	if !deterministic(n) || len(n.Subgraphs()) > 0 {
		return "", false
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%q %q %q %q", n.Domain, n.OpType, n.Overload, n.Inputs)
	attrs := slices.SortedFunc(slices.Values(n.Attrs), func(x, y *onnx.Attribute) int { return cmp.Compare(x.Name, y.Name) })
	for _, a := range attrs {
		switch a.Type {
		case onnx.AttrInt, onnx.AttrFloat, onnx.AttrString, onnx.AttrInts, onnx.AttrFloats, onnx.AttrStrings:
		default:
			return "", false // the value of a Constant: fold-constants and share-initializers see to those
		}
		fmt.Fprintf(&b, " %q %d %q %d %x %q %v %x %q", a.Name, a.Type, a.RefName, a.I, a.F, a.S, a.Ints, a.Floats, a.Strings)
	}
	return b.String(), true
}

// merge replaces n's outputs with those of a node that computes the same.
func (e *Editor) merge(n, earlier *onnx.Node) bool {
	for i, o := range n.Outputs {
		if o != "" && (output(earlier, i) == "" || e.outputs[o] && e.outputs[earlier.Outputs[i]]) {
			return false
		}
	}
	outputs := slices.Clone(n.Outputs)
	e.Remove(n)
	for i, o := range outputs {
		if o != "" {
			e.Replace(o, earlier.Outputs[i])
		}
	}
	return true
}

// deterministic reports whether n gives the same result for the same inputs every time. Of operators outside of ONNX's
// own domains nothing is known.
func deterministic(n *onnx.Node) bool {
	switch n.Domain {
	case "":
		switch n.OpType {
		case "RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Multinomial", "Bernoulli", "Dropout":
			return false
		}
		return true
	case "ai.onnx.ml":
		return true
	}
	return false
}
