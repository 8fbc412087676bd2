package null

import (
	"bytes"
	"errors"
	"strconv"
)

// mostHead is the longest header of a request that is read.
const mostHead = 64 << 10

var (
	errHead   = errors.New("the header of the request is malformed or too long")
	errLength = errors.New("the request has a body without a Content-Length")

	headEnd = []byte("\r\n\r\n")
)

// requests counts the requests of one connection as their bytes come, in pieces of any size. It reads of them what it
// must to find their ends.
type requests struct {
	head []byte // the beginning of a header whose end has not come
	body uint64 // bytes of the current body that are still to come
	last bool   // the client does not want to send more
	in   bool   // a header has come whose body has not come whole

	known  []byte // the last header; clients repeat themselves
	length uint64 // its body
	close  bool   // it ends the connection
}

// feed takes what has come and returns how many requests are whole with it. After an error, and when last is set,
// nothing more is to be fed.
func (r *requests) feed(b []byte) (whole int, err error) {
	for !r.last {
		if r.in {
			n := min(r.body, uint64(len(b)))
			b, r.body = b[n:], r.body-n
			if r.body > 0 {
				return whole, nil
			}
			r.in, r.last = false, r.close
			whole++
			continue
		}
		if len(b) == 0 {
			return whole, nil
		}
		if b, err = r.header(b); err != nil {
			return whole, err
		}
	}
	return whole, nil
}

// header takes a header, or its part, from the front of b and returns the rest.
func (r *requests) header(b []byte) (rest []byte, err error) {
	had := len(r.head)
	if had == 0 {
		if len(r.known) > 0 && bytes.HasPrefix(b, r.known) {
			r.in, r.body = true, r.length
			return b[len(r.known):], nil
		}
		if end := bytes.Index(b, headEnd); end >= 0 {
			return b[end+len(headEnd):], r.read(b[:end+len(headEnd)])
		}
	}
	r.head = append(r.head, b[:min(len(b), mostHead)]...)
	from := max(0, had-len(headEnd)+1) // the end may have come in two parts
	end := bytes.Index(r.head[from:], headEnd)
	if end < 0 {
		if len(r.head) >= mostHead {
			return nil, errHead
		}
		return nil, nil
	}
	size := from + end + len(headEnd)
	err = r.read(r.head[:size])
	r.head = r.head[:0]
	return b[size-had:], err
}

// read learns what it must of a header.
func (r *requests) read(head []byte) error {
	first, rest, _ := bytes.Cut(head, []byte("\r\n"))
	if !bytes.Contains(first, []byte(" HTTP/1.")) {
		return errHead
	}
	r.known = append(r.known[:0], head...)
	r.length, r.close = 0, bytes.HasSuffix(first, []byte("HTTP/1.0"))
	for len(rest) > 2 {
		var field []byte
		field, rest, _ = bytes.Cut(rest, []byte("\r\n"))
		name, value, ok := bytes.Cut(field, []byte(":"))
		if !ok {
			return errHead
		}
		value = bytes.TrimSpace(value)
		switch {
		case is(name, "content-length"):
			n, err := strconv.ParseUint(string(value), 10, 63)
			if err != nil {
				return errHead
			}
			r.length = n
		case is(name, "transfer-encoding"):
			return errLength
		case is(name, "connection"):
			r.close = r.close || is(value, "close")
		}
	}
	r.in, r.body = true, r.length
	return nil
}

// is reports whether b is a text in lower case, in any case.
func is(b []byte, text string) bool { return len(b) == len(text) && bytes.EqualFold(b, []byte(text)) }
