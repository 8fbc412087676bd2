package library

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// accelerators looks at the execution providers that lie beside a library: whether what they need is here, and what they
// need of the machine.
func (o Options) accelerators(ctx context.Context, l Library) []Finding {
	if o.goos != "linux" {
		return nil
	}
	var found []Finding
	folders := dependencyFolders(realPath(l.Path)) // infer loads from there itself, see Dependencies
	for _, file := range o.providerFiles(l.Path) {
		name := providerOf(file)
		if name == "shared" {
			continue
		}
		found = append(found, o.provider(name, file, folders))
		switch name {
		case "cuda":
			found = append(found, o.driver(ctx, file))
		case "openvino":
			found = append(found, o.openvinoDevices(o.facts().ISA))
		}
	}
	return found
}

// provider checks that what a provider needs is here. TensorRT, which comes in no package of ONNX Runtime, is a fact
// rather than a fault where it is missing.
func (o Options) provider(name, file string, folders []string) Finding {
	f := o.dependencies("provider "+name, file, SeverityWarning, folders)
	switch {
	case f.OK:
	case name == "tensorrt" && strings.Contains(f.Detail, "libnvinfer"):
		f.Severity, f.OK = SeverityInfo, true
		f.Detail, f.Advice = "not usable: "+f.Detail+" (install TensorRT to use it)", ""
	case strings.HasSuffix(f.Detail, "needs libcuda.so.1"):
		f.Advice = "install the NVIDIA driver, which libcuda.so.1 is part of; in a container, start it with --gpus all"
	}
	return f
}

// oldestDriver is the first driver release that runs a major version of CUDA (CUDA Toolkit release notes, table 3).
var oldestDriver = map[string]string{"libcudart.so.12": "525", "libcudart.so.13": "580"}

var driverVersion = regexp.MustCompile(`\b(\d{3,}\.\d+(\.\d+)?)\b`)

// driver compares the NVIDIA driver with what the CUDA provider was built for.
func (o Options) driver(ctx context.Context, file string) Finding {
	need := ""
	for _, lib := range imports(file) {
		if oldest := oldestDriver[lib]; oldest != "" {
			need = oldest
		}
	}
	have := ""
	if text, err := os.ReadFile(o.rooted("proc/driver/nvidia/version")); err == nil {
		have = driverVersion.FindString(string(text))
	}
	if smi := o.lookPath("nvidia-smi"); have == "" && smi != "" {
		ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
		defer cancel()
		if text, err := runClient(ctx, smi, []string{"--query-gpu=driver_version", "--format=csv,noheader"}, o.dir, o.Environ); err == nil {
			have = driverVersion.FindString(text)
		}
	}
	switch {
	case have == "":
		return warn("nvidia driver", "install NVIDIA's driver "+orUnknown(need)+" or newer; in a container, start it with --gpus all", "none is loaded: the cuda provider cannot be used")
	case need != "" && less(have, need):
		return warn("nvidia driver", "update it to "+need+" or newer", "%s is older than %s, which this build of the cuda provider needs", have, need)
	}
	return fine("nvidia driver", "%s (needed: %s)", have, orUnknown(need))
}

// openvinoDevices tells what OpenVINO finds here: instructions of the CPU, and whether a GPU can be reached.
func (o Options) openvinoDevices(isa []string) Finding {
	const name = "openvino devices"
	if len(isa) > 0 && !slices.ContainsFunc(isa, func(s string) bool { return s == "avx2" || s == "asimd" }) {
		return warn(name, "run on a CPU, or a virtual machine type, with AVX2", "CPU (%s): without avx2 it is slow", strings.Join(isa, " "))
	}
	var fast []string
	for _, s := range isa {
		if strings.Contains(s, "amx") || strings.Contains(s, "vnni") || strings.Contains(s, "bf16") || s == "avx512f" || s == "avx2" {
			fast = append(fast, s)
		}
	}
	text := "CPU (" + strings.Join(fast, " ") + ")"
	if o.resolve("libOpenCL.so.1", nil) == "" {
		return fine(name, "%s; device_type=GPU would need libOpenCL.so.1 and Intel's driver", text)
	}
	return fine(name, "%s; libOpenCL.so.1 is here, for device_type=GPU", text)
}

// flavorIntegrity compares the files of an installed flavor with what was installed.
func (o Options) flavorIntegrity(ctx context.Context, l Library) Finding {
	for _, f := range o.flavors {
		if f.name != l.Flavor {
			continue
		}
		if err := o.verifyFlavor(ctx, f); err != nil {
			return bad("integrity", "run infer runtime install --flavor "+f.name+", which replaces it", "%v", err)
		}
		m, _ := readMarker(filepath.Dir(l.Path)) // verifyFlavor has read it
		return fine("integrity", "the sums of all %d files are those that were installed from the published %s %s", len(m.Files), f.project, f.version)
	}
	return Finding{}
}
