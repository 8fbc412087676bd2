//go:build linux

package main

import (
	"bufio"
	"io"
	"math"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestWaitsAtMost(t *testing.T) {
	// Nobody waits with probability 1-ρ; below one service time the formula is (1-ρ)·e^(λx).
	if got := waitsAtMost(50, 0.01, 0); math.Abs(got-0.5) > 1e-12 {
		t.Errorf("waits nothing with %v", got)
	}
	if got, want := waitsAtMost(50, 0.01, 0.005), 0.5*math.Exp(0.25); math.Abs(got-want) > 1e-12 {
		t.Errorf("waits 5 ms at most with %v, not %v", got, want)
	}
	// A simulation by Lindley's recursion; its share of a million waits deviates by about 0.001.
	const rate, d, n = 80.0, 0.01, 1_000_000
	random, wait, within := rand.New(rand.NewPCG(1, 2)), 0.0, 0
	for range n {
		if wait <= 0.04 {
			within++
		}
		wait = max(0, wait+d-random.ExpFloat64()/rate)
	}
	if got, want := waitsAtMost(rate, d, 0.04), float64(within)/n; math.Abs(got-want) > 0.005 {
		t.Errorf("waits 40 ms at most with %v, simulated %v", got, want)
	}
}

func TestBreaks(t *testing.T) {
	for _, q := range []queue{{service: 10 * time.Millisecond, limit: 50 * time.Millisecond, quantile: .99}, {service: 2 * time.Millisecond, limit: 8 * time.Millisecond, quantile: .95}} {
		rate := q.breaks()
		d, x := q.service.Seconds(), (q.limit - q.service).Seconds()
		if below, above := waitsAtMost(0.99*rate, d, x), waitsAtMost(1.01*rate, d, x); below <= q.quantile || above >= q.quantile || rate >= 1/d {
			t.Errorf("%s: breaks at %.2f/s, where %v and %v wait no longer", q.slo(), rate, below, above)
		}
	}
	if got := (queue{parallel: true, top: 7}).breaks(); got != 7 {
		t.Errorf("breaks at %v", got)
	}
	if got := (queue{quantile: .999, limit: time.Second}).slo(); got != "p99.9<1s" {
		t.Error(got)
	}
}

func TestImplied(t *testing.T) {
	s := standstill{rate: 500, duration: 20 * time.Second, after: 8 * time.Second, service: time.Millisecond, length: time.Second}
	// 500 of 10000 requests are due in the standstill; they wait for 1001, 999, 997 … ms. 100 lie above the p99, so it is
	// the 101st: 1001 ms - 100 · 2 ms.
	if got := s.implied(.99); math.Abs(got-0.801) > 1e-9 {
		t.Errorf("p99 of %v s", got)
	}
	if got := s.implied(.5); math.Abs(got-0.001) > 1e-9 {
		t.Errorf("p50 of %v s", got)
	}
	// What is being served when it stops has its rest to go afterwards: 8 requests of 9 are late by the whole length.
	s = standstill{rate: 1000, duration: 9 * time.Millisecond, after: 8500 * time.Microsecond, service: 8 * time.Millisecond, length: time.Second}
	if got := s.implied(8.0 / 9); math.Abs(got-1.008) > 1e-9 {
		t.Errorf("a request of long service takes %v s", got)
	}
}

func TestLateness(t *testing.T) {
	const rate = 1000
	skip := int(rate * settle.Seconds())
	grid := func(n int, at func(i int) float64) []int64 {
		var list []int64
		for i := range n {
			list = append(list, 7e18+int64(at(i)*1e9))
		}
		return list
	}
	exact := grid(skip+1000, func(i int) float64 { return float64(i) / rate })
	exact[skip+500] += 300_000 // 300 µs
	slices.Reverse(exact)
	late, off := lateness(exact, rate, 1)
	if len(late) != 1000 || late[998] > 2e-9 || math.Abs(late[999]-300e-6) > 2e-9 || math.Abs(off) > 1e-9 {
		t.Errorf("%d arrivals, the last two late by %v, rate off by %v", len(late), late[998:], off)
	}
	slow := grid(skip+1001, func(i int) float64 { return float64(i) / (rate * 0.99) })
	if late, off := lateness(slow, rate, 1); math.Abs(off+0.01) > 1e-6 || math.Abs(late[1000]-1000*(1/(rate*.99)-1.0/rate)) > 1e-6 {
		t.Errorf("rate off by %v, late by %v", off, late[1000])
	}
	bunches := grid(skip+1000, func(i int) float64 { return float64(i/10) / (rate / 10) })
	if late, off := lateness(bunches, rate, 10); late[len(late)-1] > 2e-9 || math.Abs(off) > 1e-9 {
		t.Errorf("bunches late by %v, rate off by %v", late[len(late)-1], off)
	}
	if late, _ := lateness(exact[:10], rate, 1); late != nil {
		t.Error("nothing can be said of ten arrivals")
	}
}

func TestRecorder(t *testing.T) {
	in, stop := io.Pipe()
	read, out := io.Pipe()
	failed := make(chan error, 1)
	go func() { failed <- record(in, out); out.Close() }()
	r := bufio.NewReader(read)
	addr, err := r.ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	before := time.Now().UnixNano()
	const n = 20
	for range n {
		answer, err := http.Get("http://" + strings.TrimSpace(addr))
		if err != nil {
			t.Fatal(err)
		}
		if body, err := io.ReadAll(answer.Body); err != nil || string(body) != "ok" {
			t.Fatalf("%q, %v", body, err)
		}
		answer.Body.Close()
	}
	after := time.Now().UnixNano()
	stop.Close()
	arrivals, err := readArrivals(r)
	if err != nil || len(arrivals) != n || !slices.IsSorted(arrivals) || arrivals[0] < before || arrivals[n-1] > after {
		t.Errorf("%d arrivals from %d to %d: %v, error %v", len(arrivals), before, after, arrivals, err)
	}
	if err := <-failed; err != nil {
		t.Error(err)
	}
}

// TestAnswers reads what the tools printed, shortened.
func TestAnswers(t *testing.T) {
	reader := func(read func(*bench, string, string) (figures, error)) func(string) (figures, error) {
		return func(out string) (figures, error) { return read(nil, "", out) }
	}
	for _, c := range []struct {
		name, out string
		read      func(string) (figures, error)
		want      figures
	}{
		{"infer", `{"verdict":"ok","metrics":[{"name":"throughput","value":500,"n":1000},{"name":"latency_p50","value":0.001,"n":1000},{"name":"latency_p99","value":0.8,"n":1000},{"name":"error_rate","value":0.01,"n":1010}]}` + "\ninfer: warning",
			reader(readInfer), figures{1000, 10, 500, .001, .8}},
		{"wrk", "Running 1s test @ http://127.0.0.1:1/\n  1 threads and 4 connections\n" + `{"requests":1000,"failed":2,"micros":2000000,"p50":110.000000,"p99":400.000000}` + "\n",
			reader(readWrk), figures{1000, 2, 500, .00011, .0004}},
		{"oha", `{"summary":{"successRate":1.0,"total":2,"requestsPerSec":20.9},"latencyPercentiles":{"p50":0.0003,"p99":0.0017},"statusCodeDistribution":{"200":20,"503":3},"errorDistribution":{"aborted due to deadline":1,"connection refused":4}}`,
			reader(readOha), figures{20, 7, 10, .0003, .0017}},
		{"bombardier", `{"spec":{"numberOfConnections":4},"result":{"timeTakenSeconds":2,"req1xx":0,"req2xx":28000,"req3xx":0,"req4xx":1,"req5xx":2,"others":3,"latency":{"percentiles":{"50":111,"75":155,"99":426}}}}`,
			reader(readBombardier), figures{28000, 6, 14000, .000111, .000426}},
		{"fortio", `{"ActualQPS":496.5,"DurationHistogram":{"Count":500,"Percentiles":[{"Percentile":50,"Value":0.0001},{"Percentile":99,"Value":0.004}]},"RetCodes":{"200":490,"-1":10}}`,
			reader(readFortio), figures{490, 10, 496.5, .0001, .004}},
		{"vegeta", `{"latencies":{"50th":239483,"99th":7305253},"requests":500,"rate":502.6,"throughput":502.5,"status_codes":{"200":499,"0":1}}`,
			vegetaReport, figures{499, 1, 502.5, .000239483, .007305253}},
		{"hey", "  Requests/sec:\t100.0\n\nLatency distribution:\n  50%% in 0.0003 secs\n  99%% in 0.0033 secs\n\nStatus code distribution:\n  [200]\t90 responses\n  [503]\t6 responses\n\nError distribution:\n  [4]\tGet \"http://127.0.0.1\": refused\n",
			reader(readHey), figures{90, 10, 90, .0003, .0033}},
		{"perf_analyzer", "  Client: \n    Request count: 541\n    Avg send request rate: 299.64 infer/sec\n    Throughput: 299.63 infer/sec\n    p50 latency: 740 usec\n    p99 latency: 4980 usec\n",
			func(out string) (figures, error) { f, _, err := readPerfAnalyzer(out); return f, err }, figures{541, 0, 299.63, .00074, .00498}},
		{"Locust", `[{"name":"metadata","num_requests":6,"response_times":{"20":6}},{"name":"infer","num_requests":306,"num_failures":0,"start_time":100.0,"last_request_timestamp":101.0,"response_times":{"1":200,"2":100,"30":6}}]`,
			readLocust, figures{306, 0, 300, .001, .03}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := c.read(c.out)
			if err != nil || got.requests != c.want.requests || got.failed != c.want.failed {
				t.Fatalf("%+v, not %+v; error %v", got, c.want, err)
			}
			for _, pair := range [][2]float64{{got.rate, c.want.rate}, {got.p50, c.want.p50}, {got.p99, c.want.p99}} {
				if !(math.Abs(pair[0]-pair[1]) < 1e-9) {
					t.Errorf("%+v, not %+v", got, c.want)
				}
			}
			if _, err := c.read("it did not start\n"); err == nil {
				t.Error("no figures are no error")
			}
		})
	}
}

func TestPerfAnalyzerSaysLate(t *testing.T) {
	_, own, err := readPerfAnalyzer("Request count: 5\n[WARNING] Perf Analyzer was not able to keep up with the desired request rate. 1.48% of the requests were delayed. \nThroughput: 3 infer/sec\n")
	if err != nil || own != "1.48 % of the requests delayed" {
		t.Errorf("%q, %v", own, err)
	}
}

func TestTrust(t *testing.T) {
	d, err := parseDocument(`{"validity":{"verdict":"invalid","checks":[{"name":"rate","ok":true},{"name":"send_lag","ok":false}]}}`)
	if err != nil || d.trust() != "invalid: send_lag" {
		t.Errorf("%q, %v", d.trust(), err)
	}
}
