package report

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
)

// kinds are the kinds of documents of the contract.
func kinds() []string {
	return []string{"inspect", "predict", "profile", "quantize", "convert", "optimize", "loadtest", "compare", "tune", "report", "deploy", "runtime", "version"}
}

func verdicts() []Verdict {
	return []Verdict{OK, FailedGate, Regressed, Inconclusive, Invalid, NotComparable, Interrupted}
}

func units() []string { return []string{"s", "B", "1/s", "1", "dB"} }

// Validate checks d against the contract and returns every fault, joined: schema, kind and verdicts are known,
// each metric has a name, a known unit and direction and n ≥ 0, finite numbers with lo ≤ value ≤ hi,
// both ends of its interval or none, and no other metric has its name and labels.
func (d *Document) Validate() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if d.Schema != Schema {
		bad("schema is %q, want %q", d.Schema, Schema)
	}
	if !slices.Contains(kinds(), d.Kind) {
		bad("kind %q is none of %q", d.Kind, kinds())
	}
	if !slices.Contains(verdicts(), d.Verdict) {
		bad("verdict %q is none of %q", d.Verdict, verdicts())
	}
	if d.Created.IsZero() {
		bad("created is missing")
	}
	seen := map[string]bool{}
	for i := range d.Metrics {
		m := &d.Metrics[i]
		errs = append(errs, m.validate())
		if id := m.Name + "{" + LabelText(m.Labels) + "}"; seen[id] {
			bad("metric %s is there twice", id)
		} else {
			seen[id] = true
		}
	}
	for _, g := range d.Gates {
		if g.Verdict != Pass && g.Verdict != Fail && g.Verdict != GateInconclusive {
			bad("gate %q has verdict %q", g.Expr, g.Verdict)
		}
	}
	if v := d.Validity.Verdict; v != Valid && v != NotValid {
		bad("validity verdict %q is neither %q nor %q", v, Valid, NotValid)
	}
	return errors.Join(errs...)
}

// validate returns every fault of one metric, joined.
func (m *Metric) validate() error {
	var errs []error
	bad := func(format string, args ...any) {
		errs = append(errs, fmt.Errorf("metric %q: %w", m.Name, fmt.Errorf(format, args...)))
	}
	if m.Name == "" {
		bad("it has no name")
	}
	if !slices.Contains(units(), m.Unit) {
		bad("unit %q is none of %q", m.Unit, units())
	}
	if k, ok := KnownByName(m.Name); ok && m.Unit != k.Unit() {
		bad("unit is %q, want %q", m.Unit, k.Unit())
	}
	if m.Better != "" && m.Better != "lower" && m.Better != "higher" {
		bad("better is %q, want lower, higher or nothing", m.Better)
	}
	if m.N < 0 {
		bad("n is %d", m.N)
	}
	if !(m.Confidence >= 0 && m.Confidence < 1) {
		bad("confidence %v is not in [0, 1)", m.Confidence)
	}
	if (m.Lo == nil) != (m.Hi == nil) {
		bad("it has one end of an interval only")
	}
	for _, v := range []*float64{m.Value, m.Lo, m.Hi} {
		if v != nil && (math.IsNaN(*v) || math.IsInf(*v, 0)) {
			bad("%v is not a finite number", *v)
		}
	}
	if m.Lo != nil && m.Hi != nil {
		if *m.Lo > *m.Hi {
			bad("interval [%v, %v] is upside down", *m.Lo, *m.Hi)
		}
		if m.Value == nil {
			bad("it has an interval and no value")
		} else if *m.Value < *m.Lo || *m.Value > *m.Hi {
			bad("value %v is outside its interval [%v, %v]", *m.Value, *m.Lo, *m.Hi)
		}
	}
	return errors.Join(errs...)
}

// SortedKeys returns the keys of m in order.
func SortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
