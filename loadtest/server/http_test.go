package server

import (
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"

	"infer/internal/fault"
	"infer/internal/wire"
	"infer/model/tensor"
)

func port(name string, d tensor.DType, shape ...int64) wire.Port {
	return wire.Port{Name: name, DType: d, Shape: append([]int64{}, shape...)}
}

func TestServers(t *testing.T) {
	for _, c := range []struct {
		name, protocol string
		answers        recorded
		info, models   string
	}{
		{"triton", OIPHTTP, triton, "triton 2.51.0", "add flat"},
		{"triton by default", "", triton, "triton 2.51.0", "add flat"},
		{"kserve v2", OIPHTTP, kserve, "kserve 0.21.0", "affine"},
		{"kserve v1", TFS, kserve, "", "affine"},
		{"mlserver", OIPHTTP, mlserver, "mlserver 1.7.1", "affine"},
		{"torchserve", TorchServe, torchServe, "TorchServe 0.12.0", ""},
		{"tfs", TFS, servable, "", ""},
		{"http", HTTP, recorded{}, "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := open(t, c.answers, c.protocol)
			info, err := a.Server(t.Context())
			if err != nil || info.String() != c.info {
				t.Errorf("server is %q, %v, not %q", info, err, c.info)
			}
			models, err := a.Models(t.Context())
			if err != nil || strings.Join(models, " ") != c.models {
				t.Errorf("models are %q, %v, not %q", models, err, c.models)
			}
		})
	}
}

func TestModel(t *testing.T) {
	f, x := tensor.Float32, tensor.DType(0)
	affine := []wire.Port{port("Y", f, -1, 4), port("C", tensor.Int64, -1, 1)}
	for _, c := range []struct {
		name, protocol, model, version string
		answers                        recorded
		want                           Model
	}{
		{"batched", OIPHTTP, "add", "", triton, Model{"add", "1", "python", []wire.Port{port("A", f, -1, 3), port("B", f, -1, 3)}, []wire.Port{port("SUM", f, -1, 3), port("DIFFERENCE", f, -1, 3)}, 64}},
		{"not batched", OIPHTTP, "flat", "", triton, Model{"flat", "1", "python", []wire.Port{port("X", f, 4)}, []wire.Port{port("Y", f, 4)}, 0}},
		{"version", OIPHTTP, "add", "1", triton, Model{"add", "1", "python", []wire.Port{port("A", f, -1, 3)}, nil, NotTold}},
		{"ranks", OIPHTTP, "open", "", triton, Model{"open", "", "", []wire.Port{{Name: "X", DType: f}, port("S", tensor.Int64)}, nil, NotTold}},
		{"kserve", OIPHTTP, "affine", "", kserve, Model{"affine", "", "", []wire.Port{port("X", f, -1, 16)}, affine, NotTold}},
		{"mlserver", OIPHTTP, "affine", "", mlserver, Model{"affine", "", "", []wire.Port{port("X", f, -1, 16)}, affine, NotTold}},
		{"tfs", TFS, "add", "", servable, Model{"add", "1", "", []wire.Port{port("A", f, -1, 3), port("B", f, -1, 3)}, []wire.Port{port("SUM", f, -1, 3)}, NotTold}},
		{"tfs ranks and dtypes", TFS, "odd", "", servable, Model{"odd", "7", "", []wire.Port{{Name: "ids", DType: tensor.Int64}, port("n", tensor.Int32, 5), port("one", tensor.String)}, []wire.Port{port("x", x)}, NotTold}},
		{"tfs without serving_default", TFS, "train", "", servable, Model{"train", "", "", nil, nil, NotTold}},
		{"kserve v1", TFS, "affine", "", kserve, Model{"affine", "", "", nil, nil, NotTold}},
		{"torchserve", TorchServe, "affine", "", torchServe, Model{"affine", "", "", nil, nil, NotTold}},
	} {
		t.Run(c.name, func(t *testing.T) {
			m, err := open(t, c.answers, c.protocol).Model(t.Context(), c.model, c.version)
			if err != nil || !reflect.DeepEqual(m, c.want) {
				t.Errorf("%+v, %v\nnot %+v", m, err, c.want)
			}
			if got := m.NeedInputs(); (got == nil) != (len(c.want.Inputs) > 0) || got != nil && !strings.Contains(fault.HintOf(got), "--model-file") {
				t.Errorf("inputs are needed: %v", got)
			}
		})
	}
}

func TestModelErrors(t *testing.T) {
	for _, c := range []struct {
		name, protocol, model string
		answers               http.Handler
		kind                  fault.Kind
		says, hint            string
	}{
		{"not there", OIPHTTP, "nope", triton, fault.NotFound, `no model "nope" at`, "there are add, flat"},
		{"near", OIPHTTP, "flt", triton, fault.NotFound, "404 Not Found: Request for unknown model: 'flt'", "did you mean flat"},
		{"not ready", OIPHTTP, "loading", triton, fault.Unavailable, `model "loading" at http`, "wait"},
		{"unknown dtype", OIPHTTP, "strange", triton, fault.Unsupported, `input "X" has unknown datatype "FP4"`, ""},
		{"no object", OIPHTTP, "array", triton, fault.Unsupported, "the server's answer to GET /v2/models/array is no object as the protocol has it: starts with `[1, 2]`", "--protocol: http"},
		{"null", OIPHTTP, "null", triton, fault.Unsupported, "is no object as the protocol has it: starts with `null`", "--protocol: http"},
		{"text", OIPHTTP, "text", triton, fault.Unsupported, "starts with `\"hello\"`", "--protocol: http"},
		{"long", OIPHTTP, "long", triton, fault.Unsupported, "starts with `[é " + strings.Repeat("0", 117) + "…`", "--protocol: http"},
		{"blank", OIPHTTP, "blank", triton, fault.Unsupported, "GET /v2/models/blank is empty", "--protocol: http"},
		{"cut", OIPHTTP, "cut", triton, fault.Unsupported, "is no whole JSON: starts with `{\"name\":`", "--protocol: http"},
		{"wrong member", OIPHTTP, "member", triton, fault.Unsupported, `is not as the protocol has it: "inputs" is a JSON number`, "--protocol: http"},
		{"negative axis", OIPHTTP, "negative", triton, fault.Unsupported, `input "X" has an axis of -2: it is a size, or -1 for any`, "configuration of the model"},
		{"two inputs of a name", OIPHTTP, "twice", triton, fault.Unsupported, `two inputs are called "X"`, "configuration of the model"},
		{"tfs dimension", TFS, "dims", servable, fault.Unsupported, `is not as the protocol has it: signature: "t"`, "--protocol: http"},
		{"kserve", OIPHTTP, "nope", kserve, fault.NotFound, "does not exist", "there are affine"},
		{"tfs", TFS, "nope", servable, fault.NotFound, "Servable not found", ""},
		{"tfs dtype", TFS, "resource", servable, fault.Unsupported, "DT_RESOURCE", ""},
		{"torchserve as oip", OIPHTTP, "m", torchServe, fault.Unsupported, "does not speak the Open Inference Protocol: GET /v2 answers 404 Not Found", "--protocol tfs, torchserve or http"},
		{"tfs as oip", OIPHTTP, "add", servable, fault.Unsupported, "does not speak the Open Inference Protocol", "--protocol tfs"},
		{"web page as oip", OIPHTTP, "m", page(200), fault.Unsupported, "answers 200 OK with a web page", "--protocol"},
		{"web page as tfs", TFS, "m", page(404), fault.Unsupported, "does not speak the REST protocol of TensorFlow Serving", "--protocol oip-http or http"},
		{"down", OIPHTTP, "m", page(502), fault.Unavailable, "502 Bad Gateway", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := open(t, c.answers, c.protocol).Model(t.Context(), c.model, "")
			wantFault(t, err, c.kind, c.says, c.hint)
		})
	}
}

// page is a web server that knows nothing of models.
func page(status int) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.WriteHeader(status)
		w.Write([]byte("<html><body>Welcome\x1b[31m</body></html>"))
	})
}

func wantFault(t *testing.T, err error, kind fault.Kind, says, hint string) {
	t.Helper()
	if err == nil || fault.KindOf(err) != kind || !strings.Contains(err.Error(), says) || !strings.Contains(fault.HintOf(err), hint) {
		t.Errorf("error %v (kind %d, hint %q)\nnot kind %d, %q, hint %q", err, fault.KindOf(err), fault.HintOf(err), kind, says, hint)
	}
	if err != nil && (strings.ContainsAny(err.Error(), "\n\x1b") || strings.HasSuffix(fault.HintOf(err), ".")) {
		t.Errorf("error of several lines, with control characters or a full stop: %q, %q", err, fault.HintOf(err))
	}
}

func TestServerErrors(t *testing.T) {
	for _, c := range []struct {
		name, protocol string
		answers        http.Handler
		kind           fault.Kind
		says, hint     string
	}{
		{"web page", OIPHTTP, page(200), fault.Unsupported, "does not speak the Open Inference Protocol", "--protocol"},
		{"no torchserve", TorchServe, triton, fault.Unsupported, "is no TorchServe", "oip-http"},
		{"no oip", OIPHTTP, servable, fault.Unsupported, "GET /v2 answers 404", "tfs"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := open(t, c.answers, c.protocol).Server(t.Context())
			wantFault(t, err, c.kind, c.says, c.hint)
		})
	}
}

func TestStatistics(t *testing.T) {
	a := open(t, triton, OIPHTTP)
	s, err := a.Statistics(t.Context(), "add", "")
	want := &Statistics{
		Success: Counter{20, 292044454}, Fail: Counter{1, 7}, Queue: Counter{20, 1112645},
		Input: Counter{20, 694237}, Compute: Counter{20, 287717782}, Output: Counter{20, 2453651},
		Inferences: 20, Executions: 10,
	}
	if err != nil || !reflect.DeepEqual(s, want) {
		t.Errorf("%+v, %v\nnot %+v", s, err, want)
	}
	s, err = a.Statistics(t.Context(), "several", "")
	want = &Statistics{Success: Counter{5, 30}, Inferences: 5, Executions: 3}
	if err != nil || !reflect.DeepEqual(s, want) {
		t.Errorf("of two versions %+v, %v\nnot %+v", s, err, want)
	}
	for _, none := range []string{"nope", "shadows"} {
		if s, err := a.Statistics(t.Context(), none, ""); s != nil || err != nil {
			t.Errorf("%s: %v, %v", none, s, err)
		}
	}
	_, err = a.Statistics(t.Context(), "loading", "")
	wantFault(t, err, fault.Unavailable, "503", "")
	_, err = a.Statistics(t.Context(), "liar", "")
	wantFault(t, err, fault.Unsupported, "\"model_stats.inference_count\" is a JSON string", "")
	for name, without := range map[string]struct {
		answers  recorded
		protocol string
	}{"kserve": {kserve, OIPHTTP}, "mlserver": {mlserver, OIPHTTP}, "torchserve": {torchServe, TorchServe}, "tfs": {servable, TFS}, "http": {recorded{}, HTTP}} {
		if s, err := open(t, without.answers, without.protocol).Statistics(t.Context(), "affine", ""); s != nil || err != nil {
			t.Errorf("%s: %v, %v", name, s, err)
		}
	}
}

// TestHeaders: the caller's headers and the prefix of the URL go with every request.
func TestHeaders(t *testing.T) {
	var got *http.Request
	var asked []string
	s := httptest.NewServer(http.StripPrefix("/gate", http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if got = q; strings.HasPrefix(q.URL.Path, "/v2/models/a") {
			asked = append(asked, q.URL.EscapedPath())
		}
		triton.ServeHTTP(w, q)
	})))
	defer s.Close()
	a := opened(t, Options{URL: s.URL + "/gate/?x=1", Header: http.Header{"authorization": {"Bearer x"}, "Host": {"models.example"}}})
	if info, err := a.Server(t.Context()); err != nil || info.Name != "triton" {
		t.Fatal(info, err)
	}
	if _, err := a.Model(t.Context(), "a/b?c%", "1 2"); fault.KindOf(err) != fault.NotFound {
		t.Error(err)
	}
	if got.Header.Get("Authorization") != "Bearer x" || got.Host != "models.example" {
		t.Errorf("headers %v, host %s", got.Header, got.Host)
	}
	if want := "/v2/models/a%2Fb%3Fc%25/versions/1%202"; len(asked) != 1 || asked[0] != want {
		t.Errorf("asked for %q, not %q", asked, want)
	}
}

func TestOpenErrors(t *testing.T) {
	for _, c := range []struct{ url, protocol, says string }{
		{"", "", "no address"}, {"localhost:8000", "", "no address"}, {"ftp://host", "", `unknown scheme "ftp"`}, {"http://", "", "no address"},
		{"http://h", "nosuch", "unknown protocol"}, {"http://h", OIPGRPC, "not spoken over http"}, {"grpc://h", TFS, "not spoken over gRPC"}, {"http://[::1", "", "no address"},
	} {
		_, err := Open(Options{URL: c.url, Protocol: c.protocol})
		wantFault(t, err, fault.Usage, c.says, "")
	}
}

func TestDelta(t *testing.T) {
	a := &Statistics{Success: Counter{10, 100}, Queue: Counter{10, 50}, Input: Counter{10, 10}, Compute: Counter{10, 20}, Output: Counter{10, 10}, Inferences: 10, Executions: 10}
	b := &Statistics{Success: Counter{30, 500}, Fail: Counter{2, 5}, Queue: Counter{30, 250}, Input: Counter{30, 50}, Compute: Counter{30, 120}, Output: Counter{30, 30}, Inferences: 50, Executions: 20}
	// 20 requests: queue 200/20, compute (40+100+20)/20; 40 rows in 10 runs.
	want := Change{Requests: 20, Failures: 2, Queue: 10, Compute: 8, Batch: 4}
	if got, ok := Delta(a, b); !ok || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, not %+v", got, want)
	}
	if got, ok := Delta(a, a); !ok || got.Requests != 0 || got.Queue != Untold || got.Compute != Untold || got.Batch != 0 {
		t.Errorf("nothing happened: %+v, %v", got, ok)
	}
	for name, pair := range map[string][2]*Statistics{"backwards": {b, a}, "no first": {nil, b}, "no second": {a, nil}, "none": {nil, nil}} {
		if got, ok := Delta(pair[0], pair[1]); ok {
			t.Errorf("%s: %+v", name, got)
		}
	}
	back := *b
	back.Queue.Time = 1
	if _, ok := Delta(a, &back); ok {
		t.Error("a time that went backwards is believed")
	}
}
