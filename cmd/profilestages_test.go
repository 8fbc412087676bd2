package cmd

import (
	"encoding/json"
	"os"
	"runtime"
	"strings"
	"testing"

	"infer/report"
)

// TestProfileCommands: the stages of commands, the steps of a start and the memory of a real session.
func TestProfileCommands(t *testing.T) {
	if _, err := os.Stat("/bin/sh"); err != nil {
		t.Skip("no /bin/sh")
	}
	needEngine(t)
	r := infer(t, passedOn(), "profile", digits, "--runs", "50", "--warm-up", "3", "--duration", "50ms", "--cold", "2", "--profiled-runs", "0", "--roofline", "off",
		"--pre", "while read n; do echo $n; done", "--post", "true", "--format", "json")
	if r.code != 0 {
		t.Fatalf("exit %d: %s", r.code, r.err)
	}
	d := r.document(t)
	for _, stage := range []string{"pre", "forward", "post"} {
		for _, way := range []string{"", " pipelined"} {
			if v := value(t, d, "latency_p50", map[string]string{"stage": stage + way}); v <= 0 {
				t.Errorf("stage %s%s takes %g s", stage, way, v)
			}
		}
	}
	var x report.ProfileDetails
	if err := json.Unmarshal(d.Details, &x); err != nil {
		t.Fatal(err)
	}
	if s := x.Stages; len(s) != 6 || s[0].Anew || !s[2].Anew || s[2].Command != "true" {
		t.Errorf("stages are %+v", s)
	}
	var names []string
	at := 0.0
	for _, s := range x.Timeline {
		if s.Begin < at || s.End < s.Begin {
			t.Errorf("%s from %g to %g s, after %g s", s.Name, s.Begin, s.End, at)
		}
		names, at = append(names, s.Name), s.End
	}
	if got := strings.Join(names, ", "); !strings.HasPrefix(got, "start the process, read and parse the model, make the inputs, load the library, create the session, first run, second run") {
		t.Errorf("the steps of a start are %s", got)
	}
	m := x.Memory
	if m == nil || runtime.GOOS == "linux" && (m.BaseRSS <= 0 || m.PeakRSS <= m.BaseRSS) || len(m.AlivePeak) == 0 || m.AlivePeak[0].DType != "float32" || m.AlivePeak[0].Shape == "" {
		t.Errorf("memory is %+v", m)
	}
	if c := x.Cold; len(c) != 2 || len(c[0].Later) < leastLater {
		t.Errorf("cold starts are %+v", c)
	}
}

// TestProfileCommandsBad: what cannot be started is told before anything is measured.
func TestProfileCommandsBad(t *testing.T) {
	needEngine(t)
	for flag, command := range map[string]string{"--pre": "no-such-program-of-infer", "--post": " "} {
		r := infer(t, passedOn(), "profile", digits, flag, command)
		if r.code != 2 || r.out != "" || !strings.Contains(r.err, flag+": start command") || !strings.Contains(r.err, "hint: ") {
			t.Errorf("%s %q: exit %d: %s%s", flag, command, r.code, r.out, r.err)
		}
	}
	r := infer(t, passedOn(), "profile", digits, "--duration", "50ms", "--pre", "echo no camera >&2; exit 4")
	if r.code != 1 || r.out != "" || !strings.Contains(r.err, "no camera") {
		t.Errorf("exit %d: %s%s", r.code, r.out, r.err)
	}
}
