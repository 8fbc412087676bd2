package server

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// recorded are answers of real servers by "METHOD PATH", taken on 2026-11-27 (affine and add are the models of
// scripts/loadtest-parts and scripts/serve-parts).
type recorded map[string]string

// Triton 2.51.0 with its Python backend. What it does not have is text/plain {"error":"Not Found"}.
var triton = recorded{
	"GET /v2":                       `{"name":"triton","version":"2.51.0","extensions":["classification","sequence","model_repository","statistics"]}`,
	"POST /v2/repository/index":     `[{"name":"flat","version":"1","state":"READY"},{"name":"add","version":"1","state":"READY"},{"name":"bad","version":"1","state":"UNAVAILABLE","reason":"x"}]`,
	"GET /v2/models/add":            `{"name":"add","versions":["1"],"platform":"python","inputs":[{"name":"A","datatype":"FP32","shape":[-1,3]},{"name":"B","datatype":"FP32","shape":[-1,3]}],"outputs":[{"name":"SUM","datatype":"FP32","shape":[-1,3]},{"name":"DIFFERENCE","datatype":"FP32","shape":[-1,3]}]}`,
	"GET /v2/models/add/config":     `{"name":"add","platform":"","backend":"python","runtime":"","version_policy":{"latest":{"num_versions":1}},"max_batch_size":64,"input":[{"name":"A","data_type":"TYPE_FP32","format":"FORMAT_NONE","dims":[3]}]}`,
	"GET /v2/models/add/stats":      `{"model_stats":[{"name":"add","version":"1","last_inference":1795767335983,"inference_count":20,"execution_count":10,"inference_stats":{"success":{"count":20,"ns":292044454},"fail":{"count":1,"ns":7},"queue":{"count":20,"ns":1112645},"compute_input":{"count":20,"ns":694237},"compute_infer":{"count":20,"ns":287717782},"compute_output":{"count":20,"ns":2453651},"cache_hit":{"count":0,"ns":0},"cache_miss":{"count":0,"ns":0}},"response_stats":{},"batch_stats":[{"batch_size":2,"compute_input":{"count":10,"ns":694237},"compute_infer":{"count":10,"ns":287717782},"compute_output":{"count":10,"ns":2453651}}],"memory_usage":[]}]}`,
	"GET /v2/models/flat":           `{"name":"flat","versions":["1"],"platform":"python","inputs":[{"name":"X","datatype":"FP32","shape":[4]}],"outputs":[{"name":"Y","datatype":"FP32","shape":[4]}]}`,
	"GET /v2/models/flat/config":    `{"name":"flat","backend":"python","max_batch_size":0}`,
	"GET /v2/models/add/versions/1": `{"name":"add","versions":["1","2"],"platform":"python","inputs":[{"name":"A","datatype":"FP32","shape":[-1,3]}],"outputs":[]}`,
	"GET /v2/models/nope":           `404 {"error":"Request for unknown model: 'nope' is not found"}`,
	"GET /v2/models/flt":            `404 {"error":"Request for unknown model: 'flt' is not found"}`,
	"GET /v2/models/loading":        `503 {"error":"model is loading"}`,
	"GET /v2/models/nope/stats":     `400 {"error":"requested model 'nope' is not available"}`,
	"GET /v2/models/loading/stats":  `503 {"error":"busy"}`,
	"GET /v2/models/strange":        `{"name":"strange","inputs":[{"name":"X","datatype":"FP4","shape":[4]}]}`,
	"GET /v2/models/several/stats":  `{"model_stats":[{"inference_count":2,"execution_count":1,"inference_stats":{"success":{"count":2,"ns":10}},"batch_stats":[{"batch_size":2,"compute_infer":{"count":1}}]},{"inference_count":3,"execution_count":2,"inference_stats":{"success":{"count":3,"ns":20}},"batch_stats":[{"batch_size":1,"compute_infer":{"count":1}},{"batch_size":2,"compute_infer":{"count":1}}]}]}`,
	"GET /v2/models/shadows/stats":  `{"model_stats":[]}`,
	"GET /v2/models/liar/stats":     `{"model_stats":[{"inference_count":"many"}]}`,
	"GET /v2/models/open":           `{"name":"open","inputs":[{"name":"X","datatype":"FP32"},{"name":"S","datatype":"INT64","shape":[]}]}`,
	"GET /v2/models/open/config":    `404 {"error":"Not Found"}`,
	"GET /v2/models/strange/config": `{}`,
	"GET /v2/models/nothing":        `{"name":"nothing","versions":null,"platform":"","inputs":[],"outputs":[]}`,
	"GET /v2/models/nothing/config": `404 {"detail":"Not Found"}`,
	"GET /v2/models/array":          `[1, 2]`,
	"GET /v2/models/null":           `null`,
	"GET /v2/models/text":           `"hello"`,
	"GET /v2/models/long":           "[é\x1b" + strings.Repeat("0", 10000) + "]",
	"GET /v2/models/blank":          " ",
	"GET /v2/models/cut":            `{"name":`,
	"GET /v2/models/member":         `{"name":"m","inputs":5}`,
	"GET /v2/models/negative":       `{"name":"m","inputs":[{"name":"X","datatype":"FP32","shape":[-1,-2]}],"outputs":[{"name":"Y","shape":[-7]}]}`,
	"GET /v2/models/twice":          `{"name":"m","inputs":[{"name":"X","datatype":"FP32","shape":[1]},{"name":"X","datatype":"FP32","shape":[1]}]}`,
}

// KServe 0.21.0, both protocols.
var kserve = recorded{
	"GET /v2":                  `{"name":"kserve","version":"0.21.0","extensions":["model_repository_extension"]}`,
	"GET /v2/models":           `{"models":["affine"]}`,
	"GET /v2/models/affine":    `{"name":"affine","versions":null,"platform":"","inputs":[{"name":"X","datatype":"FP32","shape":[-1,16]}],"outputs":[{"name":"Y","datatype":"FP32","shape":[-1,4]},{"name":"C","datatype":"INT64","shape":[-1,1]}]}`,
	"GET /v1/models":           `{"models":["affine"]}`,
	"GET /v1/models/affine":    `{"name":"affine","ready":true}`,
	"GET /v1/models/nope":      `404 {"error":"Model with name nope does not exist."}`,
	"GET /v2/models/nope":      `404 {"error":"Model with name nope does not exist."}`,
	"GET /v1/models/nope/x":    `404 {"detail":"Not Found"}`,
	"GET /v2/models/affine/xx": `404 {"detail":"Not Found"}`,
}

// MLServer 1.7.1.
var mlserver = recorded{
	"GET /v2":                   `{"name":"mlserver","version":"1.7.1","extensions":[]}`,
	"POST /v2/repository/index": `[{"name":"affine","state":"READY","reason":""}]`,
	"GET /v2/models/affine":     `{"name":"affine","versions":[],"platform":"","inputs":[{"name":"X","datatype":"FP32","shape":[-1,16]}],"outputs":[{"name":"Y","datatype":"FP32","shape":[-1,4]},{"name":"C","datatype":"INT64","shape":[-1,1]}],"parameters":{}}`,
}

// infer 0.1.0-dev, in the form of TensorFlow Serving.
var servable = recorded{
	"GET /v1/models/add":               `{"model_version_status":[{"version":"1","state":"AVAILABLE","status":{"error_code":"OK","error_message":""}}],"name":"add","ready":true}`,
	"GET /v1/models/add/metadata":      `{"metadata":{"signature_def":{"signature_def":{"serving_default":{"inputs":{"B":{"dtype":"DT_FLOAT","tensor_shape":{"dim":[{"size":"-1","name":""},{"size":"3","name":""}],"unknown_rank":false},"name":"B"},"A":{"dtype":"DT_FLOAT","tensor_shape":{"dim":[{"size":"-1","name":""},{"size":"3","name":""}],"unknown_rank":false},"name":"A"}},"method_name":"tensorflow/serving/predict","outputs":{"SUM":{"dtype":"DT_FLOAT","tensor_shape":{"dim":[{"size":"-1","name":""},{"size":"3","name":""}],"unknown_rank":false},"name":"SUM"}}}}}},"model_spec":{"name":"add","signature_name":"","version":"1"}}`,
	"GET /v1/models/odd/metadata":      `{"model_spec":{"name":"odd","version":"7"},"metadata":{"signature_def":{"signature_def":{"serving_default":{"inputs":{"ids":{"dtype":"DT_INT64","tensor_shape":{"dim":[],"unknown_rank":true}},"one":{"dtype":"DT_STRING","tensor_shape":{"dim":[],"unknown_rank":false}},"n":{"dtype":"DT_INT32","tensor_shape":{"dim":[{"size":5}]}}},"outputs":{"x":{"dtype":"DT_VARIANT"}}}}}}}`,
	"GET /v1/models/dims/metadata":     `{"metadata":{"signature_def":{"signature_def":{"serving_default":{"inputs":{"t":{"dtype":"DT_FLOAT","tensor_shape":{"dim":[{"size":"x"}]}}}}}}}}`,
	"GET /v1/models/resource/metadata": `{"metadata":{"signature_def":{"signature_def":{"serving_default":{"inputs":{"t":{"dtype":"DT_RESOURCE"}}}}}}}`,
	"GET /v1/models/train/metadata":    `{"metadata":{"signature_def":{"signature_def":{"train":{"inputs":{"t":{"dtype":"DT_FLOAT"}}}}}}}`,
	"GET /v1/models/nope":              `404 {"error":"Servable not found for request: Latest(nope)"}`,
	"GET /v1/models/nope/metadata":     `404 {"error":"Servable not found for request: Latest(nope)"}`,
}

// TorchServe 0.12.0, its description of the API cut short.
var torchServe = recorded{
	"GET /ping":  "{\n  \"status\": \"Healthy\"\n}\n",
	"OPTIONS /":  `{"openapi":"3.0.1","info":{"title":"TorchServe APIs","description":"TorchServe is a flexible and easy to use tool for serving deep learning models","version":"0.12.0"},"paths":{}}`,
	"GET /v2":    `404 {"code":404,"type":"ResourceNotFoundException","message":"Requested resource is not found, please refer to API document."}`,
	"GET /stats": ``,
}

// ServeHTTP answers as it was recorded: a status that is not 200 stands before the body.
func (r recorded) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	body, known := r[q.Method+" "+q.URL.Path]
	if !known {
		body = `404 {"error":"Not Found"}`
	}
	w.Header().Set("Content-Type", "application/json")
	if len(body) > 4 && body[0] >= '1' && body[0] <= '5' && body[3] == ' ' {
		w.WriteHeader(int(body[0]-'0')*100 + int(body[1]-'0')*10 + int(body[2]-'0'))
		body = body[4:]
	}
	w.Write([]byte(body))
}

// open starts a server and asks it.
func open(t *testing.T, h http.Handler, protocol string) API {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return opened(t, Options{URL: s.URL, Protocol: protocol})
}

// opened is Open in a test.
func opened(t *testing.T, o Options) API {
	t.Helper()
	a, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for range 2 {
			if err := a.Close(); err != nil {
				t.Error(err)
			}
		}
	})
	return a
}
