package cmd

import (
	"context"
	"errors"
	"math"
	"testing"
	"time"

	"infer/internal/fault"
	"infer/model/engine"
	"infer/model/engine/enginetest"
	"infer/model/measure"
	"infer/model/tensor"
)

// fakeArm opens an arm of n lanes on a session without a runtime.
func fakeArm(t *testing.T, fake *enginetest.Fake, n int) *tuneArm {
	t.Helper()
	m := enginetest.Identity(tensor.Float32, 4)
	s, err := fake.Open(t.Context(), m, engine.Config{})
	if err != nil {
		t.Fatal(err)
	}
	a := &tuneArm{rows: 2, sessions: []engine.Session{s}}
	in := []tensor.Tensor{enginetest.Floats(m.Inputs()[0].Name, tensor.Shape{4}, 1, 2, 3, 4)}
	for range n {
		l := &lane{}
		if l.run, l.timed, l.release, err = measure.Bind(t.Context(), s, in); err != nil {
			t.Fatal(err)
		}
		a.lanes = append(a.lanes, l)
	}
	t.Cleanup(func() { _ = a.Close() })
	return a
}

// TestTuneBlock: a block holds the runs of all lanes, and its throughput is theirs together.
func TestTuneBlock(t *testing.T) {
	fake := &enginetest.Fake{Latency: func(int, []tensor.Tensor) time.Duration { return 2 * time.Millisecond }}
	a := fakeArm(t, fake, 3)
	b, err := a.Block(t.Context(), 40*time.Millisecond, 1)
	if err != nil {
		t.Fatal(err)
	}
	if timed := fake.Runs() - 3; len(b.Seconds) != timed || timed < 3 { // one a lane is not timed
		t.Errorf("%d latencies of %d timed runs", len(b.Seconds), timed)
	}
	rate := 0.0
	for _, l := range a.lanes {
		rate += 2 * float64(len(l.seconds)) / l.wall.Seconds()
	}
	if b.Rows != 2 || math.Abs(b.Throughput-rate) > 1e-9*rate || b.Throughput <= 0 || b.Elapsed < 40*time.Millisecond {
		t.Errorf("%+v, want %v rows a second", b, rate)
	}
	for _, s := range b.Seconds {
		if s < 0.002 {
			t.Errorf("a run of 2 ms took %v s", s)
		}
	}
	if err := a.Close(); err != nil || fake.Sessions() != 0 || a.Close() != nil {
		t.Errorf("%v, %d sessions are open", err, fake.Sessions())
	}
}

// TestTuneBlockFails: a lane that fails ends the others, and its error is told, not theirs.
func TestTuneBlockFails(t *testing.T) {
	broken := errors.New("the ninth run is broken")
	fake := &enginetest.Fake{
		Latency: func(int, []tensor.Tensor) time.Duration { return time.Millisecond },
		RunErr: func(run int) error {
			if run == 9 {
				return fault.New(fault.Internal, "", "%w", broken)
			}
			return nil
		},
	}
	begin := time.Now()
	_, err := fakeArm(t, fake, 2).Block(t.Context(), time.Minute, 1)
	if !errors.Is(err, broken) || time.Since(begin) > 30*time.Second {
		t.Errorf("%v after %v", err, time.Since(begin))
	}
}

// TestTuneBlockInterrupted: a context that ends is the error.
func TestTuneBlockInterrupted(t *testing.T) {
	fake := &enginetest.Fake{Latency: func(int, []tensor.Tensor) time.Duration { return time.Millisecond }}
	ctx, cancel := context.WithCancel(t.Context())
	a := fakeArm(t, fake, 2)
	time.AfterFunc(20*time.Millisecond, cancel)
	if _, err := a.Block(ctx, time.Minute, 1); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
