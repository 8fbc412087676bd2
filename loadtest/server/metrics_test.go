package server

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"infer/internal/fault"
)

// scraped reads recorded metrics: of servers that had answered 20 requests (infer: none) on 2026-11-27.
func scraped(t *testing.T, file, model string) Scrape {
	t.Helper()
	body, err := os.ReadFile(filepath.Join("testdata", file))
	if err != nil {
		t.Fatal(err)
	}
	s, err := parseScrape(body, model)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestScrape(t *testing.T) {
	micros := func(n int64, us int64) Counter { return Counter{n, time.Duration(us) * time.Microsecond} }
	for _, c := range []struct {
		file, model string
		process     bool // tells CPU and memory of its process
		stats       *Statistics
	}{
		{"triton-2.51.metrics", "affine", false, &Statistics{Success: micros(20, 292034), Queue: micros(20, 1106), Input: micros(20, 685), Compute: micros(20, 287707), Output: micros(20, 2445), Inferences: 20, Executions: 20}},
		{"infer.metrics", "add", true, nil},
		{"kserve-0.21.metrics", "affine", true, &Statistics{Success: Counter{20, 16861525}, Compute: Counter{20, 16861525}}},
		{"mlserver-1.7.1.metrics", "affine", true, nil},
	} {
		t.Run(c.file, func(t *testing.T) {
			s := scraped(t, c.file, c.model)
			if !s.Named || (s.CPU != nil) != c.process || (s.Resident != nil) != c.process {
				t.Errorf("named %v, CPU %v, resident %v", s.Named, s.CPU, s.Resident)
			}
			if !reflect.DeepEqual(s.Statistics, c.stats) {
				t.Errorf("%+v\nnot %+v", s.Statistics, c.stats)
			}
			if other := scraped(t, c.file, "other"); other.Named || other.Statistics != nil {
				t.Errorf("of another model: %v, %+v", other.Named, other.Statistics)
			}
		})
	}
	torch := scraped(t, "torchserve-0.12.metrics", "affine")
	if s := torch.Statistics; !torch.Named || s == nil || s.Success.Count != 21 || s.Queue.Time <= 0 || s.Compute.Time <= 0 || s.Queue.Time+s.Compute.Time != s.Success.Time {
		t.Errorf("TorchServe: named %v, %+v", torch.Named, torch.Statistics)
	}
	if infer := scraped(t, "infer.metrics", "add"); infer.Periods == nil || infer.Throttled == nil || infer.ThrottledSeconds == nil {
		t.Errorf("infer: %+v", infer)
	}
}

func TestScrapeOddities(t *testing.T) {
	for _, c := range []struct {
		name, text string
		check      func(Scrape) bool
	}{
		{"GPUs", "nv_gpu_utilization{gpu_uuid=\"a\"} 0.5\nnv_gpu_utilization{gpu_uuid=\"b\"} 1\n", func(s Scrape) bool { return *s.GPU == 0.75 }},
		{"many containers are nobody's", "container_cpu_cfs_periods_total{container=\"a\"} 5\ncontainer_cpu_cfs_periods_total{container=\"b\"} 6\n", func(s Scrape) bool { return s.Periods == nil }},
		{"one container", "container_cpu_cfs_periods_total{container=\"a\"} 5\n", func(s Scrape) bool { return *s.Periods == 5 }},
		{"NaN", "process_cpu_seconds_total NaN\nprocess_resident_memory_bytes +Inf\n", func(s Scrape) bool { return s.CPU == nil && s.Resident == nil }},
		{"huge", "nv_inference_request_success{model=\"m\"} 1e300\nnv_inference_queue_duration_us{model=\"m\"} 1e300\n", func(s Scrape) bool { return s.Statistics.Queue.Time > 0 }},
		{"empty", "", func(s Scrape) bool { return !s.Named && s.Statistics == nil }},
	} {
		s, err := parseScrape([]byte(c.text), "m")
		if err != nil || !c.check(s) {
			t.Errorf("%s: %+v, %v", c.name, s, err)
		}
	}
	for _, bad := range []string{"<html>", "{\"a\": 1}", "a b c d\n"} {
		if _, err := parseScrape([]byte(bad), "m"); err == nil {
			t.Errorf("%q is taken for metrics", bad)
		}
	}
}

func TestUsage(t *testing.T) {
	v := func(x float64) *float64 { return &x }
	at := time.Now()
	for _, c := range []struct {
		name string
		a, b Scrape
		want Usage
	}{
		{"all", Scrape{CPU: v(1), Throttled: v(1), Periods: v(10), ThrottledSeconds: v(0)}, Scrape{CPU: v(6), Resident: v(7), GPU: v(0.5), Throttled: v(6), Periods: v(60), ThrottledSeconds: v(100)},
			Usage{CPUs: v(0.5), Throttled: v(0.1), Resident: v(7), GPU: v(0.5)}},
		{"time alone", Scrape{ThrottledSeconds: v(1)}, Scrape{ThrottledSeconds: v(3)}, Usage{Throttled: v(0.2)}},
		{"time of several threads", Scrape{ThrottledSeconds: v(1)}, Scrape{ThrottledSeconds: v(50)}, Usage{Throttled: v(1)}},
		{"no period", Scrape{Throttled: v(1), Periods: v(1)}, Scrape{Throttled: v(1), Periods: v(1)}, Usage{Throttled: v(0)}},
		{"restarted", Scrape{CPU: v(10)}, Scrape{CPU: v(1)}, Usage{}},
		{"nothing", Scrape{}, Scrape{}, Usage{}},
		{"model", Scrape{Statistics: &Statistics{}}, Scrape{Statistics: &Statistics{Success: Counter{2, 10}, Queue: Counter{2, 10}}}, Usage{Model: &Change{Requests: 2, Queue: 5, Compute: Untold}}},
	} {
		c.a.At, c.b.At = at, at.Add(10*time.Second)
		if got := c.a.Until(c.b); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %+v, not %+v", c.name, got, c.want)
		}
		if got := c.b.Until(c.b); got.CPUs != nil {
			t.Errorf("%s: CPUs of no time: %v", c.name, *got.CPUs)
		}
	}
}

func TestCandidates(t *testing.T) {
	for target, want := range map[string]string{
		"http://host:8000/x": "http://host:8002/metrics http://host:8082/metrics http://host:8000/metrics",
		"https://host":       "http://host:8002/metrics http://host:8082/metrics https://host/metrics",
		"grpc://[::1]:8001":  "http://[::1]:8002/metrics http://[::1]:8082/metrics",
	} {
		u, err := url.Parse(target)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, c := range candidates(u) {
			got = append(got, c.String())
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: %s", target, got)
		}
	}
}

// metricsServer gives recorded metrics, and notes whether a key came with the request.
func metricsServer(t *testing.T, file string, key *string) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		*key = q.Header.Get("Authorization")
		if q.URL.Path != "/metrics" {
			http.NotFound(w, q)
			return
		}
		http.ServeFile(w, q, filepath.Join("testdata", file))
	}))
	t.Cleanup(s.Close)
	return s
}

func TestFindMetrics(t *testing.T) {
	var key string
	s := metricsServer(t, "kserve-0.21.metrics", &key)
	withKey := http.Header{"Authorization": {"Bearer x"}}
	m, note, err := FindMetrics(t.Context(), MetricsOptions{Target: s.URL, Model: "affine", Header: withKey})
	if err != nil || m == nil || m.URL() != s.URL+"/metrics" || key != "Bearer x" {
		t.Fatalf("the target's own: %v, %q, %v, key %q", m, note, err, key)
	}
	a, err := m.Scrape(t.Context())
	b, err2 := m.Scrape(t.Context())
	if err != nil || err2 != nil || !b.At.After(a.At) || *a.Until(b).CPUs != 0 {
		t.Errorf("%+v, %v, %v", b, err, err2)
	}
	m, note, err = FindMetrics(t.Context(), MetricsOptions{Target: s.URL, Model: "nobody's"})
	if m != nil || err != nil || !strings.Contains(note, `do not name model "nobody's"`) {
		t.Errorf("another's: %v, %q, %v", m, note, err)
	}
	testOpenMetrics(t)
	m, note, err = FindMetrics(t.Context(), MetricsOptions{URL: s.URL + "/metrics", Target: "http://127.0.0.1:1", Model: "nobody's", Header: withKey})
	if m == nil || err != nil || !strings.Contains(note, "do not name") || key != "" {
		t.Errorf("the user's: %v, %q, %v, key %q went to another address", m, note, err, key)
	}
	_, _, err = FindMetrics(t.Context(), MetricsOptions{URL: s.URL + "/other", Model: "affine"})
	wantFault(t, err, fault.NotFound, "it answers 404", "Prometheus")
	_, _, err = FindMetrics(t.Context(), MetricsOptions{URL: "host:1", Model: "affine"})
	wantFault(t, err, fault.Usage, "metrics URL", "")
	_, _, err = FindMetrics(t.Context(), MetricsOptions{URL: "http://" + closed(t), Model: "affine"})
	wantFault(t, err, fault.Unavailable, "connection refused", "")
	web := httptest.NewServer(page(200))
	defer web.Close()
	_, _, err = FindMetrics(t.Context(), MetricsOptions{URL: web.URL, Model: "affine"})
	wantFault(t, err, fault.Unsupported, "no metrics at", "Prometheus")
}

// testOpenMetrics: KServe names its models once they were asked. Until then its metrics are not believed.
func testOpenMetrics(t *testing.T) {
	t.Helper()
	text := "process_cpu_seconds_total 1\n"
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte(text)) }))
	defer s.Close()
	m, note, err := FindMetrics(t.Context(), MetricsOptions{Target: s.URL, Model: "m"})
	if m == nil || note != "" || err != nil {
		t.Fatal(m, note, err)
	}
	for _, c := range []struct {
		more     string
		believed bool
	}{{"", false}, {"requests_total{model_name=\"other\"} 1\n", false}, {"requests_total{model_name=\"m\"} 1\n", true}} {
		a, err := m.Scrape(t.Context())
		text += c.more
		b, err2 := m.Scrape(t.Context())
		if u := a.Until(b); err != nil || err2 != nil || (u.CPUs != nil) != c.believed {
			t.Errorf("with %q: %+v, %v, %v", c.more, u, err, err2)
		}
	}
}
