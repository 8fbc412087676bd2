package render

import (
	stdcsv "encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"

	"infer/report"
)

func compareDetails(d *report.Document) (c report.CompareDetails, err error) {
	if d.Kind == "compare" && len(d.Details) > 0 {
		err = json.Unmarshal(d.Details, &c)
	}
	return c, err
}

// writeCompareCSV writes one compared metric a row. lo and hi are of ratio, or where that is empty, of difference; p is
// Holm-adjusted where a gate has it, n counts pairs, or of files, runs of the smaller side.
func writeCompareCSV(w io.Writer, c report.CompareDetails) error {
	out := stdcsv.NewWriter(w)
	out.UseCRLF = true
	if err := out.Write([]string{"name", "labels", "unit", "better", "base", "head", "ratio", "difference", "lo", "hi", "p", "mde", "n", "gate", "verdict"}); err != nil {
		return err
	}
	for _, m := range c.Metrics {
		lo, hi, p := m.RatioLo, m.RatioHi, m.PAdjusted
		if m.Ratio == nil {
			lo, hi = m.ChangeLo, m.ChangeHi
		}
		if p == nil {
			p = m.PValue
		}
		row := []string{clean(m.Name), clean(report.LabelText(m.Labels)), clean(m.Unit), clean(m.Better), inFull(m.Base), inFull(m.Head), inFull(m.Ratio), inFull(m.Change),
			inFull(lo), inFull(hi), inFull(p), inFull(m.MDE), strconv.Itoa(m.Pairs), clean(m.Gate), clean(m.Verdict)}
		if err := out.Write(row); err != nil {
			return err
		}
	}
	out.Flush()
	return out.Error()
}

// addComparison adds a case for each gate: missed is a failure, inconclusive skipped, or a failure when the run is
// strict, and an error where the comparison as a whole is none. Without gates there is one case, of the verdict.
func (s *testSuite) addComparison(d *report.Document, c report.CompareDetails, o Options) {
	why, v := "", newComparison(d, c)
	if d.Verdict == report.Invalid || d.Verdict == report.NotComparable {
		why = strings.TrimSuffix(string(d.Verdict)+": "+v.headline(), ": ")
	}
	for _, g := range d.Gates {
		x := testCase{Class: "infer.compare.gate", Name: clean(g.Expr)}
		if m, ok := v.metricOf(g); ok {
			x.Properties = gateProperties(m)
			if !strings.HasPrefix(g.Reason, m.Name) {
				g.Reason = strings.TrimSuffix(metricName(m)+" "+v.moved(m)+": "+g.Reason, ": ")
			}
		}
		s.judge(&x, g, why, o)
	}
	if len(d.Gates) > 0 {
		return
	}
	verdict := report.GateResult{Verdict: report.Pass, Reason: string(d.Verdict) + ": " + c.Reason}
	if d.Verdict != report.OK {
		verdict.Verdict = report.GateInconclusive
	}
	s.judge(&testCase{Class: "infer.compare.verdict", Name: "verdict"}, verdict, why, o)
}

// judge adds a case with the verdict of g, or as an error where why says what is wrong with the whole.
func (s *testSuite) judge(x *testCase, g report.GateResult, why string, o Options) {
	switch {
	case why != "":
		x.Error = &message{Type: "untrusted", Message: clean(why)}
		s.Errors++
	case g.Verdict == report.Pass:
		x.Output = clean(g.Reason)
	case g.Verdict == report.Fail || o.Strict:
		kind := "regression"
		if parsed, err := report.ParseGate(g.Expr); err == nil && !parsed.Relative {
			kind = "gate"
		}
		if g.Verdict != report.Fail {
			kind = "inconclusive"
		}
		x.Failure = &message{Type: kind, Message: clean(g.Reason)}
		s.Failures++
	default:
		x.Skipped = &message{Message: clean("inconclusive: " + g.Reason)}
		s.Skipped++
	}
	s.Cases = append(s.Cases, *x)
}

// gateProperties are the numbers that a gate stands on, in base units.
func gateProperties(m report.CompareMetric) *properties {
	p := &properties{List: []property{{"metric", clean(metricName(m))}, {"unit", clean(m.Unit)}, {"better", clean(m.Better)}}}
	for _, x := range []struct {
		name string
		v    *float64
	}{{"base", m.Base}, {"head", m.Head}, {"ratio", m.Ratio}, {"ratio_lo", m.RatioLo}, {"ratio_hi", m.RatioHi}, {"difference", m.Change},
		{"difference_lo", m.ChangeLo}, {"difference_hi", m.ChangeHi}, {"p_value", m.PValue}, {"p_adjusted", m.PAdjusted}, {"mde", m.MDE}} {
		if x.v != nil {
			p.List = append(p.List, property{x.name, inFull(x.v)})
		}
	}
	p.List = append(p.List, property{"pairs", fmt.Sprint(m.Pairs)})
	return p
}
