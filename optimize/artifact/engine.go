package artifact

import (
	"strconv"
	"strings"

	"infer/internal/host"
	"infer/optimize/trtexec"
)

// TensorRT is a copy of TensorRT on this machine.
type TensorRT struct {
	Version string // "10.16.1", or less of it where the file does not tell
	Path    string // of its library, or of trtexec
}

// engine looks at a serialized TensorRT engine.
func (c *checker) engine() error {
	c.out.Kind = KindTensorRT
	r := c.record()
	plan, err := trtexec.ReadPlan(c.path)
	if err != nil {
		c.find(levelError, "file", "build it again", "it begins like an engine of TensorRT older than 8.6, or is cut short: %v", err)
		return nil
	}
	if r == nil {
		c.find(levelNote, "record", "", "no %s lies beside it: what it was built for is not known", recordName(c.path))
	} else {
		c.recorded(*r)
	}
	c.planVersion(plan, r)
	if g, ok := c.gpu(); ok && r != nil {
		c.computeOf(*r, g)
		c.driverOf(*r, g)
	}
	c.find(levelNote, "use", "infer runs ONNX files: convert without --via trtexec", "a native engine is for trtexec, Triton and programs on TensorRT")
	return nil
}

// record reads what lies beside the artifact; nil where nothing does.
func (c *checker) record() *Engine {
	r, err := ReadEngine(RecordPath(c.path))
	if err != nil || r == nil {
		return nil
	}
	return r
}

// recorded tells what the record says.
func (c *checker) recorded(r Engine) {
	for _, f := range []struct{ name, value string }{
		{"model_sha256", r.Model}, {"made_by", r.Maker}, {"gpu", r.GPU}, {"compute_capability", r.Compute}, {"driver", r.Driver},
		{"profiles", strings.Join(r.Profiles, " ")},
	} {
		if f.value != "" {
			c.fact(f.name, "%s", f.value)
		}
	}
	switch err := r.Intact(c.path); err {
	case nil:
		c.find(levelOK, "record", "", "it is what %s tells of, unchanged", recordName(c.path))
	default:
		c.find(levelWarning, "record", "convert it again", "what %s says may not hold: %v", recordName(c.path), err)
	}
}

// planVersion compares the TensorRT that built an engine with those that are here.
func (c *checker) planVersion(p trtexec.Plan, r *Engine) {
	built := p.Version.String()
	if built == "" {
		c.find(levelWarning, "tensorrt", "ask its own: trtexec --getPlanVersionOnly --loadEngine=FILE", "this layout of an engine file is newer than what infer knows")
		return
	}
	c.fact("tensorrt", "%s (build %d)", built, p.Build)
	lasting := r != nil && r.Options["version_compat"] == "true"
	for _, t := range c.place.TensorRT {
		if sameRelease(t.Version, built) || lasting && newerRelease(t.Version, built) {
			c.find(levelOK, "tensorrt", "", "built by TensorRT %s, and %s is here", built, t.Version)
			return
		}
	}
	if len(c.place.TensorRT) == 0 {
		c.find(levelError, "tensorrt", "install TensorRT "+built+" (pip install 'tensorrt=="+built+".*')", "built by TensorRT %s, and none is here", built)
		return
	}
	var here []string
	for _, t := range c.place.TensorRT {
		here = append(here, t.Version)
	}
	c.find(levelError, "tensorrt", "build it again with the release that is here, or with --version-compat", "built by TensorRT %s, which alone can load it; here is %s", built, strings.Join(here, ", "))
}

// sameRelease compares versions as far as both tell.
func sameRelease(a, b string) bool {
	x, y := strings.Split(a, "."), strings.Split(b, ".")
	for i := range min(len(x), len(y), 3) {
		if x[i] != y[i] {
			return false
		}
	}
	return a != "" && b != ""
}

// newerRelease reports whether a is a later release than b.
func newerRelease(a, b string) bool {
	x, y := strings.Split(a, "."), strings.Split(b, ".")
	for i := range min(len(x), len(y), 3) {
		m, err1 := strconv.Atoi(x[i])
		n, err2 := strconv.Atoi(y[i])
		if err1 != nil || err2 != nil {
			return false
		}
		if m != n {
			return m > n
		}
	}
	return false
}

// computeOf compares the compute capability that an engine was built for with that of a GPU.
func (c *checker) computeOf(r Engine, g host.GPU) {
	if r.Compute == "" || g.Compute == "" {
		return
	}
	compat := trtexec.Compat(r.Options["hw_compat"])
	major, _, _ := strings.Cut(g.Compute, ".")
	n, _ := strconv.Atoi(major)
	switch {
	case r.Compute == g.Compute && (r.GPU == g.Name || r.GPU == "" || compat != trtexec.CompatNone):
		c.find(levelOK, "compute_capability", "", "built for %s, this GPU (%s) has it", r.Compute, g.Name)
	case r.Compute == g.Compute:
		c.find(levelWarning, "compute_capability", "build it on this kind of GPU", "built on %s for its %s: another kind of GPU of the same compute capability may run it slowly, or not at all", r.GPU, r.Compute)
	case compat == trtexec.CompatAmpere && n >= 8:
		c.find(levelOK, "compute_capability", "", "built for Ampere and newer, this GPU (%s) has %s", g.Name, g.Compute)
	default:
		c.find(levelError, "compute_capability", "build it on this kind of GPU, or with --hw-compat ampere+", "built for %s, this GPU (%s) has %s", r.Compute, g.Name, g.Compute)
	}
}

// driverOf warns of an older driver than the one that the engine was built under.
func (c *checker) driverOf(r Engine, g host.GPU) {
	if r.Driver == "" || g.Driver == "" {
		return
	}
	if newerRelease(r.Driver, g.Driver) {
		c.find(levelWarning, "driver", "update the driver if it does not load", "built under driver %s, here is %s", r.Driver, g.Driver)
		return
	}
	c.find(levelOK, "driver", "", "driver %s", g.Driver)
}
