//go:build cgo && !windows

package ort

// What the tests of this package look at from outside.
var (
	SizeClass = sizeClass
)

// Buffers returns how many C buffers are allocated.
func (r *Runtime) Buffers() int64 { return r.buffers.Load() }
