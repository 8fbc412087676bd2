// Package server owns what can be asked of a server under load: who it is, the signature of its model, the counters of
// the statistics extension, and its metrics. Nothing here is on the path of the load; one request is one call.
package server

import (
	"context"
	"crypto/tls"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"infer/internal/fault"
	"infer/internal/wire"
)

// The protocols that Open takes.
const (
	OIPHTTP    = "oip-http"
	OIPGRPC    = "oip-grpc"
	TFS        = "tfs"
	TorchServe = "torchserve"
	HTTP       = "http"
)

// API is what a server can be asked. It is safe for concurrent use. Errors are faults that name the server and say
// what may help; what a server does not tell is no error.
type API interface {
	// Server returns who answers. An error means that nobody does, or that it is not of the protocol.
	Server(ctx context.Context) (Info, error)
	// Models returns the names of the models that are ready, sorted; nil where the server does not list them.
	Models(ctx context.Context) ([]string, error)
	// Model returns the signature of a model; version may be "". A model that is not there is fault.NotFound.
	Model(ctx context.Context, name, version string) (Model, error)
	// Statistics returns the counters of a model, of all its versions where version is ""; nil, nil of a server
	// without the statistics extension.
	Statistics(ctx context.Context, name, version string) (*Statistics, error)
	// Close ends the connections. A second Close is a no-op.
	Close() error
}

// Info is how a server calls itself. Name is "" where it does not say.
type Info struct {
	Name, Version string
	Extensions    []string
}

// String returns "triton 2.51.0", "" for an unnamed one.
func (i Info) String() string {
	if i.Version == "" {
		return i.Name
	}
	return i.Name + " " + i.Version
}

// Model is what a server tells of a model.
type Model struct {
	Name, Version   string // the version that answers where one was asked for or only one is there, else ""
	Platform        string // "onnxruntime_onnx"; "" where it is not told
	Inputs, Outputs []wire.Port
	// MaxBatch is how many rows axis 0 of the inputs may have; 0: the server does not batch, and shapes are those of a
	// whole request; NotTold.
	MaxBatch int
}

// NotTold is the MaxBatch of a server that says nothing about it.
const NotTold = -1

// NeedInputs returns nil where m tells its inputs, else an error that says how to give a payload.
func (m Model) NeedInputs() error {
	if len(m.Inputs) > 0 {
		return nil
	}
	return fault.New(fault.Usage, "pass --input DIR with a .npy file for each input, --model-file MODEL.onnx, or --body FILE",
		"the server does not tell which inputs model %q has", m.Name)
}

// Options says which server is asked and how.
type Options struct {
	URL      string      // http(s):// or grpc(s)://HOST[:PORT][/PREFIX]
	Protocol string      // one of the constants above; "" by the URL: oip-http, or oip-grpc for grpc:// and grpcs://
	Header   http.Header // sent with every request, as metadata of gRPC; may be nil
	TLS      *tls.Config // of https:// and grpcs://; nil: the system's CAs
	Timeout  time.Duration
}

// defaultTimeout bounds a request where Options has none.
const defaultTimeout = 10 * time.Second

// answerLimit bounds the body of an answer, in bytes.
const answerLimit = 8 << 20

// Open prepares to ask a server. It connects with the first request. Errors are fault.Usage.
func Open(o Options) (API, error) {
	u, err := url.Parse(o.URL)
	if err != nil || u.Host == "" {
		return nil, fault.New(fault.Usage, "it is http://HOST:PORT, https://…, grpc://HOST:PORT or grpcs://…", "URL %q: no address of a server", o.URL)
	}
	if n, err := strconv.ParseUint(u.Port(), 10, 16); u.Port() != "" && (err != nil || n == 0) {
		return nil, fault.New(fault.Usage, "it is from 1 to 65535", "URL %q: there is no port %s", o.URL, u.Port())
	}
	if o.Timeout <= 0 {
		o.Timeout = defaultTimeout
	}
	grpc := u.Scheme == "grpc" || u.Scheme == "grpcs"
	if !grpc && u.Scheme != "http" && u.Scheme != "https" {
		return nil, fault.New(fault.Usage, "it is http, https, grpc or grpcs", "URL %q: unknown scheme %q", o.URL, u.Scheme)
	}
	switch o.Protocol {
	case "":
	case OIPGRPC:
		if !grpc {
			return nil, fault.New(fault.Usage, "write grpc://"+u.Host, "URL %q: protocol %s is not spoken over %s", o.URL, o.Protocol, u.Scheme)
		}
	case OIPHTTP, TFS, TorchServe, HTTP:
		if grpc {
			return nil, fault.New(fault.Usage, "write http://"+u.Host+", or --protocol "+OIPGRPC, "URL %q: protocol %s is not spoken over gRPC", o.URL, o.Protocol)
		}
	default:
		return nil, fault.New(fault.Usage, "it is oip-http, oip-grpc, tfs, torchserve or http", "unknown protocol %q", o.Protocol)
	}
	if grpc {
		return openGRPC(u, o)
	}
	return openHTTP(u, o), nil
}
