package rpc

import (
	"context"
	"sync"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/proto"

	"infer/internal/pb"
	"infer/model"
	"infer/model/engine/enginetest"
	"infer/serve/repository"
)

// BenchmarkModelInfer is the whole way of a call on loopback, client included, on a model of a few microseconds: 16
// connections, one call at a time on each, and one connection.
func BenchmarkModelInfer(b *testing.B) {
	for _, c := range []struct {
		name        string
		connections int
	}{{"1", 1}, {"16", 16}} {
		b.Run(c.name, func(b *testing.B) {
			h := serve(b, map[string]*model.Model{"sum": enginetest.Add("n", 784)}, Options{}, repository.Options{})
			h.server.o.Observer = nil
			a := make([]float32, 784)
			request, err := proto.Marshal(sum("sum", []int64{1, 784}, a, a))
			if err != nil {
				b.Fatal(err)
			}
			conns := make([]*grpc.ClientConn, c.connections)
			for i := range conns {
				conns[i] = dial(b, h.addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
				invoke(b, conns[i], request)
			}
			b.ReportAllocs()
			b.ResetTimer()
			var calls sync.WaitGroup
			for i := range conns {
				calls.Go(func() {
					for range b.N / len(conns) {
						invoke(b, conns[i], request)
					}
				})
			}
			calls.Wait()
		})
	}
}

func invoke(b *testing.B, conn *grpc.ClientConn, request []byte) {
	var answer []byte
	if err := conn.Invoke(context.Background(), pb.GRPCInferenceService_ModelInfer_FullMethodName, request, &answer, grpc.ForceCodec(rawCodec{})); err != nil {
		b.Error(err)
	}
}

// BenchmarkExchange is the part of a call that is this package's own: from the bytes of the request to those of the
// answer, a run of the model between.
func BenchmarkExchange(b *testing.B) {
	h := serve(b, map[string]*model.Model{"sum": enginetest.Add("n", 784)}, Options{}, repository.Options{})
	h.server.o.Observer = nil
	a := make([]float32, 784)
	request, err := proto.Marshal(sum("sum", []int64{1, 784}, a, a))
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	codec := newCodec()
	data := mem.BufferSlice{mem.SliceBuffer(request)}
	receive := func(v any) error { return codec.Unmarshal(data, v) }
	b.ReportAllocs()
	for b.Loop() {
		answer, err := h.server.unaryInference(ctx, receive, modelInfer)
		if err != nil {
			b.Fatal(err)
		}
		sent, err := codec.Marshal(answer)
		if err != nil {
			b.Fatal(err)
		}
		sent.Free()
	}
}
