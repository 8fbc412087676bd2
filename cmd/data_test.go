package cmd

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"infer/model"
	"infer/model/onnx"
	"infer/model/tensor"
)

// identity writes a model y = x of float32 with these axes; nil: of a rank that nobody knows.
func identity(t *testing.T, dims []onnx.Dim) string {
	t.Helper()
	port := func(name string) *onnx.ValueInfo {
		return &onnx.ValueInfo{Name: name, Type: &onnx.Type{Kind: onnx.KindTensor, DType: tensor.Float32, HasShape: dims != nil, Dims: dims}}
	}
	path := filepath.Join(t.TempDir(), "identity.onnx")
	m := model.New(&onnx.Model{IRVersion: 8, Opsets: []onnx.Opset{{Version: 17}}, Graph: &onnx.Graph{Name: "g",
		Nodes: []*onnx.Node{{Name: "same", OpType: "Identity", Inputs: []string{"x"}, Outputs: []string{"y"}}}, Inputs: []*onnx.ValueInfo{port("x")}, Outputs: []*onnx.ValueInfo{port("y")}}})
	if err := m.Save(path, model.SaveOptions{}); err != nil {
		t.Fatal(err)
	}
	return path
}

// rows writes a data set of four rows of width float32 for the input x.
func rows(t *testing.T, width int64) string {
	t.Helper()
	dir := t.TempDir()
	if err := tensor.WriteNpy(filepath.Join(dir, "x.npy"), tensor.Tensor{DType: tensor.Float32, Shape: tensor.Shape{4, width}, Data: make([]byte, 4*4*width)}); err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestUnknownRank: an input that says nothing of its shape takes the one of --shape, in a sweep and on data, too.
func TestUnknownRank(t *testing.T) {
	needEngine(t)
	m, data := identity(t, nil), rows(t, 8)
	for _, args := range [][]string{
		{"profile", m, "--shape", "x:2x8", "--batch", "2"},
		{"profile", m, "--shape", "x:2x8", "--input", data},
		{"optimize", m, "--shape", "x:2x8", "--input", data, "-o", filepath.Join(t.TempDir(), "o.onnx"), "--race-time", "0"},
	} {
		if args[0] == "profile" {
			args = append(args, "--runs", "5", "--warm-up", "0", "--cold", "0", "--profiled-runs", "0")
		}
		if r := infer(t, passedOn(), args...); r.code != 0 {
			t.Errorf("%v: exit %d, %s", args, r.code, r.err)
		}
	}
}

// TestShapesOfData: flags say how many rows a run has; the other axes are those of the data.
func TestShapesOfData(t *testing.T) {
	needEngine(t)
	m, data := identity(t, []onnx.Dim{onnx.Symbol("n"), onnx.Symbol("seq")}), rows(t, 8)
	for _, c := range []struct{ flags, want string }{
		{"--dim n=2", ""},
		{"--shape x:2x8", ""},
		{"--dim seq=8", ""},
		{"--dim seq=4", `axis "seq" was asked to be 4, and it is 8 in the data`},
		{"--shape x:1x4", "shape 1x4 was asked for and the array is 4x8"},
		{"--shape x:0x8", "a run of no rows"},
	} {
		args := append([]string{"optimize", m, "--input", data, "-o", filepath.Join(t.TempDir(), "o.onnx"), "--race-time", "0"}, strings.Fields(c.flags)...)
		r := infer(t, passedOn(), args...)
		if c.want == "" && r.code != 0 || c.want != "" && (r.code != 2 || !strings.Contains(r.err, c.want)) {
			t.Errorf("%s: exit %d, %s; want %q", c.flags, r.code, r.err, c.want)
		}
	}
}

// TestColdStartOfItsOwn: what is wrong in the configuration and the environment, and set right by flags, is not in the way of
// the processes of cold starts.
func TestColdStartOfItsOwn(t *testing.T) {
	needEngine(t)
	env := passedOn()
	env["INFER_LOG_LEVEL"] = "verbose"
	t.Setenv("INFER_LOG_LEVEL", "verbose") // the child has the environment of this process
	r := infer(t, env, "profile", digits, "--log-level", "warn", "--runs", "5", "--warm-up", "0", "--cold", "1", "--profiled-runs", "0", "--format", "json")
	if r.code != 0 || r.document(t).Metric("session_init", nil) == nil {
		t.Errorf("exit %d: %s", r.code, r.err)
	}
}

// TestReportsThatCannotBeWritten: one file that cannot be written takes neither the others nor stdout along.
func TestReportsThatCannotBeWritten(t *testing.T) {
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Skip("no /dev/full")
	}
	dir := t.TempDir()
	full, good := filepath.Join(dir, "full.json"), filepath.Join(dir, "good.json")
	if err := os.Symlink("/dev/full", full); err != nil {
		t.Fatal(err)
	}
	r := infer(t, nil, "inspect", digits, "--report", full, "--report", good)
	if r.code != 1 || !strings.Contains(r.err, "no space left") || !strings.Contains(r.out, "Conv") {
		t.Errorf("exit %d, %q, %d bytes on stdout", r.code, r.err, len(r.out))
	}
	if b, err := os.ReadFile(good); err != nil || len(b) == 0 {
		t.Errorf("the other report: %v, %d bytes", err, len(b))
	}
}
