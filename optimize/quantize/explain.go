package quantize

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"infer/internal/fault"
	"infer/optimize/quantize/emit"
	"infer/report"
)

// measureGroups ranks the groups of a candidate for the report, where the user asked for it.
func (q *quantizer) measureGroups(ctx context.Context, c *candidate) error {
	if !q.options.Sensitivity || c == nil || c.built == nil || c.built.model == nil {
		return nil
	}
	all := c.recipe
	all.Float = nil
	whole := &candidate{name: c.name, recipe: all}
	var err error
	if whole.built, err = q.build(ctx, all); err != nil {
		return err
	}
	groups, err := q.rank(ctx, whole)
	if err != nil {
		return err
	}
	for _, g := range groups {
		e, db := g.error, decibels(1, g.error)
		r := report.QuantizeGroup{Name: g.nodes[0], Nodes: g.nodes, Ops: strings.Join(g.ops, "+"), Error: &e, SQNR: &db, Bytes: g.bytes, Kept: !slices.Contains(c.recipe.Float, g.nodes[0])}
		if g.known {
			gain := g.gain
			r.Gain = &gain
		}
		if !r.Kept {
			r.Reason = q.whyFloat(g.nodes[0])
		}
		q.details.Groups = append(q.details.Groups, r)
	}
	slices.SortStableFunc(q.details.Groups, func(a, b report.QuantizeGroup) int { return cmp.Compare(*b.Error, *a.Error) })
	return nil
}

// findExplained looks for the node that the user asks about, before any work: a misspelt name is an error.
func (q *quantizer) findExplained() error {
	name := q.options.Explain
	if name == "" {
		return nil
	}
	for _, n := range q.prepared.Graph.Nodes {
		if n.Name == name {
			q.details.Explain = &report.Explanation{Node: name, Op: n.OpType, Form: string(emit.Float), Why: "no form of quantization applies to " + n.OpType}
			return nil
		}
	}
	return fault.New(fault.Usage, q.nearName(name), "--explain %q: the prepared graph has no node of that name", name)
}

// explain tells everything known about the node that the user asked about.
func (q *quantizer) explain(ctx context.Context, c *candidate) error {
	x := q.details.Explain
	if x == nil || c == nil || c.built == nil {
		return nil
	}
	return q.explainDecision(ctx, x, c)
}

func (q *quantizer) nearName(name string) string {
	var names []string
	for _, n := range q.prepared.Graph.Nodes {
		names = append(names, n.Name)
	}
	if near := fault.Nearest(name, names); near != "" {
		return fmt.Sprintf("did you mean %q?", near)
	}
	return "the names are under details.nodes of the report (--format json)"
}

func (q *quantizer) explainDecision(ctx context.Context, x *report.Explanation, c *candidate) error {
	x.Why = c.name + " leaves it as it is"
	for _, d := range c.built.decisions {
		if d.Node != x.Node {
			if slices.Contains(d.Absorbed, x.Node) {
				x.Form, x.Why = string(d.Form), fmt.Sprintf("it became part of %s (%s)", d.Node, d.Op)
			}
			continue
		}
		x.Form, x.Why = string(d.Form), d.Why
		if d.Predicted != "" {
			x.Facts = append(x.Facts, "the runtime should make "+d.Predicted+" of it")
		}
		if c.lint != nil && c.lint.Actual[d.Node] != "" {
			x.Facts = append(x.Facts, "the runtime makes "+c.lint.Actual[d.Node]+" of it")
		}
	}
	e := c.built.emitted
	if e == nil {
		return nil
	}
	for _, w := range e.Weights {
		if w.Node == x.Node {
			x.Weight = &report.WeightOf{Name: w.Name, Shape: w.Shape.String(), DType: w.DType.String(), Axis: w.Axis, Block: w.Block,
				ScaleMin: float64(slices.Min(w.Scales)), ScaleMax: float64(slices.Max(w.Scales)), SQNR: min(w.SQNR, maxDecibels)}
		}
	}
	return q.explainTensors(ctx, x, c)
}

// explainTensors adds the activations that the node reads and makes, and the histogram of the first.
func (q *quantizer) explainTensors(ctx context.Context, x *report.Explanation, c *candidate) error {
	var values []string
	m, err := q.base(ctx, c.recipe)
	if err != nil {
		return err
	}
	for _, u := range q.plan(m, c.recipe).Units {
		if u.Node == x.Node {
			values = append(slices.Clone(u.In), u.Out)
		}
	}
	methods := map[string]string{}
	for _, r := range c.recipe.Ranges {
		methods[r.Value] = r.Method
	}
	for _, v := range values {
		for _, t := range c.built.emitted.Tensors {
			if t.Value == v {
				x.Tensors = append(x.Tensors, q.rangeOf(c, t, methods[v]))
			}
		}
	}
	table := q.tables[tableKey(c.recipe)]
	if len(x.Tensors) == 0 || table == nil {
		return nil
	}
	if o, ok := table.Observation(x.Tensors[0].Tensor); ok && o.Fit != nil && len(o.Fit.Counts) > 0 {
		x.Bins, x.Counts = coarse(int(o.Fit.First), o.Fit.Counts, o.Fit.Width())
	}
	return nil
}

// coarseBins are the bins of a histogram in a report.
const coarseBins = 40

// coarse adds neighbouring bins up until few are left, and returns their edges and counts.
func coarse(first int, counts []uint64, width float64) (edges []float64, out []uint64) {
	step := (len(counts) + coarseBins - 1) / coarseBins
	for i := 0; i < len(counts); i += step {
		edges = append(edges, float64(first+i)*width)
		n := uint64(0)
		for _, c := range counts[i:min(i+step, len(counts))] {
			n += c
		}
		out = append(out, n)
	}
	return append(edges, float64(first+len(counts))*width), out
}
