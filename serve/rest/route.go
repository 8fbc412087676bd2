package rest

import "bytes"

// place is what a path leads to.
type place int

const (
	nowhere place = iota
	atLive
	atReady
	atServer
	atModels
	atModelStats
	atModel
	atModelInfer
	atModelReady
	atModelConfig
	atModelScheduler
	atModelSplit
	atIndex
	atLoad
	atUnload
	atTfsModels
	atTfsModel
	atTfsMetadata
	atTfsPredict
	atTfsOther
	atPing
	atTorchPredict
	atPredict
	atInvocations
	atPage
)

// route is a path taken apart. Its parts are views of the path.
type route struct {
	place                 place
	model, version, label []byte
}

// parseRoute finds what a decoded path leads to; nowhere where it leads to nothing. It takes no memory.
func parseRoute(path []byte) route {
	first, rest := cut(path)
	switch string(first) {
	case "v2":
		return routeV2(rest)
	case "v1":
		return routeV1(rest)
	case "predictions":
		name, rest := cut(rest)
		version, rest := cut(rest)
		if len(name) == 0 || len(rest) > 0 {
			return route{}
		}
		return route{place: atTorchPredict, model: name, version: version}
	}
	if len(rest) > 0 {
		return route{}
	}
	switch string(first) {
	case "predict":
		return route{place: atPredict}
	case "invocations":
		return route{place: atInvocations}
	case "ping":
		return route{place: atPing}
	case "", "live", "openapi.json":
		return route{place: atPage}
	}
	return route{}
}

// routeV2 finds a path below /v2, of the Open Inference Protocol and its extensions.
func routeV2(path []byte) route {
	first, rest := cut(path)
	switch string(first) {
	case "":
		return route{place: atServer}
	case "health":
		switch string(rest) {
		case "/live":
			return route{place: atLive}
		case "/ready":
			return route{place: atReady}
		}
	case "models":
		return routeModel(rest)
	case "repository":
		return routeRepository(rest)
	}
	return route{}
}

// routeModel finds a path below /v2/models. A model may be called "stats": only the bare path is the extension's.
func routeModel(path []byte) route {
	name, rest := cut(path)
	if len(name) == 0 {
		return route{place: atModels}
	}
	if string(name) == "stats" && len(rest) == 0 {
		return route{place: atModelStats}
	}
	r := route{place: atModel, model: name}
	verb, after := cut(rest)
	if string(verb) == "versions" {
		r.version, after = cut(after)
		if !isVersion(r.version) {
			return route{}
		}
		verb, after = cut(after)
	}
	if len(after) > 0 {
		return route{}
	}
	switch string(verb) {
	case "":
	case "infer":
		r.place = atModelInfer
	case "ready":
		r.place = atModelReady
	case "config":
		r.place = atModelConfig
	case "stats":
		r.place = atModelStats
	case "scheduler":
		r.place = atModelScheduler
	case "split":
		r.place = atModelSplit
	default:
		return route{}
	}
	return r
}

// routeRepository finds a path below /v2/repository. The name of a repository, which Triton ignores too, may stand
// first.
func routeRepository(path []byte) route {
	first, rest := cut(path)
	if string(first) != "index" && string(first) != "models" {
		first, rest = cut(rest)
	}
	if string(first) == "index" && len(rest) == 0 {
		return route{place: atIndex}
	}
	if string(first) != "models" {
		return route{}
	}
	name, rest := cut(rest)
	switch {
	case len(name) == 0:
	case string(rest) == "/load":
		return route{place: atLoad, model: name}
	case string(rest) == "/unload":
		return route{place: atUnload, model: name}
	}
	return route{}
}

// routeV1 finds a path below /v1, of TensorFlow Serving and KServe's first protocol.
func routeV1(path []byte) route {
	first, rest := cut(path)
	if string(first) != "models" {
		return route{}
	}
	// The verb stands after a colon at the end: models/M:predict, models/M/versions/1:predict.
	verb := []byte(nil)
	if colon := bytes.LastIndexByte(rest, ':'); colon >= 0 && bytes.IndexByte(rest[colon:], '/') < 0 {
		rest, verb = rest[:colon], rest[colon+1:]
	}
	r := route{place: atTfsModel}
	if r.model, rest = cut(rest); len(r.model) == 0 {
		if len(verb) > 0 {
			return route{}
		}
		return route{place: atTfsModels}
	}
	kind, after := cut(rest)
	switch string(kind) {
	case "versions":
		if r.version, rest = cut(after); !isVersion(r.version) {
			return route{}
		}
	case "labels":
		if r.label, rest = cut(after); len(r.label) == 0 {
			return route{}
		}
	}
	switch {
	case len(verb) > 0 && len(rest) > 0:
		return route{}
	case string(verb) == "predict":
		r.place = atTfsPredict
	case string(verb) == "classify", string(verb) == "regress", string(verb) == "explain":
		r.place = atTfsOther
	case len(verb) > 0:
		return route{}
	case string(rest) == "/metadata":
		r.place = atTfsMetadata
	case len(rest) > 0:
		return route{}
	}
	return r
}

// cut takes the first segment of a path, without its slash, from the rest, which begins with the next slash.
func cut(path []byte) (segment, rest []byte) {
	if len(path) > 0 && path[0] == '/' {
		path = path[1:]
	}
	if end := bytes.IndexByte(path, '/'); end >= 0 {
		return path[:end], path[end:]
	}
	return path, nil
}

// isVersion reports whether a segment is a version: decimal digits.
func isVersion(b []byte) bool {
	for _, c := range b {
		if c < '0' || c > '9' {
			return false
		}
	}
	return len(b) > 0
}
