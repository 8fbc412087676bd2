//go:build cgo && !windows

package ort

// #cgo CFLAGS: -O2
// #cgo linux LDFLAGS: -ldl
// #include <stdlib.h>
// #include "shim.h"
import "C"

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"unsafe"

	ortgo "github.com/yalue/onnxruntime_go"

	"infer/internal/fault"
)

// apiVersion is the version of the C API that onnxruntime_go is built against. A library serves every version up
// to the minor number of its own: 24 is served by 1.24 and later.
const apiVersion = 24

// Runtime is the ONNX Runtime library of this process. It is safe for concurrent use.
type Runtime struct {
	c    *C.infer_rt // C memory, because frames point to it
	path string

	buffers atomic.Int64 // C buffers that are allocated now

	preloads struct { // see preload
		sync.Mutex
		done map[string]error
	}
}

// process is the one library that a process can have: onnxruntime_go and the library itself keep global state.
var process struct {
	sync.Mutex
	runtime *Runtime
}

// Load loads the library at o.Path and starts it with telemetry off. A process has one library: loading the same file
// again gives the same Runtime, another one is an error. Errors: fault.Unsupported for a file that is no ONNX Runtime
// or too old a one.
func Load(o LoadOptions) (*Runtime, error) {
	path, err := filepath.EvalSymlinks(o.Path)
	if err == nil {
		path, err = filepath.Abs(path)
	}
	if err != nil {
		return nil, fault.New(fault.Unsupported, installHint, "load ONNX Runtime: %w", err)
	}
	process.Lock()
	defer process.Unlock()
	if r := process.runtime; r != nil {
		if r.path != path {
			return nil, fault.New(fault.Unsupported, "compare two libraries in two processes",
				"load ONNX Runtime %q: this process has already loaded %q", path, r.path)
		}
		return r, nil
	}
	r := &Runtime{path: path, c: (*C.infer_rt)(C.calloc(1, C.sizeof_infer_rt))}
	if err := r.start(o.LogLevel); err != nil {
		return nil, fault.Wrap(err, "load ONNX Runtime %q", path)
	}
	process.runtime = r
	return r, nil
}

// start opens the library. The check of its version comes before onnxruntime_go sees it, which could only say that it
// does not work.
func (r *Runtime) start(level LogLevel) error {
	// With cgo this reaches the C environment too, where the library looks when it initialises.
	if err := os.Setenv("ORT_DISABLE_TELEMETRY", "1"); err != nil {
		return err
	}
	path := C.CString(r.path)
	defer C.free(unsafe.Pointer(path))
	if why := C.infer_open(r.c, path); why != nil {
		return fault.New(fault.Unsupported, installHint, "%s", C.GoString(why))
	}
	if v := r.Version(); minor(v) < apiVersion {
		return fault.New(fault.Unsupported, installHint, "version %s is too old: 1.%d or newer is needed", v, apiVersion)
	}
	if why := C.infer_start(r.c, apiVersion); why != nil {
		return fault.New(fault.Unsupported, installHint, "%s", C.GoString(why))
	}
	options := []ortgo.EnvironmentOption{nil, ortgo.WithLogLevelError(), ortgo.WithLogLevelWarning(), ortgo.WithLogLevelInfo(), ortgo.WithLogLevelVerbose()}
	options[LogFatal] = ortgo.WithLogLevelFatal()
	if level < 0 || int(level) >= len(options) {
		return fault.New(fault.Usage, "", "log level %d is not one of 0 to %d", level, len(options)-1)
	}
	ortgo.SetSharedLibraryPath(r.path)
	if err := ortgo.InitializeEnvironment(options[level]); err != nil {
		return fault.New(fault.Unsupported, installHint, "%s", cleanMessage(err.Error()))
	}
	return nil
}

// minor returns 30 for "1.30.0" and 0 for what is no version 1.
func minor(version string) int {
	parts := strings.Split(version, ".")
	if len(parts) < 2 || parts[0] != "1" {
		return 0
	}
	n, _ := strconv.Atoi(parts[1])
	return n
}

// Version returns the version of the library, such as "1.30.0".
func (r *Runtime) Version() string { return C.GoString(r.c.version) }

// Path returns the library file, absolute and without symbolic links.
func (r *Runtime) Path() string { return r.path }

// Close does nothing but end the caller's use of r: the library stays loaded until the process ends, because a C++
// library with threads of its own cannot be unloaded safely.
func (r *Runtime) Close() error { return nil }

// Providers returns the names of the execution providers that this library was built with, as --provider takes them,
// in the library's order of preference. Whether one works on this machine shows when a session is opened.
func (r *Runtime) Providers() []string {
	var list **C.char
	var n C.int
	if s := C.infer_providers(r.c, &list, &n); s != nil {
		C.infer_release_status(r.c, s)
		return nil
	}
	defer C.infer_release_providers(r.c, list, n)
	var names []string
	for _, c := range unsafe.Slice(list, int(n)) {
		names = append(names, providerName(C.GoString(c)))
	}
	return names
}

// keepSignalStack calls f and then gives the thread back the signal stack that it had. OpenVINO gives one of its own to
// the thread that loads its CPU plugin and unmaps it with the last session, on whatever thread that is closed: the next
// signal that Go's scheduler sends to the first thread would end the process.
func keepSignalStack(f func()) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	stack := C.infer_signal_stack()
	defer C.infer_signal_stack_back(stack)
	f()
}

// status turns an OrtStatus into an error with the cleaned message and releases it. A nil status is no error.
func (r *Runtime) status(s unsafe.Pointer) error {
	if s == nil {
		return nil
	}
	defer C.infer_release_status(r.c, s)
	return translate(C.GoString(C.infer_message(r.c, s)))
}

// handle follows unexported pointer fields of onnxruntime_go's types by name, so that a version whose layout differs is
// an error and not a wild pointer.
func handle(owner any, fields ...string) (unsafe.Pointer, error) {
	v := reflect.ValueOf(owner)
	for _, name := range fields {
		if v.Kind() == reflect.Pointer && !v.IsNil() && v.Elem().Kind() == reflect.Struct {
			v = v.Elem().FieldByName(name)
		} else {
			v = reflect.Value{}
		}
		if !v.IsValid() || v.Kind() != reflect.Pointer || v.IsNil() {
			return nil, fmt.Errorf("onnxruntime_go is not the version this program was made for: %T has no pointer %q", owner, name)
		}
	}
	return v.UnsafePointer(), nil
}
