//go:build cgo && !windows

package ort

// #include <stdlib.h>
// #include "shim.h"
import "C"

import (
	"math/bits"
	"sync"
	"unsafe"

	"infer/internal/fault"
)

// pool owns the C buffers of a session's bound runs: 64-byte aligned, kept by size class for the next bound run and
// freed with the session, or with the bound run where that is closed later.
type pool struct {
	rt *Runtime

	mu     sync.Mutex
	free   map[int][]unsafe.Pointer // by capacity
	closed bool
}

// buffer is a piece of C memory that a bound run holds.
type buffer struct {
	at       unsafe.Pointer
	capacity int
}

// sizeClass rounds n up to a power of two or one of the three steps between two of them; at least 64.
func sizeClass(n int) int {
	if n <= 64 {
		return 64
	}
	step := 1 << max(bits.Len(uint(n-1))-3, 6)
	return (n + step - 1) / step * step
}

// get returns n zeroed bytes.
func (p *pool) get(n int) (buffer, error) {
	b := buffer{capacity: sizeClass(n)}
	p.mu.Lock()
	if list := p.free[b.capacity]; len(list) > 0 {
		b.at = list[len(list)-1]
		p.free[b.capacity] = list[:len(list)-1]
	}
	p.mu.Unlock()
	if b.at == nil {
		if b.at = C.infer_alloc(C.size_t(b.capacity)); b.at == nil {
			return buffer{}, fault.New(fault.Internal, "use a smaller batch or shape", "no memory for a buffer of %d bytes", n)
		}
		p.rt.buffers.Add(1)
	}
	clear(b.bytes(b.capacity))
	return b, nil
}

// put takes a buffer back.
func (p *pool) put(b buffer) {
	if b.at == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		C.free(b.at)
		p.rt.buffers.Add(-1)
		return
	}
	if p.free == nil {
		p.free = map[int][]unsafe.Pointer{}
	}
	p.free[b.capacity] = append(p.free[b.capacity], b.at)
}

// close frees what is not in use.
func (p *pool) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	for _, list := range p.free {
		for _, at := range list {
			C.free(at)
			p.rt.buffers.Add(-1)
		}
	}
	p.free = nil
}

func (b buffer) bytes(n int) []byte { return unsafe.Slice((*byte)(b.at), n) }
