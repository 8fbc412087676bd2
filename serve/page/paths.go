package page

import (
	"maps"
	"net/url"

	"infer/model/declared"
	"infer/serve/repository"
)

// refusals are the errors that every inference can end in.
var refusals = []string{"400", "404", "413", "415", "503", "504"}

// serverPaths are the paths that no model changes.
func serverPaths() object {
	document := get("server", "This document.", answers("OpenAPI 3.1.", object{"type": "object"}))
	names := get("repository", "The names of the models that serve.", answers("The names.", ref("schemas", "names")))
	return object{
		"/v2":              get("server", "Name, version and extensions of the server.", answers("The server.", ref("schemas", "server"))),
		"/v2/health/live":  get("server", "Whether the process runs.", answers("It does.", ref("schemas", "health"))),
		"/v2/health/ready": get("server", "Whether the server is ready: every model was tried, and at least one serves, unless models are loaded on request.", answers("It can.", ref("schemas", "health"), "503")),
		"/ping":            get("server", "The same, as TorchServe and SageMaker ask it.", answers("It can.", ref("schemas", "ping"), "503")),
		"/openapi.json":    document,
		"/v2/openapi.json": document,
		"/live":            get("server", "What the built-in page shows.", answers("Models and figures.", object{"type": "object"})),
		"/": get("server", "The built-in page.", object{"200": object{
			"description": "The page.", "content": object{"text/html": object{"schema": object{"type": "string"}}},
		}}),
		"/v2/models":           names,
		"/v1/models":           names,
		"/v2/models/stats":     get("repository", "Counters of every loaded version.", answers("The counters.", ref("schemas", "statistics"))),
		"/v2/repository/index": post("repository", "What is known, and its state.", jsonBody(ref("schemas", "indexRequest"), false), answers("Models and versions.", ref("schemas", "index"), "400")),
	}
}

// addAdmin adds the changes of what is served, where they are offered.
func addAdmin(paths object) {
	paths["/v2/repository/models/{model}/load"] = admin("Load a model, or load it again.")
	paths["/v2/repository/models/{model}/unload"] = admin("Stop serving a model.")
}

// admin is a change of what is served.
func admin(summary string) object {
	item := post("repository", summary, nil, answers("Done.", nil, "400", "403", "404", "503"))
	item["post"].(object)["parameters"] = []object{{"name": "model", "in": "path", "required": true, "schema": object{"type": "string"}}}
	return item
}

func jsonBody(schema object, required bool) object {
	return object{"required": required, "content": object{"application/json": object{"schema": schema}}}
}

// addModel adds the paths of a version. v2 and short are what names the version in the paths of the Open Inference
// Protocol and of the others; both are "" for the version that the server chooses.
func (p *Page) addModel(paths object, info *repository.Info, v2, short string) {
	tag, escaped := modelTag(info.Name), url.PathEscape(info.Name)
	base := "/v2/models/" + escaped + v2
	paths[base] = get(tag, "Inputs, outputs and versions.", answers("The model.", ref("schemas", "metadata"), "404"))
	paths[base+"/ready"] = get(tag, "Whether it can serve.", answers("It can.", ref("schemas", "modelReady"), "404", "503"))
	paths[base+"/config"] = get(tag, "Its configuration, as Triton writes it.", answers("The configuration.", object{"type": "object"}, "404"))
	paths[base+"/stats"] = get(tag, "Its counters.", answers("The counters.", ref("schemas", "statistics"), "404"))
	paths[base+"/scheduler"] = get(tag, "What the batcher has learned, and why it does what it does.", answers("The scheduler.", object{"type": "object"}, "404"))
	paths[base+"/infer"] = inferPath(tag, info)
	if v2 == "" && p.admin {
		split := get(tag, "How requests are split between its versions.", answers("Percent by version.", ref("schemas", "split"), "403", "404"))
		maps.Copy(split, post(tag, "Split requests between its versions; null: the newest takes all.",
			jsonBody(ref("schemas", "split"), true), answers("Percent by version.", ref("schemas", "split"), "400", "403", "404")))
		paths[base+"/split"] = split
	}
	tfs := "/v1/models/" + escaped + v2
	paths[tfs] = get(tag, "Its state, as TensorFlow Serving answers it.", answers("The state.", ref("schemas", "servableStatus"), "404"))
	paths[tfs+"/metadata"] = get(tag, "Its signature, as TensorFlow Serving writes it.", answers("The signature.", object{"type": "object"}, "404"))
	addPredict(paths, tfs+":predict", info, false)
	addPredict(paths, "/predictions/"+escaped+short, info, true)
}

// inferPath is the operation of the Open Inference Protocol: JSON, or JSON with binary tensors behind it.
func inferPath(tag string, info *repository.Info) object {
	length := object{
		"name": "Inference-Header-Content-Length", "in": "header", "schema": object{"type": "integer", "minimum": 0},
		"description": "Length of the JSON part in bytes, where binary tensors follow it.",
	}
	binary := object{"schema": object{
		"type": "string", "format": "binary",
		"description": "JSON as in application/json, with parameters.binary_data_size in place of data, then the bytes of these inputs in their order, little-endian.",
	}}
	content := object{"application/octet-stream": binary}
	if half(info.Inputs) {
		addExample(binary, info, inferBinary)
		if _, _, jsonLen, err := exampleBody(info, inferBinary); err == nil {
			length["example"] = jsonLen
		}
	} else {
		media := object{"schema": inferRequest(info)}
		addExample(media, info, inferJSON)
		content["application/json"] = media
	}
	item := post(tag, "Run it (Open Inference Protocol v2).", object{"required": true, "content": content}, timed(answers("The outputs.", inferResponse(info), refusals...)))
	item["post"].(object)["parameters"] = []object{length, {
		"name": "X-Request-Timeout", "in": "header", "schema": object{"type": "string"},
		"description": "How long the answer is worth having: seconds, or a number with a unit (50ms). What cannot be done by then is refused.",
	}, {
		"name": "X-Infer-Priority", "in": "header", "schema": object{"type": "integer", "minimum": 0},
		"description": "1 is the highest; 0 is the default.",
	}}
	return item
}

// addPredict adds the plain way: TensorFlow Serving's JSON and, where the path takes it, what the model declares.
func addPredict(paths object, path string, info *repository.Info, takesDeclared bool) {
	content := object{}
	if !half(info.Inputs) && !half(info.Outputs) {
		media := object{"schema": object{"type": "object", "description": `{"instances": […]}, one element a row, or {"inputs": {name: value}}`}}
		addExample(media, info, predictJSON)
		content["application/json"] = media
	}
	if takesDeclared {
		switch kindOf(info) {
		case declared.Image:
			content["image/*"] = object{"schema": object{"type": "string", "format": "binary", "description": "An image file."}}
		case declared.Text:
			content["text/plain"] = object{"schema": object{"type": "string", "description": "A text in UTF-8."}}
		}
	}
	if len(content) == 0 {
		return
	}
	paths[path] = post(modelTag(info.Name), "Run it (plain).", object{"required": true, "content": content},
		timed(answers("Labels with scores for what was declared, predictions for instances, outputs for inputs.", object{"type": "object"}, refusals...)))
}

// timed adds the headers that say what an answer took.
func timed(responses object) object {
	ok := maps.Clone(responses["200"].(object))
	text := object{"type": "string"}
	ok["headers"] = object{
		"Server-Timing":        object{"description": "Milliseconds in the queue and in the run.", "schema": text},
		"X-Infer-Batch-Size":   object{"description": "Rows of the run that the request was part of.", "schema": object{"type": "integer"}},
		"X-Infer-Model-Digest": object{"description": "The first 16 digits of the SHA-256 of the model.", "schema": text},
	}
	responses["200"] = ok
	return responses
}
