package cmd

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"infer/internal/term"
	"infer/model"
	"infer/model/engine"
	"infer/optimize/convert"
	"infer/report"
)

// parseConvert returns the options that infer convert would run with.
func parseConvert(t *testing.T, env map[string]string, args ...string) (convert.Options, convertFlags, error) {
	t.Helper()
	std := term.Streams{In: strings.NewReader(""), Out: &bytes.Buffer{}, Err: &bytes.Buffer{}, Getenv: func(k string) (string, bool) { v, ok := env[k]; return v, ok }}
	a := &app{std: std}
	root := newRoot(a)
	for _, c := range root.Commands() {
		if c.Name() == "convert" {
			root.RemoveCommand(c)
		}
	}
	var got convert.Options
	var flags convertFlags
	root.AddCommand(newConvertCmd(a, func(_ context.Context, _ *app, _ []string, f convertFlags) (err error) {
		flags = f
		got, err = f.options()
		return err
	}))
	root.SetArgs(append([]string{"convert", digits}, args...))
	return got, flags, errors.Join(root.Execute())
}

func TestConvertFlags(t *testing.T) {
	for _, c := range []struct {
		name string
		env  map[string]string
		args []string
		want func(*convert.Options) // changes to the defaults
	}{
		{"nothing", nil, nil, func(*convert.Options) {}},
		{"half", nil, []string{"--keep-io=false", "--block-ops", "Softmax,Conv", "--act-max", "100", "--max-reduction", "512", "--samples", "9"}, func(o *convert.Options) {
			o.Half.KeepIO, o.Half.BlockOps, o.Half.ActMax, o.Half.MaxReduction, o.Samples = false, []string{"Softmax", "Conv"}, 100, 512, 9
		}},
		{"the rest", nil, []string{"--ort-level", "all", "--race-time", "0", "--seed", "7", "--via", "ovc"}, func(o *convert.Options) {
			o.Level, o.RaceTime, o.Seed, o.Via = engine.OptAll, 0, 7, convert.ViaOVC
		}},
		{"the environment", map[string]string{"INFER_CONVERT_RACE_TIME": "9s", "INFER_SEED": "3"}, nil, func(o *convert.Options) { o.RaceTime, o.Seed = 9*time.Second, 3 }},
		{"the flag is above it", map[string]string{"INFER_CONVERT_ORT_LEVEL": "all"}, []string{"--ort-level", "basic"}, func(o *convert.Options) { o.Level = engine.OptBasic }},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, _, err := parseConvert(t, c.env, c.args...)
			if err != nil {
				t.Fatal(err)
			}
			want := convert.DefaultOptions()
			c.want(&want)
			if !reflect.DeepEqual(got, want) {
				t.Errorf("options are\n%+v, want\n%+v", got, want)
			}
		})
	}
	if o, _, err := parseConvert(t, nil, "--block-nodes", "^head"); err != nil || o.BlockNodes.String() != "^head" {
		t.Errorf("%v, %v", o.BlockNodes, err)
	}
	if _, f, err := parseConvert(t, nil, "--verify", "9", "--calib", "random", "--to", "fp16"); err != nil || f.verify != 9 || f.half.calib != "random" || f.to != "fp16" {
		t.Errorf("%+v, %v", f, err)
	}
}

// TestConvertRefuses: what is not known, contradicts itself or would overwrite is exit 2, what this machine cannot do
// exit 1, and nothing is written.
func TestConvertRefuses(t *testing.T) {
	needEngine(t)
	full, err := filepath.Abs(digits)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		code int
		args []string
		want string
	}{
		{"no target", 2, nil, "convert to what is not said"},
		{"a target", 2, []string{"--to", "porridge"}, `--to "porridge" is not known`},
		{"no opset", 2, []string{"--to", "onnx"}, "names no opset"},
		{"an opset", 2, []string{"--to", "onnx:opset=new"}, "names no opset"},
		{"sets", 2, []string{"--to", "fp16", "--verify", "-1"}, "--verify -1"},
		{"a pattern", 2, []string{"--to", "fp16", "--block-nodes", "("}, `--block-nodes "("`},
		{"no such nodes", 2, []string{"--to", "fp16", "--block-nodes", "^none$"}, "matches no node"},
		{"a level", 2, []string{"--to", "ort", "--ort-level", "most", "-o", "m.ort"}, `--ort-level "most"`},
		{"a limit", 2, []string{"--to", "fp16", "--act-max", "0"}, "largest activation is 0"},
		{"calibrated storage", 2, []string{"--to", "single-file", "--calib", "random"}, "--calib is of --to fp16"},
		{"no calibration data", 2, []string{"--to", "fp16", "--calib", "none"}, "--calib"},
		{"an ending", 2, []string{"--to", "ort", "-o", "m.onnx"}, "does not suit --to ort"},
		{"another ending", 2, []string{"--to", "fp16", "-o", "m.ort"}, "does not suit --to fp16"},
		{"the model itself", 2, []string{"--to", "fp16", "-o", full}, "is a file that the model is read from"},
		{"no folder", 2, []string{"--to", "fp16", "-o", "none/m.onnx"}, "no such file"},
		{"another provider", 2, []string{"--to", "openvino", "--provider", "cpu"}, "compiles with the openvino provider"},
		{"another tool", 2, []string{"--to", "openvino", "--via", "trtexec"}, `--via "trtexec"`},
		{"no tool", 1, []string{"--to", "openvino", "-o", "m.xml"}, "ovc, which is not on PATH"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			if c.name == "no tool" {
				t.Setenv("PATH", ".")
			}
			args := append([]string{"convert", full}, c.args...)
			if !slices.Contains(args, "-o") {
				args = append(args, "-o", "out.onnx")
			}
			r := infer(t, passedOn(), args...)
			if r.code != c.code || r.out != "" || !strings.Contains(r.err, "infer: error: ") || !strings.Contains(r.err, c.want) || strings.Contains(r.err, "%!") {
				t.Errorf("exit %d, stdout %q, stderr %q; want %d with %q", r.code, r.out, r.err, c.code, c.want)
			}
			if files, _ := os.ReadDir("."); len(files) > 0 {
				t.Errorf("left behind: %v", files)
			}
		})
	}
}

// converted runs infer convert without the race, and returns its details.
func converted(t *testing.T, args ...string) report.ConvertDetails {
	t.Helper()
	return told[report.ConvertDetails](t, append([]string{"convert", "--race-time", "0"}, args...)...)
}

// TestConvert: the default name, the rows of a data set, and a model that classifies as before.
func TestConvert(t *testing.T) {
	needEngine(t)
	m := copyModel(t, t.TempDir(), "m.onnx")
	x := converted(t, m, "--to", "fp16", "--input", test, "--verify", "5", "--calib", calib)
	out := strings.TrimSuffix(m, ".onnx") + ".fp16.onnx"
	if x.Output != out || x.To != "fp16" || x.Verification.Sets != 5 || x.Verification.Source != "5 of 360 rows of "+test || x.Verification.Verdict == "drifts" {
		t.Errorf("%+v", x)
	}
	if x.Conversion == nil || x.Conversion.Nodes == 0 || !strings.Contains(strings.Join(x.Changes, "\n"), "calibration rows") {
		t.Errorf("%+v, %q", x.Conversion, x.Changes)
	}
	if r := infer(t, passedOn(), "predict", out, "--input", test, "-o", t.TempDir(), "--format", "json"); r.code != 0 || value(t, r.document(t), "accuracy_top1", nil) < 0.97 {
		t.Errorf("exit %d: %s %s", r.code, r.out, r.err)
	}
}

// TestConvertChain: each form is what the next one is made of.
func TestConvertChain(t *testing.T) {
	needEngine(t)
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	converted(t, digits, "--to", "external-data", "-o", at("e.onnx"))
	converted(t, at("e.onnx"), "--to", "single-file", "-o", at("s.onnx"))
	converted(t, at("s.onnx"), "--to", "ort", "-o", at("m.ort"))
	converted(t, at("m.ort"), "--to", "fp16", "-o", at("h.onnx"))
	converted(t, at("m.ort"), "--to", "onnx", "-o", at("back.onnx"))
	x := converted(t, at("h.onnx"), "--to", "external-data", "-o", at("h2.onnx"), "--verify", "0")
	if x.Verification.Verdict != "not_run" || x.Verification.Why != "not asked for" {
		t.Errorf("%+v", x.Verification)
	}
	for _, name := range []string{"e.onnx", "s.onnx", "m.ort", "h.onnx", "h2.onnx", "back.onnx"} {
		m, err := model.Load(at(name))
		if err != nil {
			t.Error(err)
			continue
		}
		if want := map[string]int{"e.onnx": 2, "h2.onnx": 2}[name]; want > 0 && len(m.Files()) != want {
			t.Errorf("%s has files %v", name, m.Files())
		}
		m.Close()
	}
}

// TestConvertOddModels: what cannot be read is refused, custom operators are kept and named.
func TestConvertOddModels(t *testing.T) {
	needEngine(t)
	for _, name := range []string{"truncated", "empty", "git-lfs-pointer"} {
		path := "../../shared/models/odd/" + name + ".onnx"
		if _, err := os.Stat(path); err != nil {
			t.Skip("no folder shared/models beside the checkout")
		}
		out := filepath.Join(t.TempDir(), "out.onnx")
		if r := infer(t, passedOn(), "convert", path, "--to", "fp16", "-o", out); r.code == 0 || r.out != "" || !strings.Contains(r.err, "infer: error: ") {
			t.Errorf("%s: exit %d, %q, %q", name, r.code, r.out, r.err)
		}
		if _, err := os.Stat(out); err == nil {
			t.Errorf("%s: a file was written", name)
		}
	}
	x := converted(t, "../../shared/models/odd/custom-ops-needs-ort-extensions.onnx", "--to", "fp16", "-o", filepath.Join(t.TempDir(), "out.onnx"))
	if !strings.Contains(strings.Join(x.Changes, "\n"), "com.microsoft.extensions.DecodeImage: a custom operator, kept as it is") || x.Verification.Verdict != "not_run" {
		t.Errorf("%+v", x)
	}
}
