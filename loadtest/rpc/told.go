package rpc

import (
	"math"
	"time"

	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/encoding/protowire"

	"infer/loadtest/sample"
)

// told is what an answer says of its own time, in its parameters queue_us, compute_us and batch_size.
type told struct {
	queue, compute time.Duration // sample.Untold
	batch          int32         // 0: not told
}

var untold = told{queue: sample.Untold, compute: sample.Untold}

// read finds what a ModelInferResponse tells without a look at its tensors. It returns false where the bytes are no
// message of protobuf.
func read(data mem.BufferSlice) (told, bool) {
	t := untold
	c := cursor{more: data}
	var space [128]byte
	for {
		tag, more, ok := c.tag()
		if !more || !ok {
			return t, ok
		}
		if tag != parametersTag {
			if !c.pass(tag) {
				return t, false
			}
			continue
		}
		n, ok := c.varint()
		switch {
		case !ok:
			return t, false
		case n > uint64(len(space)): // a long text
			ok = c.skip(n)
		default:
			var entry []byte
			if entry, ok = c.take(space[:n]); ok {
				ok = t.entry(entry)
			}
		}
		if !ok {
			return t, false
		}
	}
}

// parametersTag begins an entry of the parameters: map<string, InferParameter>, field 4.
const parametersTag = uint64(4<<3 | protowire.BytesType)

// entry reads an entry of the parameters.
func (t *told) entry(b []byte) bool {
	var name, value []byte
	for len(b) > 0 {
		number, kind, n := protowire.ConsumeTag(b)
		if n < 0 {
			return false
		}
		b = b[n:]
		if kind == protowire.BytesType && (number == 1 || number == 2) {
			v, n := protowire.ConsumeBytes(b)
			if n < 0 {
				return false
			}
			if b = b[n:]; number == 1 {
				name = v
			} else {
				value = v
			}
			continue
		}
		if n = protowire.ConsumeFieldValue(number, kind, b); n < 0 {
			return false
		}
		b = b[n:]
	}
	switch string(name) {
	case "queue_us":
		return microseconds(value, &t.queue)
	case "compute_us":
		return microseconds(value, &t.compute)
	case "batch_size":
		n, ok := count(value)
		if n > 0 && n <= math.MaxInt32 {
			t.batch = int32(n)
		}
		return ok
	}
	return true
}

func microseconds(value []byte, d *time.Duration) bool {
	n, ok := count(value)
	if n >= 0 && n <= int64(math.MaxInt64/time.Microsecond) {
		*d = time.Duration(n) * time.Microsecond
	}
	return ok
}

// count returns the number in an InferParameter, -1 where there is none that is not negative.
func count(b []byte) (v int64, ok bool) {
	v = -1
	for len(b) > 0 {
		number, kind, n := protowire.ConsumeTag(b)
		if n < 0 {
			return -1, false
		}
		b = b[n:]
		if kind == protowire.VarintType && (number == 2 || number == 5) { // int64_param, uint64_param
			u, n := protowire.ConsumeVarint(b)
			if n < 0 {
				return -1, false
			}
			if b, v = b[n:], int64(u); v < 0 {
				v = -1
			}
			continue
		}
		if n = protowire.ConsumeFieldValue(number, kind, b); n < 0 {
			return -1, false
		}
		b = b[n:]
	}
	return v, true
}

// cursor walks a message that lies in pieces.
type cursor struct {
	rest []byte
	more mem.BufferSlice
}

// fill makes rest not empty, or returns false at the end.
func (c *cursor) fill() bool {
	for len(c.rest) == 0 {
		if len(c.more) == 0 {
			return false
		}
		c.rest, c.more = c.more[0].ReadOnlyData(), c.more[1:]
	}
	return true
}

// varint reads a varint.
func (c *cursor) varint() (v uint64, ok bool) {
	for shift := uint(0); shift < 64 && c.fill(); shift += 7 {
		b := c.rest[0]
		c.rest = c.rest[1:]
		if shift == 63 && b > 1 {
			return 0, false
		}
		v |= uint64(b&0x7f) << shift
		if b < 0x80 {
			return v, true
		}
	}
	return 0, false
}

// tag reads the tag of a field; more is false at the end of the message.
func (c *cursor) tag() (tag uint64, more, ok bool) {
	if !c.fill() {
		return 0, false, true
	}
	tag, ok = c.varint()
	number := tag >> 3
	return tag, true, ok && number >= uint64(protowire.MinValidNumber) && number <= uint64(protowire.MaxValidNumber)
}

// pass goes over the value of a field. Groups, which the protocol does not have, are refused.
func (c *cursor) pass(tag uint64) bool {
	n, ok := uint64(0), true
	switch protowire.Type(tag & 7) {
	case protowire.VarintType:
		_, ok = c.varint()
	case protowire.Fixed32Type:
		n = 4
	case protowire.Fixed64Type:
		n = 8
	case protowire.BytesType:
		n, ok = c.varint()
	default:
		ok = false
	}
	return ok && c.skip(n)
}

// skip goes n bytes on. It returns false where there are fewer.
func (c *cursor) skip(n uint64) bool {
	for n > 0 {
		if !c.fill() {
			return false
		}
		step := min(n, uint64(len(c.rest)))
		c.rest, n = c.rest[step:], n-step
	}
	return true
}

// take returns the next len(space) bytes, in space where they do not lie together. It returns false where there are fewer.
func (c *cursor) take(space []byte) ([]byte, bool) {
	if n := len(space); c.fill() && len(c.rest) >= n {
		b := c.rest[:n]
		c.rest = c.rest[n:]
		return b, true
	}
	for n := 0; n < len(space); {
		if !c.fill() {
			return nil, false
		}
		step := copy(space[n:], c.rest)
		c.rest, n = c.rest[step:], n+step
	}
	return space, true
}
