package surgery

import (
	"fmt"
	"slices"
	"strings"

	"infer/internal/fault"
	"infer/model/onnx"
	"infer/optimize"
)

// tidy removes what the outputs of m do not need: nodes, initializers, functions, imports of operator sets.
func tidy(m *onnx.Model) error {
	if err := optimize.NewEditor(m, m.Graph).Finish(); err != nil {
		return err
	}
	used, domains := map[string]bool{}, map[string]bool{"": true}
	functions := map[string]*onnx.Function{}
	for _, f := range m.Functions {
		functions[call{f.Domain, f.Name, f.Overload}.key()] = f
	}
	var visit func(nodes []*onnx.Node)
	visit = func(nodes []*onnx.Node) {
		for _, n := range nodes {
			domains[n.Domain] = true
			for _, sub := range n.Subgraphs() {
				visit(sub.Nodes)
			}
			k := call{n.Domain, n.OpType, n.Overload}.key()
			if f := functions[k]; f != nil && !used[k] {
				used[k] = true
				visit(f.Nodes)
			}
		}
	}
	visit(m.Graph.Nodes)
	m.Functions = slices.DeleteFunc(m.Functions, func(f *onnx.Function) bool { return !used[call{f.Domain, f.Name, f.Overload}.key()] })
	imports := slices.DeleteFunc(slices.Clone(m.Opsets), func(o onnx.Opset) bool { return !domains[o.Domain] })
	if len(imports) > 0 { // a model without any is refused, also where it has no nodes
		m.Opsets = imports
	}
	return nil
}

// call names a function of the model.
type call struct{ domain, name, overload string }

func (c call) key() string { return c.domain + ":" + c.name + ":" + c.overload }

// noGraph is the error of a model without a graph.
func noGraph(m *onnx.Model) error {
	if m == nil || m.Graph == nil {
		return fault.New(fault.Unsupported, "", "the model holds no graph")
	}
	return nil
}

// unknown is the error of a name that is none of those there are: what it is not, and the nearest or all of them.
func unknown(what, name string, candidates []string) error {
	hint := "there is none"
	if near := fault.Nearest(name, candidates); near != "" {
		hint = "did you mean " + near + "?"
	} else if n := len(candidates); n > 0 {
		hint = fmt.Sprintf("the %ss are: %s", what, strings.Join(candidates[:min(n, 20)], ", "))
		if n > 20 {
			hint = fmt.Sprintf("%s and %d more", hint, n-20)
		}
	}
	return fault.New(fault.Usage, hint, "no %s is called %q", what, name)
}

// label is a node in messages.
func label(n *onnx.Node) string {
	op := n.OpType
	if n.Domain != "" {
		op = n.Domain + "." + op
	}
	if n.Name != "" {
		return fmt.Sprintf("node %q (%s)", n.Name, op)
	}
	for _, o := range n.Outputs {
		if o != "" {
			return fmt.Sprintf("the %s node that makes %q", op, o)
		}
	}
	return "a " + op + " node"
}

// input returns the i-th input of n, "" where it is omitted.
func input(n *onnx.Node, i int) string {
	if i < 0 || i >= len(n.Inputs) {
		return ""
	}
	return n.Inputs[i]
}

// names returns the names of values.
func names(list []*onnx.ValueInfo) []string {
	var all []string
	for _, v := range list {
		all = append(all, v.Name)
	}
	return all
}

// count is a number of things in words: "1 node", "2 nodes".
func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
