// Package decide owns the decision that several runs support: which configuration to deploy. It is pure: documents in,
// one document of kind "report" out.
package decide

import (
	"encoding/json"
	"time"

	"infer/internal/fault"
	"infer/report"
)

// Input is one document of a decision.
type Input struct {
	Name   string // of the configuration that it belongs to, as typed before "="; "": it follows from the document
	Path   string // of the file, as typed
	SHA256 string // hex, of the file
	Doc    *report.Document
}

// Options say by what is decided. The zero value shows what the documents say, by the objectives of their load tests.
type Options struct {
	SLO            []report.Gate          // objectives; none: those of the load tests
	AccuracyTarget float64                // share of the base's accuracy that must be kept, 0.99 for "mlperf99"; 0: none
	Prices         []report.DecisionPrice // of ParsePrice; all in one currency
	Use            float64                // share of its capacity that a replica is planned to be used at, in (0, 1]; 0: 1
	Demand         float64                // rate to plan for, 1/s; 0: none
	Outcomes       []report.Outcome       // of ParseOutcomes
	Now            time.Time              // when the prices were given
}

// Decide groups the documents into configurations, judges each by the objectives, and chooses the one to deploy: the
// cheapest that meets them all. The verdict is ok where one is chosen, or where there is no objective; failed_gate where
// none meets them; inconclusive where one may; invalid where no document can be believed. What cannot be decided about
// (a kind of document that tells nothing of a configuration, prices or outcomes of unknown names) is a fault.Usage error.
func Decide(in []Input, o Options) (*report.Document, error) {
	return nil, fault.New(fault.Unsupported, "", "no decision yet")
}

// Rejudge decides anew from the configurations of a decision. What o leaves zero stays as it was.
func Rejudge(d *report.Document, o Options) (*report.Document, error) {
	return nil, fault.New(fault.Unsupported, "", "no decision yet")
}

// Details reads the details of a decision.
func Details(d *report.Document) (*report.DecisionDetails, error) {
	if d.Kind != "report" {
		return nil, fault.New(fault.Usage, "give a document of infer report", "a document of kind %q is no decision", d.Kind)
	}
	var x report.DecisionDetails
	if err := json.Unmarshal(d.Details, &x); err != nil {
		return nil, fault.New(fault.Usage, "", "details of a decision: %w", err)
	}
	return &x, nil
}
