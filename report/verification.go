package report

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
)

// verificationField is where a document says how its numbers were verified; checkVerified is the check of its validity.
const (
	verificationField = "verification"
	checkVerified     = "verified"
)

// The states of a VerifiedNumber.
const (
	NumberSame    = "same"
	NumberDiffers = "differs"
	NumberLeft    = "not recomputed"
)

// Verification says which numbers of a document follow from its raw data. A document that was verified has it in its
// field "verification".
type Verification struct {
	From    string           `json:"from"` // the raw data
	Same    int              `json:"same"`
	Differs int              `json:"differs"`
	Left    int              `json:"not_recomputed"`
	Numbers []VerifiedNumber `json:"numbers"` // metrics, gates, checks, verdict, details
}

// VerifiedNumber is a number of a document, or a group of them, as it is written and as it follows from the raw data, with
// all their digits.
type VerifiedNumber struct {
	Name       string  `json:"name"`           // "latency_p99{batch=8} lo", "gate latency_p99<20ms", "details.figures.good"
	Unit       string  `json:"unit,omitempty"` // base unit
	Written    string  `json:"written"`
	Recomputed string  `json:"recomputed,omitempty"`
	State      string  `json:"state"`            // NumberSame, NumberDiffers or NumberLeft
	Within     float64 `json:"within,omitempty"` // relative error of the raw data, where that is more than rounding
	Why        string  `json:"why,omitempty"`    // it was not recomputed, or not all of it
}

// Recomputed is what follows from the raw data of a document.
type Recomputed struct {
	Document *Document // of the same kind: metrics, gates, checks, verdict and details. What it does not have does not follow.
	From     string    // the raw data, in words
	Details  []string  // fields of the details that follow, such as "figures" or "window.seconds"
	Judged   bool      // the verdict follows
	Rows     []VerifiedNumber
	// Within is the relative error with which the raw data tell a metric, where it is more than rounding; nil: of none.
	Within func(m *Metric) float64
	// Left says why a metric, or an end of its interval, does not follow; nil: no reason is known.
	Left func(m *Metric) string
}

// Verify compares what d says with what follows from its raw data, and writes the outcome into d: the field
// "verification" and the check "verified". All else of d stays as it is written.
func (d *Document) Verify(r Recomputed) (*Verification, error) {
	d.Forget()
	v := &verifier{written: d, r: r, out: &Verification{From: r.From, Numbers: []VerifiedNumber{}}}
	v.metrics()
	v.gates()
	v.checks()
	v.verdict()
	if err := v.details(); err != nil {
		return nil, err
	}
	for _, row := range r.Rows {
		v.add(row)
	}
	raw, err := marshal(v.out)
	if err != nil {
		return nil, fmt.Errorf("verification: %w", err)
	}
	if d.Extra == nil {
		d.Extra = map[string]json.RawMessage{}
	}
	d.Extra[verificationField] = raw
	d.AddCheck(checkVerified, v.out.Differs == 0, "%s", v.out.Sentence())
	return v.out, nil
}

// Forget removes what an earlier Verify wrote.
func (d *Document) Forget() {
	delete(d.Extra, verificationField)
	was := slices.IndexFunc(d.Validity.Checks, func(c Check) bool { return c.Name == checkVerified })
	if was < 0 {
		return
	}
	d.Validity.Checks = slices.Delete(slices.Clone(d.Validity.Checks), was, was+1)
	d.Validity.Verdict = validityOf(d.Validity.Checks)
}

// Verification returns what Verify wrote into d, nil where it was not verified or says so in a form that is not known.
func (d *Document) Verification() *Verification {
	var v Verification
	if raw, ok := d.Extra[verificationField]; !ok || json.Unmarshal(raw, &v) != nil {
		return nil
	}
	return &v
}

// Sentence sums v up.
func (v *Verification) Sentence() string {
	text := fmt.Sprintf("%d of %d numbers follow from %s", v.Same, v.Same+v.Differs, v.From)
	if v.Left > 0 {
		text += fmt.Sprintf(", %d were not recomputed", v.Left)
	}
	return text
}

// First returns the first number that does not follow from the raw data, nil where all do.
func (v *Verification) First() *VerifiedNumber {
	if i := slices.IndexFunc(v.Numbers, func(n VerifiedNumber) bool { return n.State == NumberDiffers }); i >= 0 {
		return &v.Numbers[i]
	}
	return nil
}

// verifier is one Verify.
type verifier struct {
	written *Document
	r       Recomputed
	out     *Verification
}

func (v *verifier) add(n VerifiedNumber) {
	switch n.State {
	case NumberSame:
		v.out.Same++
	case NumberDiffers:
		v.out.Differs++
	default:
		v.out.Left++
	}
	v.out.Numbers = append(v.out.Numbers, n)
}

// compare adds a row of two texts.
func (v *verifier) compare(name, written, recomputed string, same bool) {
	state := NumberSame
	if !same {
		state = NumberDiffers
	}
	v.add(VerifiedNumber{Name: name, Written: written, Recomputed: recomputed, State: state})
}

func metricID(m *Metric) string {
	if l := LabelText(m.Labels); l != "" {
		return m.Name + "{" + l + "}"
	}
	return m.Name
}

func (v *verifier) metrics() {
	for i := range v.written.Metrics {
		m := &v.written.Metrics[i]
		v.add(v.metric(m, v.r.Document.Metric(m.Name, m.Labels)))
	}
	for i := range v.r.Document.Metrics {
		if m := &v.r.Document.Metrics[i]; v.written.Metric(m.Name, m.Labels) == nil {
			v.compare(metricID(m), "nothing", allDigits(m.Value), false)
		}
	}
}

// metric compares one metric: its first part that differs, else its value.
func (v *verifier) metric(m, again *Metric) VerifiedNumber {
	row := VerifiedNumber{Name: metricID(m), Unit: m.Unit, Written: allDigits(m.Value), State: NumberSame}
	if v.r.Left != nil {
		row.Why = v.r.Left(m)
	}
	if again == nil {
		row.State = NumberLeft
		return row
	}
	row.Recomputed = allDigits(again.Value)
	within := rounding
	if v.r.Within != nil {
		row.Within = v.r.Within(m)
		within = max(within, row.Within)
	}
	parts := []struct {
		name           string
		written, again *float64
	}{{"", m.Value, again.Value}, {" lo", m.Lo, again.Lo}, {" hi", m.Hi, again.Hi}}
	if row.Why != "" && again.Lo == nil && again.Hi == nil {
		parts = parts[:1] // the interval does not follow, and it is said why
	}
	for _, p := range parts {
		if !nearly(p.written, p.again, within) {
			row.Name += p.name
			row.Written, row.Recomputed, row.State = allDigits(p.written), allDigits(p.again), NumberDiffers
			return row
		}
	}
	if m.N != again.N {
		row.Name, row.Unit = row.Name+" n", ""
		row.Written, row.Recomputed, row.State = strconv.Itoa(m.N), strconv.Itoa(again.N), NumberDiffers
	}
	return row
}

func (v *verifier) gates() {
	again := slices.Clone(v.r.Document.Gates)
	for _, g := range v.written.Gates {
		i := slices.IndexFunc(again, func(h GateResult) bool { return h.Expr == g.Expr })
		if i < 0 {
			v.add(VerifiedNumber{Name: "gate " + g.Expr, Written: g.Verdict, State: NumberLeft})
			continue
		}
		h := again[i]
		again = slices.Delete(again, i, i+1)
		written, recomputed := g.Verdict, h.Verdict
		if written == recomputed && !samePhrase(g.Reason, h.Reason) {
			written, recomputed = g.Reason, h.Reason
		}
		v.compare("gate "+g.Expr, written, recomputed, written == recomputed)
	}
	for _, h := range again {
		v.compare("gate "+h.Expr, "nothing", h.Verdict, false)
	}
}

func (v *verifier) checks() {
	state := func(c Check) string {
		if c.OK {
			return "ok"
		}
		return "not ok"
	}
	again := slices.Clone(v.r.Document.Validity.Checks)
	for _, c := range v.written.Validity.Checks {
		i := slices.IndexFunc(again, func(h Check) bool { return h.Name == c.Name })
		if i < 0 {
			v.add(VerifiedNumber{Name: "check " + c.Name, Written: state(c), State: NumberLeft})
			continue
		}
		h := again[i]
		again = slices.Delete(again, i, i+1) // one name may stand for several
		written, recomputed := state(c), state(h)
		if c.OK == h.OK && !samePhrase(c.Detail, h.Detail) {
			written, recomputed = c.Detail, h.Detail
		}
		v.compare("check "+c.Name, written, recomputed, written == recomputed)
	}
	written, follows := v.written.Validity.Verdict, validityOf(v.written.Validity.Checks)
	v.compare("validity", written, follows, written == follows)
}

func validityOf(checks []Check) string {
	if slices.ContainsFunc(checks, func(c Check) bool { return !c.OK }) {
		return NotValid
	}
	return Valid
}

func (v *verifier) verdict() {
	written, again := string(v.written.Verdict), string(v.r.Document.Verdict)
	if !v.r.Judged {
		v.add(VerifiedNumber{Name: "verdict", Written: written, State: NumberLeft})
		return
	}
	v.compare("verdict", written, again, written == again)
}

// details compares the fields of the details that follow, each with all that is in it.
func (v *verifier) details() error {
	written, err := detailsTree(v.written.Details)
	if err != nil {
		return err
	}
	again, err := detailsTree(v.r.Document.Details)
	if err != nil {
		return err
	}
	for _, path := range v.r.Details {
		a, b := fieldAt(written, path), fieldAt(again, path)
		if a == nil && b == nil {
			continue
		}
		leaves := 0
		name := "details." + path
		if where, x, y, same := sameTree(a, b, &leaves); !same {
			v.compare(name+where, leafText(x), leafText(y), false)
			continue
		}
		v.compare(name, numbersText(leaves), numbersText(leaves), true)
	}
	return nil
}
