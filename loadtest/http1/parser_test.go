package http1

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"infer/loadtest/sample"
)

// parse feeds data in pieces that end where cuts say, then the end of the connection, and describes the outcome.
func parse(p *parser, data []byte, keep, bare bool, cuts []int) (used int, err error) {
	p.reset(keep, bare)
	last := 0
	for _, at := range append(cuts, len(data)) {
		n, done, err := p.feed(data[last:at])
		if used += n; done || err != nil {
			return used, err
		}
		last = at
	}
	return used, p.end()
}

func TestParser(t *testing.T) {
	for _, c := range answers {
		t.Run(c.name, func(t *testing.T) {
			var p parser
			used, err := parse(&p, []byte(c.bytes), true, false, nil)
			if err != nil || used != len(c.bytes) || p.status != c.code || p.size != c.size || p.close != c.closes {
				t.Errorf("used %d of %d, status %d, size %d, close %v: %v", used, len(c.bytes), p.status, p.size, p.close, err)
			}
			if p.status < 300 && int64(len(p.body)) != c.size {
				t.Errorf("body %q", p.body)
			}
		})
	}
}

// TestParserPipelined gives more than one answer: the next one is not touched.
func TestParserPipelined(t *testing.T) {
	var p parser
	if used, err := parse(&p, []byte(ok+ok), false, false, nil); err != nil || used != len(ok) || len(p.body) != 0 {
		t.Errorf("used %d, kept %q: %v", used, p.body, err)
	}
	head := "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"
	if used, err := parse(&p, []byte(head+ok), false, true, nil); err != nil || used != len(head) {
		t.Errorf("of HEAD: used %d: %v", used, err)
	}
}

func TestParserBehind(t *testing.T) {
	for _, c := range []struct {
		status uint16
		rest   string
		want   string
	}{
		{200, "", ""}, {200, "\r\n", ""}, {200, "\n", ""}, {500, "JUNK", ""},
		{200, "JUNK", "4 bytes came behind the end of the answer"}, {204, "\r\n\r\n", "4 bytes came behind the end of the answer"},
	} {
		p := parser{answer: answer{status: c.status}}
		if err := p.behind([]byte(c.rest)); (err == nil) != (c.want == "") || err != nil && err.Error() != c.want {
			t.Errorf("%d, %q: %v, want %q", c.status, c.rest, err, c.want)
		}
	}
}

// TestParserMemory has bodies for which there is memory, and not: those are counted, and everything is given back.
func TestParserMemory(t *testing.T) {
	m := new(memory)
	m.left.Store(100 << 10)
	body := strings.Repeat("x", 64<<10)
	length := "HTTP/1.1 200 OK\r\nContent-Length: 65536\r\n\r\n" + body
	chunks := "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n8000\r\n" + body[:32<<10] + "\r\n8000\r\n" + body[32<<10:] + "\r\n0\r\n\r\n"
	first, second := parser{memory: m}, parser{memory: m}
	for _, c := range []struct {
		name, bytes string
		p           *parser
		kept        bool
	}{{"first", length, &first, true}, {"no memory", length, &second, false}, {"no memory", chunks, &second, false}, {"first again", chunks, &first, true}} {
		if _, err := parse(c.p, []byte(c.bytes), true, false, []int{1000, 40000}); err != nil || c.p.size != 64<<10 || c.p.unkept == c.kept ||
			c.kept != (string(c.p.body) == body) || !c.kept && c.p.body != nil {
			t.Errorf("%s: size %d, kept %d: %v", c.name, c.p.size, len(c.p.body), err)
		}
		if left := m.left.Load(); left != 100<<10-int64(cap(first.body)+cap(second.body)) {
			t.Errorf("%s: %d bytes are left, %d and %d held", c.name, left, cap(first.body), cap(second.body))
		}
	}
	first.forget()
	if _, err := parse(&second, []byte(chunks), true, false, nil); err != nil || string(second.body) != body {
		t.Errorf("with memory again: kept %d: %v", len(second.body), err)
	}
	if second.forget(); m.left.Load() != 100<<10 {
		t.Errorf("%d bytes are left", m.left.Load())
	}
}

func TestMemoryUnpack(t *testing.T) {
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	r := rand.New(rand.NewPCG(1, 2))
	body := make([]byte, 2<<20)
	for i := range body {
		body[i] = byte(r.IntN(16))
	}
	z.Write(body)
	z.Close()
	m := new(memory)
	for _, c := range []struct {
		left int64
		want error
	}{{1 << 20, errNoMemory}, {10 << 20, nil}} {
		m.left.Store(c.left)
		out, held, err := m.unpack("gzip", packed.Bytes())
		if !errors.Is(err, c.want) || err == nil && (len(out) != 2<<20 || held < len(out)) {
			t.Errorf("%d left: %d bytes, %d held: %v", c.left, len(out), held, err)
		}
		if m.give(held); m.left.Load() != c.left {
			t.Errorf("%d left, %d given back", c.left, m.left.Load())
		}
	}
}

func TestParserErrors(t *testing.T) {
	head := "HTTP/1.1 200 OK\r\n"
	for _, c := range []struct{ name, bytes, want string }{
		{"nothing", "", "before it answered"},
		{"garbage", "SSH-2.0-OpenSSH_9.6\r\n", `not HTTP/1.1: it starts with "SSH-2.0-OpenSSH_9.6"`},
		{"garbage without a line", "\x16\x03\x01\x00\x02", "not HTTP/1.1: it starts with"},
		{"alert of TLS", "\x15\x03\x01\x00\x02\x02\x46", "the server speaks TLS: write https://"},
		{"alert of TLS with a line end", "\x15\x03\x03\x00\x02\x02\n", "the server speaks TLS: write https://"},
		{"settings of HTTP/2", "\x00\x00\x06\x04\x00\x00\x00\x00\x00\x00\x05\x00\x00\x40\x00", "HTTP/2, as gRPC does: write grpc://"},
		{"settings of HTTP/2 with a line end", "\x00\x00\x06\x04\x00\x00\x00\x00\x00\x00\x05\x00\x00\n\x00", "HTTP/2, as gRPC does: write grpc://"},
		{"goaway of HTTP/2", "\x00\x00\x08\x07\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01", "HTTP/2, as gRPC does: write grpc://"},
		{"http/2", "HTTP/2.0 200 OK\r\n\r\n", "not HTTP/1.1"},
		{"http/1.2", "HTTP/1.2 200 OK\r\n\r\n", "not HTTP/1.1"},
		{"no status", "HTTP/1.1 2OO okay\r\n\r\n", "no status"},
		{"status 99", "HTTP/1.1 099 OK\r\n\r\n", "no status"},
		{"status too long", "HTTP/1.1 2000 OK\r\n\r\n", "not HTTP/1.1"},
		{"another protocol", "HTTP/1.1 101 Switching\r\n\r\n", "switched"},
		{"half a head", head, "middle"},
		{"half a body", head + "Content-Length: 3\r\n\r\nab", "middle"},
		{"half a chunk", head + "Transfer-Encoding: chunked\r\n\r\n3\r\nab", "middle"},
		{"no last chunk", head + "Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n", "middle"},
		{"no colon", head + "Content-Length 3\r\n\r\n", "no header"},
		{"blank before the colon", head + "Content-Length : 3\r\n\r\n", "no header"},
		{"folded", head + "A: b\r\n c\r\n\r\n", "several lines"},
		{"two lengths", head + "Content-Length: 3\r\nContent-Length: 4\r\n\r\n", "differ"},
		{"negative length", head + "Content-Length: -3\r\n\r\n", `Content-Length "-3"`},
		{"empty length", head + "Content-Length:\r\n\r\n", "Content-Length"},
		{"length over an int64", head + "Content-Length: 9223372036854775808\r\n\r\n", "Content-Length"},
		{"length of 20 digits", head + "Content-Length: 10000000000000000000000\r\n\r\n", "Content-Length"},
		{"length and chunks", head + "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n", "both"},
		{"coded transfer", head + "Transfer-Encoding: gzip, chunked\r\n\r\n", "not supported"},
		{"chunked twice", head + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", "not supported"},
		{"no chunk size", head + "Transfer-Encoding: chunked\r\n\r\n;a=b\r\n", "size"},
		{"negative chunk", head + "Transfer-Encoding: chunked\r\n\r\n-1\r\n", "size"},
		{"odd digit", head + "Transfer-Encoding: chunked\r\n\r\n\x10\r\n", "size"},
		{"huge chunk", head + "Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n", "size"},
		{"long chunk", head + "Transfer-Encoding: chunked\r\n\r\n2\r\nabc\r\n0\r\n\r\n", "longer than its size"},
		{"long head", head + strings.Repeat("A: "+strings.Repeat("b", 1000)+"\r\n", 70) + "\r\n", "64 KiB"},
		{"long line", head + "A: " + strings.Repeat("b", 70<<10), "64 KiB"},
		{"endless 1xx", strings.Repeat("HTTP/1.1 100 Continue\r\n\r\n", 3000), "64 KiB"},
		{"body too long", head + "Content-Length: 268435457\r\n\r\n", "256 MiB"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var p parser
			if _, err := parse(&p, []byte(c.bytes), true, false, nil); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want %q", err, c.want)
			}
		})
	}
}

func TestParserTells(t *testing.T) {
	const unt = sample.Untold
	for _, c := range []struct {
		header         string
		queue, compute time.Duration
		batch          int32
		jsonLen        int
	}{
		{"Server-Timing: queue;dur=1.234, compute;dur=0.456", 1234000, 456000, 0, -1},
		{"server-timing: cache;desc=\"a, queue;dur=9\", compute;desc=\"x;y\";dur=12,total", unt, 12 * time.Millisecond, 0, -1},
		{"Server-Timing: queue ; DUR = 0.0000019999", 1, unt, 0, -1},
		{"Server-Timing: queue;dur=-1, compute;dur=1e3", unt, unt, 0, -1},
		{"Server-Timing: queue;dur=9999999999999, compute", unt, unt, 0, -1},
		{"Server-Timing: queue;dur=1.5\r\nServer-Timing: compute;dur=\"2\"", 1500000, 2000000, 0, -1},
		{"X-Infer-Batch-Size: 8\r\nInference-Header-Content-Length: 120", unt, unt, 8, 120},
		{"X-Infer-Batch-Size: 8000000000\r\nInference-Header-Content-Length: -1", unt, unt, 0, -1},
	} {
		t.Run(c.header, func(t *testing.T) {
			var p parser
			if _, err := parse(&p, []byte("HTTP/1.1 204 No Content\r\n"+c.header+"\r\n\r\n"), false, false, nil); err != nil {
				t.Fatal(err)
			}
			if p.queue != c.queue || p.compute != c.compute || p.batch != c.batch || p.jsonLen != c.jsonLen {
				t.Errorf("queue %v, compute %v, batch %d, JSON %d", p.queue, p.compute, p.batch, p.jsonLen)
			}
		})
	}
}

// outcome describes what was read, without what a text quotes of the pieces.
func outcome(p *parser, used int, err error) string {
	if err != nil {
		return "error"
	}
	return fmt.Sprintf("%d %+v %q", used, p.answer, p.body)
}

// TestParserInPieces cuts every answer at every place, and into single bytes.
func TestParserInPieces(t *testing.T) {
	for _, c := range answers {
		var whole, pieces parser
		used, err := parse(&whole, []byte(c.bytes), true, false, nil)
		want := outcome(&whole, used, err)
		every := []int{}
		for i := range c.bytes {
			used, err := parse(&pieces, []byte(c.bytes), true, false, []int{i})
			if got := outcome(&pieces, used, err); got != want {
				t.Fatalf("%s cut at %d: %s, want %s", c.name, i, got, want)
			}
			every = append(every, i)
		}
		used, err = parse(&pieces, []byte(c.bytes), true, false, every)
		if got := outcome(&pieces, used, err); got != want {
			t.Errorf("%s byte by byte: %s, want %s", c.name, got, want)
		}
	}
}

func FuzzParser(f *testing.F) {
	for _, c := range answers {
		f.Add([]byte(c.bytes), uint64(1), false)
	}
	f.Fuzz(func(t *testing.T, data []byte, seed uint64, bare bool) {
		var whole, pieces parser
		used, err := parse(&whole, data, true, bare, nil)
		if err == nil && (used > len(data) || int64(len(whole.body)) > whole.size) {
			t.Fatalf("used %d of %d, body of %d has %d", used, len(data), whole.size, len(whole.body))
		}
		r := rand.New(rand.NewPCG(seed, 0))
		var cuts []int
		for at := 0; at < len(data); at += 1 + r.IntN(16) {
			cuts = append(cuts, at)
		}
		usedAgain, errAgain := parse(&pieces, bytes.Clone(data), true, bare, cuts)
		if a, b := outcome(&whole, used, err), outcome(&pieces, usedAgain, errAgain); a != b {
			t.Fatalf("whole: %s\nin pieces: %s (%v, %v)", a, b, err, errAgain)
		}
	})
}

func BenchmarkParser(b *testing.B) {
	data := []byte("HTTP/1.1 200 OK\r\nServer: infer\r\nDate: Fri, 27 Nov 2026 08:00:00 GMT\r\nContent-Type: application/json\r\n" +
		"Content-Length: 3000\r\nServer-Timing: queue;dur=1.234, compute;dur=0.456\r\nX-Infer-Batch-Size: 8\r\n\r\n" + strings.Repeat("x", 3000))
	for _, keep := range []bool{false, true} {
		b.Run(fmt.Sprintf("keep=%v", keep), func(b *testing.B) {
			var p parser
			b.ReportAllocs()
			for b.Loop() {
				p.reset(keep, false)
				if _, done, err := p.feed(data); !done || err != nil {
					b.Fatal(done, err)
				}
			}
		})
	}
}
