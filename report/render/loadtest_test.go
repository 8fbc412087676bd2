package render

import (
	"cmp"
	"encoding/xml"
	"fmt"
	"math"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"infer/internal/stats"
	"infer/report"
)

// run is a load on a simulated server: one queue, and what it takes for a request.
type run struct {
	rate, seconds float64 // open loop
	stop          float64 // when it was interrupted; 0: not
	stall         float64 // the server does nothing for half a second from here on; 0: not
	late          float64 // how late the generator is at times
	fail          int     // every n-th request fails; 0: none
	wrong         int     // every n-th answer is wrong; 0: none
	untold        bool    // the server does not tell queue and compute
}

// figures simulates r: 24 sections and 60 slices of latencies that hang together as those of a queue do.
func (r run) figures() *report.LoadFigures {
	rnd := rand.New(rand.NewPCG(1, 2))
	f := &report.LoadFigures{Seconds: r.seconds, Lag: &stats.Sketch{}, ConnWait: &stats.Sketch{}, Limit: 0.02}
	for range 24 {
		f.Sections = append(f.Sections, report.LoadSection{Seconds: r.seconds / 24, Outcomes: map[string]int64{}, Latency: &stats.Sketch{}, Service: &stats.Sketch{}})
	}
	slots := make([][]float64, 60)
	for i := range slots {
		f.Timeline = append(f.Timeline, report.LoadSlice{At: float64(i) * r.seconds / 60, Seconds: r.seconds / 60})
	}
	free := 0.0 // when the server is
	for due, i := rnd.ExpFloat64()/r.rate, 1; due < r.seconds; due, i = due+rnd.ExpFloat64()/r.rate, i+1 {
		if r.stop > 0 && due > r.stop {
			break
		}
		lag := r.lag(rnd)
		start, compute := max(due+lag, free), 1.2e-3*math.Exp(0.3*rnd.NormFloat64())
		if r.stall > 0 && start >= r.stall && start < r.stall+0.5 {
			start = r.stall + 0.5
		}
		free = start + compute
		s, slot := &f.Sections[int(24*due/r.seconds)], int(60*due/r.seconds)
		slice := &f.Timeline[slot]
		s.Due++
		slice.Due++
		f.Lag.Add(lag)
		outcome := r.outcome(i)
		if s.Outcomes[outcome]++; outcome != "ok" {
			slice.Failed++
			continue
		}
		slice.Answered++
		done := free + 150e-6
		s.Latency.Add(done - due)
		s.Service.Add(done - due - lag)
		slots[slot] = append(slots[slot], done-due)
		slow := report.LoadSlow{At: due, Latency: done - due, Lag: lag, Payload: int32(i % 8)}
		if !r.untold {
			slow.Queue, slow.Compute, slow.Batch = ptr(start-due-lag), ptr(compute), 1
		}
		f.Slowest = append(f.Slowest, slow)
	}
	for i, x := range slots {
		if slices.Sort(x); len(x) > 0 {
			t := &f.Timeline[i]
			t.P50, t.P99, t.Max = ptr(x[len(x)/2]), ptr(x[len(x)*99/100]), ptr(x[len(x)-1])
		}
	}
	slices.SortFunc(f.Slowest, func(a, b report.LoadSlow) int { return cmp.Compare(b.Latency, a.Latency) })
	f.Slowest = f.Slowest[:len(f.Slowest)/100]
	return f
}

// lag is how late the generator is with a request.
func (r run) lag(rnd *rand.Rand) float64 {
	lag := 40e-6 * rnd.ExpFloat64()
	if r.late > 0 && rnd.IntN(4) == 0 {
		lag = r.late * rnd.Float64()
	}
	return lag
}

// outcome is what becomes of the i-th request.
func (r run) outcome(i int) string {
	switch {
	case r.fail > 0 && i%r.fail == 0:
		return []string{"refused", "timed_out"}[i/r.fail%2]
	case r.wrong > 0 && i%r.wrong == 0:
		return "wrong"
	}
	return "ok"
}

// loadDoc is the document of a run: what the command would write.
func loadDoc(t *testing.T, r run, change func(*report.Document, *report.LoadDetails)) *report.Document {
	t.Helper()
	l := report.LoadDetails{
		Target: report.LoadTarget{URL: "http://127.0.0.1:8000", Protocol: "oip-http", Encoding: "binary", Model: "mnist-cnn", Version: "1", Server: "infer 0.1.0",
			Payloads: 8, Rows: 1, Bytes: 3300, Notes: []string{"random, in the range of the data"}},
		Schedule: report.LoadSchedule{Loop: "open", Arrival: "poisson", Seed: 1, SHA256: strings.Repeat("9f", 32), Stages: []report.LoadStage{{From: r.rate, To: r.rate, For: r.seconds}}},
		Window:   report.LoadWindow{WarmUp: 2, Seconds: r.seconds, Steady: "on one level", Drain: 0.0031},
		Figures:  r.figures(),
		Generator: report.LoadGenerator{Pacer: "clock_nanosleep and spin (100 µs)", Lanes: 1, CPU: 0.07, CPUSeconds: 0.7, GCs: 1, GCPause: 80e-6, PeakRSS: 31e6,
			Opened: 12, InFlight: 9, Interference: []report.Measurement{{Name: "steal", Unit: "1", Value: 0.002}}},
		Floor: &report.LoadFloor{Seconds: 2, N: 1000, P50: report.Level95{Value: 90e-6, N: 1000}, P99: report.Level95{Value: 210e-6, Lo: ptr(190e-6), Hi: ptr(260e-6), N: 1000}, LagP99: 170e-6},
	}
	d := base(t, "loadtest", struct{}{})
	d.Manifest.Model, d.Manifest.Runtime, d.Manifest.Bindings = nil, nil, nil
	d.Manifest.Options, d.Manifest.Data = map[string]any{"rps": r.rate, "duration": "10s"}, nil
	d.Manifest.Command = []string{"infer", "loadtest", "http://127.0.0.1:8000", "--rps", "500", "--slo", "p99<20ms"}
	v := newLoad(d, l)
	n := int(v.latency.Count())
	for _, x := range []struct {
		prefix string
		s      *stats.Sketch
	}{{"latency_", &v.latency}, {"service_", &v.service}} {
		for _, p := range []float64{50, 90, 95, 99} {
			name := fmt.Sprintf("%sp%g", x.prefix, p)
			if m := report.NewMetric(name); n < report.SamplesNeeded(name) {
				m.N = n
				d.Add(m)
				continue
			}
			q := x.s.Quantile(p / 100)
			d.Add(metric(name, q, q*0.94, q*1.07, n))
		}
		d.Add(report.Exact(x.prefix+"max", x.s.Max()))
	}
	l.Schedule.Planned = v.due
	d.Add(report.Exact("offered_rate", r.rate), report.Exact("throughput", float64(n)/r.seconds), report.Exact("goodput", 0.99*float64(n)/r.seconds),
		report.Exact("error_rate", float64(v.errors)/float64(max(1, v.due))), report.Exact("send_lag_p99", l.Figures.Lag.Quantile(0.99)))
	d.AddCheck("send_lag", true, "p99 is %s, limit 250 µs", seconds(l.Figures.Lag.Quantile(0.99)))
	d.AddCheck("generator_cpu", true, "7 %% of the CPUs it may use")
	if !r.untold {
		l.Server = &report.LoadServer{Source: "response headers", Queue: ptr(0.9e-3), Compute: ptr(1.25e-3), Batch: ptr(1.), CPUs: ptr(0.61), Throttled: ptr(0.)}
		l.Tail = &report.LoadTail{N: int64(len(l.Figures.Slowest)), From: 9.2e-3, Generator: 0.004, Queue: ptr(0.71), Compute: ptr(0.22), Rest: 0.066, Batch: ptr(1.)}
	}
	if change != nil {
		change(d, &l)
	}
	if err := d.SetDetails(l); err != nil {
		t.Fatal(err)
	}
	return d
}

// judgeSLO adds an objective as the command does: to the details and to the gates.
func judgeSLO(d *report.Document, l *report.LoadDetails, s report.LoadSLO) {
	l.SLO = append(l.SLO, s)
	d.Gates = append(d.Gates, report.GateResult{Expr: s.Expr, Verdict: s.Verdict, Reason: s.Reason})
}

// curvePoints are the points of a server that can do about 800 requests a second.
func curvePoints(rates ...float64) (ps []report.LoadPoint) {
	for _, r := range rates {
		busy := min(r/830, 0.995)
		p50, p99 := 1.2e-3*(1+busy/(1-busy)), 2.4e-3*(1+2.2*busy/(1-busy))
		ps = append(ps, report.LoadPoint{Rate: r, Throughput: min(r, 826), Goodput: min(r, 826) * min(1, 0.02/p99), P50: ptr(p50), P90: ptr(1.6 * p50),
			P99: ptr(p99), P99Lo: ptr(0.93 * p99), P99Hi: ptr(1.09 * p99), N: int64(10 * r), Valid: true})
	}
	return ps
}

func loadDocs(t *testing.T) map[string]*report.Document {
	t.Helper()
	docs := map[string]*report.Document{}
	docs["loadtest-open"] = loadDoc(t, run{rate: 500, seconds: 10}, func(d *report.Document, l *report.LoadDetails) {
		judgeSLO(d, l, report.LoadSLO{Expr: "p99<20ms", Verdict: report.Pass, Reason: "p99 is 5.31 ms [4.99, 5.68] < 20 ms", Missed: 3, N: 4973, Headroom: ptr(0.716)})
		l.Correctness = &report.LoadCorrectness{Source: "mnist-cnn.onnx", RTol: 1e-3, ATol: 1e-5, Checked: 4973}
		l.Reading = []string{"This server keeps p99<20ms at 500 /s with 72 % to spare.", "Of the slowest requests, 71 % of the time is waiting in the queue: a second instance would help more than a faster model."}
		l.Next = &report.NextStep{Command: "infer loadtest --find-max-rps --slo 'p99<20ms'", Why: "the highest rate that keeps the objective"}
	})
	docs["loadtest-missed"] = loadDoc(t, run{rate: 500, seconds: 10, stall: 4, fail: 97, wrong: 331}, missed)
	docs["loadtest-closed"] = loadDoc(t, run{rate: 300, seconds: 5, untold: true}, func(d *report.Document, l *report.LoadDetails) {
		l.Target = report.LoadTarget{URL: "models/mnist-cnn.onnx", Protocol: "in-process", Payloads: 1, Rows: 32, Notes: []string{"random"}}
		l.Schedule, l.Floor = report.LoadSchedule{Loop: "closed", Concurrency: 4}, nil
		l.Generator = report.LoadGenerator{CPU: 0.98, CPUSeconds: 9.8, Opened: 4, InFlight: 4}
		d.Manifest.Options["scenario"] = "offline"
		d.Manifest.Model = &report.ModelRef{Path: "models/mnist-cnn.onnx", SHA256: strings.Repeat("0123456789abcdef", 4), Bytes: 1_234_567}
		d.Add(metric("row_throughput", 9600, 9500, 9710, 24))
	})
	docs["loadtest-search"] = searchDoc(t)
	docs["loadtest-sweep"] = sweepDoc(t)
	docs["loadtest-invalid"] = loadDoc(t, run{rate: 500, seconds: 10, late: 0.03, untold: true}, func(d *report.Document, l *report.LoadDetails) {
		judgeSLO(d, l, report.LoadSLO{Expr: "p99<20ms", Verdict: report.Fail, Reason: "p99 is 27.7 ms [26.0, 29.6] > 20 ms", Missed: 190, N: 4997})
		d.Validity.Checks = nil
		d.AddCheck("send_lag", false, "p99 is 29.4 ms, limit 250 µs")
		d.AddCheck("generator_cpu", false, "the generator used 97 %% of its CPUs: give it a machine of its own, or offer less")
		d.AddCheck("cpu_throttled", true, "0 of 100 periods")
		d.Verdict = report.Invalid
		l.Reading = []string{"What was measured is the generator, not the server."}
	})
	docs["loadtest-interrupted"] = loadDoc(t, run{rate: 100, seconds: 60, stop: 3.2, untold: true}, func(d *report.Document, l *report.LoadDetails) {
		d.Verdict = report.Interrupted
		l.Window.Seconds, l.Window.Steady, l.Figures.Seconds = 3.2, "", 3.2
		l.Figures.Timeline, l.Figures.Sections = l.Figures.Timeline[:4], l.Figures.Sections[:2]
		d.Warn("latency_p99 needs 368 requests, this sample has %d: measure for 4 s or longer", d.Metric("latency_p99", nil).N)
	})
	docs["loadtest-warmup"] = loadDoc(t, run{rate: 100, seconds: 60, stop: 1e-9, untold: true}, func(d *report.Document, l *report.LoadDetails) {
		d.Verdict, d.Validity.Checks = report.Interrupted, nil
		d.Metrics = []report.Metric{report.NewMetric("latency_p50"), report.NewMetric("service_p50")}
		l.Window.Seconds, l.Window.Steady, l.Window.Drain, l.Figures.Seconds, l.Generator = 0, "", 0, 0, report.LoadGenerator{}
		l.Figures.Timeline, l.Figures.Sections = nil, nil
		d.AddCheck("connection_drops", false, "no request was due in the window: the generator did nothing")
	})
	docs["loadtest-batches"] = batchDoc(t)
	return docs
}

// batchDoc is a sweep of batch sizes that was interrupted; the generator could not keep up with two of its points.
func batchDoc(t *testing.T) *report.Document {
	return loadDoc(t, run{rate: 500, seconds: 1}, func(d *report.Document, l *report.LoadDetails) {
		d.Metrics, d.Validity.Checks, l.Figures, l.Tail, l.Server = []report.Metric{}, nil, nil, nil, nil
		l.Schedule, l.PointsPlanned, d.Verdict = report.LoadSchedule{Loop: "closed"}, 6, report.Interrupted
		for i, p := range curvePoints(790, 520, 300, 160) {
			p.Concurrency, p.Rate, p.Batch = 2, 0, int64(1)<<(2*i)
			point := fmt.Sprintf("concurrency 2, batch %d", p.Batch)
			if i < 2 {
				p.Valid, p.Why = false, fmt.Sprintf("the generator used %d %% of its CPUs, limit 80 %%", 90-i)
				d.AddCheck("generator_cpu@"+point, false, "%s: %s", point, p.Why)
			}
			l.Points = append(l.Points, p)
			l.SLO = append(l.SLO, report.LoadSLO{Expr: "p99<20ms", At: point, Verdict: report.Pass, Reason: "p99 is 9 ms", N: p.N, Headroom: ptr(0.5)})
		}
		d.Gates = append(d.Gates, report.GateResult{Expr: "p99<20ms", Verdict: report.Pass, Reason: "it holds at concurrency 2, batch 1 and others"})
		m := metric("row_throughput", 10250, 10100, 10400, 1600)
		m.Labels = map[string]string{"concurrency": "2", "batch": "64"}
		d.Add(m)
	})
}

// missed is what a server that stalls, sheds load and answers wrongly makes of a document.
func missed(d *report.Document, l *report.LoadDetails) {
	judgeSLO(d, l, report.LoadSLO{Expr: "p99<20ms", Verdict: report.Fail, Reason: "p99 is 431 ms [401, 460] > 20 ms", Missed: 298, N: 4973})
	judgeSLO(d, l, report.LoadSLO{Expr: "error_rate<2%", Verdict: report.GateInconclusive, Reason: "error_rate is 1.03 % [0.77, 2.01] (n=4973), and the limit < 2 % lies inside the interval: measure longer", Missed: 51, N: 4973, Headroom: ptr(0.02)})
	d.Gates = append(d.Gates, report.GateResult{Expr: "throughput>=450/s", Verdict: report.Pass, Reason: "throughput is 492 /s (n=1), limit >= 450 /s"})
	l.Faults = []report.LoadFault{{Outcome: "refused", Code: 503, Text: "the queue is full", Count: 26}, {Outcome: "timed_out", Text: "no whole answer within 10 s", Count: 25}}
	l.Correctness = &report.LoadCorrectness{Source: "mnist-cnn.onnx", RTol: 1e-3, ATol: 1e-5, Checked: 4000, Wrong: 15, Unchecked: 922,
		First: []string{"request 331: logits[0, 3] is 0.5, want -1.25 ± 0.00126"}}
	l.Reading = []string{"The server stalled at 4 s: 250 requests that were due then waited up to 0.5 s.", "Latency and service time part at p99: what users waited was the queue in front of the server."}
	l.Figures.Checked = 4000
	l.Tail.Wait, l.Tail.Queue = 0.11, ptr(0.60)
	d.Verdict = report.FailedGate
}

func searchDoc(t *testing.T) *report.Document {
	return loadDoc(t, run{rate: 500, seconds: 1}, func(d *report.Document, l *report.LoadDetails) {
		d.Metrics, l.Figures, l.Tail = nil, nil, nil
		l.Schedule.Stages, l.Window = nil, report.LoadWindow{}
		m := report.NewMetric("max_rps")
		m.Value, m.Lo, m.Hi, m.N, m.Method = ptr(640.), ptr(640.), ptr(672.), 7, "bracket"
		d.Add(m)
		judgeSLO(d, l, report.LoadSLO{Expr: "p99<20ms", Verdict: report.Pass, Reason: "p99 is 17.6 ms [16.9, 18.6] < 20 ms at 640 /s", Missed: 83, N: 19207})
		l.Points = curvePoints(50, 200, 400, 640, 672, 800)
		l.Points[5].Valid, l.Points[5].Why = false, "the queue grew to the end: there is no level to measure"
		l.Search = &report.LoadSearch{Range: [2]float64{50, 5000}, Max: ptr(640.), Holds: 640, Breaks: 672, Confirmed: true, Seconds: 143.2,
			Reason: "p99<20ms holds at 640 /s, also in a trial of 30 s to confirm it, and breaks at 672 /s"}
		for i, p := range l.Points {
			s := report.LoadSearchStep{Rate: p.Rate, Verdict: report.Pass, N: p.N, Missed: p.N / 300, Seconds: 10, P50: p.P50, P99: p.P99, Reason: "17 of 4000 missed it, 21 may"}
			if i > 3 {
				s.Verdict, s.Reason, s.Missed, s.Seconds = report.Fail, "118 of 1200 missed it, 12 may", 118, 1.8
			}
			l.Search.Steps = append(l.Search.Steps, s)
		}
		last := l.Search.Steps[3]
		last.Confirm, last.N, last.Seconds = true, 19207, 30
		l.Search.Steps = append(l.Search.Steps, last)
		l.Reading = []string{"This server can promise p99<20ms up to 640 /s."}
		l.Next = &report.NextStep{Command: "infer serve mnist-cnn.onnx --instances 2", Why: "the queue breaks the objective, not the model"}
	})
}

func sweepDoc(t *testing.T) *report.Document {
	return loadDoc(t, run{rate: 500, seconds: 1}, func(d *report.Document, l *report.LoadDetails) {
		d.Metrics, l.Figures, l.Tail, l.Server = []report.Metric{}, nil, nil, nil
		l.Schedule, l.Window = report.LoadSchedule{Loop: "closed"}, report.LoadWindow{}
		for i, p := range curvePoints(300, 520, 700, 790, 815) {
			p.Concurrency, p.Rate, p.Batch = 1<<i, 0, 1
			p.P50, p.P90, p.P99 = ptr(float64(int(1)<<i)/p.Throughput), ptr(1.3*float64(int(1)<<i)/p.Throughput), ptr(2.1*float64(int(1)<<i)/p.Throughput)
			p.P99Lo, p.P99Hi = ptr(0.9**p.P99), ptr(1.2**p.P99)
			l.Points = append(l.Points, p)
		}
		l.Points[2].P99, l.Points[2].P99Lo, l.Points[2].P99Hi = nil, nil, nil
	})
}

func TestGoldenLoadtest(t *testing.T) {
	docs := loadDocs(t)
	endings := map[string]string{"text": ".txt", "json": ".json", "markdown": ".md", "html": ".html", "csv": ".csv", "junit": ".xml"}
	for name, d := range docs {
		if err := d.Validate(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for _, format := range Formats() {
			if format == "json" && name != "loadtest-interrupted" && name != "loadtest-search" {
				continue // the page has it, too
			}
			golden(t, filepath.Join("testdata", name+endings[format]), render(t, d, format, Options{}))
		}
	}
	for name, o := range map[string]Options{"missed-120": {Width: 120}, "missed-ascii-60": {Width: 60, ASCII: true}, "search-120": {Width: 120}, "search-ascii-60": {Width: 60, ASCII: true}} {
		which, _, _ := strings.Cut(name, "-")
		golden(t, filepath.Join("testdata", "loadtest-"+name+".txt"), render(t, docs["loadtest-"+which], "text", o))
	}
}

// hostileLoadDoc has the hostile name wherever a load test has a name.
func hostileLoadDoc(t *testing.T) *report.Document {
	const h = hostile
	return loadDoc(t, run{rate: 100, seconds: 2}, func(d *report.Document, l *report.LoadDetails) {
		l.Target = report.LoadTarget{URL: h, Protocol: h, Encoding: h, Model: h, Version: h, Server: h, Payloads: 1, Notes: []string{h}}
		l.Schedule = report.LoadSchedule{Loop: h, Arrival: h, SHA256: h, Shard: h}
		l.Window.Steady, l.Generator.Pacer, l.Server.Source = h, h, h
		l.Generator.Interference = []report.Measurement{{Name: h, Unit: h}}
		l.Faults = []report.LoadFault{{Outcome: h, Text: h, Count: 1}}
		l.Correctness = &report.LoadCorrectness{Source: h, First: []string{h}}
		l.SLO = []report.LoadSLO{{Expr: h, Verdict: h, Reason: h}, {Expr: "p99<5ms", Verdict: h}}
		l.Points = curvePoints(10, 20)
		l.Points[1].Valid, l.Points[1].Why = false, h
		l.Reading, l.Next = []string{h}, &report.NextStep{Command: h, Why: h}
		d.Manifest.Options["scenario"] = h
		d.AddCheck(h, false, "%s", h)
	})
}

// A page of a usual run, a minute at 500 a second, is one that can be sent around.
func TestLoadPageSize(t *testing.T) {
	d := loadDoc(t, run{rate: 500, seconds: 60}, nil)
	if n := len(render(t, d, "html", Options{})); n > 400_000 {
		t.Errorf("%d bytes", n)
	}
}

// An objective is one test case, whether or not the gates have it too, and an invalid run fails.
func TestLoadJUnit(t *testing.T) {
	slo := report.LoadSLO{Expr: "p99<20ms", Verdict: report.Fail, Reason: "p99 is 23.1 ms [22.0, 24.6] > 20 ms"}
	for _, c := range []struct {
		name     string
		gates    []report.GateResult
		verdict  report.Verdict
		checkOK  bool
		cases    []string
		failures int
	}{
		{"in the gates", []report.GateResult{{Expr: slo.Expr, Verdict: slo.Verdict, Reason: slo.Reason}, {Expr: "dropped<1", Verdict: report.Pass}}, report.FailedGate, true,
			[]string{"verdict verdict", "slo p99<20ms", "gate dropped<1", "validity lag"}, 2},
		{"only in the details", nil, report.FailedGate, true, []string{"verdict verdict", "slo p99<20ms", "validity lag"}, 2},
		{"invalid", nil, report.Invalid, false, []string{"verdict verdict", "slo p99<20ms", "validity lag"}, 3},
	} {
		d := report.New("loadtest")
		d.Gates, d.Verdict = c.gates, c.verdict
		d.AddCheck("lag", c.checkOK, "d")
		if err := d.SetDetails(report.LoadDetails{SLO: []report.LoadSLO{slo}}); err != nil {
			t.Fatal(err)
		}
		var s testSuites
		if err := xml.Unmarshal([]byte(render(t, d, "junit", Options{})), &s); err != nil {
			t.Fatal(err)
		}
		var cases []string
		for _, x := range s.Suites[0].Cases {
			cases = append(cases, strings.TrimPrefix(x.Class, "infer.loadtest.")+" "+x.Name)
			if x.Name == slo.Expr && (x.Failure == nil || x.Failure.Message != slo.Reason) {
				t.Errorf("%s: failure %+v, want %q", c.name, x.Failure, slo.Reason)
			}
		}
		if !slices.Equal(cases, c.cases) || s.Failures != c.failures {
			t.Errorf("%s: %q with %d failures, want %q with %d", c.name, cases, s.Failures, c.cases, c.failures)
		}
	}
}

// A point of the curve that is a metric of the document already is no second row.
func TestLoadCSV(t *testing.T) {
	d := report.New("loadtest")
	m := report.Exact("throughput", 7)
	m.Labels = map[string]string{"rps": "100"}
	d.Add(m)
	if err := d.SetDetails(report.LoadDetails{Points: []report.LoadPoint{{Rate: 100, Throughput: 99.5, P99: ptr(0.002), P99Lo: ptr(0.001), P99Hi: ptr(0.003), N: 50}}}); err != nil {
		t.Fatal(err)
	}
	out := render(t, d, "csv", Options{})
	for _, want := range []string{"throughput,rps=100,7,1/s,,,,1,exact\r\n", "latency_p99,rps=100,0.002,s,0.001,0.003,0.95,50,\r\n", "latency_p50,rps=100,,s,,,,50,\r\n"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	if strings.Count(out, "throughput,") != 1 {
		t.Errorf("throughput is there twice:\n%s", out)
	}
}

func TestAtFault(t *testing.T) {
	for check, want := range map[string]string{
		"send_lag": "the load generator", "generator_cpu": "the load generator", "floor": "the load generator",
		"server_errors": "the server", "connections": "the limit of connections (--connections)", "cpu_throttled": "the CPU quota of this machine",
		"cpu_steal": "this machine", "steady_state": "the length of the run", "moon": "",
	} {
		if got := atFault(check); got != want {
			t.Errorf("%s: %q, want %q", check, got, want)
		}
	}
}

func TestWhole(t *testing.T) {
	for n, want := range map[int64]string{0: "0", 9999: "9999", 10000: "10 000", 1234567: "1 234 567", -1234567: "-1 234 567", -1234: "-1 234", math.MinInt64: "-9 223 372 036 854 775 808"} {
		if got := strings.ReplaceAll(whole(n), noBreak, " "); got != want {
			t.Errorf("%d: %q, want %q", n, got, want)
		}
	}
}

// Round values that lie on the axis, few enough to be read.
func TestLogTicks(t *testing.T) {
	for _, c := range []struct {
		lo, hi float64
		n      int
		want   []string
	}{
		{0.9e-3, 12e-3, 8, []string{"1 ms", "2 ms", "5 ms", "10 ms"}},
		{0.2e-3, 2, 5, []string{"1 ms", "10 ms", "100 ms", "1 s"}},
		{1e-9, 1e3, 5, []string{"1 ns", "100 ns", "10 µs", "1 ms", "100 ms", "10 s", "1000 s"}},
		{0.011, 0.034, 5, []string{"15 ms", "20 ms", "25 ms", "30 ms"}},
	} {
		at, step := axis{lo: c.lo, hi: c.hi, log: true}.ticks(c.n)
		var got []string
		for _, v := range at {
			got = append(got, tickText(report.Time, v, step))
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%g to %g: %q, want %q", c.lo, c.hi, got, c.want)
		}
	}
}

// Nothing of what an axis is made for lies outside of it, and what nobody can draw is refused.
func TestLogAround(t *testing.T) {
	a, ok := logAround([]float64{0, -1, 0.002, 0.5, math.NaN()})
	if !ok || a.lo >= 0.002 || a.hi <= 0.5 || a.part(0.002) <= 0 || a.part(0.5) >= 1 || a.part(0) != 0 {
		t.Errorf("axis %+v, %v", a, ok)
	}
	for _, v := range [][]float64{nil, {0}, {1e-320, 1e308}} {
		if a, ok := logAround(v); ok {
			t.Errorf("%v gives %+v", v, a)
		}
	}
}
