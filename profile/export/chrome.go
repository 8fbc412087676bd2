package export

import (
	"encoding/json"
	"io"
	"strings"

	"infer/report"
)

// chromeEvent is one event of the Trace Event Format. Times are microseconds.
type chromeEvent struct {
	Name  string  `json:"name"`
	Phase string  `json:"ph"` // "X": from TS for Dur, "M": a name, "C": a counter
	PID   int     `json:"pid"`
	TID   int     `json:"tid"`
	TS    float64 `json:"ts"`
	Dur   float64 `json:"dur"`
	Cat   string  `json:"cat,omitempty"`
	Args  any     `json:"args,omitempty"`
}

// nodeArgs are the figures of a node beside its call; means are over all traced runs.
type nodeArgs struct {
	Op         string   `json:"op"`
	Provider   string   `json:"provider,omitempty"`
	Shapes     string   `json:"shapes,omitempty"`
	Inputs     string   `json:"inputs,omitempty"`
	DType      string   `json:"dtype,omitempty"`
	Corrected  *float64 `json:"corrected_us_per_run,omitempty"` // without what the tracing cost
	Mean       *float64 `json:"traced_us_per_run,omitempty"`    // in place of it: there was no correction
	Share      float64  `json:"share,omitempty"`
	MACs       *float64 `json:"macs,omitempty"`
	Bytes      *float64 `json:"bytes,omitempty"`
	Class      string   `json:"class,omitempty"`
	Efficiency *float64 `json:"efficiency,omitempty"`
	Origins    []string `json:"origins,omitempty"`
}

// pid stands for the process: a trace holds one session.
const pid = 1

// writeChrome writes the last traced run as the JSON object form of the Trace Event Format: on each track, events are
// within each other or apart, as Perfetto wants them.
func writeChrome(w io.Writer, s Source) error {
	if err := s.needTimeline(); err != nil {
		return err
	}
	all := tracks(s.Trace)
	end := length(s.Trace, all)
	events := []chromeEvent{metadata("process_name", 0, s.model())}
	for i, tr := range all {
		events = append(events, metadata("thread_name", i+1, tr.name))
	}
	events = append(events, chromeEvent{Name: "run", Phase: "X", PID: pid, TID: 1, Dur: microseconds(end), Cat: "session"})
	figures := s.figures()
	for i, tr := range all {
		for _, x := range tr.spans {
			events = append(events, chromeEvent{
				Name: nodeName(x.Name, x.Op), Phase: "X", PID: pid, TID: i + 1, Cat: "node",
				TS: microseconds(x.begin), Dur: microseconds(x.end - x.begin), Args: s.args(x, figures[x.Name]),
			})
		}
	}
	return writeChromeFile(w, append(events, s.counters(end)...), s.about())
}

func metadata(name string, tid int, value string) chromeEvent {
	return chromeEvent{Name: name, Phase: "M", PID: pid, TID: tid, Args: map[string]string{"name": value}}
}

// figures are the nodes of the profile by name.
func (s Source) figures() map[string]*report.Share {
	out := map[string]*report.Share{}
	for i := range s.Details.ByNode {
		n := &s.Details.ByNode[i]
		out[n.Name] = n
	}
	return out
}

// args returns what is known of a call and its node; n is nil where the profile does not know the node.
func (s Source) args(x span, n *report.Share) nodeArgs {
	a := nodeArgs{Op: plain(x.Op), Provider: plain(x.Provider)}
	if n == nil {
		return a
	}
	a.Shapes, a.Inputs, a.DType, a.Class, a.Share = plain(n.Shapes), plain(n.Inputs), plain(n.DType), n.Class, n.Share
	a.MACs, a.Bytes, a.Efficiency = n.MACs, n.Bytes, n.Efficiency
	us := microseconds(nanoseconds(n.Seconds))
	if a.Corrected = &us; s.Details.Correction == nil {
		a.Corrected, a.Mean = nil, &us
	}
	for _, o := range n.Origins {
		a.Origins = append(a.Origins, plain(o))
	}
	return a
}

// counters are the memory that is known: figures of the whole run, so the lines are level.
func (s Source) counters(end int64) []chromeEvent {
	bytes := map[string]int64{}
	if m := s.Details.Memory; m != nil {
		bytes["initializers"] = m.Initializers
		if m.Allocator != nil {
			bytes["allocator peak"] = m.Allocator.PeakInUse
		}
	}
	if p := s.Trace.PeakInUse; p > 0 {
		bytes["allocator peak"] = p
	}
	if len(bytes) == 0 {
		return nil
	}
	c := chromeEvent{Name: "memory, bytes", Phase: "C", PID: pid, Args: bytes}
	last := c
	last.TS = microseconds(end)
	return []chromeEvent{c, last}
}

// writeChromeFile writes the object that holds the events, and what they are.
func writeChromeFile(w io.Writer, events []chromeEvent, about []string) error {
	facts := map[string]string{"time line": "the last traced run, with what the tracing cost"}
	for _, line := range about {
		name, value, _ := strings.Cut(line, ": ")
		facts[name] = value
	}
	return json.NewEncoder(w).Encode(struct {
		Unit   string            `json:"displayTimeUnit"`
		About  map[string]string `json:"otherData"`
		Events []chromeEvent     `json:"traceEvents"`
	}{"ms", facts, events})
}

func microseconds(ns int64) float64 { return float64(ns) / 1e3 }
