package surgery

import (
	"fmt"
	"slices"
	"strings"

	"infer/internal/fault"
	"infer/model/onnx"
)

// KeepOutputs leaves m the outputs named, in the model's order, and removes what no output needs any more, in place;
// inputs stay. It returns what it did, one line each. Errors: fault.Usage for a name that is no output, and for none.
func KeepOutputs(m *onnx.Model, list ...string) ([]string, error) {
	if err := noGraph(m); err != nil {
		return nil, err
	}
	all := names(m.Graph.Outputs)
	for _, name := range list {
		if !slices.Contains(all, name) {
			return nil, unknown("output", name, all)
		}
	}
	if len(list) == 0 {
		return nil, fault.New(fault.Usage, "the outputs are: "+strings.Join(all, ", "), "a model needs an output")
	}
	return leaveOutputs(m, func(name string) bool { return slices.Contains(list, name) })
}

// DropOutputs is KeepOutputs of the other ones.
func DropOutputs(m *onnx.Model, list ...string) ([]string, error) {
	if err := noGraph(m); err != nil {
		return nil, err
	}
	all := names(m.Graph.Outputs)
	for _, name := range list {
		if !slices.Contains(all, name) {
			return nil, unknown("output", name, all)
		}
	}
	rest := func(name string) bool { return !slices.Contains(list, name) }
	if !slices.ContainsFunc(all, rest) {
		return nil, fault.New(fault.Usage, "leave one of them: "+strings.Join(all, ", "), "a model needs an output")
	}
	return leaveOutputs(m, rest)
}

// leaveOutputs takes the other outputs away and what only they needed.
func leaveOutputs(m *onnx.Model, stays func(name string) bool) ([]string, error) {
	var gone []string
	m.Graph.Outputs = slices.DeleteFunc(m.Graph.Outputs, func(v *onnx.ValueInfo) bool {
		if !stays(v.Name) {
			gone = append(gone, v.Name)
		}
		return !stays(v.Name)
	})
	if len(gone) == 0 {
		return nil, nil
	}
	before := len(m.Graph.Nodes)
	if err := tidy(m); err != nil {
		return nil, err
	}
	return []string{fmt.Sprintf("outputs %s and %s that only they needed are gone", strings.Join(gone, ", "), count(before-len(m.Graph.Nodes), "node"))}, nil
}
