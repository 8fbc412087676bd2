package rpc

import (
	"context"
	"errors"
	"slices"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/status"

	"infer/loadtest/sample"
)

// connectionError begins what gRPC says of a connection that could not be made. It has the code of a server that says
// UNAVAILABLE, and nothing else tells the two apart; the tests see to it that the words stay.
const connectionError = `connection error: desc = "`

// ended are the words by which gRPC says that a connection ended under a call.
var ended = []string{
	"error reading from server", "transport is closing", "the connection is draining", "server is draining",
	"closing transport due to", "keepalive ping failed", "goaway",
}

// cut are the words by which gRPC says that the server ended a call without an answer.
var cut = []string{"stream terminated by RST_STREAM", "closed the stream without sending trailers", "unexpected EOF"}

// outcomeOf returns what became of a call that failed, its code, and why in one line. over is the error of the call's
// context, state that of its connection, both after the call.
func outcomeOf(err, over error, state connectivity.State) (sample.Outcome, uint16, string) {
	s := status.Convert(err)
	code, text := s.Code(), s.Message()
	has := func(words ...string) bool {
		return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(text, w) })
	}
	outcome := sample.Failed
	switch {
	case code == codes.DeadlineExceeded && errors.Is(over, context.DeadlineExceeded) && state != connectivity.Ready:
		outcome = sample.Unreachable
	case code == codes.DeadlineExceeded:
		outcome = sample.TimedOut
	case errors.Is(over, context.Canceled) && code == codes.Canceled: // by the generator, which counts it no further
		outcome = sample.Broken
	case code == codes.Unavailable && has(ended...):
		outcome = sample.Broken
	case code == codes.Unavailable && has(connectionError):
		outcome = sample.Unreachable
	case code == codes.ResourceExhausted && has("larger than max"): // said here, not by the server
	case code == codes.ResourceExhausted, code == codes.Unavailable:
		outcome = sample.Refused
	case has(cut...):
		outcome = sample.Broken
	}
	name := code.String()
	if text = plain(text); text == "" {
		return outcome, uint16(code), name
	}
	return outcome, uint16(code), name + ": " + text
}
