package page_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"infer/model"
	"infer/model/tensor"
	"infer/serve/observe"
	"infer/serve/page"
	"infer/serve/repository"
)

var saveOptions = model.SaveOptions{}

// models are a server's worth of signatures: an image, strings, half precision both ways, scalars, open axes, integers,
// a name full of escapes, and the shared models where they are.
func models(t *testing.T) []repository.Source {
	list := []repository.Source{
		digits(t),
		identity(t, "text", tensor.String, "N", 2),
		identity(t, "half", tensor.Float16, "N", 3),
		identity(t, "brain", tensor.BFloat16, 2),
		identity(t, "bytes", tensor.Uint8, 1, 4),
		identity(t, "flags", tensor.Bool, "N"),
		identity(t, `a b%c"d`, tensor.Float64),
		{Path: filepath.Join(testdata, "odd", "float16-output.onnx")},
		{Path: filepath.Join(testdata, "odd", "scalar-input.onnx")},
	}
	for _, shared := range []string{
		"iris-rf/iris-rf.onnx", "banking77-encoder/banking77-encoder.onnx", "adult-gbdt/adult-gbdt.onnx", "gtcrn/gtcrn-simple.onnx",
		"squeezenet1.1/squeezenet1.1-fp16-original.onnx", "micro-kws/micro-kws-fp32.onnx", "mnist-cnn/mnist-cnn-dynamic.onnx",
	} {
		path := filepath.Join(sharedModels, filepath.FromSlash(shared))
		if _, err := os.Stat(path); err == nil {
			list = append(list, repository.Source{Path: path})
		} else {
			t.Logf("no shared/models/%s beside the checkout", shared)
		}
	}
	return list
}

// request sends a request and returns what came.
func request(t *testing.T, method, url, contentType string, body []byte, header map[string]string) (status int, answerType string, answer []byte) {
	t.Helper()
	r, err := http.NewRequest(method, url, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	for k, v := range header {
		r.Header.Set(k, v)
	}
	a, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Body.Close()
	answer, err = io.ReadAll(a.Body)
	if err != nil {
		t.Fatal(err)
	}
	return a.StatusCode, a.Header.Get("Content-Type"), answer
}

// operation is what the test reads of an operation.
type operation struct {
	RequestBody *struct {
		Content map[string]struct {
			Examples map[string]struct {
				Value         json.RawMessage
				ExternalValue string
			}
		}
	}
	Parameters []struct {
		Name    string
		Example any
	}
	Responses map[string]struct {
		Ref     string `json:"$ref"`
		Content map[string]json.RawMessage
	}
}

// document is an OpenAPI document, and its schemas to check against.
type document struct {
	t       *testing.T
	url     string
	paths   map[string]map[string]json.RawMessage
	schemas *jsonschema.Compiler
}

func openDocument(t *testing.T, url string) *document {
	status, kind, body := request(t, http.MethodGet, url+"/openapi.json", "", nil, nil)
	if status != http.StatusOK || kind != "application/json" {
		t.Fatalf("status %d, %s: %s", status, kind, body)
	}
	d := &document{t: t, url: url, schemas: jsonschema.NewCompiler()}
	var top struct {
		Paths map[string]map[string]json.RawMessage
	}
	if err := json.Unmarshal(body, &top); err != nil {
		t.Fatal(err)
	}
	d.paths = top.Paths
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if err := d.schemas.AddResource("openapi.json", v); err != nil {
		t.Fatal(err)
	}
	return d
}

// check validates a JSON text against the schema at a place of the document.
func (d *document) check(body []byte, place ...string) {
	d.t.Helper()
	pointer := ""
	for _, p := range place {
		p = strings.ReplaceAll(strings.ReplaceAll(p, "~", "~0"), "/", "~1")
		pointer += "/" + strings.NewReplacer("%", "%25", " ", "%20", `"`, "%22").Replace(p)
	}
	schema, err := d.schemas.Compile("openapi.json#" + pointer)
	if err != nil {
		d.t.Errorf("%v: %v", place, err)
		return
	}
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	if err != nil {
		d.t.Errorf("%v: %v in %.200s", place, err, body)
		return
	}
	if err := schema.Validate(v); err != nil {
		d.t.Errorf("%v: %v in %.200s", place, err, body)
	}
}

// TestOpenAPIWorks asks a real server for everything that its document describes: every path answers as described,
// every example is answered 200, and examples and answers fit the schemas.
func TestOpenAPIWorks(t *testing.T) {
	d := openDocument(t, serving(t, nil, models(t)...))
	examples := 0
	for path, item := range d.paths {
		for method, raw := range item {
			if method == "parameters" {
				continue
			}
			var op operation
			if err := json.Unmarshal(raw, &op); err != nil {
				t.Fatal(path, method, err)
			}
			if op.RequestBody == nil || len(op.RequestBody.Content["application/json"].Examples)+len(op.RequestBody.Content["application/octet-stream"].Examples) == 0 {
				d.call(path, method, "", nil, op, nil)
				continue
			}
			for kind, media := range op.RequestBody.Content {
				for _, e := range media.Examples {
					examples++
					body, header := []byte(e.Value), map[string]string{}
					if e.ExternalValue != "" {
						_, _, body = request(t, http.MethodGet, d.url+e.ExternalValue, "", nil, nil)
					}
					for _, p := range op.Parameters {
						if p.Example != nil {
							header[p.Name] = fmt.Sprint(p.Example)
						}
					}
					if kind == "application/json" {
						d.check(body, "paths", path, method, "requestBody", "content", kind, "schema")
					}
					d.call(path, method, kind, body, op, header)
				}
			}
		}
	}
	if examples < 30 {
		t.Errorf("only %d examples", examples)
	}
}

// call sends a request and holds the answer to what the document says of it.
func (d *document) call(path, method, kind string, body []byte, op operation, header map[string]string) {
	d.t.Helper()
	url := d.url + strings.ReplaceAll(path, "{model}", "digits")
	status, answerType, answer := request(d.t, strings.ToUpper(method), url, kind, body, header)
	if _, described := op.Responses[fmt.Sprint(status)]; !described {
		d.t.Errorf("%s %s: status %d, which the document does not have: %.300s", method, path, status, answer)
		return
	}
	if len(body) > 0 && status != http.StatusOK {
		d.t.Errorf("%s %s: the example is answered %d: %.300s", method, path, status, answer)
	}
	if status == http.StatusOK && answerType == "application/json" && op.Responses["200"].Content["application/json"] != nil {
		d.check(answer, "paths", path, method, "responses", "200", "content", answerType, "schema")
	}
	if status >= 400 && answerType == "application/json" {
		d.check(answer, "components", "schemas", "error")
	}
}

// TestOpenAPIOffers: a listener describes the changes of what is served where it offers them, and nowhere else.
func TestOpenAPIOffers(t *testing.T) {
	source := fixed{[]*repository.Info{{Name: "m", Version: "1"}}}
	for _, admin := range []bool{false, true} {
		_, body, ok := page.New(source, admin).Get("/openapi.json")
		if !ok {
			t.Fatal("no document")
		}
		for _, path := range []string{"/v2/repository/models/{model}/load", "/v2/repository/models/{model}/unload", "/v2/models/m/split"} {
			if strings.Contains(string(body), `"`+path+`"`) != admin {
				t.Errorf("admin %v: %s is described: %v", admin, path, !admin)
			}
		}
	}
}

// fixed is a source of models that nothing serves.
type fixed struct{ infos []*repository.Info }

func (f fixed) Ready() bool                                      { return true }
func (f fixed) Index() []repository.State                        { return nil }
func (f fixed) Infos() []*repository.Info                        { return f.infos }
func (f fixed) Stats(string, string) ([]repository.Stats, error) { return nil, nil }
func (f fixed) Live() []observe.Live                             { return nil }
func (f fixed) Gain(string, string) page.Gain                    { return page.Gain{} }

// TestOpenAPIIsValid lets openapi-spec-validator judge the document. scripts/page-check.sh installs it and names its
// Python in INFER_TEST_OPENAPI_PYTHON.
func TestOpenAPIIsValid(t *testing.T) {
	python := os.Getenv("INFER_TEST_OPENAPI_PYTHON")
	if python == "" {
		t.Skip("scripts/page-check.sh runs this with openapi-spec-validator")
	}
	_, _, body := request(t, http.MethodGet, serving(t, nil, models(t)[:7]...)+"/openapi.json", "", nil, nil)
	file := filepath.Join(t.TempDir(), "openapi.json")
	if err := os.WriteFile(file, body, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(python, "-m", "openapi_spec_validator", "--schema", "3.1", file).CombinedOutput()
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	t.Logf("%s", out)
}

// TestKeys: what tells of the models needs a key where there are keys, and the page itself does not.
func TestKeys(t *testing.T) {
	url := serving(t, secret(t), digits(t))
	for _, c := range []struct {
		path          string
		without, with int
	}{
		{"/", 200, 200}, {"/docs", 200, 200}, {"/page/page.js", 200, 200}, {"/page/no.js", 404, 404}, {"/live", 401, 200}, {"/openapi.json", 401, 200},
		{"/v2/openapi.json", 401, 200}, {"/openapi/digits/1/infer.json", 401, 200}, {"/openapi/digits/1/infer.txt", 401, 404}, {"/openapi/nope/1/infer.json", 401, 404},
	} {
		without, _, _ := request(t, http.MethodGet, url+c.path, "", nil, nil)
		with, _, _ := request(t, http.MethodGet, url+c.path, "", nil, map[string]string{"Authorization": "Bearer secret"})
		if without != c.without || with != c.with {
			t.Errorf("%s: %d without a key and %d with one, want %d and %d", c.path, without, with, c.without, c.with)
		}
	}
}
