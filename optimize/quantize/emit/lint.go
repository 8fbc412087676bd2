package emit

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"infer/model"
	"infer/model/engine"
	"infer/model/onnx"
)

// Lint is what the runtime made of a rewritten model, against what was predicted.
type Lint struct {
	Actual     map[string]string // the operator that a decided node became, by its name; "" where it was not found
	Predicted  int               // nodes that should be integer kernels
	Fused      int               // of them, those that are
	Islands    int               // QuantizeLinear and DequantizeLinear nodes that the runtime keeps
	Mismatches []string
	Missed     map[string]bool // nodes whose prediction did not come true
}

// Check opens m on p, has the runtime write the graph that it really runs, and compares that with the decisions. c is
// the configuration that the model will be run with.
func Check(ctx context.Context, p engine.Provider, c engine.Config, m *model.Model, decisions []Decision) (*Lint, error) {
	dir, err := os.MkdirTemp("", "infer-lint-*")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	c.OptimizedModelPath = filepath.Join(dir, "optimized.onnx")
	s, err := p.Open(ctx, m, c)
	if err != nil {
		return nil, err
	}
	if err := s.Close(); err != nil {
		return nil, err
	}
	optimized, closer, err := onnx.OpenFile(c.OptimizedModelPath)
	if err != nil {
		return nil, fmt.Errorf("read the graph that the runtime runs: %w", err)
	}
	defer closer.Close()
	return compare(optimized.Graph, decisions), nil
}

// compare finds what each decided node became, by its name.
func compare(g *onnx.Graph, decisions []Decision) *Lint {
	l := &Lint{Actual: map[string]string{}, Missed: map[string]bool{}}
	decided := map[string]bool{}
	for _, d := range decisions {
		decided[d.Node] = true
	}
	producers := g.Producers()
	by := map[string]*onnx.Node{}
	for _, n := range g.Nodes {
		name := originalName(n.Name, decided)
		if old := by[name]; old == nil || rank(n.OpType) > rank(old.OpType) {
			by[name] = n
		}
		if n.OpType == "QuantizeLinear" || n.OpType == "DequantizeLinear" {
			l.Islands++
		}
	}
	for _, d := range decisions {
		if d.Form == Float || d.Predicted == "" {
			continue
		}
		n := by[d.Node]
		if m := makerOf(g, d); m != nil && (n == nil || !isPredicted(d.Predicted, n.OpType)) {
			n = m
		}
		l.Actual[d.Node] = ""
		actual := "nothing of that name"
		if n != nil {
			l.Actual[d.Node], actual = n.OpType, n.OpType
			if d.Form == Static && d.Op == n.OpType && onFloats(n, producers) {
				actual += " on floats"
			}
		}
		l.Predicted++
		vanished := n == nil && d.Form == Static && d.Op == d.Predicted // it moved nothing that had to be moved
		if vanished || isPredicted(d.Predicted, actual) {
			l.Fused++
			continue
		}
		l.Missed[d.Node] = true
		l.Mismatches = append(l.Mismatches, fmt.Sprintf("%s (%s): predicted %s, the runtime made %s", d.Node, d.Op, d.Predicted, actual))
	}
	return l
}

// onFloats reports whether the first input of a node comes out of DequantizeLinear.
func onFloats(n *onnx.Node, producers map[string]*onnx.Node) bool {
	p := producers[input(n, 0)]
	return p != nil && p.OpType == "DequantizeLinear"
}

// originalName takes off what the runtime adds to the name of a decided node that it replaces.
func originalName(name string, decided map[string]bool) string {
	for short := name; short != ""; {
		if decided[short] {
			return short
		}
		last := 0
		for _, mark := range []string{"_token_", "/MatMulAddFusion", "/DuplicateDQ"} {
			last = max(last, strings.LastIndex(short, mark))
		}
		short = short[:last]
	}
	return name
}

// rank prefers computing nodes to those that the runtime puts around them under a similar name.
func rank(op string) int {
	switch op {
	case "QuantizeLinear", "DequantizeLinear", "Transpose", "Reshape", "Cast":
		return 0
	}
	return 1
}

// makerOf returns the node that makes the value of a decision, also as integers, or that was named after it.
func makerOf(g *onnx.Graph, d Decision) *onnx.Node {
	var found *onnx.Node
	for _, n := range g.Nodes {
		if slices.Contains(n.Outputs, d.Output) || slices.Contains(n.Outputs, d.Output+"_quantized") || strings.HasPrefix(n.Name, d.Output+"_") {
			if found == nil || rank(n.OpType) > rank(found.OpType) {
				found = n
			}
		}
	}
	return found
}

// isPredicted reports whether the runtime's operator is the predicted one, in whatever memory layout.
func isPredicted(predicted, actual string) bool {
	return actual == predicted || actual == "Nhwc"+predicted
}
