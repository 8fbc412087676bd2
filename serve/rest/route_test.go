package rest

import (
	"strings"
	"testing"
)

func TestParseRoute(t *testing.T) {
	for _, c := range []struct {
		path                  string
		place                 place
		model, version, label string
	}{
		{path: "/", place: atPage},
		{path: "", place: atPage},
		{path: "/live", place: atPage},
		{path: "/openapi.json", place: atPage},
		{path: "/v2", place: atServer},
		{path: "/v2/", place: atServer},
		{path: "/v2/health/live", place: atLive},
		{path: "/v2/health/ready", place: atReady},
		{path: "/v2/health/dead"},
		{path: "/v2/health"},
		{path: "/v2/models", place: atModels},
		{path: "/v2/models/", place: atModels},
		{path: "/v2/models/stats", place: atModelStats},
		{path: "/v2/models/stats/infer", place: atModelInfer, model: "stats"},
		{path: "/v2/models/m", place: atModel, model: "m"},
		{path: "/v2/models/m.v-2 x", place: atModel, model: "m.v-2 x"},
		{path: "/v2/models/m/versions/12", place: atModel, model: "m", version: "12"},
		{path: "/v2/models/m/versions/x"},
		{path: "/v2/models/m/versions"},
		{path: "/v2/models/m/infer", place: atModelInfer, model: "m"},
		{path: "/v2/models/m/versions/1/infer", place: atModelInfer, model: "m", version: "1"},
		{path: "/v2/models/m/infer/more"},
		{path: "/v2/models/m/ready", place: atModelReady, model: "m"},
		{path: "/v2/models/m/config", place: atModelConfig, model: "m"},
		{path: "/v2/models/m/versions/3/config", place: atModelConfig, model: "m", version: "3"},
		{path: "/v2/models/m/stats", place: atModelStats, model: "m"},
		{path: "/v2/models/m/scheduler", place: atModelScheduler, model: "m"},
		{path: "/v2/models/m/split", place: atModelSplit, model: "m"},
		{path: "/v2/models/m/generate"},
		{path: "/v2/repository/index", place: atIndex},
		{path: "/v2/repository/here/index", place: atIndex},
		{path: "/v2/repository/models/m/load", place: atLoad, model: "m"},
		{path: "/v2/repository/here/models/m/unload", place: atUnload, model: "m"},
		{path: "/v2/repository/models/m/drop"},
		{path: "/v2/repository/models//load"},
		{path: "/v2/other"},
		{path: "/v2x"},
		{path: "/v1/models", place: atTfsModels},
		{path: "/v1/models/m", place: atTfsModel, model: "m"},
		{path: "/v1/models/m/versions/2", place: atTfsModel, model: "m", version: "2"},
		{path: "/v1/models/m/versions/2/metadata", place: atTfsMetadata, model: "m", version: "2"},
		{path: "/v1/models/m/metadata", place: atTfsMetadata, model: "m"},
		{path: "/v1/models/m:predict", place: atTfsPredict, model: "m"},
		{path: "/v1/models/m/versions/2:predict", place: atTfsPredict, model: "m", version: "2"},
		{path: "/v1/models/m/labels/stable:predict", place: atTfsPredict, model: "m", label: "stable"},
		{path: "/v1/models/m/labels/stable", place: atTfsModel, model: "m", label: "stable"},
		{path: "/v1/models/m:regress", place: atTfsOther, model: "m"},
		{path: "/v1/models/m:explode"},
		{path: "/v1/models/m/metadata:predict"},
		{path: "/v1/models/:predict"},
		{path: "/v1/models/m/versions/x:predict"},
		{path: "/v1/other"},
		{path: "/ping", place: atPing},
		{path: "/ping/pong"},
		{path: "/predictions/m", place: atTorchPredict, model: "m"},
		{path: "/predictions/m/1.0", place: atTorchPredict, model: "m", version: "1.0"},
		{path: "/predictions/m/1/2"},
		{path: "/predictions"},
		{path: "/predict", place: atPredict},
		{path: "/invocations", place: atInvocations},
		{path: "/no/such"},
	} {
		t.Run(strings.Trim(c.path, "/"), func(t *testing.T) {
			r := parseRoute([]byte(c.path))
			if r.place != c.place || string(r.model) != c.model || string(r.version) != c.version || string(r.label) != c.label {
				t.Errorf("%s leads to %d (model %q, version %q, label %q), want %d (%q, %q, %q)",
					c.path, r.place, r.model, r.version, r.label, c.place, c.model, c.version, c.label)
			}
		})
	}
	if n := testing.AllocsPerRun(100, func() { parseRoute([]byte("/v2/models/m/versions/1/infer")) }); n != 0 {
		t.Errorf("a route takes %v allocations", n)
	}
}

// FuzzParseRoute holds that any path is found or refused, and that its parts come from it.
func FuzzParseRoute(f *testing.F) {
	for _, s := range []string{"/v2/models/m/versions/1/infer", "/v1/models/m:predict", "/v2/repository/index", "//", ":", "/predictions/a/"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, path string) {
		r := parseRoute([]byte(path))
		for _, part := range [][]byte{r.model, r.version, r.label} {
			if !strings.Contains(path, string(part)) || strings.Contains(string(part), "/") && r.place != nowhere {
				t.Errorf("%q: part %q", path, part)
			}
		}
		if r.place == atModelInfer && len(r.model) == 0 {
			t.Errorf("%q: an inference without a model", path)
		}
	})
}

func TestFormOf(t *testing.T) {
	for _, c := range []struct {
		body string
		want bodyForm
	}{
		{`{"instances":[1]}`, formTFS},
		{` {"signature_name" : "a\"b", "instances":[1]}`, formTFS},
		{`{"inputs":{"a":[1]}}`, formTFS},
		{`{"inputs":[[1,2]]}`, formTFS},
		{`{"inputs":5}`, formTFS},
		{`{"inputs":[{"b64":"AA=="}]}`, formTFS},
		{`{"inputs":[{"name":"a"}]}`, formOIP},
		{`{"instances":["a"]}`, formText},
		{`{"instances" : [ {"text" : "a"}]}`, formText},
		{`{"inputs":{"text":["a"]}}`, formText},
		{`{"inputs":"a"}`, formText},
		{`{"inputs":[{"text":"a"}]}`, formText},
		{`{"inputs":{"text":[1]}}`, formTFS},
		{`{"instances":[{"x":"a"}]}`, formTFS},
		{`{"instances":[{"text"`, formTFS},
		{"{\n\t\"id\": \"1\", \"parameters\": {\"x\": [1,{\"}\":2}]},\r\n \"inputs\" : [ { \"shape\":[1]}]}", formOIP},
		{`{"inputs":[]}`, formOIP},
		{`{"text":"instances"}`, formNone},
		{`{"a":{"inputs":[]}}`, formNone},
		{`[1,2]`, formNone},
		{`I lost my card`, formNone},
		{`{`, formNone},
		{`{"inputs"`, formNone},
		{`{"a`, formNone},
		{`{"a":[`, formNone},
		{``, formNone},
		{"\xff\xd8\xff\xe0", formNone},
		{`{"x":` + strings.Repeat("[", 5_000_000), formNone},
	} {
		if got := formOf([]byte(c.body)); got != c.want {
			t.Errorf("%.60q is of form %d, want %d", c.body, got, c.want)
		}
	}
}

// FuzzFormOf holds that the form of any body is found, and that a file that is no JSON has none.
func FuzzFormOf(f *testing.F) {
	for _, s := range []string{`{"instances":[1]}`, `{"inputs":[{"b64":""}]}`, `{"a":"\"","inputs":[]}`, "\xff\xd8"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		form := formOf(body)
		if _, object := after(body, '{'); !object && form != formNone {
			t.Errorf("%q is of form %d", body, form)
		}
	})
}
