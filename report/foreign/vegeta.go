package foreign

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// maxCount is the most that a count may be.
const maxCount = math.MaxInt32

// vegetaReport is what vegeta report -type=json prints. Durations are in nanoseconds. Ref: vegeta, lib/metrics.go.
type vegetaReport struct {
	Latencies *struct {
		Mean float64  `json:"mean"`
		P50  *float64 `json:"50th"`
		P90  *float64 `json:"90th"` // since version 12.9
		P95  *float64 `json:"95th"`
		P99  *float64 `json:"99th"`
		Max  float64  `json:"max"`
	} `json:"latencies"`
	Earliest   time.Time        `json:"earliest"`
	Duration   float64          `json:"duration"`
	Wait       float64          `json:"wait"`
	Requests   *float64         `json:"requests"`
	Rate       float64          `json:"rate"`
	Throughput float64          `json:"throughput"`
	Success    float64          `json:"success"`
	Codes      map[string]int64 `json:"status_codes"`
}

// readVegetaReport reads vegeta's JSON report. Its percentiles are estimates of a digest, over failed requests too.
func readVegetaReport(b []byte) (*load, error) {
	var v vegetaReport
	if err := json.Unmarshal(b, &v); err != nil {
		return nil, missing("it is not complete: %w", err)
	}
	if v.Latencies == nil || v.Requests == nil || v.Latencies.P50 == nil || v.Latencies.P99 == nil {
		return nil, missing("it has no latencies.50th, latencies.99th or requests")
	}
	if err := sound("a figure", v.Latencies.Mean, v.Latencies.Max, v.Duration, v.Wait, *v.Requests, v.Rate, v.Throughput, v.Success); err != nil {
		return nil, err
	}
	n := int(min(*v.Requests, maxCount))
	if n == 0 {
		return nil, missing("it counts no requests")
	}
	l := newLoad("vegeta", "open")
	l.d.Warn("vegeta's report estimates percentiles by a digest; give the results themselves (vegeta encode) for exact ones with intervals")
	l.x.Target.Protocol = "http"
	l.x.Window.Seconds, l.x.Window.Drain = v.Duration/1e9, v.Wait/1e9
	l.time("mean", v.Latencies.Mean/1e9, n, nil)
	for _, p := range []struct {
		name string
		at   *float64
	}{{"p50", v.Latencies.P50}, {"p90", v.Latencies.P90}, {"p95", v.Latencies.P95}, {"p99", v.Latencies.P99}} {
		if p.at == nil {
			continue
		}
		if err := sound("latency "+p.name, *p.at); err != nil {
			return nil, err
		}
		l.time(p.name, *p.at/1e9, n, nil)
	}
	l.time("max", v.Latencies.Max/1e9, n, nil)
	good := int(math.Round(float64(n) * min(1, v.Success)))
	l.add("throughput", v.Throughput, good, nil)
	l.add("goodput", v.Throughput, good, nil)
	l.add("error_rate", 1-min(1, v.Success), n, nil)
	if v.Duration > 0 {
		l.add("sent_rate", v.Rate, n, nil)
	}
	if v.Success < 1 {
		l.d.Warn("%d of %d requests failed; vegeta counts their latency with that of the others", n-good, n)
	}
	for text, count := range v.Codes {
		if code, err := strconv.Atoi(text); err == nil && (code < 200 || code > 399) {
			l.fault(outcome(code), code, statusText(code), count)
		}
	}
	l.sortFaults()
	if y := v.Earliest.Year(); y > 1970 && y < 2262 {
		l.d.Created = v.Earliest.UTC().Truncate(time.Millisecond)
	}
	return l, nil
}

// vegetaResult is a request as vegeta encode writes it. Ref: vegeta, lib/results.go.
type vegetaResult struct {
	Code      int        `json:"code"`
	Timestamp *time.Time `json:"timestamp"`
	Latency   *int64     `json:"latency"` // nanoseconds
	URL       string     `json:"url"`
	Method    string     `json:"method"`
}

// request is r in the terms of this package. A status from 200 to 399 is a success, as vegeta has it.
func (r vegetaResult) request() request {
	out := request{sent: r.Timestamp.UnixNano(), code: r.Code}
	out.done = out.sent + *r.Latency
	if r.Code < 200 || r.Code > 399 {
		out.failed = outcome(r.Code)
	}
	return out
}

// readVegetaJSON reads results in JSON, one a line.
func readVegetaJSON(b []byte) (*load, error) {
	return vegetaResults(func(yield func(vegetaResult) error) error {
		n := 0
		for line := range bytes.Lines(b) {
			n++
			if len(bytes.TrimSpace(line)) == 0 {
				continue
			}
			var r vegetaResult
			if err := json.Unmarshal(line, &r); err != nil {
				return missing("line %d is not complete: %w", n, err)
			}
			if r.Timestamp == nil || r.Latency == nil {
				return missing("line %d has no timestamp or no latency", n)
			}
			if err := yield(r); err != nil {
				return fmt.Errorf("line %d: %w", n, err)
			}
		}
		return nil
	})
}

// readVegetaCSV reads results in CSV: twelve fields a line, the first three of them time, status and latency.
func readVegetaCSV(b []byte) (*load, error) {
	return vegetaResults(func(yield func(vegetaResult) error) error {
		in := csv.NewReader(bytes.NewReader(b))
		in.FieldsPerRecord = 12
		in.LazyQuotes = true
		for n := 1; ; n++ {
			row, err := in.Read()
			if errors.Is(err, io.EOF) {
				return nil
			}
			if err != nil {
				return missing("result %d is not complete: %w", n, err)
			}
			var v [3]int64
			for i := range v {
				if v[i], err = strconv.ParseInt(row[i], 10, 64); err != nil {
					return missing("result %d: field %d is %q, no number", n, i+1, row[i])
				}
			}
			at := time.Unix(0, v[0])
			if err := yield(vegetaResult{Code: int(min(v[1], maxCount)), Timestamp: &at, Latency: &v[2], Method: row[9], URL: row[10]}); err != nil {
				return fmt.Errorf("result %d: %w", n, err)
			}
		}
	})
}

// vegetaResults makes a document of the results that each gives.
func vegetaResults(each func(yield func(vegetaResult) error) error) (*load, error) {
	l := newLoad("vegeta", "open")
	l.x.Target.Protocol = "http"
	var rs []request
	urls := map[string]bool{}
	err := each(func(r vegetaResult) error {
		one := r.request()
		rs = append(rs, one)
		if len(urls) < 10 {
			urls[r.URL] = true
		}
		l.x.Target.URL = r.URL
		return plausible(one)
	})
	if err != nil {
		return nil, err
	}
	if len(rs) == 0 {
		return nil, missing("it has no results")
	}
	if len(urls) > 1 {
		l.x.Target.URL = ""
		l.x.Target.Notes = []string{"several addresses"}
	}
	l.single(rs, around(rs))
	return l, nil
}

// plausible returns an error where a request ends before it begins, or so long after that no clock told it.
func plausible(r request) error {
	const day = int64(24 * time.Hour)
	if r.sent <= 0 || r.done < r.sent || r.done-r.sent > 30*day {
		return missing("a request from %d to %d ns is none", r.sent, r.done)
	}
	return nil
}

// moment is a time in nanoseconds since 1970 as documents have it.
func moment(ns int64) time.Time { return time.Unix(0, ns).UTC().Truncate(time.Millisecond) }

// statusText is an HTTP status in words.
func statusText(code int) string {
	if code == 0 {
		return "no answer"
	}
	return strings.TrimSpace(strconv.Itoa(code) + " " + http.StatusText(code))
}
