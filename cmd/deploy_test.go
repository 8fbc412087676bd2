package cmd

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"infer/report"
)

// deployed runs infer deploy docker and returns its details.
func deployed(t *testing.T, args ...string) report.DeployDetails {
	t.Helper()
	r := infer(t, nil, append([]string{"deploy", "docker", "--format", "json"}, args...)...)
	if r.code != 0 {
		t.Fatalf("exit %d: %s", r.code, r.err)
	}
	d := r.document(t)
	if d.Kind != "deploy" {
		t.Errorf("kind %q", d.Kind)
	}
	var details report.DeployDetails
	if err := json.Unmarshal(d.Details, &details); err != nil {
		t.Fatal(err)
	}
	return details
}

func TestDeployDocker(t *testing.T) {
	if f, err := os.Executable(); err != nil || !isELF(t, f) {
		t.Skip("this machine's programs do not run in an image")
	}
	models := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(models, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	b, err := os.ReadFile(digits)
	if err != nil {
		t.Fatal(err)
	}
	write("d.onnx", string(b))
	write("names.txt", "0\n1\n2\n3\n4\n5\n6\n7\n8\n9\n")
	write("d.io.yaml", "image: {channels: gray}\nlabels: {names: names.txt}\n")
	write("other.txt", "not part of it")
	out := filepath.Join(t.TempDir(), "deploy")
	details := deployed(t, filepath.Join(models, "d.onnx"), "-o", out, "--", "--slo", "50ms")
	var paths []string
	for _, f := range details.Files {
		paths = append(paths, f.Path)
		if info, err := os.Stat(filepath.Join(out, filepath.FromSlash(f.Path))); err != nil || info.Size() != f.Bytes {
			t.Errorf("%s: %v", f.Path, err)
		}
	}
	for _, want := range []string{".dockerignore", "Dockerfile", "compose.yaml", "infer", "runtime.txt", "models/d.onnx", "models/d.io.yaml", "models/names.txt", "prometheus/rules.yaml"} {
		if !slices.Contains(paths, want) {
			t.Errorf("no %s among %q", want, paths)
		}
	}
	if slices.Contains(paths, "models/other.txt") || details.Image != "infer-d" || details.Built || details.Reason == "" || details.Next == nil {
		t.Errorf("details %+v", details)
	}
	text, err := os.ReadFile(filepath.Join(out, "Dockerfile"))
	if err != nil || !strings.Contains(string(text), `CMD ["serve","/models/d.onnx","--slo","50ms"]`) {
		t.Errorf("Dockerfile: %v\n%s", err, text)
	}
	again := deployed(t, filepath.Join(models, "d.onnx"), "-o", out, "--force", "--", "--slo", "50ms")
	if !slices.Equal(again.Files, details.Files) {
		t.Errorf("the same model gave other files: %+v, then %+v", details.Files, again.Files)
	}
	compose := func() string {
		t.Helper()
		text, err := os.ReadFile(filepath.Join(out, "compose.yaml"))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	first := compose()
	other := filepath.Join(t.TempDir(), "d.int8.onnx")
	if err := os.WriteFile(other, b, 0o600); err != nil {
		t.Fatal(err)
	}
	deployed(t, other, "-o", out, "--force")
	if _, err := os.Stat(filepath.Join(out, "models", "d.onnx")); err == nil {
		t.Error("the model of the earlier run is still in the image")
	}
	if want := "\nname: infer-deploy\n"; !strings.Contains(first, want) || !strings.Contains(compose(), want) {
		t.Errorf("the project has another name with another model:\n%s", compose())
	}
	deployed(t, other, "-o", out, "--force", "--name", "photos")
	if !strings.Contains(compose(), "\nname: photos\n") {
		t.Errorf("--name photos: %s", compose())
	}
	if text := compose(); !strings.Contains(text, "stop_grace_period: 45s\n") {
		t.Errorf("the time to drain: %s", text)
	}
}

// TestDeployFolder: a folder of models keeps its name, also where it is named from the inside, and the server has the time to
// drain that its flags ask for.
func TestDeployFolder(t *testing.T) {
	if f, err := os.Executable(); err != nil || !isELF(t, f) {
		t.Skip("this machine's programs do not run in an image")
	}
	models, out := t.TempDir(), filepath.Join(t.TempDir(), "deploy")
	b, err := os.ReadFile(digits)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(models, "d.onnx"), b, 0o600); err != nil {
		t.Fatal(err)
	}
	folder := deployed(t, models, "-o", out)
	if !slices.ContainsFunc(folder.Files, func(f report.FileDigest) bool { return f.Path == "models/"+filepath.Base(models)+"/d.onnx" }) {
		t.Errorf("a folder of models: %+v", folder.Files)
	}
	inside := filepath.Join(models, "inside")
	if err := os.Mkdir(inside, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Chdir(inside)
	above := deployed(t, "..", "-o", out, "--force", "--", "--shutdown-delay", "20s", "--shutdown-timeout", "1m")
	compose, err := os.ReadFile(filepath.Join(out, "compose.yaml"))
	if err != nil || above.Image != "infer-"+filepath.Base(models) || !strings.Contains(string(compose), "stop_grace_period: 1m35s\n") {
		t.Errorf("a folder from inside it: %s, %v\n%s", above.Image, err, compose)
	}
}

func isELF(t *testing.T, path string) bool {
	t.Helper()
	b, err := os.ReadFile(path)
	return err == nil && strings.HasPrefix(string(b), "\x7fELF")
}

// TestDeployRefuses: nothing is written where something is wrong.
func TestDeployRefuses(t *testing.T) {
	full := t.TempDir()
	if err := os.WriteFile(filepath.Join(full, "Dockerfile"), []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	models, err := filepath.Abs("../testdata/digits")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, want string
		code       int
		args       []string
	}{
		{"no folder", "no folder is given", 2, []string{digits}},
		{"no model", "does not exist", 2, []string{"nope.onnx", "-o", "OUT"}},
		{"a folder without models", "no .onnx or .ort file", 2, []string{"../configs", "-o", "OUT"}},
		{"two models", "accepts at most 1 arg", 2, []string{digits, digits, "-o", "OUT"}},
		{"files in the way", `already Dockerfile`, 2, []string{digits, "-o", full}},
		{"inside the models", "lies inside the folder of models", 2, []string{models, "-o", filepath.Join(models, "deploy")}},
		{"a program that is none", "is no Linux program", 2, []string{digits, "-o", "OUT", "--binary", "deploy.go"}},
		{"a wrong flag of serve", "unknown flag: --slow", 2, []string{digits, "-o", "OUT", "--", "--slow", "5ms"}},
		{"a wrong value", "--slo -5ms is negative", 2, []string{digits, "-o", "OUT", "--", "--slo", "-5ms"}},
		{"a certificate", "hint: mount it when the container starts: -v /path/to/file:/run/infer/file:ro -e INFER_SERVE_TLS_CERT=/run/infer/file", 2, []string{digits, "-o", "OUT", "--", "--tls-cert", "c.pem", "--tls-key", "k.pem"}},
		{"keys", "INFER_SERVE_KEYS_FILE=", 2, []string{digits, "-o", "OUT", "--", "--keys-file", "keys.txt"}},
		{"a port", "--http is fixed in the image", 2, []string{digits, "-o", "OUT", "--", "--http", ":9000"}},
		{"no metrics", "--metrics is fixed in the image", 2, []string{digits, "-o", "OUT", "--", "--metrics=off"}},
		{"a configuration", "--config names a file of this machine", 2, []string{digits, "-o", "OUT", "--", "--config", "../infer.yaml"}},
		{"a library", "--ort-library names a file", 2, []string{digits, "-o", "OUT", "--", "--ort-library", "x.so"}},
		{"custom operators", "--custom-ops names a file", 2, []string{digits, "-o", "OUT", "--", "--custom-ops", "x.so"}},
		{"a provider", "--provider openvino needs another library", 2, []string{digits, "-o", "OUT", "--", "--provider", "openvino"}},
		{"a check", "--check serves nothing", 2, []string{digits, "-o", "OUT", "--", "--check"}},
		{"a project", `--name "My Photos" is no name`, 2, []string{digits, "-o", "OUT", "--name", "My Photos"}},
		{"help", "is not for an image", 2, []string{digits, "-o", "OUT", "--", "--help"}},
		{"a model after --", "is no flag of infer serve", 2, []string{digits, "-o", "OUT", "--", digits}},
	} {
		t.Run(c.name, func(t *testing.T) {
			out := filepath.Join(t.TempDir(), "out")
			args := slices.Clone(c.args)
			if i := slices.Index(args, "OUT"); i >= 0 {
				args[i] = out
			}
			r := infer(t, nil, append([]string{"deploy", "docker"}, args...)...)
			if r.code != c.code || !strings.Contains(r.err, c.want) || r.out != "" {
				t.Errorf("exit %d, %q and %q; want %d and %q", r.code, r.out, r.err, c.code, c.want)
			}
			if _, err := os.Stat(out); err == nil {
				t.Error("the folder was made all the same")
			}
		})
	}
	if b, err := os.ReadFile(filepath.Join(full, "Dockerfile")); err != nil || string(b) != "mine" {
		t.Errorf("the file in the way is %q now, %v", b, err)
	}
}

func TestDeployFlags(t *testing.T) {
	var got deployFlags
	c := newDeployDockerCmd(&app{cfg: &config{}}, func(_ context.Context, _ *app, f deployFlags) error {
		got = f
		return nil
	})
	c.SetArgs([]string{"m.onnx", "-o", "d", "--force", "--build", "--binary", "b", "--name", "n", "--", "--slo", "5ms"})
	if err := c.Execute(); err != nil {
		t.Fatal(err)
	}
	if got.model != "m.onnx" || got.dir != "d" || !got.force || !got.build || got.binary != "b" || got.name != "n" || !slices.Equal(got.serve, []string{"--slo", "5ms"}) {
		t.Errorf("flags %+v", got)
	}
}
