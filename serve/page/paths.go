package page

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/url"

	"infer/internal/wire"
	"infer/model/tensor"
	"infer/serve/repository"
)

// refusals are the errors that every inference can end in.
var refusals = []string{"400", "404", "413", "415", "503", "504"}

// serverPaths are the paths that no model changes.
func serverPaths() object {
	name := object{"name": "model", "in": "path", "required": true, "schema": object{"type": "string"}}
	change := func(summary string) object {
		item := post("repository", summary, nil, answers("Done.", nil, "400", "403", "404", "503"))
		item["parameters"] = []object{name}
		return item
	}
	index := object{"content": object{"application/json": object{
		"schema": object{"type": "object", "properties": object{"ready": object{"type": "boolean", "description": "only those that can serve"}}},
	}}}
	document := get("server", "This document.", answers("OpenAPI 3.1.", object{"type": "object"}))
	return object{
		"/v2":              get("server", "Name, version and extensions of the server.", answers("The server.", ref("schemas", "server"))),
		"/v2/health/live":  get("server", "Whether the process runs.", answers("It does.", ref("schemas", "live"), "503")),
		"/v2/health/ready": get("server", "Whether every model can serve.", answers("It can.", ref("schemas", "ready"), "503")),
		"/ping":            get("server", "The same, as TorchServe answers it.", answers("It can.", ref("schemas", "ping"), "503")),
		"/v2/models/stats": get("server", "Counters of every loaded version.", answers("The counters.", ref("schemas", "statistics"))),
		"/openapi.json":    document,
		"/v2/openapi.json": document,
		"/live":            get("server", "What the built-in page shows.", answers("Models and figures.", object{"type": "object"})),
		"/": get("server", "The built-in page.", object{"200": object{
			"description": "The page.", "content": object{"text/html": object{"schema": object{"type": "string"}}},
		}}),
		"/v2/repository/index":                 post("repository", "What is known, and its state.", index, answers("Models and versions.", ref("schemas", "index"), "400")),
		"/v2/repository/models/{model}/load":   change("Load a model, or load it again."),
		"/v2/repository/models/{model}/unload": change("Stop serving a model."),
	}
}

// addModel adds the paths of a version. v2 and short are what names the version in the paths of the Open Inference
// Protocol and of the others; both are "" for the version that the server chooses.
func addModel(paths object, info *repository.Info, v2, short string) {
	tag, escaped := modelTag(info.Name), url.PathEscape(info.Name)
	base := "/v2/models/" + escaped + v2
	paths[base] = get(tag, "Inputs, outputs and versions.", answers("The model.", ref("schemas", "metadata"), "404"))
	paths[base+"/ready"] = get(tag, "Whether it can serve.", answers("It can.", ref("schemas", "modelReady"), "404", "503"))
	paths[base+"/config"] = get(tag, "Its configuration, as Triton writes it.", answers("The configuration.", object{"type": "object"}, "404"))
	paths[base+"/stats"] = get(tag, "Its counters.", answers("The counters.", ref("schemas", "statistics"), "404"))
	paths[base+"/infer"] = inferPath(tag, info)

	tfs := "/v1/models/" + escaped + v2
	paths[tfs] = get(tag, "Its state, as TensorFlow Serving answers it.", answers("The state.", ref("schemas", "servableStatus"), "404"))
	addPredict(paths, tfs+":predict", info)
	addPredict(paths, "/predictions/"+escaped+short, info)
}

// inferPath is the operation of the Open Inference Protocol: JSON, or JSON with binary tensors behind it.
func inferPath(tag string, info *repository.Info) object {
	content := object{"application/octet-stream": object{"schema": object{
		"type": "string", "format": "binary",
		"description": "JSON as in application/json, with parameters.binary_data_size in place of data, then the bytes of these inputs in their order, little-endian.",
	}}}
	if !half(info.Inputs) {
		media := object{"schema": inferRequest(info)}
		addExample(media, info, inferJSON)
		content["application/json"] = media
	}
	item := post(tag, "Run it (Open Inference Protocol v2).", object{"required": true, "content": content}, timed(answers("The outputs.", inferResponse(info), refusals...)))
	item["parameters"] = []object{{
		"name": "Inference-Header-Content-Length", "in": "header", "schema": object{"type": "integer", "minimum": 0},
		"description": "Length of the JSON part in bytes, where binary tensors follow it.",
	}, {
		"name": "X-Request-Timeout", "in": "header", "schema": object{"type": "string"},
		"description": "How long the answer is worth having; what cannot be done by then is refused.",
	}}
	return item
}

// addPredict adds the plain way: TensorFlow Serving's JSON, an Open Inference Protocol request, or what is declared.
func addPredict(paths object, path string, info *repository.Info) {
	content := object{}
	if !half(info.Inputs) {
		media := object{"schema": object{"type": "object", "description": `{"instances": […]}, one element a row, or {"inputs": {name: value}}`}}
		addExample(media, info, predictJSON)
		content["application/json"] = media
	}
	if len(content) == 0 {
		return
	}
	paths[path] = post(modelTag(info.Name), "Run it (plain JSON).", object{"required": true, "content": content},
		timed(answers(`{"predictions": …} for instances, {"outputs": …} for inputs.`, object{"type": "object"}, refusals...)))
}

// timed adds the headers that say what an answer took.
func timed(responses object) object {
	ok := maps.Clone(responses["200"].(object))
	text := object{"type": "string"}
	ok["headers"] = object{
		"Server-Timing":        object{"description": "Milliseconds in the queue and in the run.", "schema": text},
		"X-Infer-Batch-Size":   object{"description": "Rows of the run that the request was part of.", "schema": object{"type": "integer"}},
		"X-Infer-Model-Digest": object{"description": "SHA-256 of the model.", "schema": text},
	}
	responses["200"] = ok
	return responses
}

// The example requests of a version, as their addresses name them.
const (
	inferJSON   = "infer.json"
	predictJSON = "predict.json"
)

// addExample gives a media type an example, by its address where it is long.
func addExample(media object, info *repository.Info, file string) {
	in, err := example(info)
	if err != nil {
		return
	}
	entry := object{"summary": "one row, made up of the signature"}
	if elements(in) > inlined {
		entry["externalValue"] = fmt.Sprintf("/openapi/%s/%s/%s", url.PathEscape(info.Name), url.PathEscape(info.Version), file)
	} else if body, err := exampleBody(in, file); err == nil {
		entry["value"] = json.RawMessage(body)
	} else {
		return
	}
	media["examples"] = object{"example": entry}
}

// exampleBody is the body of an example request.
func exampleBody(in []tensor.Tensor, file string) ([]byte, error) {
	if file == predictJSON {
		return columnar(in)
	}
	body, _, err := wire.AppendOIPRequest(nil, &wire.Request{Inputs: in}, false)
	return body, err
}
