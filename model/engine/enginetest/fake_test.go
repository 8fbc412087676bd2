package enginetest

import (
	"context"
	"errors"
	"testing"
	"time"

	"infer/internal/fault"
	"infer/model/engine"
	"infer/model/tensor"
)

func TestFake(t *testing.T) {
	boom := errors.New("boom")
	f := &Fake{
		Latency: func(run int, _ []tensor.Tensor) time.Duration { return time.Duration(run) * time.Hour },
		RunErr: func(run int) error {
			if run == 2 {
				return boom
			}
			return nil
		},
	}
	s, err := f.Open(t.Context(), threeOutputs(), engine.Config{})
	if err != nil {
		t.Fatal(err)
	}
	a, b := Floats("", pair, 5, 7), Floats("", pair, 2, 3)
	out := []tensor.Tensor{{Name: "diff"}}
	if err := s.Run(t.Context(), []tensor.Tensor{a, b}, out); err != nil {
		t.Fatal(err)
	}
	same(t, out[0], Floats("", pair, 0, 0))

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	f.Sleep = func(ctx context.Context, _ time.Duration) error { return ctx.Err() }
	wantKind(t, s.Run(t.Context(), []tensor.Tensor{a}, out), fault.Usage)
	wantKind(t, s.Run(t.Context(), []tensor.Tensor{a, Int64s("", pair, 1, 1)}, out), fault.Usage)
	if err := s.Run(ctx, []tensor.Tensor{a, b}, out); !errors.Is(err, context.Canceled) {
		t.Fatalf("cancelled: got %v", err)
	}
	if err := s.Run(t.Context(), []tensor.Tensor{a, b}, out); err != nil { // run 1
		t.Fatal(err)
	}
	if err := s.Run(t.Context(), []tensor.Tensor{a, b}, out); !errors.Is(err, boom) {
		t.Fatalf("run 2: got %v", err)
	}
	if f.Runs() != 3 || f.Sessions() != 1 {
		t.Fatalf("%d runs, %d sessions", f.Runs(), f.Sessions())
	}
	for range 2 {
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Run(t.Context(), []tensor.Tensor{a, b}, out); err == nil || f.Sessions() != 0 {
		t.Fatalf("after close: got %v, %d sessions", err, f.Sessions())
	}
	f.OpenErr = boom
	if _, err := f.Open(t.Context(), threeOutputs(), engine.Config{}); !errors.Is(err, boom) {
		t.Fatalf("open: got %v", err)
	}
}
