package rpc

import (
	"encoding/binary"
	"net"
	"sync"
	"time"

	"infer/internal/fault"
)

// Why a message that has begun is not waited for.
var (
	errFull = fault.New(fault.Unavailable, "send it again later", "the requests that are running fill the memory that they may take")
	errSlow = fault.New(fault.Deadline, "", "the message did not come in time")
)

// How long an unfinished message is waited for: stall without a byte of it, and no longer in all than stall and the
// time that its bytes take at minRate. HTTP bodies have the same bounds.
const (
	stall   = 20 * time.Second
	minRate = 16 << 10
)

// counted is from how many bytes on a message counts against the budget: gRPC keeps smaller ones in pools anyway.
const counted = 64 << 10

// intake watches what comes in on a connection and knows the messages that have begun and not ended: gRPC collects them
// without a bound on their sum or on their time. It follows the frames of HTTP/2 (RFC 9113, 4.1) and the messages in
// them, and cancels the call of a message that is over a bound. A message that comes whole in one frame costs it nothing.
type intake struct {
	net.Conn
	s      *Server
	remote address

	// Where the reader is.
	preface int // bytes of the connection preface that are to come
	head    [9]byte
	have    int // of head
	left    int // bytes of the running frame that are to come
	data    int // those of them that are data of a message
	padded  bool
	stream  uint32

	mu    sync.Mutex
	open  map[uint32]*unfinished
	calls map[uint32]*call
}

// unfinished is a message that has begun on a stream.
type unfinished struct {
	head    [5]byte // of the message: whether it is packed, and its length
	have    int
	left    int64 // bytes that are to come
	got     int64
	held    int64 // counted against the budget
	since   time.Time
	latest  time.Time // when bytes came
	timer   *time.Timer
	refused error // why nobody waits for it any more
}

// Kinds and flags of frames.
const (
	frameData  = 0
	frameReset = 3
	flagEnd    = 1
	flagPadded = 8
	prefaceLen = 24
)

func newIntake(c net.Conn, s *Server) *intake {
	i := &intake{Conn: c, s: s, preface: prefaceLen, open: map[uint32]*unfinished{}, calls: map[uint32]*call{}}
	a := c.RemoteAddr()
	i.remote = address{a, a.String(), i}
	return i
}

// RemoteAddr implements net.Conn.
func (i *intake) RemoteAddr() net.Addr { return &i.remote }

// Read implements net.Conn.
func (i *intake) Read(b []byte) (int, error) {
	n, err := i.Conn.Read(b)
	i.follow(b[:n])
	return n, err
}

// Close implements net.Conn.
func (i *intake) Close() error {
	i.mu.Lock()
	for id := range i.open {
		i.drop(id)
	}
	i.mu.Unlock()
	return i.Conn.Close()
}

// follow goes on with the bytes that have come.
func (i *intake) follow(b []byte) {
	n := min(i.preface, len(b))
	i.preface -= n
	b = b[n:]
	for len(b) > 0 {
		if i.have < len(i.head) {
			n := copy(i.head[i.have:], b)
			i.have += n
			b = b[n:]
			if i.have == len(i.head) {
				i.begin()
			}
			continue
		}
		n := min(i.left, len(b))
		i.payload(b[:n])
		i.left -= n
		b = b[n:]
		if i.left == 0 {
			i.end()
		}
	}
}

// begin looks at the head of a frame.
func (i *intake) begin() {
	i.left = int(i.head[0])<<16 | int(i.head[1])<<8 | int(i.head[2])
	i.stream = binary.BigEndian.Uint32(i.head[5:]) & (1<<31 - 1)
	i.data = 0
	if i.padded = false; i.head[3] == frameData {
		i.data, i.padded = i.left, i.head[4]&flagPadded != 0
	}
	if i.left == 0 {
		i.end()
	}
}

// payload takes bytes of a frame: of data, first how many bytes of it are padding, then the data, then the padding.
func (i *intake) payload(b []byte) {
	if i.data == 0 || len(b) == 0 {
		return
	}
	if i.padded {
		i.padded = false
		i.data = max(0, i.data-1-int(b[0]))
		b = b[1:]
	}
	n := min(i.data, len(b))
	i.data -= n
	if n > 0 {
		i.take(b[:n])
	}
}

// end comes after the last byte of a frame.
func (i *intake) end() {
	i.have = 0
	if i.head[3] == frameReset || i.head[3] == frameData && i.head[4]&flagEnd != 0 {
		i.mu.Lock()
		i.drop(i.stream)
		i.mu.Unlock()
	}
}

// take goes on with the message of the running stream, and with those after it.
func (i *intake) take(b []byte) {
	i.mu.Lock()
	defer i.mu.Unlock()
	u := i.open[i.stream]
	if u != nil && u.refused != nil {
		return
	}
	var fresh unfinished
	for len(b) > 0 {
		if u == nil {
			fresh = unfinished{}
			u = &fresh
		}
		if u.have < len(u.head) {
			n := copy(u.head[u.have:], b)
			u.have += n
			b = b[n:]
			if u.have == len(u.head) {
				u.left = int64(binary.BigEndian.Uint32(u.head[1:]))
			}
		}
		n := min(u.left, int64(len(b)))
		u.left -= n
		u.got += n
		b = b[n:]
		if u.have == len(u.head) && u.left == 0 {
			if u != &fresh {
				i.drop(i.stream)
			}
			u = nil
		}
	}
	if u != nil {
		i.keep(u)
	}
}

// keep notes an unfinished message of the running stream and counts it.
func (i *intake) keep(u *unfinished) {
	id, now := i.stream, time.Now()
	u.latest = now
	if u.timer == nil {
		kept := *u
		u = &kept
		u.since = now
		i.open[id] = u
		u.timer = time.AfterFunc(i.s.stall, func() { i.late(id, u) })
	}
	if more := u.got - u.held; u.got >= counted && more >= min(counted, u.got) {
		if !i.s.budget.Take(more) {
			i.refuse(id, u, errFull)
			return
		}
		u.held += more
	}
}

// late asks whether a message is still to be waited for.
func (i *intake) late(id uint32, u *unfinished) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.open[id] != u {
		return
	}
	if u.refused != nil {
		i.drop(id) // and nobody has asked for it since
		return
	}
	until := u.latest.Add(i.s.stall)
	if all := u.since.Add(i.s.stall + time.Duration(u.got/minRate)*time.Second); all.Before(until) {
		until = all
	}
	if wait := time.Until(until); wait > 0 {
		u.timer.Reset(wait)
		return
	}
	i.refuse(id, u, errSlow)
}

// refuse ends the call of a message. The message stays known, so that what still comes of it is not taken for the
// beginning of another one. The caller holds mu.
func (i *intake) refuse(id uint32, u *unfinished, why error) {
	i.s.budget.Give(u.held)
	u.held, u.refused = 0, why
	u.timer.Reset(i.s.stall)
	if c := i.calls[id]; c != nil {
		c.cancel(why)
	}
}

// drop forgets the message of a stream. The caller holds mu.
func (i *intake) drop(id uint32) {
	if u := i.open[id]; u != nil {
		u.timer.Stop()
		i.s.budget.Give(u.held)
		delete(i.open, id)
	}
}

// expect says which call waits for the messages of a stream.
func (i *intake) expect(id uint32, c *call) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.calls[id] = c
	if u := i.open[id]; u != nil && u.refused != nil {
		c.cancel(u.refused)
	}
}

// forget says that no call waits for a stream any more.
func (i *intake) forget(id uint32) {
	i.mu.Lock()
	defer i.mu.Unlock()
	delete(i.calls, id)
	i.drop(id)
}
