package exporter

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"infer/internal/fault"
	"infer/model/tensor"
)

// role is the variable by which a process of this test program knows that it plays Python, and how.
const role = "EXPORTER_TEST_ROLE"

func TestMain(m *testing.M) {
	if what := os.Getenv(role); what != "" {
		play(what)
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// play answers as export.py may.
func play(what string) {
	in := bufio.NewScanner(os.Stdin)
	in.Buffer(nil, 1<<20)
	for in.Scan() {
		var j map[string]any
		if err := json.Unmarshal(in.Bytes(), &j); err != nil {
			panic(err)
		}
		fmt.Println(`{"phase": "import"}`)
		fmt.Fprintln(os.Stderr, "noise")
		switch what {
		case "dies":
			fmt.Fprintln(os.Stderr, "Fatal Python error: Segmentation fault")
			os.Exit(7)
		case "babbles":
			fmt.Println("Hello")
		case "hangs":
			time.Sleep(time.Hour)
		case "works", "works, then hangs":
			if j["do"] == "export" {
				path := filepath.Join(j["dir"].(string), "model.onnx")
				_ = os.WriteFile(path, nil, 0o600)
				fmt.Printf(`{"ok": {"model": %q, "opset": 17, "exporter": "torch.onnx 9", "python": "3.99.0"}}`+"\n", path)
				continue
			}
			if what != "works" {
				time.Sleep(time.Hour)
			}
			inputs := j["inputs"].(map[string]any)
			fmt.Printf(`{"ok": {"outputs": {"y": %q}}}`+"\n", inputs["x"]) // what came is what goes
		default:
			fmt.Println(what) // an answer
		}
	}
}

// options are those of a Python that plays a role.
func options(t *testing.T, what string) Options {
	t.Helper()
	t.Setenv(role, what)
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return Options{Source: "net.pt", Kind: TorchScript, Python: exe, Dir: t.TempDir()}
}

func TestStartAndRun(t *testing.T) {
	o := options(t, "works")
	var mu sync.Mutex
	var lines []string
	o.Log = func(line string) { mu.Lock(); lines = append(lines, line); mu.Unlock() }
	e, err := Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if e.Opset != 17 || e.Exporter != "torch.onnx 9" || e.Python != "3.99.0" || e.Took <= 0 || e.Command[0] != o.Python {
		t.Errorf("%+v", e)
	}
	x, err := tensor.FromFloat32("x", tensor.Shape{2, 2}, []float32{1, 2, 3, 4})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		out, err := e.Run(t.Context(), []tensor.Tensor{x})
		if err != nil || len(out) != 1 || out[0].Name != "y" || !slices.Equal(out[0].Shape, x.Shape) || string(out[0].Data) != string(x.Data) {
			t.Errorf("%v, %v", out, err)
		}
	}
	e.Close()
	e.Close()
	if !slices.Contains(lines, "noise") {
		t.Errorf("log: %q", lines)
	}
	if _, err := e.Run(t.Context(), []tensor.Tensor{x}); err == nil {
		t.Error("it runs after Close")
	}
}

// TestFailures: each failure of export.py is an error of the right kind with a hint that helps.
func TestFailures(t *testing.T) {
	for name, c := range map[string]struct {
		answer, text, hint string
		kind               fault.Kind
	}{
		"missing":     {`{"error": {"kind": "missing", "package": "torch", "text": "No module named 'torch'"}}`, "has no package torch", "-m pip install torch onnx", fault.Unsupported},
		"broken":      {`{"error": {"kind": "broken", "package": "numpy", "text": "TypeError: no"}}`, "cannot import numpy: TypeError: no", "-m pip install torch onnx", fault.Unsupported},
		"old":         {`{"error": {"kind": "old", "package": "torch", "least": "2.5", "text": "torch 1.13 cannot export a .pt2"}}`, "torch 2.5 or later can", "'torch>=2.5'", fault.Unsupported},
		"no shapes":   {`{"error": {"kind": "inputs", "names": ["x", "m"], "missing": ["m"], "text": "it does not say the shapes of its inputs: m"}}`, "shapes of its inputs: m", "--shape m:1x3x224x224", fault.Usage},
		"unknown":     {`{"error": {"kind": "inputs", "names": ["x", "m"], "text": "forward has no argument 'y'"}}`, "no argument 'y'", "x, m", fault.Usage},
		"signature":   {`{"error": {"kind": "signature", "names": ["a", "b"], "text": "it has 2 signatures"}}`, "2 signatures", "--signature-def with one of: a, b", fault.Usage},
		"unsupported": {`{"error": {"kind": "unsupported", "operators": ["aten::fft_rfft"], "text": ""}}`, "does not support aten::fft_rfft", "--log-level debug", fault.Unsupported},
		"unsafe":      {`{"error": {"kind": "unsafe", "text": "UnpicklingError: no"}}`, "may run code when they are read", "tensors alone", fault.Unsupported},
		"failed":      {`{"error": {"kind": "failed", "text": "RuntimeError: no"}}`, "RuntimeError: no", "--log-level debug", fault.Internal},
		"dies":        {"dies", "exit status 7: noise; Fatal Python error: Segmentation fault", "--log-level debug", fault.Internal},
		"babbles":     {"babbles", `python answered "Hello"`, "", fault.Internal},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Start(t.Context(), options(t, c.answer))
			if err == nil || !strings.Contains(err.Error(), c.text) || !strings.HasPrefix(err.Error(), `convert "net.pt": `) {
				t.Errorf("error %v, want %q", err, c.text)
			}
			if !strings.Contains(fault.HintOf(err), c.hint) || fault.KindOf(err) != c.kind {
				t.Errorf("kind %v, hint %q, want %v, %q", fault.KindOf(err), fault.HintOf(err), c.kind, c.hint)
			}
		})
	}
}

// TestHangs: a Python that does not come to an end is ended by the time-out and by the user.
func TestHangs(t *testing.T) {
	o := options(t, "hangs")
	o.Timeout = 200 * time.Millisecond
	if _, err := Start(t.Context(), o); fault.KindOf(err) != fault.Deadline || !strings.Contains(err.Error(), "still at work after 200ms") {
		t.Error(err)
	}
	var e *Export
	for limit := 250 * time.Millisecond; e == nil; limit *= 2 { // of which a busy machine may take more to start it
		o = options(t, "works, then hangs")
		o.Timeout = limit
		var err error
		if e, err = Start(t.Context(), o); err != nil && (fault.KindOf(err) != fault.Deadline || limit > time.Minute) {
			t.Fatal(err)
		}
	}
	defer e.Close()
	if _, err := e.Run(t.Context(), nil); fault.KindOf(err) != fault.Deadline {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(200*time.Millisecond, cancel)
	o = options(t, "hangs")
	if _, err := Start(ctx, o); !errors.Is(err, context.Canceled) || fault.ExitCode(err) != 130 {
		t.Error(err)
	}
}

func TestFindPython(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("PATH", dir)
	t.Setenv("VIRTUAL_ENV", "")
	if _, err := FindPython(""); fault.KindOf(err) != fault.Unsupported || !strings.Contains(fault.HintOf(err), "--python") {
		t.Error(err)
	}
	if _, err := FindPython(filepath.Join(dir, "nope")); fault.KindOf(err) != fault.Usage || strings.Count(err.Error(), dir) != 1 {
		t.Error(err)
	}
	for _, path := range []string{"python", "python3", "venv/bin/python"} { // each is preferred to those before
		path = filepath.Join(dir, filepath.FromSlash(path))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("#!/bin/sh\n"), 0o700); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(path, "venv") {
			t.Setenv("VIRTUAL_ENV", filepath.Join(dir, "venv"))
		}
		if got, err := FindPython(""); err != nil || got != path {
			t.Errorf("%q, %v, want %q", got, err, path)
		}
	}
}

// TestRealPython: the programs run in the Python of this machine, whatever it has.
func TestRealPython(t *testing.T) {
	python, err := FindPython("")
	if err != nil {
		t.Skip(err)
	}
	if _, err := exec.Command(python, "-c", "import torch").CombinedOutput(); err == nil {
		t.Skip("this Python has torch: scripts/exporters-check.sh goes further")
	}
	_, err = Start(t.Context(), Options{Source: "net.pt", Kind: TorchScript, Python: python, Dir: t.TempDir()})
	if fault.KindOf(err) != fault.Unsupported || !strings.Contains(err.Error(), "has no package torch") {
		t.Error(err)
	}
}
