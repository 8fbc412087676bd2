package rest

import (
	"context"
	"errors"
	"net"
	"strconv"
	"time"

	"github.com/valyala/fasthttp"

	"infer/internal/fault"
	"infer/internal/wire"
	"infer/serve/batch"
	"infer/serve/repository"
)

// Errors that HTTP itself has a status for.
var (
	errNotFound = fault.New(fault.NotFound, "", "Not Found")
	errMethod   = fault.New(fault.Usage, "", "Method Not Allowed")
	errSlow     = fault.New(fault.Usage, "", "the body did not come in time")
	errLeft     = errors.New("the client went away in the middle of its request")
)

// fail answers with an error: its status, its text, and the headers that go with it.
func (x *exchange) fail(err error) {
	status := statusOf(err)
	x.event.Err, x.event.Reason = err, reasonOf(err)
	h := &x.ctx.Response.Header
	switch status {
	case fasthttp.StatusMethodNotAllowed:
		h.SetCanonical(hAllow, x.end.allow())
	case fasthttp.StatusServiceUnavailable:
		x.retryAfter(err)
	case fasthttp.StatusUnsupportedMediaType:
		h.SetCanonical(hAccept, []byte("gzip, deflate"))
	case fasthttp.StatusUnauthorized:
		h.SetCanonical(hAuthenticate, []byte("Bearer"))
	}
	if x.ctx.Request.Header.ContentLength() != 0 && x.conn != nil {
		x.conn.linger.Store(true) // the body may be unread
	}
	text := err.Error()
	if hint := fault.HintOf(err); hint != "" {
		text += " (" + hint + ")"
	}
	body := x.buffer()
	if x.end.torch {
		body = appendTorchError(body, status, text)
	} else {
		body = wire.AppendError(body, text)
	}
	x.answer(status, jsonType, body)
}

// answer sets status, type and body of the answer. body has come from SwapBody, or is given away.
func (x *exchange) answer(status int, contentType, body []byte) {
	x.ctx.SetStatusCode(status)
	x.ctx.SetContentTypeBytes(contentType)
	x.ctx.Response.SwapBody(body)
}

// statusOf maps an error to its status.
func statusOf(err error) int {
	switch {
	case errors.Is(err, errMethod):
		return fasthttp.StatusMethodNotAllowed
	case errors.Is(err, errVersion):
		return fasthttp.StatusHTTPVersionNotSupported
	case errors.Is(err, errExpect):
		return fasthttp.StatusExpectationFailed
	case errors.Is(err, errSlow):
		return fasthttp.StatusRequestTimeout
	case errors.Is(err, errLeft), errors.Is(err, context.Canceled):
		return statusClosed
	case errors.Is(err, context.DeadlineExceeded):
		return fasthttp.StatusGatewayTimeout
	}
	return fault.HTTPStatus(err)
}

// statusClosed is what logs of web servers show for a client that did not wait for its answer; nobody receives it.
const statusClosed = 499

// reasonOf says for the observer how a request with an error ended.
func reasonOf(err error) repository.Reason {
	var refused *batch.Refusal
	if errors.As(err, &refused) {
		switch refused.Why {
		case batch.Late:
			return repository.Late
		case batch.Cancelled:
			return repository.Cancelled
		case batch.Closed:
			return repository.Unavailable
		case batch.Large:
			return repository.Invalid
		}
		return repository.Refused
	}
	if errors.Is(err, errLeft) || errors.Is(err, context.Canceled) {
		return repository.Cancelled
	}
	switch fault.KindOf(err) {
	case fault.NotFound:
		return repository.Unknown
	case fault.Usage, fault.TooLarge, fault.Media, fault.Unsupported:
		return repository.Invalid
	case fault.Unauthorized, fault.Denied:
		return repository.Denied
	case fault.Unavailable:
		return repository.Unavailable
	case fault.Deadline:
		return repository.Late
	}
	return repository.Failed
}

// retryAfter says when to come again: in whole seconds, as the header is defined, and precisely beside it.
func (x *exchange) retryAfter(err error) {
	after := time.Second
	var refused *batch.Refusal
	if errors.As(err, &refused) && refused.RetryAfter > 0 {
		after = refused.RetryAfter
	}
	h := &x.ctx.Response.Header
	x.text = strconv.AppendInt(x.text[:0], int64(max(1, (after+time.Second-1)/time.Second)), 10)
	h.SetCanonical(hRetry, x.text)
	x.text = strconv.AppendInt(x.text[:0], int64(max(1, (after+time.Millisecond-1)/time.Millisecond)), 10)
	h.SetCanonical(hRetryMs, x.text)
}

// malformed answers a request that never became one: fasthttp could not read its header.
func (s *Server) malformed(ctx *fasthttp.RequestCtx, err error) {
	status, text := fasthttp.StatusBadRequest, "this is no HTTP request: "+reasonOfMalformed(err)
	var small *fasthttp.ErrSmallBuffer
	var network net.Error
	switch {
	case errors.As(err, &small):
		status = fasthttp.StatusRequestHeaderFieldsTooLarge
		text = "the header is over the limit of " + strconv.Itoa(s.o.MaxHeader) + " bytes"
	case errors.As(err, &network) && network.Timeout():
		status, text = fasthttp.StatusRequestTimeout, "the request did not come in time"
	}
	if c, ok := ctx.Conn().(*conn); ok {
		c.linger.Store(true)
	}
	ctx.Response.Reset()
	ctx.SetStatusCode(status)
	ctx.SetContentTypeBytes(jsonType)
	ctx.Response.SetBodyRaw(wire.AppendError(nil, text))
	if s.o.Observer != nil {
		s.o.Observer.Request(&repository.RequestEvent{
			Protocol: "http", Reason: repository.Invalid, Err: err, Arrived: time.Now(), Status: status,
		})
	}
}

// appendTorchError appends an error as TorchServe writes it: {"code": 503, "type": "…Exception", "message": "…"}.
func appendTorchError(dst []byte, status int, message string) []byte {
	kind := "InternalServerException"
	switch status {
	case fasthttp.StatusBadRequest, fasthttp.StatusUnsupportedMediaType:
		kind = "BadRequestException"
	case fasthttp.StatusNotFound:
		kind = "ModelNotFoundException"
	case fasthttp.StatusMethodNotAllowed:
		kind = "MethodNotAllowedException"
	case fasthttp.StatusRequestEntityTooLarge:
		kind = "RequestEntityTooLargeException"
	case fasthttp.StatusUnauthorized, fasthttp.StatusForbidden:
		kind = "InvalidKeyException"
	case fasthttp.StatusServiceUnavailable, fasthttp.StatusGatewayTimeout:
		kind = "ServiceUnavailableException"
	}
	dst = append(dst, `{"code":`...)
	dst = strconv.AppendInt(dst, int64(status), 10)
	dst = append(append(append(dst, `,"type":"`...), kind...), `","message":`...)
	// AppendError writes {"error":"…"}: its string is the one that is wanted here.
	quoted := wire.AppendError(nil, message)
	return append(append(dst, quoted[len(`{"error":`):len(quoted)-1]...), '}')
}
