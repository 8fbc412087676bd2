package deploy

import (
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func example() Docker {
	return Docker{
		Name: "Digits CNN", Project: "infer-deploy", Model: `digits "cnn" $1.onnx`, Digest: strings.Repeat("0123456789abcdef", 4), Args: []string{"--slo", "50ms"}, Grace: 45 * time.Second,
		Images: DefaultImages,
		Runtime: Runtime{Version: "1.30.0", Library: "libonnxruntime.so.1.30.0", Wheels: []Wheel{
			{"linux/amd64", strings.Repeat("a", 64)}, {"linux/arm64", strings.Repeat("b", 64)},
		}},
	}
}

// TestGolden pins every rendered file, byte for byte; those that are copied from configs are pinned there.
func TestGolden(t *testing.T) {
	files, err := example().Files()
	if err != nil {
		t.Fatal(err)
	}
	var paths []string
	for _, f := range files {
		paths = append(paths, f.Path)
		if strings.Contains(f.Path, "/") {
			continue
		}
		golden := filepath.Join("testdata", strings.TrimPrefix(f.Path, ".")+".golden")
		if *update {
			if err := os.WriteFile(golden, f.Body, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if string(want) != string(f.Body) {
			t.Errorf("%s differs (rewrite with -update after looking):\n%s", f.Path, f.Body)
		}
	}
	want := ".dockerignore Dockerfile compose.yaml grafana/dashboards/infer.json grafana/provisioning/dashboards/infer.yaml " +
		"grafana/provisioning/datasources/infer.yaml prometheus/prometheus.yml prometheus/rules.yaml runtime.txt"
	if got := strings.Join(paths, " "); got != want {
		t.Errorf("files %s\nwant  %s", got, want)
	}
}

func TestNoWheels(t *testing.T) {
	d := example()
	d.Runtime.Wheels = nil
	if _, err := d.Files(); err == nil {
		t.Error("an image without a pinned runtime was rendered")
	}
}

// TestReferences makes sure that what the files say of each other holds: every path that the Dockerfile copies and the
// compose file mounts is written, and the dashboard and the data sources use the same identifiers.
func TestReferences(t *testing.T) {
	files, err := example().Files()
	if err != nil {
		t.Fatal(err)
	}
	bodies := map[string]string{"infer": "", "models/x.onnx": ""}
	for _, f := range files {
		bodies[f.Path] = string(f.Body)
	}
	there := func(path string) bool {
		for p := range bodies {
			if p == path || strings.HasPrefix(p, path+"/") {
				return true
			}
		}
		return false
	}
	for _, m := range regexp.MustCompile(`(?m)^COPY (?:--chmod=\S+ )?([^-]\S*) `).FindAllStringSubmatch(bodies["Dockerfile"], -1) {
		if !there(m[1]) {
			t.Errorf("the Dockerfile copies %s, which is not written", m[1])
		}
		if !strings.Contains(bodies[".dockerignore"], "!"+m[1]+"\n") {
			t.Errorf("%s is copied and not let through by .dockerignore", m[1])
		}
	}
	for _, m := range regexp.MustCompile(`- \./(\S+):/`).FindAllStringSubmatch(bodies["compose.yaml"], -1) {
		if !there(m[1]) {
			t.Errorf("the compose file mounts %s, which is not written", m[1])
		}
	}
	if !strings.Contains(bodies["prometheus/prometheus.yml"], `"infer:8002"`) || !strings.Contains(bodies["compose.yaml"], "\n  infer:\n") {
		t.Error("Prometheus scrapes another service than the compose file has")
	}
}

func TestImage(t *testing.T) {
	for name, want := range map[string]string{
		"squeezenet1.1-fp32": "infer-squeezenet1-1-fp32", "Größe_2": "infer-gr-e-2", "…": "infer-model", "": "infer-model",
	} {
		if got := (Docker{Name: name}).Image(); got != want {
			t.Errorf("Image of %q = %q, want %q", name, got, want)
		}
	}
}

func TestProject(t *testing.T) {
	for dir, want := range map[string]string{"/a/My Deploy/": "infer-my-deploy", "/": "infer-project", "x/../deploy": "infer-deploy"} {
		got, err := ProjectOf(dir)
		if err != nil || got != want || CheckProject(got) != nil {
			t.Errorf("ProjectOf(%q) = %q, %v; want %q", dir, got, err, want)
		}
	}
	for _, bad := range []string{"", "Photos", "-a", "a b", "a.b"} {
		if CheckProject(bad) == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}
