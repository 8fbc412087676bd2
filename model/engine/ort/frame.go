//go:build cgo && !windows

package ort

// #cgo noescape infer_run
// #cgo nocallback infer_run
// #cgo noescape infer_run_timed
// #cgo nocallback infer_run_timed
// #cgo nocallback infer_terminate
// #cgo nocallback infer_resume
// #include "shim.h"
import "C"

import (
	"context"
	"unsafe"
)

// frame holds the arguments of one run at a time, in C memory, with the run options that can end it early.
type frame struct {
	c        *C.infer_frame
	inNames  []*C.char // as long as the session's inputs; so is in
	in       []unsafe.Pointer
	outNames []*C.char // as long as the session's outputs; so is out
	out      []unsafe.Pointer
	inOrder  []int // scratch of matchPorts
	outOrder []int

	done  <-chan struct{} // the context that is watched; nil for none
	stop  func() bool
	fired chan struct{}
}

func newFrame(s *session) (*frame, error) {
	var c *C.infer_frame
	nin, nout := len(s.inputs), len(s.outputs)
	if err := s.rt.status(C.infer_frame_new(s.rt.c, s.ptr, C.size_t(nin), C.size_t(nout), &c)); err != nil {
		return nil, err
	}
	return &frame{
		c:       c,
		inNames: unsafe.Slice(c.in_names, nin), in: unsafe.Slice(c.in, nin),
		outNames: unsafe.Slice(c.out_names, nout), out: unsafe.Slice(c.out, nout),
	}, nil
}

// watch makes the end of ctx terminate the run of this frame. It costs nothing for a context that cannot end, and for
// the one that is watched already: contexts with the same Done channel end together.
func (f *frame) watch(ctx context.Context) {
	done := ctx.Done()
	if done == f.done {
		return
	}
	f.unwatch()
	if done == nil {
		return
	}
	fired := make(chan struct{})
	f.done, f.fired = done, fired
	f.stop = context.AfterFunc(ctx, func() {
		C.infer_terminate(f.c)
		close(fired)
	})
}

// unwatch ends the watch and makes the frame fit to run again.
func (f *frame) unwatch() {
	if f.done == nil {
		return
	}
	if !f.stop() {
		<-f.fired
		C.infer_resume(f.c)
	}
	f.done, f.stop, f.fired = nil, nil, nil
}

// run calls the library with the frame's arguments. An error after the end of ctx is the error of ctx.
func (f *frame) run(ctx context.Context, rt *Runtime) error {
	s := C.infer_run(f.c)
	if s == nil {
		return nil
	}
	err := rt.status(s)
	if ended := ctx.Err(); ended != nil {
		return ended
	}
	return err
}

// runTimed is up to len(seconds) runs in one call; it returns how many went well.
func (f *frame) runTimed(ctx context.Context, rt *Runtime, seconds []float64) (int, error) {
	var done C.size_t
	s := C.infer_run_timed(f.c, C.size_t(len(seconds)), (*C.double)(unsafe.SliceData(seconds)), &done)
	if s == nil {
		return int(done), nil
	}
	err := rt.status(s)
	if ended := ctx.Err(); ended != nil {
		return int(done), ended
	}
	return int(done), err
}

// clear releases the values of the frame.
func (f *frame) clear(rt *Runtime) {
	for _, values := range [][]unsafe.Pointer{f.in, f.out} {
		for i, v := range values {
			if v != nil {
				C.infer_release_value(rt.c, v)
				values[i] = nil
			}
		}
	}
}

// free releases the frame; its values must have been cleared.
func (f *frame) free() {
	f.unwatch()
	C.infer_frame_free(f.c)
	f.c = nil
}
