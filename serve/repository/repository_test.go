package repository

import (
	"context"
	"encoding/binary"
	"math"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"infer/model"
	"infer/model/engine"
	"infer/model/engine/enginetest"
	"infer/model/onnx"
	"infer/model/tensor"
)

// save writes a model below a folder of the test.
func save(t testing.TB, m *model.Model, path ...string) string {
	t.Helper()
	file := filepath.Join(path...)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := m.Save(file, model.SaveOptions{}); err != nil {
		t.Fatal(err)
	}
	return file
}

// plus is a model that adds a constant to [n, 2].
func plus(v float32) *model.Model {
	return enginetest.Build(
		enginetest.Values(enginetest.Value("x", tensor.Float32, "n", 2)),
		enginetest.Values(enginetest.Value("y", tensor.Float32, "n", 2)),
		[]*onnx.Node{enginetest.Node("Add", enginetest.Names("x", "k"), enginetest.Names("y"))},
		enginetest.Initializer(enginetest.Floats("k", tensor.Shape{1}, v)))
}

// broken is a model that loads and fails at every run: it reshapes to what never fits.
func broken() *model.Model {
	return enginetest.Build(
		enginetest.Values(enginetest.Value("x", tensor.Float32, "n", 2)),
		enginetest.Values(enginetest.Value("y", tensor.Float32, "n", 2)),
		[]*onnx.Node{
			enginetest.Node("Shape", enginetest.Names("x"), enginetest.Names("s")),
			enginetest.Node("Add", enginetest.Names("s", "one"), enginetest.Names("t")),
			enginetest.Node("Reshape", enginetest.Names("x", "t"), enginetest.Names("y")),
		},
		enginetest.Initializer(enginetest.Int64s("one", nil, 1)))
}

// serve opens a repository that the test closes.
func serve(t testing.TB, o Options, paths ...string) *Repository {
	t.Helper()
	for _, p := range paths {
		o.Sources = append(o.Sources, Source{Path: p})
	}
	if o.Provider == nil {
		o.Provider = enginetest.CPU(t)
	}
	if o.CPUs == 0 {
		o.CPUs = 2
	}
	r, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := r.Close(ctx); err != nil {
			t.Error(err)
		}
	})
	return r
}

// ask sends one row through a model made by plus and returns what was added, and the version that did.
func ask(t testing.TB, r *Repository, name, version, sticky string) (added float32, by string) {
	t.Helper()
	h, err := r.Acquire(name, version, sticky)
	if err != nil {
		t.Fatal(err)
	}
	defer h.Release()
	c := NewCall()
	defer c.Free()
	c.Inputs = []tensor.Tensor{enginetest.Floats("x", tensor.Shape{1, 2}, 10, 20)}
	if err := h.Infer(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	return float32s(c.Outputs[0])[0] - 10, h.Info().Version
}

func float32s(t tensor.Tensor) []float32 {
	v := make([]float32, len(t.Data)/4)
	for i := range v {
		v[i] = math.Float32frombits(binary.LittleEndian.Uint32(t.Data[4*i:]))
	}
	return v
}

// events is an observer that keeps what happens to models in a channel.
type events struct {
	models chan ModelEvent
	mu     sync.Mutex
	runs   []RunEvent
}

func watchEvents() *events { return &events{models: make(chan ModelEvent, 1000)} }

func (e *events) Run(r RunEvent) SpanContext {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.runs = append(e.runs, r)
	return SpanContext{SpanID: [8]byte{byte(len(e.runs))}}
}
func (e *events) Request(*RequestEvent) {}
func (e *events) Model(m ModelEvent)    { e.models <- m }

// await waits for an event of a version.
func (e *events) await(t testing.TB, what, version string) ModelEvent {
	t.Helper()
	limit := time.After(30 * time.Second)
	for {
		select {
		case m := <-e.models:
			if m.What == what && m.Version == version {
				return m
			}
		case <-limit:
			t.Fatalf("no event %q of version %s", what, version)
		}
	}
}

// TestInferOneFile goes from a file to an answer: inputs in any order, outputs by name, memory used again.
func TestInferOneFile(t *testing.T) {
	r := serve(t, Options{}, save(t, enginetest.Add("n", 2), t.TempDir(), "sum.onnx"))
	h, err := r.Acquire("sum", "1", "")
	if err != nil {
		t.Fatal(err)
	}
	defer h.Release()
	for rows := int64(1); rows < 4; rows++ {
		c := NewCall()
		shape := tensor.Shape{rows, 2}
		a, b, want := make([]float32, 2*rows), make([]float32, 2*rows), make([]float32, 2*rows)
		for i := range a {
			a[i], b[i], want[i] = float32(i), 10, float32(i)+10
		}
		c.Inputs = []tensor.Tensor{enginetest.Floats("b", shape, b...), enginetest.Floats("a", shape, a...)}
		c.Want = []string{"c"}
		if err := h.Infer(t.Context(), c); err != nil {
			t.Fatal(err)
		}
		if len(c.Outputs) != 1 || c.Outputs[0].Name != "c" || !tensor.Equal(c.Outputs[0], enginetest.Floats("c", shape, want...)) {
			t.Fatalf("got %v", c.Outputs)
		}
		if c.Rows != int(rows) || c.Batch.Rows != int(rows) || c.Batch.Calls != 1 || c.Timing.Compute <= 0 || c.Timing.Queued.IsZero() {
			t.Errorf("rows %d, batch %+v, timing %+v", c.Rows, c.Batch, c.Timing)
		}
		c.Free()
	}
	s, err := r.Stats("sum", "1")
	if err != nil || len(s) != 1 || s[0].Inferences != 6 || s[0].Executions != 3 || s[0].Success.Count != 3 || len(s[0].Batches) != 3 || s[0].Batches[2].Rows != 3 {
		t.Errorf("stats %+v, %v", s, err)
	}
}

// TestOpenFaults: what fails to load leaves the others serving, and is an error where nothing else is there.
func TestOpenFaults(t *testing.T) {
	dir := t.TempDir()
	save(t, plus(1), dir, "good.onnx")
	if err := os.WriteFile(filepath.Join(dir, "bad.onnx"), []byte("broken"), 0o644); err != nil {
		t.Fatal(err)
	}
	r := serve(t, Options{}, dir)
	if added, _ := ask(t, r, "good", "", ""); added != 1 {
		t.Errorf("good adds %v", added)
	}
	if !r.Ready() {
		t.Error("a model that fails keeps the others from serving")
	}
	if _, err := r.Acquire("bad", "", ""); err == nil {
		t.Error("a broken model is served")
	}
	if err := Check(t.Context(), r.o); err == nil {
		t.Error("Check finds nothing wrong")
	}
	for name, o := range map[string]Options{
		"a broken file":   {Sources: []Source{{Path: filepath.Join(dir, "bad.onnx")}}},
		"a missing file":  {Sources: []Source{{Path: filepath.Join(dir, "none.onnx")}}},
		"an empty folder": {Sources: []Source{{Path: t.TempDir()}}},
		"two of one name": {Sources: []Source{{Path: filepath.Join(dir, "good.onnx")}, {Name: "good", Path: filepath.Join(dir, "good.onnx")}}},
		"a bad policy":    {Sources: []Source{{Path: dir}}, Model: ModelOptions{Versions: "newest"}},
		"a bad split":     {Sources: []Source{{Path: dir}}, Models: map[string]ModelOptions{"good": {Split: map[string]int{"1": 90}}}},
		"unknown options": {Sources: []Source{{Path: dir}}, Models: map[string]ModelOptions{"god": {}}},
	} {
		o.Provider, o.CPUs = r.o.Provider, 2
		if r, err := Open(t.Context(), o); err == nil {
			r.Close(t.Context())
			t.Errorf("%s: no error", name)
		}
	}
}

// TestUnaligned gives a view of a body that begins at an odd address.
func TestUnaligned(t *testing.T) {
	r := serve(t, Options{}, save(t, plus(1), t.TempDir(), "m.onnx"))
	h, err := r.Acquire("", "", "")
	if err != nil {
		t.Fatal(err)
	}
	defer h.Release()
	x := enginetest.Floats("x", tensor.Shape{1, 2}, 10, 20)
	for at := range 8 {
		body := make([]byte, 32)
		copy(body[at:], x.Data)
		c := NewCall()
		c.Inputs = []tensor.Tensor{{Name: "x", DType: x.DType, Shape: x.Shape, Data: body[at : at+8]}}
		if err := h.Infer(t.Context(), c); err != nil || float32s(c.Outputs[0])[1] != 21 {
			t.Fatalf("at %d: %v, %v", at, c.Outputs, err)
		}
		c.Free()
	}
}

// TestCloseWaits: Close refuses what is new and waits for what runs, until its context ends.
func TestCloseWaits(t *testing.T) {
	begun, end := make(chan struct{}, 1), make(chan struct{})
	gate := false
	f := &enginetest.Fake{Latency: func(int, []tensor.Tensor) time.Duration { return 1 }}
	f.Sleep = func(context.Context, time.Duration) error {
		if gate {
			begun <- struct{}{}
			<-end
		}
		return nil
	}
	path := save(t, plus(1), t.TempDir(), "m.onnx")
	r, err := Open(t.Context(), Options{Sources: []Source{{Path: path}}, Provider: f, CPUs: 1})
	if err != nil {
		t.Fatal(err)
	}
	gate = true
	h, err := r.Acquire("m", "", "")
	if err != nil {
		t.Fatal(err)
	}
	answered := make(chan error, 1)
	go func() {
		defer h.Release()
		c := NewCall()
		defer c.Free()
		c.Inputs = []tensor.Tensor{enginetest.Floats("x", tensor.Shape{1, 2}, 1, 2)}
		answered <- h.Infer(context.Background(), c)
	}()
	<-begun
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if err := r.Close(gone); err == nil {
		t.Error("Close did not wait")
	}
	if _, err := r.Acquire("m", "", ""); err == nil || r.Ready() {
		t.Error("a closed repository takes calls")
	}
	if f.Sessions() != 1 {
		t.Errorf("%d sessions while a call runs", f.Sessions())
	}
	close(end)
	if err := <-answered; err != nil {
		t.Errorf("the call that ran: %v", err)
	}
	if err := r.Close(t.Context()); err != nil || f.Sessions() != 0 {
		t.Errorf("%v, %d sessions are left", err, f.Sessions())
	}
}

// threaded is a provider whose runs take a time that its threads share.
type threaded struct {
	enginetest.Fake
	single time.Duration
}

func (p *threaded) Open(ctx context.Context, m *model.Model, c engine.Config) (engine.Session, error) {
	f := &enginetest.Fake{Latency: func(int, []tensor.Tensor) time.Duration { return p.single / time.Duration(c.Threads) }}
	return f.Open(ctx, m, c)
}

func TestPlan(t *testing.T) {
	path := save(t, plus(1), t.TempDir(), "m.onnx")
	const ms = time.Millisecond
	for _, c := range []struct {
		name               string
		single             time.Duration
		cpus               int
		o                  ModelOptions
		instances, threads int
		sessions           int
	}{
		{"short runs share a session", ms, 4, ModelOptions{}, 4, 1, 1},
		{"one CPU", 30 * ms, 1, ModelOptions{SLO: 20 * ms}, 1, 1, 1},
		{"half the SLO is met by two threads", 15 * ms, 4, ModelOptions{SLO: 20 * ms}, 2, 2, 2},
		{"it is met by all", 40 * ms, 4, ModelOptions{SLO: 30 * ms}, 1, 4, 1},
		{"threads as asked for", ms, 4, ModelOptions{Threads: 2}, 2, 2, 2},
		{"instances as asked for", ms, 4, ModelOptions{Instances: 1}, 1, 4, 1},
		{"both as asked for", ms, 4, ModelOptions{Instances: 3, Threads: 1}, 3, 1, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.o.MaxBatch = 1
			r := serve(t, Options{Provider: &threaded{single: c.single}, CPUs: c.cpus, Model: c.o}, path)
			h, err := r.Acquire("m", "", "")
			if err != nil {
				t.Fatal(err)
			}
			defer h.Release()
			i := h.Info()
			if i.Instances != c.instances || i.Threads != c.threads || len(h.sessions) != c.sessions || i.Metadata[planKey] == "" {
				t.Errorf("%d instances of %d threads, %d sessions: %s", i.Instances, i.Threads, len(h.sessions), i.Metadata[planKey])
			}
		})
	}
}
