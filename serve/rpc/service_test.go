package rpc

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"infer/internal/fault"
	"infer/internal/pb"
	"infer/internal/pb/tfs"
	"infer/model"
	"infer/model/engine/enginetest"
	"infer/serve/batch"
	"infer/serve/repository"
)

func sums(names ...string) map[string]*model.Model {
	m := map[string]*model.Model{}
	for _, name := range names {
		m[name] = enginetest.Add("n", 2)
	}
	return m
}

func TestDescribe(t *testing.T) {
	h := serve(t, sums("sum"), Options{Name: "me", Version: "1.2"}, repository.Options{})
	ctx := t.Context()
	if r, err := h.oip.ServerMetadata(ctx, &pb.ServerMetadataRequest{}); err != nil || r.Name != "me" || r.Version != "1.2" || !slices.Contains(r.Extensions, "statistics") {
		t.Errorf("server %v, %v", r, err)
	}
	if r, err := h.oip.ServerReady(ctx, &pb.ServerReadyRequest{}); err != nil || !r.Ready {
		t.Errorf("ready %v, %v", r, err)
	}
	if r, err := h.oip.ModelReady(ctx, &pb.ModelReadyRequest{Name: "sum", Version: "1"}); err != nil || !r.Ready {
		t.Errorf("model ready %v, %v", r, err)
	}
	if r, err := h.oip.ModelReady(ctx, &pb.ModelReadyRequest{Name: "sum", Version: "2"}); err != nil || r.Ready {
		t.Errorf("version 2: %v", err)
	}
	m, err := h.oip.ModelMetadata(ctx, &pb.ModelMetadataRequest{Name: "sum"})
	if err != nil {
		t.Fatal(err)
	}
	if m.Platform != "onnxruntime_onnx" || !slices.Equal(m.Versions, []string{"1"}) || len(m.Inputs) != 2 || len(m.Properties["sha256"]) != 64 || m.Properties["batching"] == "" {
		t.Errorf("metadata %v", m)
	}
	if in := m.Inputs[0]; in.Name != "a" || in.Datatype != "FP32" || !slices.Equal(in.Shape, []int64{-1, 2}) {
		t.Errorf("input %v", in)
	}
	r, err := h.oip.ModelConfig(ctx, &pb.ModelConfigRequest{Name: "sum"})
	if err != nil {
		t.Fatal(err)
	}
	c := r.Config
	if c.Backend != "onnxruntime" || c.MaxBatchSize < 1 || !slices.Equal(c.Input[0].Dims, []int64{2}) || c.Output[0].DataType != pb.DataType_TYPE_FP32 ||
		c.InstanceGroup[0].Count < 1 || !slices.Equal(c.VersionPolicy.GetSpecific().GetVersions(), []int64{1}) {
		t.Errorf("config %v", c)
	}
	if _, err := h.oip.ModelConfig(ctx, &pb.ModelConfigRequest{Name: "none"}); status.Code(err) != codes.NotFound {
		t.Errorf("config of no model: %v", err)
	}
	if _, err := h.oip.SystemSharedMemoryStatus(ctx, &pb.SystemSharedMemoryStatusRequest{}); status.Code(err) != codes.Unimplemented {
		t.Errorf("shared memory: %v", err)
	}
}

// TestStatistics counts two calls.
func TestStatistics(t *testing.T) {
	h := serve(t, sums("sum"), Options{}, repository.Options{})
	for range 2 {
		if _, err := h.oip.ModelInfer(t.Context(), one("sum")); err != nil {
			t.Fatal(err)
		}
	}
	r, err := h.oip.ModelStatistics(t.Context(), &pb.ModelStatisticsRequest{})
	if err != nil {
		t.Fatal(err)
	}
	s := r.ModelStats[0]
	if s.Name != "sum" || s.Version != "1" || s.InferenceCount != 2 || s.ExecutionCount != 2 || s.LastInference == 0 ||
		s.InferenceStats.Success.GetCount() != 2 || s.InferenceStats.ComputeInfer.GetNs() == 0 || len(s.BatchStats) != 1 || s.BatchStats[0].ComputeInfer.GetCount() != 2 {
		t.Errorf("statistics %v", s)
	}
}

// TestRepository loads and unloads, where that is allowed.
func TestRepository(t *testing.T) {
	ctx := t.Context()
	closed := serve(t, sums("sum"), Options{}, repository.Options{})
	if _, err := closed.oip.RepositoryModelUnload(ctx, &pb.RepositoryModelUnloadRequest{ModelName: "sum"}); status.Code(err) != codes.PermissionDenied {
		t.Errorf("unload where it is not allowed: %v", err)
	}
	h := serve(t, sums("sum", "other"), Options{Admin: true}, repository.Options{Explicit: true})
	ready := func(want ...string) {
		t.Helper()
		r, err := h.oip.RepositoryIndex(ctx, &pb.RepositoryIndexRequest{Ready: true})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, m := range r.Models {
			got = append(got, m.Name+"/"+m.Version+" "+m.State)
		}
		if !slices.Equal(got, want) {
			t.Errorf("index %q, want %q", got, want)
		}
	}
	ready("other/1 READY", "sum/1 READY")
	if _, err := h.oip.RepositoryModelUnload(ctx, &pb.RepositoryModelUnloadRequest{ModelName: "sum"}); err != nil {
		t.Fatal(err)
	}
	ready("other/1 READY")
	if r, err := h.oip.RepositoryIndex(ctx, &pb.RepositoryIndexRequest{}); err != nil || len(r.Models) != 2 {
		t.Errorf("index %v, %v", r, err)
	}
	if _, err := h.oip.ModelInfer(ctx, one("sum")); status.Code(err) != codes.Unavailable {
		t.Errorf("infer while unloaded: %v", err)
	}
	if _, err := h.oip.RepositoryModelLoad(ctx, &pb.RepositoryModelLoadRequest{ModelName: "sum"}); err != nil {
		t.Fatal(err)
	}
	ready("other/1 READY", "sum/1 READY")
	if _, err := h.oip.RepositoryModelLoad(ctx, &pb.RepositoryModelLoadRequest{ModelName: "none"}); status.Code(err) != codes.NotFound {
		t.Errorf("load of no model: %v", err)
	}
	config := map[string]*pb.ModelRepositoryParameter{"config": {ParameterChoice: &pb.ModelRepositoryParameter_StringParam{StringParam: "{}"}}}
	if _, err := h.oip.RepositoryModelLoad(ctx, &pb.RepositoryModelLoadRequest{ModelName: "sum", Parameters: config}); status.Code(err) != codes.Unimplemented {
		t.Errorf("load with a config: %v", err)
	}
}

func TestStream(t *testing.T) {
	h := serve(t, sums("sum"), Options{}, repository.Options{})
	stream, err := h.oip.ModelStreamInfer(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	const n = 200
	sent := make(chan error, 1)
	go func() {
		for i := range n {
			r := one("sum")
			r.Id = fmt.Sprint(i)
			if i%10 == 3 {
				r.ModelName = "none"
			}
			if i == 5 {
				r.Parameters = map[string]*pb.InferParameter{"triton_enable_empty_final_response": {ParameterChoice: &pb.InferParameter_BoolParam{BoolParam: true}}}
			}
			if err := stream.Send(r); err != nil {
				sent <- err
				return
			}
		}
		sent <- stream.CloseSend()
	}()
	for i := range n {
		r, err := stream.Recv()
		if err != nil {
			t.Fatal(err)
		}
		if got := r.InferResponse.GetId(); got != fmt.Sprint(i) {
			t.Fatalf("answer %d is that of %s", i, got)
		}
		if i%10 == 3 {
			if !strings.Contains(r.ErrorMessage, "unknown model: 'none'") {
				t.Errorf("answer %v", r)
			}
			continue
		}
		wantSum(t, r.InferResponse)
		if final := r.InferResponse.Parameters["triton_final_response"].GetBoolParam(); final != (i == 5) {
			t.Errorf("answer %d: final is %v", i, final)
		}
	}
	if _, err := stream.Recv(); err != io.EOF {
		t.Errorf("at the end: %v", err)
	}
	if err := <-sent; err != nil {
		t.Error(err)
	}
	strict, err := h.oip.ModelStreamInfer(metadata.AppendToOutgoingContext(t.Context(), "triton_grpc_error", "true"))
	if err != nil {
		t.Fatal(err)
	}
	if err := strict.Send(one("none")); err != nil {
		t.Fatal(err)
	}
	if _, err := strict.Recv(); status.Code(err) != codes.NotFound {
		t.Errorf("with triton_grpc_error: %v", err)
	}
}

func TestPredict(t *testing.T) {
	h := serve(t, sums("sum"), Options{}, repository.Options{})
	client := tfs.NewPredictionServiceClient(h.conn)
	vector := func(v ...float32) *tfs.TensorProto {
		return &tfs.TensorProto{Dtype: tfs.DataType_DT_FLOAT, FloatVal: v, TensorShape: &tfs.TensorShapeProto{Dim: []*tfs.TensorShapeProto_Dim{{Size: 1}, {Size: 2}}}}
	}
	request := &tfs.PredictRequest{ModelSpec: &tfs.ModelSpec{Name: "sum"}, Inputs: map[string]*tfs.TensorProto{"a": vector(1, 2), "b": vector(10, 20)}, OutputFilter: []string{"c"}}
	r, err := client.Predict(t.Context(), request)
	if err != nil {
		t.Fatal(err)
	}
	if c := r.Outputs["c"]; !proto.Equal(c, vector(11, 22)) || r.ModelSpec.GetName() != "sum" || r.ModelSpec.GetVersion().GetValue() != 1 {
		t.Errorf("answer %v", r)
	}
	if e := h.event(t); e.Protocol != "tfs-grpc" || e.Reason != repository.OK {
		t.Errorf("event %+v", e)
	}
	request.ModelSpec.VersionChoice = &tfs.ModelSpec_Version{Version: wrapperspb.Int64(9)}
	if _, err := client.Predict(t.Context(), request); status.Code(err) != codes.NotFound {
		t.Errorf("version 9: %v", err)
	}
	meta, err := client.GetModelMetadata(t.Context(), &tfs.GetModelMetadataRequest{ModelSpec: &tfs.ModelSpec{Name: "sum"}, MetadataField: []string{"signature_def"}})
	if err != nil {
		t.Fatal(err)
	}
	var signatures tfs.SignatureDefMap
	if err := meta.Metadata["signature_def"].UnmarshalTo(&signatures); err != nil {
		t.Fatal(err)
	}
	if a := signatures.SignatureDef["serving_default"].GetInputs()["a"]; a.GetDtype() != tfs.DataType_DT_FLOAT || len(a.GetTensorShape().GetDim()) != 2 || a.TensorShape.Dim[0].Size != -1 {
		t.Errorf("signature %v", &signatures)
	}
	models := tfs.NewModelServiceClient(h.conn)
	state, err := models.GetModelStatus(t.Context(), &tfs.GetModelStatusRequest{ModelSpec: &tfs.ModelSpec{Name: "sum"}})
	if err != nil || len(state.ModelVersionStatus) != 1 || state.ModelVersionStatus[0].Version != 1 || state.ModelVersionStatus[0].State != tfs.ModelVersionStatus_AVAILABLE {
		t.Errorf("status %v, %v", state, err)
	}
	if _, err := models.GetModelStatus(t.Context(), &tfs.GetModelStatusRequest{ModelSpec: &tfs.ModelSpec{Name: "none"}}); status.Code(err) != codes.NotFound {
		t.Errorf("status of no model: %v", err)
	}
}

func TestHealth(t *testing.T) {
	h := serve(t, sums("sum"), Options{}, repository.Options{})
	client := healthpb.NewHealthClient(h.conn)
	watch, err := client.Watch(t.Context(), &healthpb.HealthCheckRequest{Service: "sum"})
	if err != nil {
		t.Fatal(err)
	}
	next := func(want healthpb.HealthCheckResponse_ServingStatus) {
		t.Helper()
		if r, err := watch.Recv(); err != nil || r.Status != want {
			t.Errorf("watch: %v, %v; want %v", r, err, want)
		}
	}
	next(healthpb.HealthCheckResponse_SERVING)
	for service, want := range map[string]bool{"": true, "sum": true, "inference.GRPCInferenceService": true, "tensorflow.serving.PredictionService": true, "none": false} {
		r, err := client.Check(t.Context(), &healthpb.HealthCheckRequest{Service: service})
		if want && (err != nil || r.Status != healthpb.HealthCheckResponse_SERVING) || !want && status.Code(err) != codes.NotFound {
			t.Errorf("health of %q: %v, %v", service, r, err)
		}
	}
	h.server.SetReady(false)
	next(healthpb.HealthCheckResponse_NOT_SERVING)
	if r, err := client.Check(t.Context(), &healthpb.HealthCheckRequest{}); err != nil || r.Status != healthpb.HealthCheckResponse_NOT_SERVING {
		t.Errorf("health: %v, %v", r, err)
	}
	if r, err := h.oip.ServerReady(t.Context(), &pb.ServerReadyRequest{}); err != nil || r.Ready {
		t.Errorf("ready: %v, %v", r, err)
	}
	h.server.SetReady(true)
	next(healthpb.HealthCheckResponse_SERVING)
	if err := h.server.Drain(t.Context()); err != nil { // an open watch does not hold it up
		t.Error(err)
	}
	next(healthpb.HealthCheckResponse_NOT_SERVING)
	if _, err := watch.Recv(); status.Code(err) != codes.Unavailable {
		t.Errorf("watch at the end: %v", err)
	}
}

// TestStatus has a row for each way in which a call ends.
func TestStatus(t *testing.T) {
	refusal := func(why batch.Why, after time.Duration) error {
		return fault.New(fault.Unavailable, "", "%w", &batch.Refusal{Why: why, RetryAfter: after})
	}
	for _, c := range []struct {
		name   string
		err    error
		code   codes.Code
		reason repository.Reason
	}{
		{"none", nil, codes.OK, repository.OK},
		{"usage", fault.New(fault.Usage, "", "x"), codes.InvalidArgument, repository.Invalid},
		{"too large", fault.New(fault.TooLarge, "", "x"), codes.InvalidArgument, repository.Invalid},
		{"unsupported", fault.New(fault.Unsupported, "", "x"), codes.Unimplemented, repository.Invalid},
		{"not found", fault.New(fault.NotFound, "", "x"), codes.NotFound, repository.Unknown},
		{"unauthorized", fault.New(fault.Unauthorized, "", "x"), codes.Unauthenticated, repository.Denied},
		{"denied", fault.New(fault.Denied, "", "x"), codes.PermissionDenied, repository.Denied},
		{"unavailable", fault.New(fault.Unavailable, "", "x"), codes.Unavailable, repository.Unavailable},
		{"deadline", fault.New(fault.Deadline, "", "x"), codes.DeadlineExceeded, repository.Late},
		{"internal", fault.New(fault.Internal, "", "x"), codes.Internal, repository.Failed},
		{"plain", io.ErrUnexpectedEOF, codes.Internal, repository.Failed},
		{"full", refusal(batch.Full, 0), codes.ResourceExhausted, repository.Refused},
		{"overload", refusal(batch.Overload, time.Second), codes.ResourceExhausted, repository.Refused},
		{"late", refusal(batch.Late, 0), codes.DeadlineExceeded, repository.Late},
		{"cancelled in the queue", refusal(batch.Cancelled, 0), codes.Canceled, repository.Cancelled},
		{"closed", refusal(batch.Closed, 0), codes.Unavailable, repository.Unavailable},
		{"cancelled", fmt.Errorf("run: %w", context.Canceled), codes.Canceled, repository.Cancelled},
		{"deadline of the call", context.DeadlineExceeded, codes.DeadlineExceeded, repository.Late},
		{"grpc's own", status.Error(codes.ResourceExhausted, "larger than max"), codes.ResourceExhausted, repository.Invalid},
	} {
		if code := codeOf(c.err); code != c.code || status.Code(statusOf(c.err)) != c.code {
			t.Errorf("%s: code %v, want %v", c.name, code, c.code)
		}
		if reason := reasonOf(c.err, c.code); reason != c.reason {
			t.Errorf("%s: reason %v, want %v", c.name, reason, c.reason)
		}
	}
	details := status.Convert(statusOf(refusal(batch.Overload, 1500*time.Millisecond))).Details()
	if len(details) != 1 || details[0].(*errdetails.RetryInfo).RetryDelay.AsDuration() != 1500*time.Millisecond {
		t.Errorf("details %v", details)
	}
	if text := messageOf(statusOf(fault.New(fault.Usage, "do this", "bad"))); text != "bad (do this)" {
		t.Errorf("message %q", text)
	}
}

// TestPanic: a bug in one call is an error of that call.
func TestPanic(t *testing.T) {
	s := New(Options{})
	_, err := s.unary(t.Context(), nil, &grpc.UnaryServerInfo{FullMethod: "/x/Y"}, func(context.Context, any) (any, error) { panic("bug") })
	if status.Code(err) != codes.Internal || strings.Contains(err.Error(), "bug") {
		t.Errorf("error %v", err)
	}
	// Without a repository an inference runs into a nil pointer.
	if _, err := s.unaryInference(t.Context(), func(any) error { return nil }, modelInfer); status.Code(err) != codes.Internal {
		t.Errorf("error %v", err)
	}
}
