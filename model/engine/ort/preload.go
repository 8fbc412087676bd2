//go:build cgo && !windows

package ort

// #include <stdlib.h>
// #include "shim.h"
import "C"

import (
	"fmt"
	"path/filepath"
	"unsafe"

	"infer/model/engine/ort/library"
)

// preload loads what an execution provider needs and the loader would not find, such as the CUDA libraries that came
// with it, once for the process. Only a session that asks for the provider pays for it: they are gigabytes.
func (r *Runtime) preload(provider string) error {
	r.preloads.Lock()
	defer r.preloads.Unlock()
	if err, done := r.preloads.done[provider]; done {
		return err
	}
	var first error
	for _, file := range library.Dependencies(r.path, provider) {
		if why := dlopen(file); why != "" && first == nil {
			first = fmt.Errorf("%s: %s", filepath.Base(file), why)
		}
	}
	if r.preloads.done == nil {
		r.preloads.done = map[string]error{}
	}
	r.preloads.done[provider] = first
	return first
}

// dlopen loads a library with its symbols for all to see, and says why where it cannot.
func dlopen(file string) (why string) {
	path := C.CString(file)
	defer C.free(unsafe.Pointer(path))
	if text := C.infer_preload(path); text != nil {
		return C.GoString(text)
	}
	return ""
}
