package rpc

import (
	"context"
	"errors"
	"io"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/encoding/protowire"

	"infer/internal/fault"
	"infer/internal/pb"
)

// streamDepth is how many requests of one stream may be under way: enough for a batch, and a client that asks for more
// waits.
const streamDepth = 64

// modelStreamInfer is modelInfer as the answers of a stream hold it.
var modelStreamInfer = &protocol{
	name:   modelInfer.name,
	method: pb.GRPCInferenceService_ModelStreamInfer_FullMethodName,
	decode: modelInfer.decode,
	encode: modelInfer.encode,
}

// outcome is what became of a request of a stream.
type outcome struct {
	id     string
	answer *reply
	err    error
}

// streamInference answers the requests of a stream in their order, at most streamDepth of them at a time. What is wrong
// with one is told in its answer and leaves the stream alone, unless the metadata has triton_grpc_error: true; then the
// first error ends it with its code. A draining server answers what it has and ends the stream.
func (s *Server) streamInference(stream grpc.ServerStream) error {
	ctx, cancel := context.WithCancelCause(stream.Context())
	defer cancel(nil)
	strict := first(ctx, "triton_grpc_error") == "true"
	pending := make(chan chan outcome, streamDepth)
	go s.receive(ctx, stream, pending, cancel)
	for {
		var next chan outcome
		select {
		case next = <-pending:
		case <-s.draining:
			select {
			case next = <-pending: // it has been received: it is answered
			default:
				return fault.New(fault.Unavailable, "", "the server is shutting down")
			}
		}
		if next == nil { // closed: the client has no more requests
			if err := context.Cause(ctx); err != nil {
				return err
			}
			return nil
		}
		o := <-next
		if o.err != nil && strict {
			return o.err
		}
		if err := stream.SendMsg(o.message()); err != nil {
			return err
		}
	}
}

// receive takes the requests of a stream and starts them; it closes pending after the last one. An error of the stream
// ends ctx. It ends with the stream, which is soon after streamInference has returned: nothing else wakes RecvMsg.
func (s *Server) receive(ctx context.Context, stream grpc.ServerStream, pending chan<- chan outcome, cancel context.CancelCauseFunc) {
	defer close(pending)
	for {
		x := s.begin(ctx, modelStreamInfer)
		if err := stream.RecvMsg(&x.in); err != nil {
			s.exchanges.Put(x)
			if !errors.Is(err, io.EOF) {
				cancel(err)
			}
			return
		}
		x.event.Arrived = time.Now()
		o := make(chan outcome, 1)
		select {
		case pending <- o:
		case <-ctx.Done():
			x.end(ctx.Err())
			return
		}
		go func() { // ends with the inference
			err := x.admit(ctx)
			var answer *reply
			if err == nil {
				answer, err = x.infer(ctx)
			}
			id := x.request.ID
			o <- outcome{id, answer, x.end(err)}
		}()
	}
}

// message wraps the answer, or the error with the id of its request, in a ModelStreamInferResponse.
func (o outcome) message() any {
	if o.err != nil {
		return &pb.ModelStreamInferResponse{ErrorMessage: messageOf(o.err), InferResponse: &pb.ModelInferResponse{Id: o.id}}
	}
	r := newReply()
	r.bytes = protowire.AppendBytes(protowire.AppendTag(r.bytes, 2, protowire.BytesType), o.answer.bytes)
	o.answer.free()
	return r
}
