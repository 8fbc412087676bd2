// Package report owns the result document "infer.report/v1": its schema, reading and writing it, merging, and gates.
package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Schema is the value of a document's "schema" field. Changes under it are additive only.
const Schema = "infer.report/v1"

// Verdict is the outcome of a whole document.
type Verdict string

// The verdicts of a document.
const (
	OK            Verdict = "ok"
	FailedGate    Verdict = "failed_gate"
	Regressed     Verdict = "regressed"
	Inconclusive  Verdict = "inconclusive"
	Invalid       Verdict = "invalid"
	NotComparable Verdict = "not_comparable"
	Interrupted   Verdict = "interrupted"
)

// Document is one result, whatever the verb. Fields that a reader does not know are kept in Extra and written back.
type Document struct {
	Schema   string                     `json:"schema"`
	Kind     string                     `json:"kind"` // inspect predict profile quantize convert optimize loadtest compare tune report deploy runtime version
	Created  time.Time                  `json:"created"`
	Verdict  Verdict                    `json:"verdict"`
	Manifest Manifest                   `json:"manifest"`
	Metrics  []Metric                   `json:"metrics"`
	Gates    []GateResult               `json:"gates"`
	Validity Validity                   `json:"validity"`
	Warnings []string                   `json:"warnings"`
	Details  json.RawMessage            `json:"details"`
	Extra    map[string]json.RawMessage `json:"-"`
}

// New returns a document of a kind, created now, with verdict ok, validity valid and nothing in it.
// Its slices are empty and not nil, so that its JSON has [] everywhere.
func New(kind string) *Document {
	return &Document{
		Schema:   Schema,
		Kind:     kind,
		Created:  time.Now().UTC().Truncate(time.Millisecond),
		Verdict:  OK,
		Metrics:  []Metric{},
		Gates:    []GateResult{},
		Validity: Validity{Verdict: Valid, Checks: []Check{}},
		Warnings: []string{},
		Details:  json.RawMessage("{}"),
	}
}

// Add appends metrics.
func (d *Document) Add(ms ...Metric) { d.Metrics = append(d.Metrics, ms...) }

// Warn appends a warning, formatted like fmt.Sprintf, unless the same text is already there.
func (d *Document) Warn(format string, args ...any) {
	w := fmt.Sprintf(format, args...)
	if !slices.Contains(d.Warnings, w) {
		d.Warnings = append(d.Warnings, w)
	}
}

// AddCheck appends a check of the measuring conditions; one that is not ok makes the validity invalid.
func (d *Document) AddCheck(name string, ok bool, format string, args ...any) {
	d.Validity.Checks = append(d.Validity.Checks, Check{Name: name, OK: ok, Detail: fmt.Sprintf(format, args...)})
	if !ok {
		d.Validity.Verdict = NotValid
	}
}

// SetDetails stores v, usually one of the …Details types of this package, as the document's details.
// It fails when v has no JSON form, a NaN for instance.
func (d *Document) SetDetails(v any) error {
	b, err := marshal(v)
	if err != nil {
		return fmt.Errorf("details of the %s report: %w", d.Kind, err)
	}
	d.Details = b
	return nil
}

// Metric returns the metric of exactly this name and these labels (nil is no labels), or nil.
// The pointer is into d.Metrics.
func (d *Document) Metric(name string, labels map[string]string) *Metric {
	for i := range d.Metrics {
		if m := &d.Metrics[i]; m.Name == name && maps.Equal(m.Labels, labels) {
			return m
		}
	}
	return nil
}

// marshal is json.Marshal without the escapes for HTML: a report is read by people, too.
func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// Metric is one measured or counted number.
type Metric struct {
	Name       string            `json:"name"`                 // "latency_p99"
	Unit       string            `json:"unit"`                 // base unit: "s", "B", "1/s", "1" for ratios and counts, or "dB"
	Better     string            `json:"better"`               // "lower" or "higher"; "" where neither is better
	Value      *float64          `json:"value"`                // nil: the sample cannot support it
	Lo         *float64          `json:"lo,omitempty"`         // interval at Confidence, by Method; absent for exact counts
	Hi         *float64          `json:"hi,omitempty"`         //
	Confidence float64           `json:"confidence,omitempty"` //
	N          int               `json:"n"`                    // sample size behind Value
	Method     string            `json:"method,omitempty"`     // "order-statistic", "count", …
	Labels     map[string]string `json:"labels,omitempty"`     // {"batch": "8"}
}

// The verdicts of one gate, in GateResult.Verdict, and of Validity.
const (
	Pass             = "pass"
	Fail             = "fail"
	GateInconclusive = "inconclusive"
	Valid            = "valid"
	NotValid         = "invalid"
)

// GateResult is one gate with its outcome.
type GateResult struct {
	Expr    string `json:"expr"`
	Verdict string `json:"verdict"` // pass, fail or inconclusive
	Reason  string `json:"reason"`
}

// AdvicePrefix begins the Expr of a gate that no rule of the advice may apply, and its name follows: "advice LAYOUT".
const AdvicePrefix = "advice "

// OfAdvice reports whether g asks for a rule of the advice, and not for a metric.
func (g GateResult) OfAdvice() bool { return strings.HasPrefix(g.Expr, AdvicePrefix) }

// Validity says whether the numbers can be believed, check by check.
type Validity struct {
	Verdict string  `json:"verdict"` // valid or invalid
	Checks  []Check `json:"checks"`
}

// Check is one test of the measuring conditions.
type Check struct {
	Name   string `json:"name"` // "cpu_throttled"
	OK     bool   `json:"ok"`
	Detail string `json:"detail"`
}

// Manifest records what a run needs to be repeated.
type Manifest struct {
	Model    *ModelRef         `json:"model,omitempty"`
	Tool     string            `json:"tool"` // infer's version
	Go       string            `json:"go,omitempty"`
	Runtime  *RuntimeRef       `json:"runtime,omitempty"`
	Host     map[string]any    `json:"host,omitempty"`           // fingerprint: internal/host.Facts as JSON
	CPUs     float64           `json:"effective_cpus,omitempty"` // CPUs this process may really use
	Options  map[string]any    `json:"options,omitempty"`        // effective options of the verb
	Bindings map[string]string `json:"bindings,omitempty"`       // input or dynamic axis → what it was bound to
	Data     *DataRef          `json:"data,omitempty"`
	Seed     *uint64           `json:"seed,omitempty"`
	Command  []string          `json:"command,omitempty"`
}

// ModelRef identifies a model file.
type ModelRef struct {
	Path   string `json:"path"`
	SHA256 string `json:"sha256"` // hex, over the file and its external data
	Bytes  int64  `json:"bytes"`
}

// RuntimeRef identifies the runtime library.
type RuntimeRef struct {
	Name      string   `json:"name"` // "onnxruntime"
	Version   string   `json:"version"`
	Path      string   `json:"path"`
	SHA256    string   `json:"sha256,omitempty"`
	Flavor    string   `json:"flavor,omitempty"`    // "cpu", or the accelerator that the library was built for
	Providers []string `json:"providers,omitempty"` // in the order asked for

	ProviderLibraries []FileDigest `json:"provider_libraries,omitempty"` // the files of providers that are files of their own
	CustomOps         []FileDigest `json:"custom_ops,omitempty"`         // libraries with custom operators
}

// DataRef identifies the input data.
type DataRef struct {
	Source string `json:"source"` // a path, "random" or "zeros"
	SHA256 string `json:"sha256,omitempty"`
	Rows   int64  `json:"rows,omitempty"`
}
