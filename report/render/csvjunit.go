package render

import (
	stdcsv "encoding/csv"
	"encoding/json"
	"encoding/xml"
	"io"
	"math"
	"slices"
	"strconv"

	"infer/report"
)

// writeCSV writes one metric a row (RFC 4180). Numbers are in base units and in full; what is missing is empty. The
// points of a latency-throughput curve and the configurations of a decision are metrics with labels. A comparison has other columns: both sides of a metric, or
// of the nodes of two profiles.
func writeCSV(w io.Writer, d *report.Document) error {
	if c, err := compareDetails(d); d.Kind == "compare" && err == nil {
		return writeCompareCSV(w, c)
	}
	if x := diffOf(d); x != nil {
		return writeDeltaCSV(w, x)
	}
	c := stdcsv.NewWriter(w)
	c.UseCRLF = true
	if err := c.Write([]string{"name", "labels", "value", "unit", "lo", "hi", "confidence", "n", "method"}); err != nil {
		return err
	}
	for _, m := range slices.Concat(d.Metrics, loadMetrics(d), decisionMetrics(d), tuneMetrics(d)) {
		confidence := ""
		if m.Confidence != 0 {
			confidence = inFull(&m.Confidence)
		}
		row := []string{clean(m.Name), clean(report.LabelText(m.Labels)), inFull(m.Value), m.Unit, inFull(m.Lo), inFull(m.Hi), confidence, strconv.Itoa(m.N), clean(m.Method)}
		if err := c.Write(row); err != nil {
			return err
		}
	}
	c.Flush()
	return c.Error()
}

// inFull writes a number with all its digits, "" for nil.
func inFull(v *float64) string {
	if v == nil {
		return ""
	}
	if *v == math.Trunc(*v) && math.Abs(*v) < 1e15 {
		return strconv.FormatFloat(*v, 'f', 0, 64)
	}
	return strconv.FormatFloat(*v, 'g', -1, 64)
}

// The elements of JUnit's XML as continuous-integration servers read it.
type (
	testSuites struct {
		XMLName  xml.Name    `xml:"testsuites"`
		Name     string      `xml:"name,attr"`
		Tests    int         `xml:"tests,attr"`
		Failures int         `xml:"failures,attr"`
		Errors   int         `xml:"errors,attr,omitempty"`
		Skipped  int         `xml:"skipped,attr"`
		Suites   []testSuite `xml:"testsuite"`
	}
	testSuite struct {
		kind      string
		Name      string     `xml:"name,attr"`
		Timestamp string     `xml:"timestamp,attr"`
		Tests     int        `xml:"tests,attr"`
		Failures  int        `xml:"failures,attr"`
		Errors    int        `xml:"errors,attr,omitempty"`
		Skipped   int        `xml:"skipped,attr"`
		Cases     []testCase `xml:"testcase"`
	}
	testCase struct {
		Class      string      `xml:"classname,attr"`
		Name       string      `xml:"name,attr"`
		Properties *properties `xml:"properties,omitempty"`
		Error      *message    `xml:"error,omitempty"`
		Failure    *message    `xml:"failure,omitempty"`
		Skipped    *message    `xml:"skipped,omitempty"`
		Output     string      `xml:"system-out,omitempty"`
	}
	properties struct {
		List []property `xml:"property"`
	}
	property struct {
		Name  string `xml:"name,attr"`
		Value string `xml:"value,attr"`
	}
	message struct {
		Type    string `xml:"type,attr,omitempty"`
		Message string `xml:"message,attr"`
	}
)

// writeJUnit writes the verdict, the gates and the validity checks as test cases. An inconclusive gate is skipped,
// or a failure when the run is strict; a check that is not ok is a failure when the run exits 4 and skipped else. A
// comparison has its gates alone.
func writeJUnit(w io.Writer, d *report.Document, o Options) error {
	s := testSuite{kind: d.Kind, Name: "infer " + d.Kind, Timestamp: d.Created.UTC().Format("2006-01-02T15:04:05")}
	if c, err := compareDetails(d); d.Kind == "compare" && err == nil {
		s.addComparison(d, c, o)
		return s.write(w)
	}
	exit := report.ExitCode(d, o.Strict)
	judged := decisionDetails(d).SLO
	if len(judged) > 0 {
		s.addDecision(d, o)
	} else {
		s.add("verdict", "verdict", string(d.Verdict), string(d.Verdict)+": "+title(d), d.Verdict == report.OK || d.Verdict == report.Inconclusive && exit == 0, exit != 0)
	}
	slos := loadSLOs(d)
	for _, g := range d.Gates {
		if slices.Contains(judged, g.Expr) {
			continue // it is among those of its configuration
		}
		class := "gate"
		if slices.ContainsFunc(slos, func(s report.LoadSLO) bool { return s.Expr == g.Expr }) {
			class = "slo"
		}
		s.add(class, g.Expr, g.Verdict, g.Reason, g.Verdict == report.Pass, g.Verdict == report.Fail || o.Strict)
	}
	for _, x := range slos {
		if !slices.ContainsFunc(d.Gates, func(g report.GateResult) bool { return g.Expr == x.Expr }) {
			s.add("slo", x.Expr, x.Verdict, x.Reason, x.Verdict == report.Pass, x.Verdict == report.Fail || o.Strict)
		}
	}
	for _, f := range checkFindings(d) {
		s.add("check", f.Name, f.Level, f.Detail, f.Level != "error", true)
	}
	for _, c := range d.Validity.Checks {
		s.add("validity", c.Name, "invalid", c.Detail, c.OK, exit == 4)
	}
	return s.write(w)
}

// add adds a case that passed, or failed, or was skipped.
func (s *testSuite) add(class, name, kind, text string, ok, fails bool) {
	c := testCase{Class: "infer." + s.kind + "." + class, Name: clean(name)}
	switch {
	case ok:
		c.Output = clean(text)
	case fails:
		c.Failure = &message{Type: kind, Message: clean(text)}
		s.Failures++
	default:
		c.Skipped = &message{Message: clean(text)}
		s.Skipped++
	}
	s.Cases = append(s.Cases, c)
}

// write writes s as the only suite of a file.
func (s testSuite) write(w io.Writer) error {
	s.Tests = len(s.Cases)
	all := testSuites{Name: s.Name, Tests: s.Tests, Failures: s.Failures, Errors: s.Errors, Skipped: s.Skipped, Suites: []testSuite{s}}
	b, err := xml.MarshalIndent(all, "", "  ")
	if err != nil {
		return err
	}
	_, err = io.WriteString(w, xml.Header+string(b)+"\n")
	return err
}

// checkFindings returns what the check of an artifact found; nil of other documents.
func checkFindings(d *report.Document) []report.Finding {
	var x report.ConvertDetails
	if d.Kind != "convert" || json.Unmarshal(d.Details, &x) != nil || x.Check == nil {
		return nil
	}
	return x.Check.Findings
}

// loadSLOs returns the objectives of a load test; nil of other documents, and where the details cannot be read.
func loadSLOs(d *report.Document) []report.LoadSLO {
	l, _ := loadDetails(d)
	return l.SLO
}

// loadMetrics returns the points of the curve of a load test as metrics, but those that d has.
func loadMetrics(d *report.Document) []report.Metric {
	l, _ := loadDetails(d)
	var ms []report.Metric
	for _, p := range l.Points {
		labels, rows := p.Labels(), rowsPerSecond(d, p)
		for _, x := range []struct {
			name      string
			v, lo, hi *float64
		}{{"throughput", &p.Throughput, nil, nil}, {"row_throughput", &rows, nil, nil}, {"goodput", &p.Goodput, nil, nil}, {"error_rate", &p.ErrorRate, nil, nil},
			{"latency_p50", p.P50, nil, nil}, {"latency_p90", p.P90, nil, nil}, {"latency_p99", p.P99, p.P99Lo, p.P99Hi}} {
			if x.name == "row_throughput" && p.Batch <= 1 || d.Metric(x.name, labels) != nil {
				continue
			}
			m := report.NewMetric(x.name)
			m.Value, m.Lo, m.Hi, m.N, m.Labels = x.v, x.lo, x.hi, int(p.N), labels
			if m.Lo != nil {
				m.Confidence = 0.95
			}
			ms = append(ms, m)
		}
	}
	return ms
}

func loadDetails(d *report.Document) (l report.LoadDetails, err error) {
	if d.Kind == "loadtest" && len(d.Details) > 0 {
		err = json.Unmarshal(d.Details, &l)
	}
	return l, err
}
