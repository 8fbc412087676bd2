package profile

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"infer/internal/progress"
	"infer/model/engine/enginetest"
	"infer/model/tensor"
	"infer/report"
)

// fast is a profile of little more than its stages.
var fast = Options{Runs: 8, WarmUp: 0, Duration: 40 * time.Millisecond, By: "op", Top: 5}

func needShell(t *testing.T) {
	t.Helper()
	if _, err := os.Stat("/bin/sh"); err != nil {
		t.Skip("no /bin/sh")
	}
}

// TestStageCommands: commands and declared work are measured alone and in turn, each with its runs counted right.
func TestStageCommands(t *testing.T) {
	needShell(t)
	f := &enginetest.Fake{}
	tg := target(t, f)
	log := filepath.Join(t.TempDir(), "log")
	tg.PreCommand, tg.PostCommand = "while read n; do echo $n | tee -a "+log+"; done", "true"
	tg.Pre = func(context.Context) error { return errors.New("the command stands for it") }
	d := report.New("profile")
	if _, err := Run(t.Context(), tg, fast, d); err != nil {
		t.Fatal(err)
	}
	x, err := Details(d)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	runs := 0
	for _, s := range x.Stages {
		names = append(names, s.Stage)
		p50 := d.Metric("latency_p50", map[string]string{"stage": s.Stage})
		if n := int(s.Latency.Count()); p50 == nil || p50.Value == nil || p50.N != n || n < 6 {
			t.Errorf("stage %s of %d runs has %+v", s.Stage, n, p50)
		}
		if s.Anew != strings.HasPrefix(s.Stage, "post") || (s.Command == "") != strings.HasPrefix(s.Stage, "forward") {
			t.Errorf("%+v", s)
		}
		if strings.HasPrefix(s.Stage, "pre") {
			runs += int(s.Latency.Count())
		}
	}
	if got := strings.Join(names, ", "); got != "pre, forward, post, pre pipelined, forward pipelined, post pipelined" {
		t.Errorf("stages are %s", got)
	}
	seen, err := os.ReadFile(log)
	if n := strings.Count(string(seen), "\n"); err != nil || n < runs {
		t.Errorf("the command did %d pieces of work for %d runs, %v", n, runs, err)
	}
	if n := f.Sessions(); n != 0 {
		t.Errorf("%d sessions are left open", n)
	}
}

// TestStageDeclared: without commands, what is declared is measured the same way.
func TestStageDeclared(t *testing.T) {
	tg := target(t, &enginetest.Fake{})
	made, read := 0, 0
	tg.Pre = func(context.Context) error { made++; return nil }
	tg.Post = func(out []tensor.Tensor) error {
		if read++; len(out) != 1 || out[0].Name != "y" {
			return errors.New("not the outputs of the model")
		}
		return nil
	}
	d := report.New("profile")
	if _, err := Run(t.Context(), tg, fast, d); err != nil {
		t.Fatal(err)
	}
	x, err := Details(d)
	if err != nil || len(x.Stages) != 6 || made < 12 || read < 12 {
		t.Errorf("%d stages, %d and %d runs, %v", len(x.Stages), made, read, err)
	}
}

// TestStageFails: a command that fails ends the profile with its last words, whenever that happens.
func TestStageFails(t *testing.T) {
	needShell(t)
	for _, c := range []struct{ name, pre, post, want string }{
		{"pre at once", "echo no camera >&2; exit 4", "", "--pre: run 1: command"},
		{"post later", "", "while read n; do [ $n -lt 9 ] || { echo no printer >&2; exit 4; }; echo $n; done", "no printer"},
		{"no program", "no-such-program-of-infer", "", "--pre: start command"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := &enginetest.Fake{}
			tg := target(t, f)
			tg.PreCommand, tg.PostCommand = c.pre, c.post
			_, err := Run(t.Context(), tg, fast, report.New("profile"))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error is %v", err)
			}
			if f.Sessions() != 0 {
				t.Error("a session is left open")
			}
		})
	}
}

// TestStageInterrupted: what was measured before is in the document.
func TestStageInterrupted(t *testing.T) {
	needShell(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	tg := target(t, &enginetest.Fake{})
	tg.PreCommand = "while read n; do [ $n -lt 4 ] || sleep 600; echo $n; done"
	tg.Progress = func(e progress.Event) { // the timed runs are over
		if e.Phase == "start the command of --pre" {
			time.AfterFunc(100*time.Millisecond, cancel)
		}
	}
	d := report.New("profile")
	if _, err := Run(ctx, tg, fast, d); err != nil {
		t.Fatal(err)
	}
	if m := d.Metric("latency_p50", nil); d.Verdict != report.Interrupted || m == nil || m.Value == nil {
		t.Errorf("verdict %s, %+v", d.Verdict, m)
	}
}

func TestStarted(t *testing.T) {
	r := &runner{d: report.New("profile")}
	r.started() // without any, nothing
	r.details.Memory = &report.Memory{}
	for _, took := range []float64{3, 1, 2} {
		r.details.Cold = append(r.details.Cold, report.ColdStart{SessionInit: took, PeakRSS: 100 * took, BaseRSS: 10 * took,
			Spans: []report.Span{{Name: "create the session", End: took}}})
	}
	r.started()
	if m := r.details.Memory; len(r.details.Timeline) != 1 || r.details.Timeline[0].End != 2 || m.PeakRSS != 200 || m.BaseRSS != 20 {
		t.Errorf("%+v, %+v", r.details.Timeline, m)
	}
	if r.d.Metric("session_init", nil) == nil {
		t.Error("no metric of the starts")
	}
}
