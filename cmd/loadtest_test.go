package cmd

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"infer/internal/fault"
	"infer/internal/term"
	"infer/loadtest"
	"infer/model/tensor"
	"infer/report"
)

// loadtestOptions runs the command line up to the point where the target would be opened.
func loadtestOptions(t *testing.T, env map[string]string, args ...string) (loadtest.Options, mode, error) {
	t.Helper()
	a := &app{std: term.Streams{In: strings.NewReader(""), Out: io.Discard, Err: io.Discard, Getenv: func(k string) (string, bool) { v, ok := env[k]; return v, ok }}}
	var opts loadtest.Options
	var m mode
	root := newRoot(a)
	for _, c := range root.Commands() {
		if c.Name() == "loadtest" {
			root.RemoveCommand(c)
		}
	}
	root.AddCommand(newLoadtestCmd(a, func(_ context.Context, _ *app, _ []string, f loadtestFlags) error {
		var err error
		opts, m, err = f.options()
		return err
	}))
	root.SetArgs(append([]string{"loadtest"}, args...))
	root.SetOut(io.Discard)
	root.SetErr(io.Discard)
	return opts, m, root.Execute()
}

func TestLoadtestFlags(t *testing.T) {
	o, m, err := loadtestOptions(t, nil, "http://h", "--rps", "500", "--duration", "3s", "--slo", "p99<20ms", "--shard", "1/4", "--warm-up", "1s", "--seed", "7")
	if err != nil {
		t.Fatal(err)
	}
	s := o.Schedule
	if m != one || len(s.Stages) != 1 || s.Stages[0].From != 500 || s.Stages[0].To != 500 || s.Stages[0].For != 3*time.Second {
		t.Errorf("stages %v", s.Stages)
	}
	if s.Shard != 1 || s.Of != 4 || s.Seed != 7 || s.Arrival != "poisson" || o.WarmUp != time.Second || o.SLO[0].Metric != "latency_p99" {
		t.Errorf("options %+v", o)
	}
	// The rate may come from the environment alone.
	if o, _, err = loadtestOptions(t, map[string]string{"INFER_LOADTEST_RPS": "50"}, "http://h"); err != nil || o.Schedule.Stages[0].From != 50 {
		t.Errorf("from the environment: %v, %v", o.Schedule.Stages, err)
	}
	// A load that is typed wins over one of environment or file.
	if o, _, err = loadtestOptions(t, map[string]string{"INFER_LOADTEST_RPS": "50"}, "http://h", "--concurrency", "3"); err != nil || len(o.Schedule.Stages) != 0 || o.Concurrency != 3 {
		t.Errorf("typed over the environment: %+v, %v", o, err)
	}
	if _, m, err = loadtestOptions(t, nil, "http://h", "--find-max-rps", "--slo", "p99<20ms"); err != nil || m != finding {
		t.Errorf("search: %v, %v", m, err)
	}
}

// TestLoadtestConfigured: what is typed goes together with what is configured, or in place of it.
func TestLoadtestConfigured(t *testing.T) {
	for _, c := range []struct {
		name        string
		env, args   string
		mode        mode
		rps         float64
		concurrency int
	}{
		{"a precision of a configured load", "RPS=500", "--precision p99:5%", precise, 500, 0},
		{"a configured precision of it", "RPS=500 PRECISION=p99:5%", "", precise, 500, 0},
		{"a load in place of both", "RPS=500 PRECISION=p99:5%", "--rps 20 --duration 3s", one, 20, 0},
		{"a search in place of both", "RPS=500 PRECISION=p99:5%", "--find-max-rps --slo p99<1s", finding, 0, 0},
		{"a sweep in place of both", "RPS=500 PRECISION=p99:5%", "--sweep rps=1,2", sweeping, 0, 0},
		{"connections of another load", "CONCURRENCY=64", "--rps 500 --connections 50", one, 500, 0},
		{"another load than stages", "STAGES=10x1s", "--concurrency 4 --duration 3s", one, 0, 4},
	} {
		env := map[string]string{}
		for _, e := range strings.Fields(c.env) {
			name, value, _ := strings.Cut(e, "=")
			env["INFER_LOADTEST_"+name] = value
		}
		o, m, err := loadtestOptions(t, env, append([]string{"http://h"}, strings.Fields(c.args)...)...)
		rps := 0.0
		if len(o.Schedule.Stages) > 0 {
			rps = o.Schedule.Stages[0].From
		}
		if err != nil || m != c.mode || rps != c.rps || o.Concurrency != c.concurrency {
			t.Errorf("%s: mode %d, %v/s, concurrency %d, %v", c.name, m, rps, o.Concurrency, err)
		}
	}
}

// TestLoadtestUsage: loads that make no sense are refused before anything is sent.
func TestLoadtestUsage(t *testing.T) {
	for _, c := range []struct{ args, want string }{
		{"", "nothing says how much load"},
		{"--rps 0", "--rps 0 is not above 0"},
		{"--rps -5", "--rps -5 is not above 0"},
		{"--rps 1e12", "--rps 1e+12"},
		{"--rps NaN", "--rps NaN"},
		{"--rps 10 --duration -1s", "--duration -1s"},
		{"--rps 10 --arrival sometimes", `"sometimes"`},
		{"--rps 10 --slo p99", `"p99"`},
		{"--rps 10 --concurrency 4", "--rps and --concurrency each say how much load"},
		{"--rps 10 --stages 10x1s", "--rps and --stages each say how much load"},
		{"--concurrency -1", "--concurrency -1"},
		{"--rps 10 --timeout 0s", "--timeout 0s"},
		{"--rps 10 --connections 0", "--connections 0"},
		{"--rps 10 --warm-up soon", `--warm-up "soon"`},
		{"--rps 10 --shard 4/4", `--shard "4/4"`},
		{"--rps 10 --floor maybe", `--floor "maybe"`},
		{"--rps 10 --scenario none", `--scenario "none"`},
		{"--rps 10 --gate nonsense<1", `"nonsense"`},
		{"--rps 10 --range 1:2", "--range is for a search"},
		{"--find-max-rps --rps 10 --slo p99<1s", "--find-max-rps chooses the load itself"},
		{"--sweep rps=1,2 --find-max-rps", "cannot go together"},
		{"--sweep rps=1,2 --precision p99:5%", "cannot go together"},
		{"--find-max-rps --slo p99<1s --duration 60s", "--find-max-rps chooses how long its trials are"},
		{"--find-max-rps --slo p99<1s --requests 60", "--find-max-rps chooses how long its trials are"},
		{"--find-max-rps --slo p99<1s --warm-up 60s", "--warm-up 60s means nothing to --find-max-rps"},
		{"--precision p99:5% --replay /nowhere.csv", "--replay has its own"},
		{"--precision p99:5% --stages 10x1s", "--precision chooses the duration itself"},
		{"--precision p99:5%", "nothing says how much load"},
		{"--stages 10x1s --duration 5s", "--duration means nothing"},
		{"--rps 10 --batch 0", "--batch 0"},
		{"--concurrency 20 --connections 10", "--concurrency 20 needs"},
		{"--rps 10 --rtol 0.1", "--rtol and --atol are for comparing"},
		{"--rps 10 --slo p99>20ms", "wants latency_p99 to be high"},
		{"--concurrency 2 --shard 0/2", "--shard is for one open loop"},
		{"--sweep rps=1,2 --samples-out x", "--samples-out is for one load"},
		{"--stages 10x", `"10x`},
		{"--replay /nowhere.csv", "/nowhere.csv"},
	} {
		_, _, err := loadtestOptions(t, nil, append([]string{"http://127.0.0.1:9/"}, strings.Fields(c.args)...)...)
		if err == nil || fault.ExitCode(err) != 2 || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: %v, want a usage error with %q", c.args, err, c.want)
		}
	}
}

// quick are the flags that make a load test of a test short.
func quick(args ...string) []string {
	if strings.Contains(args[0], "://") {
		args = append(args, "--metrics-url", "off")
	}
	return append([]string{"loadtest"}, append(args, "--duration", "600ms", "--warm-up", "100ms", "--floor", "off", "--format", "json")...)
}

// trusted reports an exit code that is neither of success nor of a noisy machine.
func trusted(r result) bool { return r.code == 0 || r.code == 4 }

// TestLoadtestServer: the program against its own server, over HTTP, answers compared with the model's.
func TestLoadtestServer(t *testing.T) {
	_, address, _ := serverProcess(t, digits)
	r := infer(t, passedOn(), quick("http://"+address, "--rps", "200", "--expect-from", digits, "--rtol", "1e-3", "--slo", "error_rate<1%")...)
	if !trusted(r) {
		t.Fatalf("exit %d: %s", r.code, r.err)
	}
	d := r.document(t)
	if err := d.Validate(); err != nil {
		t.Error(err)
	}
	if e, w := value(t, d, "error_rate", nil), value(t, d, "wrong_answers", nil); e != 0 || w != 0 {
		t.Errorf("error rate %v, %v wrong answers", e, w)
	}
	value(t, d, "latency_p50", nil)
	value(t, d, "server_compute_mean", nil)
	x, err := loadtest.Details(d)
	if err != nil {
		t.Fatal(err)
	}
	if x.Correctness == nil || x.Correctness.Checked == 0 {
		t.Error("no answer was compared")
	}
	if x.Schedule.SHA256 == "" || x.Target.Model != "digits-cnn" || x.Target.Encoding != "binary" {
		t.Errorf("schedule %+v, target %+v", x.Schedule, x.Target)
	}
}

// TestLoadtestWrongAnswers: a server of another model gives wrong answers, and that is a missed gate.
func TestLoadtestWrongAnswers(t *testing.T) {
	_, address, _ := serverProcess(t, digits)
	golden := filepath.Join(t.TempDir(), "expected.npz")
	writeZeros(t, golden)
	r := infer(t, passedOn(), quick("http://"+address, "--rps", "50", "--expect", golden, "--input", "zeros")...)
	if r.code != 3 || !strings.Contains(r.err, "wrong_answers") {
		t.Fatalf("exit %d: %s", r.code, r.err)
	}
	if n := value(t, r.document(t), "wrong_answers", nil); n == 0 {
		t.Error("no wrong answer was counted")
	}
}

// TestLoadtestInProcess: a model without a server; its samples give the same figures again.
func TestLoadtestInProcess(t *testing.T) {
	needEngine(t)
	samples := filepath.Join(t.TempDir(), "samples.bin")
	r := infer(t, passedOn(), quick(digits, "--rps", "200", "--samples-out", samples)...)
	if !trusted(r) {
		t.Fatalf("exit %d: %s", r.code, r.err)
	}
	again := infer(t, passedOn(), "report", samples, "--format", "json")
	if !trusted(again) {
		t.Fatalf("report: exit %d: %s", again.code, again.err)
	}
	a, b := r.document(t), again.document(t)
	if len(a.Metrics) < 15 {
		t.Errorf("only %d metrics", len(a.Metrics))
	}
	for i := range a.Metrics {
		m := &a.Metrics[i]
		o := b.Metric(m.Name, m.Labels)
		if o == nil || (m.Value == nil) != (o.Value == nil) || m.Value != nil && *m.Value != *o.Value || m.N != o.N {
			t.Errorf("%s: %v, from the samples %v", m.Name, m, o)
		}
	}
}

// TestLoadtestShards: the shards of a load, merged, are the whole schedule, and miss the objective that each has missed.
func TestLoadtestShards(t *testing.T) {
	needEngine(t)
	dir := t.TempDir()
	var files []string
	sum := 0.0
	for _, shard := range []string{"0/2", "1/2"} {
		file := filepath.Join(dir, strings.ReplaceAll(shard, "/", "-")+".json")
		r := infer(t, passedOn(), quick(digits, "--rps", "200", "--shard", shard, "--slo", "p50<1ns", "-o", file)...)
		if r.code != 3 {
			t.Fatalf("exit %d: %s", r.code, r.err)
		}
		d, err := report.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		sum += value(t, d, "offered_rate", nil)
		files = append(files, file)
	}
	r := infer(t, passedOn(), "report", files[0], files[1], "--format", "json")
	if r.code != 3 {
		t.Fatalf("exit %d: %s", r.code, r.err)
	}
	if shown := infer(t, nil, "report", files[0]); shown.code != 0 {
		t.Errorf("a shard, shown alone: exit %d: %s", shown.code, shown.err)
	}
	if got := value(t, r.document(t), "offered_rate", nil); got < sum*0.999 || got > sum*1.001 {
		t.Errorf("merged rate %v, want %v", got, sum)
	}
	if r := infer(t, passedOn(), "report", files[0], files[0]); r.code != 2 || !strings.Contains(r.err, "twice") {
		t.Errorf("a shard given twice: exit %d: %s", r.code, r.err)
	}
}

// TestLoadtestPlain: a body over plain HTTP, against a server of the standard library.
func TestLoadtestPlain(t *testing.T) {
	var bodies atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if b, _ := io.ReadAll(r.Body); string(b) == `{"a": 1}` && r.Method == "POST" && r.Header.Get("Content-Type") == "application/json" && r.Header.Get("X-Who") == "me" {
			bodies.Add(1)
		}
		_, _ = io.WriteString(w, "ok")
	}))
	defer s.Close()
	body := filepath.Join(t.TempDir(), "body.json")
	if err := os.WriteFile(body, []byte(`{"a": 1}`), 0o600); err != nil {
		t.Fatal(err)
	}
	r := infer(t, nil, quick(s.URL+"/x?y=1", "--protocol", "http", "--body", body, "-H", "X-Who: me", "--concurrency", "2")...)
	if !trusted(r) {
		t.Fatalf("exit %d: %s", r.code, r.err)
	}
	if n := bodies.Load(); n < 10 {
		t.Errorf("%d bodies came as they should", n)
	}
}

// TestLoadtestBadTargets: each ends in time, with the exit code and the words for it.
func TestLoadtestBadTargets(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	refused := l.Addr().String()
	l.Close()
	busy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "busy", http.StatusServiceUnavailable) }))
	defer busy.Close()
	page := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>hello</html>") }))
	defer page.Close()
	page404 := httptest.NewServer(http.NotFoundHandler())
	defer page404.Close()
	secure := httptest.NewTLSServer(http.NotFoundHandler())
	defer secure.Close()
	for _, c := range []struct {
		name, want string
		code       int
		args       []string
	}{
		{"refused", "refused", 1, []string{"http://" + refused, "--rps", "20"}},
		{"refused, plain", "refused", 1, []string{"http://" + refused, "--protocol", "http", "--rps", "20"}},
		{"refused, gRPC", "refused", 1, []string{"grpc://" + refused, "--rps", "20"}},
		{"a web page", "Open Inference Protocol", 1, []string{page.URL, "--rps", "20"}},
		{"unknown authority", "certificate", 1, []string{secure.URL, "--rps", "20"}},
		{"503 to all, gated", "error_rate", 3, []string{busy.URL, "--protocol", "http", "--rps", "50", "--gate", "error_rate<=1%"}},
		{"503 to all", "server_errors", 4, []string{busy.URL, "--protocol", "http", "--rps", "50"}},
		{"a path that is not there", "the first request failed: status 404", 1, []string{page404.URL, "--protocol", "http", "--rps", "20"}},
		{"a user in the URL", "has a user in it", 2, []string{"http://me:pass@" + refused, "--rps", "20"}},
		{"no scheme", "write http://", 2, []string{"localhost:8000", "--rps", "20"}},
		{"no such model", "does not exist", 2, []string{"nowhere.onnx", "--rps", "20"}},
		{"body for OIP", "--body is for plain HTTP", 2, []string{page.URL, "--protocol", "oip-grpc", "--rps", "20"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			begin := time.Now()
			r := infer(t, nil, quick(c.args...)...)
			if c.name == "body for OIP" {
				if r.code != 2 {
					t.Errorf("exit %d: %s", r.code, r.err)
				}
				return
			}
			if r.code != c.code || !strings.Contains(r.err, c.want) {
				t.Errorf("exit %d, want %d with %q: %s", r.code, c.code, c.want, r.err)
			}
			if took := time.Since(begin); took > 20*time.Second {
				t.Errorf("it took %v", took)
			}
		})
	}
}

// TestLoadtestInterrupted: Ctrl-C gives what was measured, and 130.
func TestLoadtestInterrupted(t *testing.T) {
	var served atomic.Int64
	enough := make(chan struct{}) // the window, which comes after some 11 requests, has some as well
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if _, _ = io.WriteString(w, "ok"); served.Add(1) == 60 {
			close(enough)
		}
	}))
	defer s.Close()
	samples := filepath.Join(t.TempDir(), "samples.bin")
	c, stdout, stderr := startInfer(t, "loadtest", s.URL, "--protocol", "http", "--rps", "100", "--duration", "60s", "--warm-up", "100ms", "--floor", "off", "--format", "json", "--samples-out", samples)
	select {
	case <-enough:
	case <-time.After(time.Minute):
		t.Error("the load does not begin")
	}
	out, errs, code := interrupt(t, c, stdout, stderr)
	if code != 130 {
		t.Fatalf("exit %d: %s", code, errs)
	}
	d := result{out: out, err: errs}.document(t)
	if d.Verdict != report.Interrupted {
		t.Errorf("verdict %s", d.Verdict)
	}
	value(t, d, "latency_p50", nil)
	if r := infer(t, nil, "report", samples, "--format", "json"); r.code != 0 || r.document(t).Verdict != report.Interrupted {
		t.Errorf("report of the samples: exit %d: %s", r.code, r.err)
	}
}

// interruptedAfter runs the program as a process of its own and interrupts it.
func interruptedAfter(t *testing.T, d time.Duration, args ...string) (out, errs string, code int) {
	t.Helper()
	c, stdout, stderr := startInfer(t, args...)
	time.Sleep(d)
	return interrupt(t, c, stdout, stderr)
}

// interrupt sends a started program what Ctrl-C does, and waits for its end.
func interrupt(t *testing.T, c *exec.Cmd, stdout, stderr *bytes.Buffer) (out, errs string, code int) {
	t.Helper()
	if err := c.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	_ = c.Wait()
	if took := time.Since(begin); took > 10*time.Second {
		t.Errorf("it took %v to end", took)
	}
	return stdout.String(), stderr.String(), c.ProcessState.ExitCode()
}

// startInfer starts the test binary as infer.
func startInfer(t *testing.T, args ...string) (c *exec.Cmd, stdout, stderr *bytes.Buffer) {
	t.Helper()
	stdout, stderr = &bytes.Buffer{}, &bytes.Buffer{}
	c = exec.Command(os.Args[0], args...)
	c.Env = append(os.Environ(), asInfer+"=1")
	c.Stdout, c.Stderr = stdout, stderr
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Process.Kill(); _ = c.Wait() })
	return c, stdout, stderr
}

// writeZeros writes outputs of zeros for the digits model.
func writeZeros(t *testing.T, path string) {
	t.Helper()
	m, err := loadModel(digits)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	out := m.Outputs()[0]
	x, err := tensor.FromFloat32(out.Name, tensor.Shape{1, 10}, make([]float32, 10))
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(tensor.WriteNpz(f, []tensor.Tensor{x}), f.Close()); err != nil {
		t.Fatal(err)
	}
}
