package server

import (
	"bytes"
	"math"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// Scrape is what metrics tell of a server at one moment. What they do not tell is nil. Counters are since the server
// started.
type Scrape struct {
	At               time.Time
	Named            bool     // some series is of the model
	CPU              *float64 // seconds that the process has used
	Resident         *float64 // bytes
	ThrottledSeconds *float64 // in which its quota kept threads from running; several threads count each
	Throttled        *float64 // periods in which the quota kept it from running
	Periods          *float64 // periods of the quota
	GPU              *float64 // share of the time in which GPUs were busy, their mean, at the moment
	Statistics       *Statistics

	series int  // with a sample
	models bool // some series is of some model
	open   bool // it is not known whose metrics these are
}

// Usage is what a server used between two scrapes. What is not known is nil.
type Usage struct {
	CPUs      *float64 // busy, of its process, mean
	Throttled *float64 // share of the time in which its quota kept it from running, in [0, 1]
	Resident  *float64 // bytes, at the end
	GPU       *float64 // share, at the end
	Model     *Change  // by the model's own series
}

// parseScrape reads metrics in Prometheus' text format. name is that of the model.
func parseScrape(body []byte, name string) (Scrape, error) {
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(bytes.NewReader(body))
	if err != nil {
		return Scrape{}, err
	}
	s := Scrape{}
	for _, f := range families {
		s.series += len(f.GetMetric())
		for _, m := range f.GetMetric() {
			s.Named = s.Named || isOf(m, name)
			s.models = s.models || ofModel(m) != ""
		}
	}
	s.CPU = only(families["process_cpu_seconds_total"])
	s.Resident = only(families["process_resident_memory_bytes"])
	s.ThrottledSeconds = first(families, "infer_cpu_throttled_seconds_total", "container_cpu_cfs_throttled_seconds_total")
	s.Throttled = first(families, "infer_cpu_throttled_periods_total", "container_cpu_cfs_throttled_periods_total")
	s.Periods = first(families, "infer_cpu_periods_total", "container_cpu_cfs_periods_total")
	s.GPU = meanOf(families["nv_gpu_utilization"])
	s.Statistics = statisticsOf(families, name)
	return s, nil
}

// ofModel is the model that a series is of: servers call the label model or model_name.
func ofModel(m *dto.Metric) string {
	for _, l := range m.GetLabel() {
		if l.GetName() == "model" || l.GetName() == "model_name" {
			return l.GetValue()
		}
	}
	return ""
}

// isOf reports whether a series is of the model.
func isOf(m *dto.Metric, name string) bool { return name != "" && ofModel(m) == name }

// value is the value of a counter, a gauge or a series without a type; false for NaN and infinity.
func value(m *dto.Metric) (float64, bool) {
	v := math.NaN()
	switch {
	case m.GetCounter() != nil:
		v = m.GetCounter().GetValue()
	case m.GetGauge() != nil:
		v = m.GetGauge().GetValue()
	case m.GetUntyped() != nil:
		v = m.GetUntyped().GetValue()
	}
	return v, !math.IsNaN(v) && !math.IsInf(v, 0)
}

// only is the value of a family with one series. Of several, as an agent has them that speaks for many processes or
// containers, nobody knows which one is the server's.
func only(f *dto.MetricFamily) *float64 {
	if len(f.GetMetric()) != 1 {
		return nil
	}
	if v, ok := value(f.GetMetric()[0]); ok {
		return &v
	}
	return nil
}

// first is the value of the first family that is there.
func first(families map[string]*dto.MetricFamily, names ...string) *float64 {
	for _, n := range names {
		if v := only(families[n]); v != nil {
			return v
		}
	}
	return nil
}

// meanOf is the mean over the series of a family.
func meanOf(f *dto.MetricFamily) *float64 {
	sum, n := 0.0, 0
	for _, m := range f.GetMetric() {
		if v, ok := value(m); ok {
			sum, n = sum+v, n+1
		}
	}
	if n == 0 {
		return nil
	}
	sum /= float64(n)
	return &sum
}

// Until returns what the server used from s to b, which is later.
func (s Scrape) Until(b Scrape) Usage {
	if b.open {
		return Usage{}
	}
	u := Usage{Resident: b.Resident, GPU: b.GPU}
	wall := b.At.Sub(s.At).Seconds()
	if wall <= 0 {
		return u
	}
	if d := risen(s.CPU, b.CPU); d != nil {
		*d /= wall
		u.CPUs = d
	}
	u.Throttled = throttled(s, b, wall)
	if c, ok := Delta(s.Statistics, b.Statistics); ok {
		u.Model = &c
	}
	return u
}

// throttled is the share of the time in which the quota was used up: by the periods in which it was, where they are
// counted, since the time is a sum over threads; else by the time.
func throttled(a, b Scrape, wall float64) *float64 {
	share := risen(a.ThrottledSeconds, b.ThrottledSeconds)
	if share != nil {
		*share = min(1, *share/wall)
	}
	in, of := risen(a.Throttled, b.Throttled), risen(a.Periods, b.Periods)
	if in == nil || of == nil {
		return share
	}
	periods := 0.0
	if *of > 0 {
		periods = min(1, *in / *of)
	}
	if share == nil || *share > periods {
		share = &periods
	}
	return share
}

// risen is how much a counter grew, nil where it is not there or was set back.
func risen(a, b *float64) *float64 {
	if a == nil || b == nil || *b < *a {
		return nil
	}
	d := *b - *a
	return &d
}
