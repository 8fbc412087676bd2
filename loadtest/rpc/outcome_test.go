package rpc

import (
	"context"
	"errors"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/status"

	"infer/loadtest/sample"
)

// TestOutcome has what no server of the other tests does. The words are those of gRPC for Go 1.85.
func TestOutcome(t *testing.T) {
	const ready = connectivity.Ready
	for _, c := range []struct {
		name  string
		err   error
		over  error
		state connectivity.State
		want  sample.Outcome
		text  string
	}{
		{"refused stream", status.Error(codes.Unavailable, "stream terminated by RST_STREAM with error code: REFUSED_STREAM"), nil, ready, sample.Refused, ""},
		{"reset stream", status.Error(codes.Internal, "stream terminated by RST_STREAM with error code: INTERNAL_ERROR"), nil, ready, sample.Broken, ""},
		{"cancelled by the server", status.Error(codes.Canceled, "stream terminated by RST_STREAM with error code: CANCEL"), nil, ready, sample.Broken, ""},
		{"no trailers", status.Error(codes.Internal, "server closed the stream without sending trailers"), nil, ready, sample.Broken, ""},
		{"proxy without server", status.Error(codes.Unavailable, "unexpected HTTP status code received from server: 503 (Service Unavailable)"), nil, ready, sample.Refused, ""},
		{"answer too large", status.Error(codes.ResourceExhausted, "grpc: received message larger than max (300000000 vs. 268435456)"), nil, ready, sample.Failed, ""},
		{"going away", status.Error(codes.Unavailable, "closing transport due to: connection error: desc = \"error reading from server: EOF\", received prior goaway: code: NO_ERROR"), nil, ready, sample.Broken, ""},
		{"not connected", status.Error(codes.Unavailable, `last connection error: connection error: desc = "transport: Error while dialing: dial tcp 127.0.0.1:1: connect: connection refused"`), nil,
			connectivity.TransientFailure, sample.Unreachable, "Unavailable: dial tcp 127.0.0.1:1: connect: connection refused"},
		{"not connected in time", status.Error(codes.DeadlineExceeded, "context deadline exceeded while waiting for connections to become ready"), context.DeadlineExceeded, connectivity.Connecting, sample.Unreachable, ""},
		{"late", status.Error(codes.DeadlineExceeded, "context deadline exceeded"), context.DeadlineExceeded, ready, sample.TimedOut, ""},
		{"a failure of the server as the generator ends", status.Error(codes.Internal, "why"), context.Canceled, ready, sample.Failed, "Internal: why"},
		{"many words", status.Error(codes.Internal, strings.Repeat("ä", 500)), nil, ready, sample.Failed, "Internal: " + strings.Repeat("ä", 150) + "…"},
		{"no status", errors.New("why"), nil, ready, sample.Failed, "Unknown: why"},
		{"no words", status.Error(codes.Internal, ""), nil, ready, sample.Failed, "Internal"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, code, text := outcomeOf(c.err, c.over, c.state)
			if got != c.want || code != uint16(status.Code(c.err)) || c.text != "" && text != c.text {
				t.Errorf("got %s, code %d, %q; want %s, %q", got, code, text, c.want, c.text)
			}
		})
	}
}
