package tune

import (
	"context"
	"encoding/json"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"infer/internal/fault"
	"infer/report"
)

// outcome is how a search of a space did against the best setting of it, and against measuring every setting with as many
// blocks as the one of the finalists with the most.
type outcome struct {
	details *report.TuneDetails
	reached float64 // objective of the chosen setting / the best one's
	share   float64 // of the time of the exhaustive sweep
}

func try(t testing.TB, space Space, m *machine, o Options) outcome {
	t.Helper()
	d, err := searchBy(context.Background(), space, m.openArm, o, m.clock)
	if err != nil {
		t.Fatal(err)
	}
	value := func(s Setting) float64 {
		latency, rate := m.truth(s)
		if o.Objective == "latency" {
			return 1 / latency
		}
		return rate
	}
	l, err := newLattice(space)
	if err != nil {
		t.Fatal(err)
	}
	best, most := 0.0, 0
	for _, row := range d.Trials {
		if row.Outcome == "chosen" || row.Outcome == "finalist" {
			most = max(most, row.Rounds)
		}
	}
	block := m.now - time.Duration(m.opens)*m.weather.open
	block /= time.Duration(m.blocks)
	for _, p := range l.allowed {
		best = math.Max(best, value(l.setting(p)))
	}
	sweep := time.Duration(len(l.allowed)) * (m.weather.open + time.Duration(most)*block)
	return outcome{d, value(d.Chosen) / best, float64(m.now) / float64(sweep)}
}

// Of settings that are all alike the default stays. Spaces of 16 and 32 settings on three kinds of machine.
func TestKeepsDefault(t *testing.T) {
	for i, w := range weathers() {
		trials, keep := 60, 0
		if i == 1 {
			trials = 200
		}
		for seed := range uint64(trials) {
			m := newMachine(w, seed, func(Setting) (float64, float64) { return 0.01, 100 })
			d := try(t, cpuSpace(4, "1", "2"), m, Options{Objective: "throughput", Seed: seed}).details
			if d.KeepDefault {
				keep++
			}
			if d.KeepDefault && d.Confirmed || d.KeepDefault && d.Gain != nil || d.Reading == "" {
				t.Fatalf("seed %d: %+v", seed, d)
			}
		}
		t.Logf("%s: kept in %d of %d", w.name, keep, trials)
		if keep*100 < 95*trials {
			t.Errorf("%s: the default was kept in %d of %d trials, want 95 %%", w.name, keep, trials)
		}
	}
}

// On lattices like those of real models a search comes near the best setting in a small part of the time of a sweep.
func TestReachesBest(t *testing.T) {
	const trials = 40
	for _, w := range weathers()[:2] {
		for _, c := range []struct {
			cores, batches int
			share          float64 // of the time of a sweep, on average
		}{{2, 4, 0.15}, {4, 6, 0.08}, {8, 8, 0.05}} {
			batches := []string{"1", "2", "4", "8", "16", "32", "64", "128"}[:c.batches]
			reached, share := 0, 0.0
			for seed := range uint64(trials) {
				m := newMachine(w, seed, cpuModel(rand.New(rand.NewPCG(seed, 3))))
				o := try(t, cpuSpace(c.cores, batches...), m, Options{Objective: "throughput", Seed: seed})
				if o.reached >= 0.95 {
					reached++
				}
				share += o.share / trials
			}
			t.Logf("%s, %d cores: %d of %d reach 95 %%, in %.3f of the time", w.name, c.cores, reached, trials, share)
			if reached*10 < 9*trials || share > c.share {
				t.Errorf("%s, %d cores: %d of %d trials reach 95 %% of the best, in %.3f of the time of a sweep", w.name, c.cores, reached, trials, share)
			}
		}
	}
}

// fixed is a machine on which threads, instances and batch have the effect that is easy to say.
func fixed(w weather, seed uint64) *machine {
	return newMachine(w, seed, func(s Setting) (float64, float64) {
		latency := 0.004 * num(s, "batch") / math.Sqrt(num(s, "threads"))
		return latency, num(s, "instances") * num(s, "batch") / latency
	})
}

func parsed(t *testing.T, exprs ...string) []report.Gate {
	t.Helper()
	var out []report.Gate
	for _, e := range exprs {
		g, err := report.ParseSLO(e)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, g)
	}
	return out
}

func TestFindsInstances(t *testing.T) {
	m := fixed(weathers()[1], 1)
	d := try(t, cpuSpace(4, "1"), m, Options{Objective: "throughput"}).details
	if d.Chosen["instances"] != "4" || d.Chosen["threads"] != "1" || d.KeepDefault || !d.Confirmed {
		t.Fatalf("chosen %v: %s", d.Chosen, d.Reading)
	}
	if d.Gain == nil || d.Gain.Lo == nil || *d.Gain.Lo > 2 || *d.Gain.Hi < 2 {
		t.Errorf("the gain is twice, told is %+v", d.Gain)
	}
	if d.Trials[0].Outcome != "chosen" || d.Trials[1].Outcome != "default" || len(d.Trials[1].Setting) != 0 {
		t.Errorf("first trials: %+v", d.Trials[:2])
	}
	if m.opened != 0 || m.most > 6 {
		t.Errorf("%d settings are open at the end, %d were at a time", m.opened, m.most)
	}
	d = try(t, cpuSpace(4, "1"), fixed(weathers()[1], 1), Options{Objective: "latency"}).details
	if !d.KeepDefault || d.Chosen["threads"] != "4" || !strings.Contains(d.Reading, "keep the default") {
		t.Errorf("for latency: %v, %s", d.Chosen, d.Reading)
	}
}

// The same search of the same machine says the same.
func TestRepeats(t *testing.T) {
	var first []byte
	for range 2 {
		b, err := json.Marshal(try(t, cpuSpace(4, "1", "2", "4"), fixed(weathers()[1], 5), Options{Objective: "throughput", Seed: 5}).details)
		if err != nil {
			t.Fatal(err)
		}
		if first == nil {
			first = b
		}
		if string(first) != string(b) {
			t.Errorf("%s\n%s", first, b)
		}
	}
}

func TestSLO(t *testing.T) {
	// Latency is batch × 4 ms / √threads: with 4 threads 2 ms a row. Throughput rises with instances, which cost threads.
	for _, c := range []struct {
		name  string
		slos  []string
		ok    func(d *report.TuneDetails) bool
		words string
	}{
		{"the best holds it", []string{"p99<20ms"}, func(d *report.TuneDetails) bool {
			return d.Chosen["instances"] == "4" && d.Trials[0].SLO == report.Pass
		}, "threads=1 instances=4"},
		{"only fewer instances hold it", []string{"p99<3.2ms"}, func(d *report.TuneDetails) bool {
			return d.Chosen["instances"] == "2" && d.Trials[0].SLO == report.Pass
		}, "threads=2 instances=2"},
		{"the default alone holds it", []string{"p99<2.4ms"}, func(d *report.TuneDetails) bool { return d.KeepDefault && d.Trials[0].SLO == report.Pass }, "keep the default"},
		{"nobody holds it", []string{"p50<1ms"}, func(d *report.TuneDetails) bool { return d.Trials[0].SLO == report.Fail && d.Chosen["threads"] == "4" }, "no setting holds p50<1ms"},
		{"throughput", []string{"throughput>=900/s"}, func(d *report.TuneDetails) bool {
			return d.Chosen["instances"] == "4" && d.Trials[0].SLO == report.Pass
		}, "which the default misses"},
		{"both", []string{"p99<3.2ms", "throughput>=600/s"}, func(d *report.TuneDetails) bool {
			return d.Chosen["instances"] == "2" && d.Trials[0].SLO == report.Pass
		}, "which the default misses"},
	} {
		d := try(t, cpuSpace(4, "1"), fixed(weathers()[0], 3), Options{Objective: "throughput", SLOs: parsed(t, c.slos...)}).details
		if !c.ok(d) || !strings.Contains(d.Reading, c.words) {
			t.Errorf("%s: chosen %v, SLO %q: %s", c.name, d.Chosen, d.Trials[0].SLO, d.Reading)
		}
	}
}

// A fact, such as the accuracy of a variant, decides without a block.
func TestFacts(t *testing.T) {
	space := Space{Knobs: []Knob{{"variant", []string{"float32", "int8"}, false}}, Facts: func(s Setting) []report.Metric {
		return []report.Metric{report.Exact("accuracy_top1", map[string]float64{"float32": 0.8, "int8": 0.7}[s["variant"]])}
	}}
	faster := func(s Setting) (float64, float64) {
		if s["variant"] == "int8" {
			return 0.001, 1000
		}
		return 0.002, 500
	}
	for expr, want := range map[string]string{"accuracy_top1>=75%": "float32", "accuracy_top1>=65%": "int8"} {
		d := try(t, space, newMachine(weathers()[0], 1, faster), Options{Objective: "latency", SLOs: parsed(t, expr)}).details
		if d.Chosen["variant"] != want || d.Trials[0].Accuracy == nil {
			t.Errorf("%s: %v, %s", expr, d.Chosen, d.Reading)
		}
	}
}

// Of two that are equally good the cheaper one is chosen.
func TestCost(t *testing.T) {
	space := Space{Knobs: []Knob{{"memory", []string{"slow", "biggest", "small"}, false}}, Cost: func(s Setting) float64 { return float64(len(s["memory"])) }}
	for seed := range uint64(5) {
		d := try(t, space, newMachine(weathers()[0], seed, func(s Setting) (float64, float64) {
			if s["memory"] == "slow" {
				return 0.003, 300
			}
			return 0.002, 500
		}), Options{Objective: "throughput", Seed: seed}).details
		if d.Chosen["memory"] != "small" {
			t.Errorf("seed %d: %v, %s", seed, d.Chosen, d.Reading)
		}
	}
}

func TestFailures(t *testing.T) {
	m := fixed(weathers()[0], 1)
	m.refuse = func(s Setting) error {
		if s["instances"] == "4" {
			return fault.New(fault.Unsupported, "", "there is no memory for 4 instances")
		}
		return nil
	}
	d := try(t, cpuSpace(4, "1"), m, Options{Objective: "throughput"}).details
	if d.Chosen["instances"] != "2" {
		t.Errorf("chosen %v: %s", d.Chosen, d.Reading)
	}
	last := d.Trials[len(d.Trials)-1]
	if last.Outcome != "failed" || !strings.Contains(last.Why, "no memory") || last.Setting["instances"] != "4" {
		t.Errorf("what failed: %+v", last)
	}
	m = fixed(weathers()[0], 1)
	m.refuse = func(Setting) error { return fault.New(fault.Unsupported, "a hint", "no such provider") }
	got, err := searchBy(t.Context(), cpuSpace(2, "1"), m.openArm, Options{Objective: "throughput"}, m.clock)
	if got != nil || fault.KindOf(err) != fault.Unsupported || fault.HintOf(err) != "a hint" || !strings.Contains(err.Error(), "the default, threads=2") {
		t.Errorf("a default that does not open: %v, %v", got, err)
	}
}

func TestRefuses(t *testing.T) {
	one := Space{Knobs: []Knob{{"threads", []string{"1", "2"}, true}}}
	forbidden := one
	forbidden.Allowed = func(Setting) string { return "never" }
	for _, c := range []struct {
		space Space
		o     Options
		want  string
	}{
		{one, Options{Objective: "speed"}, `no objective "speed"`},
		{one, Options{Objective: "latency", MaxTime: -1}, "-1ns"},
		{one, Options{Objective: "latency", SLOs: []report.Gate{{Expr: "macs<1", Metric: "macs", Op: "<"}}}, "does not measure macs"},
		{one, Options{Objective: "latency", SLOs: []report.Gate{{Expr: "p50<=+5%", Metric: "latency_p50", Op: "<=", Relative: true}}}, "no base"},
		{one, Options{Objective: "latency", SLOs: []report.Gate{{Expr: "p50{a=b}<1s", Metric: "latency_p50", Op: "<", Labels: map[string]string{"a": "b"}}}}, "has labels"},
		{Space{Knobs: []Knob{{"a", nil, false}}}, Options{Objective: "latency"}, `"a" has no values`},
		{Space{Knobs: []Knob{{"a", []string{"1", "1"}, false}}}, Options{Objective: "latency"}, "twice"},
		{forbidden, Options{Objective: "latency"}, "not allowed: never"},
	} {
		m := fixed(weathers()[0], 1)
		d, err := searchBy(t.Context(), c.space, m.openArm, c.o, m.clock)
		if d != nil || fault.KindOf(err) != fault.Usage || !strings.Contains(err.Error(), c.want) {
			t.Errorf("want %q: %v, %v", c.want, d, err)
		}
		if m.opens > 0 {
			t.Errorf("%q: something was opened", c.want)
		}
	}
}

// Whatever the time is, a search ends in it, and says what it was too short for.
func TestMaxTime(t *testing.T) {
	for _, limit := range []time.Duration{time.Second, 3 * time.Second, 10 * time.Second} {
		m := fixed(weathers()[1], 2)
		d := try(t, cpuSpace(8, "1", "2", "4", "8", "16"), m, Options{Objective: "throughput", MaxTime: limit}).details
		if m.now > limit+m.weather.open+limit/20 {
			t.Errorf("a search of %s took %s", limit, m.now)
		}
		if limit < 5*time.Second && !slices.ContainsFunc(d.Pruned, func(p report.TunePruned) bool { return strings.HasPrefix(p.Why, "not tried") }) {
			t.Errorf("%s: nothing is said to be not tried: %+v", limit, d.Pruned)
		}
		if d.Elapsed > m.now.Seconds()+1e-9 || !strings.Contains(d.Reading, "too short") || d.Interrupted {
			t.Errorf("%s: %.1f s, %s", limit, d.Elapsed, d.Reading)
		}
	}
}

// A context that ends leaves what is known, wherever it ends.
func TestInterrupted(t *testing.T) {
	for at, want := range map[int]string{1: "nothing was confirmed", 2: "nothing was confirmed", 9: "nothing was confirmed; ", 30: "nothing was confirmed; ", 55: ""} {
		ctx, cancel := context.WithCancel(t.Context())
		m, blocks := fixed(weathers()[0], 2), 0
		m.cut = func() {
			if blocks++; blocks == at {
				cancel()
			}
		}
		d, err := searchBy(ctx, cpuSpace(4, "1", "2"), m.openArm, Options{Objective: "throughput"}, m.clock)
		if err != nil || d == nil || !d.Interrupted || !strings.HasPrefix(d.Reading, "interrupted: ") || !strings.Contains(d.Reading, want) || m.opened != 0 {
			t.Errorf("cut at block %d: %+v, %v, %d open", at, d, err, m.opened)
		}
		if b, err := json.Marshal(d); err != nil || !strings.Contains(string(b), `"trials":[`) {
			t.Errorf("cut at block %d: %s, %v", at, b, err)
		}
		cancel()
	}
}

// Wherever the search is cut, what was not measured in the confirmation is not confirmed. The default misses the SLO.
func TestInterruptedUnconfirmed(t *testing.T) {
	confirmed := false
	for at := 1; !confirmed; at++ {
		ctx, cancel := context.WithCancel(t.Context())
		m, blocks := fixed(weathers()[0], 2), 0
		m.cut = func() {
			if blocks++; blocks == at {
				cancel()
			}
		}
		space := cpuSpace(4, "1")
		space.Facts = func(s Setting) []report.Metric {
			return []report.Metric{report.Exact("model_bytes", num(s, "threads"))}
		}
		d, err := searchBy(ctx, space, m.openArm, Options{Objective: "throughput", SLOs: parsed(t, "model_bytes<3B")}, m.clock)
		cancel()
		if err != nil || !d.Interrupted {
			t.Fatalf("cut at block %d: %+v, %v", at, d, err)
		}
		for _, row := range d.Trials {
			if final := row.Outcome == "finalist"; (final || row.Outcome == "chosen" && d.Confirmed) && row.Phase != confirming {
				t.Fatalf("cut at block %d: %+v", at, row)
			}
		}
		confirmed = d.Confirmed
	}
}

// No space, no choice: one setting is measured and kept.
func TestOneSetting(t *testing.T) {
	d := try(t, Space{Knobs: []Knob{{"threads", []string{"1"}, true}}}, fixed(weathers()[0], 1), Options{Objective: "latency"}).details
	if !d.KeepDefault || d.Candidates != 1 || !strings.Contains(d.Reading, "nothing else to try") {
		t.Errorf("%+v", d)
	}
}
