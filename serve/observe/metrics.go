package observe

import (
	"regexp"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// metrics are the families that are written as things happen. Those that are read at a scrape are in models, process
// and triton.
type metrics struct {
	requests, rows, within, refusals *prometheus.CounterVec
	requestBytes, responseBytes      *prometheus.CounterVec
	runs, reloads, configReloads     *prometheus.CounterVec
	spans                            *prometheus.CounterVec
	duration, refusal, queue         *prometheus.HistogramVec
	compute, batchRows               *prometheus.HistogramVec
	info, loadDuration, slo, build   *prometheus.GaugeVec
	configTime                       prometheus.Gauge
}

// seconds returns the buckets of durations: from 50 µs to 10 s, a factor of 2 to 2.5 apart.
func seconds() []float64 {
	return []float64{50e-6, 100e-6, 250e-6, 500e-6, 1e-3, 2.5e-3, 5e-3, 10e-3, 25e-3, 50e-3, 100e-3, 250e-3, 500e-3,
		1, 2.5, 5, 10}
}

func newMetrics() *metrics {
	return &metrics{
		requests: counter("infer_requests_total", "Requests by how they ended.",
			"model", "version", "protocol", "reason"),
		duration: durations("infer_request_duration_seconds",
			"From the first byte of an answered request until its answer was encoded.", "model", "version", "protocol"),
		refusal: durations("infer_refusal_duration_seconds",
			"The same of requests that were refused, dropped late, or found the server draining.", "model", "version"),
		queue: durations("infer_queue_duration_seconds",
			"Wait of an answered request until its run was taken up.", "model", "version"),
		compute: durations("infer_compute_duration_seconds", "Run of the session, once a run.", "model", "version"),
		batchRows: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "infer_batch_rows",
			Help: "Rows of a run.", Buckets: prometheus.ExponentialBuckets(1, 2, 11)}, []string{"model", "version"}),
		runs: counter("infer_runs_total", "Runs of sessions by result.", "model", "version", "result"),
		rows: counter("infer_rows_total", "Rows of answered requests.", "model", "version"),
		within: counter("infer_requests_within_slo_total",
			"Answered requests that took no longer than the SLO of their model; 0 where it has none.", "model", "version"),
		refusals: counter("infer_refusals_total", "Requests that the batcher refused or dropped, by why.",
			"model", "version", "why"),
		requestBytes: counter("infer_request_bytes_total", "Bytes of request bodies.", "model", "version", "protocol"),
		responseBytes: counter("infer_response_bytes_total", "Bytes of response bodies.",
			"model", "version", "protocol"),
		reloads: counter("infer_model_reloads_total", "Loads of versions, the first ones included, by result.",
			"model", "result"),
		info:          gauge("infer_model_info", "1, with the SHA-256 of a loaded version.", "model", "version", "digest"),
		loadDuration:  gauge("infer_model_load_duration_seconds", "What the last load took.", "model", "version"),
		slo:           gauge("infer_model_slo_seconds", "The SLO of a model that has one.", "model"),
		build:         gauge("infer_build_info", "1, with versions.", "version", "go", "runtime"),
		configReloads: counter("infer_config_reloads_total", "Reloads of the configuration by result.", "result"),
		configTime: prometheus.NewGauge(prometheus.GaugeOpts{Name: "infer_config_reload_timestamp_seconds",
			Help: "When the configuration was last reloaded with success, since 1970; 0 for never."}),
		spans: counter("infer_trace_spans_total", "Spans given to the trace exporter by result.", "result"),
	}
}

func counter(name, help string, labels ...string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
}

func gauge(name, help string, labels ...string) *prometheus.GaugeVec {
	return prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: name, Help: help}, labels)
}

func durations(name, help string, labels ...string) *prometheus.HistogramVec {
	return prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: help, Buckets: seconds()}, labels)
}

func (m *metrics) all() []prometheus.Collector {
	return []prometheus.Collector{
		m.requests, m.rows, m.within, m.refusals, m.requestBytes, m.responseBytes, m.runs, m.reloads, m.configReloads,
		m.spans, m.duration, m.refusal, m.queue, m.compute, m.batchRows, m.info, m.loadDuration, m.slo, m.build,
		m.configTime,
	}
}

// versioned are the families with a series for each version of a model.
func (m *metrics) versioned() []interface{ DeletePartialMatch(prometheus.Labels) int } {
	return []interface{ DeletePartialMatch(prometheus.Labels) int }{
		m.requests, m.rows, m.within, m.refusals, m.requestBytes, m.responseBytes, m.runs,
		m.duration, m.refusal, m.queue, m.compute, m.batchRows, m.info, m.loadDuration,
	}
}

// goCollector tells what of the Go runtime explains a spike: collections, scheduling delays, the heap, goroutines.
func goCollector() prometheus.Collector {
	return collectors.NewGoCollector(
		collectors.WithGoCollectorMemStatsMetricsDisabled(),
		collectors.WithGoCollectorRuntimeMetrics(collectors.GoRuntimeMetricsRule{
			Matcher: regexp.MustCompile(`^/(gc/heap/live:bytes|memory/classes/total:bytes|sched/latencies:seconds)$`),
		}),
	)
}
