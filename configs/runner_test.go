package configs_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"infer/configs"
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
	saved   string // where the cache keeps the program
	failed  int    // exit code of the first step that failed
}

// prepared is a file of the folder that scripts/workflow-check.sh prepares, "" without one: source is a clone of this
// project, infer the program, fast.onnx and slow.onnx are models of the same signature of which one does some thirty times
// the work of the other, and cache is empty.
func prepared(name string) string {
	dir := os.Getenv("INFER_TEST_WORKFLOWS")
	if dir == "" {
		return ""
	}
	return filepath.Join(dir, name)
}

// newRunner makes a repository with two commits of a model.
func newRunner(t *testing.T, base, head string) *runner {
	t.Helper()
	if prepared("") == "" {
		t.Skip("scripts/workflow-check.sh runs this with what it prepares")
	}
	for _, tool := range []string{"git", "bash"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skip("no " + tool + " on this machine")
		}
	}
	work := prepared("workspace") // the same each time, so that go compiles infer once
	if err := os.RemoveAll(work); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(work, 0o750); err != nil {
		t.Fatal(err)
	}
	r := &runner{t: t, work: work, home: t.TempDir(), outputs: map[string]map[string]string{}}
	r.git("init", "-q", "-b", "main")
	r.commit(base)
	r.base = r.git("rev-parse", "HEAD")
	r.commit(head)
	r.event = map[string]string{"github.event.pull_request.number": "7", "github.event.pull_request.base.sha": r.base, "github.token": "token", "runner.os": "Linux", "runner.arch": "X64"}
	return r
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
	r.save()
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
		r.checkout(s, env)
	case "actions/cache":
		r.restore(s)
	case "actions/setup-go":
		if _, err := os.Stat(filepath.Join(r.work, s.With["go-version-file"])); err != nil {
			r.t.Errorf("the version of Go: %v", err)
		}
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

// checkout has the head there already, makes a worktree of the base, and a clone of another repository.
func (r *runner) checkout(s step, env map[string]string) {
	path := s.With["path"]
	switch {
	case path == "":
	case s.With["repository"] == "":
		r.git("worktree", "add", "--force", path, r.expand(s.With["ref"]))
		r.t.Cleanup(func() { r.git("worktree", "prune") })
	case s.With["repository"] != "${{ env.INFER_REPOSITORY }}" || s.With["ref"] != "${{ env.INFER_REF }}":
		r.t.Fatalf("step %q checks out %s at %s", s.Name, s.With["repository"], s.With["ref"])
	default:
		path = filepath.Join(r.work, path)
		if err := os.RemoveAll(path); err != nil {
			r.t.Fatal(err)
		}
		r.git("clone", "-q", "--branch", env["INFER_REF"], env["INFER_REPOSITORY"], path)
		r.outputs[s.ID] = map[string]string{"commit": r.git("-C", path, "rev-parse", "HEAD")}
	}
}

// restore is the cache at its start: what an earlier job of this commit built. The runtime library is in the cache of the
// user who runs the test.
func (r *runner) restore(s step) {
	const program = "go/bin/infer"
	if paths := strings.Fields(s.With["path"]); len(paths) != 2 || paths[0] != "~/"+program || paths[1] != "~/.cache/infer/onnxruntime" {
		r.t.Errorf("the cache keeps %q", paths)
	}
	r.saved = prepared(filepath.Join("cache", r.expand(s.With["key"])))
	_, err := os.Stat(r.saved)
	r.outputs[s.ID] = map[string]string{"cache-hit": fmt.Sprint(err == nil)}
	if err == nil {
		copyFile(r.t, r.saved, filepath.Join(r.home, program))
	}
}

// save is the cache at the end of a job that went well.
func (r *runner) save() {
	if r.saved != "" && r.failed == 0 && r.outputs["cache"]["cache-hit"] != "true" {
		copyFile(r.t, filepath.Join(r.home, "go/bin/infer"), r.saved)
	}
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	b, err := os.ReadFile(from)
	if err == nil {
		err = os.MkdirAll(filepath.Dir(to), 0o750)
	}
	if err == nil {
		err = os.WriteFile(to, b, 0o700) //nolint:gosec // a program
	}
	if err != nil {
		t.Fatal(err)
	}
}

// goEnvironment is what the real go needs of the user's environment, since the runner has a home of its own.
func goEnvironment(t *testing.T) []string {
	t.Helper()
	names := []string{"GOCACHE", "GOMODCACHE", "GOPROXY", "GOSUMDB", "GOTOOLCHAIN"}
	out, err := exec.Command("go", append([]string{"env"}, names...)...).Output()
	if err != nil {
		t.Fatal(err)
	}
	env := strings.Split(strings.TrimRight(string(out), "\n"), "\n")
	for i, name := range names {
		env[i] = name + "=" + env[i]
	}
	return env
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
	cmd.Env = append(goEnvironment(r.t), "PATH="+filepath.Join(r.home, "bin")+":"+os.Getenv("PATH"), "HOME="+r.home, "XDG_CACHE_HOME="+os.Getenv("XDG_CACHE_HOME"),
		"GITHUB_ACTIONS=true", "GITHUB_REPOSITORY=o/r", "GITHUB_SERVER_URL=http://github.localhost", "GITHUB_RUN_ID=42", "GITHUB_STEP_SUMMARY="+summary, "GITHUB_OUTPUT="+outputs,
		"GH_HOST=github.localhost", "HTTP_PROXY="+r.api, "GIT_CONFIG_GLOBAL=/dev/null", "GIT_AUTHOR_NAME=t", "GIT_AUTHOR_EMAIL=t", "GIT_COMMITTER_NAME=t", "GIT_COMMITTER_EMAIL=t")
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
