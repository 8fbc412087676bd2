package rpc

import (
	"io"
	"runtime"

	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/encoding/gzip"

	"infer/internal/fault"
	"infer/internal/wire"
)

// unpacker is gRPC's gzip for messages from outside: one that unpacks to far more than its own size is unpacked no
// further, and only so many are unpacked at a time as there are CPUs, since each takes memory before it is counted.
type unpacker struct {
	encoding.Compressor
	turns chan struct{}
}

// gRPC looks compressors up in a table of the process; this one takes the place of the one that gzip has put there.
var _ = func() struct{} {
	encoding.RegisterCompressor(&unpacker{encoding.GetCompressor(gzip.Name), make(chan struct{}, runtime.NumCPU())})
	return struct{}{}
}()

// errRatio reaches the client with the code INTERNAL, which is what gRPC makes of every error of a compressor.
var errRatio = fault.New(fault.TooLarge, "", "the message unpacks to far more than its size")

// Decompress implements encoding.Compressor.
func (u *unpacker) Decompress(r io.Reader) (io.Reader, error) {
	sized, ok := r.(interface{ Remaining() int })
	if !ok {
		return u.Compressor.Decompress(r)
	}
	most := wire.MostUnpacked(int64(sized.Remaining()))
	inner, err := u.Compressor.Decompress(r)
	if err != nil {
		return nil, err
	}
	u.turns <- struct{}{}
	return &unpacking{inner, most, u.turns}, nil
}

// unpacking reads one message.
type unpacking struct {
	io.Reader
	left  int64
	turns chan struct{}
}

// Read implements io.Reader.
func (u *unpacking) Read(b []byte) (int, error) {
	n, err := u.Reader.Read(b)
	if u.left -= int64(n); u.left < 0 {
		return n, errRatio
	}
	return n, err
}

// Close implements io.Closer; gRPC calls it after the last Read.
func (u *unpacking) Close() error {
	if u.turns != nil {
		<-u.turns
		u.turns = nil
	}
	return nil
}
