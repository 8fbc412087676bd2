package server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"infer/internal/fault"
)

// MetricsOptions says where metrics of a server are looked for.
type MetricsOptions struct {
	URL    string      // of the metrics themselves, given by the user; "": where servers have them
	Target string      // URL of the server under load
	Model  string      // its name there
	Header http.Header // of Target, sent to its own address alone; may be nil
	TLS    *tls.Config // of https://; nil: the system's CAs
}

// Metrics is an endpoint with Prometheus metrics of a server. It is safe for concurrent use.
type Metrics struct {
	url    *url.URL
	header http.Header
	model  string
	client *http.Client
	open   bool // nothing there names a model yet: what it tells counts once a scrape does
}

// scrapeTimeout bounds a scrape.
const scrapeTimeout = 2 * time.Second

// FindMetrics looks for metrics of the server. Where the user gave no URL it tries http://HOST:8002/metrics (the default
// of infer and Triton), http://HOST:8082/metrics (of MLServer and TorchServe) and the target's own /metrics, and believes
// the first in which a series names the model: another server may listen there. The target's own, where nothing names a
// model, are believed if they do later: some servers have such series only after a first request. Without any it
// returns nil and a note that says what was seen; a URL of the user's that does not answer is an error.
func FindMetrics(ctx context.Context, o MetricsOptions) (m *Metrics, note string, err error) {
	if o.URL != "" {
		return givenMetrics(ctx, o)
	}
	target, err := url.Parse(o.Target)
	if err != nil || target.Hostname() == "" {
		return nil, "", nil
	}
	var notes []string
	for _, u := range candidates(target) {
		m := newMetrics(u, o, u.Host == target.Host)
		s, err := m.Scrape(ctx)
		switch {
		case ctx.Err() != nil:
			return nil, "", fmt.Errorf("look for metrics: %w", ctx.Err())
		case err == nil && s.Named:
			return m, "", nil
		case err == nil && u.Host == target.Host && s.series > 0 && !s.models:
			m.open = true
			return m, strings.Join(notes, "; "), nil
		case err == nil && s.series > 0:
			notes = append(notes, fmt.Sprintf("metrics at %s do not name model %q and are not used: pass --metrics-url if they are this server's", u, o.Model))
		}
	}
	return nil, strings.Join(notes, "; "), nil
}

// candidates are the places where metrics of a server may be.
func candidates(target *url.URL) []*url.URL {
	var all []*url.URL
	for _, port := range []string{"8002", "8082"} {
		all = append(all, &url.URL{Scheme: "http", Host: net.JoinHostPort(target.Hostname(), port), Path: "/metrics"})
	}
	if target.Scheme == "http" || target.Scheme == "https" {
		all = append(all, &url.URL{Scheme: target.Scheme, Host: target.Host, Path: "/metrics"})
	}
	return all
}

// givenMetrics is the endpoint that the user has named. It is believed; a note says where it does not name the model.
func givenMetrics(ctx context.Context, o MetricsOptions) (*Metrics, string, error) {
	u, err := url.Parse(o.URL)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, "", fault.New(fault.Usage, "it is http://HOST:PORT/metrics", "metrics URL %q: no address of a server", o.URL)
	}
	target, err := url.Parse(o.Target)
	m := newMetrics(u, o, err == nil && target.Host == u.Host)
	s, err := m.Scrape(ctx)
	if err != nil {
		return nil, "", err
	}
	if o.Model != "" && !s.Named {
		return m, fmt.Sprintf("metrics at %s do not name model %q", u.Redacted(), o.Model), nil
	}
	return m, "", nil
}

// newMetrics is an endpoint; own: it is at the target's own address, and may see the key that is meant for it.
func newMetrics(u *url.URL, o MetricsOptions, own bool) *Metrics {
	m := &Metrics{url: u, model: o.Model, header: http.Header{}, client: newClient(o.TLS)}
	if own {
		maps.Copy(m.header, o.Header)
	}
	m.header.Set("Accept", "text/plain;version=0.0.4")
	return m
}

// URL is where the metrics are, without a password.
func (m *Metrics) URL() string { return m.url.Redacted() }

// Scrape reads the metrics. Errors say what answers in their place.
func (m *Metrics) Scrape(ctx context.Context) (Scrape, error) {
	a, err := fetch(ctx, m.client, scrapeTimeout, http.MethodGet, m.url, m.header, nil)
	if err != nil {
		return Scrape{}, err
	}
	at := time.Now()
	if !a.ok() {
		return Scrape{}, fault.New(fault.NotFound, "it is the address that Prometheus scrapes", "no metrics at %s: it answers %s", m.URL(), a.say())
	}
	s, err := parseScrape(a.body, m.model)
	if err != nil {
		return Scrape{}, fault.New(fault.Unsupported, "it is the address that Prometheus scrapes", "no metrics at %s: %w", m.URL(), errors.New(oneLine([]byte(err.Error()))))
	}
	s.At, s.open = at, m.open && !s.Named
	return s, nil
}
