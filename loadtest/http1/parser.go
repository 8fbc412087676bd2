package http1

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"

	"infer/loadtest/sample"
)

const (
	maxHead  = 64 << 10  // bytes of an answer's head, of those before it with a 1xx status and of its trailers
	maxBody  = 256 << 20 // bytes of a body that is kept
	maxQuote = 120       // bytes of a body that a fault quotes
)

// state is what a parser expects next.
type state uint8

const (
	atStatus state = iota
	atHeader
	inBody
	untilClose
	atChunkSize
	inChunk
	atChunkEnd
	atTrailer
	finished
)

// answer is what a parser has read of one answer.
type answer struct {
	status   uint16
	close    bool          // the connection ends with this answer
	size     int64         // bytes of the body so far
	queue    time.Duration // as Server-Timing tells; sample.Untold
	compute  time.Duration
	batch    int32  // as X-Infer-Batch-Size tells; 0
	jsonLen  int    // as Inference-Header-Content-Length tells; -1
	encoding string // Content-Encoding; "" for none
}

// parser reads answers of HTTP/1.0 and 1.1 in whatever pieces they come. It allocates nothing once its buffers have
// grown. For one goroutine.
type parser struct {
	answer
	body    []byte  // what is kept of it
	memory  *memory // that the capacity of body is taken from; nil: no bound
	unkept  bool    // there was no memory for the body
	keep    bool    // the body of a success is wanted
	bare    bool    // the request was HEAD
	state   state
	began   bool   // a byte of the answer has come
	chunked bool   //
	minor   byte   // of HTTP/1.minor
	alive   bool   // Connection: keep-alive was seen
	room    int    // how much of the body is to be kept
	length  int64  // Content-Length; -1
	left    int64  // of the body or the chunk
	head    int    // bytes of head so far
	line    []byte // whose end has not come
}

// Errors of answers, as users read them.
var (
	errNoAnswer   = errors.New("the server closed the connection before it answered")
	errHalfAnswer = errors.New("the server closed the connection in the middle of its answer")
	errLongHead   = fmt.Errorf("the head of the answer is longer than %d KiB", maxHead>>10)
	errLongBody   = fmt.Errorf("the body of the answer is longer than %d MiB", maxBody>>20)
	errFold       = errors.New("the head of the answer has a header over several lines")
	errLengths    = errors.New("the answer has two Content-Length headers that differ")
	errBoth       = errors.New("the answer has both a Content-Length and chunks")
	errSwitch     = errors.New("the server switched to another protocol (status 101)")
	errTLS        = errors.New("the answer is not HTTP/1.1: " + speaksTLS)
	errHTTP2      = errors.New("the answer is not HTTP/1.1: the server speaks HTTP/2, as gRPC does: write grpc://")
	errChunkEnd   = errors.New("a chunk of the answer is longer than its size says")
)

// reset makes p ready for the next answer. The buffers stay.
func (p *parser) reset(keep, bare bool) {
	*p = parser{keep: keep, bare: bare, line: p.line[:0], body: p.body[:0], memory: p.memory}
	p.resetHead()
}

func (p *parser) resetHead() {
	p.answer = answer{queue: sample.Untold, compute: sample.Untold, jsonLen: -1}
	p.state, p.length, p.chunked, p.alive = atStatus, -1, false, false
}

// feed takes the next bytes of the connection, of which it uses n: all, until the answer is done. After an error or
// done, p is to be reset.
func (p *parser) feed(b []byte) (n int, done bool, err error) {
	p.began = p.began || len(b) > 0
	for n < len(b) && err == nil {
		switch p.state {
		case inBody, inChunk:
			part := b[n:min(int64(len(b)), int64(n)+p.left)]
			n += len(part)
			p.left -= int64(len(part))
			err = p.take(part)
			if p.left == 0 && p.state == inBody {
				p.state = finished
			} else if p.left == 0 {
				p.state = atChunkEnd
			}
		case untilClose:
			err = p.take(b[n:])
			n = len(b)
		default:
			var used int
			used, err = p.feedLine(b[n:])
			n += used
		}
		if p.state == finished {
			return n, true, err
		}
	}
	return n, false, err
}

// behind says what the bytes mean that came with the end of an answer, behind it. Servers may add a line end; anything
// else may be a part of the answer, or of the next.
func (p *parser) behind(rest []byte) error {
	if p.status >= 300 || len(rest) == 0 || string(rest) == "\r\n" || string(rest) == "\n" {
		return nil
	}
	return fmt.Errorf("%d bytes came behind the end of the answer", len(rest))
}

// end says what the end of the connection means for the answer.
func (p *parser) end() error {
	switch {
	case p.state == untilClose:
		p.state = finished
		return nil
	case !p.began:
		return errNoAnswer
	default:
		return errHalfAnswer
	}
}

func (p *parser) take(part []byte) error {
	p.size += int64(len(part))
	if room := p.room - len(p.body); room > 0 {
		part = part[:min(room, len(part))]
		if p.grow(len(p.body) + len(part)) {
			p.body = append(p.body, part...)
		}
	}
	if p.keep && p.size > maxBody {
		return errLongBody
	}
	return nil
}

// feedLine takes one line, or what there is of it.
func (p *parser) feedLine(b []byte) (n int, err error) {
	end := bytes.IndexByte(b, '\n')
	n = end + 1
	if end < 0 {
		n = len(b)
	}
	if p.head += n; p.head > maxHead {
		return n, errLongHead
	}
	if end < 0 {
		p.line = append(p.line, b...)
		if p.state == atStatus {
			return n, checkStart(p.line)
		}
		return n, nil
	}
	line := b[:end]
	if len(p.line) > 0 {
		p.line = append(p.line, line...)
		line, p.line = p.line, p.line[:0]
	}
	if len(line) > 0 && line[len(line)-1] == '\r' {
		line = line[:len(line)-1]
	}
	return n, p.onLine(line)
}

func (p *parser) onLine(line []byte) error {
	switch p.state {
	case atStatus:
		return p.onStatus(line)
	case atHeader:
		if len(line) == 0 {
			return p.endHead()
		}
		return p.onHeader(line)
	case atChunkSize:
		return p.onChunkSize(line)
	case atChunkEnd:
		if len(line) != 0 {
			return errChunkEnd
		}
		p.state, p.head = atChunkSize, 0
	default: // atTrailer
		if len(line) == 0 {
			p.state = finished
		} else if name, value, ok := bytes.Cut(line, []byte(":")); ok && fold(name, "server-timing") {
			p.onTiming(value)
		}
	}
	return nil
}

const start = "HTTP/1."

// foreign says of bytes that are no HTTP/1.1 what they are.
func foreign(b []byte) error {
	switch {
	case len(b) >= 2 && b[0] == 21 && b[1] == 3: // an alert of any version
		return errTLS
	case len(b) >= 9 && b[0] == 0 && (b[3] == 4 || b[3] == 7) && [4]byte(b[5:9]) == [4]byte{}: // SETTINGS or GOAWAY
		return errHTTP2
	}
	return fmt.Errorf("the answer is not HTTP/1.1: it starts with %q", printable(b, 40))
}

// checkStart refuses what cannot become a status line, so that garbage without a line end is seen as such at once.
func checkStart(line []byte) error {
	if n := min(len(start), len(line)); string(line[:n]) != start[:n] {
		return foreign(line)
	}
	return nil
}

func (p *parser) onStatus(line []byte) error {
	if err := checkStart(line); err != nil {
		return err
	}
	// HTTP/1.1 200 OK
	if len(line) < 12 || line[7] != '0' && line[7] != '1' || line[8] != ' ' || len(line) > 12 && line[12] != ' ' {
		return foreign(line)
	}
	code, ok := number(line[9:12])
	if !ok || code < 100 {
		return fmt.Errorf("the answer has no status: it starts with %q", printable(line, 40))
	}
	p.minor, p.status, p.state = line[7], uint16(code), atHeader
	return nil
}

// endHead decides where the body ends: RFC 9112, 6.3.
func (p *parser) endHead() error {
	switch {
	case p.status == 101:
		return errSwitch
	case p.status < 200:
		p.resetHead() // and the real answer follows
		return nil
	case p.chunked && p.length >= 0:
		return errBoth
	case p.keep && p.length > maxBody:
		return errLongBody
	}
	p.close = p.close || p.minor == '0' && !p.alive
	if p.status >= 300 {
		p.room = maxQuote
	} else if p.keep {
		p.room = maxBody
	}
	switch {
	case p.bare, p.status == 204, p.status == 304, !p.chunked && p.length == 0:
		p.state = finished
	case p.chunked:
		p.state, p.head = atChunkSize, 0
	case p.length > 0:
		p.state, p.left = inBody, p.length
		if room := min(p.length, int64(p.room), 1<<20); int(room) > cap(p.body) {
			p.grow(int(room)) // at once, as far as one can trust the length
		}
	default:
		p.state, p.close = untilClose, true
	}
	return nil
}

func (p *parser) onChunkSize(line []byte) error {
	digits, _, _ := bytes.Cut(line, []byte(";"))
	digits = bytes.TrimSpace(digits)
	var size int64
	for _, c := range digits {
		d := strings.IndexByte("0123456789abcdef", c|0x20)
		if d < 0 || c < '0' || size >= 1<<55 {
			size = -1
			break
		}
		size = size<<4 | int64(d)
	}
	if len(digits) == 0 || size < 0 {
		return fmt.Errorf("a chunk of the answer has the size %q", printable(line, 40))
	}
	p.head = 0
	if p.state, p.left = inChunk, size; size == 0 {
		p.state = atTrailer
	}
	return nil
}

// printable returns at most the first n bytes of b, on one line.
func printable(b []byte, n int) string {
	cut := b[:min(n, len(b))]
	text := strings.TrimSpace(strings.Map(func(r rune) rune {
		if r == unicode.ReplacementChar || !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, string(cut)))
	if len(cut) < len(b) {
		return text + "…"
	}
	return text
}
