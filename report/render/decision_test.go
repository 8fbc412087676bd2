package render

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"infer/report"
)

// measure is what a configuration of an example was measured to do.
type measure struct {
	name, what, model string
	bytes             int64
	p99, accuracy     [3]float64 // value and interval; 0: not measured
	rate              [3]float64 // that holds the objectives; 0: none does
	memory            float64
	curve             [][2]float64 // load and p99
	ops               []report.Share
	tail              []float64 // queue, compute, rest, generator
	init              float64
	dominated         string
	invalid           string
}

// config makes a configuration, judged by objectives.
func (m measure) config(t *testing.T, slo []string) report.DecisionConfig {
	t.Helper()
	c := report.DecisionConfig{Name: m.name, What: m.what, Machine: "9f2c41d07a3e", Host: "AMD EPYC 7B13, linux amd64, 2 CPUs usable", Valid: m.invalid == "", Why: m.invalid,
		Dominated: m.dominated, Front: m.dominated == "", Verdict: report.Pass, Shares: m.ops,
		Model:    &report.ModelRef{Path: "models/" + m.model, SHA256: strings.Repeat("0123456789abcdef", 4), Bytes: m.bytes},
		Commands: []string{"infer serve models/" + m.model + " " + m.what, "infer loadtest http://localhost:8000 --rps 500 --duration 60s --seed 1"}}
	add := func(name string, v [3]float64, n int, method string) {
		if v[0] > 0 {
			x := metric(name, v[0], v[1], v[2], n)
			x.Method = method
			c.Metrics = append(c.Metrics, x)
		}
	}
	add("latency_p99", m.p99, 29_871, "order-statistic")
	add("accuracy_top1", m.accuracy, 3080, "wilson")
	errors := metric("error_rate", 0, 0, 0.00013, 29_871)
	c.Metrics = append(c.Metrics, errors, report.Exact("model_bytes", float64(m.bytes)))
	if m.memory > 0 {
		c.Metrics = append(c.Metrics, report.Exact("peak_rss", m.memory))
	}
	c.Checks = []report.Check{{Name: "send_lag", OK: true, Detail: "p99 is 174 µs, limit 250 µs"}, {Name: "generator_cpu", OK: true, Detail: "7 % of the CPUs it may use"},
		{Name: "cpu_throttled", OK: m.invalid == "", Detail: "0 of 600 periods"}}
	if m.invalid != "" {
		c.Checks[2].Detail = m.invalid
	}
	for i := range 5 {
		x := m.init * (1 + 0.02*float64(i-2))
		c.Cold = append(c.Cold, report.ColdStart{LibraryLoad: 0.029 + 0.001*float64(i), SessionInit: x, FirstRun: x / 20, PeakRSS: m.memory})
	}
	for _, p := range m.curve {
		c.Curve = append(c.Curve, report.LoadPoint{Rate: p[0], Throughput: min(p[0], 1.02*max(m.rate[0], 160)), Goodput: p[0] * 0.98, P50: ptr(p[1] / 3), P90: ptr(p[1] / 1.6), P99: ptr(p[1]), P99Lo: ptr(p[1] * 0.95), P99Hi: ptr(p[1] * 1.07),
			N: int64(p[0] * 60), Valid: m.invalid == ""})
	}
	if len(m.tail) == 4 {
		c.Tail = &report.LoadTail{N: 299, From: m.p99[0], Queue: &m.tail[0], Compute: &m.tail[1], Rest: m.tail[2], Generator: m.tail[3]}
	}
	if m.rate[0] > 0 {
		c.AtSLO = level95(m.rate[0], m.rate[1], m.rate[2], 29_871)
	}
	judge(t, &c, slo)
	return c
}

// judge fills in what became of the objectives.
func judge(t *testing.T, c *report.DecisionConfig, slo []string) {
	t.Helper()
	d := report.New("report")
	d.Metrics = c.Metrics
	for _, expr := range slo {
		g, err := report.ParseSLO(expr)
		if err != nil {
			t.Fatal(err)
		}
		r := g.Eval(d)
		x := report.DecisionObjective{Expr: expr, Limit: g.Limit, Verdict: r.Verdict, Reason: r.Reason, Measured: metricOf(*c, g.Metric)}
		if x.Measured != nil {
			head := (g.Limit - *x.Measured.Value) / g.Limit
			if g.Op[0] == '>' {
				head = -head
			}
			x.Headroom = &head
		}
		if r.Verdict == report.Fail || r.Verdict == report.GateInconclusive && c.Verdict == report.Pass {
			c.Verdict = r.Verdict
		}
		c.SLO = append(c.SLO, x)
	}
}

// ratioOf compares head with base, with an interval of ± part.
func ratioOf(name string, base, head, part float64) report.CompareMetric {
	k, _ := report.KnownByName(name)
	m := report.CompareMetric{Name: name, Unit: k.Unit(), Better: k.Better, Base: &base, Head: &head, Pairs: 8}
	switch name {
	case "throughput_at_slo":
		m.Unit, m.Better = "1/s", "higher"
	case "cost_per_million":
		m.Unit, m.Better = "1", "lower"
	}
	if k.Quantity == report.Ratio && k.Name != "" {
		x := head - base
		m.Change, m.ChangeLo, m.ChangeHi = ptr(x), ptr(x-part), ptr(x+part)
		m.Significant = x-part > 0 || x+part < 0
		return m
	}
	r := head / base
	m.Ratio = &r
	if part > 0 {
		m.RatioLo, m.RatioHi = ptr(r*(1-part)), ptr(r*(1+part))
	}
	m.Significant = r*(1-part) > 1 || r*(1+part) < 1
	return m
}

// compared are the metrics of b against those of a, as far as both have them.
func compared(a, b report.DecisionConfig, names ...string) []report.CompareMetric {
	var ms []report.CompareMetric
	of := func(c report.DecisionConfig, name string) *float64 {
		switch {
		case name == "throughput_at_slo" && c.AtSLO != nil:
			return &c.AtSLO.Value
		case name == "cost_per_million" && c.Cost != nil:
			return &c.Cost.Value
		}
		return valueOf(c, name)
	}
	for _, name := range names {
		x, y := of(a, name), of(b, name)
		if x == nil || y == nil {
			continue
		}
		part := map[string]float64{"latency_p99": 0.06, "throughput_at_slo": 0.03, "cost_per_million": 0.03, "accuracy_top1": 0.0055}[name]
		ms = append(ms, ratioOf(name, *x, *y, part))
	}
	return ms
}

// share writes the operators of a run, by their time in milliseconds.
func opShares(ms ...any) []report.Share {
	var out []report.Share
	sum := 0.0
	for i := 1; i < len(ms); i += 2 {
		sum += ms[i].(float64)
	}
	for i := 0; i < len(ms); i += 2 {
		x := ms[i+1].(float64)
		out = append(out, report.Share{Name: ms[i].(string), Count: 12 + 12*(i%3), Seconds: x / 1e3, Share: x / sum})
	}
	return out
}

var (
	floatOps = opShares("MatMul", 4.1, "SkipLayerNormalization", .52, "BiasGelu", .61, "Softmax", .31, "Add", .2, "Transpose", .11, "Gather", .05)
	intOps   = opShares("MatMulIntegerToFloat", 1.32, "DynamicQuantizeLinear", .34, "SkipLayerNormalization", .53, "BiasGelu", .6, "Softmax", .3, "MatMul", .19, "Transpose", .1)
)

// decisionDoc lays a decision around configurations.
func decisionDoc(t *testing.T, slo []string, prices []report.DecisionPrice, demand float64, ms ...measure) (*report.Document, report.DecisionDetails) {
	t.Helper()
	x := report.DecisionDetails{SLO: slo, Base: ms[0].name, Demand: demand, Use: 0.7, Quality: "accuracy_top1"}
	x.Price = prices
	v := newDecision(nil, x)
	for i, m := range ms {
		c := m.config(t, slo)
		if p := v.priceOf(c); c.AtSLO != nil && p != nil {
			perMillion := 1e6 * p.Hour / 3600 / x.Use
			c.Cost = level95(perMillion/m.rate[0], perMillion/m.rate[2], perMillion/m.rate[1], 29_871)
			for c.Replicas = 1; float64(c.Replicas)*0.7*m.rate[0] < demand; c.Replicas++ {
			}
			c.Hourly = ptr(p.Hour * float64(c.Replicas))
		}
		if i > 0 {
			c.Relative = compared(x.Configs[0], c, "latency_p99", "throughput_at_slo", "cost_per_million", "accuracy_top1", "model_bytes")
			x.Steps = append(x.Steps, report.DecisionStep{From: x.Configs[i-1].Name, To: c.Name, Metrics: compared(x.Configs[i-1], c, "latency_p99", "throughput_at_slo", "cost_per_million")})
		}
		x.Configs = append(x.Configs, c)
		x.Sources = append(x.Sources, report.CompareRun{Path: "runs/load-" + strings.ReplaceAll(c.Name, " ", "-") + ".json", SHA256: strings.Repeat("ab12", 16), Kind: "loadtest", Created: "2026-11-23T11:5" + string(rune('0'+i)) + ":00Z", Valid: c.Valid, Why: c.Why})
	}
	d := report.New("report")
	d.Created = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	d.Manifest = report.Manifest{Tool: "0.1.0", Command: []string{"infer", "report", "runs/", "--slo", strings.Join(slo, ",")}}
	return d, x
}

// decisionDocs are decisions of every outcome.
func decisionDocs(t *testing.T) map[string]*report.Document {
	docs := map[string]*report.Document{"decision-chosen": chosenDoc(t), "decision-none": noneDoc(t), "decision-open": openDoc(t)}
	for name, d := range docs {
		if err := d.Validate(); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	return docs
}

func details(t *testing.T, d *report.Document, x report.DecisionDetails) *report.Document {
	t.Helper()
	if err := d.SetDetails(x); err != nil {
		t.Fatal(err)
	}
	return d
}

// chosenDoc is a text classifier that misses its objective until it is quantized and batched.
func chosenDoc(t *testing.T) *report.Document {
	slo := []string{"p99<200ms", "accuracy_top1>=90%", "error_rate<0.1%"}
	d, x := decisionDoc(t, slo, []report.DecisionPrice{{Hour: 0.40, Currency: "$", Basis: "$0.40/h, as given on 2026-11-23"}}, 500,
		measure{name: "fp32", what: "--max-batch 1", model: "banking77.onnx", bytes: 438_012_345, p99: [3]float64{1.84, 1.71, 1.99}, accuracy: [3]float64{.9214, .9113, .9304}, rate: [3]float64{171, 167, 175}, memory: 912e6,
			curve: [][2]float64{{50, .021}, {100, .034}, {150, .098}, {170, .19}, {180, .61}, {190, 1.5}}, ops: floatOps, tail: []float64{.93, .05, .02, 0}, init: .71, dominated: "int8 batched"},
		measure{name: "fp32 batched", what: "--max-batch 16", model: "banking77.onnx", bytes: 438_012_345, p99: [3]float64{.412, .391, .437}, accuracy: [3]float64{.9214, .9113, .9304}, rate: [3]float64{292, 286, 297}, memory: 968e6,
			curve: [][2]float64{{50, .028}, {100, .041}, {200, .088}, {290, .196}, {320, .9}}, ops: floatOps, tail: []float64{.55, .41, .04, 0}, init: .71},
		measure{name: "int8", what: "--max-batch 1", model: "banking77.int8.onnx", bytes: 110_345_678, p99: [3]float64{.233, .221, .247}, accuracy: [3]float64{.9188, .9086, .9279}, rate: [3]float64{402, 395, 409}, memory: 341e6,
			curve: [][2]float64{{50, .009}, {100, .012}, {200, .027}, {400, .198}, {430, .7}}, ops: intOps, tail: []float64{.71, .22, .07, 0}, init: .24},
		measure{name: "int8 batched", what: "--max-batch 16", model: "banking77.int8.onnx", bytes: 110_345_678, p99: [3]float64{.117, .112, .123}, accuracy: [3]float64{.9188, .9086, .9279}, rate: [3]float64{655, 641, 668}, memory: 362e6,
			curve: [][2]float64{{50, .014}, {100, .018}, {200, .031}, {400, .074}, {500, .117}, {650, .198}, {700, 1.1}}, ops: intOps, tail: []float64{.38, .53, .08, .01}, init: .24},
		measure{name: "distilled int8", what: "--max-batch 16", model: "banking77-small.int8.onnx", bytes: 34_345_678, p99: [3]float64{.048, .045, .052}, accuracy: [3]float64{.8731, .8609, .8844}, rate: [3]float64{1720, 1690, 1752}, memory: 151e6,
			curve: [][2]float64{{100, .006}, {400, .011}, {500, .048}}, init: .09})
	x.Chosen, d.Verdict = "int8 batched", report.OK
	x.Headline = "Deploy int8 batched: p99 117 ms [112, 123] keeps 200 ms, accuracy 91.9 % [90.9, 92.8] keeps 90 %, and it costs 74 % less than fp32."
	x.Steps = x.Steps[:3]
	for i := range x.Configs {
		x.Configs[i].Front = x.Configs[i].Name != "fp32"
	}
	x.Configs[4].AtSLO, x.Configs[4].Cost, x.Configs[4].Replicas, x.Configs[4].Hourly = nil, nil, 0, nil // its accuracy misses the objective at any rate
	x.Configs[4].Relative = compared(x.Configs[0], x.Configs[4], "latency_p99", "accuracy_top1", "model_bytes")
	x.Next = &report.NextStep{Command: "infer deploy docker -o deploy models/banking77.int8.onnx", Why: "the configuration is decided: make its image"}
	d.Gates = nil
	for _, s := range x.Configs[3].SLO {
		d.Gates = append(d.Gates, report.GateResult{Expr: s.Expr, Verdict: s.Verdict, Reason: s.Reason})
	}
	return details(t, d, x)
}

// noneDoc is a decision in which no configuration meets the objectives; there is no price, no profile and no curve.
func noneDoc(t *testing.T) *report.Document {
	d, x := decisionDoc(t, []string{"p99<20ms", "accuracy_top1>=75%"}, nil, 0,
		measure{name: "resnet50 fp32", model: "resnet50.onnx", bytes: 102_000_000, p99: [3]float64{.0412, .0398, .0431}, accuracy: [3]float64{.7613, .7488, .7734}},
		measure{name: "resnet50 int8", model: "resnet50.int8.onnx", bytes: 25_900_000, p99: [3]float64{.0231, .0224, .0239}, accuracy: [3]float64{.7581, .7455, .7703}})
	d.Verdict = report.FailedGate
	x.Headline = "No configuration meets the objectives: resnet50 int8 is nearest and misses p99<20ms by 3.1 ms."
	x.Levers = []string{"resnet50 int8: 61 % of the time is in Conv; a machine with VNNI runs its integer kernels about twice as fast", "a lower rate: p99 is 19 ms at 180 /s",
		"more threads: each request uses 1 of 2"}
	x.Next = &report.NextStep{Command: "infer tune --slo 'p99<20ms' models/resnet50.int8.onnx", Why: "the settings of the runtime have not been searched"}
	for i := range x.Configs {
		x.Configs[i].Cold = nil
	}
	for _, s := range x.Configs[1].SLO {
		d.Gates = append(d.Gates, report.GateResult{Expr: s.Expr, Verdict: s.Verdict, Reason: s.Reason})
	}
	return details(t, d, x)
}

// openDoc is a decision that stays open: the interval holds the limit, one load test is invalid, and the configurations
// have prices and business outcomes of their own.
func openDoc(t *testing.T) *report.Document {
	slo := []string{"p99<50ms", "accuracy_top1>=88%", "goodput>=300/s"}
	d, x := decisionDoc(t, slo, []report.DecisionPrice{{Config: "gpu fp16", Hour: 1.10, Currency: "€", Basis: "€1.10/h, as given on 2026-11-23"}, {Hour: 0.30, Currency: "€", Basis: "€0.30/h, as given on 2026-11-23"}}, 900,
		measure{name: "cpu fp32", what: "--threads 8", model: "ranker.onnx", bytes: 88_000_000, p99: [3]float64{.0488, .0462, .0521}, accuracy: [3]float64{.8912, .8797, .9017}, rate: [3]float64{301, 290, 311}, memory: 412e6, init: .4,
			curve: [][2]float64{{100, .012}, {200, .021}, {300, .0488}}},
		measure{name: "cpu int8", what: "--threads 8", model: "ranker.int8.onnx", bytes: 23_000_000, p99: [3]float64{.0291, .0279, .0305}, accuracy: [3]float64{.8841, .8723, .895}, rate: [3]float64{522, 507, 539}, memory: 160e6, init: .2,
			curve: [][2]float64{{100, .008}, {200, .012}, {300, .0171}, {500, .047}}},
		measure{name: "gpu fp16", what: "--provider cuda", model: "ranker.fp16.onnx", bytes: 44_000_000, p99: [3]float64{.0081, .0074, .0123}, accuracy: [3]float64{.8909, .8794, .9014}, rate: [3]float64{3120, 3010, 3202}, memory: 1.9e9, init: 2.3,
			curve: [][2]float64{{100, .004}, {500, .005}, {3100, .0081}}, invalid: "the generator used 97 % of the CPUs it may use"})
	d.Verdict = report.Inconclusive
	x.Headline = "Open: cpu int8 may meet the objectives, but accuracy 88.4 % [87.2, 89.5] holds the limit of 88 % inside its interval"
	x.Configs[2].Bound = true
	x.Outcomes = []report.Outcome{
		{Variant: "cpu fp32", Metric: "conversion", Value: .0412, N: 20_113, Lo: ptr(.0385), Hi: ptr(.044), Method: "wilson"},
		{Variant: "cpu int8", Metric: "conversion", Value: .0431, N: 19_876, Lo: ptr(.0404), Hi: ptr(.046), Method: "wilson", Change: level95(.0019, -.002, .0058, 19_876)},
		{Variant: "cpu fp32", Metric: "basket", Value: 48.2, N: 829, Lo: ptr(46.9), Hi: ptr(49.5), Method: "t"},
		{Variant: "cpu int8", Metric: "basket", Value: 45.1, N: 857, Lo: ptr(43.9), Hi: ptr(46.3), Method: "t", Change: level95(-3.1, -4.9, -1.3, 857)}}
	x.Next = &report.NextStep{Command: "infer predict --input data models/ranker.int8.onnx", Why: "12000 labelled rows would settle the accuracy"}
	for _, s := range x.Configs[1].SLO {
		d.Gates = append(d.Gates, report.GateResult{Expr: s.Expr, Verdict: s.Verdict, Reason: s.Reason})
	}
	d.Warn("gpu fp16 was measured by a load generator that had no CPU left: its p99 is an upper bound at best")
	return details(t, d, x)
}

func TestGoldenDecision(t *testing.T) {
	endings := map[string]string{"text": ".txt", "json": ".json", "markdown": ".md", "html": ".html", "csv": ".csv", "junit": ".xml"}
	for name, d := range decisionDocs(t) {
		for _, format := range Formats() {
			golden(t, filepath.Join("testdata", name+endings[format]), render(t, d, format, Options{}))
		}
	}
}

// The pictures of decisions, each twice: for a wide and a narrow screen. The page stays below 300 KB.
func TestDecisionCharts(t *testing.T) {
	for name, want := range map[string]int{"decision-chosen": 8, "decision-none": 2, "decision-open": 4} {
		page := render(t, decisionDocs(t)[name], "html", Options{})
		if n := charts(t, page); n != want {
			t.Errorf("%s has %d charts, want %d", name, n, want)
		}
		if len(page) > 300_000 {
			t.Errorf("%s has %d bytes", name, len(page))
		}
	}
}

// hostileDecisionDoc has hostile names in every place that shows one.
func hostileDecisionDoc(t *testing.T) *report.Document {
	d, x := decisionDoc(t, []string{"p99<200ms"}, []report.DecisionPrice{{Hour: 1, Currency: hostile, Basis: hostile, Config: hostile}}, 500,
		measure{name: hostile, what: hostile, model: hostile, bytes: 5, p99: [3]float64{.1, .09, .11}, accuracy: [3]float64{.9, .8, .95}, rate: [3]float64{100, 90, 110}, memory: 5, init: .1,
			curve: [][2]float64{{50, .01}, {100, .02}}, ops: opShares(hostile, 1.), tail: []float64{.5, .3, .2, 0}, invalid: hostile, dominated: hostile},
		measure{name: "b" + hostile, model: "m", bytes: 5, p99: [3]float64{.2, .19, .21}, accuracy: [3]float64{.91, .8, .95}, rate: [3]float64{200, 190, 210}, memory: 5})
	x.Headline, x.Levers, x.Chosen = hostile, []string{hostile}, hostile
	x.SLO = append(x.SLO, hostile)
	x.Configs[0].SLO = append(x.Configs[0].SLO, report.DecisionObjective{Expr: hostile, Verdict: report.GateInconclusive, Reason: hostile})
	x.Configs[0].Host, x.Configs[0].Machine = hostile, hostile
	x.Configs[0].Manifests = []report.Manifest{{Tool: hostile, Go: hostile, Command: []string{hostile, hostile}, Options: map[string]any{hostile: hostile}, Data: &report.DataRef{Source: hostile}}}
	x.Outcomes = []report.Outcome{{Variant: hostile, Metric: hostile, Value: 1, N: 5}}
	x.Sources[0].Path, x.Sources[0].Created, x.Sources[0].Why = hostile, hostile, hostile
	x.Next = &report.NextStep{Command: hostile, Why: hostile}
	return details(t, d, x)
}
