package lineage

import (
	"slices"

	"infer/model/onnx"
)

// claim gives each node of the pair's graph the region of written that it computes: from the nodes that gave what it
// gives up to the values that the graph that ran still has.
func (l *lineage) claim(p *pair) {
	for _, n := range p.ran.Nodes {
		for _, e := range p.ends[n] {
			l.take(n, e)
		}
	}
	for _, n := range p.ran.Nodes {
		for i := 0; i < len(l.claims[n]); i++ { // claims grow under way
			e := l.claims[n][i]
			if e.OpType == "DequantizeLinear" {
				continue // what gave integers was a kernel of its own
			}
			for _, v := range e.Inputs {
				if !p.held[v] {
					l.up(p, n, v)
				}
			}
		}
	}
}

// up claims the maker of a value that only n can have computed, if anything has while the model ran.
func (l *lineage) up(p *pair, n *onnx.Node, v string) {
	e := p.maker(p.was, v)
	switch {
	case e == nil, p.twin(e):
		return
	case p.fixed[e] && !(e.OpType == "DequantizeLinear" && slices.Contains(n.Inputs, first(e.Inputs))):
		return // computed when the session was opened; weights that n takes as integers are not
	}
	l.take(n, e)
}

func (l *lineage) take(n, e *onnx.Node) {
	if l.owner[e] == nil {
		l.owner[e] = n
		l.claims[n] = append(l.claims[n], e)
	}
}
