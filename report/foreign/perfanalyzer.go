package foreign

import (
	"encoding/json"
	"strings"

	"infer/report"
)

// micro is perf_analyzer's unit of time in CSV files, in seconds.
const micro = 1e-6

// readPerfCSV reads what perf_analyzer writes with -f: a line a load, sorted by throughput, times in whole microseconds.
// Columns differ by version, --percentile, --verbose-csv, cache and metrics: what is not known here is left out.
// Ref: perf_analyzer, src/report_writer.cc.
func readPerfCSV(b []byte) (*load, error) {
	t, err := readTable(b)
	if err != nil {
		return nil, err
	}
	if err := t.need("Inferences/Second", "p50 latency", "p99 latency"); err != nil {
		return nil, err
	}
	closed := t.names[0] == "Concurrency"
	l := newLoad("perf_analyzer", "open")
	if closed {
		l = newLoad("perf_analyzer", "closed")
	}
	l.d.Warn("perf_analyzer's CSV does not tell how many requests its figures are of (n is 0), nor how many failed; its throughput counts rows, so with -b N it is N times the requests")
	var loads []level
	for _, row := range t.rows {
		v, _, err := t.number(row, t.names[0])
		if err != nil {
			return nil, err
		}
		at, err := levelOf(closed, v)
		if err != nil {
			return nil, err
		}
		loads = append(loads, at)
	}
	return l, l.levels(loads, func(i int, labels map[string]string) (*report.LoadFigures, error) {
		return nil, l.perfRow(t, t.rows[i], labels)
	})
}

// perfRow appends the metrics of a line.
func (l *load) perfRow(t *table, row []string, labels map[string]string) error {
	v, _, err := t.number(row, "Inferences/Second")
	if err != nil {
		return err
	}
	for _, c := range []struct{ column, name string }{{"Avg latency", "mean"}, {"p50 latency", "p50"}, {"p90 latency", "p90"}, {"p95 latency", "p95"}, {"p99 latency", "p99"}} {
		v, ok, err := t.number(row, c.column)
		if err != nil {
			return err
		}
		if ok {
			l.time(c.name, v*micro, 0, labels)
		}
	}
	l.add("throughput", v, 0, labels)
	queue, ok, err := t.number(row, "Server Queue")
	if err != nil || !ok {
		return err
	}
	compute := 0.0
	for _, name := range []string{"Server Compute Input", "Server Compute Infer", "Server Compute Output"} {
		v, _, err := t.number(row, name)
		if err != nil {
			return err
		}
		compute += v
	}
	if queue+compute > 0 { // a server without statistics has zeros
		l.add("server_queue_mean", queue*micro, 0, labels)
		l.add("server_compute_mean", compute*micro, 0, labels)
	}
	return nil
}

// perfExport is what perf_analyzer writes with --profile-export-file, but for what requests carried.
// Ref: perf_analyzer, src/profile_data_exporter.cc.
type perfExport struct {
	Experiments []struct {
		Experiment struct {
			Mode  string  `json:"mode"` // "concurrency" or "request_rate"
			Value float64 `json:"value"`
		} `json:"experiment"`
		Requests []struct {
			Timestamp int64   `json:"timestamp"` // nanoseconds since 1970, when it was sent
			Responses []int64 `json:"response_timestamps"`
		} `json:"requests"`
		Windows []int64 `json:"window_boundaries"`
	} `json:"experiments"`
	Version string `json:"version"`
}

// readPerfExport reads perf_analyzer's record of every request. A request with several responses took until the last.
func readPerfExport(b []byte) (*load, error) {
	var p perfExport
	if err := json.Unmarshal(b, &p); err != nil {
		return nil, missing("it is not complete: %w", err)
	}
	if len(p.Experiments) == 0 {
		return nil, missing("it has no experiments")
	}
	var loads []level
	closed := p.Experiments[0].Experiment.Mode == "concurrency"
	for _, e := range p.Experiments {
		if m := e.Experiment.Mode; m != "concurrency" && m != "request_rate" {
			return nil, missing("its mode is %q, neither concurrency nor request_rate", m)
		} else if (m == "concurrency") != closed {
			return nil, missing("its experiments have different modes")
		}
		at, err := levelOf(closed, e.Experiment.Value)
		if err != nil {
			return nil, err
		}
		loads = append(loads, at)
	}
	l := newLoad("perf_analyzer", "open")
	if closed {
		l = newLoad("perf_analyzer", "closed")
	}
	l.d.Manifest.Tool = strings.TrimSpace("perf_analyzer " + p.Version)
	var every []request
	err := l.levels(loads, func(i int, labels map[string]string) (*report.LoadFigures, error) {
		rs, w, err := p.requests(i)
		if err != nil {
			return nil, err
		}
		every = append(every, rs...)
		if len(loads) == 1 {
			l.x.Window.Seconds = w.seconds()
		}
		return l.requests(rs, w, labels), nil
	})
	if err == nil {
		l.faults(every)
		l.d.Created = moment(around(every).begin)
	}
	return l, err
}

// requests are those of the i-th experiment, with its measuring windows as one.
func (p *perfExport) requests(i int) ([]request, window, error) {
	e := p.Experiments[i]
	var rs []request
	for _, r := range e.Requests {
		one := request{sent: r.Timestamp, done: r.Timestamp}
		if len(r.Responses) == 0 {
			one.failed = "broken"
		} else {
			one.done = r.Responses[len(r.Responses)-1]
		}
		if err := plausible(one); err != nil {
			return nil, window{}, err
		}
		rs = append(rs, one)
	}
	if len(rs) == 0 {
		return nil, window{}, missing("experiment %d has no requests", i+1)
	}
	w := around(rs)
	if n := len(e.Windows); n > 1 && e.Windows[0] <= w.end && e.Windows[n-1] >= w.begin && e.Windows[0] < e.Windows[n-1] {
		w = window{e.Windows[0], e.Windows[n-1]}
	}
	return rs, w, nil
}
