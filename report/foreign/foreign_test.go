package foreign

import (
	"bytes"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"infer/internal/fault"
	"infer/report"
	"infer/report/render"
)

func fixture(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func read(t *testing.T, name string) (*report.Document, report.LoadDetails) {
	t.Helper()
	d, err := Read(fixture(t, name))
	if err != nil {
		t.Fatal(err)
	}
	var l report.LoadDetails
	if err := json.Unmarshal(d.Details, &l); err != nil {
		t.Fatal(err)
	}
	return d, l
}

// want is a metric and what it has to be, in base units; n below 0 is not looked at.
type want struct {
	name   string
	labels map[string]string
	value  float64
	n      int
}

func check(t *testing.T, d *report.Document, ws []want) {
	t.Helper()
	for _, w := range ws {
		m := d.Metric(w.name, w.labels)
		switch {
		case m == nil:
			t.Errorf("%s%v is not there", w.name, w.labels)
		case math.IsNaN(w.value) && m.Value != nil:
			t.Errorf("%s%v is %v, want no value", w.name, w.labels, *m.Value)
		case math.IsNaN(w.value):
		case m.Value == nil:
			t.Errorf("%s%v has no value, want %v", w.name, w.labels, w.value)
		case math.Abs(*m.Value-w.value) > 1e-9*max(1, w.value):
			t.Errorf("%s%v is %v, want %v", w.name, w.labels, *m.Value, w.value)
		}
		if m != nil && w.n >= 0 && m.N != w.n {
			t.Errorf("%s%v has n %d, want %d", w.name, w.labels, m.N, w.n)
		}
	}
}

// TestRead holds every format to figures that stand in its file; NaN is a percentile that the sample does not support.
func TestRead(t *testing.T) {
	none := math.NaN()
	c2, r300 := map[string]string{"concurrency": "2"}, map[string]string{"rps": "300"}
	infer := map[string]string{"request": "POST /v2/models/digits-cnn/infer"}
	for _, c := range []struct {
		file, tool, loop string
		warns            string // a part of a warning
		metrics          []want
	}{
		{"perf_analyzer-concurrency.csv", "perf_analyzer", "closed", "how many requests", []want{
			{"throughput", c2, 4186.76, 0}, {"latency_p50", c2, 365e-6, 0}, {"latency_p99", c2, 2591e-6, 0}, {"service_p95", c2, 1016e-6, 0},
			{"server_queue_mean", c2, 2e-6, 0}, {"server_compute_mean", c2, 52e-6, 0}}},
		{"perf_analyzer-rate.csv", "perf_analyzer", "open", "sent late", []want{
			{"throughput", r300, 299.86, 0}, {"latency_mean", r300, 691e-6, 0}, {"latency_p90", r300, 1134e-6, 0}}},
		{"locust_stats.csv", "locust", "closed", "rounds", []want{
			{"latency_p50", nil, 0.002, 480}, {"latency_p99", nil, 0.041, 480}, {"latency_max", nil, 0.04362469899933785, 480}, {"latency_mean", nil, 0.0032441176876394215, 480},
			{"throughput", nil, 80.56458349290057, 480}, {"error_rate", nil, 0, 480}, {"latency_p95", infer, 0.012, 353}, {"latency_p99", infer, none, 353}}},
		{"wrk.txt", "wrk", "closed", "--latency only", []want{{"throughput", nil, 6543.51, 13173}}},
		{"wrk-latency.txt", "wrk", "closed", "wrk adds", []want{{"latency_p50", nil, 448e-6, 13708}, {"service_p99", nil, 14.46e-3, 13708}}},
		{"wrk-errors.txt", "wrk", "closed", "17319 of 17319 answers were no success", []want{
			{"latency_mean", nil, 502.78e-6, 17319}, {"latency_p50", nil, 89e-6, 17319}, {"latency_p90", nil, 1.49e-3, 17319}, {"latency_p99", nil, 6.25e-3, 17319},
			{"latency_max", nil, 9.73e-3, 17319}, {"throughput", nil, 0, 0}, {"error_rate", nil, 1, 17319}}},
		{"wrk-dies.txt", "wrk", "closed", "closed loop", []want{
			{"throughput", nil, 3635.04, 11049}, {"error_rate", nil, 29016.0 / (11049 + 29016), 11049 + 29016}}},
		{"vegeta-report.json", "vegeta", "open", "digest", []want{
			{"latency_p50", nil, 619651e-9, 100}, {"latency_p95", nil, 984411e-9, 100}, {"latency_p99", nil, none, 100}, {"latency_max", nil, 2903415e-9, 100},
			{"throughput", nil, 102.27533220219406, 100}, {"sent_rate", nil, 102.37213978742065, 100}, {"error_rate", nil, 0, 100}}},
		{"vegeta-errors-report.json", "vegeta", "open", "40 of 80 requests failed", []want{
			{"error_rate", nil, 0.5, 80}, {"goodput", nil, 40.40490923202801, 40}, {"latency_p99", nil, none, 80}}},
		{"vegeta-results.json", "vegeta", "open", "latency_p99 needs 368 answers, this sample has 100", []want{
			{"latency_max", nil, 2903415e-9, 100}, {"latency_mean", nil, 682691e-9 + 0.19e-9, 100}, {"latency_p99", nil, none, 100}, {"error_rate", nil, 0, 100}}},
		{"vegeta-errors-results.csv", "vegeta", "open", "percentiles are of answers only", []want{
			{"latency_max", nil, 2971007e-9, 40}, {"latency_p95", nil, none, 40}, {"error_rate", nil, 0.5, 80}}},
	} {
		t.Run(c.file, func(t *testing.T) {
			d, l := read(t, c.file)
			check(t, d, c.metrics)
			if d.Manifest.Tool != c.tool || l.Schedule.Loop != c.loop || d.Kind != "loadtest" || d.Verdict != report.OK || d.Validity.Verdict != report.Valid || len(d.Validity.Checks) > 0 {
				t.Errorf("tool %q, loop %q, kind %q, verdict %q, validity %+v", d.Manifest.Tool, l.Schedule.Loop, d.Kind, d.Verdict, d.Validity)
			}
			for _, w := range []string{"imported from " + c.tool, c.warns} {
				if !slices.ContainsFunc(d.Warnings, func(s string) bool { return strings.Contains(s, w) }) {
					t.Errorf("no warning says %q: %q", w, d.Warnings)
				}
			}
			for _, m := range d.Metrics {
				if m.Lo != nil && !strings.Contains(c.file, "results") {
					t.Errorf("%s has an interval, and the tool told none", m.Name)
				}
			}
			rendered(t, d)
		})
	}
}

// rendered holds a document to being shown in every format, without a word of what was not measured.
func rendered(t *testing.T, d *report.Document) {
	t.Helper()
	for _, f := range render.Formats() {
		var b bytes.Buffer
		if err := render.Render(&b, d, f, render.Options{Width: 120}); err != nil {
			t.Errorf("%s: %v", f, err)
		}
		for _, word := range []string{"seed 0", "0 late", "0 requests at a time", "from when a request was due"} {
			if f != "json" && strings.Contains(b.String(), word) {
				t.Errorf("%s says %q, which nobody measured", f, word)
			}
		}
	}
}

func TestReadDetails(t *testing.T) {
	_, l := read(t, "perf_analyzer-concurrency.csv")
	var at []int
	for _, p := range l.Points {
		at = append(at, p.Concurrency)
		if !p.Valid || p.P99 == nil || p.P99Lo != nil {
			t.Errorf("point %+v", p)
		}
	}
	if !slices.Equal(at, []int{1, 2, 3, 4}) {
		t.Errorf("points at %v: not by concurrency", at)
	}
	if _, l = read(t, "wrk-dies.txt"); l.Schedule.Concurrency != 4 || l.Window.Seconds != 3.04 || l.Target.URL != "http://127.0.0.1:18931/v2/models/digits-cnn/infer" ||
		len(l.Faults) != 2 || l.Faults[0].Count != 29008 || l.Faults[0].Outcome != "broken" {
		t.Errorf("%+v", l)
	}
	d, l := read(t, "vegeta-errors-results.csv")
	if want := time.Date(2026, 11, 27, 11, 53, 5, 563e6, time.UTC); !d.Created.Equal(want) || len(l.Faults) != 1 || l.Faults[0].Code != 404 || l.Faults[0].Count != 40 || l.Target.URL != "" {
		t.Errorf("created %v, %+v", d.Created, l.Faults)
	}
	f := l.Figures
	var due, answered int64
	for _, s := range f.Sections {
		due, answered = due+s.Due, answered+s.Answered
	}
	if len(f.Sections) != sections || len(f.Timeline) != slots || due != 80 || answered != 40 || f.Lag != nil {
		t.Errorf("%d sections, %d slices, %d due, %d answered", len(f.Sections), len(f.Timeline), due, answered)
	}
}

// TestResultsAndReport compares the two ways in which vegeta tells of the same run.
func TestResultsAndReport(t *testing.T) {
	results, l := read(t, "vegeta-results.json")
	summary, _ := read(t, "vegeta-report.json")
	for _, m := range summary.Metrics {
		r := results.Metric(m.Name, nil)
		if r == nil || (r.Value == nil) != (m.Value == nil) || r.N != m.N {
			t.Errorf("%s: results have %+v, the report %+v", m.Name, r, m)
		} else if m.Value != nil && math.Abs(*r.Value-*m.Value) > 0.02**m.Value {
			t.Errorf("%s is %v by the results and %v by the report", m.Name, *r.Value, *m.Value)
		}
	}
	for _, name := range []string{"latency_p50", "latency_p90", "latency_p95", "throughput"} {
		if m := results.Metric(name, nil); m.Lo == nil || !(*m.Lo <= *m.Value && *m.Value <= *m.Hi) || m.Method == "" {
			t.Errorf("%s has no interval: %+v", name, m)
		}
	}
	if got := l.Target.URL; got != "http://127.0.0.1:18931/v2/models/digits-cnn/infer" {
		t.Errorf("target %q", got)
	}
}

// TestExportAndCSV compares the two ways in which perf_analyzer tells of the same run.
func TestExportAndCSV(t *testing.T) {
	export, l := read(t, "perf_analyzer-export.json")
	table, _ := read(t, "perf_analyzer-export.csv")
	for rps, n := range map[string]int{"20": 72, "40": 144} {
		labels := map[string]string{"rps": rps}
		for name, within := range map[string]float64{"throughput": 0.001, "latency_mean": 0.001, "latency_p50": 0.03, "latency_p90": 0.03} {
			a, b := export.Metric(name, labels), table.Metric(name, labels)
			if a == nil || b == nil || a.N != n || b.N != 0 || a.Lo == nil || b.Lo != nil {
				t.Fatalf("%s at %s: %+v and %+v", name, rps, a, b)
			}
			if math.Abs(*a.Value-*b.Value) > within**b.Value {
				t.Errorf("%s at %s is %v by the export and %v by the CSV", name, rps, *a.Value, *b.Value)
			}
		}
		if m := export.Metric("latency_p99", labels); m == nil || m.Value != nil {
			t.Errorf("p99 of %d requests: %+v", n, m)
		}
	}
	if len(l.Points) != 2 || l.Points[0].Rate != 20 || l.Figures != nil || export.Created.Year() != 2026 {
		t.Errorf("%+v", l.Points)
	}
	rendered(t, export)
}

// TestOneExperiment reads an export of a closed loop, made of the first experiment of the open one.
func TestOneExperiment(t *testing.T) {
	var p struct {
		Experiments []map[string]any `json:"experiments"`
	}
	if err := json.Unmarshal(fixture(t, "perf_analyzer-export.json"), &p); err != nil {
		t.Fatal(err)
	}
	p.Experiments = p.Experiments[:1]
	p.Experiments[0]["experiment"] = map[string]any{"mode": "concurrency", "value": 3}
	b, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	d, err := Read(b)
	if err != nil {
		t.Fatal(err)
	}
	var l report.LoadDetails
	if err := json.Unmarshal(d.Details, &l); err != nil {
		t.Fatal(err)
	}
	if l.Schedule.Concurrency != 3 || l.Schedule.Loop != "closed" || l.Figures == nil || len(l.Points) != 0 || d.Metric("latency_p50", nil) == nil {
		t.Errorf("%+v", l.Schedule)
	}
	rendered(t, d)
}

func TestDetect(t *testing.T) {
	for file, want := range map[string]string{
		"perf_analyzer-concurrency.csv": "perf_analyzer CSV", "perf_analyzer-rate.csv": "perf_analyzer CSV", "perf_analyzer-export.json": "perf_analyzer profile export",
		"locust_stats.csv": "Locust statistics CSV", "locust_stats_history.csv": "Locust history CSV", "locust_failures.csv": "Locust failures CSV",
		"wrk.txt": "wrk text", "vegeta-report.json": "vegeta JSON report", "vegeta-results.json": "vegeta results in JSON lines",
		"vegeta-errors-results.csv": "vegeta results in CSV", "vegeta-results.bin": "vegeta binary results", "vegeta-report.txt": "vegeta text report",
		"README.md": "",
	} {
		b := fixture(t, file)
		if got, ok := Detect(b); got != want || ok != (want != "") {
			t.Errorf("%s is %q, %v, want %q", file, got, ok, want)
		}
		if got, _ := Detect(append([]byte("\xef\xbb\xbf\r\n"), b...)); got != want && want != "vegeta binary results" {
			t.Errorf("%s with a byte order mark is %q, want %q", file, got, want)
		}
	}
	for _, text := range []string{"", "{}", `{"schema": "infer.report/v1"}`, "Running out of time\n", "a,b\n1,2\n"} {
		if got, ok := Detect([]byte(text)); ok {
			t.Errorf("%q is %q", text, got)
		}
	}
}

func TestReadRefuses(t *testing.T) {
	cut := func(file string, at string) string {
		text := string(fixture(t, file))
		i := strings.Index(text, at)
		if i < 0 {
			t.Fatalf("%s has no %q", file, at)
		}
		return text[:i]
	}
	swap := func(file, old, new string) string {
		text := string(fixture(t, file))
		if !strings.Contains(text, old) {
			t.Fatalf("%s has no %q", file, old)
		}
		return strings.Replace(text, old, new, 1)
	}
	for _, c := range []struct{ name, text, says string }{
		{"nothing", "", "of no load generator"},
		{"another", "{}", "of no load generator"},
		{"a cut number", cut("perf_analyzer-concurrency.csv", "591\n"), "its last line does not end"},
		{"a cut line", cut("perf_analyzer-concurrency.csv", ",333,2") + "\n", "line 5 has 3 fields, not the 13"},
		{"no rows", cut("perf_analyzer-concurrency.csv", "4,2995"), "it has no line with figures"},
		{"a composing model", "Concurrency,Inferences/Second,Client Send\n1,2,3\n", `it has no column "p50 latency", "p99 latency"`},
		{"no number", swap("perf_analyzer-rate.csv", "299.86", "nan"), "Inferences/Second: NaN is no such number"},
		{"negative", swap("perf_analyzer-rate.csv", "5361", "-5361"), "p99 latency: -5361 is no such number"},
		{"words", swap("perf_analyzer-rate.csv", "5361", "five"), `p99 latency is "five", no number`},
		{"half a request", swap("perf_analyzer-concurrency.csv", "\n2,", "\n2.5,"), "2.5 is no number of requests at a time"},
		{"twice", swap("perf_analyzer-concurrency.csv", "\n2,", "\n1,"), "it has the load concurrency=1 twice"},
		{"half an export", cut("perf_analyzer-export.json", `"window_boundaries"`), "it is not complete"},
		{"no experiments", `{"experiments":[],"version":""}`, "it has no experiments"},
		{"no requests", `{"experiments":[{"experiment":{"mode":"concurrency","value":1},"requests":[]}]}`, "experiment 1 has no requests"},
		{"another mode", `{"experiments":[{"experiment":{"mode":"session","value":1},"requests":[]}]}`, `its mode is "session"`},
		{"answered before", `{"experiments":[{"experiment":{"mode":"concurrency","value":1},"requests":[{"timestamp":5,"response_timestamps":[4]}]}]}`, "a request from 5 to 4 ns is none"},
		{"cut Locust", cut("locust_stats.csv", ",Aggregated"), `its last line is not that of all requests`},
		{"cut Locust line", strings.TrimSpace(string(fixture(t, "locust_stats.csv"))), "its last line does not end"},
		{"old Locust", `"Type","Name","# requests","# failures"` + "\n" + `"GET","/","1","0"` + "\n", `it has no column "Request Count"`},
		{"no requests of Locust", swap("locust_stats.csv", ",Aggregated,480", ",Aggregated,0"), "it counts no requests"},
		{"history", string(fixture(t, "locust_stats_history.csv")), "not of the run"},
		{"cut wrk", cut("wrk-latency.txt", "Transfer/sec"), `it has no line with "Transfer/sec"`},
		{"cut wrk distribution", swap("wrk-errors.txt", "     99%    6.25ms\n", ""), `no line with "99%"`},
		{"odd wrk time", swap("wrk-errors.txt", "6.25ms", "6.25parsec"), `"6.25parsec" is no time of wrk`},
		{"wrk twice", string(fixture(t, "wrk.txt")) + string(fixture(t, "wrk.txt")), "the output of several runs"},
		{"wrk2", swap("wrk-latency.txt", "  Thread Stats", "  Thread calibration: mean lat.: 1.2ms, rate sampling interval: 10ms\n  Thread Stats"), "it is the output of wrk2"},
		{"dead wrk", swap("wrk.txt", " requests in", " requests in nothing"), `it has no line with "requests in"`},
		{"cut vegeta report", cut("vegeta-report.json", `"success"`), "it is not complete"},
		{"vegeta without requests", `{"latencies":{"50th":0,"99th":0},"requests":0}`, "it counts no requests"},
		{"vegeta without latencies", `{"latencies":{"total":0},"requests":5}`, "it has no latencies.50th"},
		{"cut vegeta results", strings.TrimSpace(string(fixture(t, "vegeta-results.json")))[:2000], "is not complete"},
		{"vegeta result without time", `{"attack":"","code":200}`, "line 1 has no timestamp or no latency"},
		{"vegeta result that ends early", `{"attack":"","code":200,"timestamp":"2026-11-27T11:53:04Z","latency":-1}`, "line 1: a request from"},
		{"cut vegeta CSV", cut("vegeta-errors-results.csv", ",,,2,POST"), "result 3 is not complete"},
		{"binary", string(fixture(t, "vegeta-results.bin")), "only vegeta itself"},
		{"text", string(fixture(t, "vegeta-report.txt")), "for people"},
	} {
		t.Run(c.name, func(t *testing.T) {
			d, err := Read([]byte(c.text))
			if err == nil {
				t.Fatalf("it was read, with %d metrics", len(d.Metrics))
			}
			if !strings.Contains(err.Error(), c.says) || fault.KindOf(err) != fault.Usage || fault.HintOf(err) == "" || strings.Contains(err.Error(), "\n") {
				t.Errorf("got %v (hint %q), want …%s…", err, fault.HintOf(err), c.says)
			}
		})
	}
}

// TestWrkUnits: every unit of time that wrk prints.
func TestWrkUnits(t *testing.T) {
	for text, want := range map[string]float64{"541.10us": 541.1e-6, "0.91ms": 0.91e-3, "1.20s": 1.2, "1.50m": 90, "2.00h": 7200} {
		if got, err := parseWrkTime(text); err != nil || math.Abs(got-want) > 1e-9*want {
			t.Errorf("%s is %v, %v, want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "s", "1", "-1s", "infs", "1ks"} {
		if got, err := parseWrkTime(text); err == nil {
			t.Errorf("%q is %v", text, got)
		}
	}
}

// TestWrkCounts: large counts are written out.
func TestWrkCounts(t *testing.T) {
	d, err := Read(bytes.ReplaceAll(fixture(t, "wrk-errors.txt"), []byte("17319"), []byte("1000000")))
	if err != nil || !slices.ContainsFunc(d.Warnings, func(w string) bool { return strings.HasPrefix(w, "1000000 of 1000000 answers") }) {
		t.Errorf("%v, %v", d, err)
	}
}

// TestOneRequest: a stream of one request has no length, no rate and no percentiles, and says so.
func TestOneRequest(t *testing.T) {
	d, err := Read([]byte(`{"attack":"","code":200,"timestamp":"2026-11-27T11:53:04Z","latency":0}`))
	if err != nil {
		t.Fatal(err)
	}
	check(t, d, []want{{"latency_max", nil, 0, 1}, {"latency_p50", nil, math.NaN(), 1}, {"throughput", nil, math.NaN(), 1}})
	rendered(t, d)
}

// FuzzRead: whatever is read is a sound document that is written and read again; nothing panics, errors are of one line.
func FuzzRead(f *testing.F) {
	files, err := filepath.Glob("testdata/*.*")
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b[:min(len(b), 2000)])
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		d, err := Read(b)
		if err != nil {
			if strings.Contains(err.Error(), "\n") {
				t.Fatalf("more than a line: %q", err)
			}
			return
		}
		if err := d.Validate(); err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		if err := report.Write(&out, d); err != nil {
			t.Fatal(err)
		}
		back, err := report.Read(&out)
		if err != nil || len(back.Metrics) != len(d.Metrics) {
			t.Fatalf("written and not read again: %v", err)
		}
		if err := render.Render(&out, d, "text", render.Options{}); err != nil {
			t.Fatal(err)
		}
	})
}
