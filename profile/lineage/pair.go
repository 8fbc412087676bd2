package lineage

import (
	"reflect"
	"regexp"
	"slices"
	"strings"

	"infer/model/onnx"
)

// pair matches the values and nodes of one graph that ran with those of the graph that it was.
type pair struct {
	*index
	was  *scope
	ran  *onnx.Graph
	same map[string]string           // a value of ran → the value of written that it holds, perhaps in another layout
	ends map[*onnx.Node][]*onnx.Node // a node of ran → the nodes of written that gave what it gives
	held map[string]bool             // values of written that are in same
	took map[*onnx.Node]bool         // nodes of written that are among ends
	left map[string]bool             // names of nodes of written that go by a node of ran
}

func newPair(x *index, was *scope, ran *onnx.Graph) *pair {
	p := &pair{
		index: x, was: was, ran: ran, same: map[string]string{}, ends: map[*onnx.Node][]*onnx.Node{},
		held: map[string]bool{}, took: map[*onnx.Node]bool{}, left: map[string]bool{},
	}
	keep := func(v string) {
		if v != "" && (was.has(v) || x.makers[v] != nil) {
			p.same[v], p.held[v] = v, true
		}
	}
	for _, v := range ran.Inputs {
		keep(v.Name)
	}
	for _, t := range ran.Initializers {
		keep(t.Name)
	}
	for _, n := range ran.Nodes {
		for _, v := range slices.Concat(n.Inputs, n.Outputs) { // inputs may come from graphs around
			keep(v)
		}
		if e := p.byName(n.Name); e != nil {
			p.left[e.Name] = true
		}
	}
	return p
}

// resolve spreads what is known of values from readers to makers and back. Two rounds settle what names leave open:
// nothing that a round finds opens more than the next round's way in the other direction.
func (p *pair) resolve() {
	for range 2 {
		for _, n := range slices.Backward(p.ran.Nodes) {
			p.backward(n)
		}
		for _, n := range p.ran.Nodes {
			p.forward(n)
		}
	}
}

// backward finds what n gave in written, and with that what its inputs were.
func (p *pair) backward(n *onnx.Node) {
	if addedByRuntime(n) {
		p.relayout(n)
		return
	}
	if p.ends[n] == nil {
		p.findEnds(n)
	}
	if p.ends[n] == nil {
		if relays(n) {
			p.unify(first(n.Inputs), p.same[first(n.Outputs)])
		}
		return
	}
	for _, e := range p.ends[n] {
		p.unifyKin(n, e)
	}
}

// relayout goes through a node that the runtime added. A ReorderOutput to a layout with channels last does the work of
// the Transpose that was there.
func (p *pair) relayout(n *onnx.Node) {
	v := p.same[first(n.Outputs)]
	if e := p.maker(p.was, v); e != nil && e.OpType == "Transpose" && n.Int("channels_last", 0) == 1 {
		p.end(n, e)
		v = first(e.Inputs)
	}
	p.unify(first(n.Inputs), v)
}

// findEnds looks for the makers, in written, of what n gives: by the names of its values, then by its own.
func (p *pair) findEnds(n *onnx.Node) {
	for _, v := range n.Outputs {
		e := p.maker(p.was, p.same[v])
		if e == nil || relays(n) && !kin(n, e) { // a change of layout under the name of what it changes
			continue
		}
		p.end(n, e)
	}
	if p.ends[n] != nil {
		return
	}
	e := p.byName(n.Name)
	if e == nil || relays(n) && !kin(n, e) {
		return
	}
	e = p.behind(n, e)
	p.end(n, e)
	if len(n.Outputs) == 1 {
		p.unify(first(n.Outputs), first(e.Outputs))
	}
}

func (p *pair) end(n, e *onnx.Node) {
	if !slices.Contains(p.ends[n], e) {
		p.ends[n] = append(p.ends[n], e)
		p.took[e] = true
	}
}

// behind follows e, by whose name n goes, to the last of the nodes behind it whose work n does too.
func (p *pair) behind(n, e *onnx.Node) *onnx.Node {
	var merged []string
	if strings.HasSuffix(n.OpType, "Conv") && len(n.Inputs) > 3 {
		merged = append(merged, "Add", "Sum") // input 3 of the runtime's own convolutions is added to the result
	}
	merged = append(merged, n.Str("activation", "QuantizeLinear"), "QuantizeLinear")
	for _, op := range merged {
		users := p.was.users[first(e.Outputs)]
		if len(users) == 1 && users[0].OpType == op && !p.left[users[0].Name] && !p.held[first(e.Outputs)] {
			e = users[0]
		}
	}
	return e
}

// unifyKin equates the values of a node with those of the node of the same operator that it was.
func (p *pair) unifyKin(n, e *onnx.Node) {
	if !kin(n, e) {
		return
	}
	for i, v := range n.Inputs {
		if i < len(e.Inputs) {
			p.unify(v, e.Inputs[i])
		}
	}
	for i, v := range n.Outputs {
		if i < len(e.Outputs) {
			p.unify(v, e.Outputs[i])
		}
	}
}

func (p *pair) unify(ran, written string) {
	if _, known := p.same[ran]; !known && ran != "" && written != "" {
		p.same[ran], p.held[written] = written, true
	}
}

// forward finds a node without a name of its own by what it reads.
func (p *pair) forward(n *onnx.Node) {
	from, known := p.same[first(n.Inputs)]
	if !known || p.ends[n] != nil {
		return
	}
	if !addedByRuntime(n) {
		for _, u := range p.was.users[from] {
			if !p.took[u] && kin(n, u) && p.readsSame(n, u) {
				p.end(n, u)
				p.unifyKin(n, u)
				return
			}
		}
	}
	if addedByRuntime(n) || relays(n) {
		p.unify(first(n.Outputs), from)
	}
}

// readsSame reports whether all inputs of n hold those of u. The first is enough where the runtime may have rewritten the
// others, such as the shape that a Reshape takes.
func (p *pair) readsSame(n, u *onnx.Node) bool {
	if relays(n) {
		return p.same[first(n.Inputs)] == first(u.Inputs)
	}
	if len(n.Inputs) != len(u.Inputs) {
		return false
	}
	for i, v := range n.Inputs {
		if p.same[v] != u.Inputs[i] {
			return false
		}
	}
	return true
}

// decoration is what the runtime adds to a name when it makes a node from another one.
var decoration = regexp.MustCompile(`^InsertedPrecisionFreeCast_|^fused |(_token_\d+|/[A-Za-z]+Fusion/?|_new_reshape|/duplicated|(_bn|_mul)?_nchwc)$`)

// byName returns the node of written that a node of ran is called after, itself or its output.
func (p *pair) byName(name string) *onnx.Node {
	byOutput := false
	for name != "" {
		byNode, byValue := p.named[name], p.maker(p.was, name)
		if byOutput && byValue != nil {
			return byValue
		}
		if byNode != nil {
			return byNode
		}
		if byValue != nil {
			return byValue
		}
		shorter := decoration.ReplaceAllString(name, "")
		if shorter == name {
			return nil
		}
		byOutput = strings.HasSuffix(name, "_nchwc")
		name = shorter
	}
	return nil
}

// addedByRuntime reports whether a node only serves the runtime: no author can write it.
func addedByRuntime(n *onnx.Node) bool {
	switch n.OpType {
	case "ReorderInput", "ReorderOutput":
		return n.Domain == "com.microsoft.nchwc"
	case "MemcpyFromHost", "MemcpyToHost":
		return true
	}
	return false
}

// relays reports whether a node gives what it takes in another shape, layout or dtype: the runtime adds such nodes too.
func relays(n *onnx.Node) bool {
	switch n.OpType {
	case "Reshape", "Transpose", "Cast", "Squeeze", "Unsqueeze", "Identity", "Flatten", "QuantizeLinear", "DequantizeLinear":
		return true
	}
	return false
}

// kin reports whether a node of ran is of the operator that a node of written is, in the runtime's own layout perhaps.
func kin(n, e *onnx.Node) bool { return n.OpType == e.OpType }

// twin reports whether another node of written computes the same, and the graph that ran has the value of that one: the
// runtime computes it once.
func (p *pair) twin(e *onnx.Node) bool {
	for _, u := range p.was.users[first(e.Inputs)] {
		if u != e && kin(u, e) && p.held[first(u.Outputs)] && slices.Equal(u.Inputs, e.Inputs) && reflect.DeepEqual(u.Attrs, e.Attrs) {
			return true
		}
	}
	return false
}

func first(list []string) string {
	if len(list) == 0 {
		return ""
	}
	return list[0]
}
