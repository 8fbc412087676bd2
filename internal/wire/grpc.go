package wire

import (
	"fmt"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"

	"infer/internal/fault"
	"infer/model/tensor"
)

// Wire types of protobuf fields. A tag is number<<3 | type.
const (
	varintType  = protowire.VarintType
	fixed64Type = protowire.Fixed64Type
	bytesType   = protowire.BytesType
	fixed32Type = protowire.Fixed32Type
)

// fields reads a protobuf message field by field:
//
//	for m := (fields{rest: data}); m.next(); { … }
//
// A field of an unknown number, or of a known one with another wire type, is passed over by whoever switches over tag,
// as protobuf has it.
type fields struct {
	rest  []byte
	tag   uint64 // number<<3 | type
	bytes []byte // the value of a field of bytesType, a view
	num   uint64 // the value of a field of varintType, fixed32Type, fixed64Type
	err   error
}

// next reads a field. It returns false at the end and at an error, which is then in m.err.
func (m *fields) next() bool {
	if len(m.rest) == 0 || m.err != nil {
		return false
	}
	number, kind, n := protowire.ConsumeTag(m.rest)
	if n < 0 {
		m.err = protowire.ParseError(n)
		return false
	}
	if number > protowire.MaxValidNumber { // protowire lets it pass, and protobuf does not
		m.err = fmt.Errorf("field number %d is above %d", number, protowire.MaxValidNumber)
		return false
	}
	m.tag, m.rest = protowire.EncodeTag(number, kind), m.rest[n:]
	switch kind {
	case bytesType:
		m.bytes, n = protowire.ConsumeBytes(m.rest)
	case varintType:
		m.num, n = protowire.ConsumeVarint(m.rest)
	case fixed64Type:
		m.num, n = protowire.ConsumeFixed64(m.rest)
	case fixed32Type:
		var v uint32
		v, n = protowire.ConsumeFixed32(m.rest)
		m.num = uint64(v)
	default:
		n = protowire.ConsumeFieldValue(number, kind, m.rest)
	}
	if n < 0 {
		m.err = protowire.ParseError(n)
		return false
	}
	m.rest = m.rest[n:]
	return true
}

// number returns the number of the field.
func (m *fields) number() uint64 { return m.tag >> 3 }

// malformed says that bytes are not the protobuf message that they should be; nil where err is nil.
func malformed(what string, err error) error {
	if err == nil {
		return nil
	}
	return fault.New(fault.Usage, "", "malformed %s: %w", what, err)
}

// text interns a string in the field or message called what.
func (a *arena) text(b []byte, what string) (string, error) {
	if err := checkText(b, what); err != nil {
		return "", err
	}
	return a.intern(b), nil
}

// ownText is text for a string that does not come again.
func ownText(b []byte, what string) (string, error) {
	if err := checkText(b, what); err != nil {
		return "", err
	}
	return string(b), nil
}

// checkText refuses a string that is not UTF-8, which protobuf does not allow, or too long for logs and answers.
func checkText(b []byte, what string) error {
	if len(b) > maxNameLen {
		return fault.New(fault.TooLarge, "", "a string of %d bytes in %s is over the limit of %d", len(b), what, maxNameLen)
	}
	if !utf8.Valid(b) {
		return fault.New(fault.Usage, "", "a string in %s is not valid UTF-8", what)
	}
	return nil
}

// dims appends the dimensions of a field of a repeated int64, packed or not, to shape, which is memory of a.
func (a *arena) dims(shape tensor.Shape, m *fields, p place) (tensor.Shape, error) {
	if m.tag&7 == uint64(varintType) {
		return a.dim(shape, int64(m.num), p)
	}
	for packed := m.bytes; len(packed) > 0; {
		v, n := protowire.ConsumeVarint(packed)
		if n < 0 {
			return nil, malformed("shape of "+p.String(), protowire.ParseError(n))
		}
		packed = packed[n:]
		var err error
		if shape, err = a.dim(shape, int64(v), p); err != nil {
			return nil, err
		}
	}
	return shape, nil
}

// dim appends one dimension.
func (a *arena) dim(shape tensor.Shape, d int64, p place) (tensor.Shape, error) {
	if len(shape) == maxRank {
		return nil, fault.New(fault.TooLarge, "", "the shape of %s has more than %d dimensions", p, maxRank)
	}
	if len(shape) == cap(shape) {
		shape = append(a.shape(max(4, 2*len(shape)))[:0], shape...)
	}
	return append(shape, d), nil
}
