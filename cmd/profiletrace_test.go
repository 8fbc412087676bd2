package cmd

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"infer/report"
)

const traces = "../model/trace/testdata/"

// fromTrace reads a trace and returns the profile.
func fromTrace(t *testing.T, args ...string) (report.Document, report.ProfileDetails) {
	t.Helper()
	r := infer(t, nil, append([]string{"profile", "--format", "json", "--from-trace"}, args...)...)
	if r.code != 0 {
		t.Fatalf("exit %d: %s", r.code, r.err)
	}
	var d report.Document
	var x report.ProfileDetails
	if err := json.Unmarshal([]byte(r.out), &d); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(d.Details, &x); err != nil {
		t.Fatal(err)
	}
	return d, x
}

func TestFromTrace(t *testing.T) {
	_, x := fromTrace(t, traces+"ort-1.30-loop.json", "--by", "node", "--top", "2")
	if x.Trace == nil || x.Trace.Format != "onnxruntime" || x.Trace.Runs != 2 || x.Trace.Skipped != 0 || x.By != "node" || x.Top != 2 || x.Correction != nil {
		t.Errorf("%+v, trace %+v", x, x.Trace)
	}
	for _, rows := range [][]report.Share{x.ByNode, x.ByOp, x.ByBlock, x.ByProvider, x.ByDType} {
		sum := 0.0
		for _, r := range rows {
			sum += r.Share
			if r.Traced != r.Seconds {
				t.Errorf("%s: %g s, traced %g: nothing tells what tracing cost", r.Name, r.Seconds, r.Traced)
			}
		}
		if len(rows) == 0 || sum < 0.999 || sum > 1.001 {
			t.Errorf("shares of %d rows add up to %g", len(rows), sum)
		}
	}
	if body := x.ByNode[2]; body.Name != "body_id" && body.Name != "body_add" || body.Calls != 3 {
		t.Errorf("the body of the loop: %+v", body)
	}
	_, x = fromTrace(t, traces+"torch-1.13.json")
	if x.Trace.Format != "pytorch" || x.Trace.Skipped != 1 || x.Trace.Runs != 2 || x.ByOp[0].Name != "aten::_slow_conv2d_forward" {
		t.Errorf("%+v, first row %+v", x.Trace, x.ByOp[0])
	}
}

// TestFromTraceCut: a file that ends early is read with a warning.
func TestFromTraceCut(t *testing.T) {
	b, err := os.ReadFile(traces + "ort-1.30-names.json")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "cut.json")
	if err := os.WriteFile(path, b[:len(b)*2/3], 0o600); err != nil {
		t.Fatal(err)
	}
	d, x := fromTrace(t, path)
	if !x.Trace.Cut || x.Trace.Runs != 1 || !strings.Contains(strings.Join(d.Warnings, "\n"), "ends early") {
		t.Errorf("%+v, warnings %q", x.Trace, d.Warnings)
	}
	if x.ByNode[0].Lo != nil || x.ByNode[0].Seconds <= 0 {
		t.Errorf("one run has a value and no interval: %+v", x.ByNode[0])
	}
}

func TestFromTraceGate(t *testing.T) {
	r := infer(t, nil, "profile", "--from-trace", traces+"ort-1.30-loop.json", "--gate", "latency_max<1us")
	if r.code != 3 {
		t.Errorf("exit %d: %s", r.code, r.err)
	}
}

// TestFromTraceAdvice: the rules that need nothing but a trace look at it, the others are named.
func TestFromTraceAdvice(t *testing.T) {
	line := func(name, op string, ts, dur int) string {
		return fmt.Sprintf(`{"cat":"Node","pid":1,"tid":1,"dur":%d,"ts":%d,"ph":"X","name":"%s_kernel_time","args":{"op_name":"%s","provider":"CPUExecutionProvider"}},`+"\n", dur, ts, name, op)
	}
	text := "[\n"
	for run := range 3 {
		text += line("turn", "Transpose", 1000*run, 400) + line("conv", "Conv", 1000*run+400, 600) +
			fmt.Sprintf(`{"cat":"Session","pid":1,"tid":1,"dur":1000,"ts":%d,"ph":"X","name":"model_run","args":{}},`+"\n", 1000*run)
	}
	path := filepath.Join(t.TempDir(), "layout.json")
	if err := os.WriteFile(path, []byte(text+"{}]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, x := fromTrace(t, path)
	if len(x.Advice) != 1 || x.Advice[0].Rule != "LAYOUT" || x.Advice[0].Bound < 1.5 {
		t.Errorf("advice %+v", x.Advice)
	}
	if len(x.Unjudged) < 5 {
		t.Errorf("only %d rules could not be judged", len(x.Unjudged))
	}
	if r := infer(t, nil, "profile", "--from-trace", path, "--advice-gate", "LAYOUT"); r.code != 3 {
		t.Errorf("exit %d: %s", r.code, r.err)
	}
}

// TestFromTraceRefuses: what cannot be read, and flags that say how to run a model.
func TestFromTraceRefuses(t *testing.T) {
	bad := filepath.Join(t.TempDir(), "bad.json")
	if err := os.WriteFile(bad, []byte(`{"traceEvents": "none"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	good := traces + "ort-1.30-loop.json"
	for _, c := range []struct {
		name string
		args []string
		want string
	}{
		{"no trace", []string{bad}, "no list"},
		{"no file", []string{"nowhere.json"}, "does not exist"},
		{"runs", []string{good, "--runs", "3"}, "--runs"},
		{"batch and threads", []string{good, "--batch", "1,2", "--threads", "2"}, "--batch, --threads"},
		{"by origin", []string{good, "--by", "origin"}, "--by origin"},
		{"onto itself", []string{good, "--export", "csv=" + good}, "overwrite"},
		{"more runs left out than there are", []string{good, "--warm-up", "9"}, "no whole run"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := infer(t, nil, append([]string{"profile", "--from-trace"}, c.args...)...)
			if r.code != 2 || r.out != "" || !strings.Contains(r.err, c.want) || !strings.Contains(r.err, "infer: hint: ") {
				t.Errorf("exit %d, stdout %q, stderr %q; want 2 and %q", r.code, r.out, r.err, c.want)
			}
		})
	}
}

// TestFromTraceModel: a trace that infer keeps, read again with its model, has the costs of the nodes.
func TestFromTraceModel(t *testing.T) {
	needEngine(t)
	model := "../../shared/models/mnist-cnn/mnist-cnn.onnx"
	if _, err := os.Stat(model); err != nil {
		t.Skip("no folder shared/models beside the checkout")
	}
	path := filepath.Join(t.TempDir(), "trace.json")
	if r := infer(t, passedOn(), "profile", model, "--runs", "10", "--warm-up", "3", "--profiled-runs", "5", "--cold", "0", "--roofline", "off", "--trace", path); r.code != 0 {
		t.Fatalf("exit %d: %s", r.code, r.err)
	}
	d, x := fromTrace(t, path, model)
	if d.Manifest.Model == nil || d.Metric("macs", nil) == nil {
		t.Error("nothing is told of the model")
	}
	macs := map[string]float64{}
	for _, r := range x.ByNode {
		macs[r.Name] = 0
		if r.MACs != nil {
			macs[r.Name] = *r.MACs
		}
	}
	for name, want := range map[string]float64{ // laid out anew, fused, as written
		"/conv1/Conv": 8 * 26 * 26 * 9, "/conv3/Conv": 24 * 22 * 22 * 16 * 9, "/norm1/BatchNormalization": 0, "/fc1/Gemm": 11616 * 32, "/LogSoftmax": 0,
	} {
		if got, ok := macs[name]; !ok || got != want {
			t.Errorf("%s: %g MACs, want %g; rows %v", name, got, want, macs)
		}
	}
}
