package loadtest

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"infer/internal/fault"
	"infer/loadtest/drive"
	"infer/loadtest/http1"
	"infer/loadtest/local"
	"infer/loadtest/null"
	"infer/loadtest/payload"
	"infer/loadtest/rpc"
	"infer/loadtest/server"
	"infer/model/engine"
	"infer/model/tensor"
	"infer/report"
)

// Rig makes the rig of a remote: requests for every payload, and what sends them. raw are those of HTTP and TorchServe,
// where there are any; the others are made of set, which may be nil with raw. The caller closes Rig.Generator.
func (r *Remote) Rig(ctx context.Context, set *payload.Set, raw []payload.Request) (*Rig, error) {
	rig := &Rig{Target: r.target()}
	if set != nil {
		rig.Target.Rows, rig.Target.PayloadHash = max(1, set.Rows), set.Digest()
		rig.Target.Notes = append(rig.Target.Notes, set.Notes...)
	}
	var err error
	if r.Protocol == server.OIPGRPC {
		err = r.overGRPC(rig, set)
	} else {
		err = r.overHTTP(rig, set, raw)
	}
	if err != nil {
		return nil, err
	}
	watch, notes, err := r.watch(ctx)
	if err != nil {
		return nil, errors.Join(err, rig.Generator.Close())
	}
	rig.Watch = watch
	rig.Target.Notes = append(rig.Target.Notes, notes...)
	return rig, nil
}

func (r *Remote) target() report.LoadTarget {
	return report.LoadTarget{
		URL: r.o.URL, Protocol: r.Protocol, Encoding: r.encoding(), Model: r.Model.Name, Version: r.Version, Server: r.Info.String(), Rows: 1,
	}
}

// encode returns what each payload is over HTTP.
func (r *Remote) encode(set *payload.Set) ([]payload.Request, error) {
	switch r.Protocol {
	case server.TFS:
		return payload.TFSRequests(set, r.Model.Name, r.Version)
	case server.TorchServe:
		return payload.TorchServeRequests(set, r.Model.Name, r.Version)
	}
	return payload.OIPRequests(set, r.Model.Name, r.Version, r.Binary)
}

func (r *Remote) overHTTP(rig *Rig, set *payload.Set, raw []payload.Request) error {
	if raw == nil {
		var err error
		if raw, err = r.encode(set); err != nil {
			return err
		}
	}
	requests := make([]http1.Request, len(raw))
	var size int64
	for i, b := range raw {
		h := r.o.Header.Clone()
		if h == nil {
			h = http.Header{}
		}
		for _, x := range b.Header {
			if h.Get(x.Name) == "" {
				h.Set(x.Name, x.Value)
			}
		}
		path := b.Path
		if r.Protocol != server.HTTP {
			path = strings.TrimSuffix(r.url.EscapedPath(), "/") + path // a prefix that a proxy has put before
		}
		var err error
		if requests[i], err = http1.NewRequest(b.Method, path, r.hostHeader(), h, b.Body); err != nil {
			return err
		}
		size += int64(requests[i].Size())
	}
	rig.Target.Payloads, rig.Target.Bytes = len(requests), size/int64(max(1, len(requests)))
	o := http1.Options{Addr: r.url.Host, Requests: requests}
	if r.secure() {
		o.TLS = r.tls
	}
	g, err := http1.New(o)
	if err != nil {
		return err
	}
	rig.Generator = g
	if r.secure() {
		return nil // the floor of TLS is not that of plain HTTP
	}
	rig.Null = func(context.Context) (drive.Generator, func(), error) {
		s, err := null.HTTP(null.Options{Body: make([]byte, 256)})
		if err != nil {
			return nil, nil, err
		}
		g, err := http1.New(http1.Options{Addr: s.Addr(), Requests: requests})
		return g, func() { _ = s.Close() }, err
	}
	return nil
}

func (r *Remote) overGRPC(rig *Rig, set *payload.Set) error {
	// Only infer serve is known to take the parameter by which an answer tells where its time went.
	messages, err := payload.ModelInfers(set, r.Model.Name, r.Version, r.Info.Name == "infer")
	if err != nil {
		return err
	}
	var size int64
	for _, m := range messages {
		size += int64(len(m))
	}
	rig.Target.Payloads, rig.Target.Bytes = len(messages), size/int64(max(1, len(messages)))
	o := rpc.Options{Addr: r.url.Host, Messages: messages, Header: r.o.Header}
	if r.secure() {
		o.TLS = r.tls
	}
	t, err := rpc.New(o)
	if err != nil {
		return err
	}
	rig.Generator, rig.Streams = drive.Workers(t), rpc.StreamsPerConnection
	if r.secure() {
		return nil
	}
	rig.Null = func(context.Context) (drive.Generator, func(), error) {
		s, err := null.GRPC(null.Options{})
		if err != nil {
			return nil, nil, err
		}
		t, err := rpc.New(rpc.Options{Addr: s.Addr(), Messages: messages})
		if err != nil {
			return nil, nil, errors.Join(err, s.Close())
		}
		return drive.Workers(t), func() { _ = s.Close() }, nil
	}
	return nil
}

// LocalRig makes the rig of a session in this process, with slots runs at a time.
func LocalRig(path string, s engine.Session, set *payload.Set, slots int) (*Rig, error) {
	inputs := make([][]tensor.Tensor, set.Len())
	for i := range inputs {
		inputs[i] = set.Payloads[i].Inputs
	}
	t, err := local.New(s, inputs, slots)
	if err != nil {
		return nil, fault.Wrap(err, "load %q", path)
	}
	return &Rig{
		Generator: drive.Workers(t),
		Target: report.LoadTarget{URL: path, Protocol: inProcess, Payloads: len(inputs), Rows: max(1, set.Rows),
			Bytes: set.Bytes() / int64(len(inputs)), PayloadHash: set.Digest(), Notes: set.Notes},
	}, nil
}
