package http1

import (
	"net/http"
	"testing"
)

func TestRequest(t *testing.T) {
	r, err := NewRequest("POST", "/v2/models/m/infer?x=%20", "h:1", http.Header{"X-A": {"1", "2"}, "Content-Type": {"a/b"}}, []byte("body"))
	want := "POST /v2/models/m/infer?x=%20 HTTP/1.1\r\nHost: h:1\r\nContent-Type: a/b\r\nX-A: 1\r\nX-A: 2\r\nUser-Agent: infer\r\nContent-Length: 4\r\n\r\nbody"
	if err != nil || string(r.raw) != want || r.Size() != len(want) {
		t.Errorf("%q: %v", r.raw, err)
	}
	for _, c := range []struct {
		name, method, target, host string
		headers                    http.Header
	}{
		{"method", "GE T", "/", "h", nil},
		{"target with a line end", "GET", "/\r\nX: y", "h", nil},
		{"target with a blank", "GET", "/a b", "h", nil},
		{"target without a slash", "GET", "x", "h", nil},
		{"host", "GET", "/", "h\r\nX: y", nil},
		{"no host", "GET", "/", "", nil},
		{"header name", "GET", "/", "h", http.Header{"A:b": {"c"}}},
		{"header value", "GET", "/", "h", http.Header{"A": {"c\r\nX: y"}}},
		{"length", "GET", "/", "h", http.Header{"content-length": {"4"}}},
		{"coding", "GET", "/", "h", http.Header{"Transfer-Encoding": {"chunked"}}},
	} {
		if _, err := NewRequest(c.method, c.target, c.host, c.headers, nil); err == nil {
			t.Errorf("%s: no error", c.name)
		}
	}
}
