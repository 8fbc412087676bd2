package loadtest

import (
	"context"
	"fmt"
	"math"
	"time"

	"infer/internal/fault"
	"infer/loadtest/drive"
	"infer/loadtest/sample"
	"infer/loadtest/schedule"
	"infer/loadtest/server"
	"infer/report"
)

// Hooks are what a load tells while it runs. Each may be nil.
type Hooks struct {
	Live    func(LiveView)        // several times a second
	Samples func([]sample.Sample) // every sample of the load, warm-up and all; of no floor and no trial
}

// Run offers one load and fills d: metrics, validity, gates and details. When ctx ends it fills d with what was
// measured until then, with the verdict interrupted, and returns nil. Errors are those of a target that cannot be
// loaded at all.
// It returns what a file of the samples needs so that the same figures can be had from it.
func Run(ctx context.Context, rig *Rig, o Options, h Hooks, d *report.Document) (sample.FoldOptions, error) {
	if err := o.Validate(); err != nil {
		return sample.FoldOptions{}, err
	}
	x := &report.LoadDetails{Target: rig.Target}
	if err := o.prepare(ctx, rig, h, x); err != nil {
		return sample.FoldOptions{}, err
	}
	return runPrepared(ctx, rig, o, h, d, x)
}

// runPrepared is Run on a rig whose connections stand.
func runPrepared(ctx context.Context, rig *Rig, o Options, h Hooks, d *report.Document, x *report.LoadDetails) (sample.FoldOptions, error) {
	l, err := o.plan(ctx, rig, x)
	if err != nil {
		return sample.FoldOptions{}, err
	}
	l.keep, l.watch = h.Samples, o.live(h, "load", l)
	m, err := o.run(ctx, rig, l)
	if err != nil {
		return sample.FoldOptions{}, err
	}
	return o.conclude(rig, d, x, l, m)
}

// conclude fills d with a load that has ended, or was cut.
func (o *Options) conclude(rig *Rig, d *report.Document, x *report.LoadDetails, l load, m *measured) (sample.FoldOptions, error) {
	o.fill(d, x, rig, l, m)
	return m.fold.Options(), judge(d, x, o.SLO, o.Gates)
}

// prepare opens connections, sees that the target answers and has settled in, and measures the floor.
func (o *Options) prepare(ctx context.Context, rig *Rig, h Hooks, x *report.LoadDetails) error {
	if err := rig.Generator.Open(ctx, o.initial(rig)); err != nil {
		return err
	}
	if err := o.probe(ctx, rig); err != nil {
		return err
	}
	if o.WarmUp == Auto {
		took, err := o.settleIn(ctx, rig)
		if err != nil {
			return err
		}
		x.Window.Settle = took.Seconds()
	}
	if !o.Floor || rig.Null == nil || ctx.Err() != nil {
		return nil
	}
	floor, err := o.floor(ctx, rig, h)
	if err != nil {
		return fault.Wrap(err, "measure the generator alone")
	}
	x.Floor = floor
	return nil
}

// initial is how many connections there are before the load: what 20 ms of it take, or what a closed loop needs. Those
// that requests share are all made before: gRPC makes none on demand.
func (o *Options) initial(rig *Rig) int {
	if rig.Streams > 1 {
		n := o.connections()
		if !o.open() && o.Concurrency > 0 {
			n = o.Concurrency
		}
		return (n + rig.Streams - 1) / rig.Streams
	}
	n := o.Concurrency
	if o.open() {
		n = int(math.Ceil(o.peak() / 50))
	}
	return min(o.connections(), max(4, n), 1000)
}

// peak is the highest rate of the schedule.
func (o *Options) peak() float64 {
	s, err := schedule.New(o.Schedule)
	if err != nil {
		return 1
	}
	_, peak := s.Expected()
	return peak
}

// probe sends one request. A target that cannot be reached, or says that the request is wrong, is not worth a load.
func (o *Options) probe(ctx context.Context, rig *Rig) error {
	var got *sample.Sample
	stats, err := rig.Generator.Run(ctx, drive.Load{
		Concurrency: 1, Duration: o.Timeout, Requests: 1, Timeout: o.Timeout, Connections: o.connections(), Payloads: rig.Target.Payloads, Lanes: 1,
		Emit: func(s []sample.Sample) { s0 := s[0]; got = &s0 },
	})
	if err != nil || got == nil {
		return err
	}
	text := "no answer"
	if len(stats.Faults) > 0 {
		text = stats.Faults[0].Text
	}
	switch got.Outcome {
	case sample.Unreachable:
		return fault.New(fault.Unavailable, "is the server running, and is this its address?", "%s: %s", rig.Target.URL, text)
	case sample.Failed:
		if got.Code < 500 || rig.Target.Protocol != server.HTTP && rig.Target.Protocol != server.OIPGRPC {
			return fault.New(fault.Internal, refusalHint(rig.Target.Protocol, got.Code), "the first request failed: %s", text)
		}
	}
	return nil
}

// refusalHint says what may be wrong with requests that a server answers with a status.
func refusalHint(protocol string, code uint16) string {
	switch {
	case protocol == server.OIPGRPC:
	case code == 401 || code == 403:
		return "pass what it asks for, such as -H 'Authorization: Bearer TOKEN'"
	case code/100 == 3:
		return "give the address that it sends its clients to"
	case code == 404 && protocol == server.HTTP:
		return "check the path of the URL"
	case code == 405 && protocol == server.HTTP:
		return "check --method, and whether it wants a --body"
	}
	return "see what the model takes: its metadata, or --input, --shape, --model and --protocol"
}

// plan makes the load of the window with its warm-up.
func (o *Options) plan(ctx context.Context, rig *Rig, x *report.LoadDetails) (load, error) {
	warm := o.warmUp()
	l := load{concurrency: o.Concurrency, limit: o.limit()}
	x.Schedule = report.LoadSchedule{Loop: "closed", Concurrency: o.Concurrency, Seed: o.Schedule.Seed}
	if !o.open() {
		x.Window.WarmUp = warm.Seconds()
		if o.Requests == 0 {
			l.from, l.to, l.duration = warm, warm+o.Duration, warm+o.Duration
			return l, nil
		}
		l.to, l.duration, l.requests = o.Duration, o.Duration, o.Requests
		return l, o.warm(ctx, rig, warm)
	}
	var err error
	l.from, l.schedule, err = o.openPlan(ctx, rig, warm)
	if err != nil {
		return l, err
	}
	l.to = l.from + o.window()
	if o.Requests > 0 {
		l.to = min(l.to, l.schedule.Duration())
	}
	x.Window.WarmUp = warm.Seconds()
	x.Schedule = report.LoadSchedule{Loop: "open", Arrival: o.Schedule.Arrival, Seed: o.Schedule.Seed, SHA256: l.schedule.Hash(l.from), Planned: l.schedule.Planned(l.from, l.to)}
	for _, s := range o.Schedule.Stages {
		x.Schedule.Stages = append(x.Schedule.Stages, report.LoadStage{From: s.From, To: s.To, For: s.For.Seconds()})
	}
	if o.Schedule.Of > 1 {
		x.Schedule.Shard = fmt.Sprintf("%d/%d", o.Schedule.Shard, o.Schedule.Of)
	}
	return l, nil
}

// openPlan puts the warm-up before the stages, at their first rate: so the queue is what it is when the window begins.
// A trace, and a ramp from nothing, have no such rate; they are warmed up by single requests before.
func (o *Options) openPlan(ctx context.Context, rig *Rig, warm time.Duration) (from time.Duration, s *schedule.Schedule, err error) {
	so := o.Schedule
	if warm == 0 || so.Trace != nil || so.Stages[0].From == 0 {
		so.Requests = o.Requests
		if s, err = schedule.New(so); err != nil {
			return 0, nil, err
		}
		return 0, s, o.warm(ctx, rig, warm)
	}
	first := so.Stages[0].From
	so.Stages = append([]schedule.Stage{{From: first, To: first, For: warm}}, so.Stages...)
	if s, err = schedule.New(so); err != nil || o.Requests == 0 {
		return warm, s, err
	}
	all := so
	all.Shard, all.Of = 0, 1
	whole, err := schedule.New(all)
	if err != nil {
		return warm, nil, err
	}
	so.Requests = o.Requests + whole.Planned(0, warm)
	s, err = schedule.New(so)
	return warm, s, err
}

// fill turns what was measured into details and metrics.
func (o *Options) fill(d *report.Document, x *report.LoadDetails, rig *Rig, l load, m *measured) {
	x.Figures = m.fold.Figures()
	x.Window.Seconds, x.Window.Drain = (m.end - l.from).Seconds(), m.drain.Seconds()
	if m.cut {
		d.Verdict = report.Interrupted
	}
	x.Generator = generatorOf(m)
	for _, f := range m.stats.Faults {
		x.Faults = append(x.Faults, report.LoadFault{Outcome: f.Outcome.String(), Code: int(f.Code), Text: f.Text, Count: f.Count})
	}
	x.Correctness = correctnessOf(rig, x.Figures, m)
	x.Server = serverOf(x.Figures, m.server)
	derive(d, x)
	if n := m.stats.Unchecked; rig.Check != nil && n > 0 {
		d.Warn("%d answers came faster than they could be compared: they count as right", n)
	}
	check(d, x, rig.local(), m.usage, leastLag)
}

// correctnessOf is how the answers of a load compare with what is expected; nil where nobody compares them.
func correctnessOf(rig *Rig, f *report.LoadFigures, m *measured) *report.LoadCorrectness {
	if rig.Check == nil {
		return nil
	}
	c := &report.LoadCorrectness{Source: rig.Checked.Source, RTol: rig.Checked.RTol, ATol: rig.Checked.ATol,
		Checked: f.Checked, Unchecked: m.stats.Unchecked, First: rig.Checked.Failures()}
	for i := range f.Sections {
		c.Wrong += f.Sections[i].Outcomes["wrong"]
	}
	return c
}

// addCorrectness adds up loads on one server, the points of a sweep or the trials of a search; sum is nil before the first.
func addCorrectness(sum, c *report.LoadCorrectness) *report.LoadCorrectness {
	if sum == nil || c == nil {
		return c
	}
	both := mergeCorrectness(sum, c)
	if both.First = sum.First; len(sum.First) == 0 { // the checker keeps the first ones of all loads
		both.First = c.First
	}
	return both
}

func generatorOf(m *measured) report.LoadGenerator {
	i := m.usage.interference
	g := report.LoadGenerator{
		Pacer: m.stats.Pacer, Lanes: m.stats.Lanes, CPUSeconds: i.SelfCPU, GCs: m.usage.gcs, GCPause: m.usage.gcPause.Seconds(),
		PeakRSS: float64(m.usage.rss.PeakRSS), Opened: m.stats.Opened, OpenedDuring: m.stats.OpenedDuring, Reconnected: m.stats.Reconnected,
		Waited: m.stats.Waited, InFlight: m.stats.InFlight,
	}
	cpus := float64(m.usage.cpus.Affinity)
	if q := m.usage.cpus.Quota; q > 0 {
		cpus = min(cpus, q)
	}
	if i.Wall > 0 && cpus > 0 {
		g.CPU = i.SelfCPU / (i.Wall * cpus)
		g.Interference = []report.Measurement{
			{Name: "other_cpu", Value: i.OtherCPU, Unit: "1"}, {Name: "steal", Value: i.Steal, Unit: "s"},
			{Name: "throttled", Value: i.Throttled, Unit: "s"}, {Name: "run_queue_delay", Value: i.RunQueueDelay, Unit: "s"},
		}
	}
	return g
}

// serverOf puts together what the server told with its answers and what its counters say; the answers, which are those
// of this load alone, come first.
func serverOf(f *report.LoadFigures, s *report.LoadServer) *report.LoadServer {
	if f.Compute.N == 0 && s == nil {
		return nil
	}
	out := report.LoadServer{}
	if s != nil {
		out = *s
	}
	if f.Compute.N > 0 {
		out.Source = join(out.Source, "answers")
		out.Queue, out.Compute = mean(f.Queue, out.Queue), mean(f.Compute, out.Compute)
	}
	if f.Batch.N > 0 {
		b := float64(f.Batch.N) / f.Batch.Runs
		out.Batch = &b
	}
	return &out
}

func mean(m report.LoadMean, other *float64) *float64 {
	if m.N == 0 {
		return other
	}
	v := m.Sum / float64(m.N)
	return &v
}

func join(a, b string) string {
	if a == "" {
		return b
	}
	return b + ", " + a
}

// derive adds the metrics that follow from the details, which come from this run or from a file.
func derive(d *report.Document, x *report.LoadDetails) {
	metrics, notes := sample.Metrics(x.Figures)
	d.Add(metrics...)
	if s := x.Server; s != nil {
		for name, v := range map[string]*float64{"server_queue_mean": s.Queue, "server_compute_mean": s.Compute, "batch_size_mean": s.Batch} {
			if v != nil && d.Metric(name, nil) == nil {
				m := report.NewMetric(name)
				m.Value, m.N, m.Method = v, int(s.Requests), "server statistics"
				d.Add(m)
			}
		}
	}
	if x.Target.Rows > 1 {
		addRows(d, x.Target.Rows)
	}
	for _, n := range notes {
		d.Warn("%s", n)
	}
	x.Tail = sample.Tail(x.Figures)
	if len(x.Runs) == 0 { // merged runs say it of each
		x.Window.Steady = steady(x.Figures)
	}
}

// addRows adds the rows a second of a load whose requests have several.
func addRows(d *report.Document, rows int64) {
	t := d.Metric("throughput", nil)
	if t == nil || t.Value == nil {
		return
	}
	times := func(v *float64) *float64 {
		if v == nil {
			return nil
		}
		p := *v * float64(rows)
		return &p
	}
	m := report.NewMetric("row_throughput")
	m.Value, m.Lo, m.Hi, m.Confidence, m.N, m.Method = times(t.Value), times(t.Lo), times(t.Hi), t.Confidence, t.N, t.Method
	d.Add(m)
}

// judge judges objectives and gates, reads the figures and stores the details.
func judge(d *report.Document, x *report.LoadDetails, slos, gates []report.Gate) error {
	x.SLO = judgeSLOs(d, slos, x.Figures)
	judgeAnswers(d, x)
	d.Judge(gates)
	read(d, x, slos)
	return d.SetDetails(x)
}

// judgeAnswers adds the gate that a wrong answer misses, where answers were compared.
func judgeAnswers(d *report.Document, x *report.LoadDetails) {
	if c := x.Correctness; c != nil {
		d.Gates = append(d.Gates, correctGate(c))
	}
}

// correctExpr is the gate that every compared load has.
const correctExpr = "wrong_answers<=0"

// correctGate is the gate that a wrong answer misses.
func correctGate(c *report.LoadCorrectness) report.GateResult {
	g := report.GateResult{Expr: correctExpr, Verdict: report.Pass, Reason: fmt.Sprintf("%d answers were as expected", c.Checked)}
	switch {
	case c.Wrong > 0:
		g.Verdict, g.Reason = report.Fail, fmt.Sprintf("%d of %d answers were wrong", c.Wrong, c.Checked)
		if len(c.First) > 0 {
			g.Reason += ", the first: " + c.First[0]
		}
	case c.Checked == 0:
		g.Verdict, g.Reason = report.GateInconclusive, "no answer could be compared"
	}
	return g
}
