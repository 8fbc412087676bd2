package null

import (
	"bytes"
	"strconv"
	"strings"
	"testing"
)

func post(body int, fields ...string) string {
	return "POST /v2/models/m/infer HTTP/1.1\r\nHost: h\r\nContent-Length: " + strconv.Itoa(body) + "\r\n" + strings.Join(fields, "") + "\r\n" + strings.Repeat("x", body)
}

func TestRequests(t *testing.T) {
	for _, c := range []struct {
		name, in string
		whole    int
		last     bool
		err      error
	}{
		{"no body", "GET / HTTP/1.1\r\n\r\n", 1, false, nil},
		{"body", post(3000), 1, false, nil},
		{"body not whole", post(3000)[:1000], 0, false, nil},
		{"header not whole", "POST / HTTP/1.1\r\nContent-Le", 0, false, nil},
		{"pipelined", post(5) + post(0) + post(70000) + "GET / HTTP/1.1\r\n\r\n" + post(5), 5, false, nil},
		{"a body that looks like a request", post(5)[:len(post(5))-5] + "GET /" + post(0), 2, false, nil},
		{"names in any case", "POST / HTTP/1.1\r\ncontent-LENGTH:3\r\n\r\nabc", 1, false, nil},
		{"connection close", post(3, "Connection: Close\r\n") + post(3), 1, true, nil},
		{"HTTP/1.0", "GET / HTTP/1.0\r\n\r\n", 1, true, nil},
		{"chunked", "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", 0, false, errLength},
		{"no number", "POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 0, false, errHead},
		{"no field", "GET / HTTP/1.1\r\nHost\r\n\r\n", 0, false, errHead},
		{"no HTTP", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 0, false, errHead},
		{"a header without end", "GET / HTTP/1.1\r\nA: " + strings.Repeat("a", mostHead), 0, false, errHead},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, step := range []int{1, 3, 100, 1 << 20} {
				r, whole, err := feed([]byte(c.in), step)
				if whole != c.whole || r.last != c.last || err != c.err {
					t.Errorf("in steps of %d: got %d requests, last %t, %v; want %d, %t, %v", step, whole, r.last, err, c.whole, c.last, c.err)
				}
			}
		})
	}
}

// feed gives b in pieces and counts the requests up to the first error.
func feed(b []byte, step int) (*requests, int, error) {
	var r requests
	whole := 0
	for len(b) > 0 && !r.last {
		n := min(step, len(b))
		got, err := r.feed(b[:n])
		if whole += got; err != nil {
			return &r, whole, err
		}
		b = b[n:]
	}
	return &r, whole, nil
}

func FuzzRequests(f *testing.F) {
	f.Add([]byte(post(5)+post(0)), 7)
	f.Add([]byte("GET / HTTP/1.1\r\nConnection: close\r\n\r\nrest"), 1)
	f.Fuzz(func(t *testing.T, b []byte, step int) {
		if len(b) >= mostHead || step < 1 {
			return // in one piece a longer header is found to be too long earlier
		}
		at, wholeAt, errAt := feed(bytes.Clone(b), step)
		one, whole, err := feed(b, len(b)+1)
		if wholeAt != whole || errAt != err || at.last != one.last {
			t.Fatalf("in steps of %d: %d requests, last %t, %v; at once: %d, %t, %v", step, wholeAt, at.last, errAt, whole, one.last, err)
		}
	})
}
