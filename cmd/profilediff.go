package cmd

import (
	"context"

	"infer/internal/fault"
)

// runProfileDiff compares two profiles, or two traces.
func runProfileDiff(ctx context.Context, a *app, args []string, f profileFlags) error {
	return fault.New(fault.Unsupported, "", "--diff is not there yet")
}
