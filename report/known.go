package report

import (
	"math"
	"slices"
	"strconv"
	"strings"
)

// Quantity says what a metric measures, hence which units a gate may use for it and how people read it.
type Quantity int

// The quantities. The base unit of each is in parentheses.
const (
	Time   Quantity = iota // a duration ("s")
	Bytes                  // an amount of memory ("B")
	Rate                   // events per second ("1/s")
	Count                  // a whole number ("1")
	Ratio                  // a ratio in [0, 1], read as a percentage ("1")
	Factor                 // a ratio of two like things, read as 1.8× ("1")
	Level                  // decibels ("dB")
	Plain                  // a number in the model's own scale ("1")
)

// unit returns the base unit of q.
func (q Quantity) unit() string {
	switch q {
	case Time:
		return "s"
	case Bytes:
		return "B"
	case Rate:
		return "1/s"
	case Level:
		return "dB"
	default:
		return "1"
	}
}

// KnownMetric is one row of the table of metrics.
type KnownMetric struct {
	Name     string
	Quantity Quantity
	Better   string   // "lower", "higher" or "" where neither is better
	Kinds    []string // kinds of documents that may have it; nil: any
}

// Unit returns the base unit: "s", "B", "1/s", "1" or "dB".
func (k KnownMetric) Unit() string { return k.Quantity.unit() }

// In reports whether a document of this kind may have the metric. A comparison, a search and a report may have any.
func (k KnownMetric) In(kind string) bool {
	return k.Kinds == nil || kind == "compare" || kind == "tune" || kind == "report" || slices.Contains(k.Kinds, kind)
}

// Known returns the table of all metrics, in the order in which a report shows them.
func Known() []KnownMetric {
	var (
		timed   = []string{"profile", "loadtest", "quantize", "convert", "optimize", "predict"}
		changed = []string{"quantize", "convert", "optimize"}
		load    = []string{"loadtest"}
		cold    = []string{"profile"}
		static  = []string{"inspect", "profile", "quantize", "convert", "optimize"}
		judged  = []string{"quantize", "convert", "optimize", "predict"}
	)
	var t []KnownMetric
	add := func(kinds []string, q Quantity, better string, names ...string) {
		for _, n := range names {
			t = append(t, KnownMetric{Name: n, Quantity: q, Better: better, Kinds: kinds})
		}
	}
	add(timed, Time, "lower", "latency_mean", "latency_p50", "latency_p90", "latency_p95", "latency_p99", "latency_max")
	add(changed, Time, "lower", "latency_p50_base")
	add(load, Time, "lower", "service_mean", "service_p50", "service_p90", "service_p95", "service_p99", "service_max")
	add([]string{"profile", "predict", "loadtest"}, Rate, "higher", "throughput")
	add(load, Rate, "higher", "goodput", "max_rps")
	add(load, Rate, "", "offered_rate", "sent_rate")
	add(load, Ratio, "lower", "error_rate")
	add(load, Count, "lower", "dropped", "wrong_answers")
	add(load, Rate, "higher", "row_throughput")
	add(load, Time, "lower", "send_lag_p99", "server_queue_mean", "server_compute_mean")
	add(load, Plain, "", "batch_size_mean")
	add(cold, Time, "lower", "library_load", "session_init", "first_run")
	add(append([]string{"predict"}, static...), Bytes, "lower", "peak_rss")
	add(static, Bytes, "lower", "model_bytes", "activation_bytes")
	add(static, Count, "lower", "macs", "params", "nodes")
	add(changed, Factor, "lower", "size_ratio")
	add(changed, Factor, "higher", "speedup")
	add(judged, Ratio, "higher", "accuracy_top1", "accuracy_top1_base")
	add(changed, Ratio, "lower", "accuracy_drop")
	add(judged, Ratio, "higher", "agreement_top1")
	add(changed, Level, "higher", "sqnr_db")
	add(changed, Plain, "lower", "max_abs_diff")
	add(changed, Plain, "higher", "cosine")
	add([]string{"predict", "quantize", "convert", "optimize"}, Time, "lower", "elapsed")
	return t
}

// KnownByName returns the row of a metric.
func KnownByName(name string) (KnownMetric, bool) {
	t := Known()
	i := slices.IndexFunc(t, func(k KnownMetric) bool { return k.Name == name })
	if i < 0 {
		return KnownMetric{}, false
	}
	return t[i], true
}

// NewMetric returns a metric without a value whose unit and better direction come from the table.
// A name that the table lacks gets unit "1" and no direction.
func NewMetric(name string) Metric {
	k, ok := KnownByName(name)
	if !ok {
		return Metric{Name: name, Unit: "1"}
	}
	return Metric{Name: name, Unit: k.Unit(), Better: k.Better}
}

// Exact returns the metric of an exact value, such as a count or a size read from a file: no interval, n 1.
func Exact(name string, value float64) Metric {
	m := NewMetric(name)
	m.Value, m.N, m.Method = &value, 1, "exact"
	return m
}

// QuantityOf returns what m measures: by its name, or by its unit where the table lacks the name.
func (m *Metric) QuantityOf() Quantity {
	if k, ok := KnownByName(m.Name); ok && k.Unit() == m.Unit {
		return k.Quantity
	}
	for _, q := range []Quantity{Time, Bytes, Rate, Level} {
		if q.unit() == m.Unit {
			return q
		}
	}
	return Plain
}

// SamplesNeeded returns the smallest sample for which the two-sided 95 % order-statistic interval of the
// percentile in a metric's name exists: 368 for latency_p99, 0 for a metric that is no percentile.
// The smallest n with q^n ≤ 0.025: below it even the largest sample is no upper bound.
// Ref: David and Nagaraja, Order Statistics, 3rd ed., 7.1.
func SamplesNeeded(name string) int {
	for part := range strings.SplitSeq(name, "_") {
		digits, ok := strings.CutPrefix(part, "p")
		p, err := strconv.ParseFloat("0."+digits, 64)
		if !ok || err != nil || len(digits) < 2 || p == 0 {
			continue
		}
		return int(math.Ceil(math.Log(0.025) / math.Log(max(p, 1-p))))
	}
	return 0
}
