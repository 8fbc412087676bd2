package library

import (
	"path/filepath"
	"slices"
	"strings"

	"infer/internal/fault"
)

// flavor is a build of ONNX Runtime for an accelerator. Such a build comes as wheels only: its own, and those of the
// libraries that its provider needs.
type flavor struct {
	name    string             // "openvino"
	project string             // as the package index names it
	version string             // of ONNX Runtime
	wheels  map[string][]wheel // by "os/arch", the one with the library first
}

// wheel is one pinned wheel of a flavor. A wheel with the pinned sum is what it was when it was pinned, every file of it
// included, so that the files need no sums of their own.
type wheel struct {
	project, version string
	tag              string // its platform tag
	sum              string // sha256, hex
	bytes            int64
	files            int64    // bytes of what is taken out of it
	take             []string // which entries are taken (path.Match)
}

func (w wheel) String() string { return w.project + " " + w.version }

// flavors returns the builds that can be installed beside the pinned one. OpenVINO is a release behind, which is the
// newest that its vendor published; the CUDA libraries are those of the toolkit that ONNX Runtime was built with, so
// that every driver that can run it will do.
func flavors() []flavor {
	const openvino = "1.24.1"
	capi := func(names ...string) []string {
		for i, n := range names {
			names[i] = "onnxruntime/capi/" + n
		}
		return names
	}
	nvidia := func(project, version, tag, sum string, bytes, files int64, take ...string) wheel {
		for i, n := range take {
			take[i] = "nvidia/*/lib/" + n
		}
		return wheel{project, version, tag, sum, bytes, files, take}
	}
	return []flavor{
		{"openvino", "onnxruntime-openvino", openvino, map[string][]wheel{"linux/amd64": {{
			"onnxruntime-openvino", openvino, "manylinux_2_28_x86_64", "d617fac2f59a6ab5ea59a788c3e1592240a129642519aaeaa774761dfe35150e", 84433207, 158478488,
			// libopenvino and its front end are in the wheel three times over; this is the name that is loaded
			capi("libonnxruntime.so."+openvino, "libonnxruntime_providers_*.so", "libopenvino.so.2541", "libopenvino_*_plugin.so", "libopenvino_onnx_frontend.so.2541", "libtbb.so.12"),
		}}}},
		{"cuda", "onnxruntime-gpu", Pinned, map[string][]wheel{"linux/amd64": {
			{
				"onnxruntime-gpu", Pinned, "manylinux_2_28_x86_64", "6acc0f4b3d5ac5f2984432faa59dd8fcce6775f8b43a7140afa0f322c7a703b1", 246685715, 302118168,
				capi("libonnxruntime.so."+Pinned, "libonnxruntime_providers_*.so"),
			},
			nvidia("nvidia-cuda-runtime", "13.0.96", "manylinux2014_x86_64", "7f82250d7782aa23b6cfe765ecc7db554bd3c2870c43f3d1821f1d18aebf0548", 2243632, 704288, "libcudart.so.*"),
			nvidia("nvidia-cuda-nvrtc", "13.0.88", "manylinux2010_x86_64", "ad9b6d2ead2435f11cbb6868809d2adeeee302e9bb94bcf0539c7a40d80e8575", 90215200, 113718680, "libnvrtc.so.*", "libnvrtc-builtins.so.*"),
			nvidia("nvidia-nvjitlink", "13.0.88", "manylinux2010_x86_64", "13a74f429e23b921c1109976abefacc69835f2f433ebd323d3946e11d804e47b", 40713933, 98806736, "libnvJitLink.so.*"),
			nvidia("nvidia-curand", "10.4.0.35", "manylinux_2_27_x86_64", "1aee33a5da6e1db083fe2b90082def8915f30f3248d5896bcec36a579d941bfc", 59544258, 132698328, "libcurand.so.*"),
			nvidia("nvidia-cufft", "12.0.0.61", "manylinux2014_x86_64", "6c44f692dce8fd5ffd3e3df134b6cdb9c2f72d99cf40b62c32dde45eea9ddad3", 214085489, 286542352, "libcufft.so.*"),
			nvidia("nvidia-cublas", "13.1.0.3", "manylinux_2_27_x86_64", "ee8722c1f0145ab246bccb9e452153b5e0515fd094c3678df50b2a0888b8b171", 423133236, 595773576, "libcublas.so.*", "libcublasLt.so.*"),
			nvidia("nvidia-cudnn-cu13", "9.28.1.4", "manylinux_2_27_x86_64", "a54f205b1db1f2895d99f398754db1369816f0569dd459731f925635cf7b65ec", 516817937, 940113128, "libcudnn*.so.*"),
		}}},
	}
}

// Flavors returns the names that Install takes.
func Flavors() []string {
	names := []string{"cpu"}
	for _, f := range flavors() {
		names = append(names, f.name)
	}
	return names
}

// flavorFor returns the flavor that has an execution provider, "" where infer installs none that does.
func flavorFor(provider string) string {
	switch provider {
	case "cuda", "tensorrt":
		return "cuda"
	case "openvino":
		return "openvino"
	}
	return ""
}

// flavor returns the flavor of a name, for this platform.
func (o Options) flavor(name string) (flavor, error) {
	for _, f := range o.flavors {
		if f.name != name {
			continue
		}
		if len(f.wheels[o.platform()]) == 0 {
			return f, fault.New(fault.Unsupported, "build ONNX Runtime with it for this platform and pass the library with --ort-library FILE",
				"there is no %s to install for %s", f.project, o.platform())
		}
		return f, nil
	}
	hint := "the flavors are " + strings.Join(Flavors(), ", ")
	if near := fault.Nearest(name, Flavors()); near != "" {
		hint = "did you mean " + near + "? " + hint
	}
	return flavor{}, fault.New(fault.Usage, hint, "unknown flavor %q", name)
}

// Download is one package that an install brings.
type Download struct {
	Package string // "onnxruntime-openvino 1.24.1"
	Bytes   int64  // of the download
}

// Plan says what Install would bring. Nothing is left to bring where the flavor is installed and intact.
type Plan struct {
	Flavor    string
	Version   string // of ONNX Runtime
	Dir       string // where it goes
	Downloads []Download
	Bytes     int64 // of all downloads
	OnDisk    int64 // what it takes when it is there
}

// PlanInstall returns what Install would bring for a flavor. Errors: fault.Usage for an unknown flavor,
// fault.Unsupported for one that has no build for this platform.
func PlanInstall(o Options, name string) (Plan, error) {
	o = o.withDefaults()
	if name == "" || name == "cpu" {
		return o.planPinned(), nil
	}
	f, err := o.flavor(name)
	if err != nil {
		return Plan{}, err
	}
	p := Plan{Flavor: name, Version: f.version, Dir: o.flavorHome(f)}
	if l := o.cachedFlavor(f); l.Path != "" && l.Problem == "" {
		return p, nil
	}
	for _, w := range f.wheels[o.platform()] {
		p.Downloads = append(p.Downloads, Download{w.String(), w.bytes})
		p.Bytes += w.bytes
		p.OnDisk += w.files
	}
	return p, nil
}

func (o Options) planPinned() Plan {
	p := Plan{Flavor: "cpu", Version: Pinned, Dir: o.home()}
	if l := o.cached(); len(l) > 0 && l[0].Problem == "" {
		return p
	}
	for _, s := range o.sources() {
		if s.missing == "" && s.d.sum != "" {
			p.Downloads = []Download{{"onnxruntime " + Pinned, s.d.bytes}}
			p.Bytes, p.OnDisk = s.d.bytes, s.d.files[0].bytes
			break
		}
	}
	return p
}

// flavorHome returns the folder that an installed flavor lies in: the library and all that it needs, side by side.
func (o Options) flavorHome(f flavor) string {
	return filepath.Join(o.CacheDir, "onnxruntime", f.version+"-"+f.name, o.goos+"-"+o.goarch)
}

// installed returns the flavors in infer's cache.
func (o Options) installed() []Library {
	var out []Library
	for _, f := range o.flavors {
		if l := o.cachedFlavor(f); l.Path != "" {
			out = append(out, l)
		}
	}
	return out
}

// cachedFlavor returns the copy of a flavor that infer installed; its Path is "" where there is none.
func (o Options) cachedFlavor(f flavor) Library {
	if o.CacheDir == "" {
		return Library{}
	}
	home := o.flavorHome(f)
	if !exists(home) {
		return Library{}
	}
	l := Library{Path: filepath.Join(home, libraryName(o.goos, f.version)), Source: SourceCache, Flavor: f.name}
	m, err := o.checkFlavor(f)
	if err != nil {
		l.Problem = err.Error()
		return l
	}
	l = o.probe(l.Path, SourceCache)
	l.Flavor, l.Bytes = f.name, 0
	for _, file := range m.Files {
		l.Bytes += file.Bytes
	}
	return l
}

// fits reports whether l can be used and has all the asked execution providers, as far as its files tell.
func (o Options) fits(l Library) bool {
	if l.Problem != "" {
		return false
	}
	asked := o.asked()
	if l.Source == SourceCache && l.Flavor != "cpu" && len(asked) == 0 {
		return false // a flavor is for those who ask for its provider
	}
	return !slices.ContainsFunc(asked, func(p string) bool { return !slices.Contains(l.Providers, p) })
}

// asked returns the asked execution providers that come as files of their own beside the library, so that the files
// tell whether a copy has them. The others show when the library is loaded.
func (o Options) asked() []string {
	var out []string
	for _, p := range o.Providers {
		if p = strings.ToLower(p); flavorFor(p) != "" {
			out = append(out, p)
		}
	}
	return unique(out)
}

// lastResort returns the place of the copy to use where none fits and none can be installed: a flavor runs models on the
// CPU too. -1 where there is none.
func (o Options) lastResort(found []Library) int {
	if !o.Offline || len(o.asked()) > 0 {
		return -1
	}
	return slices.IndexFunc(found, func(l Library) bool { return l.Problem == "" && l.Source == SourceCache })
}

// lacking is the error where no usable copy has the asked execution providers.
func (o Options) lacking() error {
	asked := o.asked()
	var hints []string
	for _, p := range asked {
		hints = append(hints, "infer runtime install --flavor "+flavorFor(p))
	}
	hints = unique(hints)
	if len(hints) > 1 {
		return fault.New(fault.Unsupported, "one process has one library: ask for one of them, or build ONNX Runtime with all of them and pass it with --ort-library FILE",
			"no ONNX Runtime library on this machine has the providers %s", strings.Join(asked, ", "))
	}
	return fault.New(fault.Unsupported, "run "+hints[0]+", pass a library that has it with --ort-library FILE, or list cpu after it (--provider "+asked[0]+" --provider cpu)",
		"no ONNX Runtime library on this machine has the %s provider", strings.Join(asked, " and the "))
}
