package export

import (
	"bytes"
	"encoding/json"
	"math"
	"os"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

type readProfile struct {
	Type, Name, Unit     string
	StartValue, EndValue float64
	Samples              [][]int
	Weights              []float64
	Events               []struct {
		Type  string
		Frame int
		At    float64
	}
}

// checkSpeedscope reads a file as speedscope's importer does: frames exist, a sample has a weight, events are in order and
// close what was opened last.
func checkSpeedscope(t *testing.T, file []byte) (profiles []readProfile, names []string) {
	t.Helper()
	var x struct {
		Schema   string `json:"$schema"`
		Shared   struct{ Frames []struct{ Name string } }
		Profiles []readProfile
	}
	if err := json.Unmarshal(file, &x); err != nil {
		t.Fatal(err)
	}
	for _, f := range x.Shared.Frames {
		names = append(names, f.Name)
	}
	for _, p := range x.Profiles {
		if p.Unit != "microseconds" || len(p.Samples) != len(p.Weights) {
			t.Fatalf("%s: unit %q, %d samples, %d weights", p.Name, p.Unit, len(p.Samples), len(p.Weights))
		}
		for _, s := range p.Samples {
			for _, f := range s {
				_ = names[f]
			}
		}
		at, open := p.StartValue, []int{}
		for _, e := range p.Events {
			if e.At < at || e.At > p.EndValue {
				t.Fatalf("%s: an event at %v, after %v, in a profile of %v", p.Name, e.At, at, p.EndValue)
			}
			at = e.At
			if e.Type == "O" {
				open = append(open, e.Frame)
				continue
			}
			if len(open) == 0 || open[len(open)-1] != e.Frame {
				t.Fatalf("%s: %s closes, which is not the innermost", p.Name, names[e.Frame])
			}
			open = open[:len(open)-1]
		}
		if len(open) > 0 {
			t.Errorf("%s: %d frames stay open", p.Name, len(open))
		}
	}
	return x.Profiles, names
}

func TestSpeedscope(t *testing.T) {
	profiles, names := checkSpeedscope(t, written(t, "speedscope", source(odd...)))
	if len(profiles) != 4 { // the nodes; thread 7; thread 8 and what overlaps on it
		t.Fatalf("%d profiles", len(profiles))
	}
	p := profiles[0]
	if p.Type != "sampled" || p.Weights[0] != 30 || names[p.Samples[0][0]] != "bert.onnx" || names[p.Samples[0][4]] != "MatMul" {
		t.Errorf("%+v", p)
	}
	if want := 45 + float64(len(odd)*(len(odd)+1)/2); math.Abs(p.EndValue-want) > 1e-9 {
		t.Errorf("%v µs together, want %v", p.EndValue, want)
	}
	if e := profiles[1].Events; profiles[1].Type != "evented" || names[e[0].Frame] != "loop" || names[e[1].Frame] != "body" || e[2].Type != "C" {
		t.Errorf("%+v", profiles[1])
	}
	s := source()
	s.Trace = nil
	if profiles, _ := checkSpeedscope(t, written(t, "speedscope", s)); len(profiles) != 1 {
		t.Errorf("%d profiles without a time line", len(profiles))
	}
}

// TestSpeedscopeSchema holds the file to the schema that speedscope publishes.
func TestSpeedscopeSchema(t *testing.T) {
	path := os.Getenv("INFER_TEST_SPEEDSCOPE_SCHEMA")
	if path == "" {
		t.Skip("INFER_TEST_SPEEDSCOPE_SCHEMA is not set: scripts/profile-export-check.sh sets it")
	}
	schema, err := jsonschema.NewCompiler().Compile(path)
	if err != nil {
		t.Fatal(err)
	}
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(written(t, "speedscope", source(odd...))))
	if err != nil {
		t.Fatal(err)
	}
	if err := schema.Validate(v); err != nil {
		t.Error(err)
	}
}
