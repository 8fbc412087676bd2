package baseline

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"infer/internal/fault"
	"infer/report"
)

// repository makes an empty git repository the current folder, with a git that knows nobody.
func repository(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("git is not installed")
	}
	dir := t.TempDir()
	for key, value := range map[string]string{"HOME": dir, "XDG_CONFIG_HOME": dir, "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.DevNull, "GIT_CEILING_DIRECTORIES": filepath.Dir(dir)} {
		t.Setenv(key, value)
	}
	for _, key := range []string{"GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_NAME", "GIT_COMMITTER_EMAIL", "EMAIL"} {
		t.Setenv(key, "")
		os.Unsetenv(key)
	}
	t.Chdir(dir)
	git(t, "init", "--quiet", "--initial-branch=main")
	git(t, "config", "user.useConfigOnly", "true")
}

func git(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.Command("git", args...).CombinedOutput()
	if err != nil {
		t.Fatalf("git %v: %v\n%s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

// committed commits the file f.txt and perf/README to main, by somebody.
func committed(t *testing.T) {
	t.Helper()
	repository(t)
	if err := os.MkdirAll("perf", 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"f.txt", "perf/README"} {
		if err := os.WriteFile(name, []byte("text\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	git(t, "add", ".")
	git(t, "-c", "user.name=Somebody", "-c", "user.email=s@example.org", "commit", "--quiet", "-m", "first")
}

func TestGitLeavesTheWorkTree(t *testing.T) {
	committed(t)
	if err := os.WriteFile("f.txt", []byte("changed\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	git(t, "branch", "other")
	before := git(t, "status", "--porcelain") + git(t, "ls-files", "--stage") + git(t, "rev-parse", "HEAD")
	s := open(t, "git:other:perf/base.jsonl")
	add(t, s, run(1, 10), report.Acceptance{Metric: "latency_p99", Reason: "a larger\nmodel"})
	add(t, s, run(2, 10))
	if after := git(t, "status", "--porcelain") + git(t, "ls-files", "--stage") + git(t, "rev-parse", "HEAD"); after != before {
		t.Errorf("work tree, index or HEAD changed:\n%s\nwas\n%s", after, before)
	}
	if got := git(t, "ls-tree", "-r", "--name-only", "other"); got != "f.txt\nperf/README\nperf/base.jsonl" {
		t.Errorf("the tree of other is %q", got)
	}
	if got := git(t, "log", "--format=%an <%ae> %cn: %s", "other", "-2"); got != "infer <infer@localhost> infer: infer: accept a loadtest run of 2026-11-03T12:00:00Z\ninfer <infer@localhost> infer: infer: accept a loadtest run of 2026-11-02T12:00:00Z" {
		t.Errorf("log is %q", got)
	}
	if got := git(t, "log", "--format=%b", "-1", "other~1"); got != "latency_p99: a larger model" {
		t.Errorf("body is %q", got)
	}
	if got := git(t, "fsck", "--strict"); strings.Contains(got, "error") {
		t.Error(got)
	}
	if s.Runs()[0].Path != "git:other:perf/base.jsonl:2" {
		t.Errorf("path is %q", s.Runs()[0].Path)
	}
	t.Chdir("perf")
	if s := open(t, "git:other:perf/base.jsonl"); len(s.Runs()) != 2 {
		t.Errorf("from a folder below: %d runs", len(s.Runs()))
	}
	head := git(t, "rev-parse", "other")
	add(t, s, s.Runs()[0].Document)
	if git(t, "rev-parse", "other") != head {
		t.Error("adding what is there made a commit")
	}
}

func TestGitIdentity(t *testing.T) {
	repository(t)
	git(t, "config", "user.name", "Somebody")
	git(t, "config", "user.email", "s@example.org")
	add(t, open(t, "git:refs/infer/baseline"), run(1, 10))
	if got := git(t, "log", "--format=%an %ce", "refs/infer/baseline"); got != "Somebody s@example.org" {
		t.Errorf("committed by %q", got)
	}
}

func TestGitBareAndOtherObjects(t *testing.T) {
	repository(t)
	bare := t.TempDir()
	git(t, "init", "--quiet", "--bare", "--object-format=sha256", bare)
	t.Chdir(bare)
	s := open(t, "git:refs/heads/perf")
	add(t, s, run(1, 10))
	add(t, s, run(2, 10))
	if s := open(t, "git:perf"); len(s.Runs()) != 2 {
		t.Errorf("%d runs", len(s.Runs()))
	}
}

func TestGitRefuses(t *testing.T) {
	committed(t)
	git(t, "tag", "v1")
	blob := git(t, "rev-parse", "main:f.txt")
	git(t, "update-ref", "refs/infer/blob", blob)
	if err := os.Symlink("f.txt", "link.json"); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir("folder.json", 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"folder.json/x", "bad.json", "half.jsonl"} {
		if err := os.WriteFile(name, []byte("{\"schema\": 1"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	git(t, "add", ".")
	git(t, "-c", "user.name=Somebody", "-c", "user.email=s@example.org", "commit", "--quiet", "-m", "second")
	for _, c := range []struct{ spec, says string }{
		{"git:", "not the name of a git ref"},
		{"git:--help", "not the name of a git ref"},
		{"git:main..x", "not the name of a git ref"},
		{"git:main^", "not the name of a git ref"},
		{"git:main@{1}", "not the name of a git ref"},
		{"git:a b", "not the name of a git ref"},
		{"git:main:", "not a plain path"},
		{"git:main:../x.json", "not a plain path"},
		{"git:main:a/../x.json", "not a plain path"},
		{"git:main:/x.json", "not a plain path"},
		{"git:main:./x.json", "not a plain path"},
		{"git:main:a//x.json", "not a plain path"},
		{"git:main:.GIT/x.json", "not a plain path"},
		{`git:main:a\x.json`, "not a plain path"},
		{"git:main:x.txt", "no ending of a baseline"},
		{"git:refs/infer/blob", "is not a commit"},
		{"git:main:link.json", "link.json of git ref main is not a file"},
		{"git:main:folder.json", "folder.json of git ref main is not a file"},
		{"git:main:bad.json", "git:main:bad.json: it is not a complete report"},
		{"git:main:half.jsonl", "git:main:half.jsonl:1: it is not a complete report"},
	} {
		t.Run(c.spec, func(t *testing.T) {
			_, err := Open(c.spec)
			if err == nil || fault.KindOf(err) != fault.Usage || !strings.Contains(err.Error(), c.says) || fault.HintOf(err) == "" || strings.Contains(err.Error(), "\n") {
				t.Errorf("got %v (hint %q), want …%s…", err, fault.HintOf(err), c.says)
			}
		})
	}
	for spec, says := range map[string]string{"git:nothing": "has no ref nothing", "git:main": "git ref main has no file baseline.jsonl", "git:main:perf/x.json": "has no file perf/x.json"} {
		if s := open(t, spec); s.Missing() == nil || !strings.Contains(s.Missing().Error(), says) {
			t.Errorf("%s: %v", spec, s.Missing())
		}
	}
	git(t, "update-ref", "refs/remotes/origin/perf", "HEAD")
	for spec, says := range map[string]string{
		"git:main": "it is the branch that is checked out", "git:HEAD": "it is the branch that is checked out", "git:v1": "neither a branch that is there nor under refs/",
		"git:nothing": "neither a branch", "git:" + git(t, "rev-parse", "HEAD"): "neither a branch", "git:refs/tags/new": "neither a branch", "git:origin/perf": "the next fetch would take it away",
		"git:refs/remotes/origin/new": "the next fetch would take it away", "git:refs/a.lock": "neither a branch",
	} {
		if err := open(t, spec).Add(run(1, 10), nil); err == nil || fault.KindOf(err) != fault.Usage || !strings.Contains(err.Error(), says) {
			t.Errorf("adding to %s: %v", spec, err)
		}
	}
	if err := open(t, "git:refs/infer/x:f.jsonl").Add(run(1, 10), nil); err != nil {
		t.Error(err)
	}
	if err := open(t, "git:refs/infer/x:f.jsonl/y.json").Add(run(1, 10), nil); err == nil || strings.Contains(err.Error(), "\n") {
		t.Errorf("a file below a file: %v", err)
	}
}

func TestGitIsNotThere(t *testing.T) {
	repository(t)
	t.Chdir(t.TempDir())
	t.Setenv("GIT_CEILING_DIRECTORIES", os.TempDir())
	if _, err := Open("git:main"); err == nil || fault.KindOf(err) != fault.Usage || !strings.Contains(err.Error(), "no git repository") || fault.HintOf(err) == "" {
		t.Errorf("outside of a repository: %v", err)
	}
	t.Setenv("PATH", t.TempDir())
	if _, err := Open("git:main"); err == nil || fault.KindOf(err) != fault.Unsupported || !strings.Contains(err.Error(), "git is not installed") || fault.HintOf(err) == "" {
		t.Errorf("without git: %v", err)
	}
}

// TestAddAtOnce adds from several stores at the same moment: where the place can keep all of them, it does.
func TestAddAtOnce(t *testing.T) {
	repository(t)
	const n = 6
	for name, spec := range map[string]string{"git": "git:refs/infer/baseline", "folder": "accepted"} {
		t.Run(name, func(t *testing.T) {
			var wg sync.WaitGroup
			for i := range n {
				s := open(t, spec)
				wg.Go(func() {
					if err := s.Add(run(i, 10), nil); err != nil {
						t.Error(err)
					}
				})
			}
			wg.Wait()
			if s := open(t, spec); len(s.Runs()) != n {
				t.Errorf("%d of %d runs are there", len(s.Runs()), n)
			}
		})
	}
	t.Run("file", func(t *testing.T) {
		var wg sync.WaitGroup
		for i := range n {
			s := open(t, "base.jsonl")
			wg.Go(func() {
				if err := s.Add(run(i, 10), nil); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if s := open(t, "base.jsonl"); len(s.Runs()) == 0 {
			t.Error("the file has no runs")
		}
	})
}

// TestGitDiesInTheMiddle: a ref is moved last, so what dies before that leaves the baseline as it was.
func TestGitDiesInTheMiddle(t *testing.T) {
	repository(t)
	s := open(t, "git:refs/infer/baseline")
	add(t, s, run(1, 10))
	lock := filepath.Join(".git", "refs", "infer", "baseline.lock") // as a git that was killed leaves it
	if err := os.WriteFile(lock, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := s.Add(run(2, 10), nil); err == nil || !strings.Contains(err.Error(), "could not be moved") || !strings.Contains(fault.HintOf(err), ".lock") {
		t.Errorf("adding to a ref that is locked: %v", err)
	}
	if s := open(t, "git:refs/infer/baseline"); len(s.Runs()) != 1 {
		t.Errorf("%d runs", len(s.Runs()))
	}
	if err := os.Remove(lock); err != nil {
		t.Fatal(err)
	}
	add(t, s, run(2, 10))
	if len(s.Runs()) != 2 {
		t.Errorf("%d runs after the lock is gone", len(s.Runs()))
	}
}
