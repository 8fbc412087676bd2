// Package fault owns the kind and the hint of an error: what a failure means for the exit code of the
// program and for the HTTP status of the server, and what the user can do next.
package fault

import (
	"context"
	"errors"
	"fmt"
	"net/http"
)

// Kind says who has to act on an error. The zero Kind is Internal.
type Kind int

// The kinds, each with one exit code (ExitCode) and one HTTP status (HTTPStatus).
const (
	Internal     Kind = iota // the work failed: exit 1, status 500
	Usage                    // the caller asked for something wrong: exit 2, status 400
	Unsupported              // this build, library, provider or model cannot do it: exit 1, status 501
	Gate                     // measured, and a threshold was missed: exit 3, status 500
	Untrusted                // measured, and not to be believed: exit 4, status 500
	NotFound                 // what was named is not there: exit 1, status 404
	TooLarge                 // over a limit of the server: exit 1, status 413
	Media                    // an encoding that the server does not speak: exit 1, status 415
	Unauthorized             // no key, or an unknown one: exit 1, status 401
	Denied                   // a key without the right, or a thing that is switched off: exit 1, status 403
	Unavailable              // not now: overload, draining, not loaded yet: exit 1, status 503
	Deadline                 // its time ran out: exit 1, status 504
)

// Error is an error with a kind and a hint. Format it with Error(); print the hint on a line of its own.
type Error struct {
	Kind Kind
	Hint string // what to do next, one line; "" when there is nothing to say
	Err  error  // what failed and why: lower case, no full stop
}

// Error returns the text of the wrapped error, without the hint.
func (e *Error) Error() string { return e.Err.Error() }

// Unwrap returns the wrapped error.
func (e *Error) Unwrap() error { return e.Err }

// New returns an error of a kind with a hint. The message is formatted like fmt.Errorf, %w included.
func New(kind Kind, hint, format string, args ...any) error {
	return &Error{Kind: kind, Hint: hint, Err: fmt.Errorf(format, args...)}
}

// Wrap adds context in front of err and keeps its kind and hint. A nil err stays nil.
func Wrap(err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", fmt.Sprintf(format, args...), err)
}

// KindOf returns the kind of the outermost *Error in err's chain, Internal where there is none.
func KindOf(err error) Kind {
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return Internal
}

// HintOf returns the first hint in err's chain, or "".
func HintOf(err error) string {
	for err != nil {
		var e *Error
		if !errors.As(err, &e) {
			return ""
		}
		if e.Hint != "" {
			return e.Hint
		}
		err = e.Err
	}
	return ""
}

// ExitCode maps err to the exit code of the program: 0 for nil, 130 for a cancelled context.
func ExitCode(err error) int {
	if err == nil {
		return 0
	}
	var e *Error
	if !errors.As(err, &e) && errors.Is(err, context.Canceled) {
		return 130
	}
	switch KindOf(err) {
	case Usage:
		return 2
	case Gate:
		return 3
	case Untrusted:
		return 4
	default:
		return 1
	}
}

// HTTPStatus maps err to the status that a server answers with.
func HTTPStatus(err error) int {
	switch KindOf(err) {
	case Usage:
		return http.StatusBadRequest
	case Unsupported:
		return http.StatusNotImplemented
	case NotFound:
		return http.StatusNotFound
	case TooLarge:
		return http.StatusRequestEntityTooLarge
	case Media:
		return http.StatusUnsupportedMediaType
	case Unauthorized:
		return http.StatusUnauthorized
	case Denied:
		return http.StatusForbidden
	case Unavailable:
		return http.StatusServiceUnavailable
	case Deadline:
		return http.StatusGatewayTimeout
	default:
		return http.StatusInternalServerError
	}
}
