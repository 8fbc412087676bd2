package observe

import (
	"github.com/prometheus/client_golang/prometheus"

	"infer/serve/repository"
)

// models collects what the repository tells at a scrape.
type models struct {
	b                       *Observe
	waiting, running, ready *prometheus.Desc
}

func newModels(b *Observe) *models {
	of := []string{"model", "version"}
	return &models{
		b:       b,
		waiting: prometheus.NewDesc("infer_queue_calls", "Calls that wait in the queue.", of, nil),
		running: prometheus.NewDesc("infer_running_calls", "Calls that are in a run.", of, nil),
		ready:   prometheus.NewDesc("infer_model_ready", "Whether a version can serve: 1 or 0.", of, nil),
	}
}

// Describe names the metrics.
func (m *models) Describe(ch chan<- *prometheus.Desc) {
	ch <- m.waiting
	ch <- m.running
	ch <- m.ready
}

// Collect asks the repository.
func (m *models) Collect(ch chan<- prometheus.Metric) {
	send := func(d *prometheus.Desc, v float64, k modelVersion) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, k.model, k.version)
	}
	for k, s := range m.b.statsByVersion() {
		send(m.waiting, float64(s.Waiting), k)
		send(m.running, float64(s.Running), k)
	}
	if m.b.o.Index == nil {
		return
	}
	ready := map[modelVersion]float64{}
	for _, s := range m.b.o.Index() {
		k := named(s.Name, s.Version)
		if s.State == "READY" {
			ready[k] = 1
		} else if _, known := ready[k]; !known {
			ready[k] = 0
		}
	}
	for k, v := range ready {
		send(m.ready, v, k)
	}
}

// statsByVersion returns the counters of the repository. While a version is being replaced by another file of the same
// version there may be two with one name; they are added, for a scrape with a name twice would be no scrape.
func (b *Observe) statsByVersion() map[modelVersion]repository.Stats {
	if b.o.Stats == nil {
		return nil
	}
	all := map[modelVersion]repository.Stats{}
	for _, s := range b.o.Stats() {
		k := named(s.Name, s.Version)
		t, twice := all[k]
		if !twice {
			all[k] = s
			continue
		}
		t.Inferences, t.Executions = t.Inferences+s.Inferences, t.Executions+s.Executions
		t.Waiting, t.Running = t.Waiting+s.Waiting, t.Running+s.Running
		for _, d := range []struct {
			to   *repository.Duration
			from repository.Duration
		}{
			{&t.Success, s.Success}, {&t.Fail, s.Fail}, {&t.Queue, s.Queue},
			{&t.Input, s.Input}, {&t.Compute, s.Compute}, {&t.Output, s.Output},
		} {
			d.to.Count, d.to.Time = d.to.Count+d.from.Count, d.to.Time+d.from.Time
		}
		all[k] = t
	}
	return all
}

// process collects what explains a spike: the CPU that the process may use and did not get, its memory and its limit,
// open connections.
type process struct {
	b                                         *Observe
	cpus, periods, throttled, throttledTime   *prometheus.Desc
	pressure, steal, used, limit, connections *prometheus.Desc
}

func newProcess(b *Observe) *process {
	d := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc(name, help, labels, nil)
	}
	return &process{
		b:    b,
		cpus: d("infer_cpus_available", "CPUs that the process may use: its affinity, or the tightest quota of its cgroups."),
		periods: d("infer_cpu_periods_total",
			"Periods in which the quota of a cgroup was in force, over all cgroups that the process is in."),
		throttled:     d("infer_cpu_throttled_periods_total", "Those of them in which it was throttled."),
		throttledTime: d("infer_cpu_throttled_seconds_total", "Time that threads of these cgroups were throttled."),
		pressure:      d("infer_cpu_pressure_seconds_total", "Time in which some task of the machine waited for a CPU."),
		steal:         d("infer_cpu_steal_seconds_total", "CPU time that the hypervisor took, over all CPUs."),
		used: d("infer_memory_used_bytes",
			"Memory counted towards infer_memory_limit_bytes, without what the kernel can drop at once."),
		limit:       d("infer_memory_limit_bytes", "The tightest memory limit of the cgroups, else the memory of the machine."),
		connections: d("infer_connections", "Open connections of clients.", "listener"),
	}
}

// Describe names the metrics.
func (p *process) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{p.cpus, p.periods, p.throttled, p.throttledTime, p.pressure, p.steal, p.used,
		p.limit, p.connections} {
		ch <- d
	}
}

// Collect reads the facts.
func (p *process) Collect(ch chan<- prometheus.Metric) {
	f := p.b.facts()
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	counter := func(d *prometheus.Desc, v float64) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, v)
	}
	cpus := float64(f.cpus.Affinity)
	if q := f.cpus.Quota; q > 0 {
		cpus = min(cpus, q)
	}
	gauge(p.cpus, cpus)
	counter(p.periods, float64(f.throttle.Periods))
	counter(p.throttled, float64(f.throttle.Throttled))
	counter(p.throttledTime, f.throttle.Time.Seconds())
	counter(p.pressure, f.times.Pressure.Seconds())
	counter(p.steal, f.times.Steal.Seconds())
	gauge(p.used, float64(f.memory.Used))
	gauge(p.limit, float64(f.memory.Limit))
	if p.b.o.Connections != nil {
		for listener, n := range p.b.o.Connections() {
			gauge(p.connections, float64(n), listener)
		}
	}
}
