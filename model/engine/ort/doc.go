// Package ort owns the ONNX Runtime adapter: loading its library, opening sessions on its execution providers, and
// all C memory of the program.
//
// Opening goes through onnxruntime_go; the values of a run go through a small shim over the same library (shim.c).
// The wrapper cannot do what the seam promises: a run on fixed buffers that a context can cancel, rank-0 and
// zero-element tensors of every dtype, float16 outputs that the library allocates, strings with zero bytes. With the
// shim a run is one C call without a Go allocation.
package ort

import "infer/model/engine"

// LoadOptions says which library to load and how much it may say.
type LoadOptions struct {
	Path     string   // the library file
	LogLevel LogLevel // of the library's own messages, which go to stderr
}

// LogLevel is the least severe kind of message that the library writes to stderr by itself.
type LogLevel int

// The log levels. The zero value is the quiet one: an error reaches the caller as an error already.
const (
	LogFatal LogLevel = iota
	LogError
	LogWarning
	LogInfo
	LogVerbose
)

// Session is what the sessions of this package can do: every optional ability of the seam.
type Session interface {
	engine.Session
	engine.Binder
	engine.Tracer
	engine.Warner
}
