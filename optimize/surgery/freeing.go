package surgery

import (
	"fmt"
	"strings"
	"unicode"

	"infer/internal/fault"
	"infer/model/onnx"
	"infer/model/onnx/static"
	"infer/optimize"
)

// freeing makes the axes of one name dynamic. It infers the shapes with the name in the place of the old size, looks
// at the nodes in order, and mends those that hold the old size. What follows a mended node is looked at after the next
// inference, so a node is judged only by shapes that are right.
type freeing struct {
	model  *onnx.Model
	name   string // of the axis
	rows   int64  // its size until now
	source freedAxis
	count  string // the value that holds the number of rows, a vector of one; "" until it is needed
	lines  []string

	before, now *static.Shapes // with the old size; with the name
	rules       map[string]rule
	depends     map[string]bool
	stated      map[*onnx.ValueInfo]*onnx.Type // the types that were taken away
	outer       map[string]int64               // place.outer of values where it is not 1
	waiting     map[string]bool                // values whose shapes are not right yet
	editors     map[*onnx.Graph]*optimize.Editor
}

// place is where the rows of a value are: along axis, of whose elements outer lie outside of them. An axis of 12·rows
// that holds 12 for each row has outer 1; one that holds the rows 12 times has outer 12.
type place struct {
	axis  int
	outer int64
}

func (f *freeing) say(format string, args ...any) {
	f.lines = append(f.lines, fmt.Sprintf(format, args...))
}

// run mends nodes until nothing is left to mend, and states the types again.
func (f *freeing) run() error {
	rounds := 1
	f.model.Graph.Walk(func(g *onnx.Graph) { rounds += 2 * len(g.Nodes) })
	for range rounds {
		f.now = static.Infer(f.model, nil)
		f.outer, f.waiting, f.editors = map[string]int64{}, map[string]bool{}, map[*onnx.Graph]*optimize.Editor{}
		mended, err := f.graph(f.model.Graph)
		if err != nil {
			return err
		}
		for g := range f.editors {
			if err := g.SortNodes(); err != nil {
				return err
			}
		}
		if !mended {
			f.restate()
			return optimize.NewEditor(f.model, f.model.Graph).Finish()
		}
	}
	return fault.New(fault.Internal, "", "axis %q cannot be freed: the graph did not settle", f.name)
}

// graph looks at the nodes of g and reports whether it mended any.
func (f *freeing) graph(g *onnx.Graph) (bool, error) {
	any := false
	for _, n := range g.Nodes {
		needs, waits := false, false
		for _, v := range reads(n) {
			needs, waits = needs || f.depends[v], waits || f.waiting[v]
		}
		if !needs {
			continue
		}
		mended := false
		for _, sub := range n.Subgraphs() {
			if waits {
				break
			}
			m, err := f.graph(sub)
			if err != nil {
				return false, err
			}
			mended = mended || m
		}
		if !waits && !mended {
			var err error
			if mended, err = f.judge(g, n); err != nil {
				return false, err
			}
		}
		any = any || mended
		for _, o := range n.Outputs {
			f.waiting[o] = o != "" && (waits || mended)
		}
	}
	return any, nil
}

// editor returns the editor of g in this round.
func (f *freeing) editor(g *onnx.Graph) *optimize.Editor {
	if f.editors[g] == nil {
		f.editors[g] = optimize.NewEditor(f.model, g)
	}
	return f.editors[g]
}

// blocked is the error of a node that stands in the way.
func (f *freeing) blocked(n *onnx.Node, format string, args ...any) error {
	return fault.New(fault.Unsupported, "export the model again with a dynamic batch axis, or cut the part out that allows it",
		"axis %q cannot be freed: %s: %s", f.name, label(n), fmt.Sprintf(format, args...))
}

// place returns where the rows of a value are; false where it has none. It fails where the rows are not along one
// axis that they and constants alone make up.
func (f *freeing) place(g *onnx.Graph, value string) (p place, found bool, err error) {
	v, ok := f.now.Of(g, value)
	if value == "" || !ok {
		return place{}, false, nil
	}
	for i, d := range v.Dims {
		switch in, whole := share(d, f.name); {
		case !in:
		case !whole:
			return place{}, false, fmt.Errorf("%q has %s elements on axis %d, which is no multiple of the rows", value, d.Name, i)
		case found:
			return place{}, false, fmt.Errorf("%q has the rows on axes %d and %d", value, p.axis, i)
		default:
			p, found = place{i, max(f.outer[value], 1)}, true
		}
	}
	return p, found, nil
}

// share reports whether a dimension depends on a named axis, and whether it is a multiple of it.
func share(d onnx.Dim, name string) (in, multiple bool) {
	if d.Known {
		return false, false
	}
	if d.Name == name {
		return true, true
	}
	words := strings.FieldsFunc(d.Name, func(r rune) bool { return r != '_' && !unicode.IsLetter(r) && !unicode.IsDigit(r) })
	times := 0
	for _, w := range words {
		if w == name {
			times++
		}
	}
	if times != 1 {
		return times > 0, false
	}
	whole, depth, from := false, 0, 0
	for i, r := range d.Name + "*" {
		switch {
		case r == '(':
			depth++
		case r == ')':
			depth--
		case depth > 0:
		case r == ' ': // a sum: "batch + 1"
			return true, false
		case r == '*':
			whole = whole || d.Name[from:i] == name
			from = i + 1
		}
	}
	return true, whole
}

// restate gives values their stated types again, as they are now.
func (f *freeing) restate() {
	f.model.Graph.Walk(func(g *onnx.Graph) {
		for _, list := range [][]*onnx.ValueInfo{g.Inputs, g.Outputs, g.ValueInfo} {
			for _, v := range list {
				if was := f.stated[v]; was != nil {
					v.Type = f.restated(g, v.Name, was)
				}
			}
		}
	})
}

// restated is a stated type with the axes that inference knows. Where it knows less, dynamic axes stay as they were.
func (f *freeing) restated(g *onnx.Graph, name string, was *onnx.Type) *onnx.Type {
	v, ok := f.now.Of(g, name)
	if !ok || v.Kind != onnx.KindTensor || !v.HasShape {
		return &onnx.Type{Kind: was.Kind, DType: was.DType, Denotation: was.Denotation}
	}
	t := was.Clone()
	t.HasShape, t.Dims = true, typeOf(v).Dims
	for i, d := range t.Dims {
		if len(was.Dims) == len(t.Dims) && v.Dims[i].Name == "" && !d.Known && !was.Dims[i].Known {
			t.Dims[i] = was.Dims[i]
		}
	}
	return t
}
