package profile

import (
	"crypto/sha256"
	"fmt"
	"maps"
	"slices"
	"strings"

	"infer/model"
	"infer/model/onnx"
	"infer/report"
)

// Diff compares two models at the same binding: signature, operators, constants, cost. Base is the model that was
// named first. Names that want binds and head lacks are an error of head's.
func Diff(base, head *model.Model, want model.Bindings) (*report.DiffDetails, error) {
	b, err := inspected(base, want)
	if err != nil {
		return nil, err
	}
	h, err := inspected(head, want)
	if err != nil {
		return nil, fmt.Errorf("%q: %w", head.Path, err)
	}
	d := &report.DiffDetails{
		Base: base.Path, Head: head.Path,
		Signature: rows(signature(base, b.details), signature(head, h.details)),
		Ops:       rows(opCounts(b.details), opCounts(h.details)),
		Nodes:     nodeRows(base.Proto, head.Proto),
		Constants: constants(base.Proto, head.Proto),
		Cost:      rows(costs(b.doc), costs(h.doc)),
	}
	d.Identical = len(d.Signature)+len(d.Ops)+len(d.Nodes)+len(d.Constants)+len(d.Cost) == 0
	return d, nil
}

type side struct {
	details *report.InspectDetails
	doc     *report.Document
}

func inspected(m *model.Model, want model.Bindings) (side, error) {
	d := report.New("inspect")
	details, err := Inspect(m, want, d)
	return side{details, d}, err
}

// rows returns what differs between two maps, in order of their keys.
func rows(base, head map[string]string) []report.DiffRow {
	var out []report.DiffRow
	for _, k := range keysOfBoth(base, head) {
		if base[k] != head[k] {
			out = append(out, report.DiffRow{What: k, Base: base[k], Head: head[k]})
		}
	}
	return out
}

// keysOfBoth returns the keys that either map has, sorted.
func keysOfBoth[V any](a, b map[string]V) []string {
	all := maps.Clone(a)
	maps.Copy(all, b)
	return sortedKeys(all)
}

func signature(m *model.Model, d *report.InspectDetails) map[string]string {
	out := map[string]string{"IR version": fmt.Sprint(d.IRVersion), "producer": d.Producer, "quantization": d.Quantization.State}
	for _, o := range d.Opsets {
		name := o.Domain
		if name == "" {
			name = "ai.onnx"
		}
		out["opset "+name] = fmt.Sprint(o.Version)
	}
	for _, p := range d.Inputs {
		out["input "+p.Name] = p.DType + " " + p.Shape
	}
	for _, p := range d.Outputs {
		out["output "+p.Name] = p.DType + " " + p.Shape
	}
	return out
}

func opCounts(d *report.InspectDetails) map[string]string {
	out := map[string]string{}
	for _, o := range d.Ops {
		name := o.Op
		if o.Domain != "" {
			name = o.Domain + "." + o.Op
		}
		out[name] = fmt.Sprint(o.Count)
	}
	return out
}

func costs(d *report.Document) map[string]string {
	out := map[string]string{}
	for i := range d.Metrics {
		text, _ := d.Metrics[i].Text()
		out[d.Metrics[i].Name] = text
	}
	return out
}

// maxRows is how many changed nodes, and constants, are named one by one.
const maxRows = 50

// nodeRows compares the nodes of all graphs that both models have under one name, and names those that only one has.
func nodeRows(base, head *onnx.Model) []report.DiffRow {
	b, h := nodesOf(base), nodesOf(head)
	var out []report.DiffRow
	for _, name := range keysOfBoth(b, h) {
		x, y := b[name], h[name]
		switch {
		case x == nil:
			out = append(out, report.DiffRow{What: name, Head: y["operator"]})
		case y == nil:
			out = append(out, report.DiffRow{What: name, Base: x["operator"]})
		default:
			for _, r := range rows(x, y) {
				r.What = name + " " + r.What
				out = append(out, r)
			}
		}
	}
	return capped(out)
}

// capped keeps the first rows and says how many more there are.
func capped(list []report.DiffRow) []report.DiffRow {
	if more := len(list) - maxRows; more > 0 {
		return append(slices.Clip(list[:maxRows]), report.DiffRow{What: fmt.Sprintf("and %d more", more)})
	}
	return list
}

// nodesOf describes every node, of graphs within graphs and functions too, by what it is, reads, writes and is set to. A
// node without a name of its own goes by its operator and first output.
func nodesOf(m *onnx.Model) map[string]map[string]string {
	out := map[string]map[string]string{}
	describe := func(nodes []*onnx.Node) {
		for _, n := range nodes {
			d := map[string]string{
				"operator": strings.TrimPrefix(n.Domain+"."+n.OpType, "."),
				"inputs":   strings.Join(n.Inputs, ", "), "outputs": strings.Join(n.Outputs, ", "),
			}
			for _, a := range n.Attrs {
				d["attribute "+a.Name] = attrText(a)
			}
			out[freeName(out, nodeName(n))] = d
		}
	}
	m.Walk(func(g *onnx.Graph) { describe(g.Nodes) })
	for _, f := range m.Functions {
		describe(f.Nodes)
	}
	return out
}

// freeName is name, or with a number where taken has it already.
func freeName[V any](taken map[string]V, name string) string {
	free := name
	for i := 2; ; i++ {
		if _, ok := taken[free]; !ok {
			return free
		}
		free = fmt.Sprintf("%s (%d)", name, i)
	}
}

// attrText writes an attribute's value; tensors by dtype, shape and a few digits of their sum, graphs by their size
// (their nodes are compared one by one).
func attrText(a *onnx.Attribute) string {
	switch a.Type {
	case onnx.AttrFloat:
		return fmt.Sprint(a.F)
	case onnx.AttrInt:
		return fmt.Sprint(a.I)
	case onnx.AttrString:
		return fmt.Sprintf("%q", a.S)
	case onnx.AttrInts:
		return fmt.Sprint(a.Ints)
	case onnx.AttrTensor:
		c := fingerprint(a.T)
		return fmt.Sprintf("%s %x", c.shape, c.sum[:4])
	case onnx.AttrGraph:
		if a.G == nil {
			return "no graph"
		}
		return fmt.Sprintf("graph of %d nodes", len(a.G.Nodes))
	}
	h := sha256.New()
	fmt.Fprint(h, a.Floats, a.Strings)
	tensors := slices.Clone(a.Tensors)
	for _, s := range append(slices.Clone(a.Sparses), a.Sparse) {
		if s != nil {
			fmt.Fprint(h, s.Dims)
			tensors = append(tensors, s.Values, s.Indices)
		}
	}
	for _, t := range tensors {
		c := fingerprint(t)
		h.Write(c.sum[:])
	}
	return fmt.Sprintf("%d floats, %d strings, %d tensors, %d graphs %x", len(a.Floats), len(a.Strings), len(tensors), len(a.Graphs), h.Sum(nil)[:4])
}

// constants compares the initializers of all graphs by name: dtype, shape and bytes.
func constants(base, head *onnx.Model) []report.DiffRow {
	b, h := fingerprints(base), fingerprints(head)
	var out []report.DiffRow
	for _, name := range keysOfBoth(b, h) {
		x, y := b[name], h[name]
		switch {
		case x == y:
		case x.shape != y.shape:
			out = append(out, report.DiffRow{What: name, Base: x.shape, Head: y.shape})
		default:
			out = append(out, report.DiffRow{What: name, Base: x.shape, Head: y.shape + ", other values"})
		}
	}
	return capped(out)
}

type constant struct {
	shape string
	sum   [sha256.Size]byte
}

func fingerprints(m *onnx.Model) map[string]constant {
	out := map[string]constant{}
	m.Walk(func(g *onnx.Graph) {
		for _, t := range g.Initializers {
			out[freeName(out, t.Name)] = fingerprint(t)
		}
		for _, s := range g.Sparse {
			if s.Values != nil {
				out[freeName(out, s.Values.Name)] = fingerprint(s.Values)
				out[freeName(out, s.Values.Name+" indices")] = fingerprint(s.Indices)
			}
		}
	})
	return out
}

func fingerprint(t *onnx.Tensor) constant {
	if t == nil {
		return constant{}
	}
	c := constant{shape: t.DType.String() + " " + t.Dims.String()}
	if v, err := t.Value(); err == nil {
		h := sha256.New()
		h.Write(v.Data)
		for _, s := range v.Strings {
			fmt.Fprintf(h, "%d:%s", len(s), s)
		}
		copy(c.sum[:], h.Sum(nil))
	}
	return c
}
