package onnx

import (
	"math"

	"infer/internal/fault"
)

// Decode reads a ModelProto. Tensor bytes, attribute strings and unknown fields of the result are slices of b, which
// must stay as it is while the model is in use; never write to them in place. Fields that this package does not know
// survive in the Unknown of their message (not in Prop, Opset and Dim, which have none).
//
// Errors: fault.Internal for a truncated or corrupt file, fault.Unsupported for one that is of another kind, with
// what it is. Decode reads the encoding only; Check looks at the meaning.
func Decode(b []byte) (*Model, error) { return decode(b, nil) }

// decode is Decode with a function that drops the pages of a mapped b.
func decode(b []byte, release func()) (*Model, error) {
	if len(b) == 0 {
		return nil, fault.New(fault.Internal, "download or export the model again", "the file is empty (0 bytes)")
	}
	d := decoder{names: map[string]string{}, release: release}
	m := &Model{}
	if err := d.model(m, b); err != nil {
		return nil, explain(b, err)
	}
	if m.Graph == nil || len(m.Graph.Nodes) == 0 && len(m.Graph.Outputs) == 0 {
		return nil, explain(b, nil)
	}
	return m, nil
}

func (d *decoder) model(m *Model, b []byte) error {
	return d.message(b, &m.Unknown, func(f field) (bool, error) {
		switch f.key {
		case 1<<3 | wireVarint:
			m.IRVersion = int64(f.bits)
			d.sawIR = m.IRVersion > 0 && m.IRVersion < 100
		case 2<<3 | wireBytes:
			m.Producer = d.str(f.bytes)
		case 3<<3 | wireBytes:
			m.ProducerVersion = d.str(f.bytes)
		case 4<<3 | wireBytes:
			m.Domain = d.str(f.bytes)
		case 5<<3 | wireVarint:
			m.Version = int64(f.bits)
		case 6<<3 | wireBytes:
			m.Doc = d.str(f.bytes)
		case 7<<3 | wireBytes:
			return true, d.graph(into(&m.Graph), f.bytes)
		case 8<<3 | wireBytes:
			return true, d.opset(&m.Opsets, f.bytes)
		case 14<<3 | wireBytes:
			return true, d.prop(&m.Metadata, f.bytes)
		case 25<<3 | wireBytes:
			return true, d.function(add(&m.Functions), f.bytes)
		default:
			return false, nil
		}
		return true, nil
	})
}

func (d *decoder) opset(list *[]Opset, b []byte) error {
	var o Opset
	err := d.message(b, &o.Unknown, func(f field) (bool, error) {
		switch f.key {
		case 1<<3 | wireBytes:
			o.Domain = d.domain(f.bytes)
		case 2<<3 | wireVarint:
			o.Version = int64(f.bits)
		default:
			return false, nil
		}
		return true, nil
	})
	*list = append(*list, o)
	return err
}

// domain reads an operator domain: "ai.onnx" is the long name of "".
func (d *decoder) domain(b []byte) string {
	if s := d.str(b); s != "ai.onnx" {
		return s
	}
	return ""
}

func (d *decoder) prop(list *[]Prop, b []byte) error {
	var p Prop
	err := d.message(b, &p.Unknown, func(f field) (bool, error) {
		switch f.key {
		case 1<<3 | wireBytes:
			p.Key = d.str(f.bytes)
		case 2<<3 | wireBytes:
			p.Value = d.str(f.bytes)
		default:
			return false, nil
		}
		return true, nil
	})
	*list = append(*list, p)
	return err
}

func (d *decoder) graph(g *Graph, b []byte) error {
	return d.message(b, &g.Unknown, func(f field) (bool, error) {
		switch f.key {
		case 1<<3 | wireBytes:
			return true, d.node(add(&g.Nodes), f.bytes)
		case 2<<3 | wireBytes:
			g.Name = d.str(f.bytes)
		case 5<<3 | wireBytes:
			return true, d.tensor(add(&g.Initializers), f.bytes)
		case 10<<3 | wireBytes:
			g.Doc = d.str(f.bytes)
		case 11<<3 | wireBytes:
			return true, d.valueInfo(add(&g.Inputs), f.bytes)
		case 12<<3 | wireBytes:
			return true, d.valueInfo(add(&g.Outputs), f.bytes)
		case 13<<3 | wireBytes:
			return true, d.valueInfo(add(&g.ValueInfo), f.bytes)
		case 15<<3 | wireBytes:
			return true, d.sparse(add(&g.Sparse), f.bytes)
		case 16<<3 | wireBytes:
			return true, d.prop(&g.Metadata, f.bytes)
		default:
			return false, nil
		}
		return true, nil
	})
}

func (d *decoder) node(n *Node, b []byte) error {
	return d.message(b, &n.Unknown, func(f field) (bool, error) {
		switch f.key {
		case 1<<3 | wireBytes:
			n.Inputs = append(n.Inputs, d.str(f.bytes))
		case 2<<3 | wireBytes:
			n.Outputs = append(n.Outputs, d.str(f.bytes))
		case 3<<3 | wireBytes:
			n.Name = d.str(f.bytes)
		case 4<<3 | wireBytes:
			n.OpType = d.str(f.bytes)
		case 5<<3 | wireBytes:
			return true, d.attribute(add(&n.Attrs), f.bytes)
		case 6<<3 | wireBytes:
			n.Doc = d.str(f.bytes)
		case 7<<3 | wireBytes:
			n.Domain = d.domain(f.bytes)
		case 8<<3 | wireBytes:
			n.Overload = d.str(f.bytes)
		case 9<<3 | wireBytes:
			return true, d.prop(&n.Metadata, f.bytes)
		default:
			return false, nil
		}
		return true, nil
	})
}

func (d *decoder) attribute(a *Attribute, b []byte) error {
	seen := AttrUndefined // the type that the value fields speak of
	err := d.message(b, &a.Unknown, func(f field) (bool, error) {
		switch f.key {
		case 1<<3 | wireBytes:
			a.Name = d.str(f.bytes)
		case 13<<3 | wireBytes:
			a.Doc = d.str(f.bytes)
		case 20<<3 | wireVarint:
			a.Type = AttrType(f.bits)
		case 21<<3 | wireBytes:
			a.RefName = d.str(f.bytes)
		default:
			t, err := d.attributeValue(a, f)
			if t != AttrUndefined {
				seen = t
			}
			return t != AttrUndefined, err
		}
		return true, nil
	})
	if a.Type == AttrUndefined && a.RefName == "" {
		a.Type = seen // files of IR version 1 carry no type
	}
	return err
}

// attributeValue reads a field that holds an attribute's value and returns the type it is for.
func (d *decoder) attributeValue(a *Attribute, f field) (AttrType, error) {
	switch f.key {
	case 2<<3 | wireFixed32:
		a.F = math.Float32frombits(uint32(f.bits))
		return AttrFloat, nil
	case 3<<3 | wireVarint:
		a.I = int64(f.bits)
		return AttrInt, nil
	case 4<<3 | wireBytes:
		a.S = f.bytes
		return AttrString, nil
	case 5<<3 | wireBytes:
		return AttrTensor, d.tensor(into(&a.T), f.bytes)
	case 6<<3 | wireBytes:
		return AttrGraph, d.graph(into(&a.G), f.bytes)
	case 14<<3 | wireBytes:
		return AttrTypeProto, d.typeProto(into(&a.TP), f.bytes)
	case 22<<3 | wireBytes:
		return AttrSparseTensor, d.sparse(into(&a.Sparse), f.bytes)
	}
	return d.attributeList(a, f)
}

// attributeList is attributeValue for the repeated fields.
func (d *decoder) attributeList(a *Attribute, f field) (t AttrType, err error) {
	switch f.key {
	case 7<<3 | wireFixed32:
		a.Floats = append(a.Floats, math.Float32frombits(uint32(f.bits)))
		return AttrFloats, nil
	case 7<<3 | wireBytes:
		if len(f.bytes)%4 != 0 {
			return AttrFloats, &wireError{msg: "a packed list of floats is malformed"}
		}
		for b := f.bytes; len(b) > 0; b = b[4:] {
			a.Floats = append(a.Floats, math.Float32frombits(le32(b)))
		}
		return AttrFloats, nil
	case 8<<3 | wireVarint:
		a.Ints = append(a.Ints, int64(f.bits))
		return AttrInts, nil
	case 8<<3 | wireBytes:
		a.Ints, err = varints(a.Ints, f.bytes)
		return AttrInts, err
	case 9<<3 | wireBytes:
		a.Strings = append(a.Strings, f.bytes)
		return AttrStrings, nil
	case 10<<3 | wireBytes:
		return AttrTensors, d.tensor(add(&a.Tensors), f.bytes)
	case 11<<3 | wireBytes:
		return AttrGraphs, d.graph(add(&a.Graphs), f.bytes)
	case 15<<3 | wireBytes:
		return AttrTypeProtos, d.typeProto(add(&a.TPs), f.bytes)
	case 23<<3 | wireBytes:
		return AttrSparseTensors, d.sparse(add(&a.Sparses), f.bytes)
	}
	return AttrUndefined, nil
}

func (d *decoder) valueInfo(v *ValueInfo, b []byte) error {
	return d.message(b, &v.Unknown, func(f field) (bool, error) {
		switch f.key {
		case 1<<3 | wireBytes:
			v.Name = d.str(f.bytes)
		case 2<<3 | wireBytes:
			return true, d.typeProto(into(&v.Type), f.bytes)
		case 3<<3 | wireBytes:
			v.Doc = d.str(f.bytes)
		case 4<<3 | wireBytes:
			return true, d.prop(&v.Metadata, f.bytes)
		default:
			return false, nil
		}
		return true, nil
	})
}

func (d *decoder) function(fn *Function, b []byte) error {
	return d.message(b, &fn.Unknown, func(f field) (bool, error) {
		switch f.key {
		case 1<<3 | wireBytes:
			fn.Name = d.str(f.bytes)
		case 4<<3 | wireBytes:
			fn.Inputs = append(fn.Inputs, d.str(f.bytes))
		case 5<<3 | wireBytes:
			fn.Outputs = append(fn.Outputs, d.str(f.bytes))
		case 6<<3 | wireBytes:
			fn.AttrNames = append(fn.AttrNames, d.str(f.bytes))
		case 7<<3 | wireBytes:
			return true, d.node(add(&fn.Nodes), f.bytes)
		case 8<<3 | wireBytes:
			fn.Doc = d.str(f.bytes)
		case 9<<3 | wireBytes:
			return true, d.opset(&fn.Opsets, f.bytes)
		case 10<<3 | wireBytes:
			fn.Domain = d.domain(f.bytes)
		case 11<<3 | wireBytes:
			return true, d.attribute(add(&fn.AttrProtos), f.bytes)
		case 12<<3 | wireBytes:
			return true, d.valueInfo(add(&fn.ValueInfo), f.bytes)
		case 13<<3 | wireBytes:
			fn.Overload = d.str(f.bytes)
		case 14<<3 | wireBytes:
			return true, d.prop(&fn.Metadata, f.bytes)
		default:
			return false, nil
		}
		return true, nil
	})
}
