package local

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"infer/internal/fault"
	"infer/loadtest/sample"
	"infer/model"
	"infer/model/engine"
	"infer/model/engine/enginetest"
	"infer/model/tensor"
)

// open opens a model on a provider.
func open(t *testing.T, p engine.Provider, m *model.Model) engine.Session {
	t.Helper()
	s, err := p.Open(t.Context(), m, engine.Config{Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// echo gives inputs back.
func echo(in []tensor.Tensor, _ []engine.Port) ([]tensor.Tensor, error) {
	out := slices.Clone(in)
	for i := range out {
		out[i].Data, out[i].Shape = bytes.Clone(out[i].Data), out[i].Shape.Clone()
	}
	return out, nil
}

func target(t *testing.T, s engine.Session, slots int) *Target {
	t.Helper()
	g, err := New(s, [][]tensor.Tensor{
		{enginetest.Floats("x", tensor.Shape{1, 2}, 1, 2)},
		{enginetest.Floats("x", tensor.Shape{3, 2}, 1, 2, 3, 4, 5, 6)},
	}, slots)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// TestQueue has three requests for one slot, on the clock of a bubble: they run in the order in which they came.
func TestQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const run = 10 * time.Millisecond
		f := &enginetest.Fake{Compute: echo, Latency: func(int, []tensor.Tensor) time.Duration { return run }}
		g := target(t, open(t, f, enginetest.Identity(tensor.Float32, "n", 2)), 1)
		start := time.Now()
		now := func() time.Duration { return time.Since(start) }
		got := make([]sample.Sample, 3)
		for i := range got {
			go func() {
				got[i].Payload = int32(i % 2)
				if _, done, failure := g.Do(t.Context(), &got[i], now, false); done != nil || failure != "" {
					t.Errorf("got %q", failure)
				}
			}()
			time.Sleep(time.Millisecond)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		ms := time.Millisecond
		for i, want := range []sample.Sample{
			{Sent: 0, Done: 10 * ms, Queue: 0, Compute: run, Batch: 1, Bytes: 8},
			{Sent: 1 * ms, Done: 20 * ms, Queue: 9 * ms, Compute: run, Batch: 3, Bytes: 24, Payload: 1},
			{Sent: 2 * ms, Done: 30 * ms, Queue: 18 * ms, Compute: run, Batch: 1, Bytes: 8},
		} {
			if got[i] != want {
				t.Errorf("request %d: got %+v, want %+v", i, got[i], want)
			}
		}
	})
}

// TestSlots has more requests than slots and looks at how many run at a time.
func TestSlots(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &enginetest.Fake{Latency: func(int, []tensor.Tensor) time.Duration { return time.Second }}
		g := target(t, open(t, f, enginetest.Identity(tensor.Float32, "n", 2)), 3)
		for range 10 {
			go g.Do(t.Context(), new(sample.Sample), func() time.Duration { return 0 }, false)
		}
		for _, want := range []int{3, 6, 9, 10} {
			synctest.Wait()
			if n := f.Runs(); n != want {
				t.Errorf("%d runs have begun, want %d", n, want)
			}
			time.Sleep(time.Second)
		}
	})
}

func TestEnds(t *testing.T) {
	broken := errors.New("the model broke")
	for _, c := range []struct {
		name    string
		ahead   bool // another request has the slot
		timeout time.Duration
		cancel  time.Duration
		run     error
		want    sample.Outcome
		done    time.Duration
		text    string
	}{
		{name: "late in the queue", ahead: true, timeout: time.Second, want: sample.TimedOut, done: time.Second, text: "context deadline exceeded"},
		{name: "late in the run", timeout: time.Second, want: sample.TimedOut, done: time.Second, text: "context deadline exceeded"},
		{name: "cancelled in the queue", ahead: true, timeout: time.Hour, cancel: time.Second, want: sample.Broken, done: time.Second, text: "context canceled"},
		{name: "cancelled in the run", timeout: time.Hour, cancel: time.Second, want: sample.Broken, done: time.Second, text: "context canceled"},
		{name: "failed", timeout: time.Hour, run: broken, want: sample.Failed, done: time.Minute, text: "the model broke"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := &enginetest.Fake{Latency: func(int, []tensor.Tensor) time.Duration { return time.Minute }, RunErr: func(int) error { return c.run }}
				g := target(t, open(t, f, enginetest.Identity(tensor.Float32, "n", 2)), 1)
				start := time.Now()
				now := func() time.Duration { return time.Since(start) }
				if c.ahead {
					go g.Do(t.Context(), new(sample.Sample), now, false)
					synctest.Wait()
				}
				ctx, cancel := context.WithTimeout(t.Context(), c.timeout)
				defer cancel()
				if c.cancel > 0 {
					time.AfterFunc(c.cancel, cancel)
				}
				var s sample.Sample
				a, done, failure := g.Do(ctx, &s, now, true)
				if s.Outcome != c.want || failure != c.text || s.Done != c.done || s.Batch != 0 || a.Outputs != nil || done != nil {
					t.Errorf("got %s at %v, %q; want %s at %v, %q", s.Outcome, s.Done, failure, c.want, c.done, c.text)
				}
				time.Sleep(time.Hour)
				if c.run == nil { // the slot is free again
					if _, _, failure := g.Do(t.Context(), &s, now, false); failure != "" {
						t.Errorf("the next one: %s", failure)
					}
				}
			})
		})
	}
}

// TestAnswers keeps answers while others run: none overwrites another.
func TestAnswers(t *testing.T) {
	g := target(t, open(t, &enginetest.Fake{Compute: echo}, enginetest.Identity(tensor.Float32, "n", 2)), 2)
	answers(t, g)
}

func answers(t *testing.T, g *Target) {
	t.Helper()
	start := time.Now()
	now := func() time.Duration { return time.Since(start) }
	if err := g.Open(t.Context(), 5); err != nil {
		t.Fatal(err)
	}
	var work sync.WaitGroup
	for i := range 8 {
		work.Go(func() {
			for range 50 {
				s := sample.Sample{Payload: int32(i % 2)}
				a, done, failure := g.Do(t.Context(), &s, now, true)
				if failure != "" || len(a.Outputs) != 1 || a.JSONLen != -1 || a.Body != nil {
					t.Errorf("got %d outputs, %q", len(a.Outputs), failure)
					return
				}
				in, out := g.inputs[s.Payload][0], a.Outputs[0]
				if int64(len(out.Data)) != s.Bytes || s.Batch != int32(in.Shape[0]) || s.Queue < 0 || s.Compute < 0 || s.Done-s.Sent != s.Queue+s.Compute {
					t.Errorf("got %+v", s)
				}
				runtime.Gosched()
				if !out.Shape.Equal(in.Shape) || !bytes.Equal(out.Data, in.Data) {
					t.Errorf("payload %d: got shape %s", s.Payload, out.Shape)
				}
				done()
			}
		})
	}
	work.Wait()
	for range 2 {
		if err := g.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestEngine runs the real engine, whose outputs are written in the memory of those before.
func TestEngine(t *testing.T) {
	answers(t, target(t, open(t, enginetest.CPU(t), enginetest.Identity(tensor.Float32, "n", 2)), 2))
}

func TestEngineCancelled(t *testing.T) {
	one := tensor.Tensor{Name: "x", DType: tensor.Float32, Shape: tensor.Shape{}, Data: []byte{0, 0, 0x80, 0x3f}}
	g, err := New(open(t, enginetest.CPU(t), enginetest.Endless()), [][]tensor.Tensor{{enginetest.Int64s("n", tensor.Shape{}, 1<<40), one}}, 1)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	start := time.Now()
	var s sample.Sample
	if _, _, failure := g.Do(ctx, &s, func() time.Duration { return time.Since(start) }, false); s.Outcome != sample.TimedOut {
		t.Errorf("got %s, %q", s.Outcome, failure)
	}
}

// TestModel runs a model that people use, and needs no memory a request once it is warm.
func TestModel(t *testing.T) {
	path := filepath.Join("..", "..", "..", "shared", "models", "mnist-cnn", "mnist-cnn.onnx")
	if _, err := os.Stat(path); err != nil {
		t.Skipf("the model mnist-cnn is not on this machine: %v", err)
	}
	m, err := model.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	session := open(t, enginetest.CPU(t), m)
	in := session.Inputs()[0]
	shape := make(tensor.Shape, len(in.Type.Dims))
	for i, d := range in.Type.Dims {
		if shape[i] = d.Size; !d.Known {
			shape[i] = 1
		}
	}
	x, err := tensor.New(in.Name, in.Type.DType, shape)
	if err != nil {
		t.Fatal(err)
	}
	g, err := New(session, [][]tensor.Tensor{{x}}, 1)
	if err != nil {
		t.Fatal(err)
	}
	var first []byte
	for i := range 3 {
		var s sample.Sample
		a, done, failure := g.Do(t.Context(), &s, func() time.Duration { return 0 }, true)
		if failure != "" || s.Bytes == 0 || s.Batch != int32(shape[0]) {
			t.Fatalf("got %+v, %s", s, failure)
		}
		if i == 0 {
			first = bytes.Clone(a.Outputs[0].Data)
		}
		if !bytes.Equal(a.Outputs[0].Data, first) {
			t.Error("the same input gives another output")
		}
		done()
	}
}

func TestNew(t *testing.T) {
	s := open(t, &enginetest.Fake{}, enginetest.Identity(tensor.Float32, "n", 2))
	x := [][]tensor.Tensor{{enginetest.Floats("x", tensor.Shape{1, 2}, 1, 2)}}
	for name, make := range map[string]func() (*Target, error){
		"no inputs": func() (*Target, error) { return New(s, nil, 1) },
		"no slots":  func() (*Target, error) { return New(s, x, 0) },
	} {
		if _, err := make(); fault.KindOf(err) != fault.Usage {
			t.Errorf("%s: got %v, want a usage error", name, err)
		}
	}
	g, err := New(s, [][]tensor.Tensor{{enginetest.Floats("wrong", nil, 1)}}, 1)
	if err != nil {
		t.Fatal(err)
	}
	if err := g.Open(t.Context(), 1); fault.KindOf(err) != fault.Usage {
		t.Errorf("opens with inputs that the model does not take: %v", err)
	}
}
