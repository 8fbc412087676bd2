package surgery

import (
	"fmt"
	"maps"
	"slices"

	"infer/model/onnx"
	"infer/model/onnx/static"
	"infer/model/tensor"
)

// need is something in a model that a version of the file format brought.
type need struct {
	version int64
	what    string
}

// The fields that the codec leaves undecoded. Ref: onnx.proto.
const (
	fieldTraining   = 20 // of a model
	fieldMachines   = 26 // of a model
	fieldAnnotation = 14 // of a graph
	fieldPlacement  = 10 // of a node
)

// needs lists what m needs beyond IR version 3. Ref: the enum Version of onnx.proto.
func needs(m *onnx.Model) []need {
	var list []need
	add := func(version int64, format string, args ...any) {
		list = append(list, need{version, fmt.Sprintf(format, args...)})
	}
	if onnx.HasField(m.Unknown, fieldTraining) {
		add(7, "its training information")
	}
	if onnx.HasField(m.Unknown, fieldMachines) {
		add(11, "its configuration for several machines")
	}
	m.Walk(func(g *onnx.Graph) {
		list = append(list, graphNeeds(g)...)
	})
	for _, f := range m.Functions {
		add(8, "function %q", f.Name)
		if len(f.AttrProtos) > 0 {
			add(9, "the default of an attribute of function %q", f.Name)
		}
		if f.Overload != "" {
			add(10, "overload %q of function %q", f.Overload, f.Name)
		}
		for _, n := range f.Nodes {
			list = append(list, nodeNeeds(n)...)
		}
	}
	_ = m.Tensors(func(t *onnx.Tensor) error {
		if v := dtypeNeeds(t.DType); v > 0 {
			add(v, "tensor %q of type %s", t.Name, t.DType)
		}
		return nil
	})
	shapes := static.Infer(m, nil)
	m.Walk(func(g *onnx.Graph) {
		values := shapes.Values(g)
		for _, name := range slices.Sorted(maps.Keys(values)) {
			if d := values[name].DType; dtypeNeeds(d) > 0 {
				add(dtypeNeeds(d), "value %q of type %s", name, d)
			}
		}
	})
	return list
}

// graphNeeds lists what the parts of a graph need, without its subgraphs.
func graphNeeds(g *onnx.Graph) []need {
	var list []need
	if onnx.HasField(g.Unknown, fieldAnnotation) {
		list = append(list, need{5, "its quantization annotations"})
	}
	if len(g.Sparse) > 0 {
		list = append(list, need{6, "a sparse initializer"})
	}
	for _, v := range slices.Concat(g.Inputs, g.Outputs, g.ValueInfo) {
		list = append(list, typeNeeds(v.Name, v.Type, 0)...)
	}
	for _, n := range g.Nodes {
		list = append(list, nodeNeeds(n)...)
	}
	return list
}

// maxNesting bounds how deep types in types are looked at.
const maxNesting = 32

// typeNeeds lists what a stated type needs.
func typeNeeds(name string, t *onnx.Type, depth int) []need {
	if t == nil || depth > maxNesting {
		return nil
	}
	list := typeNeeds(name, t.Elem, depth+1)
	switch t.Kind {
	case onnx.KindOptional:
		list = append(list, need{8, fmt.Sprintf("the optional value %q", name)})
	case onnx.KindSparseTensor:
		list = append(list, need{8, fmt.Sprintf("the sparse value %q", name)})
	}
	if v := dtypeNeeds(t.DType); v > 0 {
		list = append(list, need{v, fmt.Sprintf("value %q of type %s", name, t.DType)})
	}
	return list
}

// nodeNeeds lists what a node needs, without the types of its values.
func nodeNeeds(n *onnx.Node) []need {
	var list []need
	if onnx.HasField(n.Unknown, fieldPlacement) {
		list = append(list, need{11, "the placement of " + label(n)})
	}
	if n.Overload != "" {
		list = append(list, need{10, "the overload that " + label(n) + " calls"})
	}
	for _, a := range n.Attrs {
		switch {
		case a.Sparse != nil || len(a.Sparses) > 0:
			list = append(list, need{6, "a sparse constant of " + label(n)})
		case a.TP != nil || len(a.TPs) > 0:
			list = append(list, need{8, "a type as an attribute of " + label(n)})
		}
	}
	return list
}

// dtypeNeeds returns the version that brought an element type, 0 for those that were always there.
func dtypeNeeds(d tensor.DType) int64 {
	switch d {
	case tensor.BFloat16:
		return 4
	case tensor.Float8E4M3FN, tensor.Float8E4M3FNUZ, tensor.Float8E5M2, tensor.Float8E5M2FNUZ:
		return 9
	case tensor.Uint4, tensor.Int4:
		return 10
	case tensor.Float4E2M1:
		return 11
	case tensor.Float8E8M0:
		return 12
	case tensor.Uint2, tensor.Int2:
		return 13
	}
	return 0
}
