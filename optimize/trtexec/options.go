package trtexec

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"infer/internal/fault"
)

// Compat is on which GPUs beside the one that it was built on an engine is to run.
type Compat string

// The levels, as --hw-compat names them.
const (
	CompatNone   Compat = "none"    // that kind of GPU alone: the fastest engine
	CompatAmpere Compat = "ampere+" // every GPU of compute capability 8.0 and newer
	CompatSame   Compat = "same-cc" // every GPU of the same compute capability
)

// Compats lists them in the order of the help.
var Compats = []Compat{CompatNone, CompatAmpere, CompatSame}

// Options says how an engine is built. Nothing of it chooses a precision: that is what the types of the graph are for.
type Options struct {
	Model             string    // the ONNX file
	Engine            string    // the file to write
	Layers            string    // the JSON file for what is known about each layer; "": none
	Profiles          []Profile // of shapes; none for a model without dynamic axes
	TimingCache       string    // file of measured kernels, read and brought up to date; "": none
	OptLevel          int       // how hard to look for fast kernels, 0 to 5
	Workspace         int64     // bytes of GPU memory that kernels may use beside weights and activations; 0: all there is
	Compat            Compat    //
	VersionCompatible bool      // load in later releases of TensorRT too
	StripWeights      bool      // leave the weights out: they are filled in from the ONNX file
}

// DefaultOptions are those of trtexec itself.
var DefaultOptions = Options{OptLevel: 3, Compat: CompatNone}

// Validate lists every fault.
func (o Options) Validate() error {
	var errs []error
	if o.OptLevel < 0 || o.OptLevel > 5 {
		errs = append(errs, fault.New(fault.Usage, "", "--opt-level %d is not between 0 and 5", o.OptLevel))
	}
	if o.Workspace < 0 {
		errs = append(errs, fault.New(fault.Usage, "", "--workspace must not be negative"))
	}
	if !slices.Contains(Compats, o.Compat) {
		errs = append(errs, fault.New(fault.Usage, "use one of: none, ampere+, same-cc", "--hw-compat %q is not known", o.Compat))
	}
	for _, p := range o.Profiles {
		for _, r := range p {
			if strings.ContainsAny(r.Input, ",'") {
				errs = append(errs, fault.New(fault.Unsupported, "give the input another name", "the name of input %q has a comma or a quote, which shapes cannot be given for", r.Input))
			}
		}
	}
	return errors.Join(errs...)
}

// Args returns the command line of a build, without the program. Of TensorRT 10 the network is strongly typed by a
// flag; 11 has no other kind and only warns of it.
func (o Options) Args(v Version) []string {
	args := []string{"--onnx=" + o.Model, "--saveEngine=" + o.Engine, "--skipInference"}
	if v.weak() {
		args = append(args, "--stronglyTyped")
	}
	args = append(args, o.shapes()...)
	if o.TimingCache != "" {
		args = append(args, "--timingCacheFile="+o.TimingCache)
	}
	if o.OptLevel != DefaultOptions.OptLevel {
		args = append(args, "--builderOptimizationLevel="+strconv.Itoa(o.OptLevel))
	}
	if o.Workspace > 0 {
		args = append(args, "--memPoolSize=workspace:"+poolSize(o.Workspace))
	}
	switch o.Compat {
	case CompatAmpere:
		args = append(args, "--hardwareCompatibilityLevel=ampere+")
	case CompatSame:
		args = append(args, "--hardwareCompatibilityLevel=sameComputeCapability")
	}
	if o.VersionCompatible {
		args = append(args, "--versionCompatible")
	}
	if o.StripWeights {
		args = append(args, "--stripWeights")
	}
	if o.Layers != "" {
		args = append(args, "--profilingVerbosity=detailed", "--exportLayerInfo="+o.Layers)
	}
	return args
}

// shapes returns the flags of the profiles. One alone is told without a number, which older releases want; of several
// the three shapes must follow their number.
func (o Options) shapes() []string {
	var args []string
	for i, p := range o.Profiles {
		if len(o.Profiles) > 1 {
			args = append(args, fmt.Sprintf("--profile=%d", i))
		}
		args = append(args, "--minShapes="+p.Shapes(Min), "--optShapes="+p.Shapes(Opt), "--maxShapes="+p.Shapes(Max))
	}
	return args
}

// poolSize writes a size in the largest unit that holds it exactly; trtexec knows B, K and M (base 2).
func poolSize(n int64) string {
	switch {
	case n%(1<<20) == 0:
		return strconv.FormatInt(n>>20, 10) + "M"
	case n%(1<<10) == 0:
		return strconv.FormatInt(n>>10, 10) + "K"
	}
	return strconv.FormatInt(n, 10) + "B"
}
