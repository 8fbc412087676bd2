package decide

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"infer/report"
)

// made is a document under construction.
type made struct {
	t *testing.T
	*report.Document
}

// born is when the first made document was made; at moves it.
var born = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)

func doc(t *testing.T, kind string) made {
	t.Helper()
	d := report.New(kind)
	d.Created = born
	d.Manifest.Host = map[string]any{"fingerprint": "0123456789ab", "cpu_model": "Test CPU"}
	d.Manifest.CPUs = 4
	d.Manifest.Command = []string{"infer", kind, "x y"}
	return made{t, d}
}

func (m made) with(name string, value float64, n int, interval ...float64) made {
	x := report.NewMetric(name)
	x.Value, x.N = &value, n
	if len(interval) == 2 {
		x.Lo, x.Hi, x.Confidence, x.Method = &interval[0], &interval[1], 0.95, "order-statistic"
	}
	m.Add(x)
	return m
}

func (m made) details(v any) made {
	m.t.Helper()
	if err := m.SetDetails(v); err != nil {
		m.t.Fatal(err)
	}
	return m
}

// of makes m a document about a model whose hash begins with a letter repeated.
func (m made) of(path, letter string) made {
	m.Manifest.Model = &report.ModelRef{Path: path, SHA256: hash(letter), Bytes: 1000}
	return m
}

func hash(letter string) string { return strings.Repeat(letter, 64) }

func (m made) at(d time.Duration) made { m.Created = born.Add(d); return m }

func (m made) on(machine string) made {
	m.Manifest.Host = map[string]any{"fingerprint": machine, "cpu_model": "CPU " + machine}
	return m
}

func (m made) invalid(why string) made { m.AddCheck("send_lag", false, "%s", why); return m }

// load is a load test of one rate against a server, with a p99 and its interval in milliseconds.
func load(t *testing.T, rate, p99, lo, hi float64) made {
	return doc(t, "loadtest").with("latency_p50", p99/2000, 3000, lo/2000, hi/2000).with("latency_p99", p99/1000, 3000, lo/1000, hi/1000).
		with("throughput", rate, 3000, 0.99*rate, 1.01*rate).with("error_rate", 0, 3000, 0, 0.0012).
		details(report.LoadDetails{Target: report.LoadTarget{URL: "http://localhost:8000", Protocol: "oip-http", Model: "m", Rows: 1},
			Schedule: report.LoadSchedule{Loop: "open", Stages: []report.LoadStage{{From: rate, To: rate, For: 6}}}})
}

// search is a search for the highest rate within p99<LIMIT, in milliseconds; it broke at 1.1 times the rate.
func search(t *testing.T, limit, found float64) made {
	p99 := func(ms float64) *float64 { v := ms / 1000; return &v }
	slo := fmt.Sprintf("p99<%.0fms", limit)
	point := func(rate, ms float64) report.LoadPoint {
		return report.LoadPoint{Rate: rate, Throughput: rate, P50: p99(ms / 3), P99: p99(ms), P99Lo: p99(0.95 * ms), P99Hi: p99(1.05 * ms), N: 5000, Valid: true}
	}
	x := report.LoadDetails{Target: report.LoadTarget{URL: "http://localhost:8000", Protocol: "oip-http", Rows: 1},
		Schedule: report.LoadSchedule{Loop: "open", Stages: []report.LoadStage{{From: found, To: found, For: 10}}},
		SLO:      []report.LoadSLO{{Expr: slo, Verdict: report.Pass, Reason: "holds, confirmed"}},
		Points:   []report.LoadPoint{point(found/2, limit/4), point(1.1*found, 3*limit), point(found, 0.98*limit)},
		Search: &report.LoadSearch{Max: &found, Confirmed: true, Holds: found, Breaks: 1.1 * found, Steps: []report.LoadSearchStep{
			{Rate: found / 2, Verdict: report.Pass}, {Rate: 1.1 * found, Verdict: report.Fail}, {Rate: found, Verdict: report.Pass, Confirm: true}}},
		Figures: &report.LoadFigures{Seconds: 10},
	}
	return doc(t, "loadtest").with("max_rps", found, 9000, 0.95*found, 1.05*found).
		with("latency_p50", limit/3000, 5000, 0.3*limit/1000, 0.4*limit/1000).
		with("latency_p99", 0.98*limit/1000, 5000, 0.95*limit/1000, 1.03*limit/1000).with("throughput", found, 5000, 0.99*found, 1.01*found).details(x)
}

// sweep is a load test of several rates, whose p99 is as many milliseconds as given.
func sweep(t *testing.T, rates, p99 []float64) made {
	x := report.LoadDetails{Target: report.LoadTarget{URL: "http://localhost:8000", Rows: 1}, Schedule: report.LoadSchedule{Loop: "open"}}
	m := doc(t, "loadtest")
	for i, r := range rates {
		v := p99[i] / 1000
		p := report.LoadPoint{Rate: r, Throughput: r, P99: &v, N: 2000, Valid: true}
		x.Points = append(x.Points, p)
		m = m.with("latency_p99", v, 2000, 0.95*v, 1.05*v).with("throughput", r, 2000, 0.99*r, 1.01*r)
		for k := len(m.Metrics) - 2; k < len(m.Metrics); k++ {
			m.Metrics[k].Labels = p.Labels()
		}
	}
	return m.details(x)
}

// predicted is a prediction with an accuracy, its interval by Wilson.
func predicted(t *testing.T, hits, n int, path, letter string) made {
	v := float64(hits) / float64(n)
	h := 0.02
	return doc(t, "predict").of(path, letter).with("accuracy_top1", v, n, v-h, min(1, v+h))
}

// int8Of is a quantization of model.onnx (a) to int8.onnx (b).
func int8Of(t *testing.T) made {
	f := func(v float64) *float64 { return &v }
	lvl := func(v, lo, hi float64, n int) *report.Level95 {
		return &report.Level95{Value: v, Lo: f(lo), Hi: f(hi), N: n}
	}
	return doc(t, "quantize").of("models/model.onnx", "a").with("accuracy_top1", 0.955, 1000, 0.94, 0.966).with("accuracy_top1_base", 0.96, 1000, 0.946, 0.97).
		with("accuracy_drop", 0.005, 1000, -0.001, 0.011).with("model_bytes", 300, 1).with("size_ratio", 0.3, 1).with("elapsed", 12, 1).with("peak_rss", 1e9, 1).
		details(report.QuantizeDetails{Output: "models/int8.onnx", OutputHash: hash("b"), Reason: "fast",
			Original: report.QuantizeCandidate{Name: "original", Bytes: 1000, Accuracy: lvl(0.96, 0.946, 0.97, 1000), P50: lvl(0.01, 0.0095, 0.0105, 50)}})
}

// in names documents: "fp32=load.json" is of the configuration fp32.
func in(operand string, m made) Input {
	name, path, ok := strings.Cut(operand, "=")
	if !ok {
		name, path = "", operand
	}
	return Input{Name: name, Path: path, SHA256: hash("f"), Doc: m.Document}
}

func gates(t *testing.T, exprs ...string) []report.Gate {
	t.Helper()
	var list []report.Gate
	for _, e := range exprs {
		g, err := report.ParseSLO(e)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, g)
	}
	return list
}

func prices(t *testing.T, texts ...string) []report.DecisionPrice {
	t.Helper()
	var list []report.DecisionPrice
	for _, text := range texts {
		p, err := ParsePrice(text)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, p)
	}
	return list
}

// decided is Decide that must succeed, and give a document that keeps the contract.
func decided(t *testing.T, o Options, in ...Input) (*report.Document, *report.DecisionDetails) {
	t.Helper()
	if o.Now.IsZero() {
		o.Now = born
	}
	d, err := Decide(in, o)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Validate(); err != nil {
		t.Fatal(err)
	}
	x, err := Details(d)
	if err != nil {
		t.Fatal(err)
	}
	return d, x
}

// config is the configuration of a name.
func configOf(t *testing.T, x *report.DecisionDetails, name string) *report.DecisionConfig {
	t.Helper()
	for i := range x.Configs {
		if x.Configs[i].Name == name {
			return &x.Configs[i]
		}
	}
	t.Fatalf("there is no configuration %q", name)
	return nil
}
