package rest

import (
	"bytes"
	"errors"

	"github.com/valyala/fasthttp"

	"infer/internal/fault"
)

// Errors of requests whose header is read and cannot be followed.
var (
	errFraming = fault.New(fault.Usage, "send Content-Length, or chunked alone", "this Transfer-Encoding does not say where the body ends")
	errVersion = fault.New(fault.Usage, "", "HTTP Version Not Supported")
	errExpect  = fault.New(fault.Usage, "", "only 100-continue can be expected here")
)

// sound refuses what fasthttp lets pass: a version of HTTP that is none of 1.x, an expectation that nobody knows (RFC
// 9110, 10.1.1), and a Transfer-Encoding other than chunked, whose body fasthttp would take for the next request (RFC
// 9112, 6.3). Where the body ends is not known then: the connection closes.
func (x *exchange) sound() error {
	h := &x.ctx.Request.Header
	var err error
	switch p := h.Protocol(); {
	case string(p) != "HTTP/1.1" && string(p) != "HTTP/1.0":
		err = errVersion
	case h.ContentLength() != -1 && hasTransferEncoding(h.RawHeaders()):
		err = errFraming
	case len(x.head.expect) > 0 && !bytes.EqualFold(x.head.expect, []byte("100-continue")):
		err = errExpect
	}
	if err != nil {
		x.ctx.SetConnectionClose()
	}
	return err
}

// hasTransferEncoding reports whether a header has the line.
func hasTransferEncoding(raw []byte) bool {
	name := []byte("transfer-encoding")
	for len(raw) > len(name) {
		if raw[0]|0x20 == 't' && bytes.EqualFold(raw[:len(name)], name) {
			return true
		}
		_, raw, _ = bytes.Cut(raw, []byte{'\n'})
	}
	return false
}

// expected answers a request that waits for "100 Continue" before its body: what can be refused by the header alone is
// refused now. It is fasthttp's ExpectHandler; the body that it may leave in the response is sent with the status.
func (s *Server) expected(ctx *fasthttp.RequestCtx) int {
	x := s.pool.Get().(*exchange)
	x.begin(ctx)
	err := x.foresee()
	if err != nil {
		x.fail(err)
		x.finish()
		return ctx.Response.StatusCode()
	}
	x.event.Protocol = "" // it is told of when it is answered
	x.release()
	s.pool.Put(x)
	return fasthttp.StatusContinue
}

// foresee asks what is known of a request without its body: the route, the key, the length, the model.
func (x *exchange) foresee() error {
	if _, err := x.admit(); err != nil {
		return err
	}
	if x.ctx.Request.Header.ContentLength() > x.s.o.MaxBody {
		return x.tooLarge()
	}
	if x.end.protocol == "" || len(x.route.model) == 0 {
		return nil
	}
	_, err := x.open(view(x.route.model), view(x.route.version))
	return err
}

// reasonOfMalformed says what is wrong with a request that could not be read, and nothing of what was sent: it may be
// somebody else's key, or a part of the next request.
func reasonOfMalformed(err error) string {
	switch {
	case errors.Is(err, fasthttp.ErrUnsupportedTransferEncoding):
		return "its Transfer-Encoding is not supported"
	case errors.Is(err, fasthttp.ErrDuplicateContentLength):
		return "it has more than one Content-Length"
	case errors.Is(err, fasthttp.ErrUnsupportedRequestMethod):
		return "its method is not known"
	}
	return "its request line or its header is malformed"
}
