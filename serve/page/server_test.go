package page_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"infer/model/engine/enginetest"
	"infer/model/tensor"
	"infer/serve/guard"
	"infer/serve/observe"
	"infer/serve/page"
	"infer/serve/repository"
	"infer/serve/rest"
)

const (
	testdata     = "../../testdata"
	sharedModels = "../../../shared/models"
)

// serving starts a real server with its page on a port of its own and returns its address. keys nil: it needs none.
func serving(t *testing.T, keys *guard.Keys, sources ...repository.Source) string {
	t.Helper()
	var r *repository.Repository
	o, err := observe.New(observe.Options{Stats: func() []repository.Stats {
		if r == nil {
			return nil
		}
		all, _ := r.Stats("", "")
		return all
	}})
	if err != nil {
		t.Fatal(err)
	}
	r, err = repository.Open(context.Background(), repository.Options{Sources: sources, Provider: enginetest.CPU(t), CPUs: 2, Observer: o})
	if err != nil {
		t.Fatal(err)
	}
	p := page.New(page.Of(r, o), false)
	front := rest.Options{Repository: r, Observer: o, Page: p.Get}
	if keys != nil {
		front.Authorize = keys.Check
	}
	s, err := rest.New(front)
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- s.Serve(ln) }()
	s.SetReady(true)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		http.DefaultClient.CloseIdleConnections()
		if err := s.Drain(ctx); err != nil {
			t.Error(err)
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
		if err := r.Close(ctx); err != nil {
			t.Error(err)
		}
		if err := o.Shutdown(ctx); err != nil {
			t.Error(err)
		}
	})
	return "http://" + ln.Addr().String()
}

// secret returns keys of which there is one: "secret".
func secret(t *testing.T) *guard.Keys {
	t.Helper()
	path := filepath.Join(t.TempDir(), "keys")
	if err := os.WriteFile(path, fmt.Appendf(nil, "me %x\n", sha256.Sum256([]byte("secret"))), 0o600); err != nil {
		t.Fatal(err)
	}
	keys, err := guard.OpenKeys(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

// digits returns the model of handwritten digits, in a folder of its own with a declaration of its images.
func digits(t *testing.T) repository.Source {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(testdata, "digits", "digits-cnn.onnx"))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "digits.onnx")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	declaration := "image: {channels: gray}\nlabels: {names: [zero, one, two, three, four, five, six, seven, eight, nine], top: 3, softmax: true}\n"
	if err := os.WriteFile(filepath.Join(dir, "digits.io.yaml"), []byte(declaration), 0o600); err != nil {
		t.Fatal(err)
	}
	return repository.Source{Path: path}
}

// broken returns a file that is no model, first by name.
func broken(t *testing.T) repository.Source {
	t.Helper()
	path := filepath.Join(t.TempDir(), "model.onnx")
	if err := os.WriteFile(path, []byte("no model"), 0o600); err != nil {
		t.Fatal(err)
	}
	return repository.Source{Name: "a-broken-one", Path: path}
}

// identity returns a model that gives back what it gets, under a name that needs escapes.
func identity(t *testing.T, name string, d tensor.DType, dims ...any) repository.Source {
	t.Helper()
	m := enginetest.Identity(d, dims...)
	path := filepath.Join(t.TempDir(), "model.onnx")
	if err := m.Save(path, saveOptions); err != nil {
		t.Fatal(err)
	}
	return repository.Source{Name: name, Path: path}
}
