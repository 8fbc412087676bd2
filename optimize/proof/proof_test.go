package proof

import (
	"math"
	"strings"
	"testing"
	"time"

	"infer/model/agree"
	"infer/model/engine"
	"infer/model/engine/enginetest"
	"infer/model/onnx"
	"infer/model/tensor"
	"infer/report"
)

// scaled is y = k·x of the real runtime.
func scaled(t *testing.T, k float32) engine.Session {
	t.Helper()
	c := enginetest.Initializer(enginetest.Floats("k", tensor.Shape{1}, k))
	m := enginetest.Build(enginetest.Values(enginetest.Value("x", tensor.Float32, 2, 3)), enginetest.Values(enginetest.Value("y", tensor.Float32, 2, 3)),
		[]*onnx.Node{enginetest.Node("Mul", enginetest.Names("x", "k"), enginetest.Names("y"))}, c)
	s, err := enginetest.CPU(t).Open(t.Context(), m, engine.Config{Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

var in = []tensor.Tensor{enginetest.Floats("x", tensor.Shape{2, 3}, 1, 2, 3, 6, 5, 4)}

func TestOutputs(t *testing.T) {
	ref, err := agree.Record(t.Context(), scaled(t, 1), [][]tensor.Tensor{in, in})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		k       float32
		verdict string
		diff    float64 // the largest
		same    float64 // share of rows with the same largest element
	}{{1, Equal, 0, 1}, {1 + 1e-6, Within, 6e-6, 1}, {2, Drifts, 6, 1}, {-1, Drifts, 12, 0}} {
		a, err := Outputs(t.Context(), ref, scaled(t, c.k), agree.Float32(), "here")
		if err != nil {
			t.Fatal(err)
		}
		if a.Verdict != c.verdict || a.Sets != 2 || a.Source != "here" || a.Outputs[0].Elements != 12 || (a.Why == "") != (c.verdict != Drifts) {
			t.Errorf("k = %g: %+v", c.k, a)
		}
		metrics := map[string]report.Metric{}
		for _, m := range Drift(a) {
			metrics[m.Name] = m
		}
		if m := metrics["max_abs_diff"]; m.Value == nil || math.Abs(*m.Value-c.diff) > 1e-6 || m.N != 12 {
			t.Errorf("k = %g: max_abs_diff %+v", c.k, m)
		}
		if m := metrics["agreement_top1"]; m.Value == nil || *m.Value != c.same || m.N != 4 || m.Lo == nil || *m.Lo > *m.Value || *m.Hi < *m.Value {
			t.Errorf("k = %g: agreement_top1 %+v", c.k, m)
		}
		if _, ok := metrics["sqnr_db"]; ok != (c.k != 1) {
			t.Errorf("k = %g: sqnr_db is there: %v", c.k, ok)
		}
	}
}

// TestNotRun: what was not compared has no figures, and a random output is named.
func TestNotRun(t *testing.T) {
	a := Agreement(&agree.Result{Sets: 1, Outputs: []agree.Output{{Name: "r", Skipped: true}}}, "here")
	if a.Verdict != NotRun || len(a.Outputs) != 0 || len(a.Notes) != 1 || !strings.Contains(a.Notes[0], `"r" is random`) || Drift(a) != nil {
		t.Errorf("%+v", a)
	}
}

// TestSpeeds: every head has a race of its own against the base, with as many figures as it has rounds.
func TestSpeeds(t *testing.T) {
	list, err := Speeds(t.Context(), scaled(t, 1), []engine.Session{scaled(t, 2), scaled(t, 3)}, in, SpeedOptions{MaxTime: time.Second})
	if err != nil || len(list) != 2 {
		t.Fatalf("%d, %v", len(list), err)
	}
	for _, s := range list {
		if s.Rounds < 1 || s.Head.N < 1 || s.Base.N < 1 || !(s.Head.Value > 0) || s.Outcome == "" {
			t.Errorf("%+v", s)
		}
	}
	if Metrics(nil) != nil {
		t.Error("no race has metrics")
	}
	level := report.Level95{Value: 2, N: 9}
	for _, m := range Metrics(&report.SpeedChange{Base: level, Head: level, Speedup: level}) {
		if *m.Value != 2 || m.N != 9 || m.Confidence != 0 {
			t.Errorf("%+v", m)
		}
	}
	for outcome, slower := range map[string]bool{"slower": true, "faster": false, "equal": false, "undecided": false} {
		if Slower(&report.SpeedChange{Outcome: outcome}) != slower {
			t.Errorf("%s is slower: %v", outcome, !slower)
		}
	}
}
