package advice

import (
	"fmt"
	"strings"

	"infer/model/onnx"
	"infer/report"
)

// pattern is several nodes that one fused operator would do.
type pattern struct {
	name  string
	nodes []*onnx.Node // those whose time would go into one pass over the data
	at    *onnx.Node   // by which it is named
}

func checkUnfused(f *Facts) *report.Advice {
	var found []pattern
	f.walkRan(func(g *onnx.Graph) { found = append(found, patterns(g)...) })
	if len(found) == 0 {
		return nil
	}
	counts, first, longest := map[string]int{}, map[string]string{}, 0
	part := map[string]bool{}
	var order []string
	for _, p := range found {
		if counts[p.name] == 0 {
			order = append(order, p.name)
			first[p.name] = nameOf(p.at)
		}
		counts[p.name]++
		longest = max(longest, len(p.nodes))
		for _, n := range p.nodes {
			part[n.Name] = true
		}
	}
	var kinds []string
	a := &report.Advice{Try: "fuse them ahead", Command: f.infer("optimize", "--level full")}
	for _, name := range order {
		kinds = append(kinds, fmt.Sprintf("%d × %s", counts[name], name))
		a.Evidence = append(a.Evidence, fmt.Sprintf("%s: the first is at %s", name, first[name]))
	}
	a.What = "the runtime left in single nodes: " + strings.Join(kinds, ", ")
	s := f.those(func(r report.Share) bool { return part[r.Name] })
	if len(f.Details.ByNode) > 0 && s.share <= worthIt {
		return nil
	}
	if s.nodes > 0 {
		a.Bound = Bound(f.ofRun(s.share), float64(longest))
		a.Evidence = append(a.Evidence, "without the products, "+f.time(s), fmt.Sprintf("the bound is that of one pass over the data in place of %d", longest))
	}
	return a
}

// walkRan calls visit for every graph that the runtime ran.
func (f *Facts) walkRan(visit func(*onnx.Graph)) { f.Ran.Walk(visit) }

// patterns finds what could be fused in g.
func patterns(g *onnx.Graph) []pattern {
	n := newNet(g)
	var found []pattern
	for _, node := range g.Nodes {
		switch node.OpType {
		case "Erf":
			if p := n.gelu(node); p != nil {
				found = append(found, pattern{"Gelu", p, node})
			}
		case "Sqrt":
			if name, p := n.norm(node); p != nil {
				found = append(found, pattern{name, p, node})
			}
		case "MatMul":
			if p := n.bias(node); p != nil {
				found = append(found, pattern{"MatMul, Add and activation", p, node})
			}
		}
	}
	return found
}

// gelu follows x·(1 + erf(x/√2))/2 from its Erf. The factors come in any order: the nodes around the Erf are enough.
func (n *net) gelu(erf *onnx.Node) []*onnx.Node {
	add := n.to(erf, "Add")
	mul := n.to(add, "Mul")
	if mul == nil {
		return nil
	}
	p := []*onnx.Node{erf, add, mul}
	if scaled := n.from(erf, 0, "Div", "Mul"); scaled != nil {
		p = append(p, scaled)
	}
	if last := n.to(mul, "Mul"); last != nil {
		p = append(p, last)
	}
	return p
}

// norm follows a normalization from its Sqrt: the mean of squares, in LayerNorm of what is left without the mean.
func (n *net) norm(sqrt *onnx.Node) (name string, nodes []*onnx.Node) {
	add := n.from(sqrt, 0, "Add")
	mean := n.from(add, 0, "ReduceMean")
	if mean == nil {
		mean = n.from(add, 1, "ReduceMean")
	}
	square := n.from(mean, 0, "Pow", "Mul")
	next := n.to(sqrt, "Div", "Reciprocal")
	if square == nil || next == nil {
		return "", nil
	}
	nodes = []*onnx.Node{square, mean, add, sqrt, next}
	if sub := n.from(square, 0, "Sub"); sub != nil {
		if first := n.from(sub, 1, "ReduceMean"); first != nil {
			return "LayerNorm", append(nodes, first, sub)
		}
	}
	return "RMSNorm", nodes
}

// bias follows a product with a constant bias and an activation behind it; the product itself stays.
func (n *net) bias(product *onnx.Node) []*onnx.Node {
	add := n.to(product, "Add")
	if add == nil || len(add.Inputs) != 2 || !n.consts[add.Inputs[0]] && !n.consts[add.Inputs[1]] {
		return nil
	}
	act := n.to(add, "Relu", "Gelu", "Sigmoid", "Tanh", "LeakyRelu", "Clip", "HardSigmoid", "Elu", "QuickGelu")
	if act == nil {
		return nil
	}
	return []*onnx.Node{add, act}
}
