package report

import (
	"encoding/json"
	"strings"
	"testing"
)

// verifiable is a document, and what follows from its raw data.
func verifiable(t *testing.T) (*Document, Recomputed) {
	t.Helper()
	make := func() *Document {
		d := New("loadtest")
		m := NewMetric("latency_p99")
		v, lo, hi := 0.0123, 0.0119, 0.0131
		m.Value, m.Lo, m.Hi, m.Confidence, m.N = &v, &lo, &hi, 0.95, 1000
		d.Add(m)
		g, err := ParseGate("latency_p99<20ms")
		if err != nil {
			t.Fatal(err)
		}
		d.AddCheck("steal", true, "0 of 5 %%")
		d.Judge([]Gate{g})
		if err := d.SetDetails(map[string]any{"figures": map[string]any{"good": 17, "parts": []float64{1.5, 2.5}}, "kept": 3}); err != nil {
			t.Fatal(err)
		}
		return d
	}
	return make(), Recomputed{Document: make(), From: "the samples", Details: []string{"figures", "absent"}, Judged: true}
}

func TestVerifySame(t *testing.T) {
	d, r := verifiable(t)
	for range 2 { // again, what an earlier verification wrote is no part of the document
		v, err := d.Verify(r)
		if err != nil {
			t.Fatal(err)
		}
		// The metric, the gate, the check, validity, verdict and the figures.
		if v.Same != 6 || v.Differs != 0 || v.Left != 0 || v.First() != nil {
			t.Fatalf("%+v", v)
		}
	}
	if n := len(d.Validity.Checks); n != 2 || !d.Validity.Checks[1].OK || d.Validity.Verdict != Valid {
		t.Errorf("%+v", d.Validity)
	}
	var b strings.Builder
	if err := Write(&b, d); err != nil {
		t.Fatal(err)
	}
	if err := validSchema(t, compiled(t), []byte(b.String())); err != nil {
		t.Error(err)
	}
	again, err := Read(strings.NewReader(b.String()))
	if err != nil {
		t.Fatal(err)
	}
	if v := again.Verification(); v == nil || v.Same != 6 || v.From != "the samples" {
		t.Errorf("read back: %+v", v)
	}
}

func TestVerifyDiffers(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(d *Document)
		want   string // the number that differs
	}{
		{"value", func(d *Document) { *d.Metrics[0].Value = 0.0124 }, "latency_p99"},
		{"last digit", func(d *Document) { *d.Metrics[0].Value += 1e-9 }, "latency_p99"},
		{"lo", func(d *Document) { *d.Metrics[0].Lo = 0.0118 }, "latency_p99 lo"},
		{"hi", func(d *Document) { d.Metrics[0].Lo, d.Metrics[0].Hi = nil, nil }, "latency_p99 lo"},
		{"n", func(d *Document) { d.Metrics[0].N = 1001 }, "latency_p99 n"},
		{"no value", func(d *Document) { d.Metrics[0].Value = nil }, "latency_p99"},
		{"metric left out", func(d *Document) { d.Metrics = nil }, "latency_p99"},
		{"gate", func(d *Document) { d.Gates[0].Verdict = Fail }, "gate latency_p99<20ms"},
		{"number of a reason", func(d *Document) { d.Gates[0].Reason = strings.Replace(d.Gates[0].Reason, "12.3", "12.2", 1) }, "gate latency_p99<20ms"},
		{"gate left out", func(d *Document) { d.Gates = nil }, "gate latency_p99<20ms"},
		{"check", func(d *Document) { d.Validity.Checks[0].OK = false; d.Validity.Verdict = NotValid }, "check steal"},
		{"number of a check", func(d *Document) { d.Validity.Checks[0].Detail = "1 of 5 %" }, "check steal"},
		{"validity", func(d *Document) { d.Validity.Verdict = NotValid }, "validity"},
		{"verdict", func(d *Document) { d.Verdict = FailedGate }, "verdict"},
		{"count", func(d *Document) { d.Details = json.RawMessage(strings.Replace(string(d.Details), "17", "18", 1)) }, "details.figures.good"},
		{"element", func(d *Document) { d.Details = json.RawMessage(strings.Replace(string(d.Details), "2.5", "2.4", 1)) }, "details.figures.parts[1]"},
		{"list", func(d *Document) { d.Details = json.RawMessage(strings.Replace(string(d.Details), ",2.5", "", 1)) }, "details.figures.parts"},
		{"figures", func(d *Document) { d.Details = json.RawMessage(`{}`) }, "details.figures"},
	} {
		t.Run(c.name, func(t *testing.T) {
			d, r := verifiable(t)
			c.change(d)
			v, err := d.Verify(r)
			if err != nil {
				t.Fatal(err)
			}
			n := v.First()
			if n == nil || n.Name != c.want || n.Written == n.Recomputed || v.Differs != 1 {
				t.Errorf("%+v, %d differ", n, v.Differs)
			}
			if last := d.Validity.Checks[len(d.Validity.Checks)-1]; last.Name != "verified" || last.OK {
				t.Errorf("%+v", last)
			}
		})
	}
}

// TestVerifyLeft: what does not follow is listed as that, with the reason, and is no difference.
func TestVerifyLeft(t *testing.T) {
	d, r := verifiable(t)
	d.Add(Exact("model_bytes", 5))
	*d.Metrics[0].Value *= 1.003
	d.AddCheck("other", true, "seen")
	r.Document.Metrics[0].Lo, r.Document.Metrics[0].Hi = nil, nil
	r.Judged = false
	r.Within = func(*Metric) float64 { return 0.004 }
	r.Left = func(m *Metric) string { return "why of " + m.Name }
	v, err := d.Verify(r)
	if err != nil {
		t.Fatal(err)
	}
	if v.Differs != 0 || v.Left != 3 || v.Numbers[0].Within != 0.004 || v.Numbers[0].State != NumberSame || v.Numbers[1].Why != "why of model_bytes" {
		t.Errorf("%+v", v)
	}
}

// TestSamePhrase: other words are no difference, other numbers are.
func TestSamePhrase(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want bool
	}{
		{"pass", "fail", false}, {"pass", "pass", true}, {"3 of 5 failed", "failed: 3 of 5", true}, {"3 of 5 failed", "3 of 6 failed", false}, {"rising", "on one level", false},
	} {
		if got := samePhrase(c.a, c.b); got != c.want {
			t.Errorf("%q and %q: %v", c.a, c.b, got)
		}
	}
}
