package cmd

import (
	"context"
	"os"
	"strconv"
	"strings"
	"time"

	"infer/internal/fault"
	"infer/internal/stats"
	"infer/model"
	"infer/model/dataset"
	"infer/model/engine"
	"infer/model/measure"
	"infer/model/predict"
	"infer/profile"
	"infer/report"
)

// openSide opens a target of a live comparison.
func (f *compareFlags) openSide(ctx context.Context, a *app, side, target string, set []string) (*liveSide, error) {
	engine, options, err := sideEngine(f.load.engine, set)
	if err != nil {
		return nil, fault.Wrap(err, "%s", side)
	}
	var s *liveSide
	switch {
	case strings.HasPrefix(target, execPrefix):
		s, err = f.openCommand(ctx, a, target, engine)
	case f.loads():
		s, err = f.openLoad(ctx, a, target, engine)
	default:
		s, err = f.openModel(ctx, a, target, engine)
	}
	if err != nil {
		return nil, fault.Wrap(err, "%s", side)
	}
	s.options = options
	if !isModel(target) && len(options) > 0 {
		s.close()
		return nil, fault.New(fault.Usage, "give them to the server itself", "%s: %s is no model of this process, and --a-set and --b-set are for those", side, target)
	}
	return s, nil
}

// shareLibrary chooses the runtime library for both sides where one of them asks for a provider: the models of a process
// run on one library, which must have what either side needs.
func (f *compareFlags) shareLibrary(ctx context.Context, a *app) error {
	var all engineFlags
	need := false // a side that cannot do without its providers
	for _, side := range []struct {
		target string
		set    []string
	}{{f.a, f.aSet}, {f.b, f.bSet}} {
		if !isModel(side.target) {
			continue
		}
		e, _, err := sideEngine(f.load.engine, side.set)
		if err != nil {
			return err
		}
		wanted, optional := e.wanted()
		all.providers = append(all.providers, wanted...)
		need = need || len(wanted) > 0 && !optional
	}
	if len(all.providers) == 0 || f.load.engine.ortLibrary != "" {
		return nil
	}
	if !need {
		all.providers = append(all.providers, "cpu")
	}
	lib, err := a.findLibrary(ctx, all)
	f.load.engine.ortLibrary = lib.Path
	return err
}

// sideEngine returns the engine flags of a side, and what --a-set or --b-set set in them.
func sideEngine(e engineFlags, set []string) (engineFlags, map[string]string, error) {
	options := map[string]string{}
	for _, text := range set {
		name, value, ok := strings.Cut(text, "=")
		if !ok || value == "" {
			return e, nil, fault.New(fault.Usage, "write it as NAME=VALUE, such as threads=1", "%q has no NAME=VALUE", text)
		}
		var err error
		switch name {
		case "threads":
			e.threads, err = strconv.Atoi(value)
		case "inter-threads":
			e.interThreads, err = strconv.Atoi(value)
		case "provider":
			e.providers = strings.Split(value, ",")
		case "session-config":
			e.sessionConfig = append(append([]string{}, e.sessionConfig...), value)
		default:
			return e, nil, fault.New(fault.Usage, "use threads, inter-threads, provider or session-config", "%q cannot be set for one side", name)
		}
		if err != nil {
			return e, nil, fault.New(fault.Usage, "give a number", "%s=%q is no number", name, value)
		}
		if options[name] != "" {
			value = options[name] + " " + value
		}
		options[name] = value
	}
	return e, options, nil
}

// modelSide is a model that runs in this process, one run after the other.
type modelSide struct {
	f       *compareFlags
	o       *opened
	session engine.Session
}

func (f *compareFlags) openModel(ctx context.Context, a *app, path string, e engineFlags) (*liveSide, error) {
	o, err := a.open(ctx, []string{path}, e, f.load.bind, f.load.data)
	if err != nil {
		return nil, err
	}
	begin := time.Now()
	session, err := o.provider.Open(ctx, o.model, o.config)
	if err != nil {
		o.close()
		return nil, o.data.explain(err)
	}
	cost := time.Since(begin)
	m := &modelSide{f: f, o: o, session: session}
	s := &liveSide{block: m.block, blocks: modelBlocks, cold: m.cold, shares: m.shares, close: func() { _ = session.Close() }}
	s.renew(cost, func(ctx context.Context) (*liveSide, error) {
		session, err := o.provider.Open(ctx, o.model, o.config)
		if err != nil {
			return nil, err
		}
		again := &modelSide{f: f, o: o, session: session}
		return &liveSide{block: again.block, close: func() { _ = session.Close() }}, nil
	})
	newest := s.close
	s.close = func() { newest(); o.close() }
	s.describe = func(d *report.Document) error { return a.manifest(d, o) }
	if set := o.data.set; set != nil {
		if _, ok := set.Labels(); ok {
			s.classes = m.classes
		}
	}
	if s.CompareSide, err = describeModel(path, o.model, o.data); err != nil {
		s.close()
		return nil, err
	}
	s.inputs = inputsOf(o.model, o.data)
	return s, nil
}

// inputsOf returns what one run of a model takes: dtype and shape by name.
func inputsOf(m *model.Model, in *inputs) map[string]string {
	out := map[string]string{}
	for _, p := range m.Inputs() {
		out[p.Name] = p.Type.DType.String() + " " + in.bound.Shapes[p.Name].String()
	}
	return out
}

// describeModel returns a model as a side, with what its file tells exactly.
func describeModel(name string, m *model.Model, in *inputs) (report.CompareSide, error) {
	sum, err := m.Digest()
	if err != nil {
		return report.CompareSide{}, err
	}
	s := report.CompareSide{Name: name, Kind: "model", Model: &report.ModelRef{Path: m.Path, SHA256: sum, Bytes: m.Bytes()}, Facts: map[string]float64{}}
	d := report.New("inspect")
	if _, err := profile.Inspect(m, model.Bindings{Shapes: in.bound.Shapes}, d); err != nil {
		return s, err
	}
	for _, x := range d.Metrics {
		if x.Value != nil {
			s.Facts[x.Name] = *x.Value
		}
	}
	return s, nil
}

// block times runs on inputs that the seed makes.
func (m *modelSide) block(ctx context.Context, seed uint64) (report.CompareBlock, error) {
	data := *m.o.data
	data.flags.Seed = seed
	in, err := data.inputs(0)
	if err != nil {
		return report.CompareBlock{}, err
	}
	run, timed, release, err := measure.Bind(ctx, m.session, in)
	if err != nil {
		return report.CompareBlock{}, data.explain(err)
	}
	defer release()
	s, err := measure.Steady(ctx, run, measure.Options{Duration: m.f.block, WarmUp: measure.Auto, MaxWarmUp: m.f.block / 4, Timed: timed})
	if err != nil {
		return report.CompareBlock{}, err
	}
	sorted := stats.Sorted(s.Seconds)
	b := report.CompareBlock{Seconds: s.Wall.Seconds(), N: int64(len(sorted)), Values: map[string]float64{}, Disturbed: measure.Disturbed(s)}
	if len(sorted) == 0 {
		return b, ctx.Err()
	}
	mean := 0.0
	for _, v := range sorted {
		mean += v / float64(len(sorted))
	}
	b.Values["latency_mean"], b.Values["throughput"] = mean, float64(data.boundRows())/mean
	addPercentiles(&b, "latency_", len(sorted), func(p float64) float64 { return stats.Quantile(sorted, p, 0.95).Value })
	return b, nil
}

// addPercentiles adds those percentiles of latency that n values can tell: at least one value lies above.
func addPercentiles(b *report.CompareBlock, prefix string, n int, quantile func(p float64) float64) {
	for _, p := range []struct {
		name string
		p    float64
	}{{"p50", 0.5}, {"p90", 0.9}, {"p95", 0.95}, {"p99", 0.99}} {
		if float64(n)*(1-p.p) >= 1-1e-9 {
			b.Values[prefix+p.name] = quantile(p.p)
		}
	}
	if prefix != "latency_" || n < 100 {
		return
	}
	for _, p := range report.ShiftPercentiles {
		b.Quantiles = append(b.Quantiles, quantile(p))
	}
}

// cold starts the model in a fresh process.
func (m *modelSide) cold(ctx context.Context, _ uint64) (report.CompareBlock, error) {
	spec := coldSpec{Library: m.o.library.Path, Model: m.o.path, Config: m.o.config, Data: m.f.load.data, Bind: m.f.load.bind}
	var c report.ColdStart
	if err := measure.Child(ctx, coldStart(ctx, spec), &c); err != nil {
		return report.CompareBlock{}, err
	}
	return report.CompareBlock{N: 1, Values: map[string]float64{"library_load": c.LibraryLoad, "session_init": c.SessionInit, "first_run": c.FirstRun, "peak_rss": c.PeakRSS}}, nil
}

// shares profiles the model node by node.
func (m *modelSide) shares(ctx context.Context) (*explained, error) {
	d := report.New("profile")
	o := profile.DefaultOptions
	o.Runs, o.WarmUp, o.Cold, o.ProfiledRuns, o.Roofline = 20, 3, 0, 40, "off"
	t := profile.Target{Model: m.o.model, Provider: m.o.provider, Config: m.o.config, Inputs: m.o.data.inputs}
	if _, err := profile.Run(ctx, t, o, d); err != nil {
		return nil, err
	}
	p, err := detailsOf[report.ProfileDetails](d)
	return &explained{nodes: p.ByNode, runs: p.ProfiledRuns}, err
}

// classes returns what the model says of every labelled row, and the labels; fewer where ctx ends.
func (m *modelSide) classes(ctx context.Context) (ids, labels []int64, err error) {
	labels, _ = m.o.data.set.Labels()
	dir, err := os.MkdirTemp("", "infer-compare-*")
	if err != nil {
		return nil, nil, err
	}
	defer os.RemoveAll(dir)
	r, err := predict.Run(ctx, m.session, m.o.data.set, predict.Options{Dir: dir, Batch: m.o.data.rowsPerRun(0), FileName: dataset.FileName})
	if err != nil || !r.Done {
		return nil, labels, err
	}
	ids, err = predict.Predicted(r.Files)
	return ids, labels, err
}
