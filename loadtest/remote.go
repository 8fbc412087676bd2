package loadtest

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"infer/internal/fault"
	"infer/loadtest/server"
	"infer/report"
)

// RemoteOptions say which server is loaded and how.
type RemoteOptions struct {
	URL        string
	Protocol   string // one of server's; "": by the URL
	Encoding   string // "auto", "binary" or "json": of oip-http
	Model      string // NAME or NAME:VERSION; "": the only one
	Header     http.Header
	TLS        *tls.Config // of https:// and grpcs://; nil: the system's authorities
	MetricsURL string      // "": looked for, "off": none
	Timeout    time.Duration
}

// Remote is a server that has been asked who it is.
type Remote struct {
	Protocol string
	Version  string       // of the model, as asked for
	Model    server.Model // zero where the protocol has none
	Info     server.Info
	Binary   bool // tensors go as bytes

	o    RemoteOptions
	url  *url.URL
	api  server.API
	tls  *tls.Config // never nil
	note []string
}

// Ask finds out what a load on a server needs: which protocol, which model, which inputs. Close it.
func Ask(ctx context.Context, o RemoteOptions) (*Remote, error) {
	r := &Remote{o: o, tls: o.TLS}
	if r.tls == nil {
		r.tls = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	if err := r.address(); err != nil {
		return nil, err
	}
	if r.Protocol == server.HTTP {
		return r, nil
	}
	var err error
	r.api, err = server.Open(server.Options{URL: r.url.String(), Protocol: r.Protocol, Header: o.Header, TLS: o.TLS, Timeout: o.Timeout})
	if err != nil {
		return nil, err
	}
	if err := r.ask(ctx); err != nil {
		_ = r.api.Close()
		return nil, err
	}
	return r, nil
}

// address reads the URL: scheme, host with its port, and the protocol that they mean.
func (r *Remote) address() error {
	const hint = "write http://HOST:8000, https://HOST, grpc://HOST:8001, or the path of a .onnx file"
	u, err := url.Parse(r.o.URL)
	if err != nil || u.Host == "" || u.Hostname() == "" {
		return fault.New(fault.Usage, hint, "target %q is no URL of a server, and no model", r.o.URL)
	}
	if u.User != nil {
		return fault.New(fault.Usage, "pass -H 'Authorization: Basic …'", "target %q has a user in it", u.Redacted())
	}
	ports := map[string]string{"http": "80", "https": "443", "grpc": "8001", "grpcs": "443"}
	port, ok := ports[u.Scheme]
	if !ok {
		return fault.New(fault.Usage, hint, "target %q has scheme %q", r.o.URL, u.Scheme)
	}
	if u.Port() == "" {
		u.Host = net.JoinHostPort(u.Hostname(), port)
	}
	r.url, r.Protocol = u, r.o.Protocol
	grpc := strings.HasPrefix(u.Scheme, "grpc")
	known := []string{server.OIPHTTP, server.OIPGRPC, server.TFS, server.TorchServe, server.HTTP}
	switch {
	case r.Protocol == "" && grpc:
		r.Protocol = server.OIPGRPC
	case r.Protocol == "":
		r.Protocol = server.OIPHTTP
	case !slices.Contains(known, r.Protocol):
		return fault.New(fault.Usage, "use one of "+strings.Join(known, ", "), "--protocol %q is not known", r.Protocol)
	case grpc != (r.Protocol == server.OIPGRPC):
		return fault.New(fault.Usage, "grpc:// is for oip-grpc, http:// for the others", "--protocol %s does not go with %s://", r.Protocol, u.Scheme)
	}
	if !slices.Contains([]string{"", "auto", "binary", "json"}, r.o.Encoding) {
		return fault.New(fault.Usage, "use auto, binary or json", "--encoding %q is not known", r.o.Encoding)
	}
	return nil
}

// ask learns the server's name, the model and its inputs.
func (r *Remote) ask(ctx context.Context) (err error) {
	if r.Info, err = r.api.Server(ctx); err != nil {
		return err
	}
	name := r.o.Model
	if i := strings.LastIndexByte(name, ':'); i > 0 {
		name, r.Version = name[:i], name[i+1:]
	}
	if name == "" {
		if name, err = r.only(ctx); err != nil {
			return err
		}
	}
	if r.Model, err = r.api.Model(ctx, name, r.Version); err != nil {
		return err
	}
	if r.Model.Name == "" {
		r.Model.Name = name
	}
	r.Binary = r.Protocol == server.OIPGRPC || r.Protocol == server.OIPHTTP && (r.o.Encoding == "binary" ||
		r.o.Encoding != "json" && slices.Contains(r.Info.Extensions, "binary_tensor_data"))
	return nil
}

// only is the one model that the server has.
func (r *Remote) only(ctx context.Context) (string, error) {
	names, err := r.api.Models(ctx)
	if err != nil {
		return "", err
	}
	switch len(names) {
	case 1:
		r.note = append(r.note, "model: "+names[0]+" (the only one of the server)")
		return names[0], nil
	case 0:
		return "", fault.New(fault.Usage, "pass --model NAME", "the server does not say which models it has")
	}
	return "", fault.New(fault.Usage, "pass --model with one of: "+strings.Join(names, ", "), "the server has %d models", len(names))
}

// Notes returns what was chosen for want of an option.
func (r *Remote) Notes() []string { return r.note }

// Close ends the connections over which was asked. A second Close is a no-op.
func (r *Remote) Close() error {
	if r.api == nil {
		return nil
	}
	return r.api.Close()
}

// encoding names how tensors go over the wire.
func (r *Remote) encoding() string {
	switch {
	case r.Protocol == server.HTTP || r.Protocol == server.TorchServe:
		return ""
	case r.Protocol == server.OIPGRPC:
		return "protobuf"
	case r.Binary:
		return "binary"
	}
	return "json"
}

// hostHeader is the Host of requests: with its port where that is not the scheme's own.
func (r *Remote) hostHeader() string {
	if p := r.url.Port(); p == "80" && r.url.Scheme == "http" || p == "443" && r.url.Scheme == "https" {
		return strings.TrimSuffix(r.url.Host, ":"+p)
	}
	return r.url.Host
}

// Path is the path of the target with its query, as a plain request asks for it.
func (r *Remote) Path() string {
	path := r.url.EscapedPath()
	if path == "" {
		path = "/"
	}
	if r.url.RawQuery != "" {
		path += "?" + r.url.RawQuery
	}
	return path
}

// secure reports whether the target is spoken to over TLS.
func (r *Remote) secure() bool { return r.url.Scheme == "https" || r.url.Scheme == "grpcs" }

// watch makes what looks at the server's counters: the statistics extension and the metrics endpoint; nil where it has
// neither.
func (r *Remote) watch(ctx context.Context) (Watch, []string, error) {
	var metrics *server.Metrics
	var notes []string
	if r.o.MetricsURL != "off" && (r.o.MetricsURL != "" || r.Model.Name != "") {
		m, note, err := server.FindMetrics(ctx, server.MetricsOptions{URL: r.o.MetricsURL, Target: r.url.String(), Model: r.Model.Name, Header: r.o.Header, TLS: r.o.TLS})
		if err != nil {
			return nil, nil, err
		}
		if note != "" {
			notes = append(notes, note)
		}
		metrics = m
	}
	if r.api == nil && metrics == nil {
		return nil, notes, nil
	}
	return func(ctx context.Context) func(context.Context) *report.LoadServer {
		before := r.count(ctx, metrics)
		return func(ctx context.Context) *report.LoadServer { return before.until(r.count(ctx, metrics)) }
	}, notes, nil
}

// counters are those of a server at a moment; nil where it does not tell them.
type counters struct {
	statistics *server.Statistics
	scrape     *server.Scrape
	url        string // of scrape
}

func (r *Remote) count(ctx context.Context, metrics *server.Metrics) counters {
	var c counters
	if r.api != nil {
		c.statistics, _ = r.api.Statistics(ctx, r.Model.Name, r.Version) // a server that cannot tell now is one that does not tell
	}
	if metrics != nil {
		if s, err := metrics.Scrape(ctx); err == nil {
			c.scrape, c.url = &s, metrics.URL()
		}
	}
	return c
}

// until tells what a server did from c to d.
func (c counters) until(d counters) *report.LoadServer {
	out := &report.LoadServer{}
	change, told := server.Delta(c.statistics, d.statistics)
	if told {
		out.Source = "statistics"
	}
	if c.scrape != nil && d.scrape != nil {
		u := c.scrape.Until(*d.scrape)
		out.CPUs, out.Throttled, out.Resident, out.GPU = u.CPUs, u.Throttled, u.Resident, u.GPU
		known := out.CPUs != nil || out.Resident != nil || out.GPU != nil
		if !told && u.Model != nil {
			change, told, known = *u.Model, true, true
		}
		if known {
			out.Source = strings.TrimPrefix(out.Source+", metrics of "+d.url, ", ")
		}
	}
	if told && change.Requests > 0 {
		out.Queue, out.Compute, out.Requests, out.Failures = toldTime(change.Queue), toldTime(change.Compute), change.Requests, change.Failures
		if change.Batch > 0 {
			out.Batch = &change.Batch
		}
	}
	if out.Source == "" {
		return nil
	}
	return out
}

// toldTime is a time in seconds; nil where the server did not tell it.
func toldTime(d time.Duration) *float64 {
	if d < 0 {
		return nil
	}
	s := d.Seconds()
	return &s
}
