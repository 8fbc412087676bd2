package loadtest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"infer/internal/stats"
	"infer/loadtest/sample"
	"infer/loadtest/schedule"
	"infer/report"
)

// Point is one load of a sweep: an open loop at Rate, or a closed one of Concurrency, with Batch rows a request.
type Point struct {
	Rate        float64
	Concurrency int
	Batch       int64
}

// String names p for people.
func (p Point) String() string {
	text := ""
	switch {
	case p.Rate > 0:
		text = report.FormatValue(report.Rate, p.Rate)
	case p.Concurrency > 0:
		text = fmt.Sprintf("concurrency %d", p.Concurrency)
	}
	if p.Batch > 0 {
		text += fmt.Sprintf(", batch %d", p.Batch)
	}
	return text
}

// Sweep offers one load after the other, each for o's duration, and fills d with the curve. rigOf gives the rig of a
// batch size; the sweep does not close it.
func Sweep(ctx context.Context, rigOf func(batch int64) (*Rig, error), points []Point, o Options, h Hooks, d *report.Document) error {
	x := &report.LoadDetails{PointsPlanned: len(points)}
	prepared := map[*Rig]bool{}
	for i, p := range points {
		rig, err := rigOf(max(1, p.Batch))
		po := o.at(p)
		if err == nil && !prepared[rig] {
			prepared[rig] = true
			if len(prepared) > 1 {
				po.Floor = false
			}
			err = po.prepare(ctx, rig, h, x)
		}
		if ctx.Err() != nil {
			break // what was measured so far stands; err, if any, is that of ctx
		}
		if err != nil {
			return err
		}
		x.Target = rig.Target
		point, err := po.point(ctx, rig, h, d, x, p, fmt.Sprintf("point %d of %d, %s", i+1, len(points), p))
		if err != nil {
			return err
		}
		if point.N > 0 {
			x.Points = append(x.Points, point)
		}
	}
	if ctx.Err() != nil {
		d.Verdict = report.Interrupted
	}
	x.Schedule = report.LoadSchedule{Loop: "open", Arrival: o.Schedule.Arrival, Seed: o.Schedule.Seed}
	if len(points) > 0 && points[0].Concurrency > 0 {
		x.Schedule = report.LoadSchedule{Loop: "closed", Seed: o.Schedule.Seed}
	}
	judgeCurve(d, x, o.SLO)
	judgeAnswers(d, x)
	d.Judge(o.Gates)
	readCurve(d, x, o.SLO)
	return d.SetDetails(x)
}

// judgeCurve adds a gate for every objective: a curve is measured to see where it breaks, so that it holds at one point is
// enough.
func judgeCurve(d *report.Document, x *report.LoadDetails, slos []report.Gate) {
	for _, g := range slos {
		out := report.GateResult{Expr: g.Expr, Verdict: report.Fail, Reason: "it holds at no point"}
		var holds, breaks []string
		open := false
		for _, s := range x.SLO {
			switch {
			case s.Expr != g.Expr:
			case s.Verdict == report.Pass:
				holds = append(holds, s.At)
			case s.Verdict == report.Fail:
				breaks = append(breaks, s.At)
			default:
				open = true
			}
		}
		switch {
		case len(holds) > 0:
			out.Verdict, out.Reason = report.Pass, "it holds at "+strings.Join(holds, ", ")
			if len(breaks) > 0 {
				out.Reason += "; it breaks at " + strings.Join(breaks, ", ")
			}
		case open || len(breaks) == 0:
			out.Verdict, out.Reason = report.GateInconclusive, "no point is sure to keep it: measure longer"
		}
		d.Gates = append(d.Gates, out)
	}
}

// at is o with the load of a point.
func (o Options) at(p Point) Options {
	o.Concurrency, o.Schedule.Stages, o.Schedule.Trace = 0, nil, nil
	if p.Rate > 0 {
		o.Schedule.Stages = []schedule.Stage{{From: p.Rate, To: p.Rate, For: o.Duration}}
	} else {
		o.Concurrency = max(1, p.Concurrency)
	}
	return o
}

// point measures one point. Its metrics carry what the point is as labels.
func (o *Options) point(ctx context.Context, rig *Rig, h Hooks, d *report.Document, x *report.LoadDetails, p Point, phase string) (report.LoadPoint, error) {
	px := &report.LoadDetails{Target: rig.Target}
	l, err := o.plan(ctx, rig, px)
	if err != nil {
		return report.LoadPoint{}, err
	}
	l.watch = o.live(h, phase, l)
	m, err := o.run(ctx, rig, l)
	if err != nil {
		return report.LoadPoint{}, err
	}
	pd := report.New("loadtest")
	o.fill(pd, px, rig, l, m)
	valid, why := true, ""
	for _, c := range pd.Validity.Checks {
		if !c.OK {
			valid, why = false, c.Detail
			d.AddCheck(c.Name+"@"+p.String(), false, "%s: %s", p, c.Detail)
		}
	}
	out := pointOf(px.Figures, p.Rate, p.Concurrency, valid, why)
	out.Batch = p.Batch
	for _, metric := range pd.Metrics {
		metric.Labels = out.Labels()
		d.Add(metric)
	}
	for _, w := range pd.Warnings {
		d.Warn("%s: %s", p, w)
	}
	x.Correctness = addCorrectness(x.Correctness, px.Correctness)
	for _, s := range judgeSLOs(pd, o.SLO, px.Figures) {
		s.At = p.String()
		x.SLO = append(x.SLO, s)
	}
	if x.Window.Seconds == 0 {
		x.Window, x.Generator = px.Window, px.Generator
	}
	return out, nil
}

// pointOf is the point of a curve that figures stand for.
func pointOf(f *report.LoadFigures, rate float64, concurrency int, valid bool, why string) report.LoadPoint {
	p := report.LoadPoint{Rate: rate, Concurrency: concurrency, Valid: valid, Why: why}
	metrics, _ := sample.Metrics(f)
	for i := range metrics {
		m := &metrics[i]
		if m.Value == nil {
			continue
		}
		switch m.Name {
		case "throughput":
			p.Throughput, p.N = *m.Value, int64(m.N)
		case "goodput":
			p.Goodput = *m.Value
		case "error_rate":
			p.ErrorRate = *m.Value
		case "latency_p50":
			p.P50 = m.Value
		case "latency_p90":
			p.P90 = m.Value
		case "latency_p99":
			p.P99, p.P99Lo, p.P99Hi = m.Value, m.Lo, m.Hi
		}
	}
	return p
}

// readCurve says where the curve bends, and what holds up to where.
func readCurve(d *report.Document, x *report.LoadDetails, slos []report.Gate) {
	r := &reader{d: d, x: x, slos: slos}
	best := -1
	for i, p := range x.Points {
		if best < 0 || p.Throughput*float64(max(1, p.Batch)) > x.Points[best].Throughput*float64(max(1, x.Points[best].Batch)) {
			best = i
		}
	}
	if best >= 0 {
		p := x.Points[best]
		at := Point{p.Rate, p.Concurrency, p.Batch}
		most := report.FormatValue(report.Rate, p.Throughput) + " requests"
		if p.Batch > 1 {
			most += ", " + report.FormatValue(report.Rate, p.Throughput*float64(p.Batch)) + " rows"
		}
		r.say("Most was answered at %s: %s.", at, most)
		slo := searchSLO(slos, x.Points[0].P99)
		x.Next = step(fmt.Sprintf("%s --find-max-rps --slo %s", command(x.Target), Quote(slo)), "it searches the highest rate at which %s holds, and confirms it", slo)
	}
	for _, g := range d.Gates {
		if slices.ContainsFunc(slos, func(s report.Gate) bool { return s.Expr == g.Expr }) {
			r.say("%s: %s.", g.Expr, g.Reason)
		}
	}
	x.Reading = r.said
}

// Precise runs a pilot load, plans how long the load must be for the interval of a quantile to be narrow enough, and runs
// that, within maxTime.
func Precise(ctx context.Context, rig *Rig, o Options, want Precision, maxTime time.Duration, h Hooks, d *report.Document) (sample.FoldOptions, error) {
	pilot := want.pilot(&o, maxTime)
	po := o.lasting(pilot)
	x := &report.LoadDetails{Target: rig.Target}
	if err := po.prepare(ctx, rig, h, x); err != nil {
		return sample.FoldOptions{}, err
	}
	l, err := po.plan(ctx, rig, x)
	if err != nil {
		return sample.FoldOptions{}, err
	}
	l.watch, l.quiet = po.live(h, "pilot", l), true
	m, err := po.run(ctx, rig, l)
	if err != nil {
		return sample.FoldOptions{}, err
	}
	if ctx.Err() != nil {
		o = po
		return o.conclude(rig, d, x, l, m)
	}
	e := want.of(m.fold.Figures())
	wanted := time.Duration(1.1 * want.Factor(e) * float64(pilot))
	o = o.lasting(max(pilot, min(wanted, maxTime-pilot)).Round(100 * time.Millisecond))
	if wanted > maxTime-pilot {
		d.Warn("%s would take %s by what a pilot of %s showed, and --max-time leaves %s: the interval will be wider", want.Text, wanted.Round(time.Second), pilot, (maxTime - pilot).Round(time.Second))
	}
	o.Floor, o.WarmUp = false, min(o.warmUp(), time.Second)
	opts, err := runPrepared(ctx, rig, o, h, d, x)
	return opts, err
}

// of is the estimate of the wanted quantile in figures.
func (p Precision) of(f *report.LoadFigures) stats.Estimate {
	var parts []*stats.Sketch
	for i := range f.Sections {
		parts = append(parts, f.Sections[i].Latency)
	}
	e, _, _ := stats.SectionQuantile(parts, p.Quantile, 0.95)
	return e
}

// lasting is o with a window of d.
func (o Options) lasting(d time.Duration) Options {
	o.Duration = d
	if o.open() && o.Schedule.Trace == nil {
		s := o.Schedule.Stages[0]
		s.For = d
		o.Schedule.Stages = []schedule.Stage{s}
	}
	return o
}
