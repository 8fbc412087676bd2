package report

import (
	"fmt"
	"maps"
	"math"
	"strings"
	"testing"

	"infer/internal/fault"
)

func TestParseGate(t *testing.T) {
	for _, c := range []struct {
		expr string
		want Gate
	}{
		{"latency_p99<20ms", Gate{Metric: "latency_p99", Op: "<", Limit: 0.02}},
		{" latency_p99 <= 20 ms ", Gate{Metric: "latency_p99", Op: "<=", Limit: 0.02}},
		{"latency_p50<1ns", Gate{Metric: "latency_p50", Op: "<", Limit: 1e-9}},
		{"latency_p50<10s", Gate{Metric: "latency_p50", Op: "<", Limit: 10}},
		{"latency_p50<1µs", Gate{Metric: "latency_p50", Op: "<", Limit: 1e-6}}, // U+00B5
		{"latency_p50<1μs", Gate{Metric: "latency_p50", Op: "<", Limit: 1e-6}}, // U+03BC
		{"latency_p50<1us", Gate{Metric: "latency_p50", Op: "<", Limit: 1e-6}},
		{"elapsed<5min", Gate{Metric: "elapsed", Op: "<", Limit: 300}},
		{"peak_rss<1.5GB", Gate{Metric: "peak_rss", Op: "<", Limit: 1.5e9}},
		{"peak_rss<512MiB", Gate{Metric: "peak_rss", Op: "<", Limit: 512 * 1024 * 1024}},
		{"throughput>=300/s", Gate{Metric: "throughput", Op: ">=", Limit: 300}},
		{"throughput>300", Gate{Metric: "throughput", Op: ">", Limit: 300}},
		{"error_rate<=1%", Gate{Metric: "error_rate", Op: "<=", Limit: 0.01}},
		{"error_rate<=0.02", Gate{Metric: "error_rate", Op: "<=", Limit: 0.02}},
		{"accuracy_drop<=0.5pt", Gate{Metric: "accuracy_drop", Op: "<=", Limit: 0.005}},
		{"macs<4.1G", Gate{Metric: "macs", Op: "<", Limit: 4.1e9}},
		{"dropped<=0", Gate{Metric: "dropped", Op: "<=", Limit: 0}},
		{"speedup>=1.2x", Gate{Metric: "speedup", Op: ">=", Limit: 1.2}},
		{"size_ratio<30%", Gate{Metric: "size_ratio", Op: "<", Limit: 0.3}},
		{"sqnr_db>20dB", Gate{Metric: "sqnr_db", Op: ">", Limit: 20}},
		{"max_abs_diff<1e-3", Gate{Metric: "max_abs_diff", Op: "<", Limit: 1e-3}},
		{"latency_p99{batch=8}<20ms", Gate{Metric: "latency_p99", Labels: map[string]string{"batch": "8"}, Op: "<", Limit: 0.02}},
		{"latency_p99 { batch=8, threads=2 } < 20ms", Gate{Metric: "latency_p99", Labels: map[string]string{"batch": "8", "threads": "2"}, Op: "<", Limit: 0.02}},
		{"latency_p99<=+5%", Gate{Metric: "latency_p99", Op: "<=", Limit: 0.05, Relative: true, Percent: true}},
		{"throughput>=-3%", Gate{Metric: "throughput", Op: ">=", Limit: -0.03, Relative: true, Percent: true}},
		{"accuracy_top1>=-0.5pt", Gate{Metric: "accuracy_top1", Op: ">=", Limit: -0.005, Relative: true}},
		{"latency_p50<=+2ms", Gate{Metric: "latency_p50", Op: "<=", Limit: 0.002, Relative: true}},
	} {
		g, err := ParseGate(c.expr)
		if err != nil {
			t.Errorf("%q: %v", c.expr, err)
			continue
		}
		if g.Metric != c.want.Metric || g.Op != c.want.Op || !maps.Equal(g.Labels, c.want.Labels) || g.Relative != c.want.Relative ||
			g.Percent != c.want.Percent || g.Limit != c.want.Limit || g.Expr != strings.TrimSpace(c.expr) {
			t.Errorf("%q: %+v, want %+v", c.expr, g, c.want)
		}
	}
}

func TestParseGateRefuses(t *testing.T) {
	for _, c := range []struct{ expr, want, hint string }{
		{"", "is not METRIC OP VALUE", "latency_p99<20ms"},
		{"latency_p99", "is not METRIC OP VALUE", ""},
		{"latency_p99<", "is not METRIC OP VALUE", ""},
		{"<20ms", "is not METRIC OP VALUE", ""},
		{"latency_p99<<20ms", "is not METRIC OP VALUE", ""},
		{"latency_p99=20ms", "is not METRIC OP VALUE", ""},
		{"latency_p99==20ms", "is not METRIC OP VALUE", ""},
		{"latency_p99<NaN", "is no number", ""},
		{"latency_p99<nanms", "is no number", ""},
		{"latency_p99<Infs", "is no number", ""},
		{"latency_p99<1e400s", "out of range", ""},
		{"peak_rss<1e300TB", "out of range", ""},
		{"latency_p99<20", "has no unit", "ms"},
		{"latency_p99<20MB", `"MB" is no unit of latency_p99`, "µs"},
		{"latency_p99<20 m s", "is no number", ""},
		{"latency_p99<5%", "needs a base", "<+5%"},
		{"peak_rss<20ms", `"ms" is no unit of peak_rss`, "GiB"},
		{"macs<20ms", `"ms" is no unit of macs`, "(none)"},
		{"latency_p99<=+0.5pt", `"pt" is no unit`, ""},
		{"error_rate<2", "a ratio from 0 to 1", "0.76"},
		{"throughput>=-150%", "more than everything", ""},
		{"throughput>=+-5%", "is no number", ""},
		{"latency_p98<20ms", `no metric "latency_p98"`, "did you mean latency_p9"},
		{"latncy_p50<20ms", `no metric "latncy_p50"`, "did you mean latency_p50?"},
		{"p99<20ms", `no metric "p99"`, "did you mean latency_p99?"},
		{"tps>1", `no metric "tps"`, "use one of latency_mean"},
		{"latency_p99{batch}<20ms", "not name=value", "{batch=8}"},
		{"latency_p99{batch=8,batch=9}<20ms", "there twice", ""},
		{"latency_p99{batch=8<20ms", "is not METRIC OP VALUE", ""},
	} {
		g, err := ParseGate(c.expr)
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(fault.HintOf(err), c.hint) || fault.KindOf(err) != fault.Usage {
			t.Errorf("%q: gate %+v, error %v, hint %q; want %q and %q", c.expr, g, err, fault.HintOf(err), c.want, c.hint)
		}
	}
}

// What is wrong is pointed at: by the number of its character, from 1.
func TestParseGatePoints(t *testing.T) {
	for expr, want := range map[string]int{
		"": 1, "<20ms": 1, "latency_p99": 12, "latency_p99<": 13, "latency_p99=20ms": 12, "latency_p99<<20ms": 13, "  latency_p99 ~ 5": 15,
		"latency_p99{batch=8<20ms": 12, "latency_p99{batch=8}": 21, "latency_p50 <=+ 5 %%": 19, "latency_p99<20MB": 15, "latency_p99<x": 13, "latency_p99<=+5 µ": 17,
	} {
		_, err := ParseGate(expr)
		if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("at character %d", want)) {
			t.Errorf("%q: %v, want character %d", expr, err, want)
		}
	}
}

func TestParseSLO(t *testing.T) {
	for expr, metric := range map[string]string{"p99<20ms": "latency_p99", "mean <= 1ms": "latency_mean", "max<1s": "latency_max",
		"p50{batch=8}<1s": "latency_p50", "max_rps>=10": "max_rps", "accuracy_top1>=76%": "accuracy_top1", "peak_rss<1GB": "peak_rss"} {
		g, err := ParseSLO(expr)
		if err != nil || g.Metric != metric || g.Expr != expr {
			t.Errorf("%q: %+v, %v", expr, g, err)
		}
	}
	for _, expr := range []string{"p99<=+5%", "p98<1ms", "p99", "p99<<1ms", "20ms"} {
		if _, err := ParseSLO(expr); fault.KindOf(err) != fault.Usage || err == nil {
			t.Errorf("%q: error %v", expr, err)
		}
	}
}

func TestParseGates(t *testing.T) {
	for _, c := range []struct{ kind, expr, want string }{
		{"profile", "latency_p50<1s", ""},
		{"profile", "latency_p50<=+5%", "change against a base"},
		{"profile", "accuracy_top1>=76%", "infer profile does not measure accuracy_top1"},
		{"profile", "max_rps>1", "does not measure max_rps"},
		{"inspect", "macs<1G", ""},
		{"loadtest", "goodput>1", ""},
		{"compare", "latency_p50<=+5%", ""},
		{"compare", "accuracy_top1>=-0.5pt", ""},
	} {
		gates, err := ParseGates(c.kind, []string{c.expr})
		if c.want == "" && (err != nil || len(gates) != 1) || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want) || fault.KindOf(err) != fault.Usage) {
			t.Errorf("%s %q: %v, error %v", c.kind, c.expr, gates, err)
		}
	}
	_, err := ParseGates("profile", []string{"a<1", "latency_p50<1s", "b<1"})
	if err == nil || !strings.Contains(err.Error(), `"a"`) || !strings.Contains(err.Error(), `"b"`) || fault.KindOf(err) != fault.Usage || fault.HintOf(err) == "" {
		t.Errorf("two faults give %v", err)
	}
	if g, err := ParseGates("profile", nil); err != nil || len(g) != 0 {
		t.Errorf("no gates: %v, %v", g, err)
	}
}

func TestEval(t *testing.T) {
	d := New("profile")
	labelled := func(m Metric, batch string) Metric {
		m.Labels = map[string]string{"batch": batch}
		return m
	}
	p99 := NewMetric("latency_p99")
	p99.N = 100
	exact := Exact("macs", 100)
	d.Add(measured("latency_p50", 0.010, 0.009, 0.012, 50), p99, exact,
		labelled(measured("throughput", 10, 9, 11, 5), "1"), labelled(measured("throughput", 40, 36, 44, 5), "8"),
		labelled(measured("latency_p50", 1, 1, 1, 5), "8"))
	for _, c := range []struct{ expr, verdict, reason string }{
		{"latency_p50<1ns", Fail, "latency_p50 is 10.0 ms [9.00, 12.0] (n=50), limit < 1 ns"},
		{"latency_p50<10s", Pass, "limit < 10 s"},
		{"latency_p50<11ms", GateInconclusive, "lies inside the interval"},
		{"latency_p50<12ms", GateInconclusive, "inside the interval"}, // hi = limit does not keep <
		{"latency_p50<=12ms", Pass, ""},
		{"latency_p50>9ms", GateInconclusive, ""},
		{"latency_p50>=9ms", Pass, ""},
		{"latency_p50>=13ms", Fail, ""},
		{"latency_p50<9ms", Fail, ""},
		{"latency_p99<1s", GateInconclusive, "needs 368 runs, has 100"},
		{"session_init<1s", GateInconclusive, "session_init was not measured"},
		{"macs<=100", Pass, "macs is 100 (n=1)"},
		{"macs<100", Fail, ""},
		{"throughput>=8", Pass, ""},
		{"throughput>=20", Fail, "throughput{batch=1}"}, // the worst of the sweep
		{"throughput>=10", GateInconclusive, "throughput{batch=1}"},
		{"throughput{batch=8}>=20", Pass, "throughput{batch=8}"},
		{"throughput{batch=3}>=20", GateInconclusive, "not measured"},
		{"latency_p50<0.5s", Pass, ""}, // the metric without labels, not that of batch 8
		{"latency_p50{batch=8}<0.5s", Fail, ""},
		{"latency_p50<=+5%", GateInconclusive, "a base"},
	} {
		g, err := ParseGate(c.expr)
		if err != nil {
			t.Fatal(err)
		}
		if r := g.Eval(d); r.Verdict != c.verdict || !strings.Contains(r.Reason, c.reason) || r.Reason == "" || r.Expr != c.expr {
			t.Errorf("%s: %+v, want %s with %q", c.expr, r, c.verdict, c.reason)
		}
	}
}

func TestJudge(t *testing.T) {
	gate := map[string]string{Pass: "latency_p50<1s", Fail: "latency_p50<1ms", GateInconclusive: "latency_p50<10ms"}
	for _, c := range []struct {
		name, kind   string
		before       Verdict
		valid        bool
		gates        []string
		want         Verdict
		code, strict int
	}{
		{"nothing asked", "profile", OK, true, nil, OK, 0, 0},
		{"all pass", "profile", OK, true, []string{Pass, Pass}, OK, 0, 0},
		{"one fails", "profile", OK, true, []string{Pass, GateInconclusive, Fail}, FailedGate, 3, 3},
		{"one inconclusive", "profile", OK, true, []string{Pass, GateInconclusive}, Inconclusive, 0, 4},
		{"noisy profile", "profile", OK, false, []string{Pass}, Invalid, 0, 4},
		{"noisy profile that says so", "profile", Invalid, false, nil, Invalid, 0, 4},
		{"noisy profile, inconclusive", "profile", OK, false, []string{GateInconclusive}, Invalid, 0, 4},
		{"noisy profile, missed", "profile", OK, false, []string{Fail}, FailedGate, 3, 4},
		{"noisy profile that says so, missed", "profile", Invalid, false, []string{Fail}, FailedGate, 3, 4},
		{"invalid load test", "loadtest", Invalid, false, []string{Fail}, Invalid, 4, 4},
		{"load test with a bad check", "loadtest", OK, false, nil, Invalid, 4, 4},
		{"interrupted", "profile", Interrupted, true, []string{Fail}, Interrupted, 130, 130},
		{"interrupted and noisy", "profile", Interrupted, false, nil, Interrupted, 130, 130},
		{"not comparable", "compare", NotComparable, true, []string{Fail}, NotComparable, 4, 4},
		{"regressed", "compare", Regressed, true, []string{Pass}, Regressed, 3, 3},
		{"inconclusive by the verb", "compare", Inconclusive, true, []string{Pass}, Inconclusive, 0, 4},
	} {
		d := New(c.kind)
		d.Verdict = c.before
		d.AddCheck("noise", c.valid, "x")
		d.Add(measured("latency_p50", 0.010, 0.009, 0.012, 50))
		var exprs []string
		for i, g := range c.gates {
			exprs = append(exprs, gate[g]+strings.Repeat(" ", i))
		}
		gates, err := ParseGates(c.kind, exprs)
		if err != nil {
			t.Fatal(err)
		}
		d.Judge(gates)
		if d.Verdict != c.want || ExitCode(d, false) != c.code || ExitCode(d, true) != c.strict || len(d.Gates) != len(gates) {
			t.Errorf("%s: verdict %s, exit %d and %d, %d gates; want %s, %d and %d", c.name, d.Verdict, ExitCode(d, false), ExitCode(d, true), len(d.Gates), c.want, c.code, c.strict)
		}
	}
}

// The figures of the contract: 368 for p99, 72 for p95, 36 for p90, 6 for p50.
func TestSamplesNeeded(t *testing.T) {
	for name, want := range map[string]int{"latency_p99": 368, "latency_p95": 72, "latency_p90": 36, "latency_p50": 6, "latency_p50_base": 6,
		"send_lag_p99": 368, "latency_mean": 0, "peak_rss": 0, "params": 0, "": 0, "latency_p": 0, "latency_pxx": 0} {
		if got := SamplesNeeded(name); got != want {
			t.Errorf("%s needs %d, want %d", name, got, want)
		}
	}
}

func TestText(t *testing.T) {
	for _, c := range []struct {
		m               Metric
		value, interval string
	}{
		{measured("latency_p50", 123.4e-6, 121.9e-6, 124.2e-6, 9), "123 µs", "[122, 124]"},
		{measured("latency_p50", 0.0100012, 0.0100011, 0.0100013, 9), "10.0012 ms", "[10.0011, 10.0013]"},
		{measured("latency_p50", 0.0123, 0.0119, 1.31, 9), "12.3 ms", "[11.9, 1310]"},
		{Exact("latency_max", 0), "0 s", ""},
		{measured("latency_p50", 0, -0.000334, 0.000334, 9), "0 µs", "[-334, 334]"},
		{Exact("latency_max", 90), "90 s", ""},
		{Exact("latency_max", 0.5e-9), "0.500 ns", ""},
		{Exact("peak_rss", 1_500_000_000), "1.50 GB", ""},
		{Exact("peak_rss", 999), "999 B", ""},
		{Exact("macs", 4_089_184_256), "4.09 G", ""},
		{Exact("nodes", 1234), "1234", ""},
		{Exact("params", 25_557_032), "25.6 M", ""},
		{Exact("throughput", 8103.7), "8104 /s", ""},
		{Exact("throughput", 812_345), "812 k/s", ""},
		{Exact("accuracy_top1", 0.7613), "76.1 %", ""},
		{Exact("speedup", 1.834), "1.83×", ""},
		{Exact("sqnr_db", 23.456), "23.5 dB", ""},
		{Exact("cosine", 0.99987), "1.000", ""},
		{Exact("max_abs_diff", 1.2e-7), "1.20e-07", ""},
		{Exact("accuracy_drop", -0.0012), "-0.120 %", ""},
		{Metric{Name: "latency_p99", Unit: "s", N: 100}, "—", "needs 368 runs, has 100"},
		{Metric{Name: "peak_rss", Unit: "B"}, "—", "not measured"},
		{Exact("macs", math.NaN()), "—", ""},
	} {
		if v, i := c.m.Text(); v != c.value || i != c.interval {
			t.Errorf("%s: %q %q, want %q %q", c.m.Name, v, i, c.value, c.interval)
		}
	}
}

func TestKnown(t *testing.T) {
	seen := map[string]bool{}
	for _, k := range Known() {
		if seen[k.Name] {
			t.Errorf("%s is there twice", k.Name)
		}
		seen[k.Name] = true
		m := NewMetric(k.Name)
		if m.Unit != k.Unit() || m.Better != k.Better || m.Value != nil || m.QuantityOf() != k.Quantity {
			t.Errorf("%s: %+v", k.Name, m)
		}
		if unitsOf(k.Quantity) == nil || !k.In("compare") {
			t.Errorf("%s: no gate can name it", k.Name)
		}
	}
	// The names that the contract gives each kind.
	for kind, names := range map[string]string{
		"profile":  "latency_mean latency_p50 latency_p90 latency_p95 latency_p99 latency_max throughput session_init first_run library_load peak_rss model_bytes macs params activation_bytes nodes",
		"inspect":  "macs params activation_bytes nodes model_bytes",
		"quantize": "model_bytes size_ratio latency_p50 latency_p50_base speedup accuracy_top1 accuracy_top1_base accuracy_drop agreement_top1 sqnr_db max_abs_diff cosine peak_rss elapsed",
		"loadtest": "latency_p50 latency_p99 service_p50 service_p99 offered_rate sent_rate throughput goodput error_rate dropped send_lag_p99 max_rps server_queue_mean server_compute_mean batch_size_mean",
		"predict":  "throughput accuracy_top1",
	} {
		for name := range strings.FieldsSeq(names) {
			if k, ok := KnownByName(name); !ok || !k.In(kind) {
				t.Errorf("%s lacks %s", kind, name)
			}
		}
	}
}

func FuzzParseGate(f *testing.F) {
	for _, s := range []string{"latency_p99<20ms", "latency_p99{batch=8}<=+5%", "accuracy_top1>=-0.5pt", "macs<1e308T", "p99<.5s", "error_rate<0x1p-2", "{}<%"} {
		f.Add(s)
	}
	d := New("profile")
	d.Add(measured("latency_p99", 1, 1, 2, 3), Exact("macs", 1))
	f.Fuzz(func(t *testing.T, s string) {
		for _, parse := range []func(string) (Gate, error){ParseGate, ParseSLO} {
			g, err := parse(s)
			if err != nil {
				if fault.KindOf(err) != fault.Usage {
					t.Fatalf("%q: kind %v", s, fault.KindOf(err))
				}
				continue
			}
			if math.IsNaN(g.Limit) || math.IsInf(g.Limit, 0) || g.Limit < 0 && !g.Relative {
				t.Fatalf("%q gives the limit %v", s, g.Limit)
			}
			r := g.Eval(d)
			if r.Reason == "" || fmt.Sprint(r.Verdict) == "" {
				t.Fatalf("%q: %+v", s, r)
			}
		}
	})
}
