package rpc

import (
	"context"
	"net"
	"reflect"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/tap"
)

// call is what can end a call that waits for a message.
type call struct {
	ctx    context.Context
	cancel context.CancelCauseFunc
}

// callKey is where the context of a call has its call.
type callKey struct{}

// tapped gives every call a context that can be ended from outside. gRPC asks it before anything else.
func tapped(ctx context.Context, _ *tap.Info) (context.Context, error) {
	c := new(call)
	c.ctx, c.cancel = context.WithCancelCause(ctx)
	return context.WithValue(c.ctx, callKey{}, c), nil
}

// receiving runs receive, which waits for a message, or for all messages of a stream, so that the intake of the
// connection can end it. Its error is then that of the intake; the client has been told CANCELLED by gRPC already.
func receiving(ctx context.Context, receive func() error) error {
	c, _ := ctx.Value(callKey{}).(*call)
	p, _ := peer.FromContext(ctx)
	if c == nil || p == nil {
		return receive()
	}
	a, _ := p.Addr.(*address)
	id := streamOf(grpc.ServerTransportStreamFromContext(ctx))
	if a == nil || a.intake == nil || id == 0 {
		return receive()
	}
	a.intake.expect(id, c)
	defer a.intake.forget(id)
	err := receive()
	if cause := context.Cause(c.ctx); err != nil && (cause == errFull || cause == errSlow) {
		return cause
	}
	return err
}

// streamOf is the number of the HTTP/2 stream of a call, 0 where it cannot be known. gRPC does not tell it, and nothing
// else says which of the messages that come in belongs to which call; TestIntake fails where its field is gone.
func streamOf(s grpc.ServerTransportStream) uint32 {
	v := reflect.ValueOf(s)
	if v.Kind() != reflect.Pointer || v.Elem().Kind() != reflect.Struct {
		return 0
	}
	id := v.Elem().FieldByName("id")
	if !id.IsValid() || id.Kind() != reflect.Uint32 {
		return 0
	}
	return uint32(id.Uint())
}

// watchMethods returns methods whose handlers wait for their message under the eyes of the intake.
func watchMethods(methods []grpc.MethodDesc) []grpc.MethodDesc {
	watched := make([]grpc.MethodDesc, len(methods))
	for n, m := range methods {
		inner := m.Handler
		m.Handler = func(server any, ctx context.Context, receive func(any) error, i grpc.UnaryServerInterceptor) (any, error) {
			return inner(server, ctx, func(v any) error {
				return statusOf(receiving(ctx, func() error { return receive(v) }))
			}, i)
		}
		watched[n] = m
	}
	return watched
}

// watch is a gRPC server that registers services with watchMethods.
type watch struct{ *grpc.Server }

// RegisterService implements grpc.ServiceRegistrar.
func (w watch) RegisterService(d *grpc.ServiceDesc, implementation any) {
	watched := *d
	watched.Methods = watchMethods(d.Methods)
	w.Server.RegisterService(&watched, implementation)
}

// transport are credentials that put an intake between the connection, where it is not encrypted any more, and gRPC.
type transport struct {
	credentials.TransportCredentials
	s *Server
}

func newTransport(s *Server) transport {
	if s.o.TLS != nil {
		return transport{credentials.NewTLS(s.o.TLS), s}
	}
	return transport{insecure.NewCredentials(), s}
}

// ServerHandshake implements credentials.TransportCredentials.
func (t transport) ServerHandshake(raw net.Conn) (net.Conn, credentials.AuthInfo, error) {
	c, info, err := t.TransportCredentials.ServerHandshake(raw)
	if err != nil {
		return nil, nil, err
	}
	return newIntake(c, t.s), info, nil
}

// Clone implements credentials.TransportCredentials.
func (t transport) Clone() credentials.TransportCredentials {
	return transport{t.TransportCredentials.Clone(), t.s}
}
