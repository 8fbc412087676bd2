package cmd

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"infer/internal/child"
	"infer/internal/fault"
	"infer/model/measure"
	"infer/report"
	"infer/report/compare"
)

// liveSide is one of two things that are measured in turns.
type liveSide struct {
	report.CompareSide
	inputs   map[string]string // what a run or request takes, by name: both sides must take the same
	options  map[string]string // how it is run, as far as --a-set and --b-set can change it
	load     bool              // whether its blocks are loads
	block    measure.Block[report.CompareBlock]
	blocks   []string                                                       // the metrics that a block may have
	cold     measure.Block[report.CompareBlock]                             // a start in a fresh process; nil: it has none
	shares   func(context.Context) (*explained, error)                      // a profiled pass; nil: it has none
	classes  func(context.Context) (ids []int64, labels []int64, err error) // what it answers to labelled rows; nil: there are none
	describe func(d *report.Document) error                                 // fills the manifest
	starts   func() int                                                     // how often it was started; nil: it was running before
	close    func()
}

// explained is a profiled pass.
type explained struct {
	nodes []report.Share
	runs  int
}

// runLive measures --a and --b in turns.
func (f *compareFlags) runLive(ctx context.Context, a *app) error {
	if err := f.validateLive(); err != nil {
		return err
	}
	if err := a.checkOutputs(nil, []string{f.a, f.b}, outputFile{"--output", f.output}); err != nil {
		return err
	}
	if err := f.shareLibrary(ctx, a); err != nil {
		return err
	}
	base, err := f.openSide(ctx, a, "base", f.a, f.aSet)
	if err != nil {
		return err
	}
	defer base.close()
	head, err := f.openSide(ctx, a, "head", f.b, f.bSet)
	if err != nil {
		return err
	}
	defer head.close()
	if err := f.judgeBy(base, head); err != nil {
		return err
	}
	d := a.newDocument("compare")
	if err := head.describe(d); err != nil {
		return err
	}
	f.manifest(d)
	x := &report.CompareDetails{Base: base.CompareSide, Head: head.CompareSide}
	x.Differs = f.differs(base, head)
	if refused, err := compare.Refuse(d, x, f.opts); err != nil {
		return err
	} else if refused {
		return f.finish(a, d)
	}
	if err := f.measureLive(ctx, a, base, head, x); err != nil {
		return err
	}
	if ctx.Err() != nil {
		d.Verdict = report.Interrupted
	}
	f.note(d, x, base, head)
	if err := compare.Pairs(d, x, f.opts); err != nil {
		return err
	}
	return f.finish(a, d)
}

// note warns of what a reader of the verdict must know of how it came about.
func (f *compareFlags) note(d *report.Document, x *report.CompareDetails, base, head *liveSide) {
	if n := len(x.Pairs); n < f.opts.Pairs && d.Verdict != report.Interrupted {
		d.Warn("--max-time %v was over after %d of the %d pairs of --pairs: raise it, or make blocks shorter (--block)", f.maxTime, n, f.opts.Pairs)
	}
	if b, h := base.Model, head.Model; b != nil && h != nil && b.SHA256 == h.SHA256 && maps.Equal(base.options, head.options) {
		d.Warn("the two models are the same file, run with the same options")
	}
}

func (f *compareFlags) validateLive() error {
	if err := compare.CheckVary(f.opts.Vary); err != nil {
		return err
	}
	o := &f.load.opts
	if f.block == 0 {
		f.block = blockFor(f.rps)
	}
	switch {
	case f.a == "" || f.b == "":
		return fault.New(fault.Usage, "give both", "a live comparison needs --a and --b")
	case f.block < 50*time.Millisecond || f.block > time.Hour:
		return fault.New(fault.Usage, "give a time such as 2s", "--block %v is not in 50ms to 1h", f.block)
	case f.maxTime <= 0:
		return fault.New(fault.Usage, "give a time such as 2m", "--max-time %v is not above 0", f.maxTime)
	case f.rps != 0 && !(f.rps > 0): // NaN, too
		return fault.New(fault.Usage, "give requests a second, such as 500", "--rps %v is not above 0", f.rps)
	case (f.rps != 0 || o.Concurrency != 0) && (isProgram(f.a) || isProgram(f.b)):
		return fault.New(fault.Usage, "write {port} where a command takes the port to serve at, or leave --rps and --concurrency out", "a command without {port} is timed from start to exit, and cannot be loaded")
	case f.rps != 0 && o.Concurrency != 0:
		return fault.New(fault.Usage, "give one of them", "--rps is an open loop, --concurrency a closed one")
	case f.update != "never":
		return fault.New(fault.Usage, "write the result with --report and compare it with 'infer compare run.json --baseline …'", "--update-baseline is for result files")
	}
	if f.load.target.batch < 1 {
		return fault.New(fault.Usage, "give the rows of a request", "--batch %d is not at least 1", f.load.target.batch)
	}
	return nil
}

// blockFor returns the length of a block at an arrival rate: short, for many pairs tell more than long blocks do, but
// with 150 requests, so that a hundred are there however the arrivals fall.
func blockFor(rps float64) time.Duration {
	const shortest, longest = time.Second, 5 * time.Second
	if rps <= 0 {
		return shortest
	}
	return min(max(shortest, time.Duration(150/rps*float64(time.Second))), longest)
}

// differs names what base and head do not have in common but must.
func (f *compareFlags) differs(base, head *liveSide) []report.CompareDiffers {
	var out []report.CompareDiffers
	both := func(what string, b, h map[string]string, allowed bool) {
		keys := maps.Clone(b)
		if keys == nil {
			keys = map[string]string{}
		}
		maps.Copy(keys, h)
		for _, k := range slices.Sorted(maps.Keys(keys)) {
			if b[k] != h[k] {
				out = append(out, report.CompareDiffers{What: strings.TrimSpace(what + " " + k), Base: orNone(b[k]), Head: orNone(h[k]), Allowed: allowed})
			}
		}
	}
	both("input", base.inputs, head.inputs, slices.Contains(f.opts.Vary, "input"))
	both("", base.options, head.options, true) // by --a-set and --b-set
	return out
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}

// manifest adds the options of the comparison itself.
func (f *compareFlags) manifest(d *report.Document) {
	if d.Manifest.Options == nil {
		d.Manifest.Options = map[string]any{}
	}
	o := d.Manifest.Options
	o["block_s"], o["max_time_s"], o["pairs"] = f.block.Seconds(), f.maxTime.Seconds(), f.opts.Pairs
	if f.rps > 0 {
		o["rps"], o["arrival"] = f.rps, f.load.opts.Schedule.Arrival
	}
	if c := f.load.opts.Concurrency; c > 0 {
		o["concurrency"] = c
	}
	d.Manifest.Seed = &f.load.data.Seed
}

// measureLive fills x with all that is measured.
func (f *compareFlags) measureLive(ctx context.Context, a *app, base, head *liveSide, x *report.CompareDetails) error {
	if err := compareAccuracy(ctx, base, head, x); err != nil {
		return err
	}
	if err := f.coldPairs(ctx, a, base, head, x); err != nil || ctx.Err() != nil {
		return err
	}
	begin := time.Now()
	stamped := func(b measure.Block[report.CompareBlock]) measure.Block[report.CompareBlock] {
		return func(ctx context.Context, seed uint64) (report.CompareBlock, error) {
			at := time.Since(begin).Seconds()
			out, err := b(ctx, seed)
			out.At = at
			return out, err
		}
	}
	o := measure.PairOptions{MaxTime: f.maxTime, Seed: f.load.data.Seed, Progress: a.progress()}
	_, err := measure.Pairs(ctx, stamped(base.block), stamped(head.block), o, func(pairs []measure.Pair[report.CompareBlock], most int) bool {
		x.Pairs = append(x.Pairs, pairOf(pairs[len(pairs)-1]))
		return compare.Look(x, most, f.opts)
	})
	x.Seconds = time.Since(begin).Seconds()
	for side, into := range map[*liveSide]*int{base: &x.Base.Starts, head: &x.Head.Starts} {
		if side.starts != nil {
			*into = side.starts()
		}
	}
	if err != nil || ctx.Err() != nil || !f.explain {
		return err
	}
	return explainLive(ctx, base, head, x)
}

func pairOf(p measure.Pair[report.CompareBlock]) report.ComparePair {
	first := "base"
	if p.HeadFirst {
		first = "head"
	}
	return report.ComparePair{Seed: p.Seed, First: first, Base: p.Base, Head: p.Head}
}

// coldMetrics are those of a start in a fresh process.
var coldMetrics = []string{"library_load", "session_init", "first_run", "peak_rss"}

// coldPairs starts fresh processes in turns where a gate asks for what they tell.
func (f *compareFlags) coldPairs(ctx context.Context, a *app, base, head *liveSide, x *report.CompareDetails) error {
	asked := slices.ContainsFunc(f.opts.Gates, func(g report.Gate) bool { return slices.Contains(coldMetrics, g.Metric) })
	if !asked || base.cold == nil || head.cold == nil {
		return nil
	}
	const starts = 8 // two more than the least whose test can tell a change at the usual level from chance
	o := measure.PairOptions{MaxTime: time.Minute, Seed: f.load.data.Seed, Progress: a.progress(), Phase: "cold starts"}
	pairs, err := measure.Pairs(ctx, base.cold, head.cold, o, func(p []measure.Pair[report.CompareBlock], _ int) bool { return len(p) == starts })
	for _, p := range pairs {
		x.Cold = append(x.Cold, pairOf(p))
	}
	return err
}

// compareAccuracy lets both sides answer the same labelled rows.
func compareAccuracy(ctx context.Context, base, head *liveSide, x *report.CompareDetails) error {
	if base.classes == nil || head.classes == nil {
		return nil
	}
	b, labels, err := base.classes(ctx)
	if err != nil {
		return fault.Wrap(err, "base")
	}
	h, _, err := head.classes(ctx)
	if err != nil {
		return fault.Wrap(err, "head")
	}
	if len(b) != len(labels) || len(h) != len(labels) {
		return nil // interrupted
	}
	x.Accuracy = &report.CompareAccuracy{Rows: len(labels)}
	for i, l := range labels {
		switch okB, okH := b[i] == l, h[i] == l; {
		case okB && okH:
			x.Accuracy.Both++
		case okB:
			x.Accuracy.Lost++
		case okH:
			x.Accuracy.Gained++
		}
	}
	return nil
}

// explainLive says what moved: by node where both are models that run here one run after the other, else by phase.
func explainLive(ctx context.Context, base, head *liveSide, x *report.CompareDetails) error {
	if base.shares == nil || head.shares == nil {
		x.Explain = compare.ExplainBlocks(x)
		return nil
	}
	b, err := base.shares(ctx)
	if err != nil {
		return fault.Wrap(err, "base")
	}
	h, err := head.shares(ctx)
	if err != nil {
		return fault.Wrap(err, "head")
	}
	if ctx.Err() != nil {
		return nil
	}
	if x.Explain = compare.ExplainNodes(b.nodes, h.nodes); x.Explain == nil {
		return nil // the provider tells no nodes
	}
	x.Explain.Reading = fmt.Sprintf("%s (profiled passes of %d and %d runs)", x.Explain.Reading, b.runs, h.runs)
	return nil
}

// loads reports whether blocks are loads, and not runs one after the other.
func (f *compareFlags) loads() bool {
	alone := func(target string) bool { return isModel(target) || isProgram(target) }
	return f.rps > 0 || f.load.opts.Concurrency > 0 || !alone(f.a) || !alone(f.b)
}

// isModel reports whether a target is a model file, which runs in this process.
func isModel(target string) bool {
	return !strings.Contains(target, "://") && !strings.HasPrefix(target, execPrefix)
}

// isProgram reports whether a target is a command that is timed from start to exit.
func isProgram(target string) bool {
	command, ok := strings.CutPrefix(target, execPrefix)
	return ok && !child.Spec{Command: command}.Serves()
}
