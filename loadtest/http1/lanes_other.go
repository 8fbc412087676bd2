//go:build !linux || !(amd64 || arm64)

package http1

import "infer/loadtest/drive"

// newLanes returns nil: there are no lanes here.
func newLanes(Options) drive.Generator { return nil }
