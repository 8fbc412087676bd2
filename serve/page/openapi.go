package page

import (
	"net/url"

	"infer/serve/repository"
)

// object is a JSON object; its keys are written in order.
type object = map[string]any

// inlined is how many bytes an example may have that is written into the document; a longer one has an address.
const inlined = 8 << 10

// openAPI returns the OpenAPI 3.1 document of what is served: every path of the HTTP side, those of models by name and
// with the shapes and dtypes of their signatures.
func (p *Page) openAPI() object {
	paths := serverPaths()
	if p.admin {
		addAdmin(paths)
	}
	newest := map[string]*repository.Info{}
	var names []string
	for _, info := range p.source.Infos() {
		if newest[info.Name] == nil {
			names = append(names, info.Name)
		}
		newest[info.Name] = info
		p.addModel(paths, info, "/versions/"+url.PathEscape(info.Version), "/"+url.PathEscape(info.Version))
	}
	tags := []object{
		{"name": "server", "description": "The server itself: health, metadata, the page and this document."},
		{"name": "repository", "description": "What is served."},
	}
	for _, name := range names {
		p.addModel(paths, newest[name], "", "")
		tags = append(tags, object{"name": modelTag(name), "description": "The model " + name + "."})
	}
	if len(names) == 1 {
		for _, path := range []string{"/predict", "/invocations"} {
			addPredict(paths, path, newest[names[0]], true)
		}
	}
	return object{
		"openapi": "3.1.0",
		"info": object{
			"title":   "infer serve",
			"version": "2",
			"description": "The Open Inference Protocol v2 with the binary tensor, statistics, repository and classification extensions, " +
				"TensorFlow Serving's REST predict, and the plain /predict, for the models that this server has loaded.",
		},
		"servers":  []object{{"url": "/"}},
		"security": []object{{}, {"key": []string{}}},
		"tags":     tags,
		"paths":    paths,
		"components": object{
			"schemas":         sharedSchemas(),
			"responses":       sharedResponses(),
			"securitySchemes": object{"key": object{"type": "http", "scheme": "bearer", "description": "Where the server was started with --keys-file."}},
		},
	}
}

func modelTag(name string) string { return "model " + name }

func ref(kind, name string) object { return object{"$ref": "#/components/" + kind + "/" + name} }

// answers returns the responses of an operation: ok with a body of the schema, and the errors that it can have.
func answers(description string, schema any, errors ...string) object {
	ok := object{"description": description}
	if schema != nil {
		ok["content"] = object{"application/json": object{"schema": schema}}
	}
	all := object{"200": ok}
	for _, status := range errors {
		all[status] = ref("responses", "error"+status)
	}
	return all
}

func get(tag, summary string, responses object) object {
	return object{"get": object{"tags": []string{tag}, "summary": summary, "responses": responses}}
}

func post(tag, summary string, body any, responses object) object {
	op := object{"tags": []string{tag}, "summary": summary, "responses": responses}
	if body != nil {
		op["requestBody"] = body
	}
	return object{"post": op}
}
