package cmd

import (
	"context"

	"github.com/spf13/pflag"
)

// tensorRTFlags are the flags of convert --to tensorrt.
type tensorRTFlags struct{}

func (f *tensorRTFlags) add(*pflag.FlagSet) {}

// tensorRT compiles a model for TensorRT.
func (f *convertFlags) tensorRT(context.Context, *app, []string) error { return nil }
