package cmd

import (
	"context"
	"fmt"
	"os"
	"strings"

	"infer/internal/fault"
	"infer/internal/wire"
	"infer/loadtest"
	"infer/loadtest/payload"
	"infer/loadtest/server"
	"infer/model"
	"infer/model/dataset"
	"infer/model/engine"
	"infer/model/engine/ort"
	"infer/model/engine/ort/library"
	"infer/report"
)

// loadRig opens what a load test needs: the target, the model that its requests suit, the session that says what is
// right. It keeps them until close.
type loadRig struct {
	a      *app
	f      *loadtestFlags
	target string
	remote *loadtest.Remote // nil: in-process
	model  *model.Model     // that requests suit; nil: what the server tells must do
	data   *inputs          // of model; nil without one

	runtime *ort.Runtime
	library library.Library
	config  engine.Config
	session engine.Session // of the in-process target
	expect  engine.Session // of --expect-from
	set     *payload.Set   // of the newest rig
	lost    error          // why the samples were not written
	closers []func()
}

// targetOperand returns the TARGET of the command line, of the configuration, or the server's default address.
func (a *app) targetOperand(args []string) string {
	if len(args) > 0 {
		return args[0]
	}
	if t := a.std.Env("INFER_TARGET"); t != "" {
		a.log.Info("target: " + t + " (from INFER_TARGET)")
		return t
	}
	if a.cfg != nil && a.cfg.v.IsSet("target") {
		t := a.cfg.v.GetString("target")
		a.log.Info(fmt.Sprintf("target: %s (from %s)", t, a.cfg.path))
		return t
	}
	const usual = "http://localhost:8000"
	a.log.Info("target: " + usual + " (none is given)")
	return usual
}

// openRig opens the target. What costs nothing is checked first.
func (f *loadtestFlags) openRig(ctx context.Context, a *app, target string) (*loadRig, error) {
	r := &loadRig{a: a, f: f, target: target}
	if err := r.open(ctx); err != nil {
		r.close()
		return nil, err
	}
	return r, nil
}

func (r *loadRig) open(ctx context.Context) (err error) {
	if r.config, err = r.f.engine.config(); err != nil {
		return err
	}
	if strings.Contains(r.target, "://") {
		return r.openRemote(ctx)
	}
	_, named := model.CutExt(r.target)
	if _, err := os.Stat(r.target); err != nil && !named {
		return fault.New(fault.Usage, "write http://"+r.target+" or grpc://"+r.target+", or the path of a .onnx file", "target %q is no URL and no file", r.target)
	}
	if err := r.f.target.onlyRemote(); err != nil {
		return err
	}
	if err := r.useModel(r.target); err != nil {
		return err
	}
	if r.session, err = r.openSession(ctx, r.model); err != nil {
		return err
	}
	return r.openExpected(ctx)
}

// onlyRemote refuses flags that mean nothing for a model in this process.
func (t *targetFlags) onlyRemote() error {
	for _, f := range []struct {
		name string
		set  bool
	}{{"--protocol", t.protocol != ""}, {"--body", t.body != ""}, {"--header", len(t.headers) > 0}, {"--model", t.model != ""}, {"--metrics-url", t.metricsURL != ""}, {"--model-file", t.modelFile != ""}} {
		if f.set {
			return fault.New(fault.Usage, "leave it out, or name a server", "%s is for a server, and the target is a model in this process", f.name)
		}
	}
	return nil
}

func (r *loadRig) openRemote(ctx context.Context) error {
	t := &r.f.target
	header, err := t.header()
	if err != nil {
		return err
	}
	secure, err := t.tls()
	if err != nil {
		return err
	}
	if path := t.like(r.f); path != "" {
		if err := r.useModel(path); err != nil {
			return err
		}
	}
	r.remote, err = loadtest.Ask(ctx, loadtest.RemoteOptions{
		URL: r.target, Protocol: t.protocol, Encoding: t.encoding, Model: t.model, Header: header, TLS: secure,
		MetricsURL: t.metricsURL, Timeout: r.f.opts.Timeout,
	})
	if err != nil {
		return err
	}
	r.closers = append(r.closers, func() { _ = r.remote.Close() })
	for _, n := range r.remote.Notes() {
		if !r.f.reopened {
			r.a.log.Info(n)
		}
	}
	if (t.method != "" || t.contentType != "") && r.remote.Protocol != server.HTTP && r.remote.Protocol != server.TorchServe {
		return fault.New(fault.Usage, "leave them out, or pass --protocol http", "--method and --content-type are for plain HTTP, and this target speaks %s", r.remote.Protocol)
	}
	if r.f.set.Changed("instances") {
		return fault.New(fault.Usage, "leave it out", "--instances is for a model in this process, and the target is a server")
	}
	if t.body != "" && r.remote.Protocol != server.HTTP && r.remote.Protocol != server.TorchServe {
		return fault.New(fault.Usage, "pass --protocol http or torchserve, or use --input", "--body is for plain HTTP and TorchServe, and this target speaks %s", r.remote.Protocol)
	}
	return r.openExpected(ctx)
}

// like is the model file that requests are made to suit: of --model-file, else of --expect-from.
func (t *targetFlags) like(f *loadtestFlags) string {
	if t.modelFile != "" {
		return t.modelFile
	}
	return f.expectFrom
}

// useModel makes requests suit a model file.
func (r *loadRig) useModel(path string) (err error) {
	if r.model, err = loadModel(path); err != nil {
		return err
	}
	m := r.model
	r.closers = append(r.closers, func() { _ = m.Close() })
	if r.f.isPerfAnalyzer() || r.f.target.body != "" && r.f.data.isMade() {
		return nil
	}
	if r.data, err = openData(r.model, r.f.data, r.f.bind); err != nil {
		return err
	}
	r.closers = append(r.closers, r.data.close)
	return nil
}

// isPerfAnalyzer reports whether --input is a file as NVIDIA's perf_analyzer takes it.
func (f *loadtestFlags) isPerfAnalyzer() bool {
	return strings.HasSuffix(f.data.Source, ".json") && payload.IsPerfAnalyzer(f.data.Source)
}

// openSession opens a model on the provider of the flags.
func (r *loadRig) openSession(ctx context.Context, m *model.Model) (engine.Session, error) {
	if r.runtime == nil {
		rt, lib, err := r.a.openRuntime(ctx, r.f.engine)
		if err != nil {
			return nil, err
		}
		r.runtime, r.library = rt, lib
		r.closers = append(r.closers, func() { _ = rt.Close() })
	}
	p, err := r.runtime.Provider(r.config.Providers[0].Name)
	if err != nil {
		return nil, err
	}
	s, err := p.Open(ctx, m, r.config)
	if err != nil {
		return nil, err
	}
	r.closers = append(r.closers, func() { _ = s.Close() })
	return s, nil
}

// openExpected opens the model of --expect-from.
func (r *loadRig) openExpected(ctx context.Context) (err error) {
	path := r.f.expectFrom
	if path == "" {
		return nil
	}
	if r.f.expect != "" {
		return fault.New(fault.Usage, "give one of them", "--expect and --expect-from both say what is right")
	}
	m := r.model
	if m == nil || m.Path != path {
		if m, err = loadModel(path); err != nil {
			return err
		}
		defer m.Close()
	}
	r.expect, err = r.openSession(ctx, m)
	return err
}

// rig makes the rig of requests with so many rows.
func (r *loadRig) rig(ctx context.Context, batch int64) (*loadtest.Rig, error) {
	set, raw, err := r.payloads(batch)
	if err != nil {
		return nil, err
	}
	r.set = set
	var rig *loadtest.Rig
	protocol := payload.InProcess
	if r.remote == nil {
		rig, err = loadtest.LocalRig(r.target, r.session, set, r.f.instances)
	} else {
		protocol = payload.Protocol(r.remote.Protocol)
		rig, err = r.remote.Rig(ctx, set, raw)
	}
	if err != nil {
		return nil, err
	}
	r.closers = append(r.closers, func() { _ = rig.Generator.Close() })
	rig.Target.Options = r.f.again()
	return rig, r.checker(ctx, rig, set, raw, protocol)
}

// checker adds what answers are compared with.
func (r *loadRig) checker(ctx context.Context, rig *loadtest.Rig, set *payload.Set, raw []payload.Request, p payload.Protocol) error {
	var want *payload.Expected
	var err error
	switch {
	case r.expect != nil && set == nil:
		return fault.New(fault.Usage, "give --input in place of --body", "what the model answers to a body cannot be known here")
	case r.expect != nil:
		want, err = payload.Expect(ctx, r.expect, set, r.f.expectFrom)
	case r.f.expect != "" && raw != nil:
		want, err = payload.GoldenBodies(r.f.expect, len(raw))
	case r.f.expect != "":
		want, err = payload.Golden(r.f.expect, set, r.outputs())
	case set != nil:
		want = set.Expected()
	}
	if err != nil || want == nil {
		return err
	}
	c, err := payload.NewChecker(p, want, payload.Tolerance{RTol: r.f.rtol, ATol: r.f.atol})
	if err != nil {
		return err
	}
	rig.Check = c
	rig.Checked = loadtest.CheckInfo{Source: want.Source, RTol: r.f.rtol, ATol: r.f.atol, Failures: c.First}
	rig.Target.Notes = append(rig.Target.Notes, want.Notes...)
	return nil
}

// payloads makes what requests carry: tensors, or bodies as they are.
func (r *loadRig) payloads(batch int64) (*payload.Set, []payload.Request, error) {
	t, d := &r.f.target, r.f.data
	want, err := r.f.bind.bindings()
	if err != nil {
		return nil, nil, err
	}
	o := payload.Options{Zeros: d.Source == "zeros", Seed: d.Seed, Bindings: want}
	plain := r.remote != nil && (r.remote.Protocol == server.HTTP || r.remote.Protocol == server.TorchServe && t.body != "")
	var set *payload.Set
	if !plain || !d.isMade() {
		if set, err = r.tensors(batch, o); err != nil {
			return nil, nil, err
		}
	}
	if !plain {
		return set, nil, nil
	}
	raw, err := r.raw(set, o)
	return set, raw, err
}

// raw makes plain requests of --body.
func (r *loadRig) raw(set *payload.Set, o payload.Options) ([]payload.Request, error) {
	t := &r.f.target
	method, path := strings.ToUpper(t.method), r.remote.Path()
	var bodies []payload.Body
	if t.body != "" {
		var notes []string
		var err error
		if bodies, notes, err = payload.ReadBodies(t.body, set, o); err != nil {
			return nil, err
		}
		for _, n := range notes {
			r.a.log.Info(n)
		}
	}
	if r.remote.Protocol == server.TorchServe {
		var err error
		if path, err = payload.TorchServePath(r.remote.Model.Name, r.remote.Version); err != nil {
			return nil, err
		}
		method = "POST"
	}
	if method == "" {
		method = "GET"
		if bodies != nil {
			method = "POST"
		}
	}
	return payload.Raw(method, path, t.contentType, bodies), nil
}

// tensors makes the inputs of requests: of the data, else made up to suit the model file, else what the server tells.
func (r *loadRig) tensors(batch int64, o payload.Options) (set *payload.Set, err error) {
	d := r.f.data
	ports := r.ports()
	switch {
	case r.f.isPerfAnalyzer():
		set, err = payload.FromPerfAnalyzer(d.Source, ports, r.outputs(), o)
	case r.data != nil && r.data.set != nil:
		set, err = payload.FromData(r.data.set, d.Source, batch, o)
	case r.data != nil:
		bound := r.data.bound
		if batch > 1 {
			if bound, err = r.data.atBatch(batch); err != nil {
				return nil, err
			}
		}
		set, err = payload.FromModel(r.model, bound, o)
	default:
		set, err = r.fromServer(batch, o)
	}
	if err != nil || r.remote == nil {
		return set, err
	}
	return set, set.Check(r.remote.Model.Inputs)
}

// ports are the inputs that the server tells, or those of the model.
func (r *loadRig) ports() []wire.Port {
	if r.remote != nil && len(r.remote.Model.Inputs) > 0 {
		return r.remote.Model.Inputs
	}
	if r.model != nil {
		return payload.WirePorts(r.model.Inputs())
	}
	return nil
}

// outputs are what the server, or the model, says that it answers.
func (r *loadRig) outputs() []wire.Port {
	if r.remote != nil && len(r.remote.Model.Outputs) > 0 {
		return r.remote.Model.Outputs
	}
	if r.model != nil {
		return payload.WirePorts(r.model.Outputs())
	}
	return nil
}

// fromServer makes requests of nothing but what the server tells of its model.
func (r *loadRig) fromServer(batch int64, o payload.Options) (*payload.Set, error) {
	d := r.f.data
	ports := payload.ModelPorts(r.remote.Model.Inputs)
	if len(ports) == 0 && !d.isMade() { // some protocols tell nothing of a model; the data do
		var err error
		if ports, err = dataset.Ports(d.Source); err != nil {
			return nil, err
		}
	}
	if len(ports) == 0 {
		return nil, r.remote.Model.NeedInputs()
	}
	if d.isMade() {
		if batch > 1 {
			o.Bindings.Dims["batch"] = batch
		}
		return payload.FromPorts(r.remote.Model.Inputs, o)
	}
	set, err := dataset.Open(d.Source, ports, dataset.Options{})
	if err != nil {
		return nil, err
	}
	defer set.Close()
	return payload.FromData(set, d.Source, batch, o)
}

// describe fills the manifest of d.
func (r *loadRig) describe(d *report.Document, o loadtest.Options) error {
	if m := r.model; m != nil {
		sum, err := m.Digest()
		if err != nil {
			return err
		}
		d.Manifest.Model = &report.ModelRef{Path: m.Path, SHA256: sum, Bytes: m.Bytes()}
	}
	if r.runtime != nil {
		var err error
		if d.Manifest.Runtime, err = runtimeRef(r.library, r.config); err != nil {
			return err
		}
	}
	d.Manifest.Seed = &r.f.data.Seed
	d.Manifest.Options = map[string]any{
		"arrival": o.Schedule.Arrival, "timeout_s": o.Timeout.Seconds(), "connections": o.Connections,
	}
	if o.Concurrency > 0 {
		d.Manifest.Options["concurrency"] = o.Concurrency
		delete(d.Manifest.Options, "arrival")
	}
	if r.f.scenario == "offline" {
		d.Manifest.Options["scenario"] = "offline"
	}
	if r.session != nil {
		d.Manifest.Options["threads"], d.Manifest.Options["instances"] = r.config.Threads, r.f.instances
	}
	if r.set != nil {
		d.Manifest.Data = &report.DataRef{Source: r.set.Source, SHA256: r.set.Digest(), Rows: r.set.Rows * int64(r.set.Len())}
		if r.f.data.isMade() {
			d.Manifest.Data.Rows = 0
		}
	}
	return nil
}

// close closes everything, the newest first.
func (r *loadRig) close() {
	for i := len(r.closers) - 1; i >= 0; i-- {
		r.closers[i]()
	}
	r.closers = nil
}
