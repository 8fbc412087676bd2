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
	text := C.CString(path)
	defer C.free(unsafe.Pointer(text))
	s := C.infer_register_custom_ops(r.c, ptr, text)
	if s == nil {
		return nil
	}
	defer C.infer_release_status(r.c, s)
	why := cleanMessage(C.GoString(C.infer_message(r.c, s)))
	why = strings.TrimPrefix(why, "Failed to load library "+path+" with error: ")
	return fault.New(fault.Usage, customOpsHint, "custom operators %q: %s", file, why)
}

// reason returns the cause of a file error without the operation and the path.
func reason(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}
