package rest

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"infer/model"
	"infer/model/engine/enginetest"
	"infer/model/tensor"
	"infer/serve/repository"
)

// sharedModels is the folder of real models beside the checkout.
const sharedModels = "../../../shared/models"

// sharedModel returns the path of a real model, or skips.
func sharedModel(t testing.TB, path ...string) string {
	t.Helper()
	file := filepath.Join(append([]string{sharedModels}, path...)...)
	if _, err := os.Stat(file); err != nil {
		t.Skipf("no shared/models/%s beside the checkout", filepath.Join(path...))
	}
	return file
}

// saved writes a model into a folder of the test.
func saved(t testing.TB, m *model.Model, path ...string) string {
	t.Helper()
	file := filepath.Join(path...)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := m.Save(file, model.SaveOptions{}); err != nil {
		t.Fatal(err)
	}
	return file
}

// opened serves model files from a repository that lives as long as the test.
func opened(t testing.TB, o repository.Options, paths ...string) *repository.Repository {
	t.Helper()
	for _, path := range paths {
		o.Sources = append(o.Sources, repository.Source{Path: path})
	}
	o.Provider, o.CPUs = enginetest.CPU(t), 2
	r, err := repository.Open(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return r
}

// served starts a front end on a port of its own, and returns it with its address.
func served(t testing.TB, o Options) (*Server, string) {
	t.Helper()
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- s.Serve(ln) }()
	s.SetReady(true)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		http.DefaultClient.CloseIdleConnections()
		if err := s.Drain(ctx); err != nil {
			t.Error(err)
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return s, ln.Addr().String()
}

// sums serves the model of most tests: c = a + b, of any number of rows of two floats.
func sums(t testing.TB, o Options) (*Server, string) {
	t.Helper()
	o.Repository = opened(t, repository.Options{}, saved(t, enginetest.Add("n", 2), t.TempDir(), "sum.onnx"))
	return served(t, o)
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   string
	closes bool // the connection
}

// ask sends a request; header lines come as "Name: value".
func ask(t testing.TB, method, url string, body any, lines ...string) answer {
	t.Helper()
	var r io.Reader
	switch b := body.(type) {
	case string:
		r = strings.NewReader(b)
	case []byte:
		r = bytes.NewReader(b)
	case io.Reader:
		r = b
	}
	req, err := http.NewRequest(method, url, r)
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range lines {
		if name, value, ok := strings.Cut(line, ": "); ok {
			req.Header.Set(name, value)
		}
	}
	resp, err := http.DefaultClient.Do(req)
	for try := 0; errors.Is(err, net.ErrClosed) && req.GetBody != nil && try < 3; try++ {
		// A client that is answered while it still sends at times tells of its own broken write in place of the answer.
		if req.Body, err = req.GetBody(); err != nil {
			t.Fatal(err)
		}
		resp, err = http.DefaultClient.Do(req)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{status: resp.StatusCode, header: resp.Header, body: string(data), closes: resp.Close}
}

// fields decodes a JSON object.
func (a answer) fields(t testing.TB) map[string]any {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal([]byte(a.body), &m); err != nil {
		t.Fatalf("%d %q is no JSON object: %v", a.status, a.body, err)
	}
	return m
}

const sumRequest = `{"id":"7","inputs":[{"name":"a","shape":[1,2],"datatype":"FP32","data":[1,2]},{"name":"b","shape":[1,2],"datatype":"FP32","data":[[10,20]]}]}`

// floats are the bytes of float32 values as the binary extension sends them.
func floats(v ...float32) []byte {
	var b []byte
	for _, f := range v {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(f))
	}
	return b
}

// sumBinary is sumRequest in the binary form, and the length of its JSON.
func sumBinary() ([]byte, int) {
	head := `{"id":"7","parameters":{"binary_data_output":true},"inputs":[` +
		`{"name":"a","shape":[1,2],"datatype":"FP32","parameters":{"binary_data_size":8}},` +
		`{"name":"b","shape":[1,2],"datatype":"FP32","parameters":{"binary_data_size":8}}]}`
	return append([]byte(head), floats(1, 2, 10, 20)...), len(head)
}

// TestInfer asks in JSON and in the binary form, and looks at the answer and at what its header tells.
func TestInfer(t *testing.T) {
	_, address := sums(t, Options{})
	url := "http://" + address + "/v2/models/sum/infer"
	a := ask(t, "POST", url, sumRequest, "X-Request-Id: r-1")
	want := `{"model_name":"sum","model_version":"1","id":"7","outputs":[{"name":"c","datatype":"FP32","shape":[1,2],"data":[11,22]}]}`
	if a.status != 200 || !sameJSON(t, a.body, want) {
		t.Errorf("JSON: %d %s, want %s", a.status, a.body, want)
	}
	if got := a.header.Get("X-Request-Id"); got != "r-1" {
		t.Errorf("request id %q, want the one that was sent", got)
	}
	if a.header.Get("X-Infer-Batch-Size") != "1" || len(a.header.Get("X-Infer-Model-Digest")) != 16 ||
		!strings.HasPrefix(a.header.Get("Server-Timing"), "queue;dur=0.") || !strings.Contains(a.header.Get("Server-Timing"), ", run;dur=") {
		t.Errorf("the header does not tell of the run: %v", a.header)
	}

	body, jsonLen := sumBinary()
	a = ask(t, "POST", url, body, fmt.Sprintf("Inference-Header-Content-Length: %d", jsonLen))
	var n int
	fmt.Sscan(a.header.Get("Inference-Header-Content-Length"), &n)
	if a.status != 200 || n == 0 || n > len(a.body) || a.body[n:] != string(floats(11, 22)) {
		t.Errorf("binary: %d, %d bytes of JSON, %q", a.status, n, a.body)
	}
	if got := a.header.Get("Content-Type"); got != "application/octet-stream" {
		t.Errorf("binary: content type %q", got)
	}
}

// sameJSON reports whether two documents say the same.
func sameJSON(t testing.TB, a, b string) bool {
	t.Helper()
	var x, y any
	if err := json.Unmarshal([]byte(a), &x); err != nil {
		t.Fatalf("%q: %v", a, err)
	}
	if err := json.Unmarshal([]byte(b), &y); err != nil {
		t.Fatalf("%q: %v", b, err)
	}
	p, _ := json.Marshal(x)
	q, _ := json.Marshal(y)
	return string(p) == string(q)
}

// TestRunReal serves a real network in every protocol: all give the numbers of a run in this process.
func TestRunReal(t *testing.T) {
	file := sharedModel(t, "mnist-cnn", "mnist-cnn-dynamic.onnx")
	_, address := served(t, Options{Repository: opened(t, repository.Options{}, file)})
	const rows, pixels = 3, 784
	data := make([]float32, rows*pixels)
	for i := range data {
		data[i] = float32(i%251) / 251
	}
	want := runHere(t, file, data, rows)

	list, err := json.Marshal(data)
	if err != nil {
		t.Fatal(err)
	}
	nested, _ := json.Marshal(images(data, rows))
	base := "http://" + address
	oip := ask(t, "POST", base+"/v2/models/mnist-cnn-dynamic/infer", fmt.Sprintf(`{"inputs":[{"name":"input.1","shape":[3,1,28,28],"datatype":"FP32","data":%s}]}`, list))
	row := ask(t, "POST", base+"/v1/models/mnist-cnn-dynamic:predict", fmt.Sprintf(`{"instances":%s}`, nested))
	column := ask(t, "POST", base+"/predict", fmt.Sprintf(`{"inputs":{"input.1":%s}}`, nested))
	torch := ask(t, "POST", base+"/predictions/mnist-cnn-dynamic", fmt.Sprintf(`{"instances":%s}`, nested))

	var o struct {
		Outputs []struct{ Data []float64 }
	}
	var r, u struct{ Predictions [][]float64 }
	var c struct{ Outputs [][]float64 }
	for _, d := range []struct {
		name string
		a    answer
		into any
	}{{"oip", oip, &o}, {"row", row, &r}, {"column", column, &c}, {"torchserve", torch, &u}} {
		if err := json.Unmarshal([]byte(d.a.body), d.into); err != nil || d.a.status != 200 {
			t.Fatalf("%s: %d %.300s: %v", d.name, d.a.status, d.a.body, err)
		}
	}
	near(t, "oip", o.Outputs[0].Data, want)
	near(t, "row", flat(r.Predictions), want)
	near(t, "column", flat(c.Outputs), want)
	near(t, "torchserve", flat(u.Predictions), want)
}

// images nests pixels as TensorFlow Serving takes them: rows of one channel of 28 lines.
func images(data []float32, rows int) [][][][]float32 {
	var list [][][][]float32
	for r := range rows {
		lines := [][]float32{}
		for l := range 28 {
			at := r*784 + l*28
			lines = append(lines, data[at:at+28])
		}
		list = append(list, [][][]float32{lines})
	}
	return list
}

func flat(rows [][]float64) []float64 {
	var list []float64
	for _, r := range rows {
		list = append(list, r...)
	}
	return list
}

func near(t *testing.T, name string, got []float64, want []float32) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %d values, want %d", name, len(got), len(want))
	}
	for i := range got {
		if math.Abs(got[i]-float64(want[i])) > 1e-4*math.Max(1, math.Abs(float64(want[i]))) {
			t.Errorf("%s: value %d is %v, want %v", name, i, got[i], want[i])
		}
	}
}

// runHere runs a model in this process.
func runHere(t *testing.T, file string, data []float32, rows int64) []float32 {
	t.Helper()
	r := opened(t, repository.Options{}, file)
	h, err := r.Acquire("mnist-cnn-dynamic", "", "")
	if err != nil {
		t.Fatal(err)
	}
	defer h.Release()
	c := repository.NewCall()
	defer c.Free()
	in := enginetest.Floats("input.1", tensor.Shape{rows, 1, 28, 28}, data...)
	c.Inputs = []tensor.Tensor{in}
	if err := h.Infer(context.Background(), c); err != nil {
		t.Fatal(err)
	}
	out, err := tensor.Floats(c.Outputs[0])
	if err != nil {
		t.Fatal(err)
	}
	return append([]float32{}, out...)
}

// TestManyAtOnce sends from many clients at a time: every answer belongs to its request.
func TestManyAtOnce(t *testing.T) {
	_, address := sums(t, Options{})
	var wg sync.WaitGroup
	for g := range 16 {
		wg.Go(func() {
			for i := range 50 {
				a, b := float32(g*1000+i), float32(g)
				body := fmt.Sprintf(`{"inputs":[{"name":"a","shape":[1,2],"datatype":"FP32","data":[%g,%g]},{"name":"b","shape":[1,2],"datatype":"FP32","data":[%g,%g]}]}`, a, b, b, a)
				got := ask(t, "POST", "http://"+address+"/v2/models/sum/infer", body)
				if want := fmt.Sprintf(`"data":[%.1f,%.1f]`, a+b, a+b); got.status != 200 || !strings.Contains(got.body, want) {
					t.Errorf("%d %s, want %s", got.status, got.body, want)
					return
				}
			}
		})
	}
	wg.Wait()
}
