package server

import (
	"math"
	"time"

	dto "github.com/prometheus/client_model/go"
)

// series adds up the series of one model.
type series struct {
	families map[string]*dto.MetricFamily
	model    string
}

// sum is the sum over the model's series of a counter or gauge; false where there is none.
func (s series) sum(family string) (total float64, found bool) {
	for _, m := range s.families[family].GetMetric() {
		if v, ok := value(m); ok && isOf(m, s.model) {
			total, found = total+v, true
		}
	}
	return total, found
}

// count is sum as a whole number, 0 where there is none.
func (s series) count(family string) int64 {
	v, _ := s.sum(family)
	return int64(min(max(v, 0), 1<<62))
}

// micros is sum as a time, for families that count microseconds.
func (s series) micros(family string) time.Duration {
	return time.Duration(min(s.count(family), math.MaxInt64/1000)) * time.Microsecond
}

// histogram is the count and the sum, which is in seconds, of the model's series.
func (s series) histogram(family string) (Counter, bool) {
	var c Counter
	found := false
	for _, m := range s.families[family].GetMetric() {
		h := m.GetHistogram()
		if h == nil || !isOf(m, s.model) || !(h.GetSampleSum() >= 0 && h.GetSampleSum() < 1e9) {
			continue
		}
		c.Count += count(h.GetSampleCount())
		c.Time += time.Duration(h.GetSampleSum() * float64(time.Second))
		found = true
	}
	return c, found
}

// statisticsOf reads the counters of a model from metrics with the names of Triton, TorchServe or KServe (infer has
// the statistics extension); nil where there are none. Where it is not told how many requests a time is of, it is of those that succeeded.
func statisticsOf(families map[string]*dto.MetricFamily, name string) *Statistics {
	s := series{families, name}
	if _, triton := s.sum("nv_inference_request_success"); triton {
		n := s.count("nv_inference_request_success")
		of := func(what string) Counter { return Counter{n, s.micros("nv_inference_" + what + "_duration_us")} }
		return &Statistics{
			Success: of("request"), Queue: of("queue"), Input: of("compute_input"), Compute: of("compute_infer"), Output: of("compute_output"),
			Fail:       Counter{Count: s.count("nv_inference_request_failure")},
			Inferences: s.count("nv_inference_count"), Executions: s.count("nv_inference_exec_count"),
		}
	}
	if _, torch := s.sum("ts_inference_requests_total"); torch {
		n, all, queue := s.count("ts_inference_requests_total"), s.micros("ts_inference_latency_microseconds"), s.micros("ts_queue_latency_microseconds")
		return &Statistics{Success: Counter{n, all}, Queue: Counter{n, queue}, Compute: Counter{n, max(0, all-queue)}}
	}
	if run, kserve := s.histogram("request_predict_seconds"); kserve {
		return &Statistics{Success: run, Compute: run}
	}
	return nil
}
