package profile

import (
	"fmt"
	"maps"
	"math"
	"slices"

	"infer/internal/host"
	"infer/internal/stats"
	"infer/model/measure"
	"infer/report"
)

// stageRuns are timed of each stage at least: the fewest whose p90 has an interval.
const stageRuns = 36

// addStage adds a stage with the mean, the median and the p90 of its runs; nothing where there are none.
func (r *runner) addStage(row report.StageRow, seconds []float64) {
	if len(seconds) == 0 {
		return
	}
	s := &measure.Series{Seconds: seconds}
	row.Latency = s.Histogram()
	r.details.Stages = append(r.details.Stages, row)
	mean := s.Mean().AtLeast(slices.Min(seconds))
	for _, q := range []struct {
		name, method string
		e            stats.Estimate
	}{{"latency_mean", "t", mean}, {"latency_p50", "order-statistic", s.Quantile(.5)}, {"latency_p90", "order-statistic", s.Quantile(.9)}} {
		m := report.NewMetric(q.name)
		m.N, m.Labels = len(seconds), map[string]string{"stage": row.Stage}
		if e := q.e; e.OK {
			m.Value, m.Lo, m.Hi, m.Confidence, m.Method = &e.Value, &e.Lo, &e.Hi, measure.Confidence, q.method
		} else if row.Stage != forward { // whose sample is that of the metrics without a label, which say so themselves
			r.d.Warn("%s of stage %s needs %d runs, this sample has %d", q.name, row.Stage, e.Need, len(seconds))
		}
		r.d.Add(m)
	}
}

// addLatency adds the latency metrics of a series of runs of rows rows each. Labels may be nil.
func addLatency(d *report.Document, s *measure.Series, rows int64, labels map[string]string) {
	add := func(name string, value, lo, hi float64, ok bool, method string) {
		m := report.NewMetric(name)
		m.N, m.Labels = len(s.Seconds), maps.Clone(labels)
		if ok && !math.IsNaN(value) {
			m.Value = &value
			if method != "" {
				m.Lo, m.Hi, m.Confidence, m.Method = &lo, &hi, measure.Confidence, method
			}
		}
		d.Add(m)
	}
	mean := s.Mean()
	if mean.OK {
		mean = mean.AtLeast(slices.Min(s.Seconds))
	}
	add("latency_mean", mean.Value, mean.Lo, mean.Hi, mean.OK, "t")
	for _, q := range percentiles() {
		e := s.Quantile(q.p)
		add(q.name, e.Value, e.Lo, e.Hi, e.OK, "order-statistic")
	}
	for _, w := range shortfalls(len(s.Seconds), labels["batch"]) {
		d.Warn("%s", w)
	}
	if n := len(s.Seconds); n > 0 {
		add("latency_max", slices.Max(s.Seconds), 0, 0, true, "")
	}
	if mean.OK && mean.Value > 0 {
		r := float64(rows)
		add("throughput", r/mean.Value, r/mean.Hi, r/mean.Lo, true, "t")
	}
}

// shortfalls says which percentiles n runs, at a batch size or at the bound one (""), are too few for.
func shortfalls(n int, batch string) []string {
	var list []string
	where := ""
	if batch != "" {
		where = " at batch " + batch
	}
	for _, q := range percentiles() {
		if need := stats.Need(q.p, measure.Confidence); n < need {
			list = append(list, fmt.Sprintf("%s%s needs %d runs, this sample has %d", q.name, where, need, n))
		}
	}
	return list
}

// addCold adds the medians over fresh processes; with fewer than six there is no 95 % interval, so the range stands
// in its place and the method says so.
func addCold(d *report.Document, starts []report.ColdStart) {
	if len(starts) == 0 {
		return
	}
	for _, c := range []struct {
		name  string
		value func(report.ColdStart) float64
	}{
		{"library_load", func(s report.ColdStart) float64 { return s.LibraryLoad }},
		{"session_init", func(s report.ColdStart) float64 { return s.SessionInit }},
		{"first_run", func(s report.ColdStart) float64 { return s.FirstRun }},
		{"peak_rss", func(s report.ColdStart) float64 { return s.PeakRSS }},
	} {
		values := make([]float64, len(starts))
		for i, s := range starts {
			values[i] = c.value(s)
		}
		slices.Sort(values)
		m := report.NewMetric(c.name)
		m.N = len(values)
		e := stats.Quantile(values, .5, measure.Confidence)
		v, lo, hi := e.Value, e.Lo, e.Hi
		m.Confidence, m.Method = measure.Confidence, "median of processes, order-statistic"
		if !e.OK {
			v, lo, hi = stats.Median(values), values[0], values[len(values)-1]
			m.Confidence, m.Method = 0, "median of processes, range"
		}
		m.Value, m.Lo, m.Hi = &v, &lo, &hi
		d.Add(m)
	}
}

// interference lists what the counters saw during the timed runs.
func interference(i host.Interference) []report.Measurement {
	return []report.Measurement{
		{Name: "wall", Value: i.Wall, Unit: "s"},
		{Name: "self_cpu", Value: i.SelfCPU, Unit: "s"},
		{Name: "run_queue_delay", Value: i.RunQueueDelay, Unit: "s"},
		{Name: "involuntary_switches", Value: float64(i.InvoluntarySwitches), Unit: "1"},
		{Name: "major_faults", Value: float64(i.MajorFaults), Unit: "1"},
		{Name: "throttled", Value: i.Throttled, Unit: "s"},
		{Name: "steal", Value: i.Steal, Unit: "s"},
		{Name: "other_cpu", Value: i.OtherCPU, Unit: "1"},
	}
}
