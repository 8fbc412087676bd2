package http1

import (
	"errors"
	"sync/atomic"

	"infer/internal/wire"
)

// mostKept is how many bytes of bodies all connections of a generator keep together, so that what a server sends does
// not decide how much memory a load takes. One body may be as large where nothing else is kept.
const mostKept = maxBody

// memory is what is left for bodies, in bytes. It is safe for concurrent use; nil has no bound.
type memory struct{ left atomic.Int64 }

func newMemory() *memory {
	m := new(memory)
	m.left.Store(mostKept)
	return m
}

// take reserves n bytes, all or none.
func (m *memory) take(n int) bool {
	if m == nil || m.left.Add(-int64(n)) >= 0 {
		return true
	}
	m.left.Add(int64(n))
	return false
}

func (m *memory) give(n int) {
	if m != nil {
		m.left.Add(int64(n))
	}
}

// errNoMemory ends the unpacking of a body for which there is no memory left.
var errNoMemory = errors.New("no memory is left for the body")

// unpack returns what body holds, of which held bytes are to be given back, with an error too. The error is
// errNoMemory or says what is wrong with body.
func (m *memory) unpack(encoding string, body []byte) (out []byte, held int, err error) {
	out, err = wire.DecompressWithin(nil, encoding, body, maxBody, func(capacity int) error {
		if capacity > held {
			if !m.take(capacity - held) {
				return errNoMemory
			}
			held = capacity
		}
		return nil
	})
	return out, held, err
}

// grow makes room for n bytes of the body; false: there is no memory, and the body is not kept any more.
func (p *parser) grow(n int) bool {
	have := cap(p.body)
	if n <= have {
		return true
	}
	want := max(n, min(2*have, p.room))
	if !p.memory.take(want - have) {
		p.room, p.unkept = 0, true
		p.forget()
		return false
	}
	p.body = append(make([]byte, 0, want), p.body...)
	return true
}

// forget lets the body go, with its memory.
func (p *parser) forget() {
	p.memory.give(cap(p.body))
	p.body = nil
}

// trim forgets a body whose buffer is too large to be used again.
func (p *parser) trim() {
	if cap(p.body) > keepLen {
		p.forget()
	}
}
