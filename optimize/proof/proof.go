// Package proof owns what shows that a changed model is as good as the one that it was made of: that its outputs agree,
// and that it is not slower, in the words of a report.
package proof

import (
	"context"
	"fmt"
	"math"
	"time"

	"infer/internal/fault"
	"infer/internal/progress"
	"infer/internal/stats"
	"infer/model/agree"
	"infer/model/engine"
	"infer/model/measure"
	"infer/model/tensor"
	"infer/report"
)

// The verdicts of a report.Agreement.
const (
	Equal  = "equal"   // bit for bit, but for the sign of zero
	Within = "within"  // the tolerance
	Drifts = "drifts"  // some output is outside
	NotRun = "not_run" // Why says why
)

// Outputs compares what s answers with the reference. source says where the inputs come from, in words.
func Outputs(ctx context.Context, ref *agree.Reference, s engine.Session, t agree.Tolerance, source string) (report.Agreement, error) {
	r, err := ref.Compare(ctx, s, t)
	if err != nil {
		return report.Agreement{}, err
	}
	return Agreement(r, source), nil
}

// Agreement returns a comparison as a report has it.
func Agreement(r *agree.Result, source string) report.Agreement {
	a := report.Agreement{Verdict: Equal, Source: source, Sets: r.Sets, Rel: r.Tolerance.Rel, Abs: r.Tolerance.Abs, Share: r.Tolerance.Share}
	switch {
	case !r.Compared():
		a.Verdict, a.Why = NotRun, "no output could be compared"
	case !r.Within():
		a.Verdict, a.Why = Drifts, r.Why()
	case !r.Equal():
		a.Verdict = Within
	}
	for _, o := range r.Outputs {
		if o.Skipped {
			a.Notes = append(a.Notes, fmt.Sprintf("output %q is random: it differs from run to run of the original itself, and was not compared", o.Name))
			continue
		}
		a.Outputs = append(a.Outputs, report.OutputDrift{
			Output: o.Name, DType: o.DType.String(), Elements: o.Elements, Beyond: o.Beyond, MaxAbs: finite(o.MaxAbs), MaxRel: finite(o.MaxRel),
			SQNR: o.SQNR, Rows: o.Rows, Same: o.Same, Why: o.Why,
		})
	}
	return a
}

// finite returns x, or the largest number where it is infinite: JSON has no infinity.
func finite(x float64) float64 { return min(x, math.MaxFloat64) }

// SpeedOptions says how long two models are raced.
type SpeedOptions struct {
	MaxTime  time.Duration // 0: 10 s
	Seed     uint64
	Progress progress.Func
}

// Speed measures base and head in turns on the same inputs; head may take half precision where base takes float32. It
// is nil where ctx ended first.
func Speed(ctx context.Context, base, head engine.Session, in []tensor.Tensor, o SpeedOptions) (*report.SpeedChange, error) {
	list, err := Speeds(ctx, base, []engine.Session{head}, in, o)
	if err != nil || len(list) == 0 {
		return nil, err
	}
	return list[0], nil
}

// Speeds is Speed of several heads in one race.
func Speeds(ctx context.Context, base engine.Session, heads []engine.Session, in []tensor.Tensor, o SpeedOptions) ([]*report.SpeedChange, error) {
	if o.MaxTime == 0 {
		o.MaxTime = 10 * time.Second
	}
	var runs []measure.Run
	var timed []measure.Timed
	for _, s := range append([]engine.Session{base}, heads...) {
		given, err := agree.Suit(in, s.Inputs())
		if err != nil {
			return nil, err
		}
		run, t, release, err := measure.Bind(ctx, s, given)
		if err != nil {
			return nil, fault.Wrap(err, "measure speed")
		}
		defer release()
		runs, timed = append(runs, run), append(timed, t)
	}
	r, err := measure.Race(ctx, runs, timed, measure.RaceOptions{MaxTime: o.MaxTime, Seed: o.Seed, Progress: o.Progress, Phase: "measure speed"})
	if err != nil || r.Interrupted {
		return nil, err
	}
	var list []*report.SpeedChange
	for _, c := range r.Contenders[1:] {
		list = append(list, &report.SpeedChange{
			Base: level(r.Contenders[0].P50), Head: level(c.P50), Speedup: level(c.Speedup), Outcome: string(c.Outcome), Rounds: c.Rounds,
		})
	}
	return list, nil
}

// Metrics returns the metrics of a change of speed.
func Metrics(s *report.SpeedChange) []report.Metric {
	if s == nil {
		return nil
	}
	var list []report.Metric
	for _, x := range []struct {
		name   string
		level  report.Level95
		method string
	}{{"latency_p50", s.Head, "order-statistic"}, {"latency_p50_base", s.Base, "order-statistic"}, {"speedup", s.Speedup, "median of paired rounds"}} {
		if x.level.N == 0 {
			continue
		}
		m := report.NewMetric(x.name)
		v := x.level.Value
		m.Value, m.Lo, m.Hi, m.N, m.Method = &v, x.level.Lo, x.level.Hi, x.level.N, x.method
		if m.Lo != nil {
			m.Confidence = measure.Confidence
		}
		list = append(list, m)
	}
	return list
}

// Drift returns the metrics of an agreement: the largest difference of floating-point outputs, the least SQNR, the share
// of rows with the same largest element.
func Drift(a report.Agreement) []report.Metric {
	if len(a.Outputs) == 0 {
		return nil
	}
	worst, elements := 0.0, int64(0)
	var sqnr *float64
	rows, same := int64(0), int64(0)
	for _, o := range a.Outputs {
		worst, elements = max(worst, o.MaxAbs), elements+o.Elements
		if o.SQNR != nil && (sqnr == nil || *o.SQNR < *sqnr) {
			sqnr = o.SQNR
		}
		rows, same = rows+o.Rows, same+o.Same
	}
	list := []report.Metric{sampled("max_abs_diff", worst, elements)}
	if sqnr != nil {
		list = append(list, sampled("sqnr_db", *sqnr, elements))
	}
	if rows > 0 {
		m := sampled("agreement_top1", float64(same)/float64(rows), rows)
		e := stats.Wilson(int(same), int(rows), measure.Confidence)
		m.Lo, m.Hi, m.Confidence, m.Method = &e.Lo, &e.Hi, measure.Confidence, "wilson"
		list = append(list, m)
	}
	return list
}

// sampled is a metric of what was seen: an interval for what was not would be a guess.
func sampled(name string, value float64, n int64) report.Metric {
	m := report.NewMetric(name)
	m.Value, m.N, m.Method = &value, int(n), "worst seen"
	return m
}

// level is an estimate as a report has it; without an interval where the sample supports none.
func level(e stats.Estimate) report.Level95 {
	l := report.Level95{Value: e.Value, N: e.N}
	if e.OK {
		lo, hi := e.Lo, e.Hi
		l.Lo, l.Hi = &lo, &hi
	}
	return l
}

// Slower reports whether a race leaves no doubt that the head is slower: the whole interval of its speedup is below 1.
func Slower(s *report.SpeedChange) bool { return s.Outcome == string(measure.Slower) }
