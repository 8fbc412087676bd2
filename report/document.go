// Package report owns the result document "infer.report/v1": its schema, reading and writing it, merging, and gates.
package report

import (
	"encoding/json"
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
	Kind     string                     `json:"kind"` // inspect predict profile quantize convert optimize loadtest compare tune report runtime version
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

// Metric is one measured or counted number.
type Metric struct {
	Name       string            `json:"name"`                 // "latency_p99"
	Unit       string            `json:"unit"`                 // base unit: "s", "B", "1/s", or "1" for ratios and counts
	Better     string            `json:"better"`               // "lower" or "higher"; "" where neither is better
	Value      *float64          `json:"value"`                // nil: the sample cannot support it
	Lo         *float64          `json:"lo,omitempty"`         // interval at Confidence, by Method; absent for exact counts
	Hi         *float64          `json:"hi,omitempty"`         //
	Confidence float64           `json:"confidence,omitempty"` //
	N          int               `json:"n"`                    // sample size behind Value
	Method     string            `json:"method,omitempty"`     // "order-statistic", "count", …
	Labels     map[string]string `json:"labels,omitempty"`     // {"batch": "8"}
}

// GateResult is one gate with its outcome.
type GateResult struct {
	Expr    string `json:"expr"`
	Verdict string `json:"verdict"` // pass, fail or inconclusive
	Reason  string `json:"reason"`
}

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
	Providers []string `json:"providers,omitempty"` // in the order asked for
}

// DataRef identifies the input data.
type DataRef struct {
	Source string `json:"source"` // a path, "random" or "zeros"
	SHA256 string `json:"sha256,omitempty"`
	Rows   int64  `json:"rows,omitempty"`
}
