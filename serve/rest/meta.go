package rest

import (
	"encoding/json"

	"github.com/valyala/fasthttp"

	"infer/internal/fault"
	"infer/internal/wire"
	"infer/serve/guard"
	"infer/serve/page"
	"infer/serve/repository"
)

// platform is what clients of Triton know a model of ONNX Runtime by.
const platform = "onnxruntime_onnx"

// extensions are those of the Open Inference Protocol and of Triton that are implemented.
var extensions = []string{
	"classification", "model_repository", "schedule_policy", "model_configuration", "binary_tensor_data", "parameters",
	"statistics",
}

// healthLive answers as long as the process can.
func (x *exchange) healthLive() error { return x.health(true) }

// healthReady answers whether every model serves.
func (x *exchange) healthReady() error { return x.health(x.s.isReady()) }

// health answers both health endpoints: one body satisfies the Open Inference Protocol and KServe; Triton's has none
// and status 400 where not ready.
func (x *exchange) health(ok bool) error {
	switch {
	case x.s.o.CompatTriton && ok:
		x.answer(fasthttp.StatusOK, nil, nil)
	case x.s.o.CompatTriton:
		x.answer(fasthttp.StatusBadRequest, nil, nil)
	case ok:
		x.answer(fasthttp.StatusOK, jsonType, append(x.buffer(), `{"live":true,"ready":true}`...))
	default:
		x.ctx.Response.Header.SetCanonical(hRetry, []byte("1"))
		x.answer(fasthttp.StatusServiceUnavailable, jsonType, append(x.buffer(), `{"live":true,"ready":false}`...))
	}
	return nil
}

// ping answers TorchServe's and SageMaker's health check.
func (x *exchange) ping() error {
	if !x.s.isReady() {
		x.ctx.Response.Header.SetCanonical(hRetry, []byte("1"))
		x.answer(fasthttp.StatusServiceUnavailable, jsonType, append(x.buffer(), `{"status":"Unhealthy"}`...))
		return nil
	}
	x.answer(fasthttp.StatusOK, jsonType, append(x.buffer(), `{"status":"Healthy"}`...))
	return nil
}

// modelReady answers whether a model serves.
func (x *exchange) modelReady() error {
	name := string(x.route.model)
	ok, err := x.s.o.Repository.ModelReady(name, string(x.route.version))
	switch {
	case x.s.o.CompatTriton && (err != nil || !ok):
		x.answer(fasthttp.StatusBadRequest, nil, nil)
		return nil
	case x.s.o.CompatTriton:
		x.answer(fasthttp.StatusOK, nil, nil)
		return nil
	case err != nil:
		return err
	}
	status := fasthttp.StatusOK
	if !ok {
		status = fasthttp.StatusServiceUnavailable
	}
	return x.json(status, struct {
		Name  string `json:"name"`
		Ready bool   `json:"ready"`
	}{name, ok})
}

// serverMetadata says who serves and which extensions of the protocol.
func (x *exchange) serverMetadata() error {
	return x.json(fasthttp.StatusOK, struct {
		Name       string   `json:"name"`
		Version    string   `json:"version"`
		Extensions []string `json:"extensions"`
	}{x.s.o.Name, x.s.o.Version, extensions})
}

// listModels names the models that serve, as KServe does in both of its protocols.
func (x *exchange) listModels() error {
	return x.json(fasthttp.StatusOK, struct {
		Models []string `json:"models"`
	}{x.modelNames()})
}

// modelNames are the models that serve.
func (x *exchange) modelNames() []string {
	names := []string{}
	for _, s := range x.s.o.Repository.Index() {
		if s.State == stateReady && (len(names) == 0 || names[len(names)-1] != s.Name) {
			names = append(names, s.Name)
		}
	}
	return names
}

// stateReady is the state of a version that serves, in the index.
const stateReady = "READY"

// portView is an input or output in the metadata of a model.
type portView struct {
	Name     string  `json:"name"`
	Datatype string  `json:"datatype"`
	Shape    []int64 `json:"shape"`
}

func portViews(ports []wire.Port) []portView {
	list := make([]portView, len(ports))
	for i, p := range ports {
		list[i] = portView{p.Name, wire.Datatype(p.DType), append([]int64{}, p.Shape...)}
	}
	return list
}

// metadata describes a model to clients of the Open Inference Protocol. Properties are what its gRPC form has a field
// for: the digest and what was found about batching.
type metadata struct {
	Name       string            `json:"name"`
	Versions   []string          `json:"versions"`
	Platform   string            `json:"platform"`
	Inputs     []portView        `json:"inputs"`
	Outputs    []portView        `json:"outputs"`
	Properties map[string]string `json:"properties"`
}

func (x *exchange) modelMetadata() error {
	info, err := x.find()
	if err != nil {
		return err
	}
	versions, err := x.s.o.Repository.Versions(info.Name)
	if err != nil {
		return err
	}
	return x.json(fasthttp.StatusOK, metadata{
		Name: info.Name, Versions: versions, Platform: platform,
		Inputs: portViews(info.Inputs), Outputs: portViews(info.Outputs),
		Properties: map[string]string{"sha256": info.Digest, "version": info.Version, "batching": info.BatchNote},
	})
}

// find holds the model and version of the path and returns what is known of it.
func (x *exchange) find() (*repository.Info, error) {
	h, err := x.s.o.Repository.Acquire(string(x.route.model), string(x.route.version), "")
	if err != nil {
		return nil, err
	}
	x.handle = h
	return h.Info(), nil
}

// fromPage answers what the page has, and is where paths that lead nowhere end.
func (x *exchange) fromPage() error {
	if x.s.o.Page == nil {
		return x.notFound()
	}
	path := string(x.ctx.URI().PathOriginal())
	if page.Private(path) {
		if err := x.authorize(guard.Infer); err != nil {
			return err
		}
	}
	contentType, body, ok := x.s.o.Page(path)
	if !ok {
		return x.notFound()
	}
	x.ctx.Response.Header.SetCanonical(hPolicy, []byte(page.Policy))
	return x.pack([]byte(contentType), append(x.buffer(), body...))
}

// notOffered answers for verbs of TensorFlow Serving that take what ONNX models do not have.
func (x *exchange) notOffered() error {
	return fault.New(fault.Unsupported, "",
		"classify, regress and explain are not offered: POST /v1/models/%s:predict", x.route.model)
}

// buffer is the empty buffer that the answer of this connection is written from.
func (x *exchange) buffer() []byte { return x.ctx.Response.SwapBody(nil)[:0] }

// json answers with a document. It is for what is not asked often.
func (x *exchange) json(status int, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return fault.Wrap(err, "encode the answer")
	}
	if status != fasthttp.StatusOK {
		x.answer(status, jsonType, body)
		return nil
	}
	return x.pack(jsonType, body)
}
