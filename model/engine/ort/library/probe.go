package library

import (
	"debug/elf"
	"debug/macho"
	"debug/pe"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

const unknownVersion = "its version cannot be told from the file"

// probe reads what a library file says about itself, without loading it.
func (o Options) probe(path, source string) Library {
	l := Library{Path: path, Source: source}
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		l.Problem = "no such file"
		return l
	case err != nil:
		l.Problem = "cannot be read: " + cause(err)
		return l
	case info.IsDir():
		l.Problem = "a folder without a libonnxruntime in it"
		return l
	case !info.Mode().IsRegular():
		l.Problem = "not a regular file"
		return l
	}
	l.Bytes = info.Size()
	version, problem := o.object(path, info.Size())
	if problem != "" {
		l.Problem = problem
		return l
	}
	if version == "" {
		version = versionAround(path)
	}
	l.Version, l.API = version, apiOf(version)
	l.Providers = o.besides(path)
	l.Flavor = flavorOf(l.Providers)
	switch {
	case version == "":
		l.Problem = unknownVersion
	case l.API < MinAPI:
		l.Problem = fmt.Sprintf("version %s is too old, 1.%d or newer is needed", version, MinAPI)
	}
	return l
}

// object checks that path is a shared library for this platform and whole, and returns the version that its symbols
// carry: an ELF build of ONNX Runtime defines one symbol version, VERS_<release>.
func (o Options) object(path string, size int64) (version, problem string) {
	switch o.goos {
	case "darwin":
		return "", o.machO(path)
	case "windows":
		f, err := pe.Open(path)
		if err != nil {
			return "", "not a Windows library"
		}
		defer f.Close()
		if want := map[string]uint16{"amd64": pe.IMAGE_FILE_MACHINE_AMD64, "arm64": pe.IMAGE_FILE_MACHINE_ARM64}[o.goarch]; f.Machine != want {
			return "", "built for another CPU than " + o.goarch
		}
		return "", ""
	}
	f, err := elf.Open(path)
	if errors.Is(err, fs.ErrPermission) {
		return "", "cannot be read: " + cause(err)
	}
	if err != nil {
		return "", "not a whole ELF library"
	}
	defer f.Close()
	if want := map[string]elf.Machine{"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64}[o.goarch]; f.Machine != want {
		return "", fmt.Sprintf("built for %s, this machine is %s", strings.ToLower(strings.TrimPrefix(f.Machine.String(), "EM_")), o.goarch)
	}
	if f.Type != elf.ET_DYN {
		return "", "not a shared library"
	}
	for _, p := range f.Progs {
		if p.Type == elf.PT_LOAD && (p.Filesz > uint64(size) || p.Off > uint64(size)-p.Filesz) {
			return "", fmt.Sprintf("cut off: %d bytes, its header promises %d", size, p.Off+p.Filesz)
		}
	}
	versions, _ := f.DynamicVersions() // a library without any is judged by its name
	for _, v := range versions {
		if name, ok := strings.CutPrefix(v.Name, "VERS_"); ok && releaseNumber.MatchString(name) {
			return name, ""
		}
	}
	return "", ""
}

func (o Options) machO(path string) string {
	want := map[string]macho.Cpu{"amd64": macho.CpuAmd64, "arm64": macho.CpuArm64}[o.goarch]
	if fat, err := macho.OpenFat(path); err == nil {
		defer fat.Close()
		for _, a := range fat.Arches {
			if a.Cpu == want {
				return ""
			}
		}
		return "built for another CPU than " + o.goarch
	}
	f, err := macho.Open(path)
	if err != nil {
		return "not a whole Mach-O library"
	}
	defer f.Close()
	if f.Cpu != want {
		return "built for another CPU than " + o.goarch
	}
	return ""
}

var (
	releaseNumber = regexp.MustCompile(`^\d+\.\d+\.\d+`)
	inFileName    = regexp.MustCompile(`\.(\d+\.\d+\.\d+)(\.dylib)?$`)
	inDistInfo    = regexp.MustCompile(`^onnxruntime[a-z_]*-(\d+\.\d+\.\d+)[^/]*\.dist-info$`)
	inPackageJSON = regexp.MustCompile(`"version"\s*:\s*"(\d+\.\d+\.\d+)`)
)

// versionAround tells the release from the file's name, from the metadata of the Python package it lies in, or from the
// package.json of the Node package.
func versionAround(path string) string {
	for _, p := range []string{path, realPath(path)} {
		if m := inFileName.FindStringSubmatch(filepath.Base(p)); m != nil {
			return m[1]
		}
	}
	if dir := filepath.Dir(path); filepath.Base(dir) == "capi" {
		match, _ := filepath.Glob(filepath.Join(filepath.Dir(filepath.Dir(dir)), "onnxruntime*-*.dist-info"))
		for _, d := range match {
			if m := inDistInfo.FindStringSubmatch(filepath.Base(d)); m != nil {
				return m[1]
			}
		}
	}
	before, _, ok := strings.Cut(filepath.ToSlash(path), "onnxruntime-node/bin/")
	if !ok {
		return ""
	}
	text, _ := os.ReadFile(filepath.Join(filepath.FromSlash(before), "onnxruntime-node", "package.json"))
	if m := inPackageJSON.FindSubmatch(text); m != nil {
		return string(m[1])
	}
	return ""
}

// apiOf returns the C API version of a release: that of 1.x is x. 0 means unknown; a release after 1.x is taken to have
// dropped nothing.
func apiOf(version string) int {
	parts := strings.Split(version, ".")
	if len(parts) < 2 {
		return 0
	}
	major, err1 := strconv.Atoi(parts[0])
	minor, err2 := strconv.Atoi(parts[1])
	if err1 != nil || err2 != nil || major != 1 {
		return 0
	}
	return minor
}

// besides returns the execution providers that the files beside the library hold, "cpu" first. A provider compiled into
// the library itself shows only when it is loaded.
func (o Options) besides(path string) []string {
	providers := []string{"cpu"}
	for _, file := range o.providerFiles(path) {
		if name := providerOf(file); name != "shared" {
			providers = append(providers, name)
		}
	}
	if o.goos == "darwin" && o.goarch == "arm64" {
		providers = append(providers, "coreml") // part of every official build for this platform
	}
	slices.Sort(providers[1:])
	return slices.Compact(providers)
}

// providerFiles returns the provider libraries in the folder that the library lies in.
func (o Options) providerFiles(path string) []string {
	pattern := "libonnxruntime_providers_*.so"
	switch o.goos {
	case "darwin":
		pattern = "libonnxruntime_providers_*.dylib"
	case "windows":
		pattern = "onnxruntime_providers_*.dll"
	}
	files, _ := filepath.Glob(filepath.Join(filepath.Dir(realPath(path)), pattern))
	return files
}

func providerOf(file string) string {
	_, name, _ := strings.Cut(filepath.Base(file), "onnxruntime_providers_")
	return strings.TrimSuffix(name, filepath.Ext(name))
}

func flavorOf(providers []string) string {
	for _, accelerator := range []string{"cuda", "openvino", "rocm", "migraphx", "qnn", "dnnl"} {
		if slices.Contains(providers, accelerator) {
			return accelerator
		}
	}
	return "cpu"
}

// cause returns the reason of a file error without the operation and the path.
func cause(err error) string {
	var p *fs.PathError
	if errors.As(err, &p) {
		err = p.Err
	}
	return err.Error()
}
