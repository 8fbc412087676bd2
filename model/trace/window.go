package trace

import (
	"bytes"
	"errors"
	"io"

	"infer/internal/fault"
)

const (
	windowSize = 256 << 10
	largest    = 64 << 20 // bytes of one element of a trace
)

// window is the part of a file that is in memory: what is not yet used, and as much behind it as one event needs.
type window struct {
	r   io.Reader
	buf []byte
	pos int   // of the next byte in buf
	err error // of the reader, io.EOF included
}

func newWindow(r io.Reader) *window { return &window{r: r} }

// more reads on and reports whether anything came. What is not yet used moves to the front.
func (w *window) more() bool {
	if w.err != nil {
		return false
	}
	if w.pos > 0 {
		w.buf = w.buf[:copy(w.buf, w.buf[w.pos:])]
		w.pos = 0
	}
	if len(w.buf) >= largest {
		w.err = fault.New(fault.Unsupported, "", "an element of the trace is longer than %d MiB", largest>>20)
		return false
	}
	if len(w.buf) == cap(w.buf) {
		w.buf = append(make([]byte, 0, max(windowSize, 2*cap(w.buf))), w.buf...)
	}
	for range 100 { // a reader may return nothing without an error, but not for ever
		n, err := w.r.Read(w.buf[len(w.buf):cap(w.buf)])
		w.buf = w.buf[:len(w.buf)+n]
		w.err = err
		if n > 0 || err != nil {
			return n > 0
		}
	}
	w.err = io.ErrNoProgress
	return false
}

// peek returns the next n bytes without using them, fewer at the end of the file.
func (w *window) peek(n int) []byte {
	for len(w.buf)-w.pos < n && w.more() {
	}
	return w.buf[w.pos:min(len(w.buf), w.pos+n)]
}

// rest is a reader of all that is not yet used.
func (w *window) rest() io.Reader {
	return io.MultiReader(bytes.NewReader(w.buf[w.pos:]), w.tail())
}

func (w *window) tail() io.Reader {
	if w.err != nil {
		return bytes.NewReader(nil)
	}
	return w.r
}

// token passes over blanks, line ends and commas and returns the next byte without using it; 0 at the end of the file.
func (w *window) token() byte {
	for {
		for ; w.pos < len(w.buf); w.pos++ {
			switch c := w.buf[w.pos]; c {
			case ' ', '\t', '\r', '\n', ',':
			default:
				return c
			}
		}
		if !w.more() {
			return 0
		}
	}
}

// failed is what kept the file from being read to its end; nil at its end. A gzip file that stops early is cut, no failure.
func (w *window) failed() error {
	if w.err == nil || w.err == io.EOF || errors.Is(w.err, io.ErrUnexpectedEOF) {
		return nil
	}
	return w.err
}
