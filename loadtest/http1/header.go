package http1

import (
	"bytes"
	"fmt"
	"math"
	"time"
)

// onHeader takes one header line, known by its length first.
func (p *parser) onHeader(line []byte) error {
	if line[0] == ' ' || line[0] == '\t' {
		return errFold
	}
	colon := bytes.IndexByte(line, ':')
	if colon <= 0 || line[colon-1] == ' ' || line[colon-1] == '\t' {
		return fmt.Errorf("the head of the answer has a line that is no header: %q", printable(line, 40))
	}
	name := line[:colon]
	switch len(name) {
	case len("connection"):
		if fold(name, "connection") {
			p.onConnection(line[colon+1:])
		}
	case len("server-timing"):
		if fold(name, "server-timing") {
			p.onTiming(line[colon+1:])
		}
	case len("content-length"):
		if fold(name, "content-length") {
			return p.onLength(trim(line[colon+1:]))
		}
	case len("content-encoding"):
		if fold(name, "content-encoding") {
			p.encoding = known(trim(line[colon+1:]))
		}
	case len("transfer-encoding"):
		if fold(name, "transfer-encoding") {
			return p.onTransfer(trim(line[colon+1:]))
		}
	case len("x-infer-batch-size"):
		if fold(name, "x-infer-batch-size") {
			if n, ok := number(trim(line[colon+1:])); ok && n <= math.MaxInt32 {
				p.batch = int32(n)
			}
		}
	case len("inference-header-content-length"):
		if fold(name, "inference-header-content-length") {
			if n, ok := number(trim(line[colon+1:])); ok && n <= maxBody {
				p.jsonLen = int(n)
			}
		}
	}
	return nil
}

func (p *parser) onLength(value []byte) error {
	n, ok := number(value)
	if !ok {
		return fmt.Errorf("the answer has the Content-Length %q", printable(value, 40))
	}
	if p.length >= 0 && p.length != n {
		return errLengths
	}
	p.length = n
	return nil
}

func (p *parser) onTransfer(value []byte) error {
	switch {
	case fold(value, "chunked") && !p.chunked:
		p.chunked = true
	case !fold(value, "identity"):
		return fmt.Errorf("the answer has the Transfer-Encoding %q, which is not supported", printable(value, 40))
	}
	return nil
}

func (p *parser) onConnection(value []byte) {
	for len(value) > 0 {
		var word []byte
		word, value = cut(value, ',')
		word = trim(word)
		p.close = p.close || fold(word, "close")
		p.alive = p.alive || fold(word, "keep-alive")
	}
}

// onTiming reads the durations of queue and compute, in ms: queue;dur=1.234, compute;dur=0.456.
func (p *parser) onTiming(value []byte) {
	for len(value) > 0 {
		var metric, param []byte
		metric, value = cut(value, ',')
		name, params := cut(metric, ';')
		var into *time.Duration
		switch string(trim(name)) {
		case "queue":
			into = &p.queue
		case "compute", "run": // run is what infer serve says
			into = &p.compute
		default:
			continue
		}
		for len(params) > 0 {
			param, params = cut(params, ';')
			key, text := cut(param, '=')
			if d, ok := milliseconds(bytes.Trim(text, ` "`)); ok && fold(trim(key), "dur") {
				*into = d
			}
		}
	}
}

// cut returns what is before and after the first sep that is not inside quotes.
func cut(b []byte, sep byte) (before, after []byte) {
	quoted := false
	for i, c := range b {
		if c == '"' && (i == 0 || b[i-1] != '\\') {
			quoted = !quoted
		} else if c == sep && !quoted {
			return b[:i], b[i+1:]
		}
	}
	return b, nil
}

// milliseconds reads a decimal number; parts of a nanosecond are left out.
func milliseconds(b []byte) (time.Duration, bool) {
	whole, fraction, _ := bytes.Cut(b, []byte("."))
	ms, ok := number(whole)
	if !ok || ms > 1e12 {
		return 0, false
	}
	ns := ms * int64(time.Millisecond)
	for unit := int64(time.Millisecond / 10); len(fraction) > 0; unit /= 10 {
		if fraction[0] < '0' || fraction[0] > '9' {
			return 0, false
		}
		ns += unit * int64(fraction[0]-'0')
		fraction = fraction[1:]
	}
	return time.Duration(ns), true
}

// number reads digits; false for anything else, and for more than an int64 holds.
func number(b []byte) (int64, bool) {
	if len(b) == 0 || len(b) > 19 {
		return 0, false
	}
	var n uint64
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + uint64(c-'0')
	}
	return int64(n), n <= math.MaxInt64
}

// fold reports whether b is lower but for the case of its letters. lower is in lower case.
func fold(b []byte, lower string) bool {
	if len(b) != len(lower) {
		return false
	}
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			c |= 0x20
		}
		if c != lower[i] {
			return false
		}
	}
	return true
}

func trim(b []byte) []byte {
	for len(b) > 0 && (b[0] == ' ' || b[0] == '\t') {
		b = b[1:]
	}
	for len(b) > 0 && (b[len(b)-1] == ' ' || b[len(b)-1] == '\t') {
		b = b[:len(b)-1]
	}
	return b
}

// known returns the encodings that servers use without making a string each time.
func known(value []byte) string {
	for _, name := range [...]string{"gzip", "deflate", "br", "zstd"} {
		if fold(value, name) {
			return name
		}
	}
	if fold(value, "identity") {
		return ""
	}
	return string(value)
}
