//go:build cgo && !windows

package ort

// #include <stdlib.h>
// #include "shim.h"
import "C"

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"sync"
	"unsafe"

	ortgo "github.com/yalue/onnxruntime_go"

	"infer/internal/fault"
	"infer/model"
	"infer/model/engine"
	"infer/model/tensor"
)

// ErrClosed is returned by the methods of a session or bound run after its Close.
var ErrClosed = errors.New("the session is closed")

// session is a model in the library.
type session struct {
	rt       *Runtime
	made     *ortgo.DynamicAdvancedSession // owns ptr
	ptr      unsafe.Pointer
	inputs   []engine.Port
	outputs  []engine.Port
	inNames  []*C.char
	outNames []*C.char
	warnings []string
	strict   bool // inputs are checked with sameAxes
	pool     pool

	mu        sync.RWMutex // read-locked by every run, so that Close waits for them
	closed    bool
	traced    bool
	tracePath string

	free struct { // frames that no run uses
		sync.Mutex
		frames []*frame
	}
}

func newSession(rt *Runtime, made *ortgo.DynamicAdvancedSession, m *model.Model, c engine.Config) (*session, error) {
	ptr, err := handle(made, "s", "ortSession")
	if err != nil {
		return nil, err
	}
	s := &session{
		rt: rt, made: made, ptr: ptr, traced: c.TracePrefix != "",
		inputs: clonePorts(m.Inputs()), outputs: clonePorts(m.Outputs()),
	}
	s.pool.rt = rt
	for _, p := range s.inputs {
		s.inNames = append(s.inNames, C.CString(p.Name))
	}
	for _, p := range s.outputs {
		s.outNames = append(s.outNames, C.CString(p.Name))
	}
	return s, nil
}

// Inputs returns what Run takes.
func (s *session) Inputs() []engine.Port { return s.inputs }

// Outputs returns what Run gives.
func (s *session) Outputs() []engine.Port { return s.outputs }

// Warnings returns what differs from what was asked.
func (s *session) Warnings() []string { return s.warnings }

// TracePath returns the file that Close wrote.
func (s *session) TracePath() string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.tracePath
}

// Run computes out from in; see engine.Session. The inputs are not copied. An output with Data is written in place
// where its shape is fixed by the model, else it is copied there; a zero output is copied to the memory that it has. The
// library looks at the end of ctx between two nodes (in loop bodies too), so that a run ends when its longest kernel
// does. On an error the outputs written in place are undefined.
func (s *session) Run(ctx context.Context, in, out []tensor.Tensor) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return ErrClosed
	}
	f, err := s.takeFrame()
	if err != nil {
		return err
	}
	defer s.putFrame(f)
	if f.inOrder, err = matchInputs(s.inputs, in, f.inOrder[:0]); err != nil {
		return err
	}
	if s.strict {
		if err := sameAxes(s.inputs, in, f.inOrder); err != nil {
			return err
		}
	}
	if f.outOrder, err = matchOutputs(s.outputs, out, f.outOrder[:0]); err != nil {
		return err
	}
	var pin runtime.Pinner
	defer pin.Unpin()
	defer f.clear(s.rt) // runs before Unpin
	if err := s.fill(f, &pin, in, out); err != nil {
		return err
	}
	f.watch(ctx)
	defer f.unwatch()
	if err := f.run(ctx, s.rt); err != nil {
		return err
	}
	for i := range out {
		p := s.outputs[f.outOrder[i]]
		if inPlace(p, out[i]) {
			continue
		}
		if err := s.deliver(&out[i], f.out[i], p.Name); err != nil {
			return fault.Wrap(err, "output %q", p.Name)
		}
	}
	return nil
}

// fill makes the OrtValues of a run: all inputs, and the outputs that are written in place.
func (s *session) fill(f *frame, pin *runtime.Pinner, in, out []tensor.Tensor) error {
	for i, at := range f.inOrder {
		f.inNames[i] = s.inNames[at]
		if err := s.rt.newValue(pin, &in[i], &f.in[i]); err != nil {
			return fault.Wrap(err, "input %q", s.inputs[at].Name)
		}
	}
	f.c.out_len = C.size_t(len(out))
	for i, at := range f.outOrder {
		f.outNames[i] = s.outNames[at]
		if !inPlace(s.outputs[at], out[i]) {
			continue
		}
		if err := s.rt.newValue(pin, &out[i], &f.out[i]); err != nil {
			return fault.Wrap(err, "output %q", s.outputs[at].Name)
		}
	}
	return nil
}

// inPlace reports whether the library may write into the data of t. Only where the model fixes the shape: the library
// does not check the size of every value it copies to a given output.
func inPlace(p engine.Port, t tensor.Tensor) bool {
	return len(t.Data) > 0 && aligned(t) && fixed(p)
}

// deliver hands the value of an output that the library allocated to the caller.
func (s *session) deliver(out *tensor.Tensor, v unsafe.Pointer, name string) error {
	if out.IsZero() {
		t, err := s.rt.toGo(v, *out)
		t.Name = name
		if err == nil {
			*out = t
		}
		return err
	}
	return s.copyTo(out, v)
}

// copyTo copies the value of an output to the data of out, which must have its dtype and shape.
func (s *session) copyTo(out *tensor.Tensor, v unsafe.Pointer) error {
	var info C.infer_info
	if err := s.rt.status(C.infer_describe(s.rt.c, v, &info)); err != nil {
		return err
	}
	if info.kind != kindTensor {
		return usage("got %s, the run gave no tensor", describe(*out))
	}
	d, shape, size, err := shapeOf(&info, nil)
	if err != nil {
		return err
	}
	if d != out.DType || !shape.Equal(out.Shape) {
		return usage("got %s, the run gave %s", describe(*out), describe(tensor.Tensor{DType: d, Shape: shape}))
	}
	if d != tensor.String {
		copy(out.Data, unsafe.Slice((*byte)(info.data), size))
		return nil
	}
	text, err := s.rt.stringsToGo(v, &info, shape)
	copy(out.Strings, text)
	return err
}

func (s *session) takeFrame() (*frame, error) {
	s.free.Lock()
	defer s.free.Unlock()
	if n := len(s.free.frames); n > 0 {
		f := s.free.frames[n-1]
		s.free.frames = s.free.frames[:n-1]
		return f, nil
	}
	return newFrame(s)
}

func (s *session) putFrame(f *frame) {
	s.free.Lock()
	defer s.free.Unlock()
	s.free.frames = append(s.free.frames, f)
}

// Close waits for running runs, writes the trace and frees the session. Bound runs of it stay to be closed, but run no
// more.
func (s *session) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	var err error
	if s.traced {
		err = s.endTrace()
	}
	if e := s.made.Destroy(); e != nil && err == nil {
		err = translate(e.Error())
	}
	for _, f := range s.free.frames {
		f.free()
	}
	s.free.frames = nil
	for _, name := range slices.Concat(s.inNames, s.outNames) {
		C.free(unsafe.Pointer(name))
	}
	s.pool.close()
	return err
}

func (s *session) endTrace() error {
	var path *C.char
	if err := s.rt.status(C.infer_end_profiling(s.rt.c, s.ptr, &path)); err != nil {
		return fault.Wrap(err, "write the trace")
	}
	s.tracePath = C.GoString(path)
	C.infer_free(s.rt.c, unsafe.Pointer(path))
	return nil
}
