package surgery

import (
	"cmp"
	"fmt"
	"slices"

	"infer/internal/fault"
	"infer/model/onnx"
)

// The versions of the file format that SetIR writes. Ref: the enum Version of onnx.proto.
const (
	MinIR = 3
	MaxIR = 13
)

// SetIR gives m a version of the file format, MinIR to MaxIR, in place. Down to 3, initializers become inputs too, and
// below 10 the metadata of nodes and tensors, which change no result, go; any other thing that the version cannot hold
// is an error of kind fault.Unsupported that names it and leaves m as it was. It returns what it did, one line each.
func SetIR(m *onnx.Model, version int64) ([]string, error) {
	if err := noGraph(m); err != nil {
		return nil, err
	}
	if version < MinIR || version > MaxIR {
		return nil, fault.New(fault.Usage, fmt.Sprintf("use %d to %d", MinIR, MaxIR), "IR version %d is not one that infer writes", version)
	}
	if version == m.IRVersion {
		return nil, nil
	}
	if need := highest(m); need.version > version {
		return nil, fault.New(fault.Unsupported, fmt.Sprintf("keep IR version %d or newer", need.version),
			"the model cannot be written with IR version %d: %s needs version %d", version, need.what, need.version)
	}
	lines := []string{fmt.Sprintf("IR version %d, was %d", version, m.IRVersion)}
	switch {
	case version == 3:
		lines = append(lines, listInitializers(m)...)
	case m.IRVersion < 4:
		lines = append(lines, unlistInitializers(m)...)
	}
	if version < 10 && dropMetadata(m) {
		lines = append(lines, "metadata of nodes, values and tensors are gone: IR version 10 brought them")
	}
	m.IRVersion = version
	return lines, nil
}

// LowestIR returns the oldest version of the file format that can hold m, not regarding its opsets.
func LowestIR(m *onnx.Model) int64 { return max(MinIR, highest(m).version) }

// highest returns what needs the newest version.
func highest(m *onnx.Model) need {
	return slices.MaxFunc(append(needs(m), need{MinIR, "its list of operator sets"}), func(a, b need) int { return cmp.Compare(a.version, b.version) })
}

// listInitializers makes initializers inputs too, as IR version 3 wants it; those of subgraphs, which cannot have such
// inputs, become Constant nodes.
func listInitializers(m *onnx.Model) []string {
	listed := map[string]bool{}
	for _, v := range m.Graph.Inputs {
		listed[v.Name] = true
	}
	inputs := 0
	for _, t := range m.Graph.Initializers {
		if listed[t.Name] {
			continue
		}
		v := &onnx.ValueInfo{Name: t.Name, Type: &onnx.Type{Kind: onnx.KindTensor, DType: t.DType, HasShape: true}}
		for _, d := range t.Dims {
			v.Type.Dims = append(v.Type.Dims, onnx.Fixed(d))
		}
		m.Graph.Inputs = append(m.Graph.Inputs, v)
		inputs++
	}
	nodes := 0
	m.Walk(func(g *onnx.Graph) {
		if g == m.Graph {
			return
		}
		var constants []*onnx.Node
		for _, t := range g.Initializers {
			constants = append(constants, &onnx.Node{OpType: "Constant", Outputs: []string{t.Name}, Attrs: []*onnx.Attribute{{Name: "value", Type: onnx.AttrTensor, T: t}}})
		}
		nodes += len(constants)
		g.Initializers, g.Nodes = nil, append(constants, g.Nodes...)
	})
	var lines []string
	if inputs > 0 {
		lines = append(lines, count(inputs, "initializer")+" became inputs with a default")
	}
	if nodes > 0 {
		lines = append(lines, count(nodes, "initializer")+" of subgraphs became Constant nodes")
	}
	return lines
}

// unlistInitializers takes initializers off the inputs: from IR version 4 on that would make them replaceable, and no
// runtime folds them.
func unlistInitializers(m *onnx.Model) []string {
	stored := map[string]bool{}
	for _, t := range m.Graph.Initializers {
		stored[t.Name] = true
	}
	before := len(m.Graph.Inputs)
	m.Graph.Inputs = slices.DeleteFunc(m.Graph.Inputs, func(v *onnx.ValueInfo) bool { return stored[v.Name] })
	if n := before - len(m.Graph.Inputs); n > 0 {
		return []string{count(n, "initializer") + " are constants now, no inputs"}
	}
	return nil
}

// dropMetadata takes away metadata_props of everything but the model itself, which always had them.
func dropMetadata(m *onnx.Model) bool {
	dropped := false
	drop := func(list *[]onnx.Prop) {
		dropped = dropped || len(*list) > 0
		*list = nil
	}
	values := func(list []*onnx.ValueInfo) {
		for _, v := range list {
			drop(&v.Metadata)
		}
	}
	nodes := func(list []*onnx.Node) {
		for _, n := range list {
			drop(&n.Metadata)
		}
	}
	m.Walk(func(g *onnx.Graph) {
		drop(&g.Metadata)
		values(slices.Concat(g.Inputs, g.Outputs, g.ValueInfo))
		nodes(g.Nodes)
	})
	for _, f := range m.Functions {
		drop(&f.Metadata)
		values(f.ValueInfo)
		nodes(f.Nodes)
	}
	_ = m.Tensors(func(t *onnx.Tensor) error {
		drop(&t.Metadata)
		return nil
	})
	return dropped
}
