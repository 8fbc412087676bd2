package rest

import (
	"strings"

	"infer/internal/fault"
)

// fixedPaths are the paths without a model in them.
var fixedPaths = []string{
	"/predict", "/invocations", "/ping", "/v2", "/v2/health/live", "/v2/health/ready", "/v2/models", "/v2/models/stats",
	"/v2/repository/index", "/v1/models",
}

// pagePaths are those that a page has besides.
var pagePaths = []string{"/docs", "/openapi.json", "/live"}

// modelVerbs are what stands behind a model, or behind its version.
var modelVerbs = []string{"infer", "ready", "config", "stats", "scheduler", "split", "versions"}

// longestTypo bounds the paths that are compared with known ones.
const longestTypo = 256

// notFound is the error of a path that leads nowhere, with one that its sender may have meant.
func (x *exchange) notFound() error {
	path := string(x.ctx.Path())
	hint := ""
	switch {
	case path == "/metrics" && x.s.o.Metrics != "":
		hint = "metrics have an address of their own: " + x.s.o.Metrics + "/metrics"
	case path == "/metrics":
		hint = "metrics have an address of their own, which --metrics names"
	default:
		hint = nearPath(path, x.s.o.Page != nil)
	}
	if hint == "" && x.s.o.Page != nil {
		hint = "GET /docs shows every path"
	}
	return fault.New(fault.NotFound, hint, "%w", errNotFound)
}

// nearPath asks for the known path that is near to one, "" where none is.
func nearPath(path string, page bool) string {
	const ask = "did you mean "
	if len(path) > longestTypo {
		return ""
	}
	switch strings.Trim(path, "/") {
	case "predictions":
		return ask + "/predictions/MODEL?"
	case "health", "healthz", "livez", "readyz", "ready", "v2/health":
		return ask + "/v2/health/ready or /v2/health/live?"
	case "models":
		return ask + "/v2/models?"
	case "infer":
		return ask + "/v2/models/MODEL/infer, or /predict?"
	}
	known := fixedPaths
	if page {
		known = append(append([]string{}, fixedPaths...), pagePaths...)
	}
	if near := fault.Nearest(strings.TrimRight(path, "/"), known); near != "" {
		return ask + near + "?"
	}
	if !strings.HasPrefix(path, "/v2/models/") {
		return ""
	}
	slash := strings.LastIndexByte(path, '/')
	if near := fault.Nearest(path[slash+1:], modelVerbs); near != "" && slash >= len("/v2/models/") {
		return ask + path[:slash+1] + near + "?"
	}
	return ""
}

// wrongMethod is the error of a method that a path does not take.
func (x *exchange) wrongMethod() error {
	return fault.New(fault.Usage, "this path takes "+string(x.end.allow()), "%w", errMethod)
}
