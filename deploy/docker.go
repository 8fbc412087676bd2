// Package deploy owns what runs a model elsewhere: the files of an image and of its neighbours, made of the templates in
// configs, and the folder that they are written to.
package deploy

import (
	"bytes"
	"embed"
	"encoding/json"
	"fmt"
	"io/fs"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"text/template"
	"time"

	"infer/configs"
	"infer/internal/fault"
)

// Docker is what an image, and a compose file around it, are made of.
type Docker struct {
	Name    string        // of the model, as it is served
	Project string        // of compose; the same for every model of a folder, so that one takes the place of the other
	Digest  string        // SHA-256 of the model, hex
	Model   string        // the file or folder to serve, below models/, with slashes
	Args    []string      // further arguments of infer serve
	Grace   time.Duration // that the engine gives the server to drain
	Runtime Runtime
	Images  Images
}

// Runtime is the pinned release of ONNX Runtime.
type Runtime struct {
	Version string
	Library string // file name of the library in the wheel
	Wheels  []Wheel
}

// Wheel is the wheel of one platform.
type Wheel struct{ Platform, SHA256 string }

// Images are the images that others publish.
type Images struct {
	Base       string // with the C library, libstdc++ and libgcc
	Python     string // with pip, for one step of the build
	Prometheus string
	Grafana    string
	Jaeger     string
}

// DefaultImages are small, and of releases with long support where there are such.
var DefaultImages = Images{
	Base:       "gcr.io/distroless/cc-debian13:nonroot",
	Python:     "python:3.12-slim-bookworm",
	Prometheus: "prom/prometheus:v3.5.0",
	Grafana:    "grafana/grafana:12.4.0",
	Jaeger:     "jaegertracing/all-in-one:1.76.0",
}

// BaseGlibc is the version of the C library in DefaultImages.Base.
const BaseGlibc = "2.41"

// File is a file to be written. Body is its content, or From the file that it is a copy of.
type File struct {
	Path string // relative, with slashes
	Body []byte
	From string
}

// otlp is where the server sends its traces inside the compose network.
const otlp = "http://jaeger:4317"

// Files renders everything but the program and the model: Dockerfile, .dockerignore, compose.yaml, and the
// configurations of Prometheus and Grafana. The same d gives the same bytes.
func (d Docker) Files() ([]File, error) {
	if len(d.Runtime.Wheels) == 0 {
		return nil, fault.New(fault.Unsupported, "", "no wheel of ONNX Runtime is pinned")
	}
	view := struct {
		Docker
		Command []string
		OTLP    string
	}{d, d.command(), otlp}
	var out []File
	for _, f := range []struct{ template, path string }{
		{"Dockerfile.tmpl", "Dockerfile"}, {"dockerignore.tmpl", ".dockerignore"}, {"runtime.txt.tmpl", "runtime.txt"}, {"compose.yaml.tmpl", "compose.yaml"},
	} {
		body, err := render("docker/"+f.template, view)
		if err != nil {
			return nil, err
		}
		out = append(out, File{Path: f.path, Body: body})
	}
	for _, c := range []struct {
		in       embed.FS
		from, to string
	}{
		{configs.Docker, "docker/provisioning", "grafana/provisioning"},
		{configs.Monitoring, "grafana", "grafana/dashboards"},
		{configs.Monitoring, "prometheus/prometheus.yml", "prometheus/prometheus.yml"},
		{configs.Monitoring, "prometheus/rules.yaml", "prometheus/rules.yaml"},
	} {
		files, err := copies(c.in, c.from, c.to)
		if err != nil {
			return nil, err
		}
		out = append(out, files...)
	}
	slices.SortFunc(out, func(a, b File) int { return strings.Compare(a.Path, b.Path) })
	return out, nil
}

// command is what the image runs: infer serve with the model.
func (d Docker) command() []string {
	return append([]string{"serve", path.Join("/models", d.Model)}, d.Args...)
}

func render(name string, view any) ([]byte, error) {
	t, err := template.New(path.Base(name)).Funcs(template.FuncMap{"json": quote}).ParseFS(configs.Docker, name)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	if err := t.Execute(&b, view); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// quote writes v as JSON, which YAML and the exec form of CMD take.
func quote(v any) (string, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return "", err
	}
	return strings.TrimSpace(b.String()), nil
}

// copies returns the files of the embedded folder (or the file) from, to be written below (or to) to.
func copies(in embed.FS, from, to string) ([]File, error) {
	var out []File
	err := fs.WalkDir(in, from, func(name string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		body, err := in.ReadFile(name)
		out = append(out, File{Path: to + strings.TrimPrefix(name, from), Body: body})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("the files of %s: %w", to, err)
	}
	return out, nil
}

var notInName = regexp.MustCompile(`[^a-z0-9]+`)

// Image is the name of the image: the model's, in lower case, digits and dashes.
func (d Docker) Image() string { return "infer-" + simple(d.Name, "model") }

// ProjectOf is the name of the compose project of a folder: the folder's own, in lower case, digits and dashes.
func ProjectOf(dir string) (string, error) {
	whole, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	return "infer-" + simple(filepath.Base(whole), "project"), nil
}

var projectName = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]*$`)

// CheckProject reports a name that compose does not take for a project: fault.Usage.
func CheckProject(name string) error {
	if projectName.MatchString(name) {
		return nil
	}
	return fault.New(fault.Usage, "use lower-case letters, digits, dashes and underscores, and begin with a letter or digit", "--name %q is no name of a compose project", name)
}

func simple(name, none string) string {
	if name = strings.Trim(notInName.ReplaceAllString(strings.ToLower(name), "-"), "-"); name == "" {
		return none
	}
	return name
}
