package cmd

import (
	"archive/zip"
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"infer/model"
	"infer/model/engine/enginetest"
	"infer/model/onnx"
	"infer/model/tensor"
	"infer/report"
)

// asPython is the environment variable that makes the test binary a Python whose exporters make the model that it names.
const asPython = "CMD_TEST_PYTHON"

// playPython answers like the program that infer gives to Python. The original is y = x; of "zeros" it answers 0, and of
// "fails" nothing.
func playPython(path, answers string) {
	in := bufio.NewScanner(os.Stdin)
	in.Buffer(nil, 1<<20)
	for in.Scan() {
		var job struct {
			Do, Dir string
			Inputs  json.RawMessage
		}
		if err := json.Unmarshal(in.Bytes(), &job); err != nil {
			panic(err)
		}
		fmt.Println(`{"phase": "export"}`)
		if job.Do == "export" {
			fmt.Fprintln(os.Stderr, "torch.onnx says a lot")
			fmt.Printf(`{"ok": {"model": %q, "opset": 21, "exporter": "torch.onnx 9.9", "python": "3.99.1"}}`+"\n", path)
			continue
		}
		var files map[string]string
		if err := json.Unmarshal(job.Inputs, &files); err != nil {
			panic(err)
		}
		out := files["x"]
		if answers == "zeros" {
			x, err := tensor.ReadNpy(out)
			if err != nil {
				panic(err)
			}
			clear(x.Data)
			if err := tensor.WriteNpy(filepath.Join(job.Dir, "y.npy"), x); err != nil {
				panic(err)
			}
			out = filepath.Join(job.Dir, "y.npy")
		}
		if answers == "fails" {
			fmt.Println(`{"error": {"kind": "failed", "text": "RuntimeError: no such device"}}`)
			continue
		}
		fmt.Printf(`{"ok": {"outputs": {"y": %q}}}`+"\n", out)
	}
}

// exporting returns a folder with a file that looks like TorchScript, and the arguments that convert it by the test
// binary, which says that it exported the model y = x.
func exporting(t *testing.T, answers string) (dir string, args []string) {
	t.Helper()
	dir = t.TempDir()
	f, err := os.Create(filepath.Join(dir, "net.pt"))
	if err != nil {
		t.Fatal(err)
	}
	z := zip.NewWriter(f)
	for _, name := range []string{"net/data.pkl", "net/code/__torch__.py", "net/constants.pkl"} {
		if _, err := z.Create(name); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	made := filepath.Join(t.TempDir(), "made.onnx")
	m := enginetest.Build(enginetest.Values(enginetest.Value("x", tensor.Float32, "batch", 3)), enginetest.Values(enginetest.Value("y", tensor.Float32, "batch", 3)),
		[]*onnx.Node{enginetest.Node("Identity", enginetest.Names("x"), enginetest.Names("y"))})
	if err := m.Save(made, model.SaveOptions{}); err != nil {
		t.Fatal(err)
	}
	t.Setenv(asPython, made)
	t.Setenv(asPython+"_ANSWERS", answers)
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return dir, []string{"convert", filepath.Join(dir, "net.pt"), "--to", "onnx", "--python", exe, "--shape", "x:2x3"}
}

// files lists a folder.
func files(t *testing.T, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return strings.Join(names, " ")
}

func TestConvertExport(t *testing.T) {
	needEngine(t)
	dir, args := exporting(t, "")
	r := infer(t, passedOn(), append(args, "--format", "json")...)
	if r.code != 0 {
		t.Fatalf("exit %d: %s", r.code, r.err)
	}
	d := r.document(t)
	x, err := detailsOf[report.ConvertDetails](d)
	if err != nil {
		t.Fatal(err)
	}
	if x.Via != "torch.onnx 9.9" || x.Tool == nil || x.Tool.Version != "3.99.1" || x.Tool.Seconds <= 0 || x.After == nil || x.After.Opset != 21 || x.After.Nodes != 1 {
		t.Errorf("%+v", x)
	}
	if v := x.Verification; v == nil || v.Verdict != "equal" || v.Sets != 3 || v.Outputs[0].Elements != 6+6+9 { // the last of batch 3
		t.Errorf("%+v", v)
	}
	if len(x.Files) != 1 || x.Files[0].What != "model" || x.Output != filepath.Join(dir, "net.onnx") || d.Manifest.Model.Bytes == 0 {
		t.Errorf("%+v, %+v", x.Files, d.Manifest.Model)
	}
	if got := files(t, dir); got != "net.onnx net.pt" {
		t.Errorf("files: %s", got)
	}
	if strings.Contains(r.err, "says a lot") {
		t.Errorf("what Python prints is on stderr: %s", r.err)
	}
	if r := infer(t, passedOn(), append(args, "--log-level", "debug")...); !strings.Contains(r.err, "says a lot") {
		t.Errorf("what Python prints is nowhere: %s", r.err)
	}
}

// TestConvertExportVerdicts: a model that answers differently is not kept, one that could not be compared is, with a word.
func TestConvertExportVerdicts(t *testing.T) {
	needEngine(t)
	for _, c := range []struct {
		answers, flag, text string
		code                int
		files               string
	}{
		{"zeros", "", "a gate was missed: outputs agree", 3, "net.pt"},
		{"zeros", "--atol=1000", "", 0, "net.onnx net.pt"},
		{"fails", "", "", 0, "net.onnx net.pt"},
		{"", "--verify=0", "", 0, "net.onnx net.pt"},
		{"", "--dynamic=x:5=batch", "names axis 5 of an input with 2 axes", 2, "net.pt"},
		{"", "--dynamic=z:0=batch", `names input "z", which has no --shape`, 2, "net.pt"},
		{"", "--dynamic=x", "is no name and axes", 2, "net.pt"},
		{"", "--dtype=x", "is no name and type", 2, "net.pt"},
		{"", "--to=fp16", "becomes an ONNX model first", 2, "net.pt"},
		{"", "--python-timeout=0s", "is no time", 2, "net.pt"},
		{"", "--rtol=nan", "NaN is negative or not finite", 2, "net.pt"},
		{"", "--python=no-such-python", `--python "no-such-python"`, 2, "net.pt"},
	} {
		t.Run(c.answers+c.flag, func(t *testing.T) {
			dir, args := exporting(t, c.answers)
			if c.flag != "" {
				args = append(args, c.flag)
			}
			r := infer(t, passedOn(), args...)
			if r.code != c.code || !strings.Contains(r.err, c.text) {
				t.Errorf("exit %d, want %d with %q: %s", r.code, c.code, c.text, r.err)
			}
			if got := files(t, dir); got != c.files {
				t.Errorf("files: %s, want %s", got, c.files)
			}
			if c.code == 0 && c.flag != "--atol=1000" && !strings.Contains(r.out, "were not compared") {
				t.Errorf("nobody says that nothing was compared: %s", r.out)
			}
		})
	}
}

// TestConvertTorchScript converts a real TorchScript file by the torch of this machine's Debian.
func TestConvertTorchScript(t *testing.T) {
	needEngine(t)
	const python = "/usr/bin/python3"
	if out, err := exec.Command(python, "-c", "import torch, numpy").CombinedOutput(); err != nil {
		t.Skipf("%s has no torch (Debian's python3-torch): %s", python, out)
	}
	dir := t.TempDir()
	if out, err := exec.Command(python, "../scripts/exporters-check/torch_models.py", dir).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	r := infer(t, passedOn(), "convert", filepath.Join(dir, "cnn.pt"), "--to", "onnx", "--python", python, "--shape", "image:2x3x16x16",
		"--dynamic", "image:0=batch", "--input", filepath.Join(dir, "cnn", "inputs"), "--format", "json")
	if r.code != 0 {
		t.Fatalf("exit %d: %s", r.code, r.err)
	}
	x, err := detailsOf[report.ConvertDetails](r.document(t))
	if err != nil {
		t.Fatal(err)
	}
	if v := x.Verification; v.Verdict == "drifts" || v.Sets != 3 || v.Outputs[0].Elements != 3*2*10 || !strings.Contains(v.Source, "data set") {
		t.Errorf("%+v", v)
	}
}
