package render

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"infer/report"
)

func inspectSections(d report.InspectDetails, o Options) []section {
	if d.Diff != nil {
		return diffSections(*d.Diff)
	}
	return []section{
		modelSection(d), ports("Inputs", d.Inputs), ports("Outputs", d.Outputs), opsSection(d.Ops, o), dtypes(d.ParamsBy),
		memorySection(d.Memory, o),
		{title: "Largest constants", table: sizes("constant", d.Largest, 5)},
		{title: "Files beside it", table: sizes("file", d.External, 5)},
		compiledSection(d.Compiled),
		metadata(d.Metadata),
	}
}

func modelSection(d report.InspectDetails) section {
	s := section{title: "Model"}
	add := func(name, value string) {
		if value != "" {
			s.facts = append(s.facts, fact{name, value})
		}
	}
	if o := d.ORT; o != nil {
		add("format", fmt.Sprintf("ONNX Runtime (.ort), version %d, written by ONNX Runtime %s", o.Version, o.Runtimes))
		if o.Optimizations > 0 {
			add("saved", plural(o.Optimizations, "optimization")+" for the runtime to make")
		}
	}
	var opsets []string
	for _, x := range d.Opsets {
		opsets = append(opsets, strings.TrimSpace(domain(x.Domain)+" "+fmt.Sprint(x.Version)))
	}
	add("opset", strings.Join(opsets, ", ")+fmt.Sprintf(" (IR version %d)", d.IRVersion))
	add("producer", d.Producer)
	add("graph", d.Graph)
	q := d.Quantization
	if v := q.State; v != "" {
		if q.Nodes > 0 {
			v += ", " + plural(q.Nodes, "node")
		}
		if len(q.Formats) > 0 {
			v += ", " + strings.Join(q.Formats, ", ")
		}
		add("quantization", v)
	}
	if d.Initializers > 0 {
		add("initializers", bytesText(d.Initializers))
	}
	if d.Subgraphs > 0 {
		add("subgraphs", fmt.Sprint(d.Subgraphs))
	}
	if d.Functions > 0 {
		add("functions", fmt.Sprint(d.Functions))
	}
	add("known", fmt.Sprintf("shapes of %s of the nodes, cost of %s", percent(d.Coverage.Shapes), percent(d.Coverage.Cost)))
	if len(d.Unknown) > 0 {
		add("not understood", strings.Join(d.Unknown, ", "))
	}
	return s
}

// compiledSection lists what execution providers have compiled.
func compiledSection(list []report.CompiledPart) section {
	if len(list) == 0 {
		return section{}
	}
	t := &table{cols: []column{{head: "compiled part", shrink: true}, {head: "provider"}, {head: "version"}, {head: "hardware"}, {head: "cache", shrink: true}}}
	for _, c := range list {
		file := c.File
		if file == "" {
			file = "in the model"
		}
		t.rows = append(t.rows, []cell{code(c.Node), str(c.Provider), str(c.Version), str(c.Hardware), code(file)})
	}
	return section{title: "Compiled parts", table: t}
}

func domain(d string) string {
	if d == "" {
		return "ai.onnx"
	}
	return d
}

func ports(title string, list []report.PortInfo) section {
	t := &table{cols: []column{{head: "name", shrink: true}, {head: "type"}, {head: "dtype"}, {head: "shape", shrink: true}, {head: "bound to"}}}
	for _, p := range list {
		kind := p.Type
		if kind == "tensor" {
			kind = ""
		}
		shape := p.Shape
		if shape == "" && p.Type == "tensor" {
			shape = "scalar"
		}
		t.rows = append(t.rows, []cell{code(p.Name), str(kind), str(p.DType), str(shape), str(p.Bound)})
	}
	return section{title: title, table: t.compact()}
}

// opsSection counts the operators, with a bar for the share of MACs.
func opsSection(ops []report.OpCount, o Options) section {
	total := 0.0
	for _, op := range ops {
		if op.MACs != nil {
			total += *op.MACs
		}
	}
	t := &table{cols: []column{{head: "operator", shrink: true}, {head: "nodes", right: true}, {head: "MACs", right: true}, {head: "share", right: true, drop: 2}}}
	if total > 0 {
		t.cols = append(t.cols, column{bar: true, drop: 1})
	}
	t.cols = append(t.cols, column{head: "params", right: true, drop: 3})
	shown := rowsToShow(len(ops), 0, o)
	for _, op := range ops[:shown] {
		name := op.Op
		if op.Domain != "" && op.Domain != "ai.onnx" {
			name = op.Domain + "." + op.Op
		}
		row := []cell{code(name), str(fmt.Sprint(op.Count)), {}, {}}
		part := 0.0
		if op.MACs != nil && total > 0 {
			part = *op.MACs / total
			row[2] = str(countText(*op.MACs))
			if part > 0 {
				row[3] = str(percent(part))
			}
		}
		if total > 0 {
			row = append(row, cell{bar: part})
		}
		params := cell{}
		if op.Params != nil && *op.Params > 0 {
			params = str(countText(*op.Params))
		}
		t.rows = append(t.rows, append(row, params))
	}
	if n := len(ops) - shown; n > 0 {
		t.more = fmt.Sprintf("and %d more operators", n)
	}
	return section{title: "Operators", table: t.compact()}
}

func dtypes(list []report.DTypeCount) section {
	t := &table{cols: []column{{head: "dtype"}, {head: "params", right: true}, {head: "size", right: true}}}
	for _, c := range list {
		t.rows = append(t.rows, []cell{str(c.DType), str(countText(c.Params)), str(bytesText(c.Bytes))})
	}
	return section{title: "Constants by dtype", table: t}
}

func metadata(m map[string]string) section {
	s := section{title: "Metadata", fold: true}
	for _, k := range slices.Sorted(maps.Keys(m)) {
		v := []rune(m[k])
		if len(v) > 200 { // some exporters keep whole programs here
			v = append(v[:199:199], '…')
		}
		s.facts = append(s.facts, fact{k, string(v)})
	}
	return s
}

func diffSections(d report.DiffDetails) []section {
	head := section{title: "Difference", facts: []fact{{"base", d.Base}, {"head", d.Head}}}
	if d.Identical {
		head.lines = []cell{{text: "no difference in signature, operators, nodes, constants or cost", tone: good}}
	}
	part := func(title string, rows []report.DiffRow) section {
		t := &table{cols: []column{{head: "what", shrink: true}, {head: "base", right: true, shrink: true}, {head: "head", right: true, shrink: true}}}
		side := func(s string) cell {
			if s == "" {
				return faint("—")
			}
			return str(s)
		}
		for _, r := range rows {
			t.rows = append(t.rows, []cell{code(r.What), side(r.Base), side(r.Head)})
		}
		return section{title: title, table: t}
	}
	return []section{head, part("Signature", d.Signature), part("Operators", d.Ops), part("Nodes", d.Nodes), part("Constants", d.Constants), part("Cost", d.Cost)}
}
