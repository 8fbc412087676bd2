package configs_test

import (
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"infer/report"
)

const (
	digits = "../testdata/digits/digits-cnn.onnx"
	other  = "../testdata/odd/scalar-input.onnx"
)

// brief are settings with which a comparison ends after its first pair, which decides nothing.
func brief(gates string) map[string]string {
	env := quick(gates)
	env["MAX_TIME"] = "1ms"
	return env
}

// quick are settings with which a comparison with wide gates is decided in seconds.
func quick(gates string) map[string]string {
	return map[string]string{"INFER_REPOSITORY": prepared("source"), "INFER_REF": "checked", "GATES": gates, "PAIRS": "6", "BLOCK": "60ms", "MAX_TIME": "20s"}
}

// TestComparePipeline runs the workflow of a pull request: what passes, what regresses, what cannot be compared and what
// stays open each leave the one comment, the summary, the reports and the exit code that they should.
func TestComparePipeline(t *testing.T) {
	for _, c := range []struct {
		name       string
		base, head string
		gates      string
		code       int
		verdict    string
		comment    string // what it says
	}{
		{"ok", digits, digits, "latency_p50<=+900%\nmodel_bytes<=+0%\n", 0, "ok", "**OK**"},
		{"regressed", prepared("fast.onnx"), prepared("slow.onnx"), "latency_p50<=+5%\n", 3, "regressed", "**REGRESSED**"},
		{"not comparable", digits, other, "latency_p50<=+5%\n", 4, "not_comparable", "**NOT COMPARABLE**"},
		{"inconclusive", digits, digits, "latency_p50<=+5%\n", 0, "inconclusive", "Inconclusive is no failure and no pass"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRunner(t, c.base, c.head)
			github := newComments(t)
			r.api, r.env = github.start(), quick(c.gates)
			if c.verdict == "inconclusive" {
				r.env = brief(c.gates) // or it looks for more pairs all the time
			}
			r.run("github/infer-compare.yml")
			if r.failed != c.code || r.outputs["compare"]["verdict"] != c.verdict || r.outputs["compare"]["gate_failed"] != fmt.Sprint(c.code == 3) {
				t.Errorf("exit %d, outputs %v, want %d and %s\n%s", r.failed, r.outputs["compare"], c.code, c.verdict, r.log)
			}
			if !strings.HasPrefix(strings.TrimSpace(r.summary), "<!-- infer:report:compare -->") {
				t.Errorf("summary %q", r.summary)
			}
			if got := strings.Join(r.kept, " "); got != "comment.md junit.xml compare.json compare.html" {
				t.Errorf("kept %s", got)
			}
			if !strings.Contains(r.log, " title=infer compare%3A ") {
				t.Errorf("no annotation in\n%s", r.log)
			}
			if !haveGH() {
				t.Skip("no gh on this machine: the comment is not tried")
			}
			first := github.mine(t)
			for _, want := range []string{"<!-- infer:report:compare -->\n", c.comment, "/o/r/actions/runs/42)"} {
				if !strings.Contains(first.Body, want) {
					t.Errorf("the comment lacks %q:\n%s", want, first.Body)
				}
			}
		})
	}
}

func haveGH() bool {
	_, err := exec.LookPath("gh")
	return err == nil
}

// TestCommentIsUpdated: the second push updates the comment of the first, and nobody else's.
func TestCommentIsUpdated(t *testing.T) {
	r := newRunner(t, digits, digits)
	if !haveGH() {
		t.Skip("no gh on this machine")
	}
	github := newComments(t)
	r.api, r.env = github.start(), brief("latency_p50<=+900%\n")
	r.run("github/infer-compare.yml")
	first := github.mine(t)
	if !strings.Contains(first.Body, "+900%") {
		t.Errorf("first comment:\n%s", first.Body)
	}
	r.git("worktree", "remove", "--force", "base")
	r.env = brief("latency_p50<=+800%\n")
	r.run("github/infer-compare.yml")
	second := github.mine(t)
	if second.ID != first.ID || !strings.Contains(second.Body, "+800%") || strings.Contains(second.Body, "+900%") {
		t.Errorf("comment %d became %d:\n%s", first.ID, second.ID, second.Body)
	}
	if strings.Contains(r.log, "== Build infer") {
		t.Error("infer was built again although the cache has it")
	}
}

// TestForkComments: a token that may not write, or not even read, fails nothing and is said.
func TestForkComments(t *testing.T) {
	for _, readable := range []bool{true, false} {
		r := newRunner(t, digits, digits)
		if !haveGH() {
			t.Skip("no gh on this machine")
		}
		github := newComments(t)
		github.fork, github.hidden = true, !readable
		r.api, r.env = github.start(), brief("latency_p50<=+900%\n")
		r.run("github/infer-compare.yml")
		if r.failed != 0 || !strings.Contains(r.log, "::notice title=no comment::") || !strings.Contains(r.summary, "<!-- infer:report:compare -->") {
			t.Errorf("exit %d, summary %.400q\n%s", r.failed, r.summary, r.log)
		}
	}
}

// TestNewModel: a model that one side has not is nothing to compare, and no failure; infer that is nowhere is one.
func TestNewModel(t *testing.T) {
	for _, c := range [][2]string{{"", digits}, {digits, ""}} {
		r := newRunner(t, c[0], c[1])
		r.env = quick("latency_p50<=+5%\n")
		r.run("github/infer-compare.yml")
		if r.failed != 0 || !strings.Contains(r.summary, "nothing to compare") || len(r.kept) != 0 {
			t.Errorf("exit %d, summary %q, kept %v\n%s", r.failed, r.summary, r.kept, r.log)
		}
	}
	r := newRunner(t, digits, digits)
	r.run("github/infer-compare.yml")
	if r.failed != 2 || !strings.Contains(r.log, "::error title=infer is not installed::") {
		t.Errorf("exit %d\n%s", r.failed, r.log)
	}
}

// TestBaselinePipeline runs the workflow for a machine of one's own: the first run that is valid founds the baseline, one
// that is not is refused, and the next joins it unless it is worse.
func TestBaselinePipeline(t *testing.T) {
	r := newRunner(t, digits, digits)
	origin := t.TempDir()
	r.git("init", "-q", "--bare", origin)
	r.git("remote", "add", "origin", origin)
	copyFile(t, prepared("infer"), filepath.Join(r.home, "bin/infer"))
	founded := false
	for i := 0; i < 8 && !founded; i++ {
		r.run("github/infer-baseline.yml")
		if founded = r.document("run.json").Validity.Verdict == report.Valid; founded {
			break
		}
		if n := r.stored(origin); r.failed != 4 || n != 0 {
			t.Fatalf("exit %d and %d runs stored after one that is not valid\n%s", r.failed, n, r.log)
		}
	}
	if !founded {
		t.Skip("this machine is too busy for a valid profile")
	}
	if n := r.stored(origin); r.failed != 0 || n != 1 || !strings.Contains(r.summary, "first run of this baseline") {
		t.Fatalf("exit %d, %d runs stored\n%s\n%s", r.failed, n, r.summary, r.log)
	}
	r.run("github/infer-baseline.yml")
	d, want := r.document("compare.html"), 1
	if d.Validity.Verdict == report.Valid && (d.Verdict == report.OK || d.Verdict == report.Inconclusive) { // a baseline of one run takes what has not regressed
		want = 2
	}
	if got := r.stored(origin); got != want || r.failed != report.ExitCode(d, false) {
		t.Errorf("%d runs stored and exit %d after a second one that is %s\n%s", got, r.failed, d.Verdict, r.log)
	}
}

// stored is how many runs the baseline of a repository has.
func (r *runner) stored(repository string) int {
	if r.git("--git-dir", repository, "for-each-ref", "refs/infer/baseline") == "" {
		return 0
	}
	return strings.Count(r.git("--git-dir", repository, "show", "refs/infer/baseline:baseline.jsonl"), "\n") + 1
}

func (r *runner) document(name string) *report.Document {
	r.t.Helper()
	d, err := report.ReadFile(filepath.Join(r.work, name))
	if err != nil {
		r.t.Fatal(err, r.log)
	}
	return d
}

// TestGitLabPipeline runs the script of GitLab's job.
func TestGitLabPipeline(t *testing.T) {
	r := newRunner(t, digits, digits)
	var w map[string]struct {
		Variables map[string]string
		Script    []string
		Artifacts struct {
			Paths   []string
			Reports map[string]string
		}
	}
	pipeline(t, "gitlab/infer-compare.yml", &w)
	job := w["infer-compare"]
	env := job.Variables
	for k, v := range quick("") {
		if k != "GATES" {
			env[k] = v
		}
	}
	env["GATE"], env["CI_PROJECT_DIR"], env["CI_MERGE_REQUEST_DIFF_BASE_SHA"], env["XDG_CACHE_HOME"] = "latency_p50<=+900%", r.work, r.base, os.Getenv("XDG_CACHE_HOME")
	r.shell(step{Name: "script", Run: strings.Join(job.Script, "\n")}, env)
	if r.failed != 0 {
		t.Fatalf("exit %d\n%s", r.failed, r.log)
	}
	for _, path := range append(job.Artifacts.Paths, job.Artifacts.Reports["junit"]) {
		if _, err := os.Stat(filepath.Join(r.work, path)); err != nil {
			t.Error(err)
		}
	}
}

// start serves the comments until the test ends, and returns their address.
func (c *comments) start() string {
	s := httptest.NewServer(c)
	c.t.Cleanup(s.Close)
	return s.URL
}
