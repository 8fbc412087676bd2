package cmd

import (
	"context"

	"infer/internal/fault"
)

// runFromTrace reads a trace that exists in place of running anything.
func runFromTrace(ctx context.Context, a *app, args []string, f profileFlags) error {
	return fault.New(fault.Unsupported, "", "--from-trace is not there yet")
}
