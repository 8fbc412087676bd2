//go:build !cgo || windows

package ort

import (
	"errors"

	"infer/internal/fault"
	"infer/model/engine"
)

// ErrClosed is returned by the methods of a session or bound run after its Close.
var ErrClosed = errors.New("the session is closed")

// Runtime is the ONNX Runtime library of this process; this build of the program cannot load one.
type Runtime struct{}

// Load fails with fault.Unsupported: loading the library takes cgo.
func Load(LoadOptions) (*Runtime, error) {
	return nil, fault.New(fault.Unsupported, "build infer with CGO_ENABLED=1 and a C compiler, on Linux or macOS",
		"this build of infer has no engine")
}

// Version returns "".
func (r *Runtime) Version() string { return "" }

// Path returns "".
func (r *Runtime) Path() string { return "" }

// Providers returns none.
func (r *Runtime) Providers() []string { return nil }

// Provider fails like Load.
func (r *Runtime) Provider(string) (engine.Provider, error) {
	_, err := Load(LoadOptions{})
	return nil, err
}

// Close does nothing.
func (r *Runtime) Close() error { return nil }
