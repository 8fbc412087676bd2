package enginetest

import (
	"context"
	"errors"
	"testing"
	"time"

	"infer/internal/fault"
	"infer/model"
	"infer/model/engine"
	"infer/model/tensor"
)

// bind opens m and binds in.
func (c suite) bind(t *testing.T, m *model.Model, in ...tensor.Tensor) engine.Bound {
	t.Helper()
	s := c.open(t, m)
	binder, ok := s.(engine.Binder)
	if !ok {
		t.Skipf("sessions of the %s provider cannot be bound", c.p.Name)
	}
	b, err := binder.Bind(t.Context(), in)
	if err != nil {
		t.Fatalf("bind: %v", err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

func again(t *testing.T, b engine.Bound) []tensor.Tensor {
	t.Helper()
	if err := b.Run(t.Context()); err != nil {
		t.Fatalf("run: %v", err)
	}
	return b.Outputs()
}

// bound runs twice on fixed buffers and sees what was written to the inputs between; runs do not allocate.
func (c suite) bound(t *testing.T) {
	x := Floats("b", pair, 2, 3)
	b := c.bind(t, threeOutputs(), x, Floats("a", pair, 5, 7))
	x.Data[3] = 0 // bound inputs are copies
	out := again(t, b)
	same(t, out[1], Floats("", pair, 3, 4))
	in := b.Inputs()
	if in[0].Name != "a" || in[1].Name != "b" || out[2].Name != "product" {
		t.Fatalf("names: %q %q %q", in[0].Name, in[1].Name, out[2].Name)
	}
	copy(in[0].Data, Floats("", pair, 1, 1).Data)
	out = again(t, b)
	same(t, out[0], Floats("", pair, 3, 4))
	same(t, out[2], Floats("", pair, 2, 3))

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	if n := testing.AllocsPerRun(100, func() { b.Run(ctx) }); n != 0 {
		t.Errorf("a run makes %v Go allocations, want none", n)
	}

	s := c.open(t, threeOutputs()).(engine.Binder)
	if _, err := s.Bind(t.Context(), []tensor.Tensor{x}); fault.KindOf(err) != fault.Usage {
		t.Fatalf("bind with an input missing: got %v", err)
	}
}

// boundDynamic binds models whose outputs change their shape or have no fixed buffer.
func (c suite) boundDynamic(t *testing.T) {
	b := c.bind(t, nonZero(), Floats("", nil, 0, 1, 0, 2))
	same(t, again(t, b)[0], Int64s("", tensor.Shape{1, 2}, 1, 3))
	for _, test := range []struct {
		in   []float32
		want []int64
	}{{[]float32{1, 1, 1, 1}, []int64{0, 1, 2, 3}}, {[]float32{0, 0, 0, 0}, nil}, {[]float32{0, 0, 0, 1}, []int64{3}}} {
		copy(b.Inputs()[0].Data, Floats("", nil, test.in...).Data)
		same(t, again(t, b)[0], Int64s("", tensor.Shape{1, int64(len(test.want))}, test.want...))
	}

	text := tensor.Tensor{DType: tensor.String, Shape: tensor.Shape{2}, Strings: []string{"a", "bc"}}
	same(t, again(t, c.bind(t, Identity(tensor.String, "n"), text))[0], text)

	for _, s := range []tensor.Shape{{}, {0}, {3}} {
		dims := make([]any, len(s))
		for i := range dims {
			dims[i] = "n"
		}
		x := sample(t, tensor.Float16, s)
		same(t, again(t, c.bind(t, Identity(tensor.Float16, dims...), x))[0], x)
	}
}

// boundCancel ends bound runs, with one context and with the next.
func (c suite) boundCancel(t *testing.T) {
	b := c.bind(t, Endless(), thrice, two)
	for range 3 {
		copy(b.Inputs()[0].Data, forever.Data)
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(5*time.Millisecond, cancel)
		for range 2 { // the second one is cancelled before it starts
			if err := b.Run(ctx); !errors.Is(err, context.Canceled) {
				t.Fatalf("got %v", err)
			}
		}
		copy(b.Inputs()[0].Data, thrice.Data)
		same(t, again(t, b)[0], Floats("", tensor.Shape{}, 256))
	}
}

// boundTimed times runs in a row: as many as asked for, those that the library allocates for too, and ends them.
func (c suite) boundTimed(t *testing.T) {
	timer := func(b engine.Bound) engine.Timer {
		x, ok := b.(engine.Timer)
		if !ok {
			t.Skipf("bound runs of the %s provider cannot be timed in a row", c.p.Name)
		}
		return x
	}
	x := Floats("", nil, 1, 2)
	for name, b := range map[string]engine.Bound{"fixed": c.bind(t, Add(2), x, x), "dynamic": c.bind(t, nonZero(), x)} {
		seconds := make([]float64, 50)
		if n, err := timer(b).RunTimed(t.Context(), seconds); n != len(seconds) || err != nil {
			t.Fatalf("%s: %d runs, %v", name, n, err)
		}
		for i, s := range seconds {
			if !(s > 0 && s < 60) {
				t.Fatalf("%s: run %d took %g s", name, i, s)
			}
		}
	}
	b := c.bind(t, Endless(), thrice, two)
	copy(b.Inputs()[0].Data, forever.Data)
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(5*time.Millisecond, cancel)
	for range 2 { // the second call is cancelled before it starts
		if n, err := timer(b).RunTimed(ctx, make([]float64, 3)); n != 0 || !errors.Is(err, context.Canceled) {
			t.Fatalf("%d runs, %v", n, err)
		}
	}
	copy(b.Inputs()[0].Data, thrice.Data)
	same(t, again(t, b)[0], Floats("", tensor.Shape{}, 256))
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := timer(b).RunTimed(t.Context(), make([]float64, 1)); err == nil {
		t.Fatal("runs after close: no error")
	}
}

// boundClosed closes a bound run twice, and one that outlives its session.
func (c suite) boundClosed(t *testing.T) {
	s, ok := c.open(t, Add(2)).(interface {
		engine.Session
		engine.Binder
	})
	if !ok {
		t.Skipf("sessions of the %s provider cannot be bound", c.p.Name)
	}
	x := Floats("", nil, 1, 2)
	first, err := s.Bind(t.Context(), []tensor.Tensor{x, x})
	if err != nil {
		t.Fatal(err)
	}
	second, err := s.Bind(t.Context(), []tensor.Tensor{x, x})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := first.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if err := first.Run(t.Context()); err == nil {
		t.Fatal("run after close: no error")
	}
	same(t, again(t, second)[0], Floats("", nil, 2, 4))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := second.Run(t.Context()); err == nil {
		t.Fatal("run after the session's close: no error")
	}
	if err := second.Close(); err != nil {
		t.Fatal(err)
	}
}
