package library

import (
	"debug/elf"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// dlopened are the libraries that a provider opens by name while it runs, which no header of it tells.
var dlopened = map[string][]string{
	"cuda":     {"libnvrtc.so.*", "libcufft.so.*", "libcudnn.so.*"},
	"tensorrt": {"libcudnn.so.*"},
}

// Dependencies returns the libraries that an execution provider of the library at path needs and that lie beside it, or
// where the Python packages of their vendor put them, and where the loader would not look: those that others need come
// first. Whoever loads them in this order, with their symbols for all to see, spares LD_LIBRARY_PATH. None for a
// provider whose files name the folders of what they need, and none where files are no ELF.
func Dependencies(path, provider string) []string {
	path = realPath(path)
	w := walk{folders: dependencyFolders(path)}
	file := ProviderFile(path, provider)
	if file == "" {
		return nil
	}
	for _, pattern := range dlopened[provider] {
		for _, dir := range w.folders {
			match, _ := filepath.Glob(filepath.Join(dir, pattern))
			for _, m := range match {
				w.visit(m)
			}
		}
	}
	w.needs(file)
	return w.order
}

// ProviderFile returns the file that holds an execution provider of the library at path, "" where it is no file of its
// own.
func ProviderFile(path, provider string) string {
	for _, file := range (Options{goos: runtime.GOOS}).providerFiles(path) {
		if providerOf(file) == strings.ToLower(provider) {
			return file
		}
	}
	return ""
}

// dependencyFolders returns the folders in which what a provider needs may lie: that of the library, where infer puts
// all of it, and those of NVIDIA's Python packages beside the package of ONNX Runtime.
func dependencyFolders(path string) []string {
	dir := filepath.Dir(path)
	packages, _ := filepath.Glob(filepath.Join(filepath.Dir(filepath.Dir(dir)), "nvidia", "*", "lib"))
	tensorrt, _ := filepath.Glob(filepath.Join(filepath.Dir(filepath.Dir(dir)), "tensorrt_libs"))
	return slices.Concat([]string{dir}, packages, tensorrt)
}

// walk collects libraries, each after those that it needs.
type walk struct {
	folders []string
	order   []string
	seen    []string
}

func (w *walk) visit(file string) {
	if name := filepath.Base(file); !slices.Contains(w.seen, name) {
		w.seen = append(w.seen, name)
		w.needs(file)
		w.order = append(w.order, file)
	}
}

// needs visits what file needs and the loader would not find.
func (w *walk) needs(file string) {
	f, err := elf.Open(file)
	if err != nil {
		return
	}
	libraries, _ := f.ImportedLibraries()
	own := runPath(f, file)
	f.Close()
	for _, name := range libraries {
		if strings.HasPrefix(name, "libonnxruntime") || slices.ContainsFunc(own, func(dir string) bool { return exists(filepath.Join(dir, name)) }) {
			continue
		}
		for _, dir := range w.folders {
			if path := filepath.Join(dir, name); exists(path) {
				w.visit(path)
				break
			}
		}
	}
}

// runPath returns the folders that an ELF file names for what it needs.
func runPath(f *elf.File, path string) []string {
	var dirs []string
	origin := filepath.Dir(realPath(path))
	for _, tag := range []elf.DynTag{elf.DT_RUNPATH, elf.DT_RPATH} {
		values, _ := f.DynString(tag)
		for _, v := range values {
			for _, dir := range filepath.SplitList(v) {
				dir = strings.ReplaceAll(dir, "${ORIGIN}", origin)
				dirs = append(dirs, strings.ReplaceAll(dir, "$ORIGIN", origin))
			}
		}
	}
	return dirs
}
