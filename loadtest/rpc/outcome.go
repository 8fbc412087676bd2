package rpc

import (
	"context"
	"errors"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/status"

	"infer/loadtest/sample"
)

// connectionError begins what gRPC says of a connection that could not be made or has ended. It has the code of a
// server that says UNAVAILABLE, and nothing else tells the two apart; the tests see to it that the words stay.
const connectionError = `connection error: desc = "`

// outcomeOf returns what became of a call that failed, its code, and why in one line. ended is the error of the call's
// context, state that of its connection, both after the call.
func outcomeOf(err, ended error, state connectivity.State) (sample.Outcome, uint16, string) {
	s := status.Convert(err)
	code, text := s.Code(), s.Message()
	has := func(part string) bool { return strings.Contains(text, part) }
	outcome := sample.Failed
	switch {
	case code == codes.DeadlineExceeded && errors.Is(ended, context.DeadlineExceeded) && state != connectivity.Ready:
		outcome = sample.Unreachable
	case code == codes.DeadlineExceeded:
		outcome = sample.TimedOut
	case errors.Is(ended, context.Canceled) && code == codes.Canceled: // by the generator, which counts it no further
		outcome = sample.Broken
	case has("Error while dialing"), has("authentication handshake failed"), has("error reading server preface"):
		outcome = sample.Unreachable
	case has(connectionError), has("the connection is draining"), has("server is draining"), has("closing transport due to"):
		outcome = sample.Broken
	case code == codes.ResourceExhausted && has("larger than max"): // said here, not by the server
	case code == codes.ResourceExhausted, code == codes.Unavailable:
		outcome = sample.Refused
	case has("stream terminated by RST_STREAM"), has("closed the stream without sending trailers"), has("unexpected EOF"):
		outcome = sample.Broken
	}
	name := code.String()
	if text = plain(text); text == "" {
		return outcome, uint16(code), name
	}
	return outcome, uint16(code), name + ": " + text
}
