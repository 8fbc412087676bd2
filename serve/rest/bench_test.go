package rest

import (
	"bufio"
	"fmt"
	"io"
	"log/slog"
	"net"
	"testing"

	"github.com/valyala/fasthttp/fasthttputil"

	"infer/model"
	"infer/model/engine/enginetest"
	"infer/model/tensor"
	"infer/serve/repository"
)

// heard is an observer that does nothing: what it costs to tell it is part of the path.
type heard struct{}

func (heard) Run(repository.RunEvent) repository.SpanContext { return repository.SpanContext{} }
func (heard) Request(*repository.RequestEvent)               {}
func (heard) Model(repository.ModelEvent)                    {}

// BenchmarkInfer sends the request of a small image classifier, 784 floats, through a connection in memory, and reads
// the answer: the whole server without the kernel. Client and server together allocate what is reported.
func BenchmarkInfer(b *testing.B) {
	plain := Options{Observer: heard{}}
	logged := plain
	logged.AccessLog = slog.New(slog.NewJSONHandler(io.Discard, nil))
	untimed := plain
	untimed.NoTiming = true
	for _, c := range []struct {
		name string
		o    Options
		ask  []byte
	}{
		{"binary", plain, binaryImage()},
		{"json", plain, jsonImage()},
		{"tfs", plain, rowImage()},
		{"binary-untimed", untimed, binaryImage()},
		{"binary-logged", logged, binaryImage()},
	} {
		b.Run(c.name, func(b *testing.B) {
			conn := dialMemory(b, c.o)
			r := bufio.NewReaderSize(conn, 16<<10)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := conn.Write(c.ask); err != nil {
					b.Fatal(err)
				}
				if err := readAnswer(r); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// TestInferAllocates holds that a request through the whole server takes no memory: client, handler, decoding, run and
// encoding. The one small allocation that is allowed is fasthttp's, which wraps the body in a reader of its own when it
// makes sure that none is left.
func TestInferAllocates(t *testing.T) {
	if raced {
		t.Skip("pools lose what they hold under the race detector")
	}
	for _, c := range []struct {
		name string
		ask  []byte
	}{{"binary", binaryImage()}, {"json", jsonImage()}, {"tfs", rowImage()}} {
		t.Run(c.name, func(t *testing.T) {
			conn := dialMemory(t, Options{Observer: heard{}})
			r := bufio.NewReaderSize(conn, 16<<10)
			n := testing.AllocsPerRun(300, func() {
				if _, err := conn.Write(c.ask); err != nil {
					t.Fatal(err)
				}
				if err := readAnswer(r); err != nil {
					t.Fatal(err)
				}
			})
			if n > 1 {
				t.Errorf("a request takes %v allocations, want fasthttp's one", n)
			}
		})
	}
}

// dialMemory serves a model that gives its input back, 784 floats a row, and returns a connection to it in memory.
func dialMemory(t testing.TB, o Options) net.Conn {
	t.Helper()
	o.Repository = opened(t, repository.Options{}, saved(t, picture(), t.TempDir(), "image.onnx"))
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	ln := fasthttputil.NewInmemoryListener()
	go func() { _ = s.Serve(ln) }()
	t.Cleanup(func() { ln.Close() })
	conn, err := ln.Dial()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// picture is the model of the benchmarks: rows of one image of 28 x 28, answered with ten numbers of it.
func picture() *model.Model { return enginetest.Identity(tensor.Float32, "n", 1, 28, 28) }

func binaryImage() []byte {
	head := `{"inputs":[{"name":"x","shape":[1,1,28,28],"datatype":"FP32","parameters":{"binary_data_size":3136}}],"outputs":[{"name":"y","parameters":{"binary_data":true}}]}`
	body := append([]byte(head), floats(make([]float32, 784)...)...)
	return request("/v2/models/image/infer", body, fmt.Sprintf("Inference-Header-Content-Length: %d\r\n", len(head)))
}

func jsonImage() []byte {
	return request("/v2/models/image/infer", fmt.Appendf(nil, `{"inputs":[{"name":"x","shape":[1,1,28,28],"datatype":"FP32","data":%s}]}`, zeros(784)), "")
}

func rowImage() []byte {
	line := zeros(28)
	rows := append([]byte{'['}, line...)
	for range 27 {
		rows = append(append(rows, ','), line...)
	}
	return request("/v1/models/image:predict", fmt.Appendf(nil, `{"instances":[[%s]]}`, append(rows, ']')), "")
}

// zeros is a JSON array of n numbers.
func zeros(n int) []byte {
	b := []byte("[0.5")
	for range n - 1 {
		b = append(b, ",0.25"...)
	}
	return append(b, ']')
}

func request(path string, body []byte, lines string) []byte {
	return append(fmt.Appendf(nil, "POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n%s\r\n", path, len(body), lines), body...)
}

// readAnswer reads one answer with a status of 200 and drops it, without memory.
func readAnswer(r *bufio.Reader) error {
	length := -1
	for first := true; ; first = false {
		line, err := r.ReadSlice('\n')
		if err != nil {
			return err
		}
		if first && (len(line) < 12 || string(line[9:12]) != "200") {
			rest, _ := r.Peek(min(r.Buffered(), 600))
			return fmt.Errorf("answer %q … %q", line, rest)
		}
		const name = "Content-Length: "
		if len(line) > len(name) && string(line[:len(name)]) == name {
			length = 0
			for _, c := range line[len(name) : len(line)-2] {
				length = length*10 + int(c-'0')
			}
		}
		if len(line) == 2 {
			break
		}
	}
	_, err := r.Discard(length)
	return err
}
