package report

import (
	"math"
	"strconv"
	"strings"
	"unicode"
)

// DecisionDetails is the details of kind "report": what several runs say together about which configuration to deploy.
// Times are seconds, sizes bytes, rates 1/s, shares in [0, 1].
type DecisionDetails struct {
	Headline       string           `json:"headline"`                  // the decision in a sentence
	Chosen         string           `json:"chosen,omitempty"`          // name of the configuration to deploy; "": none meets the objectives
	Base           string           `json:"base,omitempty"`            // name of the one that the others are compared with: the first
	SLO            []string         `json:"slo"`                       // expressions, as typed
	AccuracyTarget float64          `json:"accuracy_target,omitempty"` // share of the base's accuracy to keep, of which the last of SLO follows
	Configs        []DecisionConfig `json:"configs"`                   // in the order in which they were named
	Price          []DecisionPrice  `json:"price,omitempty"`           // the basis of every cost
	Demand         float64          `json:"demand,omitempty"`          // rate to plan for, 1/s (--rps)
	Use            float64          `json:"utilization"`               // share of its capacity that a replica is planned to be used at
	Quality        string           `json:"quality,omitempty"`         // the metric of the Pareto chart's accuracy: "accuracy_top1" or "agreement_top1"; "": no configuration has one
	Outcomes       []Outcome        `json:"outcomes,omitempty"`        // of --outcome
	Steps          []DecisionStep   `json:"steps,omitempty"`           // what each configuration gains over the one before it
	Sources        []CompareRun     `json:"sources"`                   // the documents
	Notes          []string         `json:"notes,omitempty"`           // warnings about the documents, whatever is decided; they are among those of the document, too
	Levers         []string         `json:"levers,omitempty"`          // what may help where no configuration meets the objectives
	Next           *NextStep        `json:"next,omitempty"`
}

// DecisionConfig is one way to run a model, and all that is known about it.
type DecisionConfig struct {
	Name      string              `json:"name"`
	Model     *ModelRef           `json:"model,omitempty"`
	What      string              `json:"what,omitempty"`    // threads, batching, protocol: what sets it apart
	Target    string              `json:"target,omitempty"`  // the begin of a command that loads it again: "infer loadtest http://localhost:8000"
	Machine   string              `json:"machine,omitempty"` // fingerprint
	Host      string              `json:"host,omitempty"`    // of that machine, in words
	Metrics   []Metric            `json:"metrics"`           // of all its documents; latency from the load test where there is one
	SLO       []DecisionObjective `json:"slo"`               // as DecisionDetails.SLO
	Verdict   string              `json:"verdict"`           // pass, fail or inconclusive: the worst of SLO
	Valid     bool                `json:"valid"`
	Why       string              `json:"why,omitempty"`    // not valid
	At        string              `json:"at,omitempty"`     // the load that Metrics are of, where its load tests have several: "600 /s"
	Judged    []LoadSLO           `json:"judged,omitempty"` // what its load tests themselves say of objectives; At is the labels of the point, "rps=600"
	Front     bool                `json:"pareto"`           // no other is better in accuracy and not worse in p99, or the other way round, as far as the intervals tell
	Dominated string              `json:"dominated_by,omitempty"`
	AtSLO     *Level95            `json:"throughput_at_slo,omitempty"`   // 1/s, highest that was seen to hold every objective
	Bound     bool                `json:"throughput_is_bound,omitempty"` // AtSLO is no limit: nothing above it was tried
	Cost      *Level95            `json:"cost_per_million,omitempty"`    // of inferences, in the currency of its price
	Replicas  int                 `json:"replicas,omitempty"`            // for Demand
	Hourly    *float64            `json:"hourly,omitempty"`              // price of them
	Relative  []CompareMetric     `json:"relative,omitempty"`            // against the base configuration
	Shares    []Share             `json:"shares,omitempty"`              // where its time goes, by operator
	Tail      *LoadTail           `json:"tail,omitempty"`                // where the time of its slowest requests goes
	Curve     []LoadPoint         `json:"curve,omitempty"`
	Cold      []ColdStart         `json:"cold,omitempty"`
	Checks    []Check             `json:"checks,omitempty"`
	Commands  []string            `json:"commands,omitempty"`  // that made its documents, to run again
	Manifests []Manifest          `json:"manifests,omitempty"` // of its documents
}

// DecisionObjective is one objective of a configuration.
type DecisionObjective struct {
	Expr     string   `json:"expr"`
	Limit    float64  `json:"limit"`              // in the metric's unit
	Measured *Metric  `json:"measured"`           // nil: not measured
	Headroom *float64 `json:"headroom,omitempty"` // share of the limit that is left; negative: by how much it is missed
	Verdict  string   `json:"verdict"`            // pass, fail or inconclusive
	Reason   string   `json:"reason"`
}

// DecisionPrice is what an hour of a machine costs.
type DecisionPrice struct {
	Config   string  `json:"config,omitempty"` // "": all that have none of their own
	Hour     float64 `json:"per_hour"`
	Currency string  `json:"currency,omitempty"` // sign or code as typed, "$" or "EUR"
	Basis    string  `json:"basis"`              // as typed, with the date on which it was given
}

// DecisionStep is what one configuration changes against the one before it.
type DecisionStep struct {
	From    string          `json:"from"`
	To      string          `json:"to"`
	At      string          `json:"at,omitempty"` // the load that latency, throughput and error_rate are of: "150 /s"; "": none, or the same of one caller after the other
	Metrics []CompareMetric `json:"metrics"`
	Notes   []string        `json:"notes,omitempty"` // how to read them, and what was left out
}

// Outcome is what a business measured of a variant, beside what was measured of the model.
type Outcome struct {
	Variant string   `json:"variant"` // name of a configuration
	Metric  string   `json:"metric"`
	Value   float64  `json:"value"`
	N       int64    `json:"n"`
	Lo      *float64 `json:"lo,omitempty"` // 95 % interval; nil: n and value alone do not tell it
	Hi      *float64 `json:"hi,omitempty"`
	Method  string   `json:"method,omitempty"` // "wilson" of a share, "t" of a mean with SD, "given"
	SD      *float64 `json:"sd,omitempty"`     // standard deviation of the N values
	Change  *Level95 `json:"change,omitempty"` // against the base configuration
}

// FormatMoney writes an amount for people: "$0.034" or "12.40 EUR". Currency is that of a DecisionPrice; "" is none.
func FormatMoney(currency string, v float64) string {
	text := significant(v, 3)
	switch a := math.Abs(v); {
	case a >= 1:
		text = strconv.FormatFloat(v, 'f', 2, 64)
	case a >= 0.1:
		text = strings.TrimSuffix(text, "0") // $0.80
	}
	switch {
	case currency == "":
		return text
	case strings.ContainsFunc(currency, unicode.IsLetter):
		return text + " " + currency
	}
	return currency + text
}
