package onnx

import (
	"encoding/binary"
	"strconv"

	"google.golang.org/protobuf/encoding/protowire"
)

// The numbers of TensorProto's typed payload fields.
const (
	fieldFloat  = 4
	fieldInt32  = 5
	fieldString = 6
	fieldInt64  = 7
	fieldRaw    = 9
	fieldDouble = 10
	fieldUint64 = 11
)

func le32(b []byte) uint32 { return binary.LittleEndian.Uint32(b) }

func (d *decoder) tensor(t *Tensor, b []byte) error {
	var ext []Prop
	outside := false
	err := d.message(b, &t.Unknown, func(f field) (known bool, err error) {
		switch f.key {
		case 1<<3 | wireVarint:
			t.Dims = append(t.Dims, int64(f.bits))
		case 1<<3 | wireBytes:
			t.Dims, err = varints(t.Dims, f.bytes)
			return true, err
		case 2<<3 | wireVarint:
			t.DType, known = dtypeOf(f.bits)
			return known, nil
		case 8<<3 | wireBytes:
			t.Name = d.str(f.bytes)
		case fieldRaw<<3 | wireBytes:
			t.payload.raw, t.payload.mapped = f.bytes, d.release != nil
		case 12<<3 | wireBytes:
			t.Doc = d.str(f.bytes)
		case 13<<3 | wireBytes:
			return true, d.prop(&ext, f.bytes)
		case 14<<3 | wireVarint:
			outside = f.bits == 1
		case 16<<3 | wireBytes:
			return true, d.prop(&t.Metadata, f.bytes)
		case fieldString<<3 | wireBytes:
			t.payload.strings = append(t.payload.strings, f.bytes)
		default:
			return t.payload.add(f), nil
		}
		return true, nil
	})
	d.pass(len(b))
	if outside { // elsewhere external_data has no meaning, as in ONNX Runtime
		t.External = newExternal(ext)
	}
	return err
}

// add keeps a typed field's elements and reports whether it did. A second typed field is for Unknown: ONNX allows one.
func (p *payload) add(f field) bool {
	num, wire := int(f.key>>3), f.key&7
	want := uint64(wireVarint)
	switch num {
	case fieldFloat:
		want = wireFixed32
	case fieldDouble:
		want = wireFixed64
	case fieldInt32, fieldInt64, fieldUint64:
	default:
		return false
	}
	if wire != want && wire != wireBytes || p.field != 0 && p.field != num {
		return false
	}
	p.field = num
	if wire == wireBytes {
		if len(f.bytes) > 0 {
			p.typed, p.open = append(p.typed, f.bytes), false
		}
		return true
	}
	_, tag := protowire.ConsumeVarint(f.raw)
	if !p.open { // a chunk of our own: what came before belongs to the file
		p.typed, p.open = append(p.typed, nil), true
	}
	last := len(p.typed) - 1
	p.typed[last] = append(p.typed[last], f.raw[tag:]...)
	return true
}

func (d *decoder) sparse(s *SparseTensor, b []byte) error {
	return d.message(b, &s.Unknown, func(f field) (known bool, err error) {
		switch f.key {
		case 1<<3 | wireBytes:
			return true, d.tensor(into(&s.Values), f.bytes)
		case 2<<3 | wireBytes:
			return true, d.tensor(into(&s.Indices), f.bytes)
		case 3<<3 | wireVarint:
			s.Dims = append(s.Dims, int64(f.bits))
			return true, nil
		case 3<<3 | wireBytes:
			s.Dims, err = varints(s.Dims, f.bytes)
			return true, err
		}
		return false, nil
	})
}

// newExternal reads the entries of external_data. A number that is none stays in Extra, for resolving to refuse.
func newExternal(entries []Prop) *External {
	x := &External{}
	number := func(p Prop, n *int64) {
		v, err := strconv.ParseInt(p.Value, 10, 64)
		if err != nil || v < 0 {
			x.Extra = append(x.Extra, p)
			return
		}
		*n = v
	}
	for _, p := range entries {
		switch p.Key {
		case "location":
			x.Location = p.Value
		case "offset":
			number(p, &x.Offset)
		case "length":
			number(p, &x.Length)
		case "checksum":
			x.Checksum = p.Value
		default:
			x.Extra = append(x.Extra, p)
		}
	}
	return x
}
