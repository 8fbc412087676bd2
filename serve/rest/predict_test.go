package rest

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"context"
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"io"
	"mime/multipart"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"infer/internal/fault"
	"infer/model"
	"infer/model/engine/enginetest"
	"infer/model/onnx"
	"infer/model/tensor"
	"infer/serve/batch"
	"infer/serve/repository"
)

// pixels is a model of pictures of 2 × 2: its scores are the levels of red, green and blue, in order of their pixels.
func pixels() *model.Model {
	return enginetest.Build(enginetest.Values(enginetest.Value("x", tensor.Float32, "n", 3, 2, 2)),
		enginetest.Values(enginetest.Value("y", tensor.Float32, "n", 12)),
		[]*onnx.Node{enginetest.Node("Flatten", enginetest.Names("x"), enginetest.Names("y"))})
}

// TestPredictPhoto sends a picture as curl does: as the body, in a form, to TorchServe's path.
func TestPredictPhoto(t *testing.T) {
	folder := t.TempDir()
	file := saved(t, pixels(), folder, "photo.onnx")
	declaration := "image: {fit: stretch}\nlabels: {top: 2, names: [r0, r1, r2, r3, g0, g1, g2, g3, b0, b1, b2, b3]}\n"
	if err := os.WriteFile(filepath.Join(folder, "photo.io.yaml"), []byte(declaration), 0o644); err != nil {
		t.Fatal(err)
	}
	_, address := served(t, Options{Repository: opened(t, repository.Options{}, file)})
	pic := image.NewNRGBA(image.Rect(0, 0, 2, 2))
	for i := range 4 {
		pic.Set(i%2, i/2, color.NRGBA{A: 255})
	}
	pic.Set(1, 0, color.NRGBA{G: 200, A: 255})
	pic.Set(0, 1, color.NRGBA{B: 100, A: 255})
	var photo bytes.Buffer
	if err := png.Encode(&photo, pic); err != nil {
		t.Fatal(err)
	}
	var form bytes.Buffer
	w := multipart.NewWriter(&form)
	w.WriteField("comment", "a photo")
	part, _ := w.CreateFormFile("file", "photo.png")
	part.Write(photo.Bytes())
	w.Close()

	const want = `{"labels":[{"label":"g1","index":5,"score":200},{"label":"b2","index":10,"score":100}]}`
	for _, c := range []struct {
		name, path, contentType, want string
		body                          []byte
	}{
		{"--data-binary", "/predict", "application/x-www-form-urlencoded", want, photo.Bytes()},
		{"a content type", "/invocations", "image/png", want, photo.Bytes()},
		{"no content type", "/predict", "", want, photo.Bytes()},
		{"-F", "/predict", w.FormDataContentType(), want, form.Bytes()},
		{"TorchServe", "/predictions/photo", "image/png", `{"g1":200,"b2":100}`, photo.Bytes()},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := ask(t, "POST", "http://"+address+c.path, c.body, "Content-Type: "+c.contentType)
			if a.status != 200 || !sameJSON(t, a.body, c.want) {
				t.Errorf("%d %s, want %s", a.status, a.body, c.want)
			}
		})
	}
	stripped := strings.NewReplacer("\x00", "", "\n", "", "\r", "").Replace(photo.String()) // as curl -d @photo.png does
	for _, c := range []struct{ name, contentType, body, says string }{
		{"curl -d @photo.png", formType, stripped, "--data-binary"},
		{"JSON of another kind", formType, `{"foo": 1}`, `{\"instances\": …}`},
		{"a text as curl sends it", formType, "I lost my card", `{\"instances\": …}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := ask(t, "POST", "http://"+address+"/predict", c.body, "Content-Type: "+c.contentType)
			if a.status != 400 && a.status != 415 || !strings.Contains(a.body, c.says) {
				t.Errorf("%d %s, want %s", a.status, a.body, c.says)
			}
		})
	}
	for _, c := range []struct{ name, contentType, body string }{
		{"a text", "", "I lost my card"},
		{"half a photo", "image/png", photo.String()[:30]},
		{"a form without an end", w.FormDataContentType(), form.String()[:80]},
		{"a form without a boundary", "multipart/form-data", form.String()},
		{"an empty form", w.FormDataContentType(), "--" + w.Boundary() + "--\r\n"},
		{"nothing", "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := ask(t, "POST", "http://"+address+"/predict", c.body, "Content-Type: "+c.contentType)
			if text, _ := a.fields(t)["error"].(string); a.status != 400 && a.status != 415 || text == "" {
				t.Errorf("%d %s", a.status, a.body)
			}
		})
	}
}

// TestPredictText sends sentences to the real model of ../shared/models as curl -d does.
func TestPredictText(t *testing.T) {
	source, err := filepath.Abs(filepath.Dir(sharedModel(t, "banking77-encoder", "banking77-encoder.onnx")))
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	for _, name := range []string{"banking77-encoder.onnx", "vocab.txt", "label_names.json"} {
		if err := os.Symlink(filepath.Join(source, name), filepath.Join(folder, name)); err != nil {
			t.Skipf("no links here: %v", err)
		}
	}
	declaration := "text: {tokenizer: words, pattern: '[a-z]+|[0-9]|[^\\s a-z0-9]', lower: true, vocab: vocab.txt, max_length: 48}\n" +
		"labels: {names: label_names.json, softmax: true, top: 3}\n"
	if err := os.WriteFile(filepath.Join(folder, "banking77-encoder.io.yaml"), []byte(declaration), 0o644); err != nil {
		t.Fatal(err)
	}
	_, address := served(t, Options{Repository: opened(t, repository.Options{}, filepath.Join(folder, "banking77-encoder.onnx"))})
	a := ask(t, "POST", "http://"+address+"/predict", "I lost my card", "Content-Type: application/x-www-form-urlencoded")
	var got struct {
		Labels []struct {
			Label string
			Score float64
		}
	}
	if err := json.Unmarshal([]byte(a.body), &got); err != nil || a.status != 200 || len(got.Labels) != 3 {
		t.Fatalf("%d %s: %v", a.status, a.body, err)
	}
	if got.Labels[0].Label != "lost_or_stolen_card" || got.Labels[0].Score < 0.5 {
		t.Errorf("%s", a.body)
	}
	one := ask(t, "POST", "http://"+address+"/predict", `{"text": "I lost my card"}`, "Content-Type: application/x-www-form-urlencoded")
	if one.status != 200 || one.body != a.body {
		t.Errorf("the text in JSON without its content type: %d %s, want %s", one.status, one.body, a.body)
	}
	for _, c := range []struct{ path, body string }{
		{"/predict", `{"instances": ["I lost my card", "I lost my card"]}`},
		{"/predict", `{"inputs": {"text": ["I lost my card", "I lost my card"]}}`},
		{"/v1/models/banking77-encoder:predict", `{"instances": ["I lost my card", "I lost my card"]}`},
	} {
		a := ask(t, "POST", "http://"+address+c.path, c.body)
		var both struct {
			Predictions [][]struct{ Label string }
		}
		if err := json.Unmarshal([]byte(a.body), &both); err != nil || a.status != 200 || len(both.Predictions) != 2 ||
			len(both.Predictions[1]) != 3 || both.Predictions[1][0].Label != "lost_or_stolen_card" {
			t.Errorf("%s %s: %d %s", c.path, c.body, a.status, a.body)
		}
	}
	if a := ask(t, "POST", "http://"+address+"/predict", "  \n"); a.status != 400 {
		t.Errorf("blanks: %d %s", a.status, a.body)
	}
}

// TestPredictUndeclared holds that a body that nobody declared is refused with what to do.
func TestPredictUndeclared(t *testing.T) {
	_, address := sums(t, Options{})
	a := ask(t, "POST", "http://"+address+"/predict", "I lost my card")
	if a.status != 400 || !strings.Contains(a.body, "sum") || !strings.Contains(a.body, "io.yaml") {
		t.Errorf("%d %s", a.status, a.body)
	}
	if a := ask(t, "POST", "http://"+address+"/predict", ""); a.status != 400 || !strings.Contains(a.body, "the body is empty") {
		t.Errorf("nothing: %d %s", a.status, a.body)
	}
	a = ask(t, "POST", "http://"+address+"/predict", sumRequest)
	if a.status != 200 || !strings.Contains(a.body, `"data":[11.0,22.0]`) {
		t.Errorf("an OIP body: %d %s", a.status, a.body)
	}
	a = ask(t, "POST", "http://"+address+"/predict", `{"inputs":{"a":[[1,2]],"b":[[10,20]]}}`)
	if a.status != 200 || !sameJSON(t, a.body, `{"outputs":[[11,22]]}`) {
		t.Errorf("a columnar body: %d %s", a.status, a.body)
	}
	a = ask(t, "POST", "http://"+address+"/predict", `{"instances":[{"a":[1,2],"b":[10,20]}]}`)
	if a.status != 200 || !sameJSON(t, a.body, `{"predictions":[[11,22]]}`) {
		t.Errorf("a row body: %d %s", a.status, a.body)
	}
}

// TestPredictSeveral serves two models: /predict goes to the default one, or asks which.
func TestPredictSeveral(t *testing.T) {
	folder := t.TempDir()
	a := saved(t, enginetest.Add("n", 2), folder, "a.onnx")
	b := saved(t, enginetest.Identity(tensor.Float32, "n", 2), folder, "b.onnx")
	_, address := served(t, Options{Repository: opened(t, repository.Options{}, a, b)})
	if got := ask(t, "POST", "http://"+address+"/predict", `{"instances":[[1,2]]}`); got.status != 404 || !strings.Contains(got.body, "POST /predictions/a, /predictions/b") {
		t.Errorf("%d %s", got.status, got.body)
	}
	_, address = served(t, Options{Repository: opened(t, repository.Options{}, a, b), Default: "b"})
	if got := ask(t, "POST", "http://"+address+"/predict", `{"instances":[[1,2]]}`); got.status != 200 || !sameJSON(t, got.body, `{"predictions":[[1,2]]}`) {
		t.Errorf("%d %s", got.status, got.body)
	}
}

// TestPacked asks for packed answers and sends packed bodies, JSON and binary: small answers stay as they are.
func TestPacked(t *testing.T) {
	file := saved(t, enginetest.Identity(tensor.Float32, "n", 500), t.TempDir(), "wide.onnx")
	_, address := served(t, Options{Repository: opened(t, repository.Options{}, file)})
	url := "http://" + address + "/v2/models/wide/infer"
	plain := fmt.Sprintf(`{"inputs":[{"name":"x","shape":[1,500],"datatype":"FP32","data":%s}]}`, zeros(500))
	head := `{"inputs":[{"name":"x","shape":[1,500],"datatype":"FP32","parameters":{"binary_data_size":2000}}],"outputs":[{"name":"y","parameters":{"binary_data":true}}]}`
	binary := head + string(floats(make([]float32, 500)...))
	want := ask(t, "POST", url, plain)
	for _, encoding := range []string{"gzip", "deflate"} {
		a := ask(t, "POST", url, packed(t, encoding, plain), "Content-Encoding: "+encoding, "Accept-Encoding: "+encoding)
		if a.status != 200 || a.header.Get("Content-Encoding") != encoding || a.header.Get("Vary") != "Accept-Encoding" || unpacked(t, encoding, a.body) != want.body {
			t.Errorf("%s: %d %v %.100q", encoding, a.status, a.header, a.body)
		}
		// The length in the header is that of the JSON before packing, both ways.
		a = ask(t, "POST", url, packed(t, encoding, binary), "Content-Encoding: "+encoding, "Accept-Encoding: "+encoding,
			"Inference-Header-Content-Length: "+strconv.Itoa(len(head)))
		n, _ := strconv.Atoi(a.header.Get("Inference-Header-Content-Length"))
		if body := unpacked(t, encoding, a.body); a.status != 200 || n == 0 || len(body) != n+2000 {
			t.Errorf("%s, binary: %d, %d bytes, JSON of %d", encoding, a.status, len(body), n)
		}
	}
	if a := ask(t, "GET", "http://"+address+"/v2", nil, "Accept-Encoding: gzip"); a.header.Get("Content-Encoding") != "" {
		t.Error("a small answer was packed")
	}
	if a := ask(t, "POST", url, plain, "Accept-Encoding: br, identity;q=0.5"); a.header.Get("Content-Encoding") != "" || a.body != want.body {
		t.Errorf("an answer was packed for a client that does not take it: %v", a.header)
	}
	if a := ask(t, "POST", url, "x", "Content-Encoding: br"); a.status != 415 || a.header.Get("Accept-Encoding") == "" {
		t.Errorf("an unknown encoding: %d %v", a.status, a.header)
	}
}

func packed(t *testing.T, encoding, body string) []byte {
	t.Helper()
	var b bytes.Buffer
	var w io.WriteCloser = gzip.NewWriter(&b)
	if encoding == "deflate" {
		w = zlib.NewWriter(&b)
	}
	io.WriteString(w, body)
	w.Close()
	return b.Bytes()
}

func unpacked(t *testing.T, encoding, body string) string {
	t.Helper()
	var r io.Reader
	var err error
	if encoding == "gzip" {
		r, err = gzip.NewReader(strings.NewReader(body))
	} else {
		r, err = zlib.NewReader(strings.NewReader(body))
	}
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// TestDeadline holds that a request that cannot be answered in its time is refused: by header in both names and units,
// and by the parameter of the body.
func TestDeadline(t *testing.T) {
	_, address := sums(t, Options{})
	url := "http://" + address + "/v2/models/sum/infer"
	short := strings.Replace(sumRequest, `"id":"7"`, `"parameters":{"timeout":1}`, 1)
	for _, c := range []struct {
		name, body, line string
		refused          bool
	}{
		{"seconds enough", sumRequest, "X-Request-Timeout: 30", false},
		{"a unit enough", sumRequest, "Request-Timeout: 5000ms", false},
		{"too short", sumRequest, "X-Request-Timeout: 1ns", true},
		{"too short in seconds", sumRequest, "Request-Timeout: 0.000001", true},
		{"too short in the body", short, "", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := ask(t, "POST", url, c.body, c.line)
			if refused := a.status == 504; refused != c.refused || !refused && a.status != 200 {
				t.Errorf("%d %s", a.status, a.body)
			}
		})
	}
}

// TestStatusOf holds what each end of a call is answered with, and how the observer is told.
func TestStatusOf(t *testing.T) {
	refusal := func(why batch.Why, kind fault.Kind) error {
		return fault.New(kind, "", "model: %w", &batch.Refusal{Why: why, RetryAfter: 1500 * time.Millisecond})
	}
	for _, c := range []struct {
		err    error
		status int
		reason repository.Reason
	}{
		{refusal(batch.Full, fault.Unavailable), 503, repository.Refused},
		{refusal(batch.Overload, fault.Unavailable), 503, repository.Refused},
		{refusal(batch.Late, fault.Deadline), 504, repository.Late},
		{refusal(batch.Closed, fault.Unavailable), 503, repository.Unavailable},
		{fmt.Errorf("gone: %w", context.Canceled), 499, repository.Cancelled},
		{context.DeadlineExceeded, 504, repository.Failed},
		{errLeft, 499, repository.Cancelled},
		{errSlow, 408, repository.Invalid},
		{errMethod, 405, repository.Invalid},
		{errNotFound, 404, repository.Unknown},
		{fault.New(fault.Denied, "", "x"), 403, repository.Denied},
		{fault.New(fault.TooLarge, "", "x"), 413, repository.Invalid},
		{io.ErrNoProgress, 500, repository.Failed},
	} {
		if got, reason := statusOf(c.err), reasonOf(c.err); got != c.status || reason != c.reason {
			t.Errorf("%v: %d %s, want %d %s", c.err, got, reason, c.status, c.reason)
		}
	}
}

// TestOverload fills the queue of a model that takes one request at a time: the rest is refused at once, with a time to
// come again, and what was taken is answered.
func TestOverload(t *testing.T) {
	o := repository.Options{Model: repository.ModelOptions{MaxQueue: 1, Instances: 1, MaxBatch: 1}}
	repo := opened(t, o, saved(t, enginetest.Endless(), t.TempDir(), "slow.onnx"))
	_, address := served(t, Options{Repository: repo})
	body := `{"inputs":[{"name":"n","shape":[],"datatype":"INT64","data":[20000]},{"name":"x","shape":[],"datatype":"FP32","data":[1]}]}`
	const clients = 8
	answers := make(chan answer, clients)
	for range clients {
		go func() { answers <- ask(t, "POST", "http://"+address+"/v2/models/slow/infer", body) }()
	}
	taken, refused := 0, 0
	for range clients {
		switch a := <-answers; a.status {
		case http.StatusOK:
			taken++
		case http.StatusServiceUnavailable:
			refused++
			seconds, err := strconv.Atoi(a.header.Get("Retry-After"))
			millis, err2 := strconv.Atoi(a.header.Get("Retry-After-Ms"))
			if err != nil || err2 != nil || seconds < 1 || millis < 1 {
				t.Errorf("come again: %v", a.header)
			}
		default:
			t.Errorf("%d %s", a.status, a.body)
		}
	}
	if taken == 0 || refused == 0 {
		t.Errorf("%d taken and %d refused of %d", taken, refused, clients)
	}
}
