package profile

import (
	"context"
	"errors"
	"testing"
	"time"

	"infer/model"
	"infer/model/dataset"
	"infer/model/engine"
	"infer/model/engine/enginetest"
	"infer/model/measure"
)

// TestSpinning: readings every 10 ms of a process that uses 1 % of a CPU by itself.
func TestSpinning(t *testing.T) {
	const ms = time.Millisecond
	readings := func(perStep ...time.Duration) []used {
		list := []used{{0, 7 * time.Second}}
		for _, cpu := range perStep {
			last := list[len(list)-1]
			list = append(list, used{last.at + 10*ms, last.cpu + cpu})
		}
		return list
	}
	for _, c := range []struct {
		name       string
		list       []used
		until, cpu time.Duration
	}{
		{"nothing", readings(), 0, 0},
		{"quiet", readings(ms/10, ms/10, ms/10), 0, 0},
		{"one thread for 20 ms", readings(10*ms, 10*ms, ms/10), 20 * ms, 20*ms - 2*ms/10},
		{"two threads, kept waiting in between", readings(20*ms, 0, 15*ms, ms/10), 30 * ms, 35*ms - 3*ms/10},
		{"to the end", readings(5*ms, 5*ms), 20 * ms, 10*ms - 2*ms/10},
	} {
		if until, cpu := spinning(c.list, 0.01); until != c.until || cpu != c.cpu {
			t.Errorf("%s: %v for %v, not %v for %v", c.name, cpu, until, c.cpu, c.until)
		}
	}
}

// TestIdleCPU: what goes on after a run is seen, what a run itself costs is not.
func TestIdleCPU(t *testing.T) {
	busy := func(context.Context) error {
		go func() {
			for begin := time.Now(); time.Since(begin) < 50*time.Millisecond; {
			}
		}()
		return nil
	}
	i, err := idleCPU(t.Context(), busy)
	if err != nil {
		t.Fatal(err)
	}
	if i == nil {
		t.Skip("this system does not tell the CPU time of a process")
	}
	if i.Spin <= 0 || i.CPU <= 0 || i.Share <= 0 || i.N != idleRounds {
		t.Errorf("a busy thread is seen as %+v", *i)
	}
	broken := errors.New("broken")
	if _, err := idleCPU(t.Context(), func(context.Context) error { return broken }); !errors.Is(err, broken) {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if i, err := idleCPU(ctx, func(ctx context.Context) error { return ctx.Err() }); i != nil || err != nil {
		t.Errorf("%+v, %v", i, err)
	}
}

// TestIdleSession: of a real session, which spins by default, all rounds are looked at; the log tells the figures.
func TestIdleSession(t *testing.T) {
	p := enginetest.CPU(t)
	m, err := model.Load("../../shared/models/mnist-cnn/mnist-cnn.onnx")
	if err != nil {
		t.Skip("no ../shared/models:", err)
	}
	b, err := m.Bind(model.Bindings{})
	if err != nil {
		t.Fatal(err)
	}
	in, _, err := dataset.Random(m, b.Shapes, 1)
	if err != nil {
		t.Fatal(err)
	}
	for _, spin := range []string{"1", "0"} {
		s, err := p.Open(t.Context(), m, engine.Config{Threads: 2, Entries: map[string]string{"session.intra_op.allow_spinning": spin}})
		if err != nil {
			t.Fatal(err)
		}
		run, _, release, err := measure.Bind(t.Context(), s, in)
		if err != nil {
			t.Fatal(err)
		}
		i, err := idleCPU(t.Context(), run)
		if err != nil || i != nil && (i.N != idleRounds || i.Gap != idleGap.Seconds()) {
			t.Errorf("spinning %s: %+v, %v", spin, i, err)
		}
		t.Logf("spinning %s: %+v", spin, i)
		release()
		_ = s.Close()
	}
}
