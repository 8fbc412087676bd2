package http1

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"infer/internal/fault"
)

// Request is a whole HTTP/1.1 request as it goes over the wire. It is immutable and may be shared.
type Request struct {
	raw  []byte
	head bool // of method HEAD, whose answers have no body
}

// NewRequest makes the bytes of a request once. target is the path with its query, from "/" on; host is the value of
// the Host header, which one in headers replaces. Content-Length follows from body. body is copied. A method, target or
// header that would not stay inside its line or its word is a Usage error.
func NewRequest(method, target, host string, headers http.Header, body []byte) (Request, error) {
	switch {
	case !isToken(method):
		return Request{}, fault.New(fault.Usage, "for example GET or POST", "%q is no HTTP method", method)
	case !strings.HasPrefix(target, "/") || strings.ContainsFunc(target, notVisible):
		return Request{}, fault.New(fault.Usage, "escape what is special as %20 and the like",
			"path %q does not begin with / or has a character that HTTP does not allow there", target)
	}
	if h := headers.Get("Host"); h != "" {
		host = h
	}
	if host == "" || strings.ContainsFunc(host, notVisible) {
		return Request{}, fault.New(fault.Usage, "", "host %q is not one that a Host header may have", host)
	}
	raw := make([]byte, 0, 256+len(body))
	raw = append(raw, method+" "+target+" HTTP/1.1\r\nHost: "+host+"\r\n"...)
	raw, err := appendHeaders(raw, headers)
	if err != nil {
		return Request{}, err
	}
	if _, ok := headers["User-Agent"]; !ok {
		raw = append(raw, "User-Agent: infer\r\n"...)
	}
	if len(body) > 0 || method == http.MethodPost || method == http.MethodPut || method == http.MethodPatch {
		raw = append(raw, "Content-Length: "...)
		raw = strconv.AppendInt(raw, int64(len(body)), 10)
		raw = append(raw, "\r\n"...)
	}
	raw = append(raw, "\r\n"...)
	return Request{raw: append(raw, body...), head: method == http.MethodHead}, nil
}

// Size returns the bytes of the request, head and body.
func (r Request) Size() int { return len(r.raw) }

// appendHeaders appends all but Host, by name, so that the same headers are the same bytes.
func appendHeaders(raw []byte, headers http.Header) ([]byte, error) {
	names := make([]string, 0, len(headers))
	for name := range headers {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		switch canonical := http.CanonicalHeaderKey(name); {
		case !isToken(name):
			return nil, fault.New(fault.Usage, "write a header as 'Name: value'", "%q is no name of a header", name)
		case canonical == "Content-Length", canonical == "Transfer-Encoding":
			return nil, fault.New(fault.Usage, "leave it out: it follows from the body", "header %s cannot be set", name)
		case canonical == "Host":
			continue
		}
		for _, value := range headers[name] {
			if strings.ContainsFunc(value, isControl) {
				return nil, fault.New(fault.Usage, "take the line breaks out", "header %s has a control character in its value %q", name, value)
			}
			raw = append(raw, name+": "+value+"\r\n"...)
		}
	}
	return raw, nil
}

func isToken(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return notVisible(r) || r > '~' || strings.ContainsRune(`"(),/:;<=>?@[\]{}`, r)
	})
}

func notVisible(r rune) bool { return r <= ' ' || r == 0x7f }

func isControl(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }
