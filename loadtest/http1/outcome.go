package http1

import (
	"bytes"
	"fmt"
	"slices"

	"infer/loadtest/sample"
)

const (
	readLen  = 64 << 10 // bytes read at a time
	keepLen  = 64 << 10 // a buffer for bodies up to this size stays with its connection
	timedOut = "no whole answer within the timeout"
)

// speaksTLS is said of plain HTTP at the port of a server that expects TLS.
const speaksTLS = "the server speaks TLS: write https://"

// tlsWords are those of servers (of Go, nginx, Apache) that answer plain HTTP at such a port.
var tlsWords = [][]byte{[]byte("to an HTTPS server"), []byte("to HTTPS port"), []byte("SSL-enabled server port")}

// settle writes what the answer tells into s.
func (p *parser) settle(s *sample.Sample) {
	s.Code, s.Bytes, s.Batch, s.Queue, s.Compute = p.status, p.size, p.batch, p.queue, p.compute
	switch {
	case p.status < 300:
		s.Outcome = sample.OK
	case p.status == 429 || p.status == 503:
		s.Outcome = sample.Refused
	default:
		s.Outcome = sample.Failed
	}
}

// refusal makes the text of an answer with a status that is no success, and keeps the last one: a server that fails
// mostly says the same again.
type refusal struct {
	status uint16
	body   []byte
	text   string
}

func (r *refusal) of(p *parser) string {
	if r.text != "" && p.status == r.status && bytes.Equal(p.body, r.body) {
		return r.text
	}
	r.status, r.body = p.status, append(r.body[:0], p.body...)
	r.text = fmt.Sprintf("status %d", p.status)
	if text := printable(p.body, maxQuote); text != "" && p.encoding == "" {
		r.text += ": " + text
	}
	if p.status == 400 && slices.ContainsFunc(tlsWords, func(words []byte) bool { return bytes.Contains(p.body, words) }) {
		r.text += ": " + speaksTLS
	}
	return r.text
}
