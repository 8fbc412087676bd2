package cmd

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"infer/internal/fault"
	"infer/loadtest"
	"infer/report"
)

// defaultLabels are those of the metrics of the default setting; the chosen one's have none.
func defaultLabels() map[string]string { return map[string]string{"setting": "default"} }

// finish judges a search, writes the settings that it found and shows it.
func (t *tuner) finish(d *report.Document, x *report.TuneDetails) error {
	chosen, def := t.trial(x, x.Chosen), t.trial(x, nil)
	addTrial(d, chosen, nil)
	if def != chosen {
		addTrial(d, def, defaultLabels())
	}
	if def == chosen {
		def = nil
	}
	addChecks(d, chosen, def)
	if x.Interrupted {
		d.Verdict = report.Interrupted
	}
	for _, g := range t.f.opts.SLOs {
		d.Gates = append(d.Gates, gate(g, d, chosen))
	}
	d.Judge(nil)
	lost := t.write(d, x)
	if err := d.SetDetails(x); err != nil {
		return err
	}
	t.a.strict = t.f.strict
	if err := t.a.emit(d, ""); err != nil {
		return err
	}
	t.a.github(d)
	if lost != nil {
		return lost
	}
	return outcome(d, t.f.strict)
}

// write writes the settings, where there are any to stand by. A file that cannot be written is said in d, which has the
// settings too.
func (t *tuner) write(d *report.Document, x *report.TuneDetails) error {
	switch {
	case d.Verdict == report.FailedGate:
		d.Warn("%s was not written: no setting holds the objectives", t.f.output)
		return nil
	case x.Interrupted && !x.Confirmed:
		d.Warn("%s was not written: the search was interrupted before its answer was confirmed", t.f.output)
		return nil
	}
	if err := t.writeFile(d, x); err != nil {
		d.Warn("the settings were not written: %v", err)
		return fault.New(fault.Internal, "the report has the settings; make room, or name another file with -o", "the settings were not written: %w", err)
	}
	x.Output = t.f.output
	x.Next = &report.NextStep{
		Command: fmt.Sprintf("infer serve %s --config %s", loadtest.Quote(t.variant(t.space.full(x.Chosen)[knobVariant]).path), loadtest.Quote(t.f.output)),
		Why:     "the settings are in the file; profile and loadtest take it as well",
	}
	return nil
}

// trial returns the trial of a setting; nil where it was not measured.
func (t *tuner) trial(x *report.TuneDetails, set map[string]string) *report.TuneTrial {
	want := t.space.full(set)
	for i := range x.Trials {
		if maps.Equal(t.space.full(x.Trials[i].Setting), want) {
			return &x.Trials[i]
		}
	}
	return nil
}

// addTrial adds the metrics of a trial.
func addTrial(d *report.Document, r *report.TuneTrial, labels map[string]string) {
	if r == nil {
		return
	}
	add := func(name, method string, i *report.Interval) {
		if i == nil || i.N == 0 {
			return
		}
		m := i.Metric(name)
		m.Method, m.Labels = method, labels
		if m.Value == nil {
			_, why := m.Text()
			d.Warn("%s of the %s setting has no value: %s", name, cmp.Or(labels["setting"], "chosen"), why)
		}
		d.Add(m)
	}
	add("latency_p50", "order-statistic", &r.P50)
	add("latency_p99", "order-statistic", r.P99)
	add("throughput", "", &r.Throughput)
	add("accuracy_top1", "wilson", r.Accuracy)
}

// addChecks says whether the blocks behind the answer were disturbed. Rounds are interleaved, so that a disturbance now
// and then meets all settings alike; where it is the rule, what was measured is another machine than the one to serve on.
func addChecks(d *report.Document, trials ...*report.TuneTrial) {
	blocks, disturbed := 0, 0
	var names []string
	for _, r := range trials {
		if r != nil {
			blocks, disturbed, names = blocks+r.Rounds, disturbed+r.Disturbed, append(names, r.Validity...)
		}
	}
	if blocks == 0 {
		return
	}
	slices.Sort(names)
	detail := fmt.Sprintf("%d of %d blocks of the chosen setting and of the default were disturbed", disturbed, blocks)
	if len(names) > 0 {
		detail += ": " + strings.Join(slices.Compact(names), ", ")
	}
	d.AddCheck("disturbed_blocks", 2*disturbed <= blocks, "%s; limit: half of them", detail)
}

// gate judges an objective by the metrics of the chosen setting, and by what the search says of it where these do not
// tell.
func gate(g report.Gate, d *report.Document, chosen *report.TuneTrial) report.GateResult {
	if m := d.Metric(g.Metric, nil); (m == nil || m.Value == nil) && chosen != nil && chosen.SLO != "" {
		return report.GateResult{Expr: g.Expr, Verdict: chosen.SLO, Reason: fmt.Sprintf("by %d runs of the chosen setting, all objectives together", chosen.Runs)}
	}
	return g.Eval(d)
}
