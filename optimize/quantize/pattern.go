package quantize

import (
	"regexp"
	"strings"

	"infer/internal/fault"
	"infer/model/onnx"
)

// Pattern picks nodes: by their name, or by their operator.
type Pattern struct {
	Text string
	op   string
	name *regexp.Regexp
}

// ParsePattern reads a regular expression that a node's name must contain a match of, or "op:Conv".
func ParsePattern(text string) (Pattern, error) {
	if op, ok := strings.CutPrefix(text, "op:"); ok {
		if op == "" {
			return Pattern{}, fault.New(fault.Usage, "write op:Conv", "pattern %q names no operator", text)
		}
		return Pattern{Text: text, op: op}, nil
	}
	if text == "" {
		return Pattern{}, fault.New(fault.Usage, "write a regular expression of node names, or op:Conv", "pattern %q picks every node", text)
	}
	re, err := regexp.Compile(text)
	if err != nil {
		return Pattern{}, fault.New(fault.Usage, "write a regular expression of node names, or op:Conv", "pattern %q: %w", text, err)
	}
	return Pattern{Text: text, name: re}, nil
}

// parsePatterns is ParsePattern for each of list.
func parsePatterns(list []string) ([]Pattern, error) {
	var out []Pattern
	for _, text := range list {
		p, err := ParsePattern(text)
		if err != nil {
			return nil, err
		}
		out = append(out, p)
	}
	return out, nil
}

// Matches reports whether a node is picked.
func (p Pattern) Matches(n *onnx.Node) bool {
	if p.op != "" {
		return n.OpType == p.op
	}
	return p.name.MatchString(n.Name)
}

// matchesAny reports whether one of the patterns picks n.
func matchesAny(list []Pattern, n *onnx.Node) bool {
	for _, p := range list {
		if p.Matches(n) {
			return true
		}
	}
	return false
}

// checkPatterns fails for a pattern that picks no node of the graphs of m: a typing error that would go unnoticed.
func checkPatterns(m *onnx.Model, flag string, list []Pattern) error {
	for _, p := range list {
		found := false
		m.Walk(func(g *onnx.Graph) {
			for _, n := range g.Nodes {
				found = found || p.Matches(n)
			}
		})
		if !found {
			return fault.New(fault.Usage, "see the names with 'infer profile --by node', the operators with 'infer inspect'",
				"%s %q matches no node", flag, p.Text)
		}
	}
	return nil
}
