package compare

import (
	"encoding/json"
	"math/rand/v2"
	"strings"
	"testing"

	"infer/internal/fault"
	"infer/report"
)

// paired is a live comparison of blocks in which head takes a tenth longer.
func paired(t *testing.T) *report.Document {
	t.Helper()
	rng := rand.New(rand.NewPCG(1, 2))
	x := &report.CompareDetails{Base: report.CompareSide{Name: "a", Kind: "model"}, Head: report.CompareSide{Name: "b", Kind: "model"}}
	for i := range 12 {
		block := func(by float64) report.CompareBlock {
			v := by * (0.001 + 0.00001*rng.NormFloat64())
			b := report.CompareBlock{At: float64(i), Seconds: 1, N: 1000, Values: map[string]float64{"latency_p50": v, "throughput": 1 / v}}
			for _, p := range report.ShiftPercentiles {
				b.Quantiles = append(b.Quantiles, v*(0.5+p))
			}
			return b
		}
		x.Pairs = append(x.Pairs, report.ComparePair{Seed: uint64(i), First: "base", Base: block(1), Head: block(1.1)})
	}
	x.Looks = []report.CompareLook{{Pairs: 12, Tail: 0.025}}
	d := report.New("compare")
	if err := Pairs(d, x, gatesOf(t, "latency_p50<=+5%", "latency_p50<1s")); err != nil {
		t.Fatal(err)
	}
	if d.Verdict != report.Regressed {
		t.Fatalf("verdict %s: %s", d.Verdict, x.Reason)
	}
	return d
}

// checked verifies d with its JSON changed.
func checked(t *testing.T, d *report.Document, change func(tree map[string]any), given ...Input) *report.Verification {
	t.Helper()
	raw, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	var tree map[string]any
	if err := json.Unmarshal(raw, &tree); err != nil {
		t.Fatal(err)
	}
	change(tree)
	if raw, err = json.Marshal(tree); err != nil {
		t.Fatal(err)
	}
	again, err := report.Read(strings.NewReader(string(raw)))
	if err != nil {
		t.Fatal(err)
	}
	r, err := Recompute(again, given)
	if err != nil {
		t.Fatal(err)
	}
	v, err := again.Verify(r)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// tampered are changes of one number each, by what they change.
func tampered() map[string]func(tree map[string]any) {
	details := func(tree map[string]any) map[string]any { return tree["details"].(map[string]any) }
	first := func(list any) map[string]any { return list.([]any)[0].(map[string]any) }
	return map[string]func(tree map[string]any){
		"metric":  func(tree map[string]any) { first(tree["metrics"])["value"] = 0.5 },
		"ratio":   func(tree map[string]any) { first(details(tree)["metrics"])["ratio"] = 1.01 },
		"pairs":   func(tree map[string]any) { first(details(tree)["metrics"])["pairs"] = 13 },
		"gate":    func(tree map[string]any) { first(tree["gates"])["verdict"] = "pass" },
		"reason":  func(tree map[string]any) { first(tree["gates"])["reason"] = "latency_p50 +0.1 %" },
		"verdict": func(tree map[string]any) { tree["verdict"] = "ok" },
		"shift":   func(tree map[string]any) { first(details(tree)["shift"])["ratio"] = 0.9 },
	}
}

// TestRecomputePairs: a live comparison follows from its blocks.
func TestRecomputePairs(t *testing.T) {
	d := paired(t)
	if v := checked(t, d, func(map[string]any) {}); v.Differs != 0 || v.Left != 0 || v.Same < 10 {
		t.Errorf("%+v", v.First())
	}
	for what, change := range tampered() {
		if v := checked(t, d, change); v.Differs == 0 {
			t.Errorf("%s: not found", what)
		}
	}
	block := func(tree map[string]any) {
		pair := tree["details"].(map[string]any)["pairs"].([]any)[4].(map[string]any)
		pair["head"].(map[string]any)["values"].(map[string]any)["latency_p50"] = 0.0013
	}
	if v := checked(t, d, block); v.Differs == 0 {
		t.Error("another block is not found")
	}
	if _, err := Recompute(d, []Input{{Path: "a.json"}}); fault.KindOf(err) != fault.Usage {
		t.Error(err)
	}
	d.Verdict = report.NotComparable
	if _, err := Recompute(d, nil); fault.KindOf(err) != fault.Unsupported {
		t.Error(err)
	}
}

// TestRecomputeFiles: a comparison of documents follows from them, in any order.
func TestRecomputeFiles(t *testing.T) {
	metric := func(value float64) report.Metric {
		m := report.NewMetric("latency_p50")
		lo, hi := 0.99*value, 1.01*value
		m.Value, m.Lo, m.Hi, m.Confidence, m.N = &value, &lo, &hi, 0.95, 1000
		return m
	}
	in := inputs(with(t, metric(0.001)), with(t, metric(0.002)))
	in[0].SHA256, in[1].SHA256 = strings.Repeat("a", 64), strings.Repeat("b", 64)
	d, _ := compared(t, in[:1], in[1:], gatesOf(t, "latency_p50<=+5%"))
	moved := []Input{{Path: "moved.json", SHA256: in[1].SHA256, Doc: in[1].Doc}, in[0]}
	if v := checked(t, d, func(map[string]any) {}, moved...); v.Differs != 0 || v.Same < 8 {
		t.Errorf("%+v", v.First())
	}
	// What --vary allows is allowed again, and nothing more.
	for _, c := range []struct {
		name       string
		base, head func(*report.Manifest)
		vary       []string
		want       report.Verdict
	}{
		{"allowed", func(m *report.Manifest) { m.Options = map[string]any{"threads": 1} }, func(m *report.Manifest) { m.Options = map[string]any{"threads": 2} }, []string{"threads"}, report.Regressed},
		{"one of two", func(m *report.Manifest) { m.Options = map[string]any{"threads": 1, "top": 1} }, func(m *report.Manifest) { m.Options = map[string]any{"threads": 2, "top": 2} }, []string{"threads"}, report.NotComparable},
		{"seed", func(m *report.Manifest) { m.Seed = new(uint64(1)) }, func(m *report.Manifest) { m.Seed = new(uint64(2)) }, []string{"seed"}, report.Regressed},
	} {
		sides := inputs(with(t, metric(0.001)), with(t, metric(0.002)))
		sides[0].SHA256, sides[1].SHA256 = in[0].SHA256, in[1].SHA256
		c.base(&sides[0].Doc.Manifest)
		c.head(&sides[1].Doc.Manifest)
		o := gatesOf(t, "latency_p50<=+5%")
		o.Vary = c.vary
		d, _ := compared(t, sides[:1], sides[1:], o)
		if v := checked(t, d, func(map[string]any) {}, sides...); d.Verdict != c.want || v.Differs != 0 {
			t.Errorf("%s: %s, %+v", c.name, d.Verdict, v.First())
		}
	}
	for what, change := range tampered() {
		if what == "shift" { // profiles without a histogram have none
			continue
		}
		if v := checked(t, d, change, in...); v.Differs == 0 {
			t.Errorf("%s: not found", what)
		}
	}
	for _, given := range [][]Input{nil, in[:1], append(in[:2:2], Input{Path: "c.json", SHA256: "c"})} {
		if _, err := Recompute(d, given); fault.KindOf(err) != fault.Usage || fault.HintOf(err) == "" {
			t.Errorf("%d documents: %v", len(given), err)
		}
	}
}
