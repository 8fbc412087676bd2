package quantize

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"infer/model"
	"infer/model/dataset"
	"infer/model/engine/enginetest"
	"infer/model/onnx"
	"infer/model/tensor"
	"infer/optimize/quantize/emit"
	"infer/report"
)

const digitsDir = "../../testdata/digits/"

// quick is the default with the least time for measuring speed, which no test relies on.
func quick(mode Mode) Options {
	o := DefaultOptions
	o.Mode, o.RaceTime, o.AllowSlower = mode, time.Millisecond, true
	return o
}

// task is a task on a model whose rows are made up.
func task(t *testing.T, m *model.Model, shapes map[string]tensor.Shape) Task {
	t.Helper()
	target, why, err := emit.NewTarget("cpu:avx2", "cpu", "amd64", nil)
	if err != nil {
		t.Fatal(err)
	}
	in, _, err := dataset.Random(m, shapes, 1)
	if err != nil {
		t.Fatal(err)
	}
	calib, err := NewRandomRows(m, shapes, 1, 20)
	if err != nil {
		t.Fatal(err)
	}
	return Task{Model: m, Provider: enginetest.CPU(t), Target: target, TargetWhy: why, Inputs: in, Calib: calib, Source: "random",
		Key: "test", Output: filepath.Join(t.TempDir(), "out.onnx")}
}

// load opens a model file.
func load(t *testing.T, path string) *model.Model {
	t.Helper()
	m, err := model.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return m
}

// rowsOf opens a data set for m.
func rowsOf(t *testing.T, m *model.Model, source string) *dataset.Set {
	t.Helper()
	s, err := dataset.Open(source, m.Inputs(), dataset.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// digits is a task on the small classifier with its calibration rows and labelled test rows.
func digits(t *testing.T) Task {
	t.Helper()
	m := load(t, digitsDir+"digits-cnn.onnx")
	k := task(t, m, map[string]tensor.Shape{"image": {1, 1, 8, 8}})
	test := rowsOf(t, m, digitsDir+"test")
	k.Calib, k.Data, k.Source, k.DataName = rowsOf(t, m, digitsDir+"calib"), test, "calib", "test"
	k.Labels, _ = test.Labels()
	return k
}

// outcome is a document and its details.
type outcome struct {
	*report.Document
	report.QuantizeDetails
}

// quantize runs a task, and checks that the document is valid by its own rules and by its schema.
func quantize(t *testing.T, ctx context.Context, k Task, o Options) (outcome, error) {
	t.Helper()
	d := report.New("quantize")
	if err := o.Validate(); err != nil {
		t.Fatal(err)
	}
	if err := Run(ctx, k, o, d); err != nil {
		return outcome{Document: d}, err
	}
	r := outcome{Document: d}
	if err := json.Unmarshal(d.Details, &r.QuantizeDetails); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := report.Write(&b, d); err != nil {
		t.Fatal(err)
	}
	if err := d.Validate(); err != nil {
		t.Error(err)
	}
	checkSchema(t, b.Bytes())
	left, err := filepath.Glob(filepath.Join(filepath.Dir(k.Output), ".infer-*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	return r, nil
}

// mustQuantize is quantize of what works.
func mustQuantize(t *testing.T, k Task, o Options) outcome {
	t.Helper()
	r, err := quantize(t, t.Context(), k, o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func checkSchema(t *testing.T, doc []byte) {
	t.Helper()
	raw, err := jsonschema.UnmarshalJSON(strings.NewReader(report.SchemaJSON()))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	if err := c.AddResource("report.json", raw); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("report.json")
	if err != nil {
		t.Fatal(err)
	}
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(doc))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Validate(v); err != nil {
		t.Error(err)
	}
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// operatorsOf counts the operators of a written model.
func operatorsOf(t *testing.T, path string) map[string]int {
	t.Helper()
	count := map[string]int{}
	load(t, path).Proto.Walk(func(g *onnx.Graph) {
		for _, n := range g.Nodes {
			count[n.OpType]++
		}
	})
	return count
}
