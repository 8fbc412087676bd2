package rest

import (
	"io"
	"net"
	"time"

	"infer/internal/fault"
	"infer/internal/wire"
)

// firstRead is how much memory a body gets before any of it has come. It grows with what comes, so a length that is
// only claimed costs nothing.
const firstRead = 64 << 10

// body returns the body of the request, unpacked where it is packed. It is valid until finish. Errors: fault.TooLarge
// over the limit, fault.Media for an unknown encoding, fault.Unavailable where too many bodies are in memory.
func (x *exchange) body() ([]byte, error) {
	raw, err := x.readBody()
	x.event.RequestLen = len(raw)
	if err != nil || len(x.head.encoding) == 0 || string(x.head.encoding) == "identity" {
		return raw, err
	}
	if x.hold(&x.plainHeld, cap(x.plain)) != nil {
		x.plain = nil
	}
	x.plain, err = wire.DecompressWithin(x.plain[:0], view(x.head.encoding), raw, int64(x.s.o.MaxBody),
		func(capacity int) error { return x.hold(&x.plainHeld, capacity) })
	return x.plain, err
}

// errFull is the answer to a request for which there is no memory left.
var errFull = fault.New(fault.Unavailable, "send it again later", "the requests that are running fill the memory that they may take")

// hold counts a buffer of the exchange that is about to have a capacity; part is what is counted for it already. Small
// ones are free: they are kept anyway.
func (x *exchange) hold(part *int64, capacity int) error {
	more := int64(capacity) - *part
	if capacity <= firstRead || more <= 0 {
		return nil
	}
	if !x.s.budget.Take(more) {
		return errFull
	}
	*part += more
	x.held += more
	return nil
}

// decoded counts the memory of the tensors that were decoded. They are there already: one message is decoded by a CPU
// at a time and its limits bound it, but many that wait for their runs must not come together.
func (x *exchange) decoded() error { return x.hold(&x.decodedHeld, x.req.Memory()) }

// readBody reads the body as it comes.
func (x *exchange) readBody() ([]byte, error) {
	stream := x.ctx.RequestBodyStream()
	if stream == nil {
		return nil, nil
	}
	limit := x.s.o.MaxBody
	length := x.ctx.Request.Header.ContentLength() // negative where it comes in chunks
	if length > limit {
		return nil, x.tooLarge()
	}
	if x.hold(&x.rawHeld, cap(x.raw)) != nil {
		x.raw = nil // a small body does with little
	}
	b := x.raw[:0]
	if size := min(max(length, 1), firstRead); cap(b) < size {
		b = make([]byte, 0, size)
	}
	extended := firstRead
	for {
		if len(b) == cap(b) && len(b) != length {
			var err error
			if b, err = x.grow(b, length); err != nil {
				return nil, err
			}
		}
		n, err := stream.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		x.raw = b
		switch {
		case len(b) > limit:
			return nil, x.tooLarge()
		case err == io.EOF, err == nil && len(b) == length:
			return b, nil
		case err != nil:
			return b, bodyError(err)
		case len(b) >= extended:
			extended = len(b) + firstRead
			x.allow(len(b))
		}
	}
}

// grow makes room for more of a body, twice what has come and no more than it can have.
func (x *exchange) grow(b []byte, length int) ([]byte, error) {
	size := max(2*len(b), firstRead)
	if length >= 0 {
		size = min(size, length)
	}
	size = min(size, x.s.o.MaxBody+1)
	if err := x.hold(&x.rawHeld, size); err != nil {
		return nil, err
	}
	grown := make([]byte, len(b), size)
	copy(grown, b)
	return grown, nil
}

// allow gives the client the time that the lowest rate takes for what has come, beside the timeout, but no more than the
// timeout and the time of the next part: who sends much at once and then stops holds it hardly longer than who sends
// nothing.
func (x *exchange) allow(received int) {
	deadline := x.event.Arrived.Add(x.s.o.ReadTimeout + time.Duration(received/minRate)*time.Second)
	if stall := time.Now().Add(x.s.o.ReadTimeout + firstRead/minRate*time.Second); stall.Before(deadline) {
		deadline = stall
	}
	_ = x.ctx.Conn().SetReadDeadline(deadline)
}

func (x *exchange) tooLarge() error {
	return fault.New(fault.TooLarge, "", "the body is over the limit of %d bytes", x.s.o.MaxBody)
}

// bodyError explains why a body could not be read.
func bodyError(err error) error {
	if network, ok := err.(net.Error); ok && network.Timeout() {
		return errSlow
	}
	if clientGone(err) {
		return errLeft
	}
	return fault.New(fault.Usage, "", "the body is not as its header says, or not in the form of chunks")
}
