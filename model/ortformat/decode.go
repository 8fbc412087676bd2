package ortformat

import (
	"slices"

	"infer/internal/fault"
	"infer/model/onnx"
	"infer/model/tensor"
)

// releaseEvery bounds the memory that walking a mapped file takes: each touch maps some pages around it.
const releaseEvery = 8 << 20

// decoder turns tables into a model. The numbers of fields are those of the schema.
// Ref: ONNX Runtime, onnxruntime/core/flatbuffers/schema/ort.fbs.
type decoder struct {
	*reader
	release func()
	passed  int // bytes of tensors since the last release
	info    *Info
}

// session reads the outermost table.
func (d *decoder) session(t table) *onnx.Model {
	m := &onnx.Model{}
	if text := t.str(0); d.err == nil {
		if d.info.Version, d.err = version(text); d.err != nil {
			return m
		}
		d.info.Runtimes = releases[d.info.Version]
	}
	t.inner(1, func(t table) { d.model(m, t) })
	return m
}

func (d *decoder) model(m *onnx.Model, t table) {
	m.IRVersion = t.int64(0, 0)
	t.tables(1, func(t table) {
		m.Opsets = append(m.Opsets, onnx.Opset{Domain: domain(t.str(0)), Version: t.int64(1, 0)})
	})
	m.Producer, m.ProducerVersion, m.Domain = t.str(2), t.str(3), t.str(4)
	m.Version, m.Doc = t.int64(5, 0), t.str(6)
	t.inner(7, func(t table) { m.Graph = d.graph(t, "main_graph") })
	if m.Graph != nil {
		m.Graph.Doc = t.str(8)
	}
	t.tables(9, func(t table) {
		m.Metadata = append(m.Metadata, onnx.Prop{Key: t.str(0), Value: t.str(1)})
	})
}

// domain returns the short name of ONNX's own operators.
func domain(name string) string {
	if name == "ai.onnx" {
		return ""
	}
	return name
}

// graph reads a graph. Its values are listed once with their types, inputs and outputs by name only.
func (d *decoder) graph(t table, name string) *onnx.Graph {
	g := &onnx.Graph{Name: name}
	t.tables(0, func(t table) { g.Initializers = append(g.Initializers, d.tensor(t)) })
	values := map[string]*onnx.ValueInfo{}
	t.tables(1, func(t table) {
		v := d.value(t)
		if v.Name != "" && values[v.Name] == nil {
			values[v.Name] = v
			g.ValueInfo = append(g.ValueInfo, v)
		}
	})
	t.tables(2, func(t table) { g.Nodes = append(g.Nodes, d.node(t)) })
	ports := func(names []string) []*onnx.ValueInfo {
		var list []*onnx.ValueInfo
		for _, name := range names {
			v := values[name]
			if v == nil {
				v = &onnx.ValueInfo{Name: name}
			}
			list = append(list, v.Clone())
		}
		return list
	}
	g.Inputs, g.Outputs = ports(t.strs(5)), ports(t.strs(6))
	t.tables(7, func(t table) { g.Sparse = append(g.Sparse, d.sparse(t)) })
	t.inner(8, func(t table) {
		t.tables(0, func(t table) { t.tables(1, func(table) { d.info.Optimizations++ }) })
	})
	g.ValueInfo = inner(g)
	return g
}

// inner returns the values with a type that nodes of g make and that are no outputs: what ONNX lists in value_info.
func inner(g *onnx.Graph) []*onnx.ValueInfo {
	made := g.Producers()
	for _, o := range g.Outputs {
		delete(made, o.Name)
	}
	return slices.DeleteFunc(g.ValueInfo, func(v *onnx.ValueInfo) bool { return made[v.Name] == nil || v.Type == nil })
}

func (d *decoder) node(t table) *onnx.Node {
	n := &onnx.Node{Name: t.str(0), Doc: t.str(1), Domain: domain(t.str(2)), OpType: t.str(5), Inputs: t.strs(8), Outputs: t.strs(9)}
	if t.int32(6) != 0 {
		d.info.Fused++
	}
	if p := t.str(7); p != "" && !slices.Contains(d.info.Providers, p) {
		d.info.Providers = append(d.info.Providers, p)
	}
	t.tables(10, func(t table) { n.Attrs = append(n.Attrs, d.attribute(t)) })
	return n
}

func (d *decoder) attribute(t table) *onnx.Attribute {
	a := &onnx.Attribute{Name: t.str(0), Doc: t.str(1), Type: onnx.AttrType(t.int32(2))}
	switch a.Type {
	case onnx.AttrFloat:
		a.F = t.float32(3)
	case onnx.AttrInt:
		a.I = t.int64(4, 0)
	case onnx.AttrString:
		a.S, _ = t.raw(5)
	case onnx.AttrTensor:
		t.inner(6, func(t table) { a.T = d.tensor(t) })
	case onnx.AttrGraph:
		t.inner(7, func(t table) { a.G = d.graph(t, a.Name) })
	case onnx.AttrFloats:
		a.Floats = t.float32s(8)
	case onnx.AttrInts:
		a.Ints = t.int64s(9)
	case onnx.AttrStrings:
		a.Strings = t.rawStrs(10)
	case onnx.AttrTensors:
		t.tables(11, func(t table) { a.Tensors = append(a.Tensors, d.tensor(t)) })
	case onnx.AttrGraphs:
		t.tables(12, func(t table) { a.Graphs = append(a.Graphs, d.graph(t, a.Name)) })
	default:
		d.refuse("attribute %q is of type %d, which the format holds no value for", a.Name, a.Type)
	}
	if a.Type == onnx.AttrTensor && a.T == nil || a.Type == onnx.AttrGraph && a.G == nil {
		d.fail("attribute %q has no value", a.Name)
	}
	return a
}

// refuse is fail for a file that is not damaged.
func (d *decoder) refuse(format string, args ...any) {
	if d.err == nil {
		d.err = fault.New(fault.Unsupported, "use the .onnx model", "the .ort file cannot be read: "+format, args...)
	}
}

func (d *decoder) tensor(t table) *onnx.Tensor {
	name, dims, dtype := t.str(0), tensor.Shape(t.int64s(2)), elem(t.int32(3))
	if dtype == tensor.Undefined {
		d.refuse("tensor %q has data type %d, which this program does not know", name, t.int32(3))
	}
	if t.int64(6, -1) >= 0 {
		d.refuse("the bytes of tensor %q lie in another file, a checkpoint of on-device training", name)
	}
	var x *onnx.Tensor
	if dtype == tensor.String {
		x = onnx.NewStrings(name, dims, t.rawStrs(5))
	} else {
		raw, _ := t.raw(4)
		x = onnx.NewTensorIn(name, dtype, dims, raw, d.release != nil)
		d.pass(len(raw))
	}
	x.Doc = t.str(1)
	return x
}

// pass counts the bytes of a tensor.
func (d *decoder) pass(n int) {
	if d.passed += n; d.release != nil && d.passed >= releaseEvery {
		d.passed = 0
		d.release()
	}
}

func (d *decoder) sparse(t table) *onnx.SparseTensor {
	s := &onnx.SparseTensor{Dims: t.int64s(2)}
	t.inner(0, func(t table) { s.Values = d.tensor(t) })
	t.inner(1, func(t table) { s.Indices = d.tensor(t) })
	if s.Values == nil || s.Indices == nil {
		d.fail("a sparse tensor has no values or no indices")
	}
	return s
}

func (d *decoder) value(t table) *onnx.ValueInfo {
	v := &onnx.ValueInfo{Name: t.str(0), Doc: t.str(1)}
	t.inner(2, func(t table) { v.Type = d.typeInfo(t) })
	return v
}

// typeInfo reads a type; nil for one that says nothing.
func (d *decoder) typeInfo(t table) *onnx.Type {
	x := &onnx.Type{Denotation: t.str(0)}
	switch kind := t.int8(1); kind {
	case 0:
		return nil
	case 1:
		x.Kind = onnx.KindTensor
		t.inner(2, func(t table) {
			x.DType = elem(t.int32(0))
			t.inner(1, func(t table) {
				x.HasShape = true
				t.tables(0, func(t table) { x.Dims = append(x.Dims, dim(t)) })
			})
		})
	case 2:
		x.Kind = onnx.KindSequence
		t.inner(2, func(t table) {
			t.inner(0, func(t table) { x.Elem = d.typeInfo(t) })
		})
	case 3:
		x.Kind = onnx.KindMap
		t.inner(2, func(t table) {
			x.Key = elem(t.int32(0))
			t.inner(1, func(t table) { x.Elem = d.typeInfo(t) })
		})
	default:
		d.refuse("a value has type %d, which this program does not know", kind)
	}
	return x
}

// elem converts the number of an element type; one that is not known is tensor.Undefined.
func elem(n int32) tensor.DType {
	if n > 0 && n < int32(tensor.Sequence) && tensor.DType(n).Valid() {
		return tensor.DType(n)
	}
	return tensor.Undefined
}

// dim reads one axis.
func dim(t table) onnx.Dim {
	x := onnx.Dim{Denotation: t.str(1)}
	t.inner(0, func(t table) {
		switch t.int8(0) {
		case 1:
			x.Size, x.Known = t.int64(1, 0), true
		case 2:
			x.Name = t.str(2)
		}
	})
	return x
}
