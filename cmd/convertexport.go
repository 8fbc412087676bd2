package cmd

import (
	"context"

	"github.com/spf13/pflag"

	"infer/optimize/convert"
)

// exportFlags are the flags of conversions from PyTorch and TensorFlow.
type exportFlags struct{}

func (f *exportFlags) add(*pflag.FlagSet) {}

// isForeign reports whether a path is a model of PyTorch or TensorFlow.
func isForeign(string) bool { return false }

// export makes an ONNX model of one of PyTorch or TensorFlow.
func (f *convertFlags) export(context.Context, *app, string, convert.Target) error { return nil }
