// Package quantize owns the making of a smaller or faster model that stays accurate: which candidates make sense for a
// graph and a target, what each costs in accuracy and gains in speed, which one is kept, and the record from which it
// can be made again.
package quantize

import (
	"errors"
	"slices"
	"strings"
	"time"

	"infer/internal/fault"
	"infer/optimize/quantize/calibrate"
)

// Mode is what --mode takes.
type Mode string

// The modes.
const (
	Auto       Mode = "auto"        // what is fastest within the budget
	Static     Mode = "static"      // calibrated int8
	Dynamic    Mode = "dynamic"     // int8 with activations quantized in every run
	WeightOnly Mode = "weight-only" // weights in blocks of 8 or 4 bits
	FP16       Mode = "fp16"
	BF16       Mode = "bf16"
)

// Modes are the values of --mode.
var Modes = []Mode{Auto, Static, Dynamic, WeightOnly, FP16, BF16}

// Options are the choices of one quantization.
type Options struct {
	Mode          Mode
	Bits          int              // of weights: 8 or 4
	Block         int              // weights along K that share a scale, in weight-only
	AccuracyLevel int              // of MatMulNBits: 0 to 4
	Portable      bool             // weight-only by DequantizeLinear of opset 21
	Embeddings    bool             // quantize the tables of Gather too
	PerChannel    bool             // a scale for each channel of a weight
	Method        calibrate.Method // of activation ranges
	Memory        int64            // bytes that calibration may hold
	Samples       int64            // calibration rows to use; 0: DefaultSamples at most
	Include       []Pattern        // nodes that may be quantized; none: all
	Exclude       []Pattern        // nodes that must stay float
	Budget        *Budget          // accuracy that must be kept; nil: the mode's default
	AllowSlower   bool
	KeepBest      bool          // write the best within the budget even where it is not faster
	Sensitivity   bool          // measure the error of every group
	Explain       string        // the node to explain; "" for none
	RaceTime      time.Duration // of measuring speed, in all
	Seed          uint64
	Cache         string   // file that keeps the calibration, from which an interrupted one goes on; ""
	Ranges        []string // calibration files to use, merged, instead of rows
}

// DefaultSamples are the calibration rows used where nobody says how many.
const DefaultSamples = 512

// DefaultOptions are those of infer quantize --int8.
var DefaultOptions = Options{
	Mode: Auto, Bits: 8, Block: 32, AccuracyLevel: 4, PerChannel: true, Method: calibrate.Method{Name: calibrate.Auto},
	Memory: calibrate.DefaultMemory, RaceTime: 10 * time.Second, Seed: 1,
}

// Validate lists every fault of the options.
func (o Options) Validate() error {
	var faults []error
	add := func(hint, format string, args ...any) {
		faults = append(faults, fault.New(fault.Usage, hint, format, args...))
	}
	if !slices.Contains(Modes, o.Mode) {
		add(modeHint(string(o.Mode)), "mode %q is not known", o.Mode)
	}
	if o.Bits != 8 && o.Bits != 4 {
		add("use int8 or int4", "weights of %d bits are not known", o.Bits)
	}
	if o.Bits == 4 && o.Mode != WeightOnly {
		add("use --mode weight-only", "weights of 4 bits need --mode weight-only, not %s", o.Mode)
	}
	if o.Block < 16 || o.Block > 256 || o.Block&(o.Block-1) != 0 {
		add("use 16, 32, 64, 128 or 256", "--block-size %d is no power of two from 16 to 256", o.Block)
	}
	if o.AccuracyLevel < 0 || o.AccuracyLevel > 4 {
		add("use 4 for int8, 1 for float32", "--accuracy-level %d is not one of 0 to 4", o.AccuracyLevel)
	}
	if o.Memory <= 0 {
		add("write it with a unit, such as 1GiB", "--calib-mem must be positive")
	}
	if o.Samples < 0 {
		add("leave it out for all rows up to 512", "--samples %d is negative", o.Samples)
	}
	if o.RaceTime <= 0 {
		add("write it with a unit, such as 20s", "--race-time %s is not positive", o.RaceTime)
	}
	return errors.Join(faults...)
}

func modeHint(text string) string {
	var names []string
	for _, m := range Modes {
		names = append(names, string(m))
	}
	if near := fault.Nearest(text, names); near != "" {
		return "did you mean " + near + "?"
	}
	return "use one of: " + strings.Join(names, ", ")
}
