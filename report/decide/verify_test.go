package decide

import (
	"encoding/json"
	"strings"
	"testing"

	"infer/internal/fault"
	"infer/report"
)

// recomputable is a decision by an accuracy target, and its documents in another order, without the names that two of them
// were given.
func recomputable(t *testing.T) (*report.Document, []Input) {
	t.Helper()
	documents := []Input{in("fp32=a.json", load(t, 500, 250, 240, 262).of("models/model.onnx", "a")), in("int8=b.json", load(t, 500, 178, 174, 186).of("int8.onnx", "b")),
		in("p.json", predicted(t, 760, 1000, "models/model.onnx", "a")), in("q.json", int8Of(t))}
	for i := range documents {
		documents[i].SHA256 = hash(string(rune('a' + i)))
	}
	o := Options{SLO: gates(t, "p99<=200ms"), AccuracyTarget: 0.99, Demand: 900, Use: 0.7, Prices: prices(t, "$0.40/h"), Now: born,
		Outcomes: []report.Outcome{{Variant: "fp32", Metric: "clicks", Value: 0.1, N: 1000}, {Variant: "int8", Metric: "clicks", Value: 0.12, N: 1000}}}
	d, _ := decided(t, o, documents...)
	d.Manifest.Command = []string{"infer", "report", "fp32=a.json", "int8=b.json", "p.json", "q.json", "--accuracy-target", "mlperf99"}
	moved := []Input{documents[3], {Path: "moved.json", SHA256: documents[0].SHA256, Doc: documents[0].Doc}, documents[2], documents[1]}
	moved[3].Name = ""
	return d, moved
}

// TestRecompute: a decision follows from its documents, in any order, and from its configurations; a changed number of it
// is found.
func TestRecompute(t *testing.T) {
	d, moved := recomputable(t)
	for _, given := range [][]Input{nil, moved} {
		if v := recomputed(t, d, given, nil); v.Differs != 0 || v.Left != 0 || v.Same < 10 {
			t.Errorf("%d documents: %+v", len(given), v.First())
		}
		for what, change := range map[string]func(tree map[string]any){
			"metric":   func(tree map[string]any) { tree["metrics"].([]any)[0].(map[string]any)["value"] = 0.001 },
			"gate":     func(tree map[string]any) { tree["gates"].([]any)[0].(map[string]any)["verdict"] = "fail" },
			"verdict":  func(tree map[string]any) { tree["verdict"] = "regressed" },
			"headline": func(tree map[string]any) { tree["details"].(map[string]any)["headline"] = "DEPLOY int8 in 3 days" },
			"headroom": func(tree map[string]any) { second(tree)["slo"].([]any)[0].(map[string]any)["headroom"] = 0.5 },
			"cost":     func(tree map[string]any) { second(tree)["cost_per_million"].(map[string]any)["value"] = 0.5 },
			"replicas": func(tree map[string]any) { second(tree)["replicas"] = 7 },
			"step": func(tree map[string]any) {
				tree["details"].(map[string]any)["steps"].([]any)[0].(map[string]any)["metrics"].([]any)[0].(map[string]any)["ratio"] = 0.5
			},
		} {
			if v := recomputed(t, d, given, change); v.Differs == 0 {
				t.Errorf("%d documents: %s: not found", len(given), what)
			}
		}
	}
	// What a configuration is told to have measured is in its documents only.
	checks := func(tree map[string]any) { second(tree)["host"] = "8 CPUs" }
	if v := recomputed(t, d, moved, checks); v.Differs != 1 || !strings.HasPrefix(v.First().Name, "details.configs[1].host") {
		t.Errorf("%+v", v.First())
	}
	if _, err := Recompute(d, moved[:3]); fault.KindOf(err) != fault.Usage || !strings.Contains(err.Error(), "is not here, or was changed since") {
		t.Error(err)
	}
	if _, err := Recompute(d, append(moved[:4:4], Input{Path: "x", SHA256: "x"})); fault.KindOf(err) != fault.Usage {
		t.Error(err)
	}
}

// TestRecomputeNames: the names of the documents and the accuracy target are in the details, since the command line of a
// decision that was judged anew has neither; older decisions have them in the command line only.
func TestRecomputeNames(t *testing.T) {
	d, moved := recomputable(t)
	older := func(tree map[string]any) {
		x := tree["details"].(map[string]any)
		delete(x, "accuracy_target")
		for _, s := range x["sources"].([]any) {
			delete(s.(map[string]any), "config")
		}
	}
	if v := recomputed(t, d, moved, older); v.Differs != 0 {
		t.Errorf("older: %+v", v.First())
	}
	d.Manifest.Command = []string{"infer", "report", "d.json"}
	if v := recomputed(t, d, moved, nil); v.Differs != 0 {
		t.Errorf("another command line: %+v", v.First())
	}
	again, err := Rejudge(d, Options{Prices: prices(t, "$0.80/h"), Now: born})
	if err != nil {
		t.Fatal(err)
	}
	if v := recomputed(t, again, moved, nil); v.Differs != 0 {
		t.Errorf("judged anew: %+v", v.First())
	}
}

// second is the second configuration of a decision.
func second(tree map[string]any) map[string]any {
	return tree["details"].(map[string]any)["configs"].([]any)[1].(map[string]any)
}

// recomputed verifies d with its JSON changed.
func recomputed(t *testing.T, d *report.Document, given []Input, change func(tree map[string]any)) *report.Verification {
	t.Helper()
	raw, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	var tree map[string]any
	if err := json.Unmarshal(raw, &tree); err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(tree)
	}
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
