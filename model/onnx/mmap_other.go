//go:build !(linux || darwin || freebsd || netbsd || openbsd || dragonfly)

package onnx

import (
	"io"
	"os"
)

// mapFile reads all of f, where files cannot be mapped.
func mapFile(f *os.File, size int64) (b []byte, unmap func() error, err error) {
	b, err = io.ReadAll(io.LimitReader(f, size))
	return b, func() error { return nil }, err
}
