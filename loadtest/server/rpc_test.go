package server

import (
	"context"
	"net"
	"net/http"
	"reflect"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"infer/internal/fault"
	"infer/internal/pb"
	"infer/internal/wire"
	"infer/model/tensor"
)

// tritonRPC answers as Triton 2.51.0 does; bare has what KServe 0.21.0 has, which is less.
type tritonRPC struct {
	pb.UnimplementedGRPCInferenceServiceServer
	bare bool
	key  string // where it is not "", calls without it are refused
	code codes.Code
}

func (s tritonRPC) ServerMetadata(ctx context.Context, _ *pb.ServerMetadataRequest) (*pb.ServerMetadataResponse, error) {
	if md, _ := metadata.FromIncomingContext(ctx); s.key != "" && !reflect.DeepEqual(md.Get("authorization"), []string{s.key}) {
		return nil, status.Error(s.code, "no key")
	}
	return &pb.ServerMetadataResponse{Name: "triton", Version: "2.51.0", Extensions: []string{"statistics"}}, nil
}

func (s tritonRPC) ModelMetadata(_ context.Context, q *pb.ModelMetadataRequest) (*pb.ModelMetadataResponse, error) {
	if q.Name != "add" {
		return nil, status.Errorf(codes.NotFound, "Request for unknown model: '%s' is not found", q.Name)
	}
	return &pb.ModelMetadataResponse{Name: "add", Versions: []string{"1"}, Platform: "python",
		Inputs:  []*pb.ModelMetadataResponse_TensorMetadata{{Name: "A", Datatype: "FP32", Shape: []int64{-1, 3}}},
		Outputs: []*pb.ModelMetadataResponse_TensorMetadata{{Name: "N", Datatype: "INT64"}}}, nil
}

func (s tritonRPC) RepositoryIndex(ctx context.Context, q *pb.RepositoryIndexRequest) (*pb.RepositoryIndexResponse, error) {
	if s.bare {
		return s.UnimplementedGRPCInferenceServiceServer.RepositoryIndex(ctx, q)
	}
	return &pb.RepositoryIndexResponse{Models: []*pb.RepositoryIndexResponse_ModelIndex{{Name: "flat", State: "READY"}, {Name: "add", Version: "1", State: "READY"}, {Name: "add", Version: "2", State: "READY"}}}, nil
}

func (s tritonRPC) ModelConfig(ctx context.Context, q *pb.ModelConfigRequest) (*pb.ModelConfigResponse, error) {
	if s.bare {
		return s.UnimplementedGRPCInferenceServiceServer.ModelConfig(ctx, q)
	}
	return &pb.ModelConfigResponse{Config: &pb.ModelConfig{Name: "add", MaxBatchSize: 64}}, nil
}

func (s tritonRPC) ModelStatistics(ctx context.Context, q *pb.ModelStatisticsRequest) (*pb.ModelStatisticsResponse, error) {
	if s.bare {
		return s.UnimplementedGRPCInferenceServiceServer.ModelStatistics(ctx, q)
	}
	d := func(n, ns uint64) *pb.StatisticDuration { return &pb.StatisticDuration{Count: n, Ns: ns} }
	return &pb.ModelStatisticsResponse{ModelStats: []*pb.ModelStatistics{
		{Name: "add", Version: "1", InferenceCount: 20, ExecutionCount: 10,
			InferenceStats: &pb.InferStatistics{Success: d(20, 100), Fail: d(1, 1<<63+5), Queue: d(20, 1), ComputeInput: d(20, 2), ComputeInfer: d(20, 3), ComputeOutput: d(20, 4)},
			BatchStats:     []*pb.InferBatchStatistics{{BatchSize: 2, ComputeInfer: d(10, 3)}}},
		{Name: "add", Version: "2"},
	}}, nil
}

// listen starts a gRPC server and asks it.
func listen(t *testing.T, s tritonRPC, header http.Header) API {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g := grpc.NewServer()
	pb.RegisterGRPCInferenceServiceServer(g, s)
	go g.Serve(l)
	t.Cleanup(g.Stop)
	return opened(t, Options{URL: "grpc://" + l.Addr().String(), Header: header})
}

func TestRPC(t *testing.T) {
	a := listen(t, tritonRPC{}, nil)
	if info, err := a.Server(t.Context()); err != nil || info.String() != "triton 2.51.0" || len(info.Extensions) != 1 {
		t.Error(info, err)
	}
	if models, err := a.Models(t.Context()); err != nil || !reflect.DeepEqual(models, []string{"add", "flat"}) {
		t.Error(models, err)
	}
	want := Model{"add", "1", "python", []wire.Port{port("A", tensor.Float32, -1, 3)}, []wire.Port{port("N", tensor.Int64)}, 64}
	if m, err := a.Model(t.Context(), "add", ""); err != nil || !reflect.DeepEqual(m, want) {
		t.Errorf("%+v, %v\nnot %+v", m, err, want)
	}
	_, err := a.Model(t.Context(), "flta", "")
	wantFault(t, err, fault.NotFound, "unknown model: 'flta'", "did you mean flat")
	stats := &Statistics{Success: Counter{20, 100}, Fail: Counter{1, 1<<63 - 1}, Queue: Counter{20, 1}, Input: Counter{20, 2}, Compute: Counter{20, 3}, Output: Counter{20, 4},
		Inferences: 20, Executions: 10}
	if s, err := a.Statistics(t.Context(), "add", ""); err != nil || !reflect.DeepEqual(s, stats) {
		t.Errorf("%+v, %v\nnot %+v", s, err, stats)
	}
}

func TestRPCBare(t *testing.T) {
	a := listen(t, tritonRPC{bare: true}, nil)
	if models, err := a.Models(t.Context()); err != nil || models != nil {
		t.Error(models, err)
	}
	if m, err := a.Model(t.Context(), "add", ""); err != nil || m.MaxBatch != NotTold {
		t.Error(m, err)
	}
	if s, err := a.Statistics(t.Context(), "add", ""); s != nil || err != nil {
		t.Error(s, err)
	}
}

func TestRPCKey(t *testing.T) {
	if _, err := listen(t, tritonRPC{key: "Bearer x"}, http.Header{"Authorization": {"Bearer x"}}).Server(t.Context()); err != nil {
		t.Error(err)
	}
	_, err := listen(t, tritonRPC{key: "Bearer x", code: codes.Unauthenticated}, nil).Server(t.Context())
	wantFault(t, err, fault.Unauthorized, "no key", "-H 'Authorization")
	_, err = listen(t, tritonRPC{key: "Bearer x", code: codes.PermissionDenied}, nil).Server(t.Context())
	wantFault(t, err, fault.Denied, "no key", "-H 'Authorization")
	_, err = listen(t, tritonRPC{key: "Bearer x", code: codes.ResourceExhausted}, nil).Server(t.Context())
	wantFault(t, err, fault.Unavailable, "no key", "")
}
