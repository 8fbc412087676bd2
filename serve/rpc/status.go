package rpc

import (
	"context"
	"errors"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	"infer/internal/fault"
	"infer/serve/batch"
	"infer/serve/repository"
)

// statusOf turns an error into what a client gets: a code, the text with its hint, and where the server knows when to
// come again, a RetryInfo. An error that has a status keeps it.
func statusOf(err error) error {
	if err == nil {
		return nil
	}
	if _, ok := err.(interface{ GRPCStatus() *status.Status }); ok {
		return err
	}
	text := err.Error()
	if hint := fault.HintOf(err); hint != "" {
		text += " (" + hint + ")"
	}
	s := status.New(codeOf(err), text)
	var refused *batch.Refusal
	if errors.As(err, &refused) && refused.RetryAfter > 0 {
		if with, failed := s.WithDetails(&errdetails.RetryInfo{RetryDelay: durationpb.New(refused.RetryAfter)}); failed == nil {
			s = with
		}
	}
	return s.Err()
}

// codeOf maps an error to its code. A request that can never be taken is INVALID_ARGUMENT; RESOURCE_EXHAUSTED is kept
// for overload, where it pays to come again.
func codeOf(err error) codes.Code {
	if err == nil {
		return codes.OK
	}
	if s, ok := err.(interface{ GRPCStatus() *status.Status }); ok {
		return s.GRPCStatus().Code()
	}
	var refused *batch.Refusal
	if errors.As(err, &refused) {
		switch refused.Why {
		case batch.Late:
			return codes.DeadlineExceeded
		case batch.Cancelled:
			return codes.Canceled
		case batch.Closed:
			return codes.Unavailable
		case batch.Large:
			return codes.InvalidArgument
		}
		return codes.ResourceExhausted
	}
	switch {
	case errors.Is(err, context.Canceled):
		return codes.Canceled
	case errors.Is(err, context.DeadlineExceeded):
		return codes.DeadlineExceeded
	}
	switch fault.KindOf(err) {
	case fault.Usage, fault.TooLarge, fault.Media:
		return codes.InvalidArgument
	case fault.Unsupported:
		return codes.Unimplemented
	case fault.NotFound:
		return codes.NotFound
	case fault.Unauthorized:
		return codes.Unauthenticated
	case fault.Denied:
		return codes.PermissionDenied
	case fault.Unavailable:
		return codes.Unavailable
	case fault.Deadline:
		return codes.DeadlineExceeded
	}
	return codes.Internal
}

// reasonOf says for the observer how an inference ended, by the code that it ended with.
func reasonOf(err error, code codes.Code) repository.Reason {
	switch code {
	case codes.OK:
		return repository.OK
	case codes.NotFound:
		return repository.Unknown
	case codes.Canceled:
		return repository.Cancelled
	case codes.Unauthenticated, codes.PermissionDenied:
		return repository.Denied
	case codes.Unavailable:
		return repository.Unavailable
	case codes.DeadlineExceeded:
		return repository.Late
	case codes.InvalidArgument, codes.Unimplemented:
		return repository.Invalid
	case codes.ResourceExhausted:
		if _, ok := err.(interface{ GRPCStatus() *status.Status }); ok {
			return repository.Invalid // gRPC's own: the message is too large
		}
		return repository.Refused
	}
	return repository.Failed
}

// messageOf returns the text of an error that statusOf made.
func messageOf(err error) string { return status.Convert(err).Message() }
