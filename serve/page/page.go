// Package page owns what a person sees of a server in a browser: the built-in page with its models, live charts and
// try-it forms, and the OpenAPI document, made of the signatures of what is loaded. All of it lies in the program and
// refers to nothing outside.
package page

import (
	"embed"
	"encoding/json"
	"net/url"
	"path"
	"strings"
	"sync"

	"infer/serve/observe"
	"infer/serve/repository"
)

// Policy is the Content-Security-Policy that the answers of Get can be sent with.
const Policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' blob:; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// Source is what is shown. Its methods are called for every request of the page, from many goroutines.
type Source interface {
	Ready() bool                                             // whether the server is
	Index() []repository.State                               // every model and version that is known
	Infos() []*repository.Info                               // those that are loaded, by name, then version from old to new
	Stats(model, version string) ([]repository.Stats, error) // "", "": of all that are loaded
	Live() []observe.Live                                    // figures of the last minute
	Gain(model, version string) Gain                         // of rows that run together, as it was measured
}

// Gain is what a row costs together with others, and alone. The zero Gain: that was not measured.
type Gain struct {
	Rows     int     `json:"rows"` // of the run in which a row is cheapest; 1: together is not faster
	Together float64 `json:"together_seconds"`
	Alone    float64 `json:"alone_seconds"`
}

// Page answers the requests of a browser. Safe for concurrent use.
type Page struct {
	source Source
	admin  bool

	mu    sync.Mutex
	known map[*repository.Info]modelRow // of the versions that are loaded
}

// New returns the page of a listener. admin: it loads, unloads and splits models, and its OpenAPI document says so.
func New(source Source, admin bool) *Page { return &Page{source: source, admin: admin} }

//go:embed assets
var assets embed.FS

// types are the content types of the embedded files, by ending.
var types = map[string]string{
	".html": "text/html; charset=utf-8",
	".css":  "text/css; charset=utf-8",
	".js":   "text/javascript; charset=utf-8",
	".svg":  "image/svg+xml",
}

// Get returns what stands at a path, its escapes as they came, and false where nothing of the page does: "/" and "/docs"
// (the page), "/page/…" (its scripts, styles and icon), "/live" (what it polls), "/openapi.json" ("/v2/openapi.json")
// and "/openapi/…" (the long examples of that document).
func (p *Page) Get(name string) (contentType string, body []byte, ok bool) {
	switch name {
	case "/", "/docs":
		return asset("index.html")
	case "/live":
		return document(p.live())
	case "/openapi.json", "/v2/openapi.json":
		return document(p.openAPI())
	}
	if file, ok := strings.CutPrefix(name, "/page/"); ok {
		return asset(file)
	}
	if name, ok := strings.CutPrefix(name, "/openapi/"); ok {
		return p.example(name)
	}
	return "", nil, false
}

// Private reports whether what stands at a path tells of the models: where keys are needed, it needs one. The rest of
// the page is the same for every server, and asks for the key.
func Private(name string) bool {
	return name == "/live" || name == "/openapi.json" || name == "/v2/openapi.json" || strings.HasPrefix(name, "/openapi/")
}

// example answers the address of an example request: MODEL/VERSION/FILE, with / and % escaped in the names.
func (p *Page) example(name string) (string, []byte, bool) {
	parts := strings.Split(name, "/")
	if len(parts) != 3 {
		return "", nil, false
	}
	for _, info := range p.source.Infos() {
		if url.PathEscape(info.Name) != parts[0] || url.PathEscape(info.Version) != parts[1] {
			continue
		}
		contentType, body, _, err := exampleBody(info, parts[2])
		return contentType, body, err == nil
	}
	return "", nil, false
}

func asset(file string) (string, []byte, bool) {
	body, err := assets.ReadFile("assets/" + file)
	if err != nil {
		return "", nil, false
	}
	return types[path.Ext(file)], body, true
}

func document(v any) (string, []byte, bool) {
	body, err := json.Marshal(v)
	if err != nil {
		return "", nil, false
	}
	return "application/json", body, true
}
