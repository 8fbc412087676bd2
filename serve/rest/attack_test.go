package rest

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"

	"infer/model/engine/enginetest"
	"infer/model/tensor"
	"infer/serve/repository"
)

// attack is a request that would harm a server that believes what it is told.
type attack struct {
	name   string
	path   string // "": infer on the model of sums
	header string // lines, each with its end
	body   string
	send   func(io.Writer) error // instead of body and its length
	status int
	says   string // in the error
	memory uint64 // bytes that the process may take for it; 0: 2 MiB
}

const sumInput = `{"name":"b","shape":[1,2],"datatype":"FP32","data":[1,2]}`

func sumInputs(a string) string { return `{"inputs":[` + a + `,` + sumInput + `]}` }

// repeated writes a header with the length, then a prefix and n times the same.
func repeated(prefix, what string, n int) func(io.Writer) error {
	return func(w io.Writer) error {
		if _, err := fmt.Fprintf(w, "Content-Length: %d\r\n\r\n%s", len(prefix)+n*len(what), prefix); err != nil {
			return err
		}
		const block = 1 << 12
		piece := []byte(strings.Repeat(what, block))
		for ; n >= block; n -= block {
			if _, err := w.Write(piece); err != nil {
				return err
			}
		}
		_, err := w.Write(piece[:n*len(what)])
		return err
	}
}

// announced writes a length and the first byte of a body, and no more.
func announced(length int) func(io.Writer) error {
	return func(w io.Writer) error {
		_, err := fmt.Fprintf(w, "Content-Length: %d\r\n\r\n{", length)
		return err
	}
}

// chunks writes a body of n chunks of one byte each.
func chunks(n int) func(io.Writer) error {
	return func(w io.Writer) error {
		if _, err := io.WriteString(w, "Transfer-Encoding: chunked\r\n\r\n"); err != nil {
			return err
		}
		b := bufio.NewWriterSize(w, 1<<16)
		for range n {
			b.WriteString("1\r\n \r\n")
		}
		b.WriteString("0\r\n\r\n")
		return b.Flush()
	}
}

// bomb is a gzip stream of zeros.
func bomb(size int) string {
	var b bytes.Buffer
	z, _ := gzip.NewWriterLevel(&b, gzip.BestSpeed)
	zeros := make([]byte, 1<<20)
	for range size >> 20 {
		z.Write(zeros)
	}
	z.Close()
	return b.String()
}

func attacks() []attack {
	binaryBody, head := sumBinary()
	jsonLen := func(n string) string { return "Inference-Header-Content-Length: " + n + "\r\n" }
	return []attack{
		{name: "a shape of 1e12 elements", body: sumInputs(`{"name":"a","shape":[1000000000000,1],"datatype":"FP32","data":[1]}`), status: 413, says: "a"},
		{name: "a shape of 1e9 elements", body: sumInputs(`{"name":"a","shape":[1000000000,1],"datatype":"INT8","data":[1]}`), status: 413, says: "a"},
		{name: "a shape whose product overflows", body: sumInputs(`{"name":"a","shape":[4294967296,4294967296],"datatype":"FP32","data":[1]}`), status: 400, says: "a"},
		{name: "a negative shape", body: sumInputs(`{"name":"a","shape":[-1,2],"datatype":"FP32","data":[1,2]}`), status: 400, says: "a"},
		{name: "nested brackets", send: repeated("", "[", 100_000), status: 400},
		{name: "nested brackets in data", send: repeated(`{"inputs":[{"name":"a","shape":[1,2],"datatype":"FP32","data":`, "[", 100_000), status: 400},
		{name: "brackets under an ignored key", send: repeated(`{"ignored":`, "[", 5_000_000), status: 400, memory: 40 << 20},
		{name: "one-byte chunks", send: chunks(3_000_000), status: 400, memory: 40 << 20},
		{name: "a gzip bomb", header: "Content-Encoding: gzip\r\n", body: bomb(64 << 20), status: 413, memory: 64 << 20},
		{name: "gzip that is none", header: "Content-Encoding: gzip\r\n", body: "hello", status: 400, says: "decompress"},
		{name: "an unknown encoding", header: "Content-Encoding: br\r\n", body: "hello", status: 415, says: "br"},
		{name: "a length over the limit", send: announced(999_999_999), status: 413, says: "67108864"},
		{name: "a header length that is no number", header: jsonLen("abc"), body: sumRequest, status: 400, says: "Unable to parse Inference-Header-Content-Length, got: abc"},
		{name: "a negative header length", header: jsonLen("-5"), body: sumRequest, status: 400, says: "got: -5"},
		{name: "a header length over the body", header: jsonLen("9999999"), body: sumRequest, status: 400, says: "inference header size should be in range"},
		{name: "a header length within the JSON", header: jsonLen("20"), body: sumRequest, status: 400},
		{name: "bytes left over", header: jsonLen(fmt.Sprint(head)), body: string(binaryBody) + "xy", status: 400, says: "unexpected additional input data"},
		{name: "bytes missing", header: jsonLen(fmt.Sprint(head)), body: string(binaryBody[:len(binaryBody)-3]), status: 400, says: "b"},
		{name: "an output asked for twice", body: strings.TrimSuffix(sumRequest, "}") + `,"outputs":[{"name":"c"},{"name":"c"}]}`, status: 400, says: "c"},
		{name: "an unknown output", body: strings.TrimSuffix(sumRequest, "}") + `,"outputs":[{"name":"z"}]}`, status: 400, says: "z"},
		{name: "an input given twice", body: `{"inputs":[` + sumInput + `,` + sumInput + `]}`, status: 400, says: "b"},
		{name: "an input missing", body: `{"inputs":[` + sumInput + `]}`, status: 400, says: "a"},
		{name: "no inputs", body: `{"inputs":[]}`, status: 400, says: "a"},
		{name: "a wrong dtype", body: sumInputs(`{"name":"a","shape":[1,2],"datatype":"INT32","data":[1,2]}`), status: 400, says: "a"},
		{name: "an unknown dtype", body: sumInputs(`{"name":"a","shape":[1,2],"datatype":"FP99","data":[1,2]}`), status: 400, says: "FP99"},
		{name: "a wrong shape", body: sumInputs(`{"name":"a","shape":[1,3],"datatype":"FP32","data":[1,2,3]}`), status: 400, says: "a"},
		{name: "too few elements", body: sumInputs(`{"name":"a","shape":[1,2],"datatype":"FP32","data":[1]}`), status: 400, says: "a"},
		{name: "rows that differ", body: sumInputs(`{"name":"a","shape":[2,2],"datatype":"FP32","data":[1,2,3,4]}`), status: 400, says: "b"},
		{name: "an integer out of range", path: "/v2/models/small/infer", body: `{"inputs":[{"name":"x","shape":[1],"datatype":"INT8","data":[300]}]}`, status: 400, says: "x"},
		{name: "classes of strings", path: "/v2/models/words/infer",
			body: `{"inputs":[{"name":"x","shape":[1],"datatype":"BYTES","data":["a"]}],"outputs":[{"name":"y","parameters":{"classification":1}}]}`, status: 400, says: "y"},
		{name: "an open brace", body: "{", status: 400},
		{name: "nothing", body: "", status: 400},
		{name: "an unknown model", path: "/v2/models/nope/infer", body: sumRequest, status: 404, says: "nope"},
		{name: "an unknown version", path: "/v2/models/sum/versions/99/infer", body: sumRequest, status: 404, says: "99"},
		{name: "a label", path: "/v1/models/sum/labels/stable:predict", body: `{"instances":[1]}`, status: 404, says: "stable"},
		{name: "a timeout that is none", header: "X-Request-Timeout: soon\r\n", body: sumRequest, status: 400, says: "soon"},
		{name: "a priority that is none", header: "X-Infer-Priority: high\r\n", body: sumRequest, status: 400, says: "high"},
		{name: "a header over the limit", header: "X-Long: " + strings.Repeat("x", 20_000) + "\r\n", body: sumRequest, status: 431, says: "8192"},
		{name: "no HTTP", header: "not a header line\r\n", body: sumRequest, status: 400},
	}
}

// TestAttacks sends requests that kill or fool other servers, each over a connection of its own: they are refused with
// a status of 4xx and a text that names what is wrong, and take little memory.
func TestAttacks(t *testing.T) {
	folder := t.TempDir()
	_, address := served(t, Options{Repository: opened(t, repository.Options{},
		saved(t, enginetest.Add("n", 2), folder, "sum.onnx"),
		saved(t, enginetest.Identity(tensor.String, "n"), folder, "words.onnx"),
		saved(t, enginetest.Identity(tensor.Int8, "n"), folder, "small.onnx"))})
	for _, a := range attacks() {
		t.Run(a.name, func(t *testing.T) {
			a.run(t, address)
			if got := ask(t, "POST", "http://"+address+"/v2/models/sum/infer", sumRequest); got.status != 200 {
				t.Errorf("after it the server answers %d %s", got.status, got.body)
			}
		})
	}
}

func (a attack) run(t *testing.T, address string) {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if a.path == "" {
		a.path = "/v2/models/sum/infer"
	}
	if a.memory == 0 {
		a.memory = 2 << 20
	}
	before := allocated()
	sent := make(chan error, 1)
	go func() { sent <- a.write(conn) }()
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatalf("no answer: %v (sent: %v)", err, <-sent)
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	<-sent // may have failed: the server need not read it all
	took := allocated() - before
	got := answer{status: resp.StatusCode, header: resp.Header, body: string(body)}
	text, _ := got.fields(t)["error"].(string)
	if got.status != a.status || !strings.Contains(text, a.says) || text == "" {
		t.Errorf("%d %q, want %d and %q", got.status, got.body, a.status, a.says)
	}
	if took > a.memory {
		t.Errorf("it took %d bytes of memory, want at most %d", took, a.memory)
	}
}

func (a attack) write(w io.Writer) error {
	if _, err := fmt.Fprintf(w, "POST %s HTTP/1.1\r\nHost: localhost\r\n%s", a.path, a.header); err != nil {
		return err
	}
	if a.send != nil {
		return a.send(w)
	}
	_, err := fmt.Fprintf(w, "Content-Length: %d\r\n\r\n%s", len(a.body), a.body)
	return err
}

// allocated is all memory that this process has ever taken: what a request takes can only add to it.
func allocated() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.TotalAlloc
}
