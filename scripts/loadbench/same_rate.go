//go:build linux

package main

import (
	"encoding/json"
	"fmt"
	"math"
	"net"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// offered is the rate of same-rate, requests a second, and users those of Locust that share it.
const (
	offered = 300
	users   = 6
)

// asked is a generator on infer serve, and what it says, a value a round.
type asked struct {
	name, part     string // part as in tool
	run            func(b *bench, addr, model string) (figures, string, finished, error)
	n, failed      int
	rate, p50, p99 []float64
	own            string // what it says of its own pacing, in the last round
	fault          error
}

// sameRate offers the same rate to infer serve by three generators in turn.
func sameRate(b *bench) error {
	file := b.model()
	model := strings.TrimSuffix(filepath.Base(file), ".onnx")
	srv, addr, err := b.serve(file)
	if err != nil {
		return err
	}
	defer srv.stop()
	var list []*asked
	for _, a := range []*asked{{name: "infer loadtest", run: byInfer}, {name: "perf_analyzer", run: byPerfAnalyzer, part: "perf_analyzer"}, {name: "Locust", run: byLocust, part: "locust"}} {
		switch {
		case !b.tools.MatchString(a.name):
			b.skip(a.name + ": not asked for")
		case a.part == "" || b.parts[a.part] != "":
			list = append(list, a)
		}
	}
	for range b.rounds {
		for _, a := range list {
			if a.fault == nil {
				a.fault = b.ask(a, srv, addr, model)
			}
		}
	}
	fmt.Fprintf(b.out, "%s on infer serve, %d/s at constant distances, HTTP with binary tensors.\n\n", model, offered)
	b.table("generator", "n", "throughput/s", "over infer's", "p50 ms", "p99 ms", "failed", "its own account")
	for _, a := range list {
		if a.fault != nil {
			b.row(a.name, a.fault.Error())
			continue
		}
		relative := ""
		if list[0].run != nil && list[0].part == "" && list[0].fault == nil {
			relative = spread(ratios(a.rate, list[0].rate), "%.3f")
		}
		b.row(a.name, strconv.Itoa(a.n), spread(a.rate, "%.1f"), relative, spread(scaled(a.p50, 1e3), "%.2f"), spread(scaled(a.p99, 1e3), "%.2f"), failures(a.failed), a.own)
	}
	return nil
}

func (b *bench) ask(a *asked, srv *process, addr, model string) error {
	busyBefore, cpuBefore := busy(), srv.cpu()
	f, own, run, err := a.run(b, addr, model)
	if err != nil {
		return fmt.Errorf("exit code %d: %w: %s", run.code, err, tail(run.out))
	}
	b.disturbed(busyBefore, srv.cpu()-cpuBefore+run.cpu, run.wall)
	a.n, a.failed, a.own = a.n+f.requests, a.failed+f.failed, own
	a.rate, a.p50, a.p99 = append(a.rate, f.rate), append(a.p50, f.p50), append(a.p99, f.p99)
	return nil
}

// serve starts infer serve with a model and waits until it is ready.
func (b *bench) serve(file string) (*process, string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, "", err
	}
	addr := l.Addr().String()
	l.Close()
	srv, err := start(b.infer, "serve", file, "--http", addr, "--grpc", "off", "--metrics", "off")
	if err != nil {
		return nil, "", err
	}
	c := http.Client{Timeout: time.Second}
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		r, err := c.Get("http://" + addr + "/v2/health/ready")
		if err != nil {
			continue
		}
		r.Body.Close()
		if r.StatusCode == http.StatusOK {
			return srv, addr, nil
		}
	}
	srv.stop()
	return nil, "", fmt.Errorf("infer serve was not ready in a minute: %s", tail(srv.log.String()))
}

func byInfer(b *bench, addr, model string) (figures, string, finished, error) {
	run, err := finish(b.infer, "loadtest", "http://"+addr, "--model", model, "--rps", strconv.Itoa(offered), "--arrival", "constant", "--duration", b.seconds.String(),
		"--floor", "off", "--format", "json", "--quiet")
	if err != nil {
		return figures{}, "", run, err
	}
	f, err := readInfer(b, "", run.out)
	if err != nil {
		return f, "", run, err
	}
	d, err := parseDocument(run.out)
	lag, _ := d.value("send_lag_p99")
	return f, fmt.Sprintf("send_lag_p99 %.0f µs; %s", 1e6*lag, d.trust()), run, err
}

// byPerfAnalyzer measures three windows, which together are as long as a measurement of the others.
func byPerfAnalyzer(b *bench, addr, model string) (figures, string, finished, error) {
	run, err := finish(b.parts["perf_analyzer"], "-m", model, "-u", addr, "-i", "http", "--request-rate-range", strconv.Itoa(offered), "--request-distribution", "constant",
		"-p", strconv.Itoa(int(b.seconds.Milliseconds()/3)), "-r", "3", "-s", "999")
	if err != nil {
		return figures{}, "", run, err
	}
	f, own, err := readPerfAnalyzer(run.out)
	return f, own, run, err
}

func readPerfAnalyzer(out string) (f figures, own string, err error) {
	count := found(out, `Request count: (\d+)`)
	f = figures{rate: found(out, `Throughput: ([0-9.]+) infer/sec`), p50: found(out, `p50 latency: (\d+) usec`) / 1e6, p99: found(out, `p99 latency: (\d+) usec`) / 1e6}
	if math.IsNaN(f.rate) || math.IsNaN(count) {
		return f, "", errNoFigures
	}
	f.requests = int(count)
	if failed := found(out, `Failed Request Count: (\d+)`); !math.IsNaN(failed) {
		f.failed = int(failed)
	}
	own = "no warning of late requests"
	if late := found(out, `([0-9.]+)% of the requests were delayed`); !math.IsNaN(late) {
		own = fmt.Sprintf("%g %% of the requests delayed", late)
	}
	return f, own, nil
}

// spawning is what Locust takes of its time until its users have begun.
const spawning = time.Second

func byLocust(b *bench, addr, model string) (figures, string, finished, error) {
	run, err := finish("env", "MODEL="+model, "RATE="+number(float64(offered)/users), b.parts["locust"], "-m", "locust", "-f", filepath.Join(b.root, "scripts", "loadbench", "locustfile.py"),
		"--host", "http://"+addr, "--headless", "--json", "--skip-log", "-u", strconv.Itoa(users), "-r", strconv.Itoa(users), "-t", wholeSeconds(b.seconds+spawning))
	if err != nil {
		return figures{}, "", run, err
	}
	f, err := readLocust(run.out)
	return f, "", run, err
}

// readLocust reads the entry of the requests that are inferences. Its times are whole milliseconds with a count each.
// The rate is that of the gaps: between n requests of a user there are n-1.
func readLocust(out string) (figures, error) {
	var entries []struct {
		Name        string
		NumRequests int                `json:"num_requests"`
		NumFailures int                `json:"num_failures"`
		Start       float64            `json:"start_time"`
		Last        float64            `json:"last_request_timestamp"`
		Times       map[string]float64 `json:"response_times"`
	}
	begin := strings.IndexByte(out, '[')
	if begin < 0 {
		return figures{}, errNoFigures
	}
	if err := json.NewDecoder(strings.NewReader(out[begin:])).Decode(&entries); err != nil {
		return figures{}, err
	}
	for _, e := range entries {
		if e.Name != "infer" {
			continue
		}
		var times []float64
		for ms, n := range e.Times {
			v, err := strconv.ParseFloat(ms, 64)
			if err != nil {
				return figures{}, err
			}
			for range int(n) {
				times = append(times, v/1e3)
			}
		}
		if len(times) == 0 {
			return figures{}, errNoFigures
		}
		return figures{e.NumRequests - e.NumFailures, e.NumFailures, float64(e.NumRequests-e.NumFailures-users) / (e.Last - e.Start), quantile(times, .5), quantile(times, .99)}, nil
	}
	return figures{}, errNoFigures
}
