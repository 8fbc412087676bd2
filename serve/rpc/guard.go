package rpc

import (
	"context"
	"fmt"
	"runtime/debug"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	"infer/internal/fault"
	"infer/serve/guard"
)

// openMethods are the methods, or services with a slash at the end, that need no key: what probes ask.
var openMethods = []string{
	"/grpc.health.v1.Health/",
	"/inference.GRPCInferenceService/ServerLive",
	"/inference.GRPCInferenceService/ServerReady",
}

// scopeOf returns the scope that a method needs, "" for none.
func scopeOf(method string) string {
	for _, m := range openMethods {
		if method == m || strings.HasSuffix(m, "/") && strings.HasPrefix(method, m) {
			return ""
		}
	}
	switch method {
	case "/inference.GRPCInferenceService/RepositoryModelLoad", "/inference.GRPCInferenceService/RepositoryModelUnload":
		return guard.Admin
	}
	return guard.Infer
}

// authorize checks the key of a call. name is that of the key, "" without keys.
func (s *Server) authorize(ctx context.Context, scope string) (name string, err error) {
	if scope == guard.Admin && !s.o.Admin {
		return "", errNoAdmin
	}
	if s.o.Keys == nil || scope == "" {
		return "", nil
	}
	return s.o.Keys.Check(guard.Credential([]byte(first(ctx, "authorization")), []byte(first(ctx, "x-api-key"))), scope)
}

// errNoAdmin is the answer of a listener that is not for the administration of models.
var errNoAdmin = fault.New(fault.Denied, "use the address of --admin, or start the server with --allow-load", "models are not loaded and unloaded at this address")

// first returns the first value of the metadata of a call under one of the names, which are in lower case.
func first(ctx context.Context, names ...string) string {
	for _, name := range names {
		if v := metadata.ValueFromIncomingContext(ctx, name); len(v) > 0 {
			return v[0]
		}
	}
	return ""
}

// unary stands before every unary method but the inferences, which do the same themselves.
func (s *Server) unary(ctx context.Context, request any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler) (answer any, err error) {
	defer func() {
		s.rescue(recover(), info.FullMethod, &err)
		err = statusOf(err)
	}()
	if _, err := s.authorize(ctx, scopeOf(info.FullMethod)); err != nil {
		return nil, err
	}
	return next(ctx, request)
}

// stream stands before every method with a stream.
func (s *Server) stream(server any, stream grpc.ServerStream, info *grpc.StreamServerInfo, next grpc.StreamHandler) (err error) {
	defer func() {
		s.rescue(recover(), info.FullMethod, &err)
		err = statusOf(err)
	}()
	if _, err := s.authorize(stream.Context(), scopeOf(info.FullMethod)); err != nil {
		return err
	}
	return receiving(stream.Context(), func() error { return next(server, stream) })
}

// rescue turns a panic into an error and logs it: one request shall not take the others with it.
func (s *Server) rescue(panicked any, method string, err *error) {
	if panicked != nil {
		s.o.Log.Error("a call ended in a panic", "panic", fmt.Sprint(panicked), "method", method, "stack", string(debug.Stack()))
		*err = fault.New(fault.Internal, "", "the server failed at this request")
	}
}
