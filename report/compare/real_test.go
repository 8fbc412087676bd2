package compare_test

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"infer/cmd"
	"infer/internal/term"
	"infer/model"
	"infer/model/onnx"
	"infer/model/tensor"
	"infer/report"
	"infer/report/compare"
)

const digits = "../../testdata/digits/digits-cnn.onnx"

// measured runs a command of the program and returns its document; the test is skipped where there is no runtime.
func measured(t *testing.T, args ...string) *report.Document {
	t.Helper()
	var out, errs bytes.Buffer
	code := cmd.Main(append(args, "--format", "json"), term.Streams{In: strings.NewReader(""), Out: &out, Err: &errs, Getenv: func(k string) (string, bool) {
		if strings.HasPrefix(k, "INFER_") && k != "INFER_ORT_LIBRARY" && k != "INFER_OFFLINE" {
			return "", false
		}
		return os.LookupEnv(k)
	}})
	d, err := report.Read(&out)
	if err != nil {
		t.Skipf("infer %s: exit %d: %s", strings.Join(args, " "), code, errs.String())
	}
	return d
}

// slowed is the model of digits with two convolutions in front that add much work.
func slowed(t *testing.T) string {
	t.Helper()
	m, err := model.Load(digits)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	g := m.Proto.Graph
	weight := func(name string, shape ...int64) {
		n := 1
		for _, d := range shape {
			n *= int(d)
		}
		data := make([]byte, 4*n)
		for i := range n {
			binary.LittleEndian.PutUint32(data[4*i:], math.Float32bits(0.01))
		}
		w, err := onnx.NewTensor(name, tensor.Tensor{DType: tensor.Float32, Shape: shape, Data: data})
		if err != nil {
			t.Fatal(err)
		}
		g.Initializers = append(g.Initializers, w)
	}
	weight("slow_w", 96, 1, 5, 5)
	weight("slow_v", 1, 96, 5, 5)
	in := g.Inputs[0].Name
	for _, n := range g.Nodes {
		for i, name := range n.Inputs {
			if name == in {
				n.Inputs[i] = "slow_y"
			}
		}
	}
	conv := func(name string, inputs []string, out string) *onnx.Node {
		return &onnx.Node{Name: name, OpType: "Conv", Inputs: inputs, Outputs: []string{out}, Attrs: []*onnx.Attribute{{Name: "pads", Type: onnx.AttrInts, Ints: []int64{2, 2, 2, 2}}}}
	}
	g.Nodes = slices.Insert(g.Nodes, 0, conv("deliberately_slow", []string{in, "slow_w"}, "slow_h"), conv("deliberately_slow_too", []string{"slow_h", "slow_v"}, "slow_y"))
	path := filepath.Join(t.TempDir(), "slow.onnx")
	if err := m.Save(path, model.SaveOptions{}); err != nil {
		t.Fatal(err)
	}
	return path
}

func compareReal(t *testing.T, base, head *report.Document, vary []string, gates ...string) (*report.Document, *report.CompareDetails) {
	t.Helper()
	o := compare.DefaultOptions
	o.Explain, o.Vary = true, vary
	for _, e := range gates {
		g, err := report.ParseGate(e)
		if err != nil {
			t.Fatal(err)
		}
		o.Gates = append(o.Gates, g)
	}
	d, err := compare.Files([]compare.Input{{Path: "base.json", Doc: base}}, []compare.Input{{Path: "head.json", Doc: head}}, o)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Validate(); err != nil {
		t.Fatal(err)
	}
	x := &report.CompareDetails{}
	if err := json.Unmarshal(d.Details, x); err != nil {
		t.Fatal(err)
	}
	return d, x
}

// TestRealProfiles: two profiles of one model are comparable, the slowed model is told by its nodes (which the runtime
// names after what they give out where it has made them anew), and another batch is
// refused by name. Whether the profiles are valid the machine decides: then nothing passes, and nothing fails.
func TestRealProfiles(t *testing.T) {
	profile := func(more ...string) *report.Document {
		return measured(t, append([]string{"profile"}, append(more, "--runs", "100", "--cold", "0", "--threads", "1")...)...)
	}
	base, again, slow := profile(digits), profile(digits), profile(slowed(t))
	bothValid := func(a, b *report.Document) bool {
		return a.Validity.Verdict == report.Valid && b.Validity.Verdict == report.Valid
	}
	d, x := compareReal(t, base, again, nil, "latency_p50<=+1000%", "model_bytes<=+0%")
	if len(x.Differs) != 0 || x.Explain == nil || len(x.Shift) == 0 || d.Verdict == report.Regressed || d.Verdict == report.NotComparable {
		t.Errorf("%s, differs %+v, explain %+v", d.Verdict, x.Differs, x.Explain)
	}
	if bothValid(base, again) && d.Verdict != report.OK {
		t.Errorf("valid profiles of one model: %s, %s", d.Verdict, x.Reason)
	}
	d, x = compareReal(t, base, slow, nil, "model_bytes<=+0%")
	if valid := bothValid(base, slow); valid && d.Verdict != report.Regressed || !valid && d.Verdict != report.Invalid {
		t.Errorf("valid %v: %s, %s", valid, d.Verdict, x.Reason)
	}
	if x.Explain == nil || !slices.ContainsFunc(x.Explain.Rows, func(r report.ExplainRow) bool {
		return r.State == "added" && r.Op == "Conv" && strings.Contains(r.Name, "slow")
	}) {
		t.Errorf("the slow nodes are not named: %+v", x.Explain)
	}
	if d, x := compareReal(t, base, profile(digits, "--dim", "batch=4"), nil); d.Verdict != report.NotComparable || !strings.Contains(x.Reason, "input image is 1x1x8x8 in base and 4x1x8x8 in head") {
		t.Errorf("%s, %s", d.Verdict, x.Reason)
	}
	if d, x := compareReal(t, base, profile(digits, "--inter-threads", "2"), []string{"inter-threads"}); d.Verdict == report.NotComparable || len(x.Differs) != 1 || !x.Differs[0].Allowed {
		t.Errorf("%s, %+v", d.Verdict, x.Differs)
	}
	if d, x := compareReal(t, base, measured(t, "inspect", digits), nil); d.Verdict != report.NotComparable || !strings.Contains(x.Reason, "kind is profile in base and inspect in head") {
		t.Errorf("%s, %s", d.Verdict, x.Reason)
	}
}

// TestRealLoads: two load tests of one model in this process compare, those of two rates do not.
func TestRealLoads(t *testing.T) {
	load := func(rate string) *report.Document {
		return measured(t, "loadtest", digits, "--rps", rate, "--duration", "1s", "--threads", "1")
	}
	base := load("300")
	d, x := compareReal(t, base, load("300"), nil, "latency_p50<=+100000%")
	if d.Verdict == report.NotComparable || d.Verdict == report.Regressed || x.Explain == nil || x.Explain.What != "phases" || len(x.Shift) == 0 {
		t.Errorf("%s, %s, explain %+v", d.Verdict, x.Reason, x.Explain)
	}
	if base.Validity.Verdict == report.NotValid && d.Verdict != report.Invalid {
		t.Errorf("an invalid load test gives %s", d.Verdict)
	}
	if d, x := compareReal(t, base, load("200"), nil); d.Verdict != report.NotComparable || !strings.Contains(x.Reason, "rate is 300 /s in base and 200 /s in head") {
		t.Errorf("%s, %s", d.Verdict, x.Reason)
	}
}
