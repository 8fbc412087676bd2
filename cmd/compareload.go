package cmd

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"time"

	"infer/internal/child"
	"infer/internal/fault"
	"infer/internal/stats"
	"infer/loadtest"
	"infer/loadtest/schedule"
	"infer/report"
)

// execPrefix begins a target that is a command.
const execPrefix = "exec:"

// loadSide is a server, or a model of this process, under load.
type loadSide struct {
	f     *compareFlags
	flags *loadtestFlags
	rig   *loadtest.Rig
	warm  bool // it has been loaded
}

// openLoad opens a side whose blocks are loads.
func (f *compareFlags) openLoad(ctx context.Context, a *app, target string, e engineFlags) (*liveSide, error) {
	flags := f.load
	flags.engine = e
	flags.opts.Schedule.Seed = flags.data.Seed
	r, err := flags.openRig(ctx, a, target)
	if err != nil {
		return nil, err
	}
	rig, err := r.rig(ctx, flags.target.batch)
	if err != nil {
		r.close()
		return nil, err
	}
	l := &loadSide{f: f, flags: &flags, rig: rig}
	s := &liveSide{load: true, block: l.block, blocks: loadBlocks(), close: r.close}
	s.describe = func(d *report.Document) error { return r.describe(d, flags.opts) }
	s.CompareSide = report.CompareSide{Name: target, Kind: "server"}
	s.inputs = askedFor(r, rig)
	if r.model != nil && r.session != nil {
		if s.CompareSide, err = describeModel(target, r.model, r.data); err != nil {
			r.close()
			return nil, err
		}
		s.inputs = inputsOf(r.model, r.data)
	}
	return s, nil
}

// askedFor returns what a request carries: the inputs that the server tells, else the digest of the payloads.
func askedFor(r *loadRig, rig *loadtest.Rig) map[string]string {
	out := map[string]string{}
	if r.remote != nil {
		for _, p := range r.remote.Model.Inputs {
			out[p.Name] = fmt.Sprintf("%v %v", p.DType, p.Shape)
		}
	}
	if sum := rig.Target.PayloadHash; len(out) == 0 && sum != "" {
		out["payloads"] = "sha256 " + sum[:min(12, len(sum))]
	}
	return out
}

// openCommand opens a command: a server to start and to load, or a program to time.
func (f *compareFlags) openCommand(ctx context.Context, a *app, target string, e engineFlags) (*liveSide, error) {
	spec := child.Spec{Command: ownProgram(strings.TrimSpace(strings.TrimPrefix(target, execPrefix)))}
	if !spec.Serves() {
		return f.openProgram(target, spec), nil
	}
	begin := time.Now()
	s, err := f.startServer(ctx, a, target, spec, e)
	if err != nil {
		return nil, err
	}
	again := *f
	again.load.reopened = true
	s.renew(time.Since(begin), func(ctx context.Context) (*liveSide, error) { return again.startServer(ctx, a, target, spec, e) })
	return s, nil
}

// startServer starts a server and opens it as a side.
func (f *compareFlags) startServer(ctx context.Context, a *app, target string, spec child.Spec, e engineFlags) (*liveSide, error) {
	p, err := child.Start(ctx, spec)
	if err != nil {
		return nil, err
	}
	address := fmt.Sprintf("http://127.0.0.1:%d", p.Port())
	if p.Port() == 0 || f.load.target.protocol == "oip-grpc" {
		address = fmt.Sprintf("grpc://127.0.0.1:%d", p.GRPC())
	}
	if err := p.Ready(ctx, address); err != nil {
		p.Stop()
		return nil, err
	}
	s, err := f.openLoad(ctx, a, address, e)
	if err != nil {
		p.Stop()
		return nil, err
	}
	inner, block := s.close, s.block
	s.close = func() { inner(); p.Stop() }
	s.CompareSide = report.CompareSide{Name: target, Kind: "command"}
	s.blocks = append(s.blocks, "peak_rss")
	s.block = func(ctx context.Context, seed uint64) (report.CompareBlock, error) {
		b, err := block(ctx, seed)
		if gone := p.Err(); gone != nil && ctx.Err() == nil {
			return b, gone
		}
		if rss := p.PeakRSS(); rss > 0 && b.Values != nil {
			b.Values["peak_rss"] = float64(rss)
		}
		return b, err
	}
	return s, nil
}

// ownProgram lets a command that begins with infer run this very program.
func ownProgram(command string) string {
	rest, ok := strings.CutPrefix(command, "infer ")
	exe, err := os.Executable()
	if !ok || err != nil {
		return command
	}
	return loadtest.Quote(exe) + " " + rest
}

// openProgram is a command that is timed from its start to its exit.
func (f *compareFlags) openProgram(target string, spec child.Spec) *liveSide {
	s := &liveSide{CompareSide: report.CompareSide{Name: target, Kind: "command"}, blocks: programBlocks, close: func() {}}
	s.describe = func(*report.Document) error { return nil }
	s.block = func(ctx context.Context, _ uint64) (report.CompareBlock, error) {
		b := report.CompareBlock{Values: map[string]float64{}}
		var took []float64
		rss := int64(0)
		for begin := time.Now(); len(took) == 0 || time.Since(begin) < f.block; {
			d, peak, err := f.timed(ctx, spec)
			if err != nil {
				return b, err
			}
			took, rss = append(took, d.Seconds()), max(rss, peak)
			b.Seconds += d.Seconds()
		}
		b.N = int64(len(took))
		b.Values["latency_mean"], b.Values["latency_p50"] = b.Seconds/float64(len(took)), stats.Median(took)
		if rss > 0 {
			b.Values["peak_rss"] = float64(rss)
		}
		return b, nil
	}
	return s
}

// timed runs a program once. One that takes all the time that there is for all pairs would never end in one.
func (f *compareFlags) timed(ctx context.Context, spec child.Spec) (took time.Duration, peakRSS int64, err error) {
	limited, cancel := context.WithTimeout(ctx, f.maxTime)
	defer cancel()
	took, peakRSS, err = child.Time(limited, spec)
	if err != nil && limited.Err() != nil && ctx.Err() == nil {
		return 0, 0, fault.New(fault.Unavailable, "pass a longer --max-time, or compare something shorter", "command %q ran on after %v, the time for all pairs", spec.Command, f.maxTime)
	}
	return took, peakRSS, err
}

// block offers one load, whose arrivals the seed makes.
func (l *loadSide) block(ctx context.Context, seed uint64) (report.CompareBlock, error) {
	o := l.flags.opts
	o.Floor, o.WarmUp, o.Duration = false, min(l.f.block/4, time.Second), l.f.block
	if !l.warm { // what a server does only once is not what is compared
		o.WarmUp, l.warm = time.Second, true
	}
	o.Schedule.Seed = seed
	switch {
	case l.f.rps > 0:
		o.Concurrency = 0
		o.Schedule.Stages = []schedule.Stage{{From: l.f.rps, To: l.f.rps, For: l.f.block}}
	default:
		o.Concurrency = max(1, o.Concurrency)
	}
	d := report.New("loadtest")
	if _, err := loadtest.Run(ctx, l.rig, o, loadtest.Hooks{}, d); err != nil {
		return report.CompareBlock{}, err
	}
	x, err := loadtest.Details(d)
	if err != nil || ctx.Err() != nil {
		return report.CompareBlock{}, err
	}
	return blockOf(d, x)
}

// blockOf makes a block of a load test.
func blockOf(d *report.Document, x *report.LoadDetails) (report.CompareBlock, error) {
	b := report.CompareBlock{Seconds: x.Window.Seconds, Values: map[string]float64{}}
	var latency, service stats.Sketch
	for i := range x.Figures.Sections {
		latency.Merge(x.Figures.Sections[i].Latency)
		service.Merge(x.Figures.Sections[i].Service)
	}
	b.N = latency.Count()
	if b.N == 0 {
		text := "none came in time"
		if len(x.Faults) > 0 {
			text = x.Faults[0].Text
		}
		return b, fault.New(fault.Unavailable, "is the server still running?", "no request of a block was answered: %s", text)
	}
	for _, m := range d.Metrics {
		if m.Value != nil && len(m.Labels) == 0 && !strings.HasPrefix(m.Name, "latency_p") && !strings.HasPrefix(m.Name, "service_p") {
			b.Values[m.Name] = *m.Value
		}
	}
	addPercentiles(&b, "latency_", int(b.N), latency.Quantile)
	addPercentiles(&b, "service_", int(b.N), service.Quantile)
	for _, c := range d.Validity.Checks {
		switch {
		case c.OK:
		case c.Name == loadtest.CheckCPU:
			b.Invalid = c.Name + ": " + c.Detail
		default:
			b.Disturbed = append(b.Disturbed, c.Name)
		}
	}
	return b, nil
}

// detailsOf reads the details of a document.
func detailsOf[T any](d *report.Document) (v T, err error) {
	return v, json.Unmarshal(d.Details, &v)
}
