package null

import (
	"errors"
	"math"
	"net"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/encoding/proto"
	"google.golang.org/grpc/mem"
)

// What makes a small call cheap; serve/rpc says why.
const (
	streamWindow = 256 << 10
	connWindow   = 4 << 20
	workers      = 64
)

// GRPC starts a server that answers every call of every method, after its first message, with the same message. It
// listens when GRPC returns. Errors are fault.Usage.
func GRPC(o Options) (*Server, error) {
	l, err := o.listen()
	if err != nil {
		return nil, err
	}
	var g *gate
	if o.timed() {
		g = newGate(o)
	}
	s := grpc.NewServer(
		grpc.ForceServerCodecV2(blind{}),
		grpc.UnknownServiceHandler(func(_ any, stream grpc.ServerStream) error {
			if err := stream.RecvMsg(nil); err != nil {
				return err
			}
			if g != nil {
				g.wait()
			}
			return stream.SendMsg(o.Body)
		}),
		grpc.MaxRecvMsgSize(math.MaxInt32),
		grpc.StaticStreamWindowSize(streamWindow),
		grpc.StaticConnWindowSize(connWindow),
		grpc.NumStreamWorkers(workers),
	)
	var work sync.WaitGroup
	work.Go(func() { s.Serve(l) }) // ends with Stop
	return &Server{addr: l.Addr().String(), close: func() error {
		if g != nil {
			g.close()
		}
		s.Stop()
		work.Wait()
		if err := l.Close(); !errors.Is(err, net.ErrClosed) {
			return err
		}
		return nil
	}}, nil
}

// blind is a codec that looks at nothing that comes and sends bytes as they are.
type blind struct{}

// Name implements encoding.CodecV2.
func (blind) Name() string { return proto.Name }

// Unmarshal implements encoding.CodecV2.
func (blind) Unmarshal(mem.BufferSlice, any) error { return nil }

// Marshal implements encoding.CodecV2.
func (blind) Marshal(v any) (mem.BufferSlice, error) {
	return mem.BufferSlice{mem.SliceBuffer(v.([]byte))}, nil
}
