package cmd

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"infer/internal/host"
	"infer/model/engine"
	"infer/profile/advice"
	"infer/report"
)

// TestListAdvice: the rules are a document like any other, in every format.
func TestListAdvice(t *testing.T) {
	for _, format := range []string{"text", "markdown", "html", "json"} {
		r := infer(t, nil, "profile", "--list-advice", "--format", format)
		if r.code != 0 {
			t.Fatalf("%s: exit %d: %s", format, r.code, r.err)
		}
		for _, rule := range advice.Rules() {
			if !strings.Contains(r.out, rule.ID) {
				t.Errorf("%s lacks %s", format, rule.ID)
			}
		}
	}
	var x report.ProfileDetails
	if err := json.Unmarshal(infer(t, nil, "profile", "--list-advice", "--format", "json").document(t).Details, &x); err != nil || len(x.Rules) != len(advice.Rules()) {
		t.Errorf("%d rules, %v", len(x.Rules), err)
	}
}

// TestAdviceGateUnknown: a rule that there is none of is told before the model is looked at.
func TestAdviceGateUnknown(t *testing.T) {
	r := infer(t, nil, "profile", "missing.onnx", "--advice-gate", "layuot")
	if r.code != 2 || !strings.Contains(r.err, `--advice-gate "layuot" is no rule`) || !strings.Contains(r.err, "did you mean LAYOUT?") {
		t.Errorf("exit %d: %s", r.code, r.err)
	}
}

func TestJudgeAdvice(t *testing.T) {
	for _, c := range []struct {
		name, gate string
		verdict    string
		reason     string
		document   report.Verdict
		code       int
	}{
		{"fires", "layout", report.Fail, "a tenth of the time", report.FailedGate, 3},
		{"does not", "ARENA", report.Pass, "the rule does not apply", report.OK, 0},
		{"unknown", "CAP", report.GateInconclusive, "cannot be judged: there is no trace", report.Inconclusive, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := report.New("profile")
			d.Validity.Verdict = "valid"
			if err := d.SetDetails(report.ProfileDetails{Advice: []report.Advice{{Rule: "LAYOUT", What: "a tenth of the time"}},
				Unjudged: []report.UnjudgedRule{{Rule: "CAP", Why: "there is no trace"}}}); err != nil {
				t.Fatal(err)
			}
			f := profileFlags{adviceGates: []string{c.gate}}
			if err := f.checkAdviceGates(); err != nil {
				t.Fatal(err)
			}
			d.Judge(nil)
			if err := f.judgeAdvice(d); err != nil {
				t.Fatal(err)
			}
			if g := d.Gates[0]; len(d.Gates) != 1 || g.Expr != "advice "+strings.ToUpper(c.gate) || g.Verdict != c.verdict || g.Reason != c.reason {
				t.Errorf("gates are %+v", d.Gates)
			}
			if d.Verdict != c.document || report.ExitCode(d, false) != c.code {
				t.Errorf("verdict %s, exit %d", d.Verdict, report.ExitCode(d, false))
			}
		})
	}
}

// TestAdviceGate: a rule that a setting alone makes apply.
func TestAdviceGate(t *testing.T) {
	needEngine(t)
	r := infer(t, passedOn(), "profile", digits, "--runs", "20", "--warm-up", "3", "--cold", "0", "--roofline", "off", "--profiled-runs", "0", "--threads", "1",
		"--session-config", "session.disable_prepacking=1", "--advice-gate", "PREPACK-OFF", "--advice-gate", "LAYOUT", "--format", "json")
	d := r.document(t)
	if r.code != 3 || d.Verdict != report.FailedGate || !strings.Contains(r.err, "a gate was missed: advice PREPACK-OFF (") {
		t.Errorf("exit %d, verdict %s: %s", r.code, d.Verdict, r.err)
	}
	if g := d.Gates[1]; g.Verdict != report.GateInconclusive || g.Reason != "cannot be judged: no times of nodes: the profile has no traced runs" {
		t.Errorf("without a traced run, LAYOUT is %+v", g)
	}
}

// TestAdviceCommands reads every command that a rule gives as the program would.
func TestAdviceCommands(t *testing.T) {
	x := 1.0
	bad := func(threads int) *advice.Facts {
		return &advice.Facts{
			Path: "'my model.onnx'", Config: engine.Config{Threads: threads, InterThreads: 2, OptLevel: engine.OptBasic, Entries: map[string]string{"session.disable_prepacking": "1"}},
			CPUs: host.CPUs{Count: 8, Affinity: 8}, Interference: host.Interference{Wall: 5, ThrottledCount: 9, OtherCPU: 0.5, Steal: 9},
			Machine: host.Machine{SMT: true, Cores: 4, Threads: 8, NUMANodes: 4},
			Details: &report.ProfileDetails{
				ByNode: []report.Share{
					{Name: "t", Op: "Transpose", Count: 1, Share: 0.4, Seconds: 1, Class: "memory", Parallel: new(float64)},
					{Name: "m", Op: "MatMul", Count: 1, Share: 0.6, Seconds: 2, Class: "memory", Parallel: &x, Wait: &x, Shapes: "float 1x8", Bytes: &x, WeightBytes: &x},
				},
				Correction: &report.Correction{Untraced: report.Interval{Value: 9}, Traced: report.Interval{Value: 9}, Residual: 6, Nodes: 2, Below: 1, Calibrated: "so"},
				Idle:       &report.Idle{Share: 1, CPU: 9, Spin: 9, N: 5},
				Memory:     &report.Memory{Allocator: &report.Allocator{PeakInUse: 1, Held: 1 << 30}}, Trace: &report.TraceInfo{Capped: true, Runs: 9},
			},
		}
	}
	read := map[string]bool{}
	for _, threads := range []int{8, 64} {
		for _, a := range advice.Check(bad(threads)) {
			if a.Command == "" {
				continue
			}
			read[a.Rule] = true
			w := words(a.Command)
			if w[0] != "infer" || !slices.Contains(w, "my model.onnx") {
				t.Errorf("%s: %s", a.Rule, a.Command)
			}
			readCommand(t, a.Rule, w[1:])
		}
	}
	if len(read) < 15 {
		t.Errorf("only the commands of %v", sortedKeys(read))
	}
}
