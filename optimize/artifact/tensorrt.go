package artifact

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
)

// loaderDirs are where packages put shared libraries.
var loaderDirs = []string{
	"/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64", "/usr/lib", "/usr/local/lib",
	"/usr/local/tensorrt/lib", "/opt/tensorrt/lib", "/usr/local/cuda/lib64",
}

var (
	nvinferName = regexp.MustCompile(`^libnvinfer\.so\.(\d+(?:\.\d+)*)$`)
	nvinferDist = regexp.MustCompile(`^tensorrt(?:_cu\d+)?_libs-(\d+\.\d+\.\d+)`)
)

// FindTensorRT looks for TensorRT's library in the folders of LD_LIBRARY_PATH, where packages put it, and near ONNX
// Runtime's libraries, beside which pip puts the wheels of both. It returns each copy once, in that order. The version is
// that of the file's name, or of the wheel that it came in; of some copies only its first number is known.
func FindTensorRT(libraryPath string, runtimes []Runtime) []TensorRT {
	dirs := filepath.SplitList(libraryPath)
	for _, r := range runtimes {
		dir := filepath.Dir(r.Path)
		dirs = append(dirs, dir)
		for range 3 { // site-packages/onnxruntime/capi
			dirs = append(dirs, filepath.Join(dir, "tensorrt_libs"))
			dir = filepath.Dir(dir)
		}
	}
	var found []TensorRT
	for _, dir := range append(dirs, loaderDirs...) {
		files, err := filepath.Glob(filepath.Join(dir, "libnvinfer.so.*"))
		if err != nil {
			continue
		}
		for _, f := range files {
			t := libraryOf(f)
			if t.Version != "" && !slices.ContainsFunc(found, func(o TensorRT) bool { return o.Path == t.Path }) {
				found = append(found, t)
			}
		}
	}
	return found
}

// libraryOf tells the version of a file.
func libraryOf(path string) TensorRT {
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return TensorRT{}
	}
	t := TensorRT{Path: real}
	m := nvinferName.FindStringSubmatch(filepath.Base(real))
	if m == nil {
		return TensorRT{}
	}
	t.Version = m[1]
	entries, err := os.ReadDir(filepath.Dir(filepath.Dir(real)))
	if err != nil {
		return t
	}
	for _, e := range entries {
		if d := nvinferDist.FindStringSubmatch(e.Name()); d != nil && filepath.Base(filepath.Dir(real)) == "tensorrt_libs" && sameRelease(d[1], t.Version) {
			t.Version = d[1]
		}
	}
	return t
}
