package wire

import (
	"encoding/binary"
	"errors"

	"google.golang.org/protobuf/encoding/protowire"

	"infer/internal/fault"
	"infer/model/tensor"
)

// errWireType is a field of elements that cannot be read as such.
var errWireType = errors.New("elements of another wire type")

// contentsFields are the fields of InferTensorContents by number.
var contentsFields = [...]string{
	1: "bool_contents", 2: "int_contents", 3: "int64_contents", 4: "uint_contents", 5: "uint64_contents",
	6: "fp32_contents", 7: "fp64_contents", 8: "bytes_contents",
}

// contentsField returns the number of the field of InferTensorContents that elements of d stand in; 0 for the halves,
// which only go raw.
func contentsField(d tensor.DType) uint64 {
	switch d {
	case tensor.Bool:
		return 1
	case tensor.Int8, tensor.Int16, tensor.Int32:
		return 2
	case tensor.Int64:
		return 3
	case tensor.Uint8, tensor.Uint16, tensor.Uint32:
		return 4
	case tensor.Uint64:
		return 5
	case tensor.Float32:
		return 6
	case tensor.Float64:
		return 7
	case tensor.String:
		return 8
	}
	return 0
}

// contents gives t, whose dtype and shape are set, the elements of an InferTensorContents. Every one must be there and
// in the range of the dtype.
func (a *arena) contents(t *tensor.Tensor, data []byte, p place, l Limits) error {
	field := contentsField(t.DType)
	if field == 0 && len(data) > 0 {
		return fault.New(fault.Usage, "", "%s data of %s must come in raw_%s_contents", Datatype(t.DType), p, p.kind)
	}
	e, err := a.elementsFor(t, len(data), p, l)
	if err != nil {
		return err
	}
	m := fields{rest: data}
	for m.next() {
		if m.number() != field {
			if n := m.number(); n < uint64(len(contentsFields)) {
				return fault.New(fault.Usage, "", "unexpected %s for %s: %s data belong in %s", contentsFields[n], p, Datatype(t.DType), contentsFields[field])
			}
			continue
		}
		if err := e.add(&m); err != nil {
			return err
		}
	}
	if m.err != nil {
		return malformed("contents of "+p.String(), m.err)
	}
	return e.complete()
}

// elementsTo is a tensor whose elements are being read from repeated fields.
type elementsTo struct {
	t     *tensor.Tensor
	n     int // elements that the shape asks for
	taken int
	place place
}

// elementsFor takes memory for the elements of t, of which size bytes of a message are to be read. Not before size has
// been seen to suffice: a shape that lies costs nothing.
func (a *arena) elementsFor(t *tensor.Tensor, size int, p place, l Limits) (elementsTo, error) {
	e := elementsTo{t: t, place: p}
	n, err := elements(t.Shape, p, l)
	if err != nil {
		return e, err
	}
	if n > int64(size) { // every element takes a byte at least
		return e, fault.New(fault.Usage, "", "expected %d elements for %s, got at most %d", n, p, size)
	}
	e.n = int(n)
	if t.DType == tensor.String {
		if err := a.charge(n*int64(stringSize) + int64(size)); err != nil {
			return e, err
		}
		t.Strings = a.strings(e.n)
		return e, nil
	}
	bytes := e.n * elementSize(t.DType)
	if err := a.charge(int64(bytes)); err != nil {
		return e, err
	}
	t.Data = a.bytes(bytes)
	return e, nil
}

// add takes the elements of one field, packed or not.
func (e *elementsTo) add(m *fields) error {
	kind := protowire.Type(m.tag & 7)
	if kind != bytesType {
		return e.put(m.num, kind)
	}
	if e.t.DType == tensor.String {
		if e.taken == e.n {
			return e.tooMany()
		}
		e.t.Strings[e.taken] = view(m.bytes)
		e.taken++
		return nil
	}
	want := packedType(e.t.DType)
	for packed := m.bytes; len(packed) > 0; {
		v, n := consumePacked(packed, want)
		if n < 0 {
			return malformed("contents of "+e.place.String(), protowire.ParseError(n))
		}
		packed = packed[n:]
		if err := e.put(v, want); err != nil {
			return err
		}
	}
	return nil
}

// packedType is the wire type of elements of a dtype.
func packedType(d tensor.DType) protowire.Type {
	switch d {
	case tensor.Float32:
		return fixed32Type
	case tensor.Float64:
		return fixed64Type
	}
	return varintType
}

// consumePacked reads one element of a packed field; n is negative where it is cut off.
func consumePacked(b []byte, kind protowire.Type) (v uint64, n int) {
	switch kind {
	case fixed32Type:
		var v uint32
		v, n = protowire.ConsumeFixed32(b)
		return uint64(v), n
	case fixed64Type:
		return protowire.ConsumeFixed64(b)
	}
	return protowire.ConsumeVarint(b)
}

// put takes one element as it stands on the wire.
func (e *elementsTo) put(v uint64, kind protowire.Type) error {
	if kind != packedType(e.t.DType) || e.t.DType == tensor.String {
		return malformed("contents of "+e.place.String(), errWireType)
	}
	if e.taken == e.n {
		return e.tooMany()
	}
	i, data := e.taken, e.t.Data
	e.taken++
	ok := true
	switch e.t.DType {
	case tensor.Bool:
		data[i] = 0
		if v != 0 {
			data[i] = 1
		}
	case tensor.Int8:
		data[i], ok = byte(v), int32(v) == int32(int8(v))
	case tensor.Uint8:
		data[i], ok = byte(v), uint32(v) == uint32(uint8(v))
	case tensor.Int16:
		binary.LittleEndian.PutUint16(data[2*i:], uint16(v))
		ok = int32(v) == int32(int16(v))
	case tensor.Uint16, tensor.Float16, tensor.BFloat16: // the halves as bits, in TensorFlow's messages
		binary.LittleEndian.PutUint16(data[2*i:], uint16(v))
		ok = uint32(v) == uint32(uint16(v))
	case tensor.Int32, tensor.Uint32, tensor.Float32:
		binary.LittleEndian.PutUint32(data[4*i:], uint32(v))
	default:
		binary.LittleEndian.PutUint64(data[8*i:], v)
	}
	if ok {
		return nil
	}
	value := int64(int32(v))
	if contentsField(e.t.DType) != 2 {
		value = int64(uint32(v))
	}
	return fault.New(fault.Usage, "", "element %d of %s, %d, is out of the range of %s", i, e.place, value, Datatype(e.t.DType))
}

func (e *elementsTo) tooMany() error {
	return fault.New(fault.Usage, "", "expected %d elements for %s, got more", e.n, e.place)
}

// complete fails where elements are missing.
func (e *elementsTo) complete() error {
	if e.taken < e.n {
		return fault.New(fault.Usage, "", "expected %d elements for %s, got %d", e.n, e.place, e.taken)
	}
	return nil
}

// element returns element i of a tensor of numbers as it goes on the wire: integers extended to 64 bits by their sign.
func element(t *tensor.Tensor, i int) uint64 {
	switch t.DType {
	case tensor.Bool, tensor.Uint8:
		return uint64(t.Data[i])
	case tensor.Int8:
		return uint64(int64(int8(t.Data[i])))
	case tensor.Int16:
		return uint64(int64(int16(binary.LittleEndian.Uint16(t.Data[2*i:]))))
	case tensor.Uint16, tensor.Float16, tensor.BFloat16:
		return uint64(binary.LittleEndian.Uint16(t.Data[2*i:]))
	case tensor.Int32:
		return uint64(int64(int32(binary.LittleEndian.Uint32(t.Data[4*i:]))))
	case tensor.Uint32:
		return uint64(binary.LittleEndian.Uint32(t.Data[4*i:]))
	}
	return binary.LittleEndian.Uint64(t.Data[8*i:])
}

// packedSize returns the bytes of the elements of a tensor of numbers as a packed field.
func packedSize(t *tensor.Tensor) int {
	if packedType(t.DType) != varintType || t.DType == tensor.Bool {
		return len(t.Data)
	}
	n := 0
	for i := range len(t.Data) / elementSize(t.DType) {
		n += protowire.SizeVarint(element(t, i))
	}
	return n
}

// repeatedSize returns the bytes of the elements of t as a repeated field.
func repeatedSize(t *tensor.Tensor, field protowire.Number) int {
	n := 0
	for _, s := range t.Strings {
		n += protowire.SizeTag(field) + protowire.SizeBytes(len(s))
	}
	if len(t.Data) > 0 {
		n += protowire.SizeTag(field) + protowire.SizeBytes(packedSize(t))
	}
	return n
}

// appendRepeated appends the elements of t as a repeated field, packed where they are numbers.
func appendRepeated(dst []byte, t *tensor.Tensor, field protowire.Number) []byte {
	for _, s := range t.Strings {
		dst = protowire.AppendString(protowire.AppendTag(dst, field, bytesType), s)
	}
	if len(t.Data) == 0 {
		return dst
	}
	dst = protowire.AppendVarint(protowire.AppendTag(dst, field, bytesType), uint64(packedSize(t)))
	if packedType(t.DType) != varintType || t.DType == tensor.Bool {
		return append(dst, t.Data...)
	}
	for i := range len(t.Data) / elementSize(t.DType) {
		dst = protowire.AppendVarint(dst, element(t, i))
	}
	return dst
}
