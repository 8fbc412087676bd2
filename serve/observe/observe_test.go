package observe

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"

	"infer/internal/host"
	"infer/serve/batch"
	"infer/serve/repository"
)

// fed returns an Observe that was told of every kind of event, at now.
func fed(t testing.TB, now time.Time, triton bool) *Observe {
	t.Helper()
	b := newObserve(t, Options{
		Version: "1.2.3", Runtime: "1.30.0", Triton: triton,
		Stats: func() []repository.Stats {
			return []repository.Stats{
				{Name: "m", Version: "1", Inferences: 6, Executions: 1, Waiting: 4, Running: 2,
					Success: repository.Duration{Count: 3, Time: 15 * time.Millisecond},
					Queue:   repository.Duration{Count: 3, Time: 3 * time.Millisecond},
					Compute: repository.Duration{Count: 3, Time: 9 * time.Millisecond}},
				{Name: "m", Version: "2"},
			}
		},
		Index: func() []repository.State {
			return []repository.State{{Name: "m", Version: "1", State: "READY"}, {Name: "m", Version: "2", State: "LOADING"}}
		},
		Connections: func() map[string]int { return map[string]int{"http": 3, "grpc": 1} },
		SLO: func(model string) time.Duration {
			if model == "m" {
				return 8 * time.Millisecond
			}
			return 0
		},
	})
	b.now = func() time.Time { return now }
	b.facts = func() facts {
		return facts{
			cpus:     host.CPUs{Count: 1, Quota: 1.5, Affinity: 4},
			throttle: host.Throttling{Periods: 10, Throttled: 4, Time: 300 * time.Millisecond},
			times:    host.MachineTime{Busy: 3 * time.Second, Idle: time.Second, Steal: time.Second / 2, Pressure: time.Second / 4},
			memory:   host.MemoryUse{Used: 950, Limit: 1000, Source: "cgroup"},
			machine:  host.MemoryUse{Used: 2000, Limit: 8000, Source: "machine"},
		}
	}
	end := now.Add(-time.Second)
	b.Run(run(end))
	failed := run(end)
	failed.Err = errors.New("broken")
	b.Run(failed)
	for i := range reasons {
		e := request(end)
		e.Reason = reasonAt(i)
		switch e.Reason {
		case repository.Refused:
			e.Err = fmt.Errorf("infer: %w", &batch.Refusal{Why: batch.Overload})
		case repository.Unknown:
			e.Model, e.Version = "nope", "7"
		}
		b.Request(e)
	}
	late := request(end) // above the SLO
	late.Total = 20 * time.Millisecond
	b.Request(late)
	b.Request(request(end))
	b.Model(repository.ModelEvent{Model: "m", Version: "3", What: "load"})
	b.Model(repository.ModelEvent{Model: "m", Version: "3", What: "failed", Err: errors.New("no model")})
	b.Reload(nil)
	b.Reload(errors.New("bad"))
	return b
}

// value returns the value of the one series that has these labels (name=value), and of no other; the count of a
// histogram. It fails where there is none.
func value(t testing.TB, b *Observe, name string, labels ...string) float64 {
	t.Helper()
	families, err := b.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
		for _, m := range f.GetMetric() {
			if has(m, labels) {
				switch {
				case m.Histogram != nil:
					return float64(m.Histogram.GetSampleCount())
				case m.Counter != nil:
					return m.Counter.GetValue()
				}
				return m.Gauge.GetValue()
			}
		}
	}
	t.Fatalf("no series %s%v", name, labels)
	return 0
}

func has(m *dto.Metric, labels []string) bool {
	if len(labels) != len(m.GetLabel()) {
		return false
	}
	got := map[string]bool{}
	for _, l := range m.GetLabel() {
		got[l.GetName()+"="+l.GetValue()] = true
	}
	for _, l := range labels {
		if !got[l] {
			return false
		}
	}
	return true
}

func TestMetrics(t *testing.T) {
	b := fed(t, time.Unix(1_800_000_000, 0), false)
	const m, v, p = "model=m", "version=1", "protocol=oip-http"
	for _, c := range []struct {
		name   string
		labels []string
		want   float64
	}{
		{"infer_requests_total", []string{m, v, p, "reason=ok"}, 3},
		{"infer_requests_total", []string{m, v, p, "reason=refused"}, 1},
		{"infer_requests_total", []string{m, v, p, "reason=unknown"}, 0},
		{"infer_requests_total", []string{"model=", "version=", p, "reason=unknown"}, 1},
		{"infer_request_duration_seconds", []string{m, v, p}, 3},
		{"infer_refusal_duration_seconds", []string{m, v}, 3}, // refused, late, unavailable
		{"infer_refusals_total", []string{m, v, "why=overload"}, 1},
		{"infer_queue_duration_seconds", []string{m, v}, 3},
		{"infer_compute_duration_seconds", []string{m, v}, 1}, // once a run
		{"infer_batch_rows", []string{m, v}, 1},
		{"infer_runs_total", []string{m, v, "result=ok"}, 1},
		{"infer_runs_total", []string{m, v, "result=failed"}, 1},
		{"infer_rows_total", []string{m, v}, 6},
		{"infer_requests_within_slo_total", []string{m, v}, 2},
		{"infer_model_slo_seconds", []string{m}, 0.008},
		{"infer_request_bytes_total", []string{m, v, p}, 1000},
		{"infer_response_bytes_total", []string{m, v, p}, 400},
		{"infer_queue_calls", []string{m, v}, 4},
		{"infer_running_calls", []string{m, v}, 2},
		{"infer_model_ready", []string{m, v}, 1},
		{"infer_model_ready", []string{m, "version=2"}, 0},
		{"infer_model_info", []string{m, v, "digest=d1"}, 1},
		{"infer_model_load_duration_seconds", []string{m, v}, 0.25},
		{"infer_model_reloads_total", []string{m, "result=ok"}, 2},
		{"infer_model_reloads_total", []string{m, "result=failed"}, 1},
		{"infer_config_reloads_total", []string{"result=ok"}, 1},
		{"infer_config_reloads_total", []string{"result=failed"}, 1},
		{"infer_config_reload_timestamp_seconds", nil, 1_800_000_000},
		{"infer_cpus_available", nil, 1.5},
		{"infer_cpu_periods_total", nil, 10},
		{"infer_cpu_throttled_periods_total", nil, 4},
		{"infer_cpu_throttled_seconds_total", nil, 0.3},
		{"infer_cpu_pressure_seconds_total", nil, 0.25},
		{"infer_cpu_steal_seconds_total", nil, 0.5},
		{"infer_memory_used_bytes", nil, 950},
		{"infer_memory_limit_bytes", nil, 1000},
		{"infer_connections", []string{"listener=http"}, 3},
	} {
		if got := value(t, b, c.name, c.labels...); got != c.want {
			t.Errorf("%s%v is %v, want %v", c.name, c.labels, got, c.want)
		}
	}
}

func TestTritonMetrics(t *testing.T) {
	b := fed(t, time.Now(), true)
	const m, v = "model=m", "version=1"
	for _, c := range []struct {
		name   string
		labels []string
		want   float64
	}{
		{"nv_inference_request_success", []string{m, v}, 3},
		{"nv_inference_request_failure", []string{m, v, "reason=REJECTED"}, 3}, // refused, late, unavailable
		{"nv_inference_request_failure", []string{m, v, "reason=CANCELED"}, 1},
		{"nv_inference_request_failure", []string{m, v, "reason=BACKEND"}, 1},
		{"nv_inference_request_failure", []string{m, v, "reason=OTHER"}, 2}, // invalid, denied
		{"nv_inference_count", []string{m, v}, 6},
		{"nv_inference_exec_count", []string{m, v}, 1},
		{"nv_inference_pending_request_count", []string{m, v}, 4},
		{"nv_inference_request_duration_us", []string{m, v}, 15000},
		{"nv_inference_queue_duration_us", []string{m, v}, 3000},
		{"nv_inference_compute_input_duration_us", []string{m, v}, 0},
		{"nv_inference_compute_infer_duration_us", []string{m, v}, 9000},
		{"nv_inference_compute_output_duration_us", []string{m, v}, 0},
		{"nv_model_load_duration_secs", []string{m, v}, 0.25},
		{"nv_cpu_utilization", nil, 0.75},
		{"nv_cpu_memory_total_bytes", nil, 8000},
		{"nv_cpu_memory_used_bytes", nil, 2000},
	} {
		b.registry.Unregister(newTriton(b)) // utilization is since the scrape before: each case makes the first one
		b.registry.MustRegister(newTriton(b))
		if got := value(t, b, c.name, c.labels...); got != c.want {
			t.Errorf("%s%v is %v, want %v", c.name, c.labels, got, c.want)
		}
	}
}

// TestNamesThatClientsInvent makes sure that a client cannot make series by asking for models.
func TestNamesThatClientsInvent(t *testing.T) {
	b := newObserve(t, Options{})
	count := func() int {
		var out bytes.Buffer
		if _, err := b.Write(&out, ""); err != nil {
			t.Fatal(err)
		}
		return strings.Count(out.String(), "\ninfer_")
	}
	ask := func(i int) {
		e := request(time.Now())
		e.Model, e.Version, e.Reason = "m", strconv.Itoa(1000+i), repository.Unknown
		b.Request(e)
		e.Model = "model-" + strconv.Itoa(i)
		b.Request(e)
	}
	ask(0)
	before := count()
	for i := range 1000 {
		ask(i)
	}
	if after := count(); after != before {
		t.Errorf("%d lines before, %d after a thousand invented names", before, after)
	}
	if got := value(t, b, "infer_requests_total", "model=m", "version=", "protocol=oip-http", "reason=unknown"); got != 1001 {
		t.Errorf("%v requests for unknown versions of m", got)
	}
}

func TestUnloadedVersionsAreForgotten(t *testing.T) {
	b := newObserve(t, Options{SLO: func(string) time.Duration { return time.Second }})
	now := time.Unix(1_800_000_000, 0)
	b.now = func() time.Time { return now }
	text := func() string {
		var out bytes.Buffer
		if _, err := b.Write(&out, ""); err != nil {
			t.Fatal(err)
		}
		return out.String()
	}
	b.Request(request(now))
	b.Run(run(now))
	unload := func(version, digest string) {
		b.Model(repository.ModelEvent{Model: "m", Version: version, Digest: digest, What: "unload"})
	}

	// The file of version 2 is replaced, then loaded again as it is; each time one goes and the version stays. The end of
	// the old one may be told before the start of the new one.
	replace := func(what string) { b.Model(repository.ModelEvent{Model: "m", Version: "2", Digest: "new", What: what}) }
	replace("switch")
	unload("2", "d2")
	unload("2", "new")
	replace("switch")
	unload("1", "d1")
	now = now.Add(retention - time.Second)
	if s := text(); !strings.Contains(s, `infer_requests_total{model="m",protocol="oip-http",reason="ok",version="1"} 1`) ||
		strings.Contains(s, `digest="d1"`) {
		t.Errorf("just unloaded, version 1 should count and not be loaded:\n%s", s)
	}
	now = now.Add(2 * time.Second)
	if s := text(); strings.Contains(s, `version="1"`) || !strings.Contains(s, `version="2"`) || !strings.Contains(s, `digest="new"`) {
		t.Errorf("version 1 should be gone and version 2 be there:\n%s", s)
	}
	unload("2", "new")
	now = now.Add(retention + time.Second)
	if s := text(); strings.Contains(s, `model="m"`) || len(b.Live()) != 0 {
		t.Errorf("model m should be gone:\n%s", s)
	}
}

// TestVersionsOfOneName: a scrape must survive that a repository tells of a version twice while one replaces another.
func TestVersionsOfOneName(t *testing.T) {
	b := newObserve(t, Options{
		Stats: func() []repository.Stats {
			return []repository.Stats{{Name: "m", Version: "1", Waiting: 2}, {Name: "m", Version: "1", Waiting: 3}}
		},
		Index: func() []repository.State {
			return []repository.State{{Name: "m", Version: "1", State: "READY"}, {Name: "m", Version: "1", State: "UNLOADING"}}
		},
	})
	if got := value(t, b, "infer_queue_calls", "model=m", "version=1"); got != 5 {
		t.Errorf("%v calls wait, want 5", got)
	}
	if got := value(t, b, "infer_model_ready", "model=m", "version=1"); got != 1 {
		t.Errorf("ready is %v", got)
	}
}

// TestConcurrent is for the race detector: events, scrapes and models that come and go, and no request is lost.
func TestConcurrent(t *testing.T) {
	b := newObserve(t, Options{})
	var done sync.WaitGroup
	const workers, each = 4, 500
	for range workers {
		done.Go(func() {
			for range each {
				b.Run(run(time.Now()))
				b.Request(request(time.Now()))
			}
		})
	}
	done.Go(func() {
		for i := range 100 {
			v := strconv.Itoa(10 + i)
			b.Model(repository.ModelEvent{Model: "m", Version: v, What: "ready"})
			b.Model(repository.ModelEvent{Model: "m", Version: v, What: "unload"})
			b.Reload(nil)
		}
	})
	done.Go(func() {
		for range 20 {
			if _, err := b.Write(&bytes.Buffer{}, ""); err != nil {
				t.Error(err)
			}
			b.Live()
		}
	})
	done.Wait()
	if got := value(t, b, "infer_request_duration_seconds", "model=m", "version=1", "protocol=oip-http"); got != workers*each {
		t.Errorf("%v requests, want %v", got, workers*each)
	}
}

func TestPromtoolChecksMetrics(t *testing.T) {
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("promtool is not installed")
	}
	var text bytes.Buffer
	if _, err := fed(t, time.Now(), false).Write(&text, ""); err != nil {
		t.Fatal(err)
	}
	check := exec.CommandContext(t.Context(), promtool, "check", "metrics")
	check.Stdin = &text
	if out, err := check.CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("promtool check metrics: %v\n%s", err, out)
	}
}

func TestFormats(t *testing.T) {
	b := fed(t, time.Now(), false)
	for _, c := range []struct{ accept, contentType, end string }{
		{"", "text/plain; version=0.0.4", "\n"},
		{"application/openmetrics-text; version=1.0.0", "application/openmetrics-text; version=1.0.0", "# EOF\n"},
		{"application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited", "application/vnd.google.protobuf", ""},
		{"image/png", "text/plain; version=0.0.4", "\n"},
	} {
		var out bytes.Buffer
		got, err := b.Write(&out, c.accept)
		if err != nil || !strings.HasPrefix(got, c.contentType) || !strings.HasSuffix(out.String(), c.end) || out.Len() == 0 {
			t.Errorf("%q: %q, %v, %d bytes", c.accept, got, err, out.Len())
		}
		r := httptest.NewRequest("GET", "/metrics", nil)
		r.Header.Set("Accept", c.accept)
		w := httptest.NewRecorder()
		b.Handler().ServeHTTP(w, r)
		if h := w.Header().Get("Content-Type"); w.Code != 200 || !strings.HasPrefix(h, c.contentType) || !strings.HasSuffix(w.Body.String(), c.end) {
			t.Errorf("handler, %q: %d %q", c.accept, w.Code, h)
		}
	}
}

// hungUp is a client of a scrape that has gone.
type hungUp struct{ http.ResponseWriter }

func (hungUp) Write([]byte) (int, error) {
	return 0, &net.OpError{Op: "write", Err: os.NewSyscallError("write", syscall.EPIPE)}
}

// TestScrapeThatHangsUp: nobody reads a line a metric about a client that has gone; what else goes wrong is logged.
func TestScrapeThatHangsUp(t *testing.T) {
	var log bytes.Buffer
	b, err := New(Options{Log: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	b.Handler().ServeHTTP(hungUp{httptest.NewRecorder()}, httptest.NewRequest("GET", "/metrics", nil))
	if log.Len() > 0 {
		t.Errorf("logged:\n%s", log.String())
	}
	scrapeLog{b.log}.Println("error gathering metrics:", errors.New("twice"))
	if !strings.Contains(log.String(), "error gathering metrics: twice") {
		t.Errorf("not logged: %s", log.String())
	}
}
