package rest

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"infer/model/engine/enginetest"
	"infer/serve/guard"
	"infer/serve/repository"
)

// TestHealth asks for every sign of life, before and after the server is ready, as each kind of client does.
func TestHealth(t *testing.T) {
	for _, c := range []struct {
		name                string
		o                   Options
		readyStatus, asleep int
		readyBody           string
	}{
		{name: "of the protocol", readyStatus: 200, asleep: 503, readyBody: `{"live":true,"ready":true}`},
		{name: "as Triton's", o: Options{CompatTriton: true}, readyStatus: 200, asleep: 400},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, address := sums(t, c.o)
			get := func(path string) answer { return ask(t, "GET", "http://"+address+path, nil) }
			for _, path := range []string{"/v2/health/live", "/v2/health/ready", "/v2/models/sum/ready"} {
				if a := get(path); a.status != c.readyStatus || strings.HasPrefix(path, "/v2/health") && a.body != c.readyBody {
					t.Errorf("%s: %d %q", path, a.status, a.body)
				}
			}
			if a := get("/ping"); a.status != 200 || a.body != `{"status":"Healthy"}` {
				t.Errorf("ping: %d %q", a.status, a.body)
			}
			s.SetReady(false)
			if a := get("/v2/health/ready"); a.status != c.asleep {
				t.Errorf("not ready: %d %q", a.status, a.body)
			}
			if a := get("/ping"); a.status != 503 {
				t.Errorf("ping, not ready: %d %q", a.status, a.body)
			}
			if a := get("/v2/health/live"); a.status != 200 {
				t.Errorf("live, not ready: %d %q", a.status, a.body)
			}
			s.SetReady(true)
		})
	}
}

// TestDocuments asks for everything that describes the server and its models.
func TestDocuments(t *testing.T) {
	_, address := sums(t, Options{Name: "infer", Version: "1.2.3"})
	base := "http://" + address
	ask(t, "POST", base+"/v2/models/sum/infer", sumRequest)
	for _, c := range []struct {
		method, path, body string
		want               []string // parts of the answer
	}{
		{"GET", "/v2", "", []string{`"name":"infer"`, `"version":"1.2.3"`, `"binary_tensor_data"`}},
		{"GET", "/v2/models", "", []string{`{"models":["sum"]}`}},
		{"GET", "/v1/models", "", []string{`{"models":["sum"]}`}},
		{"GET", "/v2/models/sum", "", []string{`"versions":["1"]`, `"platform":"onnxruntime_onnx"`, `{"name":"a","datatype":"FP32","shape":[-1,2]}`, `"sha256":"`}},
		{"GET", "/v2/models/sum/versions/1", "", []string{`"name":"sum"`}},
		{"GET", "/v2/models/sum/config", "", []string{`"max_batch_size":1024`, `"data_type":"TYPE_FP32"`, `"dims":[2]`, `"backend":"onnxruntime"`}},
		{"GET", "/v2/models/sum/stats", "", []string{`"name":"sum"`, `"inference_count":1`, `"success":{"count":1`, `"batch_size":1`}},
		{"GET", "/v2/models/stats", "", []string{`"name":"sum"`}},
		{"GET", "/v2/models/sum/scheduler", "", []string{"\n  \"scheduler\": {", `"batch_note":`}},
		{"POST", "/v2/repository/index", "", []string{`"name":"sum"`, `"state":"READY"`}},
		{"POST", "/v2/repository/index", `{"ready":true}`, []string{`"state":"READY"`}},
		{"GET", "/v1/models/sum", "", []string{`"model_version_status":[{"version":"1","state":"AVAILABLE"`, `"name":"sum","ready":true`}},
		{"GET", "/v1/models/sum/versions/1", "", []string{`"AVAILABLE"`}},
		{"GET", "/v1/models/sum/metadata", "", []string{`"DT_FLOAT"`, `"size":"-1"`, `"serving_default"`}},
	} {
		t.Run(c.method+" "+c.path, func(t *testing.T) {
			a := ask(t, c.method, base+c.path, c.body)
			if a.status != 200 || a.header.Get("Content-Type") != "application/json" || !json.Valid([]byte(a.body)) {
				t.Fatalf("%d %q %q", a.status, a.header.Get("Content-Type"), a.body)
			}
			for _, part := range c.want {
				if !strings.Contains(a.body, part) {
					t.Errorf("%s lacks %s", a.body, part)
				}
			}
		})
	}
}

// TestWrongTurns asks for what is not there, and in ways that are not offered.
func TestWrongTurns(t *testing.T) {
	_, address := sums(t, Options{})
	for _, c := range []struct {
		method, path string
		status       int
		allow        string
	}{
		{"GET", "/no/such", 404, ""},
		{"POST", "/no/such", 404, ""},
		{"POST", "/v2/models/sum/versions/one/infer", 404, ""},
		{"GET", "/", 404, ""}, // no page was given
		{"GET", "/v2/models/sum/infer", 405, "POST"},
		{"PUT", "/v2/models/sum/infer", 405, "POST"},
		{"POST", "/v2/health/live", 405, "GET, HEAD"},
		{"DELETE", "/v2/models/sum/split", 405, "GET, HEAD, POST"},
		{"GET", "/v2/repository/index", 405, "POST"},
		{"GET", "/v2/models/nope", 404, ""},
		{"GET", "/v2/models/nope/ready", 404, ""},
		{"GET", "/v2/models/nope/stats", 404, ""},
		{"GET", "/v1/models/nope", 404, ""},
		{"POST", "/v1/models/sum:regress", 501, ""},
		{"POST", "/v2/repository/models/sum/load", 403, ""},
		{"POST", "/v2/repository/models/sum/unload", 403, ""},
		{"GET", "/v2/models/sum/split", 403, ""},
	} {
		a := ask(t, c.method, "http://"+address+c.path, nil)
		if text, _ := a.fields(t)["error"].(string); a.status != c.status || text == "" || a.header.Get("Allow") != c.allow {
			t.Errorf("%s %s: %d %s, Allow %q, want %d and %q", c.method, c.path, a.status, a.body, a.header.Get("Allow"), c.status, c.allow)
		}
	}
	a := ask(t, "POST", "http://"+address+"/predictions/nope", "{}")
	if f := a.fields(t); a.status != 404 || f["code"] != 404.0 || f["type"] != "ModelNotFoundException" || f["message"] == "" {
		t.Errorf("TorchServe's error: %d %s", a.status, a.body)
	}
	if a := ask(t, "POST", "http://"+address+"/v2/models/sun/infer", "{}"); !strings.Contains(a.body, "did you mean 'sum'?") {
		t.Errorf("a misspelt name gets no hint: %s", a.body)
	}
}

// TestLost: who asks for a path that is not there, or in a way that it does not take, hears what is.
func TestLost(t *testing.T) {
	page := func(string) (string, []byte, bool) { return "", nil, false }
	_, address := sums(t, Options{Page: page, Metrics: "127.0.0.1:8002"})
	for _, c := range []struct{ method, path, says string }{
		{"GET", "/metrics", "Not Found (metrics have an address of their own: 127.0.0.1:8002/metrics)"},
		{"POST", "/predcit", "did you mean /predict?"},
		{"POST", "/predict/", ""},
		{"GET", "/v2/model", "did you mean /v2/models?"},
		{"GET", "/healthz", "did you mean /v2/health/ready or /v2/health/live?"},
		{"POST", "/v2/models/sum/infr", "did you mean /v2/models/sum/infer?"},
		{"POST", "/v2/models/sum/versions/1/infr", "did you mean /v2/models/sum/versions/1/infer?"},
		{"POST", "/predictions", "did you mean /predictions/MODEL?"},
		{"GET", "/elsewhere/entirely", "Not Found (GET /docs shows every path)"},
		{"GET", "/" + strings.Repeat("x", 5000), "Not Found (GET /docs shows every path)"},
		{"GET", "/predict", "Method Not Allowed (this path takes POST)"},
		{"POST", "/v2/models/sum", "Method Not Allowed (this path takes GET, HEAD)"},
	} {
		if a := ask(t, c.method, "http://"+address+c.path, nil); !strings.Contains(a.body, c.says) {
			t.Errorf("%s %.60s: %d %s, want %s", c.method, c.path, a.status, a.body, c.says)
		}
	}
}

// TestPage delivers what a page has, under its policy, and refuses what it has not.
func TestPage(t *testing.T) {
	_, address := sums(t, Options{Page: func(path string) (string, []byte, bool) {
		return "text/html; charset=utf-8", []byte("<p>" + path), path == "/" || path == "/page/a.js"
	}})
	a := ask(t, "GET", "http://"+address+"/", nil)
	if a.status != 200 || a.body != "<p>/" || a.header.Get("Content-Type") != "text/html; charset=utf-8" || a.header.Get("Content-Security-Policy") == "" {
		t.Errorf("%d %q %v", a.status, a.body, a.header)
	}
	if a := ask(t, "GET", "http://"+address+"/page/a.js", nil); a.status != 200 {
		t.Errorf("%d %q", a.status, a.body)
	}
	if a := ask(t, "GET", "http://"+address+"/page/b.js", nil); a.status != 404 {
		t.Errorf("%d %q", a.status, a.body)
	}
	if got := a.header.Get("Access-Control-Allow-Origin"); got != "" {
		t.Errorf("other origins are allowed: %q", got)
	}
}

// TestAdmin loads, unloads and splits on a listener that is for it.
func TestAdmin(t *testing.T) {
	folder := t.TempDir()
	for _, version := range []string{"1", "2"} {
		saved(t, enginetest.Add("n", 2), folder, "sum", version, "model.onnx")
	}
	o := repository.Options{Explicit: true, Model: repository.ModelOptions{Versions: "all"}}
	_, address := served(t, Options{Repository: opened(t, o, folder), Admin: true})
	base := "http://" + address
	versions := func() map[string]int {
		count := map[string]int{}
		for i := range 200 {
			a := ask(t, "POST", base+"/v2/models/sum/infer", strings.Replace(sumRequest, `"7"`, fmt.Sprintf(`"%d"`, i), 1))
			if a.status != 200 {
				t.Fatalf("%d %s", a.status, a.body)
			}
			count[a.fields(t)["model_version"].(string)]++
		}
		return count
	}
	if got := versions(); got["2"] != 200 {
		t.Errorf("without a split: %v", got)
	}
	if a := ask(t, "POST", base+"/v2/models/sum/split", `{"split":{"1":50,"2":50}}`); a.status != 200 || !sameJSON(t, a.body, `{"split":{"1":50,"2":50}}`) {
		t.Fatalf("split: %d %s", a.status, a.body)
	}
	first := versions()
	if first["1"] < 50 || first["2"] < 50 {
		t.Errorf("split in halves: %v", first)
	}
	if again := versions(); again["1"] != first["1"] {
		t.Errorf("the same ids are split %v, and before %v", again, first)
	}
	if a := ask(t, "POST", base+"/v2/models/sum/split", `{"split":null}`); a.status != 200 {
		t.Fatalf("roll back: %d %s", a.status, a.body)
	}
	if got := versions(); got["2"] != 200 {
		t.Errorf("rolled back: %v", got)
	}
	for _, body := range []string{`{"split":{"1":50,"9":50}}`, `{"split":{"1":150}}`, `{"split":5}`, `{"split":{}}`, `{"split":{"1":50,"1":50,"2":50}}`, `{}`, `{"spilt":null}`, `[]`} {
		if a := ask(t, "POST", base+"/v2/models/sum/split", body); a.status != 400 && a.status != 404 {
			t.Errorf("split %s: %d %s", body, a.status, a.body)
		}
	}

	if a := ask(t, "POST", base+"/v2/repository/models/sum/unload", ""); a.status != 200 {
		t.Fatalf("unload: %d %s", a.status, a.body)
	}
	if a := ask(t, "POST", base+"/v2/models/sum/infer", sumRequest); a.status != 404 && a.status != 503 {
		t.Errorf("unloaded: %d %s", a.status, a.body)
	}
	if a := ask(t, "POST", base+"/v2/repository/models/sum/load", `{"parameters":{"config":"{}"}}`); a.status != 501 {
		t.Errorf("load with a configuration: %d %s", a.status, a.body)
	}
	if a := ask(t, "POST", base+"/v2/repository/models/sum/load", `{"parameters":{}}`); a.status != 200 {
		t.Fatalf("load: %d %s", a.status, a.body)
	}
	if got := versions(); got["2"] != 200 {
		t.Errorf("loaded again: %v", got)
	}
}

// TestKeys serves with a file of keys: without one, with a wrong one, with one of the other scope, with the right one,
// in both headers.
func TestKeys(t *testing.T) {
	file := filepath.Join(t.TempDir(), "keys")
	line := func(name, key, scopes string) string {
		return fmt.Sprintf("%s %x %s\n", name, sha256.Sum256([]byte(key)), scopes)
	}
	if err := os.WriteFile(file, []byte(line("alice", "a-key", "infer")+line("root", "r-key", "infer,admin")), 0o600); err != nil {
		t.Fatal(err)
	}
	keys, err := guard.OpenKeys(file, nil)
	if err != nil {
		t.Fatal(err)
	}
	told := &listenerOf{}
	_, address := sums(t, Options{Authorize: keys.Check, Admin: true, Observer: told})
	for _, c := range []struct {
		name, method, path, header string
		status                     int
	}{
		{"health needs none", "GET", "/v2/health/ready", "", 200},
		{"none", "POST", "/v2/models/sum/infer", "", 401},
		{"a wrong one", "POST", "/v2/models/sum/infer", "Authorization: Bearer b-key", 401},
		{"the right one", "POST", "/v2/models/sum/infer", "Authorization: Bearer a-key", 200},
		{"in the other header", "POST", "/v2/models/sum/infer", "X-API-Key: a-key", 200},
		{"not for administration", "POST", "/v2/models/sum/split", "Authorization: Bearer a-key", 403},
		{"for administration", "GET", "/v2/models/sum/split", "Authorization: Bearer r-key", 200},
		{"metadata needs one", "GET", "/v2/models/sum", "", 401},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := ask(t, c.method, "http://"+address+c.path, sumRequest, c.header)
			if a.status != c.status || (a.status == 401) != (a.header.Get("WWW-Authenticate") != "") {
				t.Errorf("%d %s %v, want %d", a.status, a.body, a.header, c.status)
			}
		})
	}
	names := map[string]repository.Reason{}
	for _, e := range told.all() {
		names[e.Key] = e.Reason
	}
	if names["alice"] != repository.OK || names[""] != repository.Denied {
		t.Errorf("the observer was told %v", names)
	}
}

// listenerOf is an observer that keeps what it is told.
type listenerOf struct {
	mu     sync.Mutex
	events []repository.RequestEvent
}

func (l *listenerOf) Run(repository.RunEvent) repository.SpanContext {
	return repository.SpanContext{SpanID: [8]byte{1}}
}
func (l *listenerOf) Model(repository.ModelEvent) {}
func (l *listenerOf) Request(e *repository.RequestEvent) {
	l.mu.Lock()
	defer l.mu.Unlock()
	kept := *e
	kept.ID, kept.Key = strings.Clone(e.ID), strings.Clone(e.Key)
	kept.Trace = repository.Trace{Parent: strings.Clone(e.Trace.Parent), State: strings.Clone(e.Trace.State)}
	l.events = append(l.events, kept)
}

func (l *listenerOf) all() []repository.RequestEvent {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.events
}

// TestObserved holds that the observer and the access log are told of every inference once, and of nothing else.
func TestObserved(t *testing.T) {
	told := &listenerOf{}
	var log lockedBuffer
	_, address := sums(t, Options{Observer: told, AccessLog: slog.New(slog.NewJSONHandler(&log, nil))})
	base := "http://" + address
	ask(t, "POST", base+"/v2/models/sum/infer", sumRequest, "Traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	ask(t, "POST", base+"/v2/models/sum/infer", "{", "X-Request-Id: broken")
	ask(t, "POST", base+"/v1/models/nope:predict", "{}")
	ask(t, "GET", base+"/v2/health/live", nil)
	for i, want := range []struct {
		protocol, model, id string
		reason              repository.Reason
		status, rows        int
	}{
		{"oip-http", "sum", "7", repository.OK, 200, 1},
		{"oip-http", "sum", "broken", repository.Invalid, 400, 0},
		{"tfs-http", "", "", repository.Unknown, 404, 0},
	} {
		events := told.all()
		if len(events) != 3 {
			t.Fatalf("%d events, want 3", len(events))
		}
		e := events[i]
		if e.Protocol != want.protocol || e.Model != want.model || e.ID != want.id || e.Reason != want.reason || e.Status != want.status || e.Rows != want.rows {
			t.Errorf("event %d is %+v, want %+v", i, e, want)
		}
		if e.Arrived.IsZero() || e.Total <= 0 || e.ResponseLen == 0 || e.Client == "" {
			t.Errorf("event %d lacks its measures: %+v", i, e)
		}
	}
	if e := told.all()[0]; e.Trace.Parent == "" || e.Timing.Compute <= 0 || e.Batch.Rows != 1 || e.RequestLen != len(sumRequest) {
		t.Errorf("the event of an inference is %+v", e)
	}
	lines := strings.Split(strings.TrimSpace(log.String()), "\n")
	if len(lines) != 4 {
		t.Fatalf("the access log has %d lines, want 4:\n%s", len(lines), log.String())
	}
	for i, want := range []string{`"status":200`, `"status":400`, `"status":404`, `"path":"/v2/health/live"`} {
		if !json.Valid([]byte(lines[i])) || !strings.Contains(lines[i], want) {
			t.Errorf("line %d is %s", i, lines[i])
		}
	}
}

// lockedBuffer takes a log from many goroutines.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// TestPanic holds that a handler that panics answers 500 and leaves the server serving.
func TestPanic(t *testing.T) {
	var log lockedBuffer
	_, address := sums(t, Options{Log: slog.New(slog.NewTextHandler(&log, nil)), Page: func(path string) (string, []byte, bool) { panic("page " + path) }})
	a := ask(t, "GET", "http://"+address+"/", nil)
	if a.status != http.StatusInternalServerError || !strings.Contains(log.String(), "page /") {
		t.Errorf("%d %s, log %q", a.status, a.body, log.String())
	}
	if a := ask(t, "POST", "http://"+address+"/v2/models/sum/infer", sumRequest); a.status != 200 {
		t.Errorf("after it: %d %s", a.status, a.body)
	}
}

// TestNew holds that options that make no sense are all named.
func TestNew(t *testing.T) {
	_, err := New(Options{MaxBody: -1, MaxHeader: 10, IdleTimeout: -1})
	if err == nil {
		t.Fatal("accepted")
	}
	for _, part := range []string{"repository", "body limit", "header limit", "idle timeout"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q does not name the %s", err, part)
		}
	}
}
