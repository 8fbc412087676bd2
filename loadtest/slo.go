package loadtest

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"infer/internal/fault"
	"infer/internal/stats"
	"infer/report"
)

// objective is an SLO that says how many of the requests may miss something: a percentile of latency or service time,
// the largest one, or the error rate. A failed request misses every one of them.
type objective struct {
	gate    report.Gate
	allowed float64 // share of the requests that may miss, in [0, 1)
	service bool    // it is on service time
	errors  bool    // only failing is missing
}

// objectiveOf returns the objective that a gate stands for; ok is false for a gate on something else (a mean, a rate).
func objectiveOf(g report.Gate) (o objective, ok bool) {
	o.gate = g
	what, stat, _ := strings.Cut(g.Metric, "_")
	switch {
	case !upper(g):
		return o, false
	case g.Metric == "error_rate":
		o.errors, o.allowed = true, g.Limit
		return o, g.Limit < 1
	case what != "latency" && what != "service":
		return o, false
	case stat == "max":
	case strings.HasPrefix(stat, "p"):
		p, err := strconv.ParseFloat("0."+stat[1:], 64)
		if err != nil {
			return o, false
		}
		o.allowed = 1 - p
	default:
		return o, false
	}
	o.service = what == "service"
	return o, true
}

// missed returns how many requests of a section miss o.
func (o objective) missed(s *report.LoadSection) int64 {
	n := s.Due - s.Latency.Count() // failed, wrong or unsent
	switch {
	case o.errors:
		return n - s.Outcomes["wrong"]
	case o.service:
		return n + s.Service.Above(o.gate.Limit)
	default:
		return n + s.Latency.Above(o.gate.Limit)
	}
}

// judge says whether o holds in the figures: where the 95 % interval of the share of requests that miss it is wholly on
// one side of what is allowed.
func (o objective) judge(f *report.LoadFigures) report.LoadSLO {
	out := report.LoadSLO{Expr: o.gate.Expr, Verdict: report.GateInconclusive}
	var shares []float64
	for i := range f.Sections {
		s := &f.Sections[i]
		if s.Due == 0 {
			continue
		}
		m := o.missed(s)
		out.Missed, out.N = out.Missed+m, out.N+s.Due
		shares = append(shares, float64(m)/float64(s.Due))
	}
	if out.N == 0 {
		out.Reason = "no request was due"
		return out
	}
	lo, hi := missInterval(out.Missed, out.N, shares)
	out.Verdict, out.Reason = o.verdict(out.Missed, out.N, lo, hi)
	return out
}

// missInterval is the 95 % interval of the share of misses: the wider of Wilson's, for independent requests, and that of
// the sections' shares, in which requests that share a queue are slow together.
func missInterval(missed, n int64, shares []float64) (lo, hi float64) {
	w := stats.Wilson(int(missed), int(n), 0.95)
	lo, hi = w.Lo, w.Hi
	if missed > 0 && len(shares) >= 6 {
		if m := stats.Mean(shares, 0.95); m.OK {
			half := (m.Hi - m.Lo) / 2
			lo, hi = min(lo, max(0, w.Value-half)), max(hi, min(1, w.Value+half))
		}
	}
	return lo, hi
}

func (o objective) verdict(missed, n int64, lo, hi float64) (verdict, reason string) {
	share := float64(missed) / float64(n)
	what := fmt.Sprintf("%d of %d requests (%s) were over %s or failed", missed, n, percent(share), report.FormatValue(report.Time, o.gate.Limit))
	if o.errors {
		what = fmt.Sprintf("%d of %d requests (%s) failed", missed, n, percent(share))
	}
	what += fmt.Sprintf(" [%s, %s], %s may", percent(lo), percent(hi), percent(o.allowed))
	switch {
	case o.allowed == 0 && missed == 0:
		return report.Pass, what
	case hi <= o.allowed:
		return report.Pass, what
	case lo > o.allowed:
		return report.Fail, what
	}
	return report.GateInconclusive, what + ": measure longer"
}

// judgeSLOs judges every objective, and gates on other metrics by their values, into d's gates and the details.
func judgeSLOs(d *report.Document, slos []report.Gate, f *report.LoadFigures) []report.LoadSLO {
	var list []report.LoadSLO
	for _, g := range slos {
		var s report.LoadSLO
		if o, ok := objectiveOf(g); ok {
			s = o.judge(f)
			s.Headroom = headroom(d, g)
		} else {
			r := g.Eval(d)
			s = report.LoadSLO{Expr: g.Expr, Verdict: r.Verdict, Reason: r.Reason}
		}
		list = append(list, s)
		d.Gates = append(d.Gates, report.GateResult{Expr: g.Expr, Verdict: s.Verdict, Reason: s.Reason})
	}
	return list
}

// headroom is how far the upper end of the metric's interval stays below the limit, as a share of the limit.
func headroom(d *report.Document, g report.Gate) *float64 {
	m := d.Metric(g.Metric, nil)
	if m == nil || m.Value == nil || g.Limit <= 0 {
		return nil
	}
	at := *m.Value
	if m.Hi != nil {
		at = *m.Hi
	}
	h := (g.Limit - at) / g.Limit
	return &h
}

// searchable returns the objectives of a search, and refuses what no single request can be judged by.
func searchable(slos []report.Gate) ([]objective, error) {
	var list []objective
	for _, g := range slos {
		o, ok := objectiveOf(g)
		if !ok {
			return nil, fault.New(fault.Usage, "use a percentile such as p99<20ms, latency_max<1s or error_rate<0.1%",
				"a search cannot judge %q: it says nothing of single requests", g.Expr)
		}
		list = append(list, o)
	}
	if len(list) == 0 {
		return nil, fault.New(fault.Usage, "pass --slo 'p99<20ms'", "--find-max-rps has no objective to search by")
	}
	return list, nil
}

// percent writes a share for people, with the digits that a small one needs.
func percent(x float64) string {
	if math.IsNaN(x) {
		return "—"
	}
	return report.FormatValue(report.Ratio, x)
}
