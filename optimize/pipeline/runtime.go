package pipeline

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"infer/model"
	"infer/model/onnx"
)

// sameGraph reports whether the runtime makes the same graph of two models, names aside: then neither can be the faster
// one, whatever a noisy machine seems to show. A provider that cannot tell makes it false.
func (p *pipeline) sameGraph(ctx context.Context, a, b *model.Model) bool {
	x, err := p.runtimeGraph(ctx, a)
	if err != nil {
		return false
	}
	y, err := p.runtimeGraph(ctx, b)
	return err == nil && slices.Equal(x, y)
}

// runtimeGraph returns a line for each node that the runtime really runs, sorted: its operator, attributes, and the
// types and shapes of the constants that it reads.
func (p *pipeline) runtimeGraph(ctx context.Context, m *model.Model) ([]string, error) {
	dir, err := os.MkdirTemp("", "infer-optimize-*")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	c := p.Config
	c.OptimizedModelPath = filepath.Join(dir, "optimized.onnx")
	s, err := p.Provider.Open(ctx, m, c)
	if err != nil {
		return nil, err
	}
	s.Close()
	proto, closer, err := onnx.OpenFile(c.OptimizedModelPath)
	if err != nil {
		return nil, err
	}
	defer closer.Close()
	var lines []string
	proto.Walk(func(g *onnx.Graph) {
		constants := map[string]string{}
		for _, t := range g.Initializers {
			constants[t.Name] = fmt.Sprint(t.DType, t.Dims)
		}
		for _, n := range g.Nodes {
			lines = append(lines, nodeLine(n, constants))
		}
	})
	slices.Sort(lines)
	return lines, nil
}

func nodeLine(n *onnx.Node, constants map[string]string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s.%s", n.Domain, n.OpType)
	for _, v := range n.Inputs {
		fmt.Fprintf(&b, " %s", constants[v])
	}
	attrs := slices.Clone(n.Attrs)
	slices.SortFunc(attrs, func(x, y *onnx.Attribute) int { return strings.Compare(x.Name, y.Name) })
	for _, a := range attrs {
		fmt.Fprintf(&b, " %s=%v,%v,%s,%v,%v,%q", a.Name, a.F, a.I, a.S, a.Floats, a.Ints, a.Strings)
	}
	return b.String()
}
