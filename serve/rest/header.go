package rest

import (
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/valyala/fasthttp"

	"infer/internal/fault"
	"infer/serve/guard"
)

// Names of headers that are written, in the form that fasthttp looks for.
var (
	hRequestID    = []byte("X-Request-Id")
	hJSONLen      = []byte("Inference-Header-Content-Length")
	hTiming       = []byte("Server-Timing")
	hBatch        = []byte("X-Infer-Batch-Size")
	hDigest       = []byte("X-Infer-Model-Digest")
	hRetry        = []byte("Retry-After")
	hRetryMs      = []byte("Retry-After-Ms")
	hAllow        = []byte("Allow")
	hAccept       = []byte("Accept-Encoding")
	hVary         = []byte("Vary")
	hAuthenticate = []byte("Www-Authenticate")
	hPolicy       = []byte("Content-Security-Policy")

	jsonType   = []byte("application/json")
	binaryType = []byte("application/octet-stream")
)

// header is what the server reads of a request's header: views of it, nil where a line was not there.
type header struct {
	requestID, traceParent, traceState []byte
	jsonLen                            []byte // Inference-Header-Content-Length
	encoding, accept                   []byte // Content-Encoding, Accept-Encoding
	contentType                        []byte
	timeout, priority                  []byte
	authorization, apiKey              []byte
	expect                             []byte
}

// read takes everything in one pass.
func (h *header) read(from *fasthttp.RequestHeader) {
	for name, value := range from.All() {
		switch string(name) {
		case "X-Request-Id":
			h.requestID = value
		case "Traceparent":
			h.traceParent = value
		case "Tracestate":
			h.traceState = value
		case "Inference-Header-Content-Length":
			h.jsonLen = value
		case "Content-Encoding":
			h.encoding = value
		case "Accept-Encoding":
			h.accept = value
		case "Content-Type":
			h.contentType = value
		case "X-Request-Timeout", "Request-Timeout":
			h.timeout = value
		case "X-Infer-Priority":
			h.priority = value
		case "Authorization":
			h.authorization = value
		case "Expect":
			h.expect = value
		case "X-Api-Key":
			h.apiKey = value
		}
	}
}

// credential returns what shows who asks: the Authorization header, else X-API-Key; nil for none.
func (h *header) credential() []byte {
	return guard.Credential(h.authorization, h.apiKey)
}

// deadline returns when the client stops waiting, by its header: seconds, or a number with a unit (50ms, 1.5s). The
// zero time where it says nothing.
func (h *header) deadline(arrived time.Time) (time.Time, error) {
	if len(h.timeout) == 0 {
		return time.Time{}, nil
	}
	d, err := parseTimeout(view(h.timeout))
	if err != nil {
		return time.Time{}, err
	}
	return arrived.Add(d), nil
}

// longest is the longest timeout that means anything; it keeps sums of times in range.
const longest = 24 * time.Hour

func parseTimeout(s string) (time.Duration, error) {
	if strings.Trim(s, "+-.eE0123456789") == "" { // not the other forms of Go: 0x1p3, 1_0, Inf
		// A number out of range is returned as infinite, and so is longest.
		if seconds, err := strconv.ParseFloat(s, 64); seconds > 0 && (err == nil || errors.Is(err, strconv.ErrRange)) {
			return time.Duration(min(seconds, longest.Seconds()) * float64(time.Second)), nil
		}
	}
	if hours, err := strconv.ParseUint(strings.TrimSuffix(s, "h"), 10, 64); err == nil && strings.HasSuffix(s, "h") && hours >= 24 {
		return longest, nil // more of them than a Duration can hold are no error either
	}
	if d, err := time.ParseDuration(s); err == nil && d > 0 {
		return min(d, longest), nil
	}
	return 0, fault.New(fault.Usage, "", "request timeout %q is no positive number of seconds and no duration like 50ms", s)
}

// priorityOf returns the priority that a header asks for, 0 where it asks for none.
func (h *header) priorityOf() (int, error) {
	if len(h.priority) == 0 {
		return 0, nil
	}
	n, err := strconv.ParseUint(view(h.priority), 10, 31)
	if err != nil {
		return 0, fault.New(fault.Usage, "", "X-Infer-Priority %q is no whole number; 1 is the highest, 0 the default", h.priority)
	}
	return int(n), nil
}

// jsonLength returns how much of a body is JSON, -1 where the header does not say: all of it. The texts are those of
// Triton, which clients of it look for.
func (h *header) jsonLength(body int) (int, error) {
	if h.jsonLen == nil {
		return -1, nil
	}
	n, err := strconv.ParseInt(view(h.jsonLen), 10, 64)
	if err != nil {
		return 0, fault.New(fault.Usage, "", "Unable to parse Inference-Header-Content-Length, got: %s", h.jsonLen)
	}
	if n < 0 || n > int64(body) {
		return 0, fault.New(fault.Usage, "", "inference header size should be in range (0, %d), got: %d", body, n)
	}
	return int(n), nil
}

// appendMillis appends a duration as milliseconds with three decimals.
func appendMillis(dst []byte, d time.Duration) []byte {
	micros := max(d.Microseconds(), 0)
	dst = strconv.AppendInt(dst, micros/1000, 10)
	rest := micros % 1000
	return append(dst, '.', byte('0'+rest/100), byte('0'+rest/10%10), byte('0'+rest%10))
}
