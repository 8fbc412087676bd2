package baseline

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"infer/internal/stats"
	"infer/report"
)

// SlimBytes is the most that a store keeps of a document's details.
const SlimBytes = 64 << 10

// Slim returns what a store keeps of d, which stays as it is: everything but details that no comparison reads. Of a load
// test's figures that is the timeline, the slowest requests and when in the window something was counted; the counts of
// latency stay, coarser where they are long, for the change at every percentile. Of details that are larger than SlimBytes
// even so, the largest parts go. A warning in the document says what is gone.
func Slim(d *report.Document) (*report.Document, error) {
	s := *d
	s.Extra = maps.Clone(d.Extra)
	if s.Extra == nil {
		s.Extra = map[string]json.RawMessage{}
	}
	s.Warnings = slices.Clone(d.Warnings)
	var parts map[string]json.RawMessage
	if err := json.Unmarshal(d.Details, &parts); err != nil {
		return nil, fmt.Errorf("details of the %s report: %w", d.Kind, err)
	}
	var gone []string
	if raw := parts["figures"]; raw != nil && d.Kind == "loadtest" {
		thin, changed, err := thinFigures(raw)
		if err != nil {
			return nil, err
		}
		if changed {
			parts["figures"], gone = thin, append(gone, "the course of the figures")
		}
	}
	for size(parts) > SlimBytes {
		largest := slices.MaxFunc(slices.Sorted(maps.Keys(parts)), func(a, b string) int { return len(parts[a]) - len(parts[b]) })
		delete(parts, largest)
		gone = append(gone, largest)
	}
	if len(gone) == 0 {
		return &s, nil
	}
	s.Warn("kept as a baseline without %s", strings.Join(gone, ", "))
	return &s, s.SetDetails(parts)
}

// fineBits is how finely a sketch counts by itself: 2^fineBits buckets an octave.
const fineBits = 10

func size(parts map[string]json.RawMessage) (n int) {
	for key, raw := range parts {
		n += len(key) + len(raw)
	}
	return n
}

// thinFigures returns figures of one section that is the sum of all, and no course of them.
func thinFigures(raw json.RawMessage) (thin json.RawMessage, changed bool, err error) {
	var f report.LoadFigures
	if err := json.Unmarshal(raw, &f); err != nil {
		return nil, false, fmt.Errorf("figures of the load test: %w", err)
	}
	if len(f.Sections) <= 1 && len(f.Timeline) == 0 && len(f.Slowest) == 0 && len(raw) <= SlimBytes/2 {
		return raw, false, nil
	}
	sum := report.LoadSection{Outcomes: map[string]int64{}, Latency: &stats.Sketch{}, Service: &stats.Sketch{}}
	for _, s := range f.Sections {
		sum.Seconds, sum.Due, sum.Sent, sum.Answered, sum.Good = sum.Seconds+s.Seconds, sum.Due+s.Due, sum.Sent+s.Sent, sum.Answered+s.Answered, sum.Good+s.Good
		for name, n := range s.Outcomes {
			sum.Outcomes[name] += n
		}
		sum.Latency.Merge(s.Latency)
		sum.Service.Merge(s.Service)
	}
	f.Sections, f.Timeline, f.Slowest = []report.LoadSection{sum}, []report.LoadSlice{}, []report.LoadSlow{}
	exact := f
	for bits := fineBits; ; bits-- {
		s := &f.Sections[0]
		s.Latency, s.Service = exact.Sections[0].Latency.Coarse(bits), exact.Sections[0].Service.Coarse(bits)
		if exact.Lag != nil { // of what another tool measured nobody knows it, which is not 0
			f.Lag, f.ConnWait = exact.Lag.Coarse(bits), exact.ConnWait.Coarse(bits)
		}
		if thin, err = json.Marshal(f); err != nil || len(thin) <= SlimBytes/2 || bits == 0 {
			return thin, true, err
		}
	}
}
