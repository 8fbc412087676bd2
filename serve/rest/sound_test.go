package rest

import (
	"bufio"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"
)

// TestUnsound sends requests whose header does not hold together: each is refused at once, with its reason and nothing
// of what was sent, and the connection closes.
func TestUnsound(t *testing.T) {
	_, address := sums(t, Options{MaxBody: 1 << 20})
	const post, next = "POST /v2/models/sum/infer HTTP/1.1\r\nHost: x\r\n", "GET /v2 HTTP/1.1\r\nHost: y\r\nAuthorization: Bearer SECRET\r\n\r\n"
	for _, c := range []struct {
		name, request string
		status        int
	}{
		{"a body without an end", post + "Transfer-Encoding: identity\r\n\r\n" + next, 400},
		{"a length and identity", post + fmt.Sprintf("tRansfer-encoding: identity\r\nContent-Length: %d\r\n\r\n", len(next)) + next, 400},
		{"HTTP/2.0", "GET /v2 HTTP/2.0\r\nHost: x\r\n\r\n" + next, 505},
		{"HTTP/9.9", "GET /v2 HTTP/9.9\r\nHost: x\r\n\r\n" + next, 505},
		{"an unknown expectation", post + "Expect: 200-maybe\r\nContent-Length: 2\r\n\r\n{}", 417},
		{"a header that is none", "GET /v2 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer SECRET\r\nbroken\r\n\r\n", 400},
		{"a value with a NUL", "GET /v2 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer SECRET\x00\r\n\r\n", 400},
		{"a broken trailer", post + "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nbad trailer\r\n\r\n" + next, 400},
		{"an unknown model", strings.Replace(post, "sum", "no", 1) + "Expect: 100-continue\r\nContent-Length: 99\r\n\r\n", 404},
		{"an unknown path", "POST /nowhere HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 99\r\n\r\n", 404},
		{"a large body", post + "Expect: 100-continue\r\nContent-Length: 999999999\r\n\r\n", 413},
	} {
		t.Run(c.name, func(t *testing.T) {
			conn := dialed(t, address)
			io.WriteString(conn, c.request)
			conn.SetReadDeadline(time.Now().Add(3 * time.Second))
			all, err := io.ReadAll(conn)
			text := string(all)
			if err != nil {
				t.Errorf("the connection stays open: %v", err)
			}
			if !strings.HasPrefix(text, fmt.Sprintf("HTTP/1.1 %d ", c.status)) || !strings.Contains(text, `{"error":`) || strings.Count(text, "HTTP/1.1 ") != 1 {
				t.Errorf("want one answer, %d: %s", c.status, text)
			}
			if strings.Contains(text, "SECRET") || strings.Contains(text, "bad trailer") {
				t.Errorf("the answer has what was sent: %s", text)
			}
		})
	}
}

// TestContinue holds that a good request that waits for "100 Continue" gets it, and then its answer.
func TestContinue(t *testing.T) {
	_, address := sums(t, Options{})
	conn := dialed(t, address)
	fmt.Fprintf(conn, "POST /v2/models/sum/infer HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n", len(sumRequest))
	r := bufio.NewReader(conn)
	if line, err := r.ReadString('\n'); err != nil || !strings.Contains(line, "100") {
		t.Fatal(line, err)
	}
	r.ReadString('\n')
	io.WriteString(conn, sumRequest)
	if a := respond(t, r, "POST"); a.status != 200 {
		t.Errorf("%d %s", a.status, a.body)
	}
}
