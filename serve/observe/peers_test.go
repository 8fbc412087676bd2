package observe

import (
	"bufio"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"infer/configs"
)

// start runs a server until the test ends and returns the first match of ready in what it prints. It fails with what
// it printed when it ends before.
func start(t *testing.T, ready *regexp.Regexp, program string, args ...string) []string {
	t.Helper()
	c := exec.CommandContext(t.Context(), program, args...)
	c.Dir = t.TempDir()
	read, write := io.Pipe()
	c.Stdout, c.Stderr = write, write
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() {
		err := c.Wait()
		write.Close()
		ended <- err
	}()
	t.Cleanup(func() {
		if err := c.Process.Signal(os.Interrupt); err == nil {
			<-ended
		}
	})
	found := make(chan []string, 1)
	go func() {
		var printed strings.Builder
		lines := bufio.NewScanner(read)
		for sent := false; lines.Scan(); { // on until it ends, or it could not write
			if m := ready.FindStringSubmatch(lines.Text()); m != nil && !sent {
				found <- m
				sent = true
			}
			if !sent {
				printed.WriteString(lines.Text() + "\n")
			}
		}
		found <- []string{"", printed.String()}
	}()
	m := <-found
	if m[0] == "" {
		t.Fatalf("%s ended:\n%s", program, m[1])
	}
	return m
}

// ask gets a JSON document from a server.
func ask(t *testing.T, address string, into any) {
	t.Helper()
	r, err := http.Get(address)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	if r.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s\n%s", address, r.Status, body)
	}
	if err := json.Unmarshal(body, into); err != nil {
		t.Fatalf("%s: %v\n%s", address, err, body)
	}
}

// eventually asks again, five times a second for up to a minute, until ok: what another process does has no channel.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick, end := time.NewTicker(200*time.Millisecond), time.After(time.Minute)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-end:
			t.Fatalf("never: %s", what)
		}
	}
}

// vector is an answer of Prometheus.
type vector struct {
	Data struct {
		Result []struct {
			Metric map[string]string
			Value  []any
		}
	}
}

// scraper is a real Prometheus that scrapes a server five times a second.
type scraper struct {
	t   *testing.T
	api string
}

// scraping starts Prometheus on the configuration that infer deploys, pointed at the server.
func scraping(t *testing.T, server string) scraper {
	t.Helper()
	program, err := exec.LookPath("prometheus")
	if err != nil {
		t.Skip("prometheus is not installed")
	}
	dir := t.TempDir()
	if err := os.CopyFS(dir, configs.Monitoring); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "prometheus", "prometheus.yml")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	edited := strings.NewReplacer("5s", "200ms", "infer:8002", strings.TrimPrefix(server, "http://")).Replace(string(text))
	if err := os.WriteFile(file, []byte(edited), 0o600); err != nil {
		t.Fatal(err)
	}
	m := start(t, regexp.MustCompile(`msg="Listening on" address=(\S+)`), program, "--config.file="+file,
		"--storage.tsdb.path="+t.TempDir(), "--web.listen-address=127.0.0.1:0")
	eventually(t, "Prometheus is ready", func() bool {
		r, err := http.Get("http://" + m[1] + "/-/ready")
		if err != nil {
			t.Fatal(err)
		}
		r.Body.Close()
		return r.StatusCode == http.StatusOK
	})
	return scraper{t, "http://" + m[1] + "/api/v1/"}
}

func (p scraper) query(expr string) (v vector) {
	p.t.Helper()
	ask(p.t, p.api+"query?query="+url.QueryEscape(expr), &v)
	return v
}

// scraped reports whether the server was scraped so many times.
func (p scraper) scraped(times string) func() bool {
	return func() bool {
		return len(p.query(`count_over_time(infer_requests_total{job="infer",reason="ok",model="m"}[1h]) >= `+times).Data.Result) == 1
	}
}

// alerts returns the state of each alert that is not silent.
func (p scraper) alerts() map[string]string {
	p.t.Helper()
	var v struct {
		Data struct {
			Alerts []struct {
				Labels map[string]string
				State  string
			}
		}
	}
	ask(p.t, p.api+"alerts", &v)
	all := map[string]string{}
	for _, a := range v.Data.Alerts {
		all[a.Labels["alertname"]] = a.State
	}
	return all
}

// rulesAreHealthy holds that Prometheus could evaluate every rule.
func (p scraper) rulesAreHealthy() {
	p.t.Helper()
	var v struct {
		Data struct {
			Groups []struct {
				Rules []struct{ Name, Health, LastError string }
			}
		}
	}
	ask(p.t, p.api+"rules", &v)
	for _, g := range v.Data.Groups {
		for _, r := range g.Rules {
			if r.Health != "ok" {
				p.t.Errorf("rule %s: %s %s", r.Name, r.Health, r.LastError)
			}
		}
	}
}

// TestPrometheus lets the real one scrape a server, evaluate the rules, and answer every question of the dashboard.
func TestPrometheus(t *testing.T) {
	b := fed(t, time.Now(), false)
	server := httptest.NewServer(b.Handler())
	defer server.Close()
	p := scraping(t, server.URL)
	eventually(t, "two scrapes", p.scraped("2"))
	b.Reload(os.ErrInvalid) // an increase between scrapes
	b.Request(request(time.Now()))
	b.Run(run(time.Now()))
	eventually(t, "five scrapes", p.scraped("5"))

	for _, e := range panels(t) { // a scrape that came too late on a busy machine leaves a gap
		eventually(t, e.where+": an answer to "+e.text, func() bool { return len(p.query(e.text).Data.Result) > 0 })
	}
	eventually(t, "a failed reload fires, and 95 % of the memory waits for its five minutes", func() bool {
		s := p.alerts()
		return s["InferReloadFailed"] == "firing" && s["InferMemoryNearLimit"] == "pending"
	})
	for _, silent := range []string{"InferDown", "InferModelNotReady"} {
		eventually(t, silent+" is silent", func() bool { return p.alerts()[silent] == "" })
	}
	p.rulesAreHealthy()
}

// TestJaeger sends traces to the real one and finds them through its query API. scripts/jaeger.sh builds it.
func TestJaeger(t *testing.T) {
	jaeger := os.Getenv("INFER_TEST_JAEGER")
	if jaeger == "" {
		t.Skip("INFER_TEST_JAEGER names no all-in-one of Jaeger: scripts/jaeger.sh builds one")
	}
	plainEnv(t)
	ports := freePorts(t, 7)
	start(t, regexp.MustCompile(`"Health Check state change".*"ready"`), jaeger,
		"--collector.otlp.grpc.host-port="+ports[0], "--collector.otlp.http.host-port="+ports[1],
		"--query.http-server.host-port="+ports[2], "--query.grpc-server.host-port="+ports[3],
		"--admin.http.host-port="+ports[4], "--collector.grpc-server.host-port="+ports[5],
		"--collector.http-server.host-port="+ports[6])
	for i, protocol := range []string{"grpc", "http/protobuf"} {
		t.Setenv("OTEL_EXPORTER_OTLP_PROTOCOL", protocol)
		t.Setenv("OTEL_SERVICE_NAME", "infer-"+protocol[:4])
		b := newObserve(t, Options{Endpoint: "http://" + ports[i]})
		e := request(time.Now())
		e.Batch.Span = b.Run(run(time.Now()))
		b.Request(e)
		if err := b.Shutdown(t.Context()); err != nil {
			t.Fatal(err)
		}
		checkJaeger(t, "http://"+ports[2], "infer-"+protocol[:4])
	}
}

// jaegerTraces is an answer of Jaeger. Times are in microseconds.
type jaegerTraces struct {
	Data []struct {
		Spans []struct {
			OperationName string
			Duration      int
			References    []struct{ RefType, TraceID, SpanID string }
		}
	}
}

func checkJaeger(t *testing.T, query, service string) {
	t.Helper()
	find := func(operation string) (got jaegerTraces) {
		eventually(t, operation+" in Jaeger", func() bool {
			ask(t, query+"/api/traces?service="+service+"&operation="+url.QueryEscape(operation), &got)
			return len(got.Data) == 1
		})
		return got
	}
	spans := find("oip-http infer").Data[0].Spans
	if len(spans) != 7 {
		t.Errorf("%d spans, want the request and its 6 parts", len(spans))
	}
	run := find("run").Data[0].Spans
	if len(run) != 1 || run[0].Duration != 3000 {
		t.Errorf("run %+v", run)
	}
	for _, s := range spans {
		linked := false
		for _, r := range s.References {
			linked = linked || r.RefType == "FOLLOWS_FROM" // how Jaeger tells a link
		}
		if request := s.OperationName == "oip-http infer"; linked != request || request && s.Duration != 5000 {
			t.Errorf("span %+v", s)
		}
	}
}

// freePorts returns n addresses that were free a moment ago.
func freePorts(t *testing.T, n int) (list []string) {
	t.Helper()
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		list = append(list, l.Addr().String())
	}
	return list
}
