package server

import (
	"context"
	"crypto/tls"
	"errors"
	"math"
	"net/url"
	"slices"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"infer/internal/fault"
	"infer/internal/pb"
)

// overGRPC asks a server over gRPC.
type overGRPC struct {
	base    *url.URL
	header  metadata.MD
	timeout time.Duration
	conn    *grpc.ClientConn
	client  pb.GRPCInferenceServiceClient
}

func openGRPC(u *url.URL, o Options) (API, error) {
	secure := insecure.NewCredentials()
	port := "80"
	if u.Scheme == "grpcs" {
		config := o.TLS.Clone()
		if config == nil {
			config = &tls.Config{}
		}
		secure, port = credentials.NewTLS(config), "443"
	}
	address := u.Host
	if u.Port() == "" {
		address += ":" + port
	}
	conn, err := grpc.NewClient("passthrough:///"+strings.ReplaceAll(address, "%", "%25"), // of a zone: the target is a URL
		grpc.WithTransportCredentials(secure), grpc.WithNoProxy(), grpc.WithDisableServiceConfig(),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(answerLimit)))
	if err != nil {
		return nil, fault.New(fault.Usage, "it is grpc://HOST:PORT", "URL %q: %w", o.URL, err)
	}
	header := metadata.MD{}
	for name, values := range o.Header {
		header[strings.ToLower(name)] = values
	}
	return &overGRPC{base: &url.URL{Scheme: u.Scheme, Host: u.Host}, header: header, timeout: o.Timeout, conn: conn, client: pb.NewGRPCInferenceServiceClient(conn)}, nil
}

// Close ends the connection.
func (g *overGRPC) Close() error {
	if err := g.conn.Close(); err != nil && status.Code(err) != codes.Canceled {
		return err
	}
	return nil
}

// call makes one call with a bound on its time. The error of a method that the server does not have is errNoMethod.
func call[Q, A any](ctx context.Context, g *overGRPC, method func(context.Context, *Q, ...grpc.CallOption) (*A, error), question *Q) (*A, error) {
	limited, cancel := context.WithTimeout(metadata.NewOutgoingContext(ctx, g.header), g.timeout)
	defer cancel()
	a, err := method(limited, question)
	if err != nil {
		return nil, g.explain(ctx, err)
	}
	return a, nil
}

// errNoMethod is a method that the server does not have.
var errNoMethod = errors.New("the server does not have this method")

// explain turns a status into an error.
func (g *overGRPC) explain(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return fault.Wrap(ctx.Err(), "ask %s", g.base)
	}
	s := status.Convert(err)
	says := errors.New(oneLine([]byte(s.Message())))
	switch s.Code() {
	case codes.Unimplemented:
		return errNoMethod
	case codes.Unauthenticated:
		return fault.New(fault.Unauthorized, hintKey, "ask %s: the server wants a key: %w", g.base, says)
	case codes.PermissionDenied:
		return fault.New(fault.Denied, hintKey+" of one with the right", "ask %s: the server refuses: %w", g.base, says)
	case codes.DeadlineExceeded:
		return fault.New(fault.Deadline, silentHint(g.base), "ask %s: no answer within %s", g.base, g.timeout)
	case codes.Unavailable:
		return fault.New(fault.Unavailable, connectionHint(g.base, errors.New(s.Message())), "ask %s: %w", g.base, says)
	case codes.ResourceExhausted:
		return fault.New(fault.Unavailable, "", "ask %s: %w", g.base, says)
	}
	return &statusError{code: s.Code(), says: says.Error()}
}

// statusError is a status that the caller has to judge.
type statusError struct {
	code codes.Code
	says string
}

// Error returns the status as gRPC's tools write it.
func (e *statusError) Error() string { return e.code.String() + ": " + e.says }

// Server asks who answers.
func (g *overGRPC) Server(ctx context.Context) (Info, error) {
	a, err := call(ctx, g, g.client.ServerMetadata, &pb.ServerMetadataRequest{})
	var other *statusError
	if err == errNoMethod || errors.As(err, &other) {
		return Info{}, fault.New(fault.Unsupported, "is this the gRPC address of the model server", "%s does not speak the Open Inference Protocol: %w", g.base, err)
	}
	if err != nil {
		return Info{}, err
	}
	return Info{a.Name, a.Version, a.Extensions}, nil
}

// Models asks for the repository's index.
func (g *overGRPC) Models(ctx context.Context) ([]string, error) {
	a, err := call(ctx, g, g.client.RepositoryIndex, &pb.RepositoryIndexRequest{Ready: true})
	var other *statusError
	if err == errNoMethod || errors.As(err, &other) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var names []string
	for _, m := range a.Models {
		if m.Name != "" && (m.State == "READY" || m.State == "") {
			names = append(names, m.Name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

// Model asks for a signature.
func (g *overGRPC) Model(ctx context.Context, name, version string) (Model, error) {
	a, err := call(ctx, g, g.client.ModelMetadata, &pb.ModelMetadataRequest{Name: name, Version: version})
	var other *statusError
	if err == errNoMethod || errors.As(err, &other) {
		if _, err := g.Server(ctx); err != nil {
			return Model{}, err
		}
		names, _ := g.Models(ctx)
		if err := ctx.Err(); err != nil {
			return Model{}, err
		}
		absent := other == nil || slices.Contains([]codes.Code{codes.NotFound, codes.InvalidArgument, codes.Unknown, codes.Internal}, other.code)
		return Model{}, noModel(g.base, name, version, names, absent, err.Error())
	}
	if err != nil {
		return Model{}, err
	}
	m := Model{Name: name, Version: version, Platform: a.Platform, MaxBatch: NotTold}
	if version == "" && len(a.Versions) == 1 {
		m.Version = a.Versions[0]
	}
	if m.Inputs, err = ports(described(a.Inputs), true); err == nil {
		m.Outputs, err = ports(described(a.Outputs), false)
	}
	if err != nil {
		return Model{}, fault.Wrap(err, "%s", g.base)
	}
	if c, err := call(ctx, g, g.client.ModelConfig, &pb.ModelConfigRequest{Name: name, Version: version}); err == nil && c.Config != nil && c.Config.MaxBatchSize >= 0 {
		m.MaxBatch = int(c.Config.MaxBatchSize)
	}
	return m, ctx.Err()
}

// described are ports in their REST form. A message without dimensions is a tensor of rank 0.
func described(from []*pb.ModelMetadataResponse_TensorMetadata) []jsonPort {
	var to []jsonPort
	for _, p := range from {
		to = append(to, jsonPort{p.Name, p.Datatype, append([]int64{}, p.Shape...)})
	}
	return to
}

// Statistics asks for the counters.
func (g *overGRPC) Statistics(ctx context.Context, name, version string) (*Statistics, error) {
	a, err := call(ctx, g, g.client.ModelStatistics, &pb.ModelStatisticsRequest{Name: name, Version: version})
	var other *statusError
	if err == errNoMethod || errors.As(err, &other) {
		return nil, nil
	}
	if err != nil || len(a.ModelStats) == 0 {
		return nil, err
	}
	sum := &Statistics{}
	for _, m := range a.ModelStats {
		i := m.InferenceStats // may be nil
		sum.add(Statistics{
			Success: duration(i.GetSuccess()), Fail: duration(i.GetFail()), Queue: duration(i.GetQueue()),
			Input: duration(i.GetComputeInput()), Compute: duration(i.GetComputeInfer()), Output: duration(i.GetComputeOutput()),
			Inferences: count(m.InferenceCount), Executions: count(m.ExecutionCount),
		})
	}
	return sum, nil
}

func duration(d *pb.StatisticDuration) Counter {
	return Counter{count(d.GetCount()), time.Duration(count(d.GetNs()))}
}

// count is a counter of the protocol in 63 bits.
func count(n uint64) int64 { return int64(min(n, math.MaxInt64)) }
