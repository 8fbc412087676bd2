package onnx

import (
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"

	"infer/model/tensor"
)

// The wire types of protobuf, as the low three bits of a tag: `case 7<<3 | wireBytes` is field 7 with a length.
const (
	wireVarint  = 0
	wireFixed64 = 1
	wireBytes   = 2
	wireFixed32 = 5
)

// maxDepth is how deep messages may nest: protobuf's own readers stop at 100, so no runtime opens a deeper file.
const maxDepth = 100

// field is one field of a message: raw is all of it with its tag, the value is in bytes or in bits by wire type.
type field struct {
	key   uint64 // number<<3 | wire type
	raw   []byte
	bytes []byte
	bits  uint64
}

// wireError is a message that does not follow the protobuf encoding.
type wireError struct {
	msg        string
	truncated  bool // a length runs past the end of what holds it
	top        bool // in the outermost message
	need, have int  // the bytes that the length claims, the bytes that are there
	sawIR      bool // a plausible ir_version came before
}

func (e *wireError) Error() string { return e.msg }

// next reads the field that b starts with. The value is a slice of b, whatever its length claims.
func next(b []byte) (field, error) {
	num, typ, n := protowire.ConsumeTag(b)
	if n < 0 {
		return field{}, &wireError{msg: "no valid protobuf tag", truncated: len(b) < 5}
	}
	f := field{key: uint64(num)<<3 | uint64(typ)}
	v, m := b[n:], 0
	switch typ {
	case protowire.VarintType:
		f.bits, m = protowire.ConsumeVarint(v)
	case protowire.Fixed64Type:
		f.bits, m = protowire.ConsumeFixed64(v)
	case protowire.Fixed32Type:
		var w uint32
		w, m = protowire.ConsumeFixed32(v)
		f.bits = uint64(w)
	case protowire.BytesType:
		size, k := protowire.ConsumeVarint(v)
		if k > 0 && size > uint64(len(v)-k) {
			return f, &wireError{
				msg:       fmt.Sprintf("field %d claims %d bytes, and %d are left", num, size, len(v)-k),
				truncated: true, need: int(min(size, 1<<62)), have: len(v) - k,
			}
		}
		f.bytes, m = protowire.ConsumeBytes(v)
	default:
		m = protowire.ConsumeFieldValue(num, typ, v)
	}
	if m < 0 {
		return f, &wireError{msg: fmt.Sprintf("field %d is malformed", num), truncated: len(v) < 10}
	}
	f.raw = b[: n+m : n+m]
	f.bytes = f.bytes[:len(f.bytes):len(f.bytes)]
	return f, nil
}

// decoder walks messages. Names are interned: a value's name occurs at its producer and at each consumer.
type decoder struct {
	depth int
	names map[string]string
	sawIR bool

	release func() // told each time that releaseEvery bytes of tensors were passed; nil where b is no map
	passed  int
}

// releaseEvery bounds the memory that walking a mapped file takes.
const releaseEvery = 8 << 20

// pass counts the bytes of a tensor.
func (d *decoder) pass(n int) {
	if d.passed += n; d.release != nil && d.passed >= releaseEvery {
		d.passed = 0
		d.release()
	}
}

// message calls set for each field of b in turn and keeps those that it does not know, in order. Unknown fields
// alias b where there is only one, so that large ones cost no memory.
func (d *decoder) message(b []byte, unknown *[]byte, set func(f field) (known bool, err error)) error {
	d.depth++
	defer func() { d.depth-- }()
	if d.depth > maxDepth {
		return &wireError{msg: fmt.Sprintf("messages nest deeper than %d levels", maxDepth)}
	}
	for len(b) > 0 {
		f, err := next(b)
		if err != nil {
			if w, ok := err.(*wireError); ok {
				w.top, w.sawIR = d.depth == 1, d.sawIR
			}
			return err
		}
		b = b[len(f.raw):]
		known, err := set(f)
		if err != nil {
			return err
		}
		if known || unknown == nil {
			continue
		}
		if *unknown == nil {
			*unknown = f.raw
		} else {
			*unknown = append(*unknown, f.raw...)
		}
	}
	return nil
}

// str returns b as a string that does not alias the file.
func (d *decoder) str(b []byte) string {
	if len(b) == 0 {
		return ""
	}
	if s, ok := d.names[string(b)]; ok {
		return s
	}
	s := string(b)
	if len(s) <= 256 {
		d.names[s] = s
	}
	return s
}

// into returns *p, made first where it is nil: a singular message that occurs twice is merged, as protobuf says.
func into[T any](p **T) *T {
	if *p == nil {
		*p = new(T)
	}
	return *p
}

// add appends a new T to the list and returns it.
func add[T any](list *[]*T) *T {
	t := new(T)
	*list = append(*list, t)
	return t
}

// varints appends the elements of a packed chunk.
func varints(list []int64, chunk []byte) ([]int64, error) {
	for len(chunk) > 0 {
		v, n := protowire.ConsumeVarint(chunk)
		if n < 0 {
			return nil, &wireError{msg: "a packed list of integers is malformed"}
		}
		list = append(list, int64(v))
		chunk = chunk[n:]
	}
	return list, nil
}

// dtypeOf converts a data type number; false for one that a tensor.DType cannot hold.
func dtypeOf(bits uint64) (tensor.DType, bool) {
	if n := int32(bits); n >= 0 && n < int32(tensor.Sequence) {
		return tensor.DType(n), true
	}
	return tensor.Undefined, false
}

// stripFields returns a list of fields without those of the given numbers.
func stripFields(fields []byte, nums ...uint64) []byte {
	var kept []byte
	for len(fields) > 0 {
		f, err := next(fields)
		if err != nil {
			return append(kept, fields...)
		}
		fields = fields[len(f.raw):]
		drop := false
		for _, n := range nums {
			drop = drop || f.key>>3 == n
		}
		if !drop {
			kept = append(kept, f.raw...)
		}
	}
	return kept
}

// HasField reports whether a list of unknown fields (Model.Unknown, Graph.Unknown, …) holds one of a number.
func HasField(unknown []byte, number uint64) bool {
	return len(stripFields(unknown, number)) != len(unknown)
}
