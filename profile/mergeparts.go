package profile

import (
	"cmp"
	"maps"
	"math"
	"slices"
	"strconv"

	"infer/internal/stats"
	"infer/model/measure"
	"infer/report"
)

// addMerged adds the latency metrics of several runs, of rows rows each time (0: nobody knows), and returns their histogram. The mean has a
// t interval over the runs. A percentile has that of order statistics with the runs as sections (stats.SectionQuantile),
// widened so that what each run says for itself lies in it: with few runs nothing else tells how they differ.
func addMerged(d *report.Document, runs []*stats.Histogram, rows int64, labels map[string]string) *stats.Histogram {
	all := sum(runs)
	mean := meanOver(runs, all)
	add := metricsOf(d, int(all.Count()), labels)
	add("latency_mean", mean, "t over the runs")
	for _, q := range percentiles() {
		add(q.name, quantileOver(runs, q.p), "merged histogram")
	}
	if all.Count() > 0 {
		add("latency_max", stats.Estimate{Value: all.Max(), Lo: math.NaN(), Hi: math.NaN(), OK: true}, "")
	}
	if mean.OK && mean.Value > 0 && rows > 0 {
		r := float64(rows)
		e := stats.Estimate{Value: r / mean.Value, Lo: r / mean.Hi, Hi: r / mean.Lo, OK: true}
		add("throughput", e, "t over the runs")
	}
	for _, w := range shortfalls(int(all.Count()), labels["batch"]) {
		d.Warn("%s", w)
	}
	return all
}

// addMergedStage adds those of a stage.
func addMergedStage(d *report.Document, runs []*stats.Histogram, name string) *stats.Histogram {
	all := sum(runs)
	add := metricsOf(d, int(all.Count()), map[string]string{"stage": name})
	add("latency_mean", meanOver(runs, all), "t over the runs")
	for _, q := range percentiles()[:2] {
		add(q.name, quantileOver(runs, q.p), "merged histogram")
	}
	return all
}

// metricsOf returns what adds a metric of n runs to d. An estimate that is not OK has no value, one whose ends are not
// finite no interval.
func metricsOf(d *report.Document, n int, labels map[string]string) func(name string, e stats.Estimate, method string) {
	return func(name string, e stats.Estimate, method string) {
		m := report.NewMetric(name)
		m.N, m.Labels = n, maps.Clone(labels)
		if e.OK && !math.IsNaN(e.Value) {
			m.Value, m.Method = &e.Value, method
			if finite(e.Lo) && finite(e.Hi) {
				m.Lo, m.Hi, m.Confidence = &e.Lo, &e.Hi, measure.Confidence
			}
		}
		d.Add(m)
	}
}

func finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }

type percentile struct {
	name string
	p    float64
}

func percentiles() []percentile {
	return []percentile{{"latency_p50", .5}, {"latency_p90", .9}, {"latency_p95", .95}, {"latency_p99", .99}}
}

// sum returns the histogram of all runs.
func sum(runs []*stats.Histogram) *stats.Histogram {
	all := stats.NewHistogram()
	for _, h := range runs {
		all.Merge(h)
	}
	return all
}

// meanOver is the mean of all runs, with an interval from how their means differ. No mean lies outside of the values.
func meanOver(runs []*stats.Histogram, all *stats.Histogram) stats.Estimate {
	sums, counts := make([]float64, len(runs)), make([]float64, len(runs))
	for i, h := range runs {
		sums[i], counts[i] = h.Sum(), float64(h.Count())
	}
	e := stats.SectionRatio(sums, counts, measure.Confidence)
	if e.OK {
		e.Lo, e.Hi = min(e.Value, max(e.Lo, all.Min())), max(e.Value, min(e.Hi, all.Max()))
	}
	return e
}

// quantileOver is a quantile of all runs.
func quantileOver(runs []*stats.Histogram, p float64) stats.Estimate {
	sections := make([]*stats.Sketch, len(runs))
	for i, h := range runs {
		sections[i] = h.Sketch()
	}
	e, _, _ := stats.SectionQuantile(sections, p, measure.Confidence)
	for _, s := range sections {
		if own := s.Quantile(p); e.OK && s.Count() > 0 {
			e.Lo, e.Hi = min(e.Lo, own), max(e.Hi, own)
		}
	}
	return e
}

// rowsIn is how many rows a run of the bound size has: throughput over runs a second. 0 where there is no throughput, as of
// a single run.
func rowsIn(d *report.Document, x *report.ProfileDetails) int64 {
	t := d.Metric("throughput", nil)
	if t == nil || t.Value == nil || x.Latency == nil || x.Latency.Count() == 0 {
		return 0
	}
	return max(1, int64(math.Round(*t.Value*x.Latency.Sum()/float64(x.Latency.Count()))))
}

// sampleWarnings are those of the percentiles that the samples of a profile are too small for.
func sampleWarnings(x *report.ProfileDetails) []string {
	list := shortfalls(int(x.Latency.Count()), "")
	for _, b := range x.Batches {
		list = append(list, shortfalls(b.Runs, strconv.Itoa(b.Batch))...)
	}
	return list
}

// mergeWarmUp adds up untimed runs; the worse course of the timed runs is that of both.
func mergeWarmUp(a, b *report.WarmUp) *report.WarmUp {
	if a == nil || b == nil {
		return cmp.Or(a, b)
	}
	worse := []string{string(measure.Flat), string(measure.WarmUp), string(measure.SlowDown), string(measure.Unsteady)}
	class := a.Class
	if slices.Index(worse, b.Class) > slices.Index(worse, class) {
		class = b.Class
	}
	return &report.WarmUp{Runs: a.Runs + b.Runs, Class: class}
}

// conditions merges what went on beside the measurement: times and counts add up, shares are means over the time.
func (m *merger) conditions() {
	m.details.WarmUp, m.details.Interference = nil, nil
	var wall float64
	for _, x := range m.list {
		m.details.WarmUp = mergeWarmUp(m.details.WarmUp, x.WarmUp)
		took := 0.0
		for _, i := range x.Interference {
			if i.Name == "wall" {
				took = i.Value
			}
		}
		for k, i := range x.Interference {
			if len(m.details.Interference) <= k {
				m.details.Interference = append(m.details.Interference, report.Measurement{Name: i.Name, Unit: i.Unit})
			}
			at := &m.details.Interference[k]
			switch {
			case at.Name != i.Name:
			case i.Name != "other_cpu":
				at.Value += i.Value
			case wall+took > 0:
				at.Value = (at.Value*wall + i.Value*took) / (wall + took)
			}
		}
		wall += took
		if x.Memory != nil && m.details.Memory != nil {
			memory := *m.details.Memory
			memory.PeakRSS, memory.BaseRSS = max(memory.PeakRSS, x.Memory.PeakRSS), max(memory.BaseRSS, x.Memory.BaseRSS)
			m.details.Memory = &memory
		}
	}
	if p := m.out.Metric("peak_rss", nil); len(m.details.Cold) > 0 && m.details.Memory != nil && p != nil && p.Value != nil {
		m.details.Memory.PeakRSS = int64(*p.Value)
	}
}

// shares are means over the profiled runs of all documents. A row that one does not have took no time there.
func (m *merger) shares() {
	m.details.ProfiledRuns = 0
	var inflation, residual float64
	var runs, told float64
	for _, x := range m.list {
		n := float64(x.ProfiledRuns)
		m.details.ProfiledRuns += x.ProfiledRuns
		runs, inflation = runs+n, inflation+n*x.Inflation
		if x.Residual != nil {
			told, residual = told+n, residual+n**x.Residual
		}
	}
	if runs == 0 {
		return
	}
	m.details.Inflation = inflation / runs
	if m.details.Residual = nil; told > 0 {
		mean := residual / told
		m.details.Residual = &mean
	}
	m.details.ByOp = m.meanShares(func(x *report.ProfileDetails) []report.Share { return x.ByOp })
	m.details.ByNode = m.meanShares(func(x *report.ProfileDetails) []report.Share { return x.ByNode })
	m.details.ByBlock = m.meanShares(func(x *report.ProfileDetails) []report.Share { return x.ByBlock })
	m.details.ByProvider = m.meanShares(func(x *report.ProfileDetails) []report.Share { return x.ByProvider })
	m.details.ByDType = m.meanShares(func(x *report.ProfileDetails) []report.Share { return x.ByDType })
	m.details.ByOrigin = m.meanShares(func(x *report.ProfileDetails) []report.Share { return x.ByOrigin })
	m.correction()
	classify(&m.details)
}

// correction is the mean of those of all runs; nil where one has none. An interval reaches over all that the runs say: of a few
// runs a t interval would reach below zero.
func (m *merger) correction() {
	m.details.Correction = nil
	var all []*report.Correction
	for _, x := range m.list {
		if x.Correction == nil {
			return
		}
		all = append(all, x.Correction)
	}
	over := func(of func(*report.Correction) float64) (sum float64) {
		for _, c := range all {
			sum += of(c) / float64(len(all))
		}
		return sum
	}
	interval := func(of func(*report.Correction) *report.Interval) report.Interval {
		v := over(func(c *report.Correction) float64 { return of(c).Value })
		lo, hi := v, v
		for _, c := range all {
			i := of(c)
			for _, end := range []*float64{&i.Value, i.Lo, i.Hi} {
				if end != nil {
					lo, hi = min(lo, *end), max(hi, *end)
				}
			}
		}
		return report.Interval{Value: v, Lo: &lo, Hi: &hi, N: len(all)}
	}
	c := *all[0]
	c.Untraced = interval(func(c *report.Correction) *report.Interval { return &c.Untraced })
	c.Traced = interval(func(c *report.Correction) *report.Interval { return &c.Traced })
	c.Inflation = interval(func(c *report.Correction) *report.Interval { return &c.Inflation })
	c.Floor = interval(func(c *report.Correction) *report.Interval { return &c.Floor })
	c.PerNode = interval(func(c *report.Correction) *report.Interval { return &c.PerNode })
	c.Sum = interval(func(c *report.Correction) *report.Interval { return &c.Sum })
	c.Residual = over(func(c *report.Correction) float64 { return c.Residual })
	c.Scale = over(func(c *report.Correction) float64 { return c.Scale })
	c.Resolution = over(func(c *report.Correction) float64 { return c.Resolution })
	c.BelowTime = over(func(c *report.Correction) float64 { return c.BelowTime })
	for _, o := range all[1:] {
		c.Below, c.SharesOnly = max(c.Below, o.Below), c.SharesOnly || o.SharesOnly
		if o.Calibrated == "" {
			c.Calibrated = ""
		}
	}
	m.details.Correction = &c
}

// meanShares merges one table of shares, with t intervals over the documents.
func (m *merger) meanShares(of func(*report.ProfileDetails) []report.Share) []report.Share {
	var rows []report.Share
	index := map[string]int{}
	var sums [][]float64
	counts := make([]float64, len(m.list))
	for i, x := range m.list {
		counts[i] = float64(x.ProfiledRuns)
		for _, s := range of(x) {
			k, ok := index[s.Name]
			if !ok {
				k = len(rows)
				index[s.Name] = k
				rows, sums = append(rows, s), append(sums, make([]float64, len(m.list)))
				rows[k].Traced = 0
			}
			sums[k][i] += s.Seconds * counts[i]
			rows[k].Traced += s.Traced * counts[i] / float64(m.details.ProfiledRuns)
		}
	}
	var total float64
	for k := range rows {
		e := stats.SectionRatio(sums[k], counts, measure.Confidence)
		rows[k].Seconds, rows[k].Lo, rows[k].Hi = e.Value, nil, nil
		if lo, hi := min(e.Value, max(0, e.Lo)), e.Hi; e.OK {
			rows[k].Lo, rows[k].Hi = &lo, &hi
		}
		total += e.Value
	}
	for k := range rows {
		if total > 0 {
			rows[k].Share = rows[k].Seconds / total
		}
	}
	slices.SortStableFunc(rows, func(a, b report.Share) int { return cmp.Compare(b.Seconds, a.Seconds) })
	return rows
}
