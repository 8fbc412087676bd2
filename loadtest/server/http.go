package server

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"infer/internal/fault"
)

// overHTTP asks a server over HTTP.
type overHTTP struct {
	base     *url.URL
	protocol string
	header   http.Header
	timeout  time.Duration
	client   *http.Client
}

func openHTTP(u *url.URL, o Options) API {
	base := *u
	base.Path, base.RawPath, base.RawQuery, base.Fragment = strings.TrimRight(u.Path, "/"), "", "", ""
	protocol := o.Protocol
	if protocol == "" {
		protocol = OIPHTTP
	}
	if protocol == HTTP {
		base.Path = "" // the path is that of the request under load
	}
	return &overHTTP{base: &base, protocol: protocol, header: o.Header, timeout: o.Timeout, client: newClient(o.TLS)}
}

// Close ends the idle connections.
func (h *overHTTP) Close() error {
	h.client.CloseIdleConnections()
	return nil
}

// answer is a whole answer.
type answer struct {
	path   string
	status int
	header http.Header
	body   []byte
}

func (a answer) ok() bool { return a.status/100 == 2 }

// json reports whether the body is a JSON object or array.
func (a answer) json() bool {
	b := bytes.TrimSpace(a.body)
	return len(b) > 0 && (b[0] == '{' || b[0] == '[') && json.Valid(b)
}

// ask sends a request and reads the whole answer. Errors are of the connection, of authorization, of a redirect or a
// body that is too large; other statuses are for the caller to judge. path is escaped.
func (h *overHTTP) ask(ctx context.Context, method, path string, body []byte) (answer, error) {
	u := *h.base
	u.RawPath = h.base.EscapedPath() + path
	u.Path += unescaped(path)
	return fetch(ctx, h.client, h.timeout, method, &u, h.header, body)
}

func fetch(ctx context.Context, client *http.Client, timeout time.Duration, method string, u *url.URL, header http.Header, body []byte) (answer, error) {
	limited, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	r, err := http.NewRequestWithContext(limited, method, u.String(), bytes.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	for name, values := range header {
		r.Header[http.CanonicalHeaderKey(name)] = values
		if strings.EqualFold(name, "Host") && len(values) > 0 {
			r.Host = values[0]
		}
	}
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	got, err := client.Do(r)
	if err != nil {
		return answer{}, unreached(ctx, u, timeout, err)
	}
	defer got.Body.Close()
	a := answer{path: u.Path, status: got.StatusCode, header: got.Header}
	if a.body, err = io.ReadAll(io.LimitReader(got.Body, answerLimit+1)); err != nil {
		return a, unreached(ctx, u, timeout, err)
	}
	if len(a.body) > answerLimit {
		return a, fault.New(fault.TooLarge, "is this the right server", "%s answers with more than %d MiB", u.Redacted(), answerLimit>>20)
	}
	return a, unwelcome(u, a)
}

// Server asks who answers.
func (h *overHTTP) Server(ctx context.Context) (Info, error) {
	switch h.protocol {
	case OIPHTTP:
		return h.serverOIP(ctx)
	case TorchServe:
		return h.serverTorch(ctx)
	default:
		a, err := h.ask(ctx, http.MethodHead, "/", nil)
		if err != nil && fault.KindOf(err) != fault.Unavailable {
			err = nil // it answers; what the load asks for has another path
		}
		name, version, _ := strings.Cut(a.header.Get("Server"), "/")
		return Info{Name: name, Version: version}, err
	}
}

func (h *overHTTP) serverOIP(ctx context.Context) (Info, error) {
	a, err := h.ask(ctx, http.MethodGet, "/v2", nil)
	if err != nil {
		return Info{}, err
	}
	var info struct {
		Name       string   `json:"name"`
		Version    string   `json:"version"`
		Extensions []string `json:"extensions"`
	}
	if !a.ok() || json.Unmarshal(a.body, &info) != nil || info.Name == "" {
		return Info{}, h.notOIP(a)
	}
	return Info{info.Name, info.Version, info.Extensions}, nil
}

// serverTorch asks for the health, and for the description of the API where the name is.
func (h *overHTTP) serverTorch(ctx context.Context) (Info, error) {
	a, err := h.ask(ctx, http.MethodGet, "/ping", nil)
	if err != nil {
		return Info{}, err
	}
	if !a.ok() || !a.json() {
		return Info{}, fault.New(fault.Unsupported, "is this TorchServe's inference address; try --protocol oip-http or http", "%s is no TorchServe: GET /ping answers %s", h.base.Redacted(), a.say())
	}
	info := Info{}
	if a, err = h.ask(ctx, http.MethodOptions, "/", nil); err == nil && a.ok() {
		var api struct {
			Info struct {
				Title   string `json:"title"`
				Version string `json:"version"`
			} `json:"info"`
		}
		if json.Unmarshal(a.body, &api) == nil && strings.HasPrefix(api.Info.Title, "TorchServe") {
			info = Info{Name: "TorchServe", Version: api.Info.Version}
		}
	}
	return info, nil
}

// Models asks for the names of the models, in the ways that servers know.
func (h *overHTTP) Models(ctx context.Context) ([]string, error) {
	ways := []struct{ method, path, body string }{{http.MethodPost, "/v2/repository/index", "{}"}, {http.MethodGet, "/v2/models", ""}}
	switch h.protocol {
	case TFS:
		ways = []struct{ method, path, body string }{{http.MethodGet, "/v1/models", ""}}
	case TorchServe, HTTP:
		return nil, nil
	}
	for _, w := range ways {
		var body []byte
		if w.body != "" {
			body = []byte(w.body)
		}
		a, err := h.ask(ctx, w.method, w.path, body)
		if err != nil {
			return nil, err
		}
		if names := parseNames(a.body); a.ok() && len(names) > 0 {
			return names, nil
		}
	}
	return nil, nil
}

// parseNames reads a repository index, [{"name": …, "state": …}], or {"models": [name…]}.
func parseNames(body []byte) []string {
	var names []string
	var index []struct{ Name, State string }
	if json.Unmarshal(body, &index) == nil {
		for _, m := range index {
			if m.Name != "" && (m.State == "READY" || m.State == "") {
				names = append(names, m.Name)
			}
		}
	} else {
		var list struct{ Models []string }
		if json.Unmarshal(body, &list) == nil {
			names = list.Models
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// Model asks for a signature.
func (h *overHTTP) Model(ctx context.Context, name, version string) (Model, error) {
	switch h.protocol {
	case OIPHTTP:
		return h.modelOIP(ctx, name, version)
	case TFS:
		return h.modelTFS(ctx, name, version)
	default:
		return Model{Name: name, Version: version, MaxBatch: NotTold}, nil
	}
}

func (h *overHTTP) modelOIP(ctx context.Context, name, version string) (Model, error) {
	path := modelPath("/v2", name, version)
	a, err := h.ask(ctx, http.MethodGet, path, nil)
	if err != nil {
		return Model{}, err
	}
	if !a.ok() || !a.json() {
		if _, err := h.serverOIP(ctx); err != nil {
			return Model{}, err
		}
		if a.ok() {
			return Model{}, misunderstood(h.base, a, nil)
		}
		return Model{}, h.noModel(ctx, name, version, a)
	}
	m, err := parseMetadata(a.body)
	if err != nil {
		return Model{}, misunderstood(h.base, a, err)
	}
	m.Name = name
	if version != "" {
		m.Version = version
	}
	if a, err = h.ask(ctx, http.MethodGet, path+"/config", nil); err == nil && a.ok() {
		m.MaxBatch = parseMaxBatch(a.body)
	}
	return m, ctx.Err()
}

// modelTFS asks for the signature, and where there is none for the status alone: KServe's v1 protocol has no more.
func (h *overHTTP) modelTFS(ctx context.Context, name, version string) (Model, error) {
	path := modelPath("/v1", name, version)
	a, err := h.ask(ctx, http.MethodGet, path+"/metadata", nil)
	if err != nil {
		return Model{}, err
	}
	if a.ok() && a.json() {
		m, err := parseSignature(a.body)
		if err != nil {
			return Model{}, misunderstood(h.base, a, err)
		}
		m.Name = name
		return m, nil
	}
	if a, err = h.ask(ctx, http.MethodGet, path, nil); err != nil {
		return Model{}, err
	}
	switch {
	case a.ok() && a.json():
		return Model{Name: name, Version: version, MaxBatch: NotTold}, nil
	case a.json():
		return Model{}, h.noModel(ctx, name, version, a)
	default:
		return Model{}, fault.New(fault.Unsupported, "try --protocol oip-http or http", "%s does not speak the REST protocol of TensorFlow Serving: GET %s answers %s", h.base.Redacted(), path, a.say())
	}
}

// noModel is the error of a model for which the server has no signature.
func (h *overHTTP) noModel(ctx context.Context, name, version string, a answer) error {
	names, _ := h.Models(ctx)
	if err := ctx.Err(); err != nil {
		return err
	}
	return noModel(h.base, name, version, names, a.status/100 == 4, a.say())
}

// Statistics asks for the counters.
func (h *overHTTP) Statistics(ctx context.Context, name, version string) (*Statistics, error) {
	if h.protocol == HTTP || name == "" {
		return nil, nil
	}
	a, err := h.ask(ctx, http.MethodGet, modelPath("/v2", name, version)+"/stats", nil)
	switch {
	case err != nil:
		return nil, err
	case a.status >= 500 && a.status != http.StatusNotImplemented:
		return nil, fault.New(fault.Unavailable, "", "statistics of %q: %s answers %s", name, h.base.Redacted(), a.say())
	case !a.ok() || !a.json():
		return nil, nil
	}
	s, err := parseStatistics(a.body)
	if err != nil {
		return nil, misunderstood(h.base, a, err)
	}
	return s, nil
}

// modelPath is the escaped path of a model.
func modelPath(prefix, name, version string) string {
	path := prefix + "/models/" + url.PathEscape(name)
	if version != "" {
		path += "/versions/" + url.PathEscape(version)
	}
	return path
}

// unescaped is the inverse of what modelPath escapes.
func unescaped(path string) string {
	plain, err := url.PathUnescape(path)
	if err != nil {
		return path
	}
	return plain
}

// errIsTimeout reports whether err is one of time that ran out.
func errIsTimeout(err error) bool {
	var t interface{ Timeout() bool }
	return errors.Is(err, context.DeadlineExceeded) || errors.As(err, &t) && t.Timeout()
}
