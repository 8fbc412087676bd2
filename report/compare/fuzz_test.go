package compare

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"infer/internal/fault"
	"infer/report"
)

// FuzzFiles compares whatever reads as a document: no panic, a verdict that is known, a document that can be written and
// read again, and no gate that passes or fails by what is invalid.
func FuzzFiles(f *testing.F) {
	seed := func(base, head *report.Document, gate string, force bool) {
		var a, b bytes.Buffer
		if report.Write(&a, base) != nil || report.Write(&b, head) != nil {
			f.Fatal("a document cannot be written")
		}
		f.Add(a.Bytes(), b.Bytes(), gate, force)
	}
	seed(profiled(f, nil), profiled(f, nil), "latency_p50<=+5%", false)
	seed(profiled(f, nil), with(f, timed("latency_p50", 0, 0), report.Exact("model_bytes", 5)), "latency_p50<=+1ms", true)
	seed(loaded(f, nil), loaded(f, func(d *report.Document, x *report.LoadDetails) {
		x.Figures = phased(0.01, 0, 0, 0).Figures
		d.AddCheck("send_lag", false, "late")
	}), "latency_p99<=-100%", false)
	seed(profiled(f, nil), loaded(f, nil), "error_rate<=+0pt", true)
	f.Fuzz(func(t *testing.T, base, head []byte, gate string, force bool) {
		a, errA := report.Read(bytes.NewReader(base))
		b, errB := report.Read(bytes.NewReader(head))
		if errA != nil || errB != nil {
			return
		}
		o := DefaultOptions
		o.Force, o.Explain = force, true
		if g, err := report.ParseGate(gate); err == nil {
			o.Gates = append(o.Gates, g)
		}
		again, _ := report.Read(bytes.NewReader(head))
		d, err := Files([]Input{{Path: "a.json", Doc: a}}, []Input{{Path: "b.json", Doc: b}, {Path: "c.json", Doc: again}}, o)
		if err != nil {
			if fault.KindOf(err) != fault.Usage {
				t.Errorf("%v is no usage error", err)
			}
			return
		}
		if err := d.Validate(); err != nil {
			t.Fatal(err)
		}
		sound := invalid(a) == "" && invalid(b) == ""
		for _, g := range d.Gates {
			if !sound && g.Verdict != report.GateInconclusive || g.Reason == "" {
				t.Errorf("%+v", g)
			}
		}
		if !slices.Contains([]report.Verdict{report.OK, report.Regressed, report.FailedGate, report.Inconclusive, report.Invalid, report.NotComparable}, d.Verdict) {
			t.Errorf("verdict %q", d.Verdict)
		}
		var out bytes.Buffer
		if err := report.Write(&out, d); err != nil {
			t.Fatal(err)
		}
		if _, err := report.Read(strings.NewReader(out.String())); err != nil {
			t.Error(err)
		}
	})
}

// FuzzFigures compares figures of any size: however wild they are, what comes out can be written.
func FuzzFigures(f *testing.F) {
	f.Add(1e-300, 1e300, 0.0, 1e308, 1, "latency_p50", "latency_p50<=+5%", 1)
	f.Add(-1.0, 0.0, 0.5, 1.0, 5, "error_rate", "error_rate<=+1pt", 6)
	f.Add(5e-324, 1.0, 1e-320, 0.0, 0, "sqnr_db", "sqnr_db>=-1dB", 2)
	f.Add(0.3, -0.3, 2.0, 3.0, 9, "accuracy_drop", "accuracy_drop<=+5%", 4)
	f.Fuzz(func(t *testing.T, base, head, lo, hi float64, n int, name, gate string, runs int) {
		doc := func(v float64, i int) *report.Document {
			m := report.NewMetric(name)
			v += v * float64(i) / 16
			m.Value, m.N = &v, max(0, n)
			if l, h := v-lo, v+hi; l <= v && v <= h {
				m.Lo, m.Hi, m.Confidence = &l, &h, 0.95
			}
			return with(t, m)
		}
		side := func(v float64) []Input {
			var docs []*report.Document
			for i := range 1 + (runs&7+8)%8 {
				docs = append(docs, doc(v, i))
			}
			return inputs(docs...)
		}
		o := DefaultOptions
		if g, err := report.ParseGate(gate); err == nil {
			o.Gates = []report.Gate{g}
		}
		d, err := Files(side(base), side(head), o)
		if err != nil {
			if fault.KindOf(err) != fault.Usage {
				t.Error(err)
			}
			return
		}
		if err := d.Validate(); err != nil {
			t.Error(err)
		}
		if err := report.Write(&bytes.Buffer{}, d); err != nil {
			t.Error(err)
		}
	})
}
