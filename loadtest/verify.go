package loadtest

import (
	"fmt"
	"slices"
	"strings"

	"infer/internal/fault"
	"infer/loadtest/sample"
	"infer/report"
)

// Recompute returns what follows from the raw data of a load test: from its files of samples, or without any from the
// counts inside the document. A document of merged shards or runs needs the samples of all of them. Samples of another
// load are a fault.Usage error. d stays as it is.
func Recompute(d *report.Document, samples []string) (report.Recomputed, error) {
	x, err := Details(d)
	if err != nil {
		return report.Recomputed{}, err
	}
	if err := validFigures(x); err != nil {
		return report.Recomputed{}, err
	}
	v := &verifying{d: d, x: *x, out: report.New(d.Kind)}
	v.out.Verdict, v.out.Validity = report.OK, d.Validity
	if d.Verdict == report.Interrupted {
		v.out.Verdict = d.Verdict
	}
	switch {
	case x.Figures == nil && len(samples) > 0:
		return report.Recomputed{}, fault.New(fault.Usage, "give the document alone", "a search or a sweep keeps no samples")
	case x.Figures == nil:
		return v.curve()
	case len(samples) > 0:
		v.from = fmt.Sprintf("the samples in %s", strings.Join(samples, ", "))
		y, err := folded(d, x, samples)
		if err != nil {
			return report.Recomputed{}, err
		}
		v.x.Figures, v.x.Runs = y.Figures, y.Runs
	default:
		v.from = "the counts inside (no samples are given)"
		v.x.Figures = recounted(x.Figures)
	}
	return v.load()
}

// verifying is one Recompute.
type verifying struct {
	d    *report.Document   // as it is written
	x    report.LoadDetails // with the figures that all else is to follow from
	out  *report.Document
	from string
	rows []report.VerifiedNumber
}

// load derives what follows from figures.
func (v *verifying) load() (report.Recomputed, error) {
	x := &v.x
	x.Window.Seconds = x.Figures.Seconds
	v.server()
	derive(v.out, x)
	fields := []string{"figures", "window.seconds", "window.steady", "tail"}
	if x.Figures.Compute.N > 0 {
		fields = append(fields, "server.queue_mean", "server.compute_mean")
	}
	if x.Search != nil {
		v.searched()
		return v.recomputed(fields, v.gatesOfMetrics(x.SLO))
	}
	v.correctness() // of a search it is of all trials, and the figures are of one
	slos, gates, err := judgedBy(v.d, x)
	if err != nil {
		return report.Recomputed{}, err
	}
	if err := judge(v.out, x, slos, gates); err != nil {
		return report.Recomputed{}, err
	}
	v.checks()
	v.totals()
	return v.recomputed(append(fields, "correctness.checked", "correctness.wrong", "slo", "reading", "runs"), nil)
}

// recomputed is the outcome; err, where it is not nil, goes in its place.
func (v *verifying) recomputed(fields []string, err error) (report.Recomputed, error) {
	if err == nil {
		err = v.out.SetDetails(&v.x)
	}
	if err != nil {
		return report.Recomputed{}, err
	}
	// The gates of a search and of a curve hold for trials and points, of which nothing but the verdict is kept.
	judged := v.x.Figures != nil && v.x.Search == nil
	return report.Recomputed{Document: v.out, From: v.from, Details: fields, Judged: judged, Rows: v.rows, Left: left}, nil
}

// left says why a metric does not follow.
func left(m *report.Metric) string {
	switch {
	case m.Name == "max_rps":
		return "its interval follows from the trials of the search, which keep no counts"
	case m.Labels != nil:
		return "the document keeps no counts of the points of a curve"
	}
	return ""
}

// server derives what the server told with its answers; its counters are of the server alone.
func (v *verifying) server() {
	f := v.x.Figures
	if v.x.Server == nil || f.Compute.N == 0 && f.Batch.N == 0 {
		return
	}
	s := *v.x.Server
	if f.Compute.N > 0 {
		s.Queue, s.Compute = mean(f.Queue, s.Queue), mean(f.Compute, s.Compute)
	}
	if f.Batch.N > 0 {
		rows := float64(f.Batch.N) / f.Batch.Runs
		s.Batch = &rows
	}
	v.x.Server = &s
}

func (v *verifying) correctness() {
	if v.x.Correctness == nil {
		return
	}
	c := *v.x.Correctness
	c.Checked, c.Wrong = v.x.Figures.Checked, 0
	for i := range v.x.Figures.Sections {
		c.Wrong += v.x.Figures.Sections[i].Outcomes[sample.Wrong.String()]
	}
	v.x.Correctness = &c
}

// checks leaves in out the checks that follow from the figures and from what the generator counted: not those on what the
// system took from it, nor those of merged loads.
func (v *verifying) checks() {
	v.out.Validity.Checks = nil
	if v.x.Schedule.Merged > 0 || len(v.x.Runs) > 0 {
		return
	}
	scratch := report.New(v.d.Kind)
	scratch.Verdict, scratch.Metrics = v.out.Verdict, v.out.Metrics
	check(scratch, &v.x, v.x.Target.Protocol == inProcess, usage{}, leastLag)
	v.out.Validity.Checks = slices.DeleteFunc(scratch.Validity.Checks, func(c report.Check) bool { return c.Name == checkThrottled || c.Name == checkSteal })
}

// totals compares the parts of the window with each other: timeline, sections and merged runs count the same requests.
func (v *verifying) totals() {
	var due, answered, dueSlices, answeredSlices int64
	f := v.x.Figures
	for i := range f.Sections {
		due, answered = due+f.Sections[i].Due, answered+f.Sections[i].Answered
	}
	for i := range f.Timeline {
		dueSlices, answeredSlices = dueSlices+f.Timeline[i].Due, answeredSlices+f.Timeline[i].Answered
	}
	add := func(name string, written, recomputed int64) {
		row := report.VerifiedNumber{Name: "details.figures." + name, Written: fmt.Sprint(written), Recomputed: fmt.Sprint(recomputed), State: report.NumberSame}
		if written != recomputed {
			row.State = report.NumberDiffers
		}
		v.rows = append(v.rows, row)
	}
	add("timeline due", dueSlices, due)
	add("timeline answered", answeredSlices, answered)
	if len(v.x.Runs) == 0 {
		return
	}
	var runs int64
	for _, r := range v.x.Runs {
		runs += r.N
	}
	add("sections due", due, runs)
}

// recounted returns f with what follows from other counts in it computed anew.
func recounted(f *report.LoadFigures) *report.LoadFigures {
	out := *f
	out.Good = 0
	out.Sections, out.Timeline = slices.Clone(f.Sections), slices.Clone(f.Timeline)
	for i := range out.Sections {
		s := &out.Sections[i]
		s.Due = 0
		for _, n := range s.Outcomes {
			s.Due += n
		}
		out.Good += s.Good
	}
	for i := range out.Timeline {
		sample.Percentiles(&out.Timeline[i])
	}
	return &out
}

// searched adds what the details of a search say.
func (v *verifying) searched() {
	m := v.d.Metric("max_rps", nil)
	if m == nil {
		return
	}
	again := *m
	again.Value, again.Lo, again.Hi, again.N = v.x.Search.Max, nil, nil, 0
	for _, s := range v.x.Search.Steps {
		again.N += int(s.N)
	}
	v.out.Add(again)
}

// gatesOfMetrics judges the gates that are no objectives: on the answers, and on metrics.
func (v *verifying) gatesOfMetrics(slos []report.LoadSLO) error {
	var exprs []string
	for _, g := range v.d.Gates {
		if c := v.x.Correctness; c != nil && g.Expr == correctExpr {
			v.out.Gates = append(v.out.Gates, correctGate(c))
		} else if !slices.ContainsFunc(slos, func(s report.LoadSLO) bool { return s.Expr == g.Expr }) {
			exprs = append(exprs, g.Expr)
		}
	}
	gates, err := report.ParseGates(v.d.Kind, exprs)
	if err != nil {
		return err
	}
	for _, g := range gates {
		v.out.Gates = append(v.out.Gates, g.Eval(v.d))
	}
	v.out.Validity.Checks = nil
	return nil
}

// curve compares the metrics of a sweep with its points, and those of a search with its trials: no counts are kept.
func (v *verifying) curve() (report.Recomputed, error) {
	v.from = "the points inside (a curve keeps no counts)"
	for _, p := range v.x.Points {
		for name, value := range map[string]*float64{
			"throughput": &p.Throughput, "goodput": &p.Goodput, "error_rate": &p.ErrorRate, "latency_p50": p.P50, "latency_p90": p.P90, "latency_p99": p.P99,
		} {
			m := v.d.Metric(name, p.Labels())
			if m == nil {
				continue
			}
			again := *m
			again.Value, again.Lo, again.Hi = value, nil, nil
			if name == "latency_p99" {
				again.Lo, again.Hi = p.P99Lo, p.P99Hi
			}
			if name == "throughput" {
				again.N = int(p.N)
			}
			v.out.Add(again)
		}
	}
	if v.x.Search != nil {
		v.searched()
	}
	return v.recomputed(nil, v.gatesOfMetrics(v.x.SLO))
}

// folded are the details of a load with the figures that its samples make.
func folded(d *report.Document, x *report.LoadDetails, paths []string) (*report.LoadDetails, error) {
	var docs []*report.Document
	for _, path := range paths {
		s, err := Reread(path, nil, nil)
		if err != nil {
			return nil, err
		}
		if err := sameOrigin(d, x, s, path); err != nil {
			return nil, err
		}
		docs = append(docs, s)
	}
	want := max(1, x.Schedule.Merged, len(x.Runs))
	if len(docs) != want {
		return nil, fault.New(fault.Usage, "give the samples of all of it", "the document is of %d loads, and the samples are of %d", want, len(docs))
	}
	whole, err := docs[0], error(nil)
	switch {
	case len(x.Runs) > 0:
		whole, err = MergeRuns(docs, nil, nil)
	case x.Schedule.Merged > 0:
		whole, err = Merge(docs, nil, nil)
	}
	if err != nil {
		return nil, err
	}
	return Details(whole)
}

// sameOrigin refuses samples of another load than the document's.
func sameOrigin(d *report.Document, x *report.LoadDetails, s *report.Document, path string) error {
	y, err := Details(s)
	if err != nil {
		return err
	}
	const stamp = "2006-01-02T15:04:05.999Z07:00"
	when := s.Created.Format(stamp)
	ours := s.Created.Equal(d.Created)
	switch {
	case len(x.Runs) > 0:
		ours = slices.ContainsFunc(x.Runs, func(r report.MergedRun) bool { return r.Created == when })
	case x.Schedule.Merged > 0:
		ours = y.Schedule.Shard != ""
	}
	if x.Schedule.SHA256 != "" && y.Schedule.SHA256 != x.Schedule.SHA256 {
		ours = false
	}
	if !ours {
		return fault.New(fault.Usage, "give the file that this load wrote with --samples-out", "samples %q are of the load of %s with schedule %.12s, and the document is of %s with %.12s",
			path, when, y.Schedule.SHA256, d.Created.Format(stamp), x.Schedule.SHA256)
	}
	return nil
}
