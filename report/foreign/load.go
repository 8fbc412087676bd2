package foreign

import (
	"fmt"
	"math"
	"strings"

	"infer/internal/fault"
	"infer/report"
)

// load is a document on its way.
type load struct {
	d *report.Document
	x report.LoadDetails
}

// newLoad begins a document of a tool's result. loop is "open" or "closed", as in report.LoadSchedule.
func newLoad(tool, loop string) *load {
	l := &load{d: report.New("loadtest")}
	l.d.Manifest.Tool = tool
	l.x.Schedule.Loop = loop
	if loop == "closed" {
		l.d.Warn("imported from %s: latency counts from when a request was sent, in a closed loop, so waits in the generator are not in it (coordinated omission)", tool)
	} else {
		l.d.Warn("imported from %s: latency counts from when a request was really sent; what it was sent late is not in it", tool)
	}
	return l
}

// document finishes the document of a format.
func (l *load) document(format string) (*report.Document, error) {
	l.d.Manifest.Options = map[string]any{"imported": format}
	if err := l.d.SetDetails(l.x); err != nil {
		return nil, err
	}
	if err := l.d.Validate(); err != nil {
		return nil, missing("its figures make no sense: %s", strings.ReplaceAll(err.Error(), "\n", "; "))
	}
	return l.d, nil
}

// add appends a metric that the tool wrote or that was counted: it has no interval. n is 0 where it is not known.
func (l *load) add(name string, value float64, n int, labels map[string]string) {
	m := report.NewMetric(name)
	m.Value, m.N, m.Method, m.Labels = &value, n, l.d.Manifest.Tool, labels
	if need := report.SamplesNeeded(name); n > 0 && n < need {
		m.Value = nil
		if strings.HasPrefix(name, "latency_") {
			l.warnShort(name, n, labels)
		}
	}
	l.d.Add(m)
}

// warnShort says that n answers are too few for a percentile.
func (l *load) warnShort(name string, n int, labels map[string]string) {
	l.d.Warn("%s needs %d answers, this sample has %d", called(name, labels), report.SamplesNeeded(name), n)
}

// called is the name of a metric with its labels.
func called(name string, labels map[string]string) string {
	if text := report.LabelText(labels); text != "" {
		return name + "{" + text + "}"
	}
	return name
}

// time appends a latency in seconds: "mean", "p99" or "max". A tool that counts from sending tells the service time; it is
// what it calls latency, too.
func (l *load) time(name string, seconds float64, n int, labels map[string]string) {
	l.add("latency_"+name, seconds, n, labels)
	l.add("service_"+name, seconds, n, labels)
}

// percentiles are those that documents have.
func percentiles() map[string]float64 {
	return map[string]float64{"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99}
}

// value returns the value of a metric that was added, nil for none.
func (l *load) value(name string, labels map[string]string) *float64 {
	if m := l.d.Metric(name, labels); m != nil {
		return m.Value
	}
	return nil
}

// fault appends what went wrong, unless it never did.
func (l *load) fault(outcome string, code int, text string, count int64) {
	if count > 0 {
		l.x.Faults = append(l.x.Faults, report.LoadFault{Outcome: outcome, Code: code, Text: text, Count: count})
	}
}

// outcome names what became of a request with an HTTP status that is no success, 0 for none.
func outcome(code int) string {
	switch code {
	case 0:
		return "broken"
	case 429, 503:
		return "refused"
	}
	return "failed"
}

// share is part of whole, 0 of nothing.
func share(part, whole float64) float64 {
	if whole <= 0 {
		return 0
	}
	return min(1, part/whole)
}

// sound returns an error unless every value is a finite number that is not negative. what says what they are.
func sound(what string, values ...float64) error {
	for _, v := range values {
		if math.IsNaN(v) || math.IsInf(v, 0) || v < 0 {
			return fault.New(fault.Usage, "give the file as the tool wrote it", "%s: %s is no such number", what, fmt.Sprint(v))
		}
	}
	return nil
}
