//go:build cgo && !windows

package ort

// #include <stdlib.h>
// #include "shim.h"
import "C"

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"unsafe"

	ortgo "github.com/yalue/onnxruntime_go"

	"infer/internal/fault"
)

const customOpsHint = "give a shared library that has RegisterCustomOps, built for this machine and for this ONNX Runtime or an older one"

// registerCustomOps makes the operators of a library known to the sessions of options. The library stays loaded as long
// as they live.
func (r *Runtime) registerCustomOps(options *ortgo.SessionOptions, file string) error {
	path, err := filepath.Abs(file)
	if err != nil {
		return err
	}
	// asked here, for the library tells a missing file from a wrong one in the loader's words only
	switch info, err := os.Stat(path); {
	case err != nil:
		return fault.New(fault.Usage, "give the file of a shared library", "custom operators %q: %s", file, reason(err))
	case !info.Mode().IsRegular():
		return fault.New(fault.Usage, "give the file of a shared library", "custom operators %q: not a file", file)
	}
	ptr, err := handle(options, "o")
	if err != nil {
		return err
	}
	why := r.register(ptr, path)
	if python := pythonOf(file); strings.Contains(why, "undefined symbol: Py") && python != "" {
		if dlopen(python) != "" {
			return fault.New(fault.Usage, "install it (Debian: apt-get install "+strings.TrimSuffix(python, ".so.1.0")+"), or take a build of the library that is no Python module",
				"custom operators %q: the library is a Python module and needs %s", file, python)
		}
		why = r.register(ptr, path)
	}
	if why != "" {
		return fault.New(fault.Usage, customOpsHint, "custom operators %q: %s", file, why)
	}
	return nil
}

// register returns why a library could not be registered, "" where it was.
func (r *Runtime) register(options unsafe.Pointer, path string) string {
	text := C.CString(path)
	defer C.free(unsafe.Pointer(text))
	s := C.infer_register_custom_ops(r.c, options, text)
	if s == nil {
		return ""
	}
	defer C.infer_release_status(r.c, s)
	why := cleanMessage(C.GoString(C.infer_message(r.c, s)))
	if strings.Contains(why, "undefined symbol: RegisterCustomOps") {
		return "it has no RegisterCustomOps function"
	}
	for _, start := range []string{"Failed to load library " + path + " with error: ", path + ": "} {
		why = strings.TrimPrefix(why, start)
	}
	return why
}

var pythonModule = regexp.MustCompile(`\.cpython-3(\d+)[.-]`)

// pythonOf returns the library of the Python that a Python module was built for: wheels such as that of
// onnxruntime-extensions hold their operators in a module, which expects it to be loaded. No Python is run.
func pythonOf(file string) string {
	m := pythonModule.FindStringSubmatch(filepath.Base(file))
	if m == nil {
		return ""
	}
	return "libpython3." + m[1] + ".so.1.0"
}

// reason returns the cause of a file error without the operation and the path.
func reason(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}
