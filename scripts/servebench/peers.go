//go:build linux

package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// peer is a way to serve a model.
type peer struct {
	name  string
	parts []string // what it needs beside infer
	start func(b *bench, s subject) (*server, error)
}

// target is a peer asked in one form.
type target struct {
	peer
	form    string
	request func(subject) []byte // nil: gRPC
}

var errMissing = errors.New("not here")

// inferWith is infer serve with options beside the addresses.
func inferWith(name string, options ...string) peer {
	return peer{name: name, start: func(b *bench, s subject) (*server, error) {
		p, err := ports(3)
		if err != nil {
			return nil, err
		}
		args := []string{b.infer, "serve", s.name + "=" + s.file}
		for i, flag := range []string{"--http", "--grpc", "--metrics"} {
			args = append(args, flag, "127.0.0.1:"+strconv.Itoa(p[i]))
		}
		return launch(b.work, nil, p[0], p[1], append(args, options...)...)
	}}
}

// tritonWith is the real Triton with its ONNX Runtime backend and what is added to the model's configuration. Sessions
// have one thread: two for each of two instances, its default on two cores, cost it a third of the throughput.
func tritonWith(name, config string, options ...string) peer {
	return peer{name: name, parts: []string{"triton", "triton-onnxruntime", "pytriton"}, start: func(b *bench, s subject) (*server, error) {
		repository := filepath.Join(b.work, fmt.Sprintf("triton-%s-%x", s.name, name))
		if err := writeTriton(repository, s, config); err != nil {
			return nil, err
		}
		p, err := ports(3)
		if err != nil {
			return nil, err
		}
		backends := filepath.Dir(filepath.Dir(b.parts["triton-onnxruntime"]))
		args := []string{b.parts["triton"], "--model-repository", repository, "--backend-directory", backends, "--disable-auto-complete-config"}
		for i, kind := range []string{"http", "grpc", "metrics"} {
			args = append(args, "--"+kind+"-address", "127.0.0.1", "--"+kind+"-port", strconv.Itoa(p[i]))
		}
		env := []string{"ORT_DISABLE_TELEMETRY=1", "PATH=" + filepath.Dir(b.parts["pytriton"]) + ":" + os.Getenv("PATH")}
		return launch(b.work, env, p[0], p[1], append(args, options...)...)
	}}
}

func writeTriton(repository string, s subject, config string) error {
	home := filepath.Join(repository, s.name)
	if err := os.RemoveAll(home); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(home, "1"), 0o755); err != nil {
		return err
	}
	file, err := filepath.Abs(s.file)
	if err != nil {
		return err
	}
	if err := os.Symlink(file, filepath.Join(home, "1", "model.onnx")); err != nil {
		return err
	}
	dims := make([]string, len(s.shape)-1)
	for i, d := range s.shape[1:] {
		dims[i] = strconv.Itoa(d)
	}
	text := fmt.Sprintf("name: %q\nbackend: \"onnxruntime\"\nmax_batch_size: %d\ninput { name: %q data_type: TYPE_FP32 dims: [%s] }\n%s\n%s\n", s.name, s.rows, s.input,
		strings.Join(dims, ","), s.output, config)
	return os.WriteFile(filepath.Join(home, "config.pbtxt"), []byte(text), 0o644)
}

// python is a peer that is one of the programs in scripts/servebench/peers.
func python(name, part, program string) peer {
	return peer{name: name, parts: []string{part}, start: func(b *bench, s subject) (*server, error) {
		p, err := ports(1)
		if err != nil {
			return nil, err
		}
		file, err := filepath.Abs(s.file)
		if err != nil {
			return nil, err
		}
		return launch(b.work, nil, p[0], 0, b.parts[part], filepath.Join(b.root, "scripts", "servebench", "peers", program), file, strconv.Itoa(p[0]))
	}}
}

// mlserver is MLServer with a model of its own that runs ONNX, in the server's process.
var mlserver = peer{name: "MLServer 1.7.1", parts: []string{"mlserver"}, start: func(b *bench, s subject) (*server, error) {
	p, err := ports(3)
	if err != nil {
		return nil, err
	}
	file, err := filepath.Abs(s.file)
	if err != nil {
		return nil, err
	}
	home := filepath.Join(b.work, "mlserver-"+s.name)
	code, err := os.ReadFile(filepath.Join(b.root, "scripts", "servebench", "peers", "mlserver_model.py"))
	if err != nil {
		return nil, err
	}
	files := map[string]string{
		"mlserver_model.py":   string(code),
		"settings.json":       fmt.Sprintf(`{"host":"127.0.0.1","http_port":%d,"grpc_port":%d,"metrics_port":%d,"parallel_workers":0,"debug":false}`, p[0], p[1], p[2]),
		"model-settings.json": fmt.Sprintf(`{"name":%q,"implementation":"mlserver_model.Onnx","parameters":{"uri":%q}}`, s.name, file),
	}
	if err := os.MkdirAll(home, 0o755); err != nil {
		return nil, err
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(home, name), []byte(text), 0o644); err != nil {
			return nil, err
		}
	}
	bin := filepath.Dir(b.parts["mlserver"])
	return launch(home, []string{"PATH=" + bin + ":" + os.Getenv("PATH")}, p[0], p[1], filepath.Join(bin, "mlserver"), "start", ".")
}}

const (
	oneThread = `parameters { key: "intra_op_thread_count" value { string_value: "1" } }`
	single    = "instance_group { count: 1 kind: KIND_CPU }\n" + oneThread
	twice     = "instance_group { count: 2 kind: KIND_CPU }\n" + oneThread
	batching  = "dynamic_batching {}\ninstance_group { count: 1 kind: KIND_CPU }\n" + oneThread
	both      = "dynamic_batching {}\ninstance_group { count: 2 kind: KIND_CPU }\n" + oneThread
)

// tritons are the settings of Triton that are tried; the best of them is its figure.
func tritons() []peer {
	return []peer{
		tritonWith("Triton, two instances", twice),
		tritonWith("Triton, dynamic batching", batching),
		tritonWith("Triton, dynamic batching, two instances", both),
	}
}

func fastapis() []peer {
	return []peer{python("FastAPI as usually written", "fastapi", "fastapi_plain.py"), python("FastAPI, orjson and async", "fastapi", "fastapi_tuned.py")}
}

var litserve = python("LitServe 0.2.19", "litserve", "litserve_app.py")
