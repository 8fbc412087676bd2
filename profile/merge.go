package profile

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"time"

	"infer/internal/fault"
	"infer/internal/stats"
	"infer/report"
)

// Details reads the details of a profile.
func Details(d *report.Document) (*report.ProfileDetails, error) {
	if d.Kind != "profile" {
		return nil, fault.New(fault.Usage, "give documents of infer profile", "a document of kind %q is no profile", d.Kind)
	}
	var x report.ProfileDetails
	if err := json.Unmarshal(d.Details, &x); err != nil {
		return nil, fault.New(fault.Usage, "", "details of a profile: %w", err)
	}
	return &x, nil
}

// Merge returns one document of several profiles of the same model with the same options: the histograms of their timed
// runs add up exactly, and the latencies follow anew from their sum. Cold starts are strung together, shares are means
// weighted by the profiled runs. Intervals follow from how the runs differ from each other. Gates are those given, or
// without any those of the first run; gates of the advice are the worst of all runs. What only one run can tell, such as the
// advice itself, is left out. Profiles of different models, options or inputs are a fault.Usage error that names
// what differs; the machine is the caller's to compare.
func Merge(docs []*report.Document, gates []report.Gate) (*report.Document, error) {
	docs = slices.Clone(docs)
	slices.SortStableFunc(docs, func(a, b *report.Document) int { return a.Created.Compare(b.Created) })
	m := &merger{docs: docs}
	for i, d := range docs {
		x, err := Details(d)
		if err != nil {
			return nil, err
		}
		if err := m.fits(i, d, x); err != nil {
			return nil, err
		}
		m.list = append(m.list, x)
		m.rows = cmp.Or(m.rows, rowsIn(d, x))
	}
	if len(gates) == 0 {
		var err error
		if gates, err = gatesOf(docs[0]); err != nil {
			return nil, err
		}
	}
	whole := *docs[len(docs)-1] // the newest is how old the result is
	m.out = &whole
	m.out.Verdict, m.out.Metrics, m.out.Gates, m.out.Warnings = report.OK, nil, nil, nil
	m.out.Validity = report.Validity{Verdict: report.Valid}
	m.details = *m.list[0]
	m.details.Next, m.details.Runs = nil, nil
	m.details.Advice, m.details.Unjudged, m.details.Trace, m.details.Idle = nil, nil, nil, nil // of one run alone
	m.judgements()
	m.latencies()
	m.cold()
	m.shares()
	m.conditions()
	m.constants()
	m.out.Judge(gates)
	m.adviceGates()
	return m.out, m.out.SetDetails(m.details)
}

// gatesOf parses the gates of a profile again, but for those that ask for a rule of the advice.
func gatesOf(d *report.Document) ([]report.Gate, error) {
	var exprs []string
	for _, g := range d.Gates {
		if !g.OfAdvice() {
			exprs = append(exprs, g.Expr)
		}
	}
	return report.ParseGates("profile", exprs)
}

// adviceGates takes over what the runs say of the rules that their gates ask for: the worst of them counts.
func (m *merger) adviceGates() {
	rank := []string{report.Pass, report.GateInconclusive, report.Fail}
	for _, d := range m.docs {
		for _, g := range d.Gates {
			if !g.OfAdvice() {
				continue
			}
			i := slices.IndexFunc(m.out.Gates, func(have report.GateResult) bool { return have.Expr == g.Expr })
			switch {
			case i < 0:
				m.out.Gates = append(m.out.Gates, g)
			case slices.Index(rank, g.Verdict) > slices.Index(rank, m.out.Gates[i].Verdict):
				m.out.Gates[i] = g
			}
		}
	}
	m.out.Judge(nil) // they are judged: the verdict follows
}

// merger carries one Merge.
type merger struct {
	docs    []*report.Document // in the order of time
	list    []*report.ProfileDetails
	rows    int64 // of a run at the bound size; 0: no run tells
	out     *report.Document
	details report.ProfileDetails
}

// mostCounted is below what a histogram may count: sums over documents do not overflow.
const mostCounted = 1 << 40

// fits refuses what cannot be merged with the first document.
func (m *merger) fits(i int, d *report.Document, x *report.ProfileDetails) error {
	const hint = "merge runs of one model with the same options; infer compare tells what a change does"
	histograms := []*stats.Histogram{x.Latency}
	for _, b := range x.Batches {
		histograms = append(histograms, b.Latency)
	}
	for _, s := range x.Stages {
		histograms = append(histograms, s.Latency)
	}
	for _, h := range histograms {
		if h != nil && h.Count() >= mostCounted {
			return fault.New(fault.Usage, "it was changed by hand, or damaged", "the profile of %s counts %d runs", d.Created.Format(time.RFC3339), h.Count())
		}
	}
	switch {
	case x.Latency == nil:
		return fault.New(fault.Usage, "measure it again with this version", "the profile of %s has no latency_histogram to add up", d.Created.Format(time.RFC3339))
	case len(x.Runs) > 0:
		return fault.New(fault.Usage, "merge all runs at once", "the document of %s is of merged runs already", d.Created.Format(time.RFC3339))
	case i == 0:
		return nil
	case d.Created.Equal(m.docs[i-1].Created):
		return fault.New(fault.Usage, "give each run once", "the run of %s is here twice", d.Created.Format(time.RFC3339Nano))
	}
	a, b := &m.docs[0].Manifest, &d.Manifest
	rows := rowsIn(d, x)
	for _, part := range []struct{ what, a, b string }{
		{"model", modelText(a.Model), modelText(b.Model)},
		{"runtime", runtimeText(a.Runtime), runtimeText(b.Runtime)},
		{"bindings of the inputs", jsonText(a.Bindings), jsonText(b.Bindings)},
		{"options", jsonText(a.Options), jsonText(b.Options)},
		{"rows of a run", fmt.Sprint(cmp.Or(m.rows, rows)), fmt.Sprint(cmp.Or(rows, m.rows))},
	} {
		if part.a != part.b {
			return fault.New(fault.Usage, hint, "these are not runs of one profile: %s is %s in one and %s in the other", part.what, part.a, part.b)
		}
	}
	return nil
}

func modelText(r *report.ModelRef) string {
	if r == nil {
		return "not told"
	}
	return fmt.Sprintf("%s (%.12s)", r.Path, r.SHA256)
}

func runtimeText(r *report.RuntimeRef) string {
	if r == nil {
		return "not told"
	}
	return fmt.Sprintf("%s %s with %v", r.Name, r.Version, r.Providers)
}

func jsonText(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// judgements takes over the checks and warnings of every run, and what it says of itself.
func (m *merger) judgements() {
	for i, d := range m.docs {
		x := m.list[i]
		mean, p50, p99 := x.Latency.Sum()/float64(x.Latency.Count()), x.Latency.Quantile(.5), x.Latency.Quantile(.99)
		run := report.MergedRun{Created: d.Created.Format(time.RFC3339Nano), N: int64(x.Latency.Count()), Valid: d.Validity.Verdict == report.Valid}
		if run.N > 0 {
			run.Mean, run.P50, run.P99 = &mean, &p50, &p99
		}
		for _, c := range d.Validity.Checks {
			m.out.AddCheck(c.Name+"@run"+strconv.Itoa(i+1), c.OK, "%s", c.Detail)
			if !c.OK {
				run.Why = cmp.Or(run.Why, c.Name+": "+c.Detail)
			}
		}
		m.details.Runs = append(m.details.Runs, run)
		own := sampleWarnings(x)
		for _, w := range d.Warnings {
			if !slices.Contains(own, w) {
				m.out.Warn("%s", w)
			}
		}
		if d.Verdict == report.Interrupted {
			m.out.Verdict = report.Interrupted
		}
	}
}

// latencies merges the timed runs of the bound size, of every batch size and of every stage.
func (m *merger) latencies() {
	var runs []*stats.Histogram
	for _, x := range m.list {
		runs = append(runs, x.Latency)
	}
	m.details.Latency = addMerged(m.out, runs, m.rows, nil)
	m.details.Batches, m.details.Stages = nil, nil
	for _, row := range m.list[0].Batches {
		m.batch(row.Batch)
	}
	for _, row := range m.list[0].Stages {
		m.stage(row)
	}
}

// batch merges one size of the sweep, as far as the runs could run it and tell their times.
func (m *merger) batch(size int) {
	row := report.BatchRow{Batch: size}
	var runs []*stats.Histogram
	for _, x := range m.list {
		i := slices.IndexFunc(x.Batches, func(b report.BatchRow) bool { return b.Batch == size })
		if i < 0 {
			continue
		}
		b := x.Batches[i]
		row.Runs, row.Error, row.WarmUp = row.Runs+b.Runs, cmp.Or(row.Error, b.Error), mergeWarmUp(row.WarmUp, b.WarmUp)
		if b.Latency != nil {
			runs = append(runs, b.Latency)
		}
	}
	if len(runs) == len(m.list) {
		row.Latency = addMerged(m.out, runs, int64(size), map[string]string{"batch": strconv.Itoa(size)})
	} else {
		m.out.Warn("batch %d is left out: only %d of %d runs tell the times of its runs", size, len(runs), len(m.list))
	}
	m.details.Batches = append(m.details.Batches, row)
}

// stage merges one stage.
func (m *merger) stage(row report.StageRow) {
	var runs []*stats.Histogram
	for _, x := range m.list {
		if i := slices.IndexFunc(x.Stages, func(s report.StageRow) bool { return s.Stage == row.Stage }); i >= 0 && x.Stages[i].Latency != nil {
			runs = append(runs, x.Stages[i].Latency)
		}
	}
	if len(runs) != len(m.list) {
		return
	}
	row.Latency = addMergedStage(m.out, runs, row.Stage)
	m.details.Stages = append(m.details.Stages, row)
}

// cold strings the cold starts together. Without any the peak of the measuring processes is the largest.
func (m *merger) cold() {
	m.details.Cold = nil
	for _, x := range m.list {
		m.details.Cold = append(m.details.Cold, x.Cold...)
	}
	if m.details.Timeline = nil; len(m.details.Cold) > 0 {
		addCold(m.out, m.details.Cold)
		m.details.Timeline = typical(m.details.Cold).Spans
		return
	}
	var most *report.Metric
	for _, d := range m.docs {
		if p := d.Metric("peak_rss", nil); p != nil && p.Value != nil && (most == nil || *p.Value > *most.Value) {
			most = p
		}
	}
	if most != nil {
		p := *most
		p.N, p.Method = len(m.docs), "VmHWM, the largest of the processes"
		m.out.Add(p)
	}
}

// constants takes over what is the same in every run: what the graph counts.
func (m *merger) constants() {
	for _, metric := range m.docs[0].Metrics {
		if metric.Labels == nil && slices.Contains(graphMetrics(), metric.Name) {
			m.out.Add(metric)
		}
	}
}

// graphMetrics are counted from the model, not measured.
func graphMetrics() []string {
	return []string{"model_bytes", "nodes", "params", "macs", "activation_bytes"}
}
