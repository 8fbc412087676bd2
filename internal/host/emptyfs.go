//go:build !linux

package host

import "io/fs"

// emptyFS stands for a system without /proc and /sys.
type emptyFS struct{}

func (emptyFS) Open(name string) (fs.File, error) {
	return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
}
