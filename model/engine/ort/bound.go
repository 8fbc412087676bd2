//go:build cgo && !windows

package ort

// #include "shim.h"
import "C"

import (
	"context"
	"runtime"
	"slices"
	"time"
	"unsafe"

	"infer/internal/fault"
	"infer/model/engine"
	"infer/model/tensor"
)

// bound is a run on fixed buffers. Everything the library needs for it lies in one frame: a run is one C call.
// It calls Run with fixed values, not RunWithBinding: that is 0.1 µs faster in C (1.1 against 1.2 µs for one node), but
// would need a second set of calls for the outputs that the library allocates. In all a run takes 0.4 µs more than a
// loop in C around RunWithBinding (BenchmarkRun).
type bound struct {
	s       *session
	f       *frame
	pin     runtime.Pinner // inputs that are not in buffers: sequences and maps
	in, out []tensor.Tensor
	buffers []buffer // of the inputs, then of the outputs
	dynamic []bool   // outputs that the library allocates anew in every run
	anyDyn  bool
	closed  bool
}

// Bind copies in to buffers of the session's pool and learns the shapes of all outputs from one run; see engine.Binder.
// An output is allocated anew by every run, and copied to Go memory, when it is no tensor of numbers, and from the run
// on in which its shape differs (NonZero): no other run allocates.
func (s *session) Bind(ctx context.Context, in []tensor.Tensor) (engine.Bound, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return nil, ErrClosed
	}
	order, err := matchInputs(s.inputs, in, nil)
	if err != nil {
		return nil, err
	}
	if s.strict {
		if err := sameAxes(s.inputs, in, order); err != nil {
			return nil, err
		}
	}
	f, err := newFrame(s)
	if err != nil {
		return nil, err
	}
	b := &bound{
		s: s, f: f, in: make([]tensor.Tensor, len(s.inputs)), out: make([]tensor.Tensor, len(s.outputs)),
		dynamic: make([]bool, len(s.outputs)),
	}
	for i, at := range order {
		b.in[at] = in[i]
	}
	if err := b.fill(ctx); err != nil {
		b.Close()
		return nil, err
	}
	return b, nil
}

func (b *bound) fill(ctx context.Context) error {
	s := b.s
	copy(b.f.inNames, s.inNames)
	copy(b.f.outNames, s.outNames)
	for i := range b.in {
		if err := b.bindInput(i); err != nil {
			return fault.Wrap(err, "input %q", s.inputs[i].Name)
		}
	}
	b.f.watch(ctx)
	if err := b.f.run(ctx, s.rt); err != nil {
		return err
	}
	for i, v := range b.f.out {
		var err error
		if b.out[i], err = b.toGo(i); err != nil {
			return err
		}
		C.infer_release_value(s.rt.c, v)
		b.f.out[i] = nil
		if t := &b.out[i]; t.Data != nil {
			// In the buffer from now on, with the values of the first run.
			if err := b.buffered(t, &b.f.out[i]); err != nil {
				return err
			}
			continue
		}
		b.dynamic[i], b.anyDyn = true, true
	}
	return nil
}

// bindInput gives input i its value: numbers in a buffer that the caller may write to, anything else as it is now.
func (b *bound) bindInput(i int) error {
	t := &b.in[i]
	t.Name = b.s.inputs[i].Name
	t.Shape = t.Shape.Clone()
	if t.DType == tensor.String || t.DType >= tensor.Sequence {
		t.Strings = slices.Clone(t.Strings)
		return b.s.rt.newValue(&b.pin, t, &b.f.in[i])
	}
	return b.buffered(t, &b.f.in[i])
}

// buffered moves the data of t to a buffer of the pool and makes an OrtValue over it.
func (b *bound) buffered(t *tensor.Tensor, out *unsafe.Pointer) error {
	buf, err := b.s.pool.get(len(t.Data))
	if err != nil {
		return err
	}
	b.buffers = append(b.buffers, buf)
	data := buf.bytes(len(t.Data))
	copy(data, t.Data)
	t.Data = data
	return b.s.rt.newTensor(t.DType, t.Shape, buf.at, len(data), out)
}

func (b *bound) toGo(i int) (tensor.Tensor, error) {
	name := b.s.outputs[i].Name
	t, err := b.s.rt.toGo(b.f.out[i], tensor.Tensor{})
	t.Name = name
	return t, fault.Wrap(err, "output %q", name)
}

// Run runs the session on the buffers; see engine.Bound. The context is watched until a Run with another one or Close,
// so that calling Run again with the same context costs nothing for it.
func (b *bound) Run(ctx context.Context) error {
	b.s.mu.RLock()
	defer b.s.mu.RUnlock()
	if b.closed || b.s.closed {
		return ErrClosed
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	b.f.watch(ctx)
	if b.anyDyn {
		return b.runDynamic(ctx)
	}
	err := b.f.run(ctx, b.s.rt)
	if err == nil || ctx.Err() != nil || !b.unfix() {
		return err
	}
	return b.runDynamic(ctx)
}

// RunTimed runs and times the session below Go; see engine.Timer. Where the library allocates outputs, each run is
// timed from here, with the copy of those outputs in its time.
func (b *bound) RunTimed(ctx context.Context, seconds []float64) (int, error) {
	b.s.mu.RLock()
	defer b.s.mu.RUnlock()
	if b.closed || b.s.closed {
		return 0, ErrClosed
	}
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	b.f.watch(ctx)
	if !b.anyDyn {
		done, err := b.f.runTimed(ctx, b.s.rt, seconds)
		if err != nil && ctx.Err() == nil && b.unfix() {
			err = nil // the next call goes the other way
		}
		return done, err
	}
	for i := range seconds {
		begin := time.Now()
		if err := b.runDynamic(ctx); err != nil {
			return i, err
		}
		seconds[i] = time.Since(begin).Seconds()
	}
	return len(seconds), nil
}

// runDynamic is Run where the library allocates some outputs.
func (b *bound) runDynamic(ctx context.Context) error {
	b.release()
	err := b.f.run(ctx, b.s.rt)
	if err != nil && ctx.Err() == nil && b.unfix() {
		b.release()
		err = b.f.run(ctx, b.s.rt)
	}
	if err != nil {
		return err
	}
	for i, dynamic := range b.dynamic {
		if dynamic {
			if b.out[i], err = b.toGo(i); err != nil {
				return err
			}
		}
	}
	return nil
}

// release frees what the last run allocated.
func (b *bound) release() {
	for i, dynamic := range b.dynamic {
		if dynamic && b.f.out[i] != nil {
			C.infer_release_value(b.s.rt.c, b.f.out[i])
			b.f.out[i] = nil
		}
	}
}

// unfix makes every output dynamic whose shape the model does not fix, after a run that failed: perhaps because a
// shape changed. It reports whether there was one.
func (b *bound) unfix() bool {
	changed := false
	for i, p := range b.s.outputs {
		if !b.dynamic[i] && !fixed(p) {
			b.dynamic[i], b.anyDyn, changed = true, true, true
		}
	}
	return changed
}

// Inputs returns views of the bound inputs. Strings, sequences and maps are copies: changing them changes nothing.
func (b *bound) Inputs() []tensor.Tensor { return b.in }

// Outputs returns views of the bound outputs.
func (b *bound) Outputs() []tensor.Tensor { return b.out }

// Close releases the buffers.
func (b *bound) Close() error {
	if b.closed {
		return nil
	}
	b.closed = true
	b.f.clear(b.s.rt)
	b.f.free()
	b.pin.Unpin()
	for _, buf := range b.buffers {
		b.s.pool.put(buf)
	}
	b.in, b.out, b.buffers = nil, nil, nil
	return nil
}
