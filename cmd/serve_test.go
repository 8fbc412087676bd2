package cmd

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"infer/internal/fault"
	"infer/internal/term"
	"infer/serve/repository"
)

// serveOptions runs the command line up to the point where the runtime would be opened.
func serveOptions(t *testing.T, args ...string) (serveFlags, repository.Options, error) {
	t.Helper()
	a := &app{std: term.Streams{In: strings.NewReader(""), Out: io.Discard, Err: io.Discard, Getenv: func(string) (string, bool) { return "", false }}}
	var flags serveFlags
	var opts repository.Options
	root := newRootWith(a, func(_ context.Context, a *app, args []string, f serveFlags) error {
		o, err := f.options(a, args)
		flags, opts = f, o.Repository
		return err
	})
	root.SetArgs(append([]string{"serve"}, args...))
	root.SetOut(io.Discard)
	root.SetErr(io.Discard)
	err := root.Execute()
	return flags, opts, err
}

// TestServeEnvironmentHint: the hint of a wrong value has no marks of the help in it.
func TestServeEnvironmentHint(t *testing.T) {
	r := infer(t, map[string]string{"INFER_SERVE_SLO": "soon"}, "serve", digits)
	if r.code != 2 || !strings.Contains(r.err, `"soon"`) || !strings.Contains(r.err, "hint: --slo takes: TIME from") {
		t.Errorf("exit %d\n%s", r.code, r.err)
	}
}

// TestProbeURL: the health check of an image asks by https where a certificate was mounted.
func TestProbeURL(t *testing.T) {
	for _, c := range []struct{ probe, cert, want string }{
		{"http://127.0.0.1:8000/x", "", "http://127.0.0.1:8000/x"},
		{"http://127.0.0.1:8000/x", "c.pem", "https://127.0.0.1:8000/x"},
		{"https://127.0.0.1:8000/x", "c.pem", "https://127.0.0.1:8000/x"},
	} {
		if got := (&serveFlags{probe: c.probe, cert: c.cert}).probeURL(); got != c.want {
			t.Errorf("%s with certificate %q: %s", c.probe, c.cert, got)
		}
	}
}

func TestServeFlags(t *testing.T) {
	model, err := filepath.Abs(digits)
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(t.TempDir())
	for _, c := range []struct {
		name string
		args []string
		want string // part of the error
	}{
		{"a time that is none", []string{model, "--slo", "fast"}, `"fast"`},
		{"negative", []string{model, "--max-delay", "-1s"}, "max-delay"},
		{"a delay as long as the objective", []string{model, "--slo", "5ms", "--max-delay", "5ms"}, "uses up the SLO"},
		{"no front end", []string{model, "--http", "off", "--grpc", ""}, "neither HTTP nor gRPC"},
		{"a certificate without a key", []string{model, "--tls-cert", "c.pem"}, "has no key"},
		{"a key without a certificate", []string{model, "--tls-key", "k.pem"}, "without a certificate"},
		{"unknown metric names", []string{model, "--metrics-compat", "tfs"}, "tfs"},
		{"a size that is none", []string{model, "--max-body", "much"}, "max-body"},
		{"no model", nil, "no model is given"},
		{"a model that is not there", []string{"gone.onnx"}, `"gone.onnx" does not exist`},
		{"a named model that is not there", []string{"m=gone.onnx"}, `"gone.onnx" does not exist`},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, _, err := serveOptions(t, c.args...)
			if err == nil || !strings.Contains(err.Error(), c.want) || fault.KindOf(err) != fault.Usage {
				t.Errorf("%v (kind %d), want a usage error with %q", err, fault.KindOf(err), c.want)
			}
		})
	}
	f, _, err := serveOptions(t, model, "--max-body", "1GiB")
	if err != nil {
		t.Fatal(err)
	}
	if o, err := f.options(&app{}, []string{model}); err != nil || o.MaxBody != 1<<30 || o.Limits.Bytes != 1<<30 || o.Limits.Elements != 1<<30 {
		t.Errorf("--max-body 1GiB: %d bytes, limits %+v, %v", o.MaxBody, o.Limits, err)
	}
	_, o, err := serveOptions(t, "first="+model, "--slo", "50ms", "--max-batch", "8", "--threads", "1")
	if err != nil {
		t.Fatal(err)
	}
	if len(o.Sources) != 1 || o.Sources[0] != (repository.Source{Name: "first", Path: model}) || o.Model.SLO != 50*time.Millisecond || o.Model.MaxBatch != 8 || o.Model.Threads != 1 {
		t.Errorf("got %+v", o)
	}
}

// TestServeModelsInTheFile: the models of the configuration, with options that differ from those of all.
func TestServeModelsInTheFile(t *testing.T) {
	model, err := filepath.Abs(digits)
	if err != nil {
		t.Fatal(err)
	}
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile("infer.yaml", []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(t.TempDir())
	if err := os.Symlink(model, "m.onnx"); err != nil {
		t.Skip("no symbolic links:", err)
	}
	write("serve:\n  slo: 40ms\n  models:\n    - {name: a, path: m.onnx, slo: 5ms, split: {1: 95, 2: 5}, sticky: X-User}\n    - {name: b, path: m.onnx}\n")
	_, o, err := serveOptions(t)
	if err != nil {
		t.Fatal(err)
	}
	a, b := o.Models["a"], o.Models["b"]
	if len(o.Sources) != 2 || filepath.Base(o.Sources[1].Path) != "m.onnx" || a.SLO != 5*time.Millisecond || a.Split["1"] != 95 || a.Split["2"] != 5 || a.Sticky != "X-User" || b.SLO != 40*time.Millisecond {
		t.Errorf("got %+v", o)
	}
	for text, want := range map[string]string{
		"serve: {models: [{name: a, path: m.onnx, sloo: 5ms}]}":               "sloo",
		"serve: {models: [{name: a, path: m.onnx, slo: soon}]}":               "slo",
		"serve: {models: [{name: a}]}":                                        "serve.models[0]: model \"a\": path is missing",
		"serve: {models: [{name: a, path: m.onnx, slo: 5 minutes}]}":          `slo: "5 minutes" is no value`,
		"serve: {models: [{path: m.onnx}]}":                                   "no name",
		"serve: {models: {a: 1}}":                                             "no list",
		"serve: {models: [a]}":                                                "must hold the options",
		"serve: {models: [{name: a, path: m.onnx}, {name: a, path: m.onnx}]}": "twice",
		"serve: {modles: []}":                                                 "modles",
		"serve: {models: [{name: a, path: m.onnx, split: {1: many}}]}":        "split",
	} {
		write(text)
		if _, _, err := serveOptions(t); err == nil || !strings.Contains(err.Error(), want) || fault.KindOf(err) != fault.Usage {
			t.Errorf("%s: %v, want a usage error with %q", text, err, want)
		}
	}
	for _, c := range []struct{ text, operand, want string }{
		{"serve: {models: [{name: m, slo: 5ms}]}", "m.onnx", ""},
		{"serve: {models: [{name: n, slo: 5ms}]}", "n=m.onnx", ""},
		{"serve: {models: [{name: other, path: other.onnx, slo: 5ms}]}", "m.onnx", ""},
		{"serve: {models: [{name: later, slo: 5ms}]}", ".", ""},
		{"serve: {models: [{name: n, slo: 5ms}]}", "m.onnx", `options for model "n", which is not there`},
	} {
		write(c.text)
		_, o, err := serveOptions(t, c.operand)
		if c.want == "" && (err != nil || len(o.Models) != 1) || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want) || fault.HintOf(err) != "the models are m") {
			t.Errorf("%s with %s: %v (%s), want %q", c.text, c.operand, err, fault.HintOf(err), c.want)
		}
	}
}

// serverProcess starts infer serve as a process of its own and returns it, its HTTP address, and what follows the
// ready line on stderr.
func serverProcess(t *testing.T, args ...string) (*exec.Cmd, string, *bufio.Scanner) {
	t.Helper()
	needEngine(t)
	c := exec.Command(os.Args[0], append([]string{"serve", "--http", "127.0.0.1:0", "--grpc", "off", "--metrics", "off", "--no-progress"}, args...)...)
	c.Env = append(os.Environ(), asInfer+"=yes")
	pipe, err := c.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Process.Kill(); _ = c.Wait() })
	lines := bufio.NewScanner(pipe)
	address := regexp.MustCompile(`http=(\S+)`)
	for lines.Scan() {
		if m := address.FindStringSubmatch(lines.Text()); m != nil && strings.Contains(lines.Text(), "ready") {
			return c, m[1], lines
		}
		t.Log(lines.Text())
	}
	t.Fatal("the server ended before it was ready")
	return nil, "", nil
}

// TestServe: up, an answer, SIGTERM, exit 0.
func TestServe(t *testing.T) {
	c, address, lines := serverProcess(t, digits)
	resp, err := http.Get("http://" + address + "/v2/health/ready")
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%v %v", resp, err)
	}
	resp.Body.Close()
	if r := infer(t, passedOn(), "serve", "--probe", "http://"+address+"/v2/health/ready"); r.code != 0 {
		t.Errorf("--probe of a ready server: exit %d: %s", r.code, r.err)
	}
	if err := c.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	for lines.Scan() {
		if strings.Contains(lines.Text(), "error") {
			t.Error(lines.Text())
		}
	}
	if err := c.Wait(); err != nil {
		t.Errorf("after SIGTERM: %v", err)
	}
	if r := infer(t, passedOn(), "serve", "--probe", "http://"+address+"/v2/health/ready"); r.code != 1 {
		t.Errorf("--probe of a server that has gone: exit %d", r.code)
	}
}

// TestServeReload: SIGHUP and a change of the file are taken over; a wrong file changes nothing.
func TestServeReload(t *testing.T) {
	model, err := filepath.Abs(digits)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "infer.yaml")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("serve: {slo: 80ms}\n")
	c, _, lines := serverProcess(t, model, "--config", file)
	until := func(want string) {
		t.Helper()
		for lines.Scan() {
			if strings.Contains(lines.Text(), want) {
				return
			}
		}
		t.Fatalf("the log ended without %q", want)
	}
	write("serve: {slo: 70ms}\n# another length\n")
	if err := c.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	until("70ms")
	write("serve: {slo: 70ms, access-log: true, max-body: 1MiB}\n")
	until("needs a restart: access-log, max-body")
	write("serve: {slow: 70ms}\n")
	until(`hint=did you mean slo?`)
	write("serve: {slo: 60ms}\n# yet another length, seen without a signal\n")
	until("60ms")
}

func TestServeRefusesAtStart(t *testing.T) {
	needEngine(t)
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	r := infer(t, passedOn(), "serve", digits, "--http", taken.Addr().String(), "--grpc", "off", "--metrics", "off")
	if r.code != 2 || r.out != "" || !strings.Contains(r.err, "infer: error: listen on "+taken.Addr().String()) || !strings.Contains(r.err, "infer: hint: another program listens there") {
		t.Errorf("a taken port: exit %d\n%s", r.code, r.err)
	}
	if r := infer(t, passedOn(), "serve", digits, "--check", "--http", taken.Addr().String(), "--grpc", "off", "--metrics", "off"); r.code != 2 || !strings.Contains(r.err, "another program listens there") {
		t.Errorf("--check of a taken port: exit %d\n%s", r.code, r.err)
	}
	broken := filepath.Join(t.TempDir(), "broken.onnx")
	if err := os.WriteFile(broken, []byte("broken"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"--check", "--http", "127.0.0.1:0", "--grpc", "off", "--metrics", "off"}, {"--http", "127.0.0.1:0", "--grpc", "off", "--metrics", "off"}} {
		r := infer(t, passedOn(), append([]string{"serve", broken}, args...)...)
		if r.code != 1 && r.code != 2 || r.out != "" || !strings.Contains(r.err, "infer: error: ") {
			t.Errorf("a broken model %v: exit %d\n%s", args, r.code, r.err)
		}
	}
}
