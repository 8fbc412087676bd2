package convert

import (
	"cmp"
	"context"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"infer/internal/fault"
	"infer/internal/stats"
	"infer/model"
	"infer/model/engine"
	"infer/optimize/trtexec"
	"infer/report"
)

// toPlan lets trtexec build a native engine, and times it.
func (c *conversion) toPlan(ctx context.Context) error {
	c.details.Via = ViaTrtexec
	if c.Model.Edited() || c.Model.Path == "" || c.Model.Format() != model.FormatONNX {
		return fault.New(fault.Usage, "give the .onnx file", "trtexec reads ONNX files")
	}
	o := c.Engine.Build
	o.Model, o.Engine, o.Layers = c.Model.Path, c.draft.Path(), c.draft.Beside(layersName(c.draft.Path()))
	run, err := c.Engine.Tool.Build(ctx, o, c.Progress)
	if err != nil {
		return err
	}
	f := c.details.Engine
	f.Version, f.Seconds = "TensorRT "+run.Summary.Version.String(), run.Summary.BuildTime
	if made := &c.Engine.Made; made.GPU == "" { // nvidia-smi did not tell: there is none on Jetson
		made.GPU, made.Compute = run.Summary.GPU, run.Summary.Compute
		f.GPU, f.Compute, f.Key = made.GPU, made.Compute, made.MakeKey()
	}
	for i, a := range run.Command { // the draft is gone afterwards
		for _, name := range []string{"--saveEngine=", "--exportLayerInfo="} {
			if rest, ok := strings.CutPrefix(a, name); ok {
				run.Command[i] = name + filepath.Join(filepath.Dir(c.Output), filepath.Base(rest))
			}
		}
	}
	c.details.Tool = &report.ToolRun{Name: "trtexec", Version: run.Summary.Version.String(), Command: run.Command, Seconds: run.Seconds}
	c.output.open = func(context.Context) (engine.Session, error) {
		return nil, errors.New("a native engine is run by TensorRT alone")
	}
	return c.time(ctx, o)
}

// layersName is the file of what is known about each layer: "m.layers.json" of "m.plan".
func layersName(path string) string {
	base := filepath.Base(path)
	return base[:len(base)-len(filepath.Ext(base))] + ".layers.json"
}

// time runs the engine for RaceTime. That it cannot is a warning: the engine is built.
func (c *conversion) time(ctx context.Context, o trtexec.Options) error {
	if c.RaceTime == 0 {
		return nil
	}
	if o.StripWeights {
		c.doc.Warn("the engine was not timed: its weights are left out")
		return nil
	}
	b := trtexec.DefaultBench
	b.Duration = max(c.RaceTime, time.Second)
	if len(o.Profiles) > 0 {
		b.Shapes = o.Profiles[0].Shapes(trtexec.Opt)
	}
	bench, err := c.Engine.Tool.Bench(ctx, o.Engine, b, c.Progress)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		c.doc.Warn("the engine was not timed: %v", err)
		return nil
	}
	c.latencies(bench.Queries)
	for _, w := range bench.Run.Summary.Warnings {
		c.doc.Warn("trtexec: %s", w)
	}
	if c.details.Engine.Layers, err = layerShares(bench.Layers, o.Layers); err != nil {
		c.doc.Warn("%v", err)
	}
	c.note("timed by trtexec alone, with CUDA graph, active waiting and transfers: compare it with other runs of trtexec, not with the original under infer")
	return nil
}

// latencies adds the percentiles that the timed queries support.
func (c *conversion) latencies(queries []trtexec.Query) {
	seconds := make([]float64, len(queries))
	for i, q := range queries {
		seconds[i] = q.Latency
	}
	slices.Sort(seconds)
	for _, p := range []struct {
		name string
		p    float64
	}{{"latency_p50", 0.5}, {"latency_p99", 0.99}} {
		e := stats.Quantile(seconds, p.p, 0.95)
		m := report.NewMetric(p.name)
		m.N, m.Method = len(seconds), "order-statistic"
		if e.OK {
			m.Value, m.Lo, m.Hi, m.Confidence = &e.Value, &e.Lo, &e.Hi, e.Confidence
		} else {
			c.doc.Warn("%s needs %d timed queries, and trtexec made %d: pass a longer --race-time", p.name, e.Need, len(seconds))
		}
		c.doc.Add(m)
	}
}

// layerShares puts the times of layers together with what the engine says of them, the largest first.
func layerShares(times []trtexec.LayerTime, file string) ([]report.Share, error) {
	layers, _, err := trtexec.ReadLayers(file)
	if err != nil {
		return nil, err
	}
	kinds := map[string]string{}
	for _, l := range layers {
		kinds[l.Name] = l.Type
	}
	var out []report.Share
	for _, t := range times {
		if t.Seconds > 0 {
			out = append(out, report.Share{Name: t.Name, Op: kinds[t.Name], Provider: "TensorRT", Count: 1, Seconds: t.Seconds, Share: t.Share})
		}
	}
	slices.SortStableFunc(out, func(a, b report.Share) int { return cmp.Compare(b.Seconds, a.Seconds) })
	return out, nil
}
