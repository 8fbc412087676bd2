package rpc

import (
	"google.golang.org/grpc/encoding/proto"
	"google.golang.org/grpc/mem"
)

// most is how much memory of an answer a pool keeps.
const most = 4 << 20

// codec sends messages and receives answers as bytes.
type codec struct{}

// Name implements encoding.CodecV2.
func (codec) Name() string { return proto.Name }

// Marshal implements encoding.CodecV2.
func (codec) Marshal(v any) (mem.BufferSlice, error) { return v.(*message).slice, nil }

// Unmarshal implements encoding.CodecV2. What is wrong with an answer is for the caller to find in it: an error from
// here would look like one of gRPC.
func (codec) Unmarshal(data mem.BufferSlice, v any) error {
	v.(*answer).receive(data)
	return nil
}

// message is what is sent. Many calls share it: it is not counted, and so never freed.
type message struct{ slice mem.BufferSlice }

// answer is what came back.
type answer struct {
	keep      bool // the bytes, not only what is told
	size      int64
	told      told
	malformed bool
	buffer    mem.Buffer // nil where not kept
}

func (a *answer) receive(data mem.BufferSlice) {
	a.size = int64(data.Len())
	var ok bool
	a.told, ok = read(data)
	a.malformed = !ok
	switch {
	case !a.keep:
	case len(data) > 1 && a.size > most:
		a.buffer = mem.SliceBuffer(data.Materialize()) // a pool would keep it
	default:
		a.buffer = data.MaterializeToBuffer(mem.DefaultBufferPool())
	}
}

// body returns the bytes, valid until free.
func (a *answer) body() []byte {
	if a.buffer == nil {
		return nil
	}
	return a.buffer.ReadOnlyData()
}

// free gives the memory back.
func (a *answer) free() {
	if a.buffer != nil {
		a.buffer.Free()
	}
	*a = answer{told: untold}
}
