package artifact

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"infer/model/onnx"
	"infer/optimize/trtexec"
)

// providerNames are the names by which providers sign what they compiled, and those of --provider.
var providerNames = map[string]string{
	"TensorrtExecutionProvider": "tensorrt", "OpenVINOExecutionProvider": "openvino", "QNNExecutionProvider": "qnn", "QNN": "qnn",
	"NvTensorRTRTXExecutionProvider": "nvtensorrtrtx", "VitisAIExecutionProvider": "vitisai", "CPUExecutionProvider": "cpu", "CUDAExecutionProvider": "cuda",
}

// shortName returns the name that --provider takes.
func shortName(source string) string {
	if n, ok := providerNames[source]; ok {
		return n
	}
	return strings.ToLower(strings.TrimSuffix(source, "ExecutionProvider"))
}

// installFix says how to get a library with a provider.
func installFix(provider string) string {
	switch provider {
	case "tensorrt", "cuda":
		return "infer runtime install --flavor cuda"
	case "openvino":
		return "infer runtime install --flavor openvino"
	}
	return "give an ONNX Runtime library that has it: --ort-library FILE"
}

// context looks at a part that a provider has compiled.
func (c *checker) context(i int, x onnx.Context) {
	source := x.Source
	if source == "" { // the first releases of TensorRT's provider did not sign
		source = "TensorrtExecutionProvider"
		if x.Hardware == "" {
			source = "unknown"
		}
	}
	label := fmt.Sprintf("context %d", i+1)
	if p := x.Node.Str("partition_name", ""); p != "" {
		label += " (" + p + ")"
	}
	said := []string{"compiled by " + source}
	if x.SDK != "" {
		said = append(said, "kit "+x.SDK)
	}
	if x.Hardware != "" {
		said = append(said, "for "+x.Hardware)
	}
	c.fact(label, "%s", strings.Join(said, ", "))
	name := shortName(source)
	if r, ok := c.provider(name); ok {
		c.find(levelOK, "provider", "", "%s is in ONNX Runtime %s here", name, firstOf(r.Version, r.Path))
	} else {
		c.find(levelError, "provider", installFix(name), "no ONNX Runtime here has the %s provider, which compiled it", name)
	}
	c.cache(x, name)
	if name == "tensorrt" {
		c.tensorRTContext(x)
	}
}

// cache looks for the file that holds what was compiled.
func (c *checker) cache(x onnx.Context, provider string) {
	if x.Node.Int("main_context", 1) == 0 {
		return // it shares that of another node
	}
	if x.File == "" {
		if n := len(x.Node.Str("ep_cache_context", "")); n > 0 && x.Node.Int("embed_mode", 1) != 0 {
			c.find(levelOK, "cache", "", "%s of compiled code lie inside the model", size(int64(n)))
			if provider == "tensorrt" {
				plan, err := trtexec.ParsePlan(bytes.NewReader(x.Node.Attr("ep_cache_context").S))
				c.builtBy(plan, err)
			}
			return
		}
		c.find(levelError, "cache", "compile the model again", "the node holds no compiled code and names no file")
		return
	}
	only := &onnx.Model{Graph: &onnx.Graph{Nodes: []*onnx.Node{x.Node}}}
	if err := onnx.CheckContexts(only, filepath.Dir(c.path), realDir(c.path)); err != nil {
		c.fail("cache", err)
		return
	}
	file := filepath.Join(filepath.Dir(c.path), filepath.FromSlash(x.File))
	info, err := os.Stat(file)
	if err != nil {
		c.fail("cache", err)
		return
	}
	c.find(levelOK, "cache", "", "%s lies beside the model (%s)", x.File, size(info.Size()))
	if provider == "tensorrt" {
		c.builtBy(trtexec.ReadPlan(file))
	}
}

// builtBy looks at the engine of a context.
func (c *checker) builtBy(plan trtexec.Plan, err error) {
	if err != nil { // it may be encrypted
		c.find(levelWarning, "engine", "", "what was compiled does not begin like a TensorRT engine")
		return
	}
	c.planVersion(plan, c.record())
}

// tensorRTContext compares what TensorRT's provider compiled for with the GPU here.
func (c *checker) tensorRTContext(x onnx.Context) {
	g, ok := c.gpu()
	if !ok || x.Hardware == "" || g.Compute == "" {
		return
	}
	built, newer := strings.CutSuffix(x.Hardware, "+")
	here := strings.ReplaceAll(g.Compute, ".", "")
	b, err1 := strconv.Atoi(built)
	h, err2 := strconv.Atoi(here)
	switch {
	case err1 != nil || err2 != nil:
		c.find(levelNote, "compute_capability", "", "compiled for %q, this GPU has %s", x.Hardware, g.Compute)
	case b == h || newer && h >= b:
		c.find(levelOK, "compute_capability", "", "compiled for SM %s, this GPU (%s) has %s", x.Hardware, g.Name, g.Compute)
	default:
		c.find(levelError, "compute_capability", "convert it on this GPU, or with --hw-compat ampere+", "compiled for SM %s, this GPU (%s) has %s", x.Hardware, g.Name, g.Compute)
	}
}
