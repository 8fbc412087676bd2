package advice

import (
	"path/filepath"
	"testing"

	"infer/internal/host"
	"infer/internal/stats"
	"infer/model"
	"infer/model/dataset"
	"infer/model/engine"
	"infer/model/engine/enginetest"
	"infer/model/onnx"
	"infer/model/onnx/static"
	"infer/model/tensor"
	"infer/model/trace"
	"infer/report"
)

// tracedRuns are enough for shares that do not depend on the first run.
const tracedRuns = 10

// ran returns the facts of a model that the real runtime ran in a traced session: the nodes, their times, and the graph
// that was left of it. What a profile measures beside that is left out.
func ran(t *testing.T, m *model.Model, c engine.Config) *Facts {
	t.Helper()
	dir := t.TempDir()
	c.TracePrefix, c.OptimizedModelPath = filepath.Join(dir, "trace"), filepath.Join(dir, "ran.onnx")
	s, err := enginetest.CPU(t).Open(t.Context(), m, c)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	bound, err := m.Bind(model.Bindings{})
	if err != nil {
		t.Fatal(err)
	}
	in, _, err := dataset.Random(m, bound.Shapes, 1)
	if err != nil {
		t.Fatal(err)
	}
	for range tracedRuns + 1 {
		if err := s.Run(t.Context(), in, make([]tensor.Tensor, len(s.Outputs()))); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	tr, err := trace.ReadFile(s.(engine.Tracer).TracePath(), 1)
	if err != nil {
		t.Fatal(err)
	}
	left, err := model.Load(c.OptimizedModelPath)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { left.Close() })
	f := &Facts{Model: m, Ran: left.Proto, Config: c, Path: "model.onnx", CPUs: host.CPUs{Count: max(1, c.Threads), Source: "affinity"}}
	f.Details = &report.ProfileDetails{ProfiledRuns: tr.Runs, ByNode: rows(tr, m.Proto), Trace: &report.TraceInfo{Run: mean(tr.RunSeconds), Runs: tr.Runs}}
	return f
}

// rows is the table by node, with the costs of the nodes that kept their names.
func rows(tr *trace.Trace, m *onnx.Model) []report.Share {
	costs := map[string]static.Work{}
	for _, c := range static.Cost(m, static.Infer(m, nil)).Nodes {
		if c.Known {
			costs[c.Node.Name] = c.Work
		}
	}
	var list []report.Share
	total := 0.0
	for _, n := range tr.Nodes {
		r := report.Share{Name: n.Name, Op: n.Op, Provider: n.Provider, Shapes: n.Shapes, Count: 1, Seconds: stats.Median(n.Seconds)}
		if w, ok := costs[n.Name]; ok {
			all, weights := float64(w.BytesIn+w.BytesWeights+w.BytesOut), float64(w.BytesWeights)
			r.Bytes, r.WeightBytes = &all, &weights
		}
		total += r.Seconds
		list = append(list, r)
	}
	for i := range list {
		list[i].Share = list[i].Seconds / total
	}
	return list
}

func mean(x []float64) report.Interval {
	e := stats.Mean(x, 0.95)
	return report.Interval{Value: e.Value, N: len(x)}
}

// says returns what a rule finds in f, nil for nothing. A rule that f lacks the facts for fails the test.
func says(t *testing.T, f *Facts, id string) *report.Advice {
	t.Helper()
	for _, u := range Unjudged(f) {
		if u.Rule == id {
			t.Fatalf("%s cannot be judged: %s", id, u.Why)
		}
	}
	for _, a := range Check(f) {
		if a.Rule == id {
			return &a
		}
	}
	return nil
}

// want checks that a rule says something, or nothing.
func want(t *testing.T, f *Facts, id string, fires bool) *report.Advice {
	t.Helper()
	a := says(t, f, id)
	switch {
	case fires && a == nil:
		t.Errorf("%s says nothing", id)
	case !fires && a != nil:
		t.Errorf("%s says %+v", id, *a)
	}
	return a
}

func ptr(x float64) *float64 { return &x }
