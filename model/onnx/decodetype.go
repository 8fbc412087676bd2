package onnx

// typeKinds are the members of TypeProto's oneof, by field number.
var typeKinds = [...]struct {
	num  uint64
	kind TypeKind
}{
	{1, KindTensor}, {4, KindSequence}, {5, KindMap}, {7, KindOpaque}, {8, KindSparseTensor}, {9, KindOptional},
}

func (d *decoder) typeProto(t *Type, b []byte) error {
	return d.message(b, &t.Unknown, func(f field) (bool, error) {
		if f.key == 6<<3|wireBytes {
			t.Denotation = d.str(f.bytes)
			return true, nil
		}
		for _, k := range typeKinds {
			if f.key != k.num<<3|wireBytes {
				continue
			}
			if t.Kind != k.kind { // the last member of a oneof wins; the same one twice is merged
				*t = Type{Kind: k.kind, Denotation: t.Denotation, Unknown: t.Unknown}
			}
			return true, d.typeBody(t, f.bytes)
		}
		return false, nil
	})
}

// typeBody reads the message inside a TypeProto. Of an opaque type it knows nothing, so all of it stays in inner.
func (d *decoder) typeBody(t *Type, b []byte) error {
	return d.message(b, &t.inner, func(f field) (known bool, err error) {
		switch t.Kind {
		case KindTensor, KindSparseTensor:
			switch f.key {
			case 1<<3 | wireVarint:
				t.DType, known = dtypeOf(f.bits)
				return known, nil
			case 2<<3 | wireBytes:
				t.HasShape = true
				return true, d.shape(t, f.bytes)
			}
		case KindSequence, KindOptional:
			if f.key == 1<<3|wireBytes {
				return true, d.typeProto(into(&t.Elem), f.bytes)
			}
		case KindMap:
			switch f.key {
			case 1<<3 | wireVarint:
				t.Key, known = dtypeOf(f.bits)
				return known, nil
			case 2<<3 | wireBytes:
				return true, d.typeProto(into(&t.Elem), f.bytes)
			}
		}
		return false, nil
	})
}

func (d *decoder) shape(t *Type, b []byte) error {
	return d.message(b, &t.shape, func(f field) (bool, error) {
		if f.key != 1<<3|wireBytes {
			return false, nil
		}
		var dim Dim
		err := d.message(f.bytes, &dim.Unknown, func(f field) (bool, error) {
			switch f.key {
			case 1<<3 | wireVarint:
				dim.Size, dim.Known, dim.Name = int64(f.bits), true, ""
			case 2<<3 | wireBytes:
				dim.Size, dim.Known, dim.Name = 0, false, d.str(f.bytes)
			case 3<<3 | wireBytes:
				dim.Denotation = d.str(f.bytes)
			default:
				return false, nil
			}
			return true, nil
		})
		t.Dims = append(t.Dims, dim)
		return true, err
	})
}
