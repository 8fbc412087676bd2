package decide

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"infer/internal/fault"
	"infer/report"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// TestVerdicts: what is chosen, and what is said where nothing is.
func TestVerdicts(t *testing.T) {
	slow, fast := load(t, 500, 250, 240, 262), load(t, 500, 178, 174, 186)
	for _, c := range []struct {
		name     string
		o        Options
		in       []Input
		verdict  report.Verdict
		exit     int
		chosen   string
		headline []string // parts of it
	}{
		{"one meets it", Options{SLO: gates(t, "p99<=200ms")}, []Input{in("fp32=a.json", slow), in("int8=b.json", fast), in("q.json", int8Of(t))},
			report.OK, 0, "int8", []string{"DEPLOY int8 — meets p99<=200ms (178 ms [174, 186])"}},
		{"one meets it, with accuracy", Options{SLO: gates(t, "p99<=200ms", "accuracy_drop<=1.5pt")},
			[]Input{in("fp32=a.json", load(t, 500, 250, 240, 262).of("models/model.onnx", "a")), in("int8=b.json", load(t, 500, 178, 174, 186).of("int8.onnx", "b")), in("q.json", int8Of(t))},
			report.OK, 0, "int8", []string{"DEPLOY int8 — meets p99<=200ms (178 ms [174, 186]), accuracy −0.50 pt [−1.10, +0.10] against fp32"}},
		{"none meets it", Options{SLO: gates(t, "p99<=175ms")}, []Input{in("fp32=a.json", slow), in("int8=b.json", load(t, 500, 178.1, 176, 186))},
			report.FailedGate, 3, "", []string{"NO CONFIGURATION MEETS THE SLO — closest: int8, misses p99<=175ms by 3.10 ms (178 ms [176, 186])"}},
		{"the best is inconclusive", Options{SLO: gates(t, "p99<=180ms")}, []Input{in("fp32=a.json", slow), in("int8=b.json", fast)},
			report.Inconclusive, 0, "", []string{"INCONCLUSIVE — closest: int8", "lies inside the interval"}},
		{"what is not measured is inconclusive", Options{SLO: gates(t, "p99<=200ms", "accuracy_top1>=90%")}, []Input{in("int8=b.json", fast)},
			report.Inconclusive, 0, "", []string{"accuracy_top1 was not measured"}},
		{"an invalid one is not chosen", Options{SLO: gates(t, "p99<=300ms")}, []Input{in("fp32=a.json", slow), in("int8=b.json", load(t, 500, 100, 90, 110).invalid("late by 9 ms"))},
			report.OK, 0, "fp32", []string{"DEPLOY fp32"}},
		{"an invalid one may meet it", Options{SLO: gates(t, "p99<=200ms")}, []Input{in("fp32=a.json", slow), in("int8=b.json", load(t, 500, 100, 90, 110).invalid("late by 9 ms"))},
			report.Inconclusive, 0, "", []string{"INCONCLUSIVE — int8 may meet the SLO", "late by 9 ms", "of the others none meets it"}},
		{"an invalid one misses it anyway", Options{SLO: gates(t, "p99<=80ms")}, []Input{in("fp32=a.json", slow), in("int8=b.json", load(t, 500, 100, 90, 110).invalid("late"))},
			report.FailedGate, 3, "", []string{"closest: fp32"}},
		{"all are invalid", Options{SLO: gates(t, "p99<=300ms")}, []Input{in("fp32=a.json", load(t, 500, 100, 90, 110).invalid("late by 9 ms"))},
			report.Invalid, 4, "", []string{"NO CONFIGURATION CAN BE CHOSEN", "send_lag: late by 9 ms"}},
		{"wrong answers", Options{SLO: gates(t, "p99<=300ms")}, []Input{in("fp32=a.json", load(t, 500, 100, 90, 110).with("wrong_answers", 3, 3000))},
			report.Invalid, 4, "", []string{"3 answers were wrong"}},
		{"failed requests count as late", Options{SLO: gates(t, "p99<=200ms")}, []Input{in("int8=b.json", load(t, 500, 100, 90, 110).failing(0.02, 0.015, 0.026))},
			report.FailedGate, 3, "", []string{"2.00 % [1.50, 2.60] of the requests failed"}},
		{"one without a load test beside one with it", Options{SLO: gates(t, "p50<=20ms")}, []Input{in("fp32=a.json", slow), in("q.json", int8Of(t))},
			report.Inconclusive, 0, "", []string{"closest: model", "with no load, unlike the others"}},
		{"one that misses it without any load", Options{SLO: gates(t, "p50<=5ms")}, []Input{in("fp32=a.json", slow), in("q.json", int8Of(t))},
			report.Inconclusive, 0, "", []string{"closest: int8", "latency_p50 was not measured"}},
		{"none is load-tested", Options{SLO: gates(t, "p50<=20ms")}, []Input{in("q.json", int8Of(t).with("latency_p50", 0.004, 50, 0.0038, 0.0042))},
			report.OK, 0, "int8", []string{"DEPLOY int8 — meets p50<=20ms (4.00 ms [3.80, 4.20])"}},
		{"no objective", Options{}, []Input{in("fp32=a.json", slow), in("int8=b.json", fast)},
			report.OK, 0, "", []string{"2 configurations, and no objective to choose by"}},
		{"the objectives of the load tests", Options{}, []Input{in("s.json", search(t, 50, 430))},
			report.OK, 0, "s", []string{"DEPLOY s — meets p99<50ms (49.0 ms [47.5, 51.5])"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			d, x := decided(t, c.o, c.in...)
			if d.Verdict != c.verdict || report.ExitCode(d, false) != c.exit || x.Chosen != c.chosen {
				t.Errorf("verdict %s, exit %d, chosen %q; want %s, %d, %q", d.Verdict, report.ExitCode(d, false), x.Chosen, c.verdict, c.exit, c.chosen)
			}
			for _, part := range c.headline {
				if !strings.Contains(x.Headline, part) {
					t.Errorf("headline %q lacks %q", x.Headline, part)
				}
			}
			if len(x.SLO) != len(d.Gates) {
				t.Errorf("%d objectives and %d gates", len(x.SLO), len(d.Gates))
			}
			if fails := slices.ContainsFunc(d.Gates, func(g report.GateResult) bool { return g.Verdict == report.Fail }); fails != (d.Verdict == report.FailedGate) && c.name != "an invalid one may meet it" {
				t.Errorf("gates %+v with verdict %s", d.Gates, d.Verdict)
			}
		})
	}
}

// failing replaces the error rate.
func (m made) failing(v, lo, hi float64) made {
	e := m.Metric("error_rate", nil)
	e.Value, e.Lo, e.Hi = &v, &lo, &hi
	return m
}

// TestThroughput: what is held within the objectives, by the kind of load test.
func TestThroughput(t *testing.T) {
	for _, c := range []struct {
		name  string
		m     made
		slo   string
		at    string
		want  float64 // 0: nothing holds
		bound bool
	}{
		{"a single load that holds is a bound", load(t, 500, 100, 90, 110), "p99<200ms", "", 500, true},
		{"a single load that does not", load(t, 500, 300, 290, 310), "p99<200ms", "", 0, false},
		{"a search for the same", search(t, 200, 430), "p99<200ms", "430 /s", 430, false},
		{"a search for less: its trials tell", search(t, 200, 430), "p99<100ms", "215 /s", 215, false},
		{"a search for more: nothing says where that breaks", search(t, 200, 430), "p99<1s", "473 /s", 473, true},
		{"the highest point of a sweep that holds", sweep(t, []float64{100, 200, 400}, []float64{10, 20, 300}), "p99<50ms", "200 /s", 200, false},
		{"the last point of a sweep holds", sweep(t, []float64{100, 200, 400}, []float64{10, 20, 30}), "p99<50ms", "400 /s", 400, true},
		{"no point of a sweep holds: the nearest is shown", sweep(t, []float64{100, 200, 400}, []float64{60, 70, 300}), "p99<50ms", "100 /s", 0, false},
		{"a profile", doc(t, "profile").of("m.onnx", "a").with("latency_p99", 0.01, 1000, 0.009, 0.011).with("throughput", 120, 1000, 110, 130).details(report.ProfileDetails{}), "p99<50ms", "", 120, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, x := decided(t, Options{SLO: gates(t, c.slo)}, in("x.json", c.m))
			got := x.Configs[0]
			if got.At != c.at || got.Bound != c.bound || (got.AtSLO == nil) != (c.want == 0) || got.AtSLO != nil && math.Abs(got.AtSLO.Value-c.want) > 1e-9 {
				t.Errorf("at %q, bound %v, throughput %+v, %+v", got.At, got.Bound, got.AtSLO, got.SLO)
			}
			if c.want == 0 && got.Verdict != report.Fail {
				t.Errorf("verdict %s", got.Verdict)
			}
		})
	}
}

// TestCost: the figures that AWS Neuron publishes for bert-base-cased on inf2.xlarge, 2697.72 inferences a second and
// $0.034 a million, follow from $0.330 an hour.
func TestCost(t *testing.T) {
	_, x := decided(t, Options{SLO: gates(t, "p99<50ms"), Prices: prices(t, "$0.33/h")}, in("bert.json", search(t, 50, 2697.72)))
	c := x.Configs[0].Cost
	if c == nil || math.Abs(c.Value-0.03398) > 1e-5 || report.FormatMoney("$", c.Value) != "$0.0340" {
		t.Fatalf("cost %+v", c)
	}
	if lo, hi := c.Value/1.05, c.Value/0.95; math.Abs(*c.Lo-lo) > 1e-12 || math.Abs(*c.Hi-hi) > 1e-12 {
		t.Errorf("interval [%v, %v], want [%v, %v]", *c.Lo, *c.Hi, lo, hi)
	}
	if x.Price[0].Basis != "$0.33/h, given 2026-05-01" || x.Price[0].Currency != "$" {
		t.Errorf("price %+v", x.Price[0])
	}
	_, x = decided(t, Options{SLO: gates(t, "p99<50ms"), Prices: prices(t, "0.33/h"), Use: 0.5, Demand: 4000}, in("bert.json", search(t, 50, 2697.72)))
	if got := x.Configs[0]; math.Abs(got.Cost.Value-2*0.03398) > 2e-5 || got.Replicas != 3 || math.Abs(*got.Hourly-0.99) > 1e-12 {
		t.Errorf("at half its capacity: %+v, %d replicas, %v", got.Cost, got.Replicas, *got.Hourly)
	}
}

// TestCheapest: a bigger machine competes with more replicas of a smaller one.
func TestCheapest(t *testing.T) {
	small, big := search(t, 50, 300), search(t, 50, 900).on("ba9876543210")
	for _, c := range []struct {
		name     string
		o        Options
		chosen   string
		replicas int
		hourly   float64
	}{
		{"two small ones are cheaper", Options{Demand: 500, Prices: prices(t, "small=0.40/h", "big=1.00/h")}, "small", 2, 0.8},
		{"the big one is cheaper", Options{Demand: 850, Prices: prices(t, "small=0.40/h", "big=1.00/h")}, "big", 1, 1},
		{"without prices the fewest replicas", Options{Demand: 850}, "big", 1, 0},
		{"without a demand the cheapest inference", Options{Prices: prices(t, "small=0.20/h", "big=1.00/h")}, "small", 0, 0},
		{"whole replicas that are just enough", Options{Demand: 600, Prices: prices(t, "0.40/h")}, "big", 1, 0.4},
		{"a price for one alone", Options{Prices: prices(t, "small=0.40/h")}, "small", 0, 0},
		{"nothing but throughput", Options{}, "big", 0, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			d, x := decided(t, c.o, in("small=a.json", small), in("big=b.json", big))
			got := configOf(t, x, x.Chosen)
			if x.Chosen != c.chosen || got.Replicas != c.replicas || orZero(got.Hourly) != c.hourly {
				t.Errorf("%s with %d replicas at %v: %s", x.Chosen, got.Replicas, orZero(got.Hourly), x.Headline)
			}
			if !slices.ContainsFunc(d.Warnings, func(w string) bool { return strings.Contains(w, "different machines") }) {
				t.Errorf("nothing is said of the machines: %q", d.Warnings)
			}
		})
	}
}

// TestFront: who dominates whom, within what the intervals tell.
func TestFront(t *testing.T) {
	type point struct {
		p99, lo, hi float64
		hits, n     int
	}
	for _, c := range []struct {
		name string
		a, b point
		want [2]string // by whom each is dominated
	}{
		{"faster, as accurate", point{100, 95, 105, 960, 1000}, point{200, 190, 210, 960, 1000}, [2]string{"", "a"}},
		{"faster, less accurate", point{100, 95, 105, 900, 1000}, point{200, 190, 210, 990, 1000}, [2]string{"", ""}},
		{"faster, less accurate within noise", point{100, 95, 105, 955, 1000}, point{200, 190, 210, 960, 1000}, [2]string{"", "a"}},
		{"as fast, less accurate", point{100, 95, 105, 900, 1000}, point{102, 96, 107, 990, 1000}, [2]string{"b", ""}},
		{"intervals that overlap", point{100, 70, 140, 960, 1000}, point{120, 80, 160, 960, 1000}, [2]string{"", ""}},
		{"nearer than two runs of the same", point{100, 99.9, 100.1, 960, 1000}, point{103, 102.9, 103.1, 960, 1000}, [2]string{"", ""}},
	} {
		t.Run(c.name, func(t *testing.T) {
			of := func(p point, letter string) (made, made) {
				return load(t, 500, p.p99, p.lo, p.hi).of(letter+".onnx", letter), predicted(t, p.hits, p.n, letter+".onnx", letter)
			}
			la, pa := of(c.a, "a")
			lb, pb := of(c.b, "b")
			_, x := decided(t, Options{}, in("a=la.json", la), in("b=lb.json", lb), in("pa.json", pa), in("pb.json", pb))
			for i, name := range []string{"a", "b"} {
				if got := configOf(t, x, name); got.Dominated != c.want[i] || got.Front != (c.want[i] == "") {
					t.Errorf("%s: front %v, dominated by %q, want %q", name, got.Front, got.Dominated, c.want[i])
				}
			}
		})
	}
}

// TestFrontLoad: a lower latency at a lower load does not dominate; one at a higher load does.
func TestFrontLoad(t *testing.T) {
	for _, c := range []struct {
		rate float64
		want string
	}{{100, ""}, {490, "quick"}, {1000, "quick"}} {
		d, x := decided(t, Options{}, in("slow=l.json", load(t, 500, 200, 190, 210).of("a.onnx", "a")), in("quick=m.json", load(t, c.rate, 100, 95, 105).of("a.onnx", "a")), in("p.json", predicted(t, 9, 10, "a.onnx", "a")))
		if got := configOf(t, x, "slow").Dominated; got != c.want {
			t.Errorf("at %v /s: dominated by %q, want %q; %q", c.rate, got, c.want, d.Warnings)
		}
	}
}

// TestGroups: which documents become which configurations.
func TestGroups(t *testing.T) {
	profiled := func(letter string) made {
		return doc(t, "profile").of(letter+".onnx", letter).with("latency_p99", 0.01, 1000, 0.009, 0.011).with("session_init", 0.2, 5, 0.1, 0.3).with("peak_rss", 5e7, 5).
			details(report.ProfileDetails{ByOp: []report.Share{{Name: "Conv", Share: 0.7}}, Cold: []report.ColdStart{{SessionInit: 0.2}}})
	}
	for _, c := range []struct {
		name string
		in   []Input
		want string // NAME: sources it is told of by
	}{
		{"each load test", []Input{in("x/fp32.json", load(t, 1, 1, 1, 1)), in("x/int8.v2.json", load(t, 1, 1, 1, 1))}, "fp32: x/fp32.json; int8.v2: x/int8.v2.json"},
		{"files of one name", []Input{in("a/load.json", load(t, 1, 1, 1, 1)), in("b/load.json", load(t, 1, 1, 1, 1))}, "a/load: a/load.json; b/load: b/load.json"},
		{"files of one name and folder", []Input{in("load.json", load(t, 1, 1, 1, 1)), in("load.html", load(t, 1, 1, 1, 1))}, "load: load.json; load-2: load.html"},
		{"a name groups", []Input{in("x=a.json", load(t, 1, 1, 1, 1)), in("x=b.json", load(t, 2, 1, 1, 1)), in("x=p.json", profiled("a"))}, "x: a.json b.json p.json"},
		{"facts join by the hash", []Input{in("p.json", profiled("a")), in("l1.json", load(t, 1, 1, 1, 1).of("a.onnx", "a")), in("l2.json", load(t, 1, 1, 1, 1).of("b.onnx", "b"))},
			"l1: p.json l1.json; l2: l2.json"},
		{"facts join a named one by the hash", []Input{in("x=l1.json", load(t, 1, 1, 1, 1).of("a.onnx", "a")), in("predict.json", predicted(t, 9, 10, "a.onnx", "a"))}, "x: l1.json predict.json"},
		{"profiles without a load test", []Input{in("t1.json", profiled("a")), in("t4.json", profiled("a"))}, "t1: t1.json t4.json; t4: t1.json t4.json"},
		{"a quantization tells of two models", []Input{in("q.json", int8Of(t)), in("l.json", load(t, 1, 1, 1, 1).of("int8.onnx", "b"))}, "model: q.json; l: q.json l.json"},
		{"a quantization alone", []Input{in("q.json", int8Of(t))}, "model: q.json; int8: q.json"},
		{"a served model by its name", []Input{in("l.json", load(t, 1, 1, 1, 1)), in("p.json", predicted(t, 9, 10, "x/m.onnx", "a"))}, "l: l.json p.json"},
		{"a served model of an unclear name", []Input{in("l.json", load(t, 1, 1, 1, 1)), in("p.json", predicted(t, 9, 10, "x/m.onnx", "a")), in("q.json", predicted(t, 9, 10, "y/m.onnx", "b"))},
			"l: l.json; m: p.json; m-2: q.json"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, x := decided(t, Options{}, c.in...)
			var got []string
			for _, cfg := range x.Configs {
				var of []string
				for _, s := range x.Sources {
					if slices.Contains(s.Of, cfg.Name) {
						of = append(of, s.Path)
					}
				}
				got = append(got, cfg.Name+": "+strings.Join(of, " "))
			}
			if text := strings.Join(got, "; "); text != c.want {
				t.Errorf("got  %s\nwant %s", text, c.want)
			}
		})
	}
}

// TestFacts: what a configuration knows, and from where.
func TestFacts(t *testing.T) {
	slow := doc(t, "profile").of("int8.onnx", "b").with("latency_p50", 9, 100, 8, 10).with("session_init", 0.2, 5, 0.1, 0.3).details(report.ProfileDetails{})
	newer := doc(t, "profile").of("int8.onnx", "b").at(time.Hour).with("session_init", 0.5, 5, 0.4, 0.6).details(report.ProfileDetails{ByOp: make([]report.Share, 40), Cold: make([]report.ColdStart, 50)})
	d, x := decided(t, Options{}, in("fp32=l1.json", load(t, 500, 100, 90, 110).of("model.onnx", "a")), in("int8=l2.json", load(t, 500, 50, 45, 55).of("int8.onnx", "b")),
		in("q.json", int8Of(t)), in("new.json", newer), in("old.json", slow))
	for _, c := range []struct {
		config, metric string
		want           float64
	}{
		{"fp32", "accuracy_top1", 0.96}, {"fp32", "model_bytes", 1000}, {"fp32", "latency_p50", 0.05}, {"fp32", "accuracy_drop", 0},
		{"int8", "accuracy_top1", 0.955}, {"int8", "model_bytes", 300}, {"int8", "latency_p50", 0.025}, {"int8", "accuracy_drop", 0.005}, {"int8", "session_init", 0.5},
	} {
		if m := metricOf(configOf(t, x, c.config), c.metric); m == nil || *m.Value != c.want {
			t.Errorf("%s of %s is %+v, want %v", c.metric, c.config, m, c.want)
		}
	}
	int8 := configOf(t, x, "int8")
	for _, name := range []string{"elapsed", "peak_rss"} { // of the work of quantizing
		if m := metricOf(int8, name); m != nil {
			t.Errorf("%s is %v", name, *m.Value)
		}
	}
	if len(int8.Shares) != keptShares || len(int8.Cold) != keptStarts {
		t.Errorf("%d shares, %d cold starts", len(int8.Shares), len(int8.Cold))
	}
	if want := "int8: session_init is 200 ms in old.json and 500 ms in new.json: the newer one counts"; !slices.Contains(d.Warnings, want) {
		t.Errorf("warnings %q", d.Warnings)
	}
	if d.Metric("accuracy_top1", map[string]string{"config": "int8"}) == nil {
		t.Error("the document has no metric of int8")
	}
	var accuracy *report.CompareMetric
	for i, m := range int8.Relative {
		if m.Name == "accuracy_top1" {
			accuracy = &int8.Relative[i]
		}
	}
	if accuracy == nil || math.Abs(*accuracy.Change+0.005) > 1e-12 || math.Abs(*accuracy.ChangeLo+0.011) > 1e-12 || accuracy.Significant {
		t.Errorf("change of accuracy %+v", accuracy)
	}
	if len(x.Steps) != 1 || x.Steps[0].From != "fp32" || x.Steps[0].To != "int8" {
		t.Errorf("steps %+v", x.Steps)
	}
}

// TestNewcombe: two predictions, no quantization: the difference of two accuracies that were counted apart.
func TestNewcombe(t *testing.T) {
	_, x := decided(t, Options{AccuracyTarget: 0.99, SLO: gates(t, "p99<1s")}, in("a=la.json", load(t, 500, 100, 90, 110).of("a.onnx", "a")), in("b=lb.json", load(t, 500, 50, 45, 55).of("b.onnx", "b")),
		in("pa.json", predicted(t, 960, 1000, "a.onnx", "a")), in("pb.json", predicted(t, 900, 1000, "b.onnx", "b")))
	drop := metricOf(configOf(t, x, "b"), "accuracy_drop")
	if h := 0.02 * math.Sqrt2; drop == nil || drop.Method != "Newcombe" || math.Abs(*drop.Lo-(0.06-h)) > 1e-9 || math.Abs(*drop.Hi-(0.06+h)) > 1e-9 {
		t.Fatalf("drop %+v", drop)
	}
	if x.Chosen != "a" || !slices.Contains(x.SLO, "accuracy_drop<=0.96pt") { // 1 % of 96 %
		t.Errorf("chosen %q by %q", x.Chosen, x.SLO)
	}
	if r := configOf(t, x, "b").SLO[1]; r.Verdict != report.Fail || !strings.Contains(r.Reason, "to keep 99 % of a's 96.0 %") {
		t.Errorf("objective %+v", r)
	}
}

// TestRefuses: what cannot be decided about is one clear line with a hint.
func TestRefuses(t *testing.T) {
	shard := load(t, 500, 1, 1, 1).details(report.LoadDetails{Schedule: report.LoadSchedule{Shard: "0/4"}})
	for _, c := range []struct {
		name string
		o    Options
		in   []Input
		want string
	}{
		{"a kind that tells nothing", Options{}, []Input{in("v.json", doc(t, "version"))}, `"v.json" is of kind "version"`},
		{"a shard", Options{}, []Input{in("s.json", shard)}, "shard 0/4"},
		{"damaged details", Options{}, []Input{in("s.json", made{t, &report.Document{Kind: "loadtest", Details: []byte(`{"points": 3}`)}})}, `details of "s.json"`},
		{"two models under one name", Options{}, []Input{in("x=a.json", load(t, 1, 1, 1, 1).of("a.onnx", "a")), in("x=b.json", predicted(t, 9, 10, "b.onnx", "b"))}, `"x" has documents of different models`},
		{"a price of nothing", Options{Prices: prices(t, "int9=1/h")}, []Input{in("int8=a.json", load(t, 1, 1, 1, 1))}, `price: there is no configuration "int9"`},
		{"two currencies", Options{Prices: prices(t, "$1/h", "int8=1EUR/h")}, []Input{in("int8=a.json", load(t, 1, 1, 1, 1))}, "cannot be compared"},
		{"two prices", Options{Prices: prices(t, "$1/h", "$2/h")}, []Input{in("int8=a.json", load(t, 1, 1, 1, 1))}, "two prices for all configurations"},
		{"an outcome of nothing", Options{Outcomes: []report.Outcome{{Variant: "fp33", Metric: "m", N: 1}}}, []Input{in("fp32=a.json", load(t, 1, 1, 1, 1))}, `outcomes: there is no configuration "fp33"`},
		{"a share of no accuracy", Options{AccuracyTarget: 0.99}, []Input{in("fp32=a.json", load(t, 1, 1, 1, 1))}, `accuracy of "fp32"`},
		{"nothing", Options{}, nil, "none of the documents"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Decide(c.in, c.o)
			if err == nil || fault.ExitCode(err) != 2 || !strings.Contains(err.Error(), c.want) || fault.HintOf(err) == "" {
				t.Errorf("got %v, hint %q", err, fault.HintOf(err))
			}
		})
	}
}

// all is a decision with one of everything.
func all(t *testing.T) []Input {
	return []Input{
		in("fp32=fp32.json", search(t, 200, 300).of("models/model.onnx", "a")), in("int8=int8.json", search(t, 200, 690).of("models/int8.onnx", "b")),
		in("batched=sweep.json", sweep(t, []float64{300, 600, 1200}, []float64{40, 60, 400}).of("models/int8.onnx", "b").on("ba9876543210")),
		in("one=one.json", load(t, 500, 150, 140, 170).of("models/model.onnx", "a").invalid("late by 9 ms")), in("q.json", int8Of(t)),
		in("p.json", doc(t, "profile").of("models/int8.onnx", "b").with("session_init", 0.2, 5, 0.1, 0.3).details(report.ProfileDetails{ByOp: []report.Share{{Name: "Conv", Share: 0.7, Seconds: 0.01}}})),
	}
}

// TestRejudge: a decision that is judged anew by other options says the same as one made of the documents.
func TestRejudge(t *testing.T) {
	options := []Options{
		{},
		{SLO: gates(t, "p99<200ms")},
		{SLO: gates(t, "p99<50ms"), Prices: prices(t, "$0.40/h"), Demand: 900, Use: 0.7},
		{SLO: gates(t, "p99<50ms", "accuracy_drop<=0.1pt"), Prices: prices(t, "$0.40/h", "batched=$2/h")},
		{SLO: gates(t, "p99<1s"), AccuracyTarget: 0.99},
		{SLO: gates(t, "throughput>=500/s", "error_rate<1%")},
	}
	for i, first := range options {
		for j, second := range options {
			if len(second.SLO) == 0 || len(first.Prices) > 0 && len(second.Prices) == 0 {
				continue // what is left out stays as it was
			}
			t.Run(fmt.Sprintf("%d then %d", i, j), func(t *testing.T) {
				first.Now, second.Now = born, born
				d, err := Decide(all(t), first)
				if err != nil {
					t.Fatal(err)
				}
				if second.Demand == 0 {
					second.Demand = first.Demand
				}
				if second.Use == 0 {
					second.Use = first.Use
				}
				got, err := Rejudge(d, second)
				if err != nil {
					t.Fatal(err)
				}
				want, err := Decide(all(t), second)
				if err != nil {
					t.Fatal(err)
				}
				x, _ := Details(got)
				y, _ := Details(want)
				if !reflect.DeepEqual(sorted(x), sorted(y)) || got.Verdict != want.Verdict || !reflect.DeepEqual(got.Gates, want.Gates) || !reflect.DeepEqual(got.Warnings, want.Warnings) {
					a, _ := json.MarshalIndent(sorted(x), "", " ")
					b, _ := json.MarshalIndent(sorted(y), "", " ")
					t.Errorf("%s %q\n%s %q\n%s", got.Verdict, got.Warnings, want.Verdict, want.Warnings, firstDifference(a, b))
				}
			})
		}
	}
}

// sorted orders the metrics, which are a set.
func sorted(x *report.DecisionDetails) *report.DecisionDetails {
	for i := range x.Configs {
		slices.SortFunc(x.Configs[i].Metrics, func(a, b report.Metric) int {
			return strings.Compare(a.Name+report.LabelText(a.Labels), b.Name+report.LabelText(b.Labels))
		})
	}
	return x
}

func firstDifference(a, b []byte) string {
	x, y := strings.Split(string(a), "\n"), strings.Split(string(b), "\n")
	for i := range min(len(x), len(y)) {
		if x[i] != y[i] {
			return strings.Join(x[max(0, i-12):i+1], "\n") + "\n--- want\n" + y[i]
		}
	}
	return "one is longer"
}

// TestGolden pins the document of a decision with one of everything.
func TestGolden(t *testing.T) {
	outcomes, err := ParseOutcomes(strings.NewReader("variant,metric,value,n,sd\nfp32,clicks,0.031,20000,\nint8,clicks,0.030,20000,\nfp32,basket,41.2,800,12\nint8,basket,40.1,810,13\nint8,rank,7,3,\n"))
	if err != nil {
		t.Fatal(err)
	}
	d, _ := decided(t, Options{SLO: gates(t, "p99<200ms", "accuracy_drop<=2pt"), Prices: prices(t, "$0.40/h", "batched=$1.10/h"), Demand: 900, Use: 0.7, Outcomes: outcomes}, all(t)...)
	d.Created = born
	var b bytes.Buffer
	if err := report.Write(&b, d); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join("testdata", "decision.json")
	if *update {
		if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(want, b.Bytes()) {
		t.Errorf("%s differs (rewrite with -update after looking): %s", path, firstDifference(b.Bytes(), want))
	}
}

// TestSmall: the copy of a decision over six load tests that a page carries stays below 150 kB.
func TestSmall(t *testing.T) {
	rates := make([]float64, 20)
	p99 := make([]float64, 20)
	for i := range rates {
		rates[i], p99[i] = float64(100*(i+1)), float64(10+i)
	}
	var list []Input
	for i := range 6 {
		m := sweep(t, rates, p99)
		if i%2 == 0 {
			m = search(t, 200, 500)
		}
		list = append(list, in(fmt.Sprintf("config-%d=load.json", i), m.of("m.onnx", "a")))
	}
	list = append(list, in("p.json", doc(t, "profile").of("m.onnx", "a").with("session_init", 0.2, 5).details(report.ProfileDetails{ByOp: make([]report.Share, 40), Cold: make([]report.ColdStart, 50)})))
	d, _ := decided(t, Options{SLO: gates(t, "p99<200ms")}, list...)
	b, err := report.EmbedHTML(d)
	if err != nil {
		t.Fatal(err)
	}
	if len(b) > 150_000 {
		t.Errorf("%d bytes", len(b))
	}
	t.Log(len(b), "bytes")
}

// FuzzDecide: whatever the details of documents hold, the decision is a valid document or a clear error.
func FuzzDecide(f *testing.F) {
	f.Add([]byte(`{"points":[{"offered_rate":100,"p99":0.1,"throughput":100,"valid":true}],"search":{"max_rps":100}}`), 0.1, 0.09, 0.11)
	f.Add([]byte(`{"schedule":{"concurrency":8},"slo":[{"expr":"p99<20ms","verdict":"pass"}]}`), 1e-9, 0.0, 1e300)
	f.Add([]byte(`{"points":[{"batch":8,"concurrency":-1},{"offered_rate":1e300,"p99":-1,"p99_lo":2,"p99_hi":1}]}`), 0.0, 0.0, 0.0)
	f.Add([]byte(`{"points":[{"offered_rate":1e-300,"p99":0.01,"throughput":1e-300,"p99_lo":2,"p99_hi":1},{"offered_rate":1,"p99":3}]}`), 0.1, 0.1, 0.1)
	f.Add([]byte(`{"schedule":{"stages":[{"from":1,"to":1}]}}`), 1e-308, 1e-308, 1e-308)
	f.Fuzz(func(t *testing.T, details []byte, v, lo, hi float64) {
		if !json.Valid(details) {
			return
		}
		m := doc(t, "loadtest").with("latency_p99", v, 400, lo, hi).with("max_rps", v, 400, lo, hi).with("throughput", v, 400)
		m.Details = details
		if m.Validate() != nil {
			return
		}
		other := load(t, 500, 100, 90, 110)
		d, err := Decide([]Input{in("a=x.json", m), in("b=y.json", other)}, Options{SLO: gates(t, "p99<200ms"), Prices: prices(t, "1/h"), Demand: 100, Now: born})
		if err != nil {
			if fault.ExitCode(err) != 2 {
				t.Fatal(err)
			}
			return
		}
		if err := d.Validate(); err != nil {
			t.Fatal(err)
		}
		if _, err := Rejudge(d, Options{SLO: gates(t, "p99<20ms"), Now: born}); err != nil && fault.ExitCode(err) != 2 {
			t.Fatal(err)
		}
	})
}

// TestSearchOfSeveral: a trial that failed is told of the objective that decided it, and not of the others.
func TestSearchOfSeveral(t *testing.T) {
	for _, c := range []struct {
		decider, slo string
		throughput   float64 // within the objective
	}{
		{"p99<20ms", "p99<20ms", 100},
		{"p99<20ms", "error_rate<1%", 110},
		{"", "error_rate<1%", 110}, // of an older infer
	} {
		m := search(t, 20, 100)
		var x report.LoadDetails
		if err := json.Unmarshal(m.Details, &x); err != nil {
			t.Fatal(err)
		}
		x.SLO = append(x.SLO, report.LoadSLO{Expr: "error_rate<1%", Verdict: report.Pass})
		x.Search.Steps[1].Objective = c.decider
		m = m.details(x)
		for _, p := range x.Points {
			m = m.with("error_rate", 0, 5000, 0, 0.001)
			m.Metrics[len(m.Metrics)-1].Labels = p.Labels()
		}
		d, err := Decide([]Input{in("a=a.json", m)}, Options{SLO: gates(t, c.slo)})
		if err != nil {
			t.Fatal(err)
		}
		var got report.DecisionDetails
		if err := json.Unmarshal(d.Details, &got); err != nil {
			t.Fatal(err)
		}
		if at := got.Configs[0].AtSLO; d.Verdict != report.OK || at == nil || math.Abs(at.Value-c.throughput) > 1e-9 {
			t.Errorf("a trial that %q decided, by %s: %s, %+v", c.decider, c.slo, d.Verdict, at)
		}
	}
}
