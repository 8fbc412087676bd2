package rpc

import (
	"context"
	"slices"

	"google.golang.org/grpc"

	"infer/internal/pb"
	"infer/internal/wire"
)

// oip is the Open Inference Protocol. The methods that it does not have are answered with UNIMPLEMENTED.
type oip struct {
	pb.UnimplementedGRPCInferenceServiceServer
	s *Server
}

// modelInfer is the protocol of ModelInfer.
var modelInfer = &protocol{
	name:   "oip-grpc",
	method: pb.GRPCInferenceService_ModelInfer_FullMethodName,
	decode: (*wire.Request).DecodeModelInfer,
	encode: wire.AppendModelInferResponse,
}

// oipService describes the service as generated, but for the two methods that bypass generated messages.
func oipService() *grpc.ServiceDesc {
	d := pb.GRPCInferenceService_ServiceDesc
	d.Methods = bypass(d.Methods, "ModelInfer", func(server any, ctx context.Context, receive func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
		return server.(*oip).s.unaryInference(ctx, receive, modelInfer)
	})
	d.Streams = slices.Clone(d.Streams)
	for i := range d.Streams {
		if d.Streams[i].StreamName == "ModelStreamInfer" {
			d.Streams[i].Handler = func(server any, stream grpc.ServerStream) error {
				return server.(*oip).s.streamInference(stream)
			}
		}
	}
	return &d
}

// bypass returns methods with another handler for one of them.
func bypass(methods []grpc.MethodDesc, name string, handler grpc.MethodHandler) []grpc.MethodDesc {
	methods = slices.Clone(methods)
	for i := range methods {
		if methods[i].MethodName == name {
			methods[i].Handler = handler
		}
	}
	return methods
}

// unaryInference answers an inference. The key is checked before the body is waited for.
func (s *Server) unaryInference(ctx context.Context, receive func(any) error, p *protocol) (any, error) {
	x := s.begin(ctx, p)
	if err := x.admit(ctx); err != nil {
		return nil, x.end(err)
	}
	if err := receive(&x.in); err != nil {
		return nil, x.end(err)
	}
	answer, err := x.infer(ctx)
	if err := x.end(err); err != nil {
		return nil, err
	}
	return answer, nil
}
