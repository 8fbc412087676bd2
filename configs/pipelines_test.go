package configs_test

import (
	"bytes"
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"infer/configs"
	"infer/report"
)

// workflow is what the tests run of a GitHub workflow.
type workflow struct {
	Env  map[string]string
	Jobs map[string]struct{ Steps []step }
}

type step struct {
	ID, Name, If, Uses, Run string
	With                    map[string]string
	Env                     map[string]string
}

// runner stands in for GitHub's: it runs the steps of a job for real in a repository, with git in place of the checkout
// and a folder in place of the cache.
type runner struct {
	t       *testing.T
	work    string            // the workspace, on the head's commit
	home    string            //
	base    string            // commit of the base
	event   map[string]string // expressions of the event
	api     string            // address of the comments
	env     map[string]string // in place of the workflow's
	outputs map[string]map[string]string
	log     string // of all steps
	summary string // of all steps
	kept    []string
	failed  int // exit code of the first step that failed
}

// newRunner makes a repository with two commits of a model.
func newRunner(t *testing.T, base, head string) *runner {
	t.Helper()
	infer := os.Getenv("INFER_TEST_PROGRAM")
	if infer == "" {
		t.Skip("scripts/workflow-check.sh runs this with a built infer")
	}
	for _, tool := range []string{"git", "bash"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skip("no " + tool + " on this machine")
		}
	}
	r := &runner{t: t, work: t.TempDir(), home: t.TempDir(), outputs: map[string]map[string]string{}}
	r.stub(infer)
	r.git("init", "-q", "-b", "main")
	r.commit(base)
	r.base = r.git("rev-parse", "HEAD")
	r.commit(head)
	r.event = map[string]string{"github.event.pull_request.number": "7", "github.event.pull_request.base.sha": r.base, "github.token": "token", "runner.os": "Linux", "runner.arch": "X64"}
	return r
}

// stub puts a go on the path that installs the built infer, whatever module it is asked for.
func (r *runner) stub(infer string) {
	bin := filepath.Join(r.home, "stub")
	if err := os.MkdirAll(bin, 0o750); err != nil {
		r.t.Fatal(err)
	}
	script := fmt.Sprintf("#!/bin/sh\n[ \"$1 $2\" = 'install example/infer@v1' ] || exit 9\nmkdir -p \"${GOBIN:-%s}\"\nln -sf '%s' \"${GOBIN:-%[1]s}/infer\"\n", bin, infer)
	if err := os.WriteFile(filepath.Join(bin, "go"), []byte(script), 0o755); err != nil { //nolint:gosec // a program
		r.t.Fatal(err)
	}
}

// commit commits a model, none where it is "".
func (r *runner) commit(model string) {
	r.t.Helper()
	path := filepath.Join(r.work, "model.onnx")
	if model == "" {
		_ = os.Remove(path)
	} else {
		b, err := os.ReadFile(model)
		if err != nil {
			r.t.Fatal(err)
		}
		if err := os.WriteFile(path, b, 0o600); err != nil {
			r.t.Fatal(err)
		}
	}
	r.git("add", "-A")
	r.git("-c", "user.name=t", "-c", "user.email=t", "commit", "-q", "--allow-empty", "-m", "a model")
}

func (r *runner) git(args ...string) string {
	r.t.Helper()
	cmd := exec.Command("git", args...)
	cmd.Dir = r.work
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null")
	out, err := cmd.CombinedOutput()
	if err != nil {
		r.t.Fatalf("git %v: %v\n%s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

func pipeline(t *testing.T, path string, into any) {
	t.Helper()
	b, err := configs.Pipelines.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(b, into); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}

// run runs the one job of a workflow.
func (r *runner) run(path string) {
	r.t.Helper()
	var w workflow
	pipeline(r.t, path, &w)
	if len(w.Jobs) != 1 {
		r.t.Fatalf("%s has %d jobs", path, len(w.Jobs))
	}
	env := map[string]string{}
	for k, v := range w.Env {
		env[k] = r.expand(v)
	}
	for k, v := range r.env {
		if _, ok := env[k]; !ok {
			r.t.Fatalf("%s has no %s", path, k)
		}
		env[k] = v
	}
	r.log, r.summary, r.kept, r.failed = "", "", nil, 0
	for _, job := range w.Jobs {
		for _, s := range job.Steps {
			if r.wanted(s) {
				r.step(s, env)
			}
		}
	}
}

// wanted decides about the conditions that the workflows have, and no others.
func (r *runner) wanted(s step) bool {
	switch s.If {
	case "":
		return r.failed == 0
	case "${{ !cancelled() }}":
		return true
	case "steps.cache.outputs.cache-hit != 'true'":
		return r.failed == 0 && r.outputs["cache"]["cache-hit"] != "true"
	}
	r.t.Fatalf("step %q: the test knows no condition %q", s.Name, s.If)
	return false
}

var expression = regexp.MustCompile(`\$\{\{ *(.*?) *\}\}`)

// expand puts the values of expressions into a text.
func (r *runner) expand(text string) string {
	return expression.ReplaceAllStringFunc(text, func(x string) string {
		name := expression.FindStringSubmatch(x)[1]
		if rest, ok := strings.CutPrefix(name, "env."); ok {
			return r.env[rest]
		}
		if rest, ok := strings.CutPrefix(name, "steps."); ok {
			id, output, _ := strings.Cut(rest, ".outputs.")
			return r.outputs[id][output]
		}
		v, ok := r.event[name]
		if !ok {
			r.t.Fatalf("the test knows no expression %q", x)
		}
		return v
	})
}

func (r *runner) step(s step, env map[string]string) {
	r.t.Helper()
	action, _, _ := strings.Cut(s.Uses, "@")
	switch action {
	case "":
		r.shell(s, env)
	case "actions/checkout":
		if path := s.With["path"]; path != "" {
			r.git("worktree", "add", "--force", path, r.expand(s.With["ref"]))
			r.t.Cleanup(func() { r.git("worktree", "prune") })
		}
	case "actions/cache":
		_, err := os.Lstat(filepath.Join(r.home, "go/bin/infer"))
		r.outputs[s.ID] = map[string]string{"cache-hit": fmt.Sprint(err == nil)}
		if paths := strings.Fields(s.With["path"]); len(paths) != 2 || paths[0] != "~/go/bin/infer" || paths[1] != "~/.cache/infer/onnxruntime" || !strings.HasSuffix(r.expand(s.With["key"]), "-v1") {
			r.t.Errorf("the cache keeps %q as %q", paths, s.With["key"])
		}
	case "actions/setup-go":
	case "actions/upload-artifact":
		for _, path := range strings.Fields(s.With["path"]) {
			if _, err := os.Stat(filepath.Join(r.work, path)); err == nil {
				r.kept = append(r.kept, path)
			}
		}
	default:
		r.t.Fatalf("the test knows no action %s", s.Uses)
	}
}

// shell runs a script as the runner does: bash -e, and files for the summary and the outputs.
func (r *runner) shell(s step, env map[string]string) {
	r.t.Helper()
	dir := r.t.TempDir()
	script, summary, outputs := filepath.Join(dir, "script.sh"), filepath.Join(dir, "summary"), filepath.Join(dir, "outputs")
	if strings.Contains(s.Run, "${{") {
		r.t.Fatalf("step %q: an expression in a script is how scripts are injected", s.Name)
	}
	if err := os.WriteFile(script, []byte(s.Run), 0o600); err != nil {
		r.t.Fatal(err)
	}
	cmd := exec.Command("bash", "-e", script)
	cmd.Dir = r.work
	cmd.Env = []string{"PATH=" + filepath.Join(r.home, "stub") + ":" + os.Getenv("PATH"), "HOME=" + r.home, "XDG_CACHE_HOME=" + os.Getenv("XDG_CACHE_HOME"),
		"GITHUB_ACTIONS=true", "GITHUB_REPOSITORY=o/r", "GITHUB_SERVER_URL=http://github.localhost", "GITHUB_RUN_ID=42", "GITHUB_STEP_SUMMARY=" + summary, "GITHUB_OUTPUT=" + outputs,
		"GH_HOST=github.localhost", "HTTP_PROXY=" + r.api, "GIT_CONFIG_GLOBAL=/dev/null", "GIT_AUTHOR_NAME=t", "GIT_AUTHOR_EMAIL=t", "GIT_COMMITTER_NAME=t", "GIT_COMMITTER_EMAIL=t"}
	for k, v := range env {
		cmd.Env = append(cmd.Env, k+"="+v)
	}
	for k, v := range s.Env {
		cmd.Env = append(cmd.Env, k+"="+r.expand(v))
	}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	r.log += "== " + s.Name + "\n" + out.String()
	if code := cmd.ProcessState.ExitCode(); err != nil && r.failed == 0 {
		r.failed = code
	}
	if b, err := os.ReadFile(summary); err == nil {
		r.summary += string(b)
	}
	b, _ := os.ReadFile(outputs)
	r.outputs[s.ID] = map[string]string{}
	for line := range strings.Lines(string(b)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		r.outputs[s.ID][name] = value
	}
}

const (
	digits = "../testdata/digits/digits-cnn.onnx"
	other  = "../testdata/odd/scalar-input.onnx"
)

// brief are settings with which a comparison ends after two seconds, decided or not.
func brief(gates string) map[string]string {
	env := quick(gates)
	env["MAX_TIME"] = "2s"
	return env
}

// quick are settings with which a comparison with wide gates is decided in seconds.
func quick(gates string) map[string]string {
	return map[string]string{"INFER_MODULE": "example/infer", "INFER_VERSION": "v1", "GATES": gates, "PAIRS": "6", "BLOCK": "60ms", "MAX_TIME": "20s"}
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
		{"regressed", digits, digits, "latency_p50<=-95%\n", 3, "regressed", "**REGRESSED**"},
		{"not comparable", digits, other, "latency_p50<=+5%\n", 4, "not_comparable", "**NOT COMPARABLE**"},
		{"inconclusive", digits, digits, "accuracy_top1>=-0.5pt\n", 0, "inconclusive", "Inconclusive is no failure and no pass"},
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
	r.env = brief("latency_p50<=-95%\n")
	r.run("github/infer-compare.yml")
	second := github.mine(t)
	if second.ID != first.ID || !strings.Contains(second.Body, "-95%") || strings.Contains(second.Body, "+900%") {
		t.Errorf("comment %d became %d:\n%s", first.ID, second.ID, second.Body)
	}
	if strings.Contains(r.log, "== Install infer") {
		t.Error("infer was installed again although the cache has it")
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
	r.env = map[string]string{"INFER_VERSION": "v1"}
	r.run("github/infer-compare.yml")
	if r.failed != 2 || !strings.Contains(r.log, "::error title=infer is not installed::") {
		t.Errorf("exit %d\n%s", r.failed, r.log)
	}
}

// TestBaselinePipeline runs the workflow for a machine of one's own: the first run that is valid founds the baseline, one
// that is not is refused, and the next joins it when it is ok.
func TestBaselinePipeline(t *testing.T) {
	r := newRunner(t, digits, digits)
	origin := t.TempDir()
	r.git("init", "-q", "--bare", origin)
	r.git("remote", "add", "origin", origin)
	if err := os.Symlink(os.Getenv("INFER_TEST_PROGRAM"), filepath.Join(r.home, "stub", "infer")); err != nil {
		t.Fatal(err)
	}
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
	if d.Verdict == report.OK {
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
	env["GATE"], env["CI_MERGE_REQUEST_DIFF_BASE_SHA"], env["XDG_CACHE_HOME"] = "latency_p50<=+900%", r.base, os.Getenv("XDG_CACHE_HOME")
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
