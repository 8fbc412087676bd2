package convert

import (
	"errors"
	"regexp"
	"time"

	"infer/internal/fault"
	"infer/model/engine"
	"infer/optimize/half"
)

// Options are the choices of a conversion. Those of another kind than the task's are not looked at.
type Options struct {
	Half       half.Options    // of FP16 and BF16; DType, BlockNodes, Range and Deferred are set by Run
	BlockNodes *regexp.Regexp  // of FP16 and BF16: nodes whose names match stay float32; nil: none
	Samples    int64           // of FP16: the first rows of Task.Calib; 0: all, 512 at most
	Level      engine.OptLevel // of ORT: how far the stored graph is optimized
	Via        string          // of OpenVINO: ViaProvider or ViaOVC; "": by the ending of the output
	RaceTime   time.Duration   // the longest measurement of speed; 0: none
	Seed       uint64
}

// What makes an OpenVINO artifact, as --via takes it.
const (
	ViaProvider = "provider" // ONNX Runtime's execution provider: an ONNX file with the compiled model in it
	ViaOVC      = "ovc"      // OpenVINO's converter: an IR of .xml and .bin
)

// DefaultOptions convert all that can be converted, store an ORT format that runs on every CPU, and measure for 3 s.
func DefaultOptions() Options {
	return Options{Half: half.DefaultOptions, Level: engine.OptExtended, RaceTime: 3 * time.Second, Seed: 1}
}

// Validate lists every fault of the options. Errors are of kind fault.Usage.
func (o Options) Validate() error {
	errs := []error{o.Half.Validate()}
	if o.Samples < 0 {
		errs = append(errs, fault.New(fault.Usage, "give 0 for all, 512 at most", "--samples %d is negative", o.Samples))
	}
	if o.RaceTime < 0 {
		errs = append(errs, fault.New(fault.Usage, "give 0 to leave it out", "--race-time %s is negative", o.RaceTime))
	}
	if o.Via != "" && o.Via != ViaProvider && o.Via != ViaOVC {
		errs = append(errs, fault.New(fault.Usage, "use provider or ovc", "--via %q makes nothing for OpenVINO", o.Via))
	}
	return errors.Join(errs...)
}
