package http1

import (
	"infer/internal/fault"
	"infer/loadtest/drive"
)

// overCalls returns the generator for what lanes cannot do.
func overCalls(Options) (drive.Generator, error) {
	return nil, fault.New(fault.Unsupported, "", "https is not supported yet")
}
