package export

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// run is how long a run took on average without tracing, in seconds; 0: not known.
func (s Source) run() float64 {
	if m := s.Document.Metric("latency_mean", nil); m != nil && m.Value != nil {
		return *m.Value
	}
	if t := s.Details.Trace; t != nil {
		return t.Run.Value
	}
	return 0
}

// about says where the figures come from, one fact a line: what it takes to believe them, and to measure them again.
func (s Source) about() []string {
	m := s.Document.Manifest
	out := []string{"times: " + s.times()}
	add := func(name, value string) {
		if value = strings.TrimSpace(value); value != "" {
			out = append(out, name+": "+plain(value))
		}
	}
	if m.Model != nil {
		add("model", m.Model.Path)
		add("model sha256", m.Model.SHA256)
	}
	if r := m.Runtime; r != nil {
		add("runtime", r.Name+" "+r.Version)
		add("providers", strings.Join(r.Providers, ", "))
	}
	add("options", inJSON(m.Options, len(m.Options)))
	add("bound", inJSON(m.Bindings, len(m.Bindings)))
	if cpu, ok := m.Host["cpu_model"].(string); ok {
		add("host", cpu)
	}
	add("created", s.Document.Created.UTC().Format(time.RFC3339))
	add("infer", m.Tool)
	add("command", strings.Join(m.Command, " "))
	return out
}

// inJSON writes a map of n entries in one line; "" for none.
func inJSON(v any, n int) string {
	b, err := json.Marshal(v)
	if err != nil || n == 0 {
		return ""
	}
	return string(b)
}

// times says what the time of a node is.
func (s Source) times() string {
	text := "mean self time a run"
	if n := s.Details.ProfiledRuns; n > 0 {
		text += fmt.Sprintf(" over %d traced runs", n)
	}
	if s.Details.Correction != nil {
		return text + ", without what the tracing cost"
	}
	return text + ", as traced"
}
