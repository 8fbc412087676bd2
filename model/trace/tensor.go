package trace

import (
	"encoding/json"
	"strconv"
	"strings"
)

// holdsNodes reports whether an operator has a subgraph, whose nodes are traced too.
func holdsNodes(op string) bool {
	switch op {
	case "If", "Loop", "Scan", "SequenceMap", "BeamSearch", "GreedySearch", "Sampling":
		return true
	}
	return false
}

// tensors reads [{"float":[1,64,56,56]}, …]; what is something else is nothing.
func tensors(raw []byte) []Tensor {
	var list []map[string][]int64
	if json.Unmarshal(raw, &list) != nil {
		return nil
	}
	var out []Tensor
	for _, m := range list {
		for dtype, dims := range m { // one member
			out = append(out, Tensor{dtype, dims})
			break
		}
	}
	return out
}

// shapesText is "float 1x64x56x56, int64 1".
func shapesText(list []Tensor) string {
	parts := make([]string, len(list))
	for i, t := range list {
		dims := make([]string, len(t.Shape))
		for k, d := range t.Shape {
			dims[k] = strconv.FormatInt(d, 10)
		}
		parts[i] = strings.TrimSpace(t.DType + " " + strings.Join(dims, "x"))
	}
	return strings.Join(parts, ", ")
}

// torchTensors reads PyTorch's shapes, [[1,3,32,32],[],…], and dtypes, ["float","Scalar",…]. What is no tensor is left
// out.
func torchTensors(dims, dtypes string) []Tensor {
	var shapes []json.RawMessage
	var names []string
	if json.Unmarshal([]byte(dims), &shapes) != nil {
		return nil
	}
	_ = json.Unmarshal([]byte(dtypes), &names) // a build without them tells the shapes alone
	var out []Tensor
	for i, raw := range shapes {
		var shape []int64
		if json.Unmarshal(raw, &shape) != nil { // a list of tensors
			continue
		}
		t := Tensor{Shape: shape}
		if i < len(names) {
			t.DType = names[i]
		}
		if t.DType == "Scalar" || t.DType == "" && len(shape) == 0 {
			continue
		}
		out = append(out, t)
	}
	return out
}
