package observe

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"infer/internal/host"
	"infer/serve/repository"
)

// triton collects Triton's metrics, with its names and meanings, for dashboards and scaling rules that know those. Its
// counters have no _total; the client library leaves that to linters. Durations are in microseconds.
type triton struct {
	b                                      *Observe
	success, failure, count, exec, pending *prometheus.Desc
	request, queue, input, infer, output   *prometheus.Desc
	load, cpu, memoryTotal, memoryUsed     *prometheus.Desc

	mu   sync.Mutex
	last host.MachineTime // at the scrape before
}

func newTriton(b *Observe) *triton {
	of := []string{"model", "version"}
	d := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc(name, help, labels, nil)
	}
	return &triton{
		b:           b,
		success:     d("nv_inference_request_success", "Answered requests.", of...),
		failure:     d("nv_inference_request_failure", "Requests without a result, by reason.", "model", "version", "reason"),
		count:       d("nv_inference_count", "Rows that were run.", of...),
		exec:        d("nv_inference_exec_count", "Runs.", of...),
		pending:     d("nv_inference_pending_request_count", "Requests that wait for a run.", of...),
		request:     d("nv_inference_request_duration_us", "Time of answered requests, summed.", of...),
		queue:       d("nv_inference_queue_duration_us", "Time in the queue, summed.", of...),
		input:       d("nv_inference_compute_input_duration_us", "Time of putting inputs together, summed.", of...),
		infer:       d("nv_inference_compute_infer_duration_us", "Time in runs, summed.", of...),
		output:      d("nv_inference_compute_output_duration_us", "Time of taking outputs apart, summed.", of...),
		load:        d("nv_model_load_duration_secs", "What the last load took.", of...),
		cpu:         d("nv_cpu_utilization", "Share of the machine's CPUs that was busy since the scrape before, 0 to 1."),
		memoryTotal: d("nv_cpu_memory_total_bytes", "Memory of the machine."),
		memoryUsed:  d("nv_cpu_memory_used_bytes", "Memory of the machine that is in use."),
	}
}

// Describe names the metrics.
func (t *triton) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{t.success, t.failure, t.count, t.exec, t.pending, t.request, t.queue, t.input,
		t.infer, t.output, t.load, t.cpu, t.memoryTotal, t.memoryUsed} {
		ch <- d
	}
}

// Collect takes the counters of the repository, which the statistics of the protocol tell too.
func (t *triton) Collect(ch chan<- prometheus.Metric) {
	counter := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, v, labels...)
	}
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	for k, s := range t.b.statsByVersion() {
		micros := func(d *prometheus.Desc, sum time.Duration) {
			counter(d, float64(sum.Nanoseconds()/1000), k.model, k.version)
		}
		counter(t.success, float64(s.Success.Count), k.model, k.version)
		counter(t.count, float64(s.Inferences), k.model, k.version)
		counter(t.exec, float64(s.Executions), k.model, k.version)
		gauge(t.pending, float64(s.Waiting), k.model, k.version)
		micros(t.request, s.Success.Time)
		micros(t.queue, s.Queue.Time)
		micros(t.input, s.Input.Time)
		micros(t.infer, s.Compute.Time)
		micros(t.output, s.Output.Time)
	}
	for k, v := range *t.b.series.versions.Load() {
		if k.model == "" {
			continue // Triton counts no requests for models that it does not have
		}
		for i, reason := range tritonReasons() {
			counter(t.failure, float64(v.failures[i].Load()), k.model, k.version, reason)
		}
	}
	for k, took := range t.b.series.loads() {
		gauge(t.load, took.Seconds(), k.model, k.version)
	}
	f := t.b.facts()
	gauge(t.cpu, t.utilization(f.times))
	gauge(t.memoryTotal, float64(f.machine.Limit))
	gauge(t.memoryUsed, float64(f.machine.Used))
}

// utilization returns the busy share since it was last called, since the machine started at first.
func (t *triton) utilization(now host.MachineTime) float64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	busy, idle := now.Busy-t.last.Busy, now.Idle-t.last.Idle
	t.last = now
	if busy+idle <= 0 {
		return 0
	}
	return min(1, max(0, float64(busy)/float64(busy+idle)))
}

// tritonFailures counts requests without a result by Triton's reasons.
type tritonFailures [4]atomic.Uint64

func tritonReasons() [4]string { return [4]string{"REJECTED", "CANCELED", "BACKEND", "OTHER"} }

func (f *tritonFailures) add(r repository.Reason) {
	switch r {
	case repository.Refused, repository.Late, repository.Unavailable:
		f[0].Add(1)
	case repository.Cancelled:
		f[1].Add(1)
	case repository.Failed:
		f[2].Add(1)
	default:
		f[3].Add(1)
	}
}
