//go:build linux

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
)

var errNoFigures = errors.New("no figures in what it printed")

// document is what this program reads of a report.
type document struct {
	Verdict string
	Metrics []struct {
		Name  string
		Value *float64
		N     int
	}
	Validity struct {
		Verdict string
		Checks  []struct {
			Name string
			OK   bool
		}
	}
}

func parseDocument(out string) (document, error) {
	var d document
	err := first(out, &d)
	return d, err
}

// value is a metric, NaN where it has no value.
func (d document) value(name string) (value float64, n int) {
	for _, m := range d.Metrics {
		if m.Name == name && m.Value != nil {
			return *m.Value, m.N
		}
	}
	return math.NaN(), 0
}

// trust is "valid", or the verdict with what failed.
func (d document) trust() string {
	var failed []string
	for _, c := range d.Validity.Checks {
		if !c.OK {
			failed = append(failed, c.Name)
		}
	}
	if len(failed) == 0 {
		return d.Validity.Verdict
	}
	return d.Validity.Verdict + ": " + strings.Join(failed, ", ")
}

// first reads the JSON value that out begins with, whatever a tool says behind it.
func first(out string, into any) error {
	begin := strings.IndexByte(out, '{')
	if begin < 0 {
		return errNoFigures
	}
	return json.NewDecoder(strings.NewReader(out[begin:])).Decode(into)
}

func readInfer(_ *bench, _, out string) (figures, error) {
	d, err := parseDocument(out)
	if err != nil {
		return figures{}, err
	}
	var f figures
	f.rate, f.requests = d.value("throughput")
	if math.IsNaN(f.rate) {
		return f, errNoFigures
	}
	rate, n := d.value("error_rate")
	f.failed = int(math.Round(rate * float64(n)))
	f.p50, _ = d.value("latency_p50")
	f.p99, _ = d.value("latency_p99")
	return f, nil
}

func readWrk(_ *bench, _, out string) (figures, error) {
	var d struct {
		Requests, Failed int
		Micros, P50, P99 float64
	}
	if err := first(out, &d); err != nil {
		return figures{}, err
	}
	return figures{d.Requests, d.Failed, 1e6 * float64(d.Requests) / d.Micros, d.P50 / 1e6, d.P99 / 1e6}, nil
}

func readOha(_ *bench, _, out string) (figures, error) {
	var d struct {
		Summary                struct{ Total float64 }
		LatencyPercentiles     struct{ P50, P99 float64 }
		StatusCodeDistribution map[string]int
		ErrorDistribution      map[string]int
	}
	if err := first(out, &d); err != nil {
		return figures{}, err
	}
	f := figures{p50: d.LatencyPercentiles.P50, p99: d.LatencyPercentiles.P99}
	f.count(d.StatusCodeDistribution)
	for why, n := range d.ErrorDistribution {
		if !strings.Contains(why, "deadline") { // under way when the time was up
			f.failed += n
		}
	}
	f.rate = float64(f.requests) / d.Summary.Total
	return f, nil
}

// count adds answers by their status.
func (f *figures) count(byStatus map[string]int) {
	for status, n := range byStatus {
		if status == "200" {
			f.requests += n
		} else {
			f.failed += n
		}
	}
}

func readBombardier(_ *bench, _, out string) (figures, error) {
	var d struct {
		Result struct {
			TimeTakenSeconds                               float64
			Req1xx, Req2xx, Req3xx, Req4xx, Req5xx, Others int
			Latency                                        struct{ Percentiles map[string]float64 }
		}
	}
	if err := first(out, &d); err != nil {
		return figures{}, err
	}
	r := d.Result
	return figures{r.Req2xx, r.Req1xx + r.Req3xx + r.Req4xx + r.Req5xx + r.Others, float64(r.Req2xx) / r.TimeTakenSeconds,
		r.Latency.Percentiles["50"] / 1e6, r.Latency.Percentiles["99"] / 1e6}, nil
}

func readFortio(_ *bench, _, out string) (figures, error) {
	var d struct {
		ActualQPS         float64
		DurationHistogram struct {
			Percentiles []struct{ Percentile, Value float64 }
		}
		RetCodes map[string]int
	}
	if err := first(out, &d); err != nil {
		return figures{}, err
	}
	f := figures{rate: d.ActualQPS, p50: math.NaN(), p99: math.NaN()}
	f.count(d.RetCodes)
	for _, p := range d.DurationHistogram.Percentiles {
		switch p.Percentile {
		case 50:
			f.p50 = p.Value
		case 99:
			f.p99 = p.Value
		}
	}
	return f, nil
}

func readVegeta(b *bench, path, _ string) (figures, error) {
	text, err := output(path, "report", "-type=json", b.vegetaFile())
	if err != nil {
		return figures{}, err
	}
	return vegetaReport(text)
}

func vegetaReport(text string) (figures, error) {
	var d struct {
		Latencies   map[string]float64 // nanoseconds
		Throughput  float64
		StatusCodes map[string]int `json:"status_codes"`
	}
	if err := first(text, &d); err != nil {
		return figures{}, err
	}
	f := figures{rate: d.Throughput, p50: d.Latencies["50th"] / 1e9, p99: d.Latencies["99th"] / 1e9}
	f.count(d.StatusCodes)
	return f, nil
}

func readHey(_ *bench, _, out string) (figures, error) {
	f := figures{p50: found(out, `(?m)^ +50%+ in ([0-9.]+) secs`), p99: found(out, `(?m)^ +99%+ in ([0-9.]+) secs`)}
	rate := found(out, `Requests/sec:\s+([0-9.]+)`)
	codes, errs, _ := strings.Cut(out, "Error distribution:")
	for _, m := range regexp.MustCompile(`\[(\d+)\]\s+(\d+) responses`).FindAllStringSubmatch(codes, -1) {
		n, _ := strconv.Atoi(m[2]) // digits
		f.count(map[string]int{m[1]: n})
	}
	for _, m := range regexp.MustCompile(`(?m)^\s+\[(\d+)\]`).FindAllStringSubmatch(errs, -1) {
		n, _ := strconv.Atoi(m[1]) // digits
		f.failed += n
	}
	if math.IsNaN(rate) {
		return f, errNoFigures
	}
	f.rate = rate * float64(f.requests) / float64(max(1, f.requests+f.failed))
	return f, nil
}

// found is the number that a pattern finds, NaN where there is none.
func found(out, pattern string) float64 {
	m := regexp.MustCompile(pattern).FindStringSubmatch(out)
	if m == nil {
		return math.NaN()
	}
	v, err := strconv.ParseFloat(m[1], 64)
	if err != nil {
		return math.NaN()
	}
	return v
}

// failures is what a table says of requests that failed.
func failures(n int) string {
	if n == 0 {
		return "0"
	}
	return fmt.Sprintf("**%d**", n)
}
