package cmd

import (
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"infer/report"
	"infer/report/decide"
)

// madeDecision is a decision between made documents: int8 holds p99<200ms, nothing is below 50 ms.
const madeDecision = "../report/decide/testdata/decision.json"

func TestOperands(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.WriteFile("a=b.json", []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		arg  string
		want operand
	}{
		{"run.json", operand{"", "run.json"}}, {"int8=run.json", operand{"int8", "run.json"}}, {" int8 x =x=y.json", operand{"int8 x", "x=y.json"}},
		{"a=b.json", operand{"", "a=b.json"}}, {"dir/x=y.json", operand{"", "dir/x=y.json"}},
	} {
		if got, err := operands([]string{c.arg}); err != nil || got[0] != c.want {
			t.Errorf("%q: %+v, %v, want %+v", c.arg, got, err, c.want)
		}
	}
	for _, bad := range []string{"=x.json", "int8=", strings.Repeat("x", 65) + "=y.json", "a\x1bb=y.json"} {
		if got, err := operands([]string{bad}); err == nil {
			t.Errorf("%q: %+v", bad, got)
		}
	}
}

// TestReportDecision: a decision is shown again, from its page too, and judged anew by other objectives and prices.
func TestReportDecision(t *testing.T) {
	dir := t.TempDir()
	page := filepath.Join(dir, "decision.html")
	if r := infer(t, nil, "report", madeDecision, "--report", page, "--format", "json"); r.code != 0 || r.document(t).Verdict != report.OK {
		t.Fatalf("exit %d: %s", r.code, r.err)
	}
	outcomes := filepath.Join(dir, "outcomes.csv")
	if err := os.WriteFile(outcomes, []byte("variant,metric,value,n\nfp32,clicks,0.03,1000\nint8,clicks,0.04,1000\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name   string
		args   []string
		code   int
		chosen string
		errs   string
	}{
		{"shown", nil, 0, "int8", ""},
		{"an objective that none meets", []string{"--slo", "p99<1ms"}, 3, "", "a gate was missed: p99<1ms"},
		{"as a gate", []string{"--gate", "latency_p99<1ms"}, 3, "", "a gate was missed"},
		{"an objective that one meets", []string{"--slo", "p99<55ms"}, 0, "int8", ""},
		{"an objective on latency and speed", []string{"--slo", "p99<100ms", "--slo", "throughput>=500/s"}, 0, "batched", ""},
		{"another price", []string{"--price", "1/h", "--price", "batched=0.1/h"}, 0, "batched", ""},
		{"another demand", []string{"--rps", "100"}, 0, "int8", ""},
		{"inconclusive", []string{"--slo", "p99<100ms", "--slo", "server_queue_mean<1s"}, 0, "", ""},
		{"inconclusive, strict", []string{"--slo", "p99<100ms", "--slo", "server_queue_mean<1s", "--strict"}, 4, "", "was not measured"},
		{"outcomes", []string{"--outcome", outcomes}, 0, "int8", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := infer(t, nil, append([]string{"report", page, "--format", "json"}, c.args...)...)
			if r.code != c.code || !strings.Contains(r.err, c.errs) {
				t.Fatalf("exit %d, want %d: %s", r.code, c.code, r.err)
			}
			x, err := decide.Details(r.document(t))
			if err != nil {
				t.Fatal(err)
			}
			if x.Chosen != c.chosen {
				t.Errorf("chosen %q, want %q: %s", x.Chosen, c.chosen, x.Headline)
			}
			if c.name == "outcomes" && (len(x.Outcomes) != 2 || x.Outcomes[1].Change == nil) {
				t.Errorf("outcomes %+v", x.Outcomes)
			}
		})
	}
}

// TestReportDecisionRefuses: bad input is exit 2, one line and a hint, and nothing on stdout.
func TestReportDecisionRefuses(t *testing.T) {
	dir := t.TempDir()
	bad := filepath.Join(dir, "outcomes.csv")
	if err := os.WriteFile(bad, []byte("variant,metric,value,n\nfp32,clicks,much,1000\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	strange := filepath.Join(dir, "strange.csv")
	if err := os.WriteFile(strange, []byte("variant,metric,value,n\nfp23,clicks,0.1,1000\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"--price", "cheap"}, `--price: "cheap" is no price an hour`},
		{[]string{"--price", "int9=1/h"}, `price: there is no configuration "int9"`},
		{[]string{"--utilization", "120%"}, "--utilization: utilization"},
		{[]string{"--rps", "-1"}, "--rps -1 is not above 0"},
		{[]string{"--rps", "NaN"}, "--rps NaN is not above 0"},
		{[]string{"--accuracy-target", "all"}, `accuracy target "all" is not known`},
		{[]string{"--outcome", filepath.Join(dir, "none.csv")}, "none.csv"},
		{[]string{"--outcome", dir}, "is a folder"},
		{[]string{"--outcome", bad}, `line 2: value "much" is no number`},
		{[]string{"--outcome", strange}, "did you mean fp32?"},
		{[]string{"--slo", "p99<"}, "p99<"},
		{[]string{"--outcome", strange, "-o", strange}, "would overwrite a file that is read"},
		{[]string{madeDecision}, `is of kind "report", from which nothing is decided`},
	} {
		t.Run(strings.Join(c.args, " "), func(t *testing.T) {
			r := infer(t, nil, append([]string{"report", madeDecision}, c.args...)...)
			if r.code != 2 || r.out != "" || !strings.Contains(r.err, c.want) || !strings.Contains(r.err, "infer: hint: ") {
				t.Errorf("exit %d, stdout %q, stderr %q", r.code, r.out, r.err)
			}
		})
	}
}

// TestDecide: real results of the digits model, as it is and quantized, in one decision: the facts of each document
// reach the configurations of its model. What is chosen depends on the machine; that something is told does not.
func TestDecide(t *testing.T) {
	needEngine(t)
	dir := t.TempDir()
	small := filepath.Join(dir, "small.onnx")
	file := func(name string) string { return filepath.Join(dir, name+".json") }
	for _, args := range [][]string{
		append([]string{"quantize", digits, "--mode", "static", "--calib", calib, "--data", test, "-o", small, "--report", file("quantize")}, quickly...),
		{"profile", small, "--runs", "400", "--warm-up", "3", "--cold", "1", "--report", file("profile")},
		{"predict", digits, "--input", test, "-o", filepath.Join(dir, "answers"), "--report", file("predict")},
		append(quick(digits, "--rps", "100", "--slo", "p99<5s"), "--report", file("fp32")),
		append(quick(small, "--rps", "100", "--slo", "p99<5s"), "--report", file("int8")),
	} {
		if r := infer(t, passedOn(), args...); !trusted(r) {
			t.Fatalf("%v: exit %d: %s", args, r.code, r.err)
		}
	}
	page := filepath.Join(dir, "decision.html")
	r := infer(t, nil, "report", file("fp32"), file("int8"), file("quantize"), file("profile"), file("predict"), "--accuracy-target", "mlperf99",
		"--price", "$0.40/h", "--rps", "1000", "--report", page, "--format", "json")
	if r.out == "" {
		t.Fatalf("exit %d: %s", r.code, r.err)
	}
	d := r.document(t)
	if err := d.Validate(); err != nil {
		t.Error(err)
	}
	x, err := decide.Details(d)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, c := range x.Configs {
		names = append(names, c.Name)
	}
	if !slices.Equal(names, []string{"fp32", "int8"}) {
		t.Fatalf("configurations %q", names)
	}
	of := map[string][]string{}
	for _, s := range x.Sources {
		of[s.Kind+" "+strings.TrimSuffix(filepath.Base(s.Path), ".json")] = s.Of
	}
	if want := map[string][]string{"loadtest fp32": {"fp32"}, "loadtest int8": {"int8"}, "quantize quantize": {"fp32", "int8"}, "profile profile": {"int8"}, "predict predict": {"fp32"}}; !reflect.DeepEqual(of, want) {
		t.Errorf("sources are of %v, want %v", of, want)
	}
	for _, config := range names {
		for _, name := range []string{"latency_p50", "throughput", "accuracy_top1", "accuracy_drop", "model_bytes"} {
			value(t, d, name, map[string]string{"config": config})
		}
	}
	value(t, d, "session_init", map[string]string{"config": "int8"})
	if len(x.Configs[1].Shares) == 0 || len(x.SLO) != 2 || x.Headline == "" || x.Configs[0].Target != "infer loadtest "+digits {
		t.Errorf("details %+v", x)
	}
	again := infer(t, nil, "report", page, "--slo", "p99<1ns", "--format", "json")
	if y, err := decide.Details(again.document(t)); err != nil || y.Chosen != "" || y.Demand != 1000 || len(y.Price) != 1 {
		t.Errorf("judged anew: %+v, %v", y, err)
	}
	if r := infer(t, nil, "report", file("profile"), "--slo", "latency_p50<1h", "--format", "json"); r.code != 0 || len(r.document(t).Gates) != 1 {
		t.Errorf("one profile with an objective: exit %d: %s", r.code, r.err)
	}
}
