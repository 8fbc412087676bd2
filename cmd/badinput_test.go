package cmd

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"infer/internal/fault"
	"infer/model"
	"infer/model/tensor"
)

// copyModel copies the small classifier to a file of that name in dir.
func copyModel(t *testing.T, dir, name string) string {
	t.Helper()
	b, err := os.ReadFile(digits)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestOutputFiles: what cannot be written, or would replace a file that is read, is refused before any work.
func TestOutputFiles(t *testing.T) {
	dir := t.TempDir()
	model, other := copyModel(t, dir, "model.json"), copyModel(t, dir, "other.json")
	before, err := os.ReadFile(model)
	if err != nil {
		t.Fatal(err)
	}
	result := filepath.Join(dir, "r.json")
	for _, c := range []struct {
		name string
		args []string
		want string
	}{
		{"-o is the model", []string{"inspect", model, "-o", model}, "is a file that the model is read from"},
		{"--report is the model", []string{"inspect", model, "--report", model}, "is a file that the model is read from"},
		{"--report is the other model", []string{"inspect", model, "--diff", other, "--report", other}, "would overwrite a file that is read"},
		{"two of one name", []string{"inspect", model, "-o", result, "--report", filepath.Join(dir, ".", "r.json")}, "both write"},
		{"no such folder", []string{"inspect", model, "-o", filepath.Join(dir, "none", "r.json")}, "no such file or directory"},
		{"a folder", []string{"inspect", model, "-o", dir}, "it is a folder"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := infer(t, nil, c.args...)
			if r.code != 2 || r.out != "" || !strings.Contains(r.err, c.want) {
				t.Errorf("exit %d, stdout %q, stderr %q; want 2 with %q", r.code, r.out, r.err, c.want)
			}
		})
	}
	for _, path := range []string{model, other} {
		if after, err := os.ReadFile(path); err != nil || !bytes.Equal(before, after) {
			t.Errorf("%s was overwritten", path)
		}
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 2 {
		t.Errorf("left behind: %v", entries)
	}
}

// TestOutputFilesOfRuns is TestOutputFiles for the commands that run a model.
func TestOutputFilesOfRuns(t *testing.T) {
	needEngine(t)
	dir := t.TempDir()
	model := copyModel(t, dir, "model.onnx")
	data := filepath.Join(dir, "data")
	if err := os.CopyFS(data, os.DirFS("../testdata/digits/test")); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		args []string
		want string
	}{
		{"--trace is the model", []string{"profile", model, "--trace", model}, "is a file that the model is read from"},
		{"--trace into no folder", []string{"profile", model, "--trace", filepath.Join(dir, "none", "t.json")}, "no such file or directory"},
		{"-o is a file of the data", []string{"profile", model, "--input", data, "-o", filepath.Join(data, "labels.npy")}, "would overwrite a file that is read"},
		{"predict into the data", []string{"predict", model, "--input", data, "-o", data}, "is the folder that the data are read from"},
		{"predict into a file", []string{"predict", model, "--input", data, "-o", model}, "not a directory"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := infer(t, passedOn(), c.args...)
			if r.code != 2 || r.out != "" || !strings.Contains(r.err, c.want) {
				t.Errorf("exit %d, stdout %q, stderr %q; want 2 with %q", r.code, r.out, r.err, c.want)
			}
		})
	}
}

// TestFlagsOfAllCommands: a flag that every command has may stand at the top of the file and in the environment.
func TestFlagsOfAllCommands(t *testing.T) {
	file := filepath.Join(t.TempDir(), "infer.yaml")
	if err := os.WriteFile(file, []byte("format: json\nquiet: true\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, r := range map[string]result{
		"environment": infer(t, map[string]string{"INFER_FORMAT": "json"}, "inspect", digits),
		"file":        infer(t, nil, "inspect", digits, "--config", file),
	} {
		if r.code != 0 || !strings.HasPrefix(r.out, "{") {
			t.Errorf("%s: exit %d, stdout %.40q, stderr %q; want JSON", name, r.code, r.out, r.err)
		}
	}
	if r := infer(t, map[string]string{"INFER_FORMAT": "yaml"}, "version"); r.code != 2 {
		t.Errorf("a wrong INFER_FORMAT: exit %d, stderr %q", r.code, r.err)
	}
}

func TestNonsenseValues(t *testing.T) {
	for _, c := range []struct {
		name string
		env  map[string]string
		args []string
		want string // the whole first line after "infer: error: "
	}{
		{"a number in a flag", nil, []string{"profile", digits, "--batch", "abc"}, `invalid argument "abc" for "--batch" flag: invalid syntax`},
		{"a duration", nil, []string{"profile", digits, "--duration", "abc"}, `invalid argument "abc" for "--duration" flag: invalid duration "abc"`},
		{"a number in the environment", map[string]string{"INFER_THREADS": "abc"}, []string{"profile", digits}, `INFER_THREADS: "abc": invalid syntax`},
		{"an axis twice", nil, []string{"inspect", digits, "--dim", "batch=2", "--dim", "batch=3"}, `--dim names axis "batch" twice`},
		{"a shape twice", nil, []string{"inspect", digits, "--shape", "x:1x4", "--shape", "x:2x4"}, `--shape names input "x" twice`},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := infer(t, c.env, c.args...)
			line, _, _ := strings.Cut(strings.TrimPrefix(r.err, "infer: error: "), "\n")
			if r.code != 2 || line != c.want {
				t.Errorf("exit %d, error %q; want 2 and %q", r.code, line, c.want)
			}
		})
	}
	if r := infer(t, nil, "inspect", digits, "--config", t.TempDir()); r.code != 2 || !strings.Contains(r.err, "not a regular file") {
		t.Errorf("a folder as configuration: exit %d, stderr %q", r.code, r.err)
	}
	if r := infer(t, nil, "completion", "tcsh"); r.code != 2 || r.out != "" {
		t.Errorf("an unknown shell: exit %d, stdout %.40q", r.code, r.out)
	}
	if r := infer(t, nil, "profile", digits, "--threads", "1000000"); r.code != 2 || !strings.Contains(r.err, "at most on this machine") {
		t.Errorf("a million threads: exit %d, stderr %q", r.code, r.err)
	}
}

// TestPredictWrongLabels: labels of another data set give an accuracy of 0 and a warning that says why.
func TestPredictWrongLabels(t *testing.T) {
	needEngine(t)
	dir := t.TempDir()
	right, err := tensor.ReadNpy("../testdata/digits/test/labels.npy")
	if err != nil {
		t.Fatal(err)
	}
	wrong, err := tensor.FromInts("", tensor.Int64, right.Shape, slices.Repeat([]int64{77}, int(right.Shape[0])))
	if err != nil {
		t.Fatal(err)
	}
	labels := filepath.Join(dir, "labels.npy")
	if err := tensor.WriteNpy(labels, wrong); err != nil {
		t.Fatal(err)
	}
	r := infer(t, passedOn(), "predict", digits, "--input", "../testdata/digits/test", "--labels", labels, "-o", filepath.Join(dir, "out"), "--format", "json")
	if r.code != 0 {
		t.Fatalf("exit %d: %s", r.code, r.err)
	}
	d := r.document(t)
	m := d.Metric("accuracy_top1", nil)
	if m == nil || m.Value == nil || *m.Value != 0 || !strings.Contains(strings.Join(d.Warnings, "\n"), "labels are no class of output") {
		t.Errorf("accuracy is %+v, warnings %q", m, d.Warnings)
	}
}

// TestExplain: a failure without a hint says which axes had no size; one with a hint, or an interrupt, stays as it is.
func TestExplain(t *testing.T) {
	in := &inputs{bound: model.Bound{Notes: []string{"axis \"sequence\" was set to 1"}}}
	for _, c := range []struct {
		name string
		err  error
		hint string
	}{
		{"no hint", errors.New("Pad reflect requires axis length >= 2"), "set to 1"},
		{"a hint", fault.New(fault.Unsupported, "its own", "no kernel"), "its own"},
		{"an interrupt", context.Canceled, ""},
	} {
		if got := fault.HintOf(in.explain(c.err)); !strings.Contains(got, c.hint) || c.hint == "" && got != "" {
			t.Errorf("%s: hint %q, want %q", c.name, got, c.hint)
		}
	}
	if in.explain(nil) != nil {
		t.Error("no error became one")
	}
}

// TestPredictOneRun: so few rows that they are one run have a throughput without an interval.
func TestPredictOneRun(t *testing.T) {
	needEngine(t)
	dir := t.TempDir()
	all, err := tensor.ReadNpy("../testdata/digits/test/input.npy")
	if err != nil {
		t.Fatal(err)
	}
	rows := all.Shape[0]
	few := tensor.Tensor{DType: all.DType, Shape: all.Shape.Clone(), Data: all.Data[:len(all.Data)/int(rows)*5]}
	few.Shape[0] = 5
	input := filepath.Join(dir, "few.npy")
	if err := tensor.WriteNpy(input, few); err != nil {
		t.Fatal(err)
	}
	r := infer(t, passedOn(), "predict", digits, "--input", input, "-o", filepath.Join(dir, "out"), "--format", "json")
	if r.code != 0 {
		t.Fatalf("exit %d: %s", r.code, r.err)
	}
	m := r.document(t).Metric("throughput", nil)
	if m == nil || m.Value == nil || *m.Value <= 0 || m.N != 1 || m.Lo != nil {
		t.Errorf("throughput is %+v", m)
	}
}
