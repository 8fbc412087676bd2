package roofline

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"infer/internal/progress"
	"infer/model"
	"infer/model/engine"
	"infer/model/engine/enginetest"
	"infer/report"
)

// short is enough for a round of the first probes.
const short = 200 * time.Millisecond

// TestMeasure measures this machine through the real runtime, for a moment, and takes the figures from the cache then.
func TestMeasure(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "new", "folder")
	events := 0
	o := Options{Provider: enginetest.CPU(t), Config: engine.Config{Threads: 2, TracePrefix: filepath.Join(t.TempDir(), "no")}, Runtime: "1.30.0", MaxTime: short, Cache: folder,
		Progress: func(progress.Event) { events++ }}
	c, err := Measure(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	if c.Threads != 2 || c.Provider != "cpu" || c.Cached || c.Age != 0 || events == 0 || c.CacheBytes <= 0 {
		t.Errorf("ceilings are %+v after %d events", c, events)
	}
	for name, i := range map[string]*report.Interval{"float32": c.Float32, "int8": c.Int8, "memory": c.Memory, "cache": c.Cache} {
		// No computer that runs this is below a million, or above 10¹⁸, operations or bytes a second.
		if i == nil || i.Value < 1e6 || i.Value > 1e18 || i.N < 1 || i.Lo != nil && (*i.Lo > *i.Hi || *i.Lo > i.Value) {
			t.Errorf("%s: %+v", name, i)
		}
		best := 0.
		for _, p := range c.Probes {
			if p.Roof == name {
				best = max(best, p.Rate.Value)
			}
		}
		if i != nil && i.Value != best {
			t.Errorf("%s is %g, its best probe %g", name, i.Value, best)
		}
	}
	if !slices.ContainsFunc(c.Notes, func(n string) bool { return strings.Contains(n, "two words read and one written") }) {
		t.Errorf("notes %q do not say how bytes are counted", c.Notes)
	}

	o.Provider = &enginetest.Fake{} // of another name: nothing in the cache for it
	if again, err := Measure(context.Background(), o); err != nil || again.Cached {
		t.Errorf("another provider: %+v, %v", again, err)
	}
	o.Provider = enginetest.CPU(t)
	again, err := Measure(context.Background(), o)
	if err != nil || !again.Cached || again.Float32.Value != c.Float32.Value || again.Measured != c.Measured {
		t.Errorf("the second time: %+v, %v", again, err)
	}
	o.Fresh = true
	if again, err = Measure(context.Background(), o); err != nil || again.Cached {
		t.Errorf("measured anew: %+v, %v", again, err)
	}
}

// TestGraphs: every probe runs in the real runtime, that of devices included; the largest take too long for a test.
func TestGraphs(t *testing.T) {
	p := enginetest.CPU(t)
	for _, plan := range append(hostPlans(map[string]string{"L3": "32768K"}), plan{"device", roofFloat32, 2 * product(64), func() *model.Model { return matMulResident(64, 2) }}) {
		if plan.amount > 1e9 {
			continue
		}
		q, _, err := plan.open(context.Background(), p, engine.Config{Threads: 1})
		if err != nil {
			t.Errorf("%s: %v", plan.name, err)
			continue
		}
		if err := q.block(context.Background()); err != nil || len(q.rates) != 1 {
			t.Errorf("%s: %v, %v", plan.name, q.rates, err)
		}
		q.release()
	}
}

// TestDevice: a provider with memory of its own has a float32 ceiling, and a note says why no other one.
func TestDevice(t *testing.T) {
	c, err := Measure(context.Background(), Options{Provider: &enginetest.Fake{}, MaxTime: time.Millisecond, Config: engine.Config{Threads: 1}})
	if err != nil {
		t.Fatal(err)
	}
	if c.Float32 == nil || c.Int8 != nil || c.Memory != nil || c.Cache != nil || c.Provider != "fake" {
		t.Errorf("ceilings are %+v", c)
	}
	if !strings.Contains(strings.Join(c.Notes, "\n"), "provider fake: products of float32 matrices only") {
		t.Errorf("notes: %q", c.Notes)
	}
}

func TestMeasureFails(t *testing.T) {
	broken := errors.New("no such kernel")
	if _, err := Measure(context.Background(), Options{Provider: &enginetest.Fake{OpenErr: broken}, MaxTime: time.Millisecond}); !errors.Is(err, broken) || !strings.HasPrefix(err.Error(), "measure the ceilings: ") {
		t.Errorf("a provider that opens nothing: %v", err)
	}
	f := &enginetest.Fake{}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Measure(ctx, Options{Provider: f, Cache: t.TempDir()}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	// Cancelled amid the rounds, whose runs come behind the two that each probe opens with.
	ctx, cancel = context.WithCancel(context.Background())
	f = &enginetest.Fake{RunErr: func(run int) error {
		if run == 3*len(devicePlans()) {
			cancel()
		}
		return ctx.Err()
	}}
	if _, err := Measure(ctx, Options{Provider: f, MaxTime: time.Second}); !errors.Is(err, context.Canceled) || f.Sessions() != 0 {
		t.Errorf("cancelled in a round: %v, %d sessions are open", err, f.Sessions())
	}
	// A probe that fails does not take the others with it.
	f = &enginetest.Fake{RunErr: func(run int) error {
		if run == 0 {
			return broken
		}
		return nil
	}}
	c, err := Measure(context.Background(), Options{Provider: f, MaxTime: time.Millisecond})
	if err != nil || !strings.Contains(strings.Join(c.Notes, "\n"), "MatMul 1024 float32 could not be run: no such kernel") {
		t.Errorf("one failed probe: %+v, %v", c, err)
	}
}

// TestNowhereToKeep: ceilings that cannot be kept are a result all the same, with a note.
func TestNowhereToKeep(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	c, err := Measure(context.Background(), Options{Provider: &enginetest.Fake{}, MaxTime: time.Millisecond, Cache: file})
	if err != nil || !strings.Contains(strings.Join(c.Notes, "\n"), "could not be kept") {
		t.Errorf("%+v, %v", c, err)
	}
}

func TestTriad(t *testing.T) {
	m := newTriad(3, map[string]string{"L3": "1M"}, time.Second)
	if m == nil {
		t.Skip("no memory is free")
	}
	if want := 2 << 20 / word; m.size != want {
		t.Errorf("%d elements an array, want %d: twice the last cache", m.size, want)
	}
	if err := m.run(context.Background()); err != nil {
		t.Fatal(err)
	}
	for i, x := range m.a {
		if x != 1+3*2 {
			t.Fatalf("element %d is %g: a thread left it out", i, x)
		}
	}
	whole := m.size
	m.sweep()
	if m.size > whole || m.size < whole/8 {
		t.Errorf("the sweep of %d elements chose %d", whole, m.size)
	}
	if p := m.probe(); p.amount != 24*float64(m.size) {
		t.Errorf("%g bytes a pass of %d elements: three words each", p.amount, m.size)
	}
	if newTriad(2, nil, time.Microsecond) != nil {
		t.Error("a microsecond is enough for a triad")
	}
}

func TestLastCache(t *testing.T) {
	for _, c := range []struct {
		caches map[string]string
		want   int64
	}{
		{map[string]string{"L1": "32K", "L2": "1024K", "L3": "260M"}, 260 << 20},
		{map[string]string{"L1": "32K", "L2": "1024K"}, 1 << 20},
		{map[string]string{"L3": "lots", "L2": "-1K"}, 0},
		{map[string]string{"L3": "99999999999999999999K"}, 0},
		{nil, 0},
	} {
		if got := lastCache(c.caches); got != c.want {
			t.Errorf("%v: %d, want %d", c.caches, got, c.want)
		}
	}
}
