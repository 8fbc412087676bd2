package profile

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"infer/model"
	"infer/model/onnx"
	"infer/model/onnx/static"
	"infer/report"
)

// Inspect adds to d what the file of m tells without a runtime, at the binding want, and returns the details. Axes
// that want leaves open stay symbols in the shapes; costs are those of 1, which a warning says.
func Inspect(m *model.Model, want model.Bindings, d *report.Document) (*report.InspectDetails, error) {
	bound, err := m.Bind(want)
	if err != nil {
		return nil, err
	}
	a := analyze(m, bound.Shapes)
	symbolic := static.Infer(m.Proto, nil)
	a.metrics(m, d)
	for _, n := range slices.Concat(bound.Notes, a.shapes.Warnings, findings(m), ties(m)) {
		d.Warn("%s", n)
	}
	p := m.Proto
	out := &report.InspectDetails{
		Format: string(m.Format()), ORT: ortFile(m), External: beside(m), Compiled: compiled(p),
		IRVersion: p.IRVersion, Graph: p.Graph.Name, Opsets: []report.Opset{},
		Producer:     strings.TrimSpace(p.Producer + " " + p.ProducerVersion),
		Inputs:       ports(m.Inputs(), func(q model.Port) string { return boundText(bound, q) }),
		Outputs:      ports(m.Outputs(), func(q model.Port) string { return inferredText(a.shapes, p.Graph, q.Name) }),
		Ops:          a.ops(),
		ParamsBy:     paramsBy(p),
		Quantization: quantization(p.Graph),
		Initializers: a.costs.ParamBytes,
		Subgraphs:    subgraphs(p.Graph),
		Functions:    len(p.Functions),
		Coverage:     report.Coverage{Shapes: a.covered(), Cost: a.costs.Coverage()},
		Unknown:      unknownOps(symbolic, a.costs),
		Metadata:     metadata(p.Metadata),
		Largest:      largest(p),
		Memory:       a.peak(),
	}
	for _, o := range p.Opsets {
		out.Opsets = append(out.Opsets, report.Opset{Domain: o.Domain, Version: o.Version})
	}
	return out, nil
}

// findings are what is worth a warning in a file that is fine otherwise.
func findings(m *model.Model) []string {
	var list []string
	stored := map[string]bool{}
	for _, t := range m.Proto.Graph.Initializers {
		stored[t.Name] = true
	}
	n := 0
	for _, v := range m.Proto.Graph.Inputs {
		if stored[v.Name] {
			n++
		}
	}
	if n > 0 {
		list = append(list, fmt.Sprintf("%d initializers are graph inputs too: the runtime cannot fold them as constants; re-export with keep_initializers_as_inputs=False", n))
	}
	if v := m.Proto.Opset(""); v > 0 && v < 9 {
		list = append(list, fmt.Sprintf("opset %d is older than most tools take; convert it to 13 or newer", v))
	}
	return list
}

func ports(list []model.Port, bound func(model.Port) string) []report.PortInfo {
	out := []report.PortInfo{}
	for _, p := range list {
		info := report.PortInfo{Name: p.Name, Type: kindText(p.Type.Kind), Shape: shapeOf(p.Type)}
		if p.Type.Kind == onnx.KindTensor {
			info.DType = p.Type.DType.String()
		}
		if b := bound(p); b != info.Shape {
			info.Bound = b
		}
		out = append(out, info)
	}
	return out
}

func boundText(b model.Bound, p model.Port) string {
	s, ok := b.Shapes[p.Name]
	if !ok {
		return shapeOf(p.Type)
	}
	return spaced(s.String())
}

// inferredText is the shape that inference found for a value at the binding.
func inferredText(s *static.Shapes, g *onnx.Graph, name string) string {
	v, ok := s.Of(g, name)
	if !ok || v.Kind != onnx.KindTensor || !v.HasShape {
		return "?"
	}
	return spaced(v.String())
}

// spaced writes 1x3x224 as "1 x 3 x 224", the form of declared shapes.
func spaced(s string) string {
	if strings.ContainsAny(s, " ") || s == "scalar" {
		return s
	}
	return strings.ReplaceAll(s, "x", " x ")
}

func kindText(k onnx.TypeKind) string {
	switch k {
	case onnx.KindTensor:
		return "tensor"
	case onnx.KindSparseTensor:
		return "sparse tensor"
	case onnx.KindSequence:
		return "sequence"
	case onnx.KindMap:
		return "map"
	case onnx.KindOptional:
		return "optional"
	case onnx.KindOpaque:
		return "opaque"
	}
	return "unknown"
}

// shapeOf formats a declared shape: "batch x 3 x 224", "scalar", "?" for an unknown axis or rank.
func shapeOf(t *onnx.Type) string {
	if t == nil || t.Kind != onnx.KindTensor || !t.HasShape {
		return "?"
	}
	return spaced(static.Value{Kind: t.Kind, HasShape: true, Dims: t.Dims}.String())
}

// ops counts the operators of all graphs with the multiply-accumulates of the main one.
func (a analysis) ops() []report.OpCount {
	macs := a.macsByOp()
	out := []report.OpCount{}
	for _, o := range a.costs.Ops {
		row := report.OpCount{Op: o.Op, Count: o.Count}
		if i := strings.LastIndex(o.Op, "."); i >= 0 {
			row.Domain, row.Op = o.Op[:i], o.Op[i+1:]
		}
		if v, ok := macs[row.Op]; ok {
			row.MACs = &v
		}
		out = append(out, row)
	}
	return out
}

// covered is the share of main-graph nodes whose output shapes are all known at the binding.
func (a analysis) covered() float64 {
	if a.costs.MainNodes == 0 {
		return 1
	}
	open := map[*onnx.Node]bool{}
	for _, c := range a.costs.Nodes {
		for _, name := range c.Node.Outputs {
			if v, ok := a.shapes.Of(c.Graph, name); name != "" && ok {
				if _, known := v.Shape(); v.Kind == onnx.KindTensor && !known {
					open[c.Node] = true
				}
			}
		}
	}
	return 1 - float64(len(open))/float64(a.costs.MainNodes)
}

// unknownOps names the operators without a shape rule or a cost formula.
func unknownOps(s *static.Shapes, c *static.Costs) []string {
	names := map[string]bool{}
	name := func(n *onnx.Node) string {
		if n.Domain == "" || n.Domain == "ai.onnx" {
			return n.OpType
		}
		return n.Domain + "." + n.OpType
	}
	for _, g := range s.Gaps {
		if g.Reason == static.UnknownOperator {
			names[name(g.Node)] = true
		}
	}
	for _, n := range c.Nodes {
		if !n.Known {
			names[name(n.Node)] = true
		}
	}
	return sortedKeys(names)
}

func paramsBy(m *onnx.Model) []report.DTypeCount {
	rows := map[string]*report.DTypeCount{}
	_ = m.Tensors(func(t *onnx.Tensor) error {
		n, err := t.Dims.Elements()
		if err != nil {
			return nil // model.Load has refused what does not fit
		}
		size, err := t.ByteSize()
		if err != nil {
			size = 0
		}
		name := t.DType.String()
		if rows[name] == nil {
			rows[name] = &report.DTypeCount{DType: name}
		}
		rows[name].Params += n
		rows[name].Bytes += size
		return nil
	})
	out := []report.DTypeCount{}
	for _, name := range sortedKeys(rows) {
		out = append(out, *rows[name])
	}
	slices.SortStableFunc(out, func(a, b report.DTypeCount) int { return cmp.Compare(b.Bytes, a.Bytes) })
	return out
}

// largest returns the five largest stored tensors.
func largest(m *onnx.Model) []report.NamedBytes {
	var list []report.NamedBytes
	_ = m.Tensors(func(t *onnx.Tensor) error {
		if size, err := t.ByteSize(); err == nil && size > 0 && t.Name != "" {
			list = append(list, report.NamedBytes{Name: t.Name, Bytes: size, DType: t.DType.String(), Shape: t.Dims.String()})
		}
		return nil
	})
	slices.SortStableFunc(list, func(a, b report.NamedBytes) int { return cmp.Compare(b.Bytes, a.Bytes) })
	return list[:min(len(list), 5)]
}

func subgraphs(g *onnx.Graph) int {
	n := -1
	g.Walk(func(*onnx.Graph) { n++ })
	return max(n, 0)
}

func metadata(props []onnx.Prop) map[string]string {
	if len(props) == 0 {
		return nil
	}
	out := map[string]string{}
	for _, p := range props {
		out[p.Key] = p.Value
	}
	return out
}
