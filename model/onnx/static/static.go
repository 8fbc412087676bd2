// Package static owns what a graph tells without a runtime: shapes with dynamic axes, constants that shapes depend on,
// arithmetic and memory cost, and how much memory the activations need at least.
package static

import (
	"fmt"

	"infer/model/onnx"
)

// Reason says why inference left an output of a node incomplete.
type Reason string

// The reasons, in the words that reports print.
const (
	UnknownOperator Reason = "unknown operator"     // no rule for it
	DataDependent   Reason = "data-dependent shape" // the shape follows from values that only a run has
	UnknownInput    Reason = "unknown input"        // an input's shape, dtype or needed constant is not known
	Invalid         Reason = "invalid node"         // the node contradicts its operator's definition
)

// Gap is a node with an output whose shape is not known in full.
type Gap struct {
	Node   *onnx.Node
	Graph  *onnx.Graph
	Output string // the first such output
	Reason Reason
}

// Shapes is the result of Infer. It is safe for concurrent reading.
type Shapes struct {
	Gaps     []Gap    // in node order, subgraphs inside their node
	Warnings []string // contradictions between the file and inference, which wins

	model  *onnx.Model
	values map[*onnx.Graph]map[string]Value
	outer  map[*onnx.Graph]*onnx.Graph
	bodies map[*onnx.Node]*onnx.Graph // function calls, inlined
	trips  map[*onnx.Node]int64       // the known trip counts of loops
	taken  map[*onnx.Node]*onnx.Graph // the branch of an If with a constant condition; the other one is not looked at
}

// Of returns what is known about a value that graph g defines or takes from a graph around it; false for a name that
// none of them has.
func (s *Shapes) Of(g *onnx.Graph, name string) (Value, bool) {
	for ; g != nil; g = s.outer[g] {
		if v, ok := s.values[g][name]; ok {
			return v, true
		}
	}
	return Value{}, false
}

// Values returns all values that g itself defines, by name. The map must not be changed.
func (s *Shapes) Values(g *onnx.Graph) map[string]Value { return s.values[g] }

// Complete reports whether every value of every graph has a known rank and known or symbolic dimensions.
func (s *Shapes) Complete() bool { return len(s.Gaps) == 0 }

// The limits on made-up graphs: nodes that function calls may add, the depth of subgraphs, and node visits.
const (
	maxInlined = 200_000
	maxNested  = 64
	maxVisits  = 2_000_000 // visits: the bodies of nested loops are looked at more than once
)

// scope is a graph during inference with the scope around it.
type scope struct {
	graph *onnx.Graph
	outer *scope
	vals  map[string]*val
	depth int
}

func (s *scope) lookup(name string) *val {
	for ; s != nil; s = s.outer {
		if v, ok := s.vals[name]; ok {
			return v
		}
	}
	return nil
}

// inferer is the state of one Infer call.
type inferer struct {
	*Shapes
	rules    map[string]rule
	funcs    map[string]*onnx.Function
	symbols  map[string]dim // dynamic axes that the caller bound
	stale    bool           // the caller's shapes contradict the declared ones, so value_info is not to be believed
	inlined  int
	visits   int
	calling  map[string]bool
	current  map[string]int64 // opsets of the model or of the function body at hand
	warnings map[string]bool
}

// Infer derives dtype and shape of every value of m. bound gives the shapes of inputs (Fixed sizes, Symbol names; an
// entry of neither leaves what the file declares); inputs that it lacks keep their declared shapes, with dynamic axes
// kept as symbols, unnamed ones under the name "input[axis]". A size given for a named axis holds wherever the file
// uses that name. Infer never guesses: what it cannot know is a Gap.
func Infer(m *onnx.Model, bound map[string][]onnx.Dim) *Shapes {
	s := &Shapes{
		model: m, values: map[*onnx.Graph]map[string]Value{}, outer: map[*onnx.Graph]*onnx.Graph{},
		bodies: map[*onnx.Node]*onnx.Graph{}, trips: map[*onnx.Node]int64{}, taken: map[*onnx.Node]*onnx.Graph{},
	}
	if m == nil || m.Graph == nil {
		return s
	}
	in := &inferer{
		Shapes: s, rules: rules(), funcs: map[string]*onnx.Function{}, symbols: map[string]dim{},
		calling: map[string]bool{}, current: opsets(m.Opsets), warnings: map[string]bool{},
	}
	for _, f := range m.Functions {
		in.funcs[f.Domain+":"+f.Name+":"+f.Overload] = f
	}
	in.bind(m.Graph, bound)
	sc := &scope{graph: m.Graph, vals: map[string]*val{}}
	for _, v := range m.Graph.Inputs {
		sc.vals[v.Name] = in.inputVal(v, bound[v.Name])
	}
	in.graph(sc)
	return s
}

func opsets(list []onnx.Opset) map[string]int64 {
	m := map[string]int64{}
	for _, o := range list {
		m[domain(o.Domain)] = o.Version
	}
	return m
}

func domain(d string) string {
	if d == "ai.onnx" {
		return ""
	}
	return d
}

// bind collects the sizes of named axes and sees whether the caller contradicts the file.
func (in *inferer) bind(g *onnx.Graph, bound map[string][]onnx.Dim) {
	for _, v := range g.Inputs {
		dims, ok := bound[v.Name]
		if !ok || v.Type == nil || !v.Type.HasShape {
			continue
		}
		if len(dims) != len(v.Type.Dims) {
			in.stale = true
			in.warn("input %q is declared with %d axes and bound with %d", v.Name, len(v.Type.Dims), len(dims))
			continue
		}
		for i, d := range dims {
			was, given := v.Type.Dims[i], dimOf(d)
			switch {
			case !given.ok:
			case was.Known && !given.is(was.Size):
				in.stale = true
			case was.Name != "":
				if old, ok := in.symbols[was.Name]; ok && !same(old, given) {
					in.warn("dynamic axis %q is bound to both %s and %s", was.Name, old, given)
					in.stale = true
					continue
				}
				in.symbols[was.Name] = given
			}
		}
	}
}

func (in *inferer) warn(format string, args ...any) {
	w := fmt.Sprintf(format, args...)
	if len(in.Warnings) < 1000 && !in.warnings[w] {
		in.warnings[w] = true
		in.Warnings = append(in.Warnings, w)
	}
}

// dimOf converts a declared dimension.
func dimOf(d onnx.Dim) dim {
	if d.Known {
		if d.Size < 0 {
			return unknown
		}
		return fixed(d.Size)
	}
	return symbol(d.Name)
}

// declared converts a declared type, with bound symbols replaced.
func (in *inferer) declared(t *onnx.Type, depth int) *val {
	if t == nil || depth > maxNested {
		return nil
	}
	v := &val{kind: t.Kind, dtype: t.DType}
	if t.Kind == onnx.KindTensor && t.HasShape && len(t.Dims) <= maxRank {
		v.ranked = true
		for _, d := range t.Dims {
			x := dimOf(d)
			if b, ok := in.symbols[d.Name]; ok && !d.Known {
				x = b
			}
			v.dims = append(v.dims, x)
		}
	}
	v.elem = in.declared(t.Elem, depth+1)
	return v
}

// inputVal returns a graph input: unnamed axes get a name of their own, the caller's dimensions win.
func (in *inferer) inputVal(info *onnx.ValueInfo, dims []onnx.Dim) *val {
	v := in.declared(info.Type, 0)
	if v == nil {
		v = &val{}
	}
	if dims != nil && (!v.ranked || len(dims) != len(v.dims)) && len(dims) <= maxRank && (v.kind == onnx.KindTensor || v.kind == onnx.KindNone) {
		v.kind, v.ranked, v.dims = onnx.KindTensor, true, make([]dim, len(dims))
	}
	for i := range v.dims {
		if i < len(dims) && len(dims) == len(v.dims) {
			if d := dimOf(dims[i]); d.ok {
				v.dims[i] = d
			}
		}
		if !v.dims[i].ok {
			v.dims[i] = symbol(fmt.Sprintf("%s[%d]", info.Name, i))
		}
	}
	return v
}
