package rpc

import (
	"context"
	"encoding/binary"
	"errors"
	"math"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/encoding/gzip"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"infer/internal/pb"
	"infer/internal/wire"
	"infer/model"
	"infer/model/engine/enginetest"
	"infer/serve/repository"
)

// recorder is an observer that keeps what it is told.
type recorder struct{ told chan repository.RequestEvent }

func (r *recorder) Run(repository.RunEvent) repository.SpanContext {
	return repository.SpanContext{TraceID: [16]byte{1}, SpanID: [8]byte{2}}
}
func (r *recorder) Model(repository.ModelEvent)        {}
func (r *recorder) Request(e *repository.RequestEvent) { r.told <- *e }

// house is a server with its client.
type house struct {
	server *Server
	conn   *grpc.ClientConn
	oip    pb.GRPCInferenceServiceClient
	seen   *recorder
	repo   *repository.Repository
	addr   string
}

// serve starts a server for models by name, on a listener of its own.
func serve(t testing.TB, models map[string]*model.Model, o Options, ro repository.Options) *house {
	t.Helper()
	dir := t.TempDir()
	for name, m := range models {
		file := filepath.Join(dir, name, "1", "model.onnx")
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := m.Save(file, model.SaveOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	ro.Sources, ro.Provider, ro.CPUs = []repository.Source{{Path: dir}}, enginetest.CPU(t), 2
	h := &house{seen: &recorder{told: make(chan repository.RequestEvent, 1<<16)}}
	ro.Observer = h.seen
	var err error
	if h.repo, err = repository.Open(t.Context(), ro); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.repo.Close(context.Background()) })
	o.Repository, o.Observer = h.repo, h.seen
	h.server = New(o)
	h.server.SetReady(true)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	h.addr = l.Addr().String()
	served := make(chan error, 1)
	go func() { served <- h.server.Serve(l) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		h.server.Drain(ctx) // at once
		if err := <-served; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	h.conn = dial(t, h.addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
	h.oip = pb.NewGRPCInferenceServiceClient(h.conn)
	return h
}

func dial(t testing.TB, addr string, o ...grpc.DialOption) *grpc.ClientConn {
	t.Helper()
	conn, err := grpc.NewClient(addr, o...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// event returns the next event.
func (h *house) event(t *testing.T) repository.RequestEvent {
	t.Helper()
	select {
	case e := <-h.seen.told:
		return e
	case <-time.After(10 * time.Second):
		t.Fatal("the observer was told nothing")
		panic("unreachable")
	}
}

func floats(v ...float32) []byte {
	var b []byte
	for _, x := range v {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(x))
	}
	return b
}

// sum is a request to the model of enginetest.Add.
func sum(name string, shape []int64, a, b []float32) *pb.ModelInferRequest {
	in := func(name string) *pb.ModelInferRequest_InferInputTensor {
		return &pb.ModelInferRequest_InferInputTensor{Name: name, Datatype: "FP32", Shape: shape}
	}
	return &pb.ModelInferRequest{ModelName: name, Inputs: []*pb.ModelInferRequest_InferInputTensor{in("a"), in("b")}, RawInputContents: [][]byte{floats(a...), floats(b...)}}
}

func one(name string) *pb.ModelInferRequest {
	return sum(name, []int64{1, 2}, []float32{1, 2}, []float32{10, 20})
}

// wantSum checks the answer to one.
func wantSum(t *testing.T, r *pb.ModelInferResponse) {
	t.Helper()
	want := floats(11, 22)
	if len(r.GetOutputs()) != 1 || r.Outputs[0].Name != "c" || r.Outputs[0].Datatype != "FP32" || len(r.RawOutputContents) != 1 || string(r.RawOutputContents[0]) != string(want) {
		t.Errorf("answer %v", r)
	}
}

func TestModelInfer(t *testing.T) {
	h := serve(t, map[string]*model.Model{"sum": enginetest.Add("n", 2)}, Options{}, repository.Options{})
	request := one("sum")
	request.Id = "7"
	ctx := metadata.AppendToOutgoingContext(t.Context(), "traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "tracestate", "a=b")
	answer, err := h.oip.ModelInfer(ctx, request)
	if err != nil {
		t.Fatal(err)
	}
	wantSum(t, answer)
	if answer.ModelName != "sum" || answer.ModelVersion != "1" || answer.Id != "7" || len(answer.Parameters) != 0 {
		t.Errorf("answer %v", answer)
	}
	e := h.event(t)
	if e.Protocol != "oip-grpc" || e.Model != "sum" || e.Version != "1" || e.ID != "7" || e.Reason != repository.OK || e.Status != 0 || e.Rows != 1 ||
		e.RequestLen != proto.Size(request) || e.ResponseLen != proto.Size(answer) || !strings.HasPrefix(e.Client, "127.0.0.1:") ||
		e.Trace.Parent == "" || e.Trace.State != "a=b" || e.Total <= 0 || e.Timing.Compute <= 0 || e.Batch.Rows != 1 || e.Batch.Span.SpanID != [8]byte{2} {
		t.Errorf("event %+v", e)
	}
}

// TestTyped: the answer to typed contents is raw, and typed where the server mirrors.
func TestTyped(t *testing.T) {
	request := one("sum")
	for i, raw := range [][]float32{{1, 2}, {10, 20}} {
		request.Inputs[i].Contents = &pb.InferTensorContents{Fp32Contents: raw}
	}
	request.RawInputContents = nil
	for _, mirror := range []bool{false, true} {
		h := serve(t, map[string]*model.Model{"sum": enginetest.Add("n", 2)}, Options{MirrorTyped: mirror}, repository.Options{})
		answer, err := h.oip.ModelInfer(t.Context(), request)
		if err != nil {
			t.Fatal(err)
		}
		if !mirror {
			wantSum(t, answer)
		} else if v := answer.Outputs[0].Contents.GetFp32Contents(); len(answer.RawOutputContents) != 0 || len(v) != 2 || v[0] != 11 || v[1] != 22 {
			t.Errorf("answer %v", answer)
		}
	}
}

// TestParameters: the timing that a client asks for, classes, and the time that it leaves.
func TestParameters(t *testing.T) {
	h := serve(t, map[string]*model.Model{"sum": enginetest.Add("n", 2)}, Options{}, repository.Options{})
	request := one("sum")
	request.Parameters = map[string]*pb.InferParameter{
		wire.Timing: {ParameterChoice: &pb.InferParameter_BoolParam{BoolParam: true}},
		"priority":  {ParameterChoice: &pb.InferParameter_Int64Param{Int64Param: 1}},
		"timeout":   {ParameterChoice: &pb.InferParameter_Int64Param{Int64Param: 60_000_000}},
	}
	request.Outputs = []*pb.ModelInferRequest_InferRequestedOutputTensor{{Name: "c", Parameters: map[string]*pb.InferParameter{
		"classification": {ParameterChoice: &pb.InferParameter_Int64Param{Int64Param: 1}}}}}
	answer, err := h.oip.ModelInfer(t.Context(), request)
	if err != nil {
		t.Fatal(err)
	}
	if p := answer.Parameters; p["compute_us"] == nil || p["queue_us"] == nil || p["batch_size"].GetInt64Param() != 1 || len(p["model_digest"].GetStringParam()) != 64 {
		t.Errorf("parameters %v", p)
	}
	if o := answer.Outputs[0]; o.Datatype != "BYTES" || string(answer.RawOutputContents[0]) != "\x0b\x00\x00\x0022.000000:1" {
		t.Errorf("classes %v %q", o, answer.RawOutputContents)
	}
	request.Parameters["timeout"] = &pb.InferParameter{ParameterChoice: &pb.InferParameter_Int64Param{Int64Param: 1}} // 1 µs is over before anything is decoded
	if _, err := h.oip.ModelInfer(t.Context(), request); status.Code(err) != codes.ResourceExhausted && status.Code(err) != codes.DeadlineExceeded {
		t.Errorf("a timeout of 1 µs: %v", err)
	}
}

// rawCodec sends bytes as they are: requests that no generated message makes.
type rawCodec struct{}

func (rawCodec) Name() string                  { return "proto" }
func (rawCodec) Marshal(v any) ([]byte, error) { return v.([]byte), nil }
func (rawCodec) Unmarshal(b []byte, v any) error {
	*v.(*[]byte) = append([]byte(nil), b...)
	return nil
}

func TestInferRefuses(t *testing.T) {
	h := serve(t, map[string]*model.Model{"sum": enginetest.Add("n", 2), "other": enginetest.Add("n", 2)}, Options{MaxMessage: 1 << 20}, repository.Options{})
	edit := func(f func(r *pb.ModelInferRequest)) []byte {
		r := one("sum")
		f(r)
		b, err := proto.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	for _, c := range []struct {
		name   string
		data   []byte
		code   codes.Code
		text   string
		reason repository.Reason
	}{
		{"no such model", edit(func(r *pb.ModelInferRequest) { r.ModelName = "sun" }), codes.NotFound, "unknown model: 'sun' is not found (did you mean 'sum'?)", repository.Unknown},
		{"no such version", edit(func(r *pb.ModelInferRequest) { r.ModelVersion = "9" }), codes.NotFound, "version 9 is not found", repository.Unknown},
		{"an input missing", edit(func(r *pb.ModelInferRequest) { r.Inputs, r.RawInputContents = r.Inputs[:1], r.RawInputContents[:1] }), codes.InvalidArgument, "missing required input(s) ['b']", repository.Invalid},
		{"another dtype", edit(func(r *pb.ModelInferRequest) { r.Inputs[0].Datatype = "INT32" }), codes.InvalidArgument, "'a'", repository.Invalid},
		{"bytes that do not fit", edit(func(r *pb.ModelInferRequest) { r.RawInputContents[1] = r.RawInputContents[1][:7] }), codes.InvalidArgument, "byte size mismatch for input 'b'", repository.Invalid},
		{"a shape that does not fit", edit(func(r *pb.ModelInferRequest) { r.Inputs[0].Shape = []int64{2, 1} }), codes.InvalidArgument, "'a'", repository.Invalid},
		{"a shape that overflows", edit(func(r *pb.ModelInferRequest) { r.Inputs[0].Shape = []int64{1 << 40, 1 << 40} }), codes.InvalidArgument, "'a'", repository.Invalid},
		{"huge shape", edit(func(r *pb.ModelInferRequest) { r.Inputs[0].Shape = []int64{1e9, 1} }), codes.InvalidArgument, "limit", repository.Invalid},
		{"no such output", edit(func(r *pb.ModelInferRequest) {
			r.Outputs = []*pb.ModelInferRequest_InferRequestedOutputTensor{{Name: "z"}}
		}), codes.InvalidArgument, "'z'", repository.Invalid},
		{"no message", []byte("\xff\xff"), codes.InvalidArgument, "malformed", repository.Invalid},
		{"empty", nil, codes.NotFound, "which one is not said", repository.Unknown},
		{"too large", edit(func(r *pb.ModelInferRequest) { r.RawInputContents[1] = make([]byte, 1<<20) }), codes.ResourceExhausted, "larger than max", repository.Invalid},
	} {
		t.Run(c.name, func(t *testing.T) {
			var answer []byte
			err := h.conn.Invoke(t.Context(), pb.GRPCInferenceService_ModelInfer_FullMethodName, c.data, &answer, grpc.ForceCodec(rawCodec{}))
			if status.Code(err) != c.code || !strings.Contains(err.Error(), c.text) {
				t.Errorf("error %v, want %v with %q", err, c.code, c.text)
			}
			if e := h.event(t); e.Reason != c.reason || e.Status != int(c.code) || e.Err == nil {
				t.Errorf("event %+v", e)
			}
		})
	}
}

// TestDeadlineAndCancel: a client that does not wait any more is seen, in a run and in the queue.
func TestDeadlineAndCancel(t *testing.T) {
	h := serve(t, map[string]*model.Model{"loop": enginetest.Endless()}, Options{}, repository.Options{Model: repository.ModelOptions{Instances: 1}})
	request := func(turns uint64) *pb.ModelInferRequest {
		return &pb.ModelInferRequest{ModelName: "loop", RawInputContents: [][]byte{floats(1), binary.LittleEndian.AppendUint64(nil, turns)},
			Inputs: []*pb.ModelInferRequest_InferInputTensor{{Name: "x", Datatype: "FP32"}, {Name: "n", Datatype: "INT64"}}}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := h.oip.ModelInfer(ctx, request(200_000)); status.Code(err) != codes.DeadlineExceeded {
		t.Errorf("deadline: %v", err)
	}
	if e := h.event(t); e.Reason != repository.Late {
		t.Errorf("event %+v", e)
	}
	first := make(chan error)
	go func() {
		_, err := h.oip.ModelInfer(t.Context(), request(400_000))
		first <- err
	}()
	stats := func() repository.Stats {
		list, err := h.repo.Stats("loop", "")
		if err != nil {
			t.Fatal(err)
		}
		return list[0]
	}
	for stats().Running == 0 {
		runtime.Gosched()
	}
	ctx, cancel = context.WithCancel(t.Context())
	second := make(chan error)
	go func() {
		_, err := h.oip.ModelInfer(ctx, request(1))
		second <- err
	}()
	for stats().Waiting == 0 {
		runtime.Gosched()
	}
	cancel()
	if err := <-second; status.Code(err) != codes.Canceled {
		t.Errorf("cancel: %v", err)
	}
	if e := h.event(t); e.Reason != repository.Cancelled {
		t.Errorf("event %+v", e)
	}
	if err := <-first; err != nil {
		t.Error(err)
	}
}

func TestGzip(t *testing.T) {
	h := serve(t, map[string]*model.Model{"sum": enginetest.Add("n", 2)}, Options{MaxMessage: 64 << 10}, repository.Options{})
	answer, err := h.oip.ModelInfer(t.Context(), one("sum"), grpc.UseCompressor(gzip.Name))
	if err != nil {
		t.Fatal(err)
	}
	wantSum(t, answer)
	bomb := one("sum")
	bomb.RawInputContents[0] = make([]byte, 16<<20)
	if _, err := h.oip.ModelInfer(t.Context(), bomb, grpc.UseCompressor(gzip.Name)); status.Code(err) != codes.ResourceExhausted {
		t.Errorf("16 MiB of zeros: %v", err)
	}
}

// TestLargeMessage goes through frames that gRPC receives in many buffers.
func TestLargeMessage(t *testing.T) {
	h := serve(t, map[string]*model.Model{"sum": enginetest.Add("n", 1<<18)}, Options{}, repository.Options{})
	a, b := make([]float32, 1<<18), make([]float32, 1<<18)
	for i := range a {
		a[i], b[i] = float32(i), 1
	}
	for range 2 {
		answer, err := h.oip.ModelInfer(t.Context(), sum("sum", []int64{1, 1 << 18}, a, b), grpc.MaxCallRecvMsgSize(1<<30))
		if err != nil {
			t.Fatal(err)
		}
		for i := range a {
			a[i]++
		}
		if string(answer.RawOutputContents[0]) != string(floats(a...)) {
			t.Error("the sum is wrong")
		}
		for i := range a {
			a[i]--
		}
	}
}

// TestDrain: no call is lost, and a stream ends.
func TestDrain(t *testing.T) {
	h := serve(t, map[string]*model.Model{"sum": enginetest.Add("n", 2)}, Options{}, repository.Options{})
	stream, err := h.oip.ModelStreamInfer(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.Send(one("sum")); err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Recv(); err != nil {
		t.Fatal(err)
	}
	var calls sync.WaitGroup
	started := make(chan struct{}, 8)
	for range 8 {
		calls.Go(func() {
			for first := true; ; first = false {
				_, err := h.oip.ModelInfer(t.Context(), one("sum"))
				if first {
					started <- struct{}{}
				}
				if status.Code(err) == codes.Unavailable {
					return // refused before it was taken
				}
				if err != nil {
					t.Errorf("lost: %v", err)
					return
				}
			}
		})
	}
	for range 8 {
		<-started
	}
	if err := h.server.Drain(t.Context()); err != nil {
		t.Error(err)
	}
	calls.Wait()
	if _, err := stream.Recv(); status.Code(err) != codes.Unavailable {
		t.Errorf("stream: %v", err)
	}
	if err := h.server.Drain(t.Context()); err != nil {
		t.Errorf("a second drain: %v", err)
	}
}

// TestDrainCutsOff ends a call that does not end by itself.
func TestDrainCutsOff(t *testing.T) {
	h := serve(t, map[string]*model.Model{"sum": enginetest.Add("n", 2)}, Options{}, repository.Options{})
	stream, err := h.conn.NewStream(t.Context(), &grpc.StreamDesc{ClientStreams: true}, pb.GRPCInferenceService_ModelInfer_FullMethodName)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.oip.ServerLive(t.Context(), &pb.ServerLiveRequest{}); err != nil { // the headers before it have arrived
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := h.server.Drain(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("drain: %v", err)
	}
	if err := stream.RecvMsg(&pb.ModelInferResponse{}); err == nil {
		t.Error("the call was not cut off")
	}
}

func TestMaxConnections(t *testing.T) {
	h := serve(t, map[string]*model.Model{"sum": enginetest.Add("n", 2)}, Options{MaxConnections: 1}, repository.Options{})
	if _, err := h.oip.ServerLive(t.Context(), &pb.ServerLiveRequest{}); err != nil {
		t.Fatal(err)
	}
	connect := func() (*grpc.ClientConn, pb.GRPCInferenceServiceClient) {
		conn := dial(t, h.addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
		return conn, pb.NewGRPCInferenceServiceClient(conn)
	}
	conn, second := connect()
	if _, err := second.ServerLive(t.Context(), &pb.ServerLiveRequest{}); status.Code(err) != codes.Unavailable {
		t.Errorf("a second connection: %v", err)
	}
	conn.Close()
	h.conn.Close()
	_, third := connect()
	if _, err := third.ServerLive(t.Context(), &pb.ServerLiveRequest{}, grpc.WaitForReady(true)); err != nil {
		t.Errorf("after the first is closed: %v", err)
	}
}
