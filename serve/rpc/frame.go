package rpc

import (
	"sync"

	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/encoding/proto"
	"google.golang.org/grpc/mem"
)

// codec passes frames and replies through as they are and leaves every other message to protobuf.
type codec struct{ proto encoding.CodecV2 }

func newCodec() codec { return codec{encoding.GetCodecV2(proto.Name)} }

// Name implements encoding.CodecV2.
func (codec) Name() string { return proto.Name }

// Unmarshal implements encoding.CodecV2.
func (c codec) Unmarshal(data mem.BufferSlice, v any) error {
	if f, ok := v.(*frame); ok {
		f.free()
		if data.Len() > mostReply && len(data) > 1 {
			f.buffer = mem.SliceBuffer(data.Materialize()) // a pool would keep it
			return nil
		}
		f.buffer = data.MaterializeToBuffer(mem.DefaultBufferPool())
		return nil
	}
	return c.proto.Unmarshal(data, v)
}

// Marshal implements encoding.CodecV2.
func (c codec) Marshal(v any) (mem.BufferSlice, error) {
	if r, ok := v.(*reply); ok {
		return r.take(), nil
	}
	return c.proto.Marshal(v)
}

// frame is a request as it came: the buffer that gRPC received it in, where it lies in one.
type frame struct{ buffer mem.Buffer }

// bytes returns the message, valid until free.
func (f *frame) bytes() []byte {
	if f.buffer == nil {
		return nil
	}
	return f.buffer.ReadOnlyData()
}

// free gives the buffer back.
func (f *frame) free() {
	if f.buffer != nil {
		f.buffer.Free()
		f.buffer = nil
	}
}

// reply is an encoded answer, in memory that comes back to a pool when gRPC has sent it.
type reply struct{ bytes []byte }

// Sizes of the memory of a reply: gRPC gives no smaller buffer back, and no larger one is kept.
const (
	leastReply = 2 << 10
	mostReply  = 4 << 20
)

// replies are empty replies with memory.
var replies = sync.Pool{New: func() any { return &reply{make([]byte, 0, leastReply)} }}

func newReply() *reply { return replies.Get().(*reply) }

// take hands the bytes to gRPC, which gives them back through Put.
func (r *reply) take() mem.BufferSlice { return mem.BufferSlice{mem.NewBuffer(&r.bytes, r)} }

// Get implements mem.BufferPool; nobody asks a reply for memory.
func (r *reply) Get(length int) *[]byte {
	b := make([]byte, length)
	return &b
}

// Put implements mem.BufferPool.
func (r *reply) Put(*[]byte) { r.free() }

// free gives the memory back.
func (r *reply) free() {
	if cap(r.bytes) <= mostReply {
		r.bytes = r.bytes[:0]
		replies.Put(r)
	}
}
