package export

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"infer/internal/fault"
	"infer/model/trace"
)

// span is a call of a node on a track. Times are nanoseconds since the run began: whole ones, so that the ends of
// neighbours compare exactly.
type span struct {
	*trace.Event
	begin, end int64
}

// track is one line of a time line. Its spans are in order of their begin, what holds others before them; two spans
// are one within the other or apart.
type track struct {
	name  string
	spans []span
}

// slack is by how much, in nanoseconds, neighbours may overlap: a trace has whole microseconds, cut off at the begin of
// a call and at its length.
const slack = 2000

// tracks lays out the last run of a trace, each thread on a track, and on further ones what overlaps within a thread.
func tracks(t *trace.Trace) []track {
	var threads []int64
	spans := map[int64][]span{}
	for i := range t.Last {
		e := &t.Last[i]
		if !(e.Begin >= 0 && e.Seconds >= 0 && e.Begin+e.Seconds < math.MaxInt64/1e10) {
			continue // a damaged trace
		}
		if spans[e.Thread] == nil {
			threads = append(threads, e.Thread)
		}
		spans[e.Thread] = append(spans[e.Thread], span{e, nanoseconds(e.Begin), nanoseconds(e.Begin + e.Seconds)})
	}
	var out []track
	for _, id := range threads {
		rest := spans[id]
		slices.SortStableFunc(rest, func(a, b span) int { return cmp.Or(cmp.Compare(a.begin, b.begin), cmp.Compare(b.end, a.end)) })
		for n := 1; len(rest) > 0; n++ {
			tr := track{name: fmt.Sprintf("thread %d", id)}
			if n > 1 {
				tr.name += fmt.Sprintf(", overlapping %d", n-1)
			}
			tr.spans, rest = nest(rest, t.Format == trace.ONNXRuntime)
			out = append(out, tr)
		}
	}
	return out
}

// nest returns the spans that fit on one track, and those that overlap them. strict: only a node with a subgraph holds
// others, as in a trace of ONNX Runtime.
func nest(spans []span, strict bool) (fit, rest []span) {
	var open []span
	for _, s := range spans {
		fits := false
		for {
			for len(open) > 0 && open[len(open)-1].end <= s.begin {
				open = open[:len(open)-1]
			}
			if len(open) == 0 {
				fits = true
				break
			}
			top := open[len(open)-1]
			if !strict || holdsNodes(top.Op) {
				if s.end-top.end <= slack {
					s.end, fits = min(s.end, top.end), true
				}
				break
			}
			if top.end-s.begin > slack {
				break
			}
			s.begin, s.end = top.end, max(s.end, top.end)
		}
		if !fits {
			rest = append(rest, s)
			continue
		}
		fit, open = append(fit, s), append(open, s)
	}
	return fit, rest
}

// holdsNodes reports whether an operator has a subgraph, whose nodes run within it.
func holdsNodes(op string) bool {
	return op == "If" || op == "Loop" || op == "Scan" || op == "SequenceMap"
}

// needTimeline refuses a source without a time line.
func (s Source) needTimeline() error {
	if s.Trace != nil && len(s.Trace.Last) > 0 {
		return nil
	}
	return fault.New(fault.Unsupported, "raise --profiled-runs", "there is no time line to export: no whole run was traced")
}

// length is how long the last run took, in nanoseconds: as traced, or until its last call ended.
func length(t *trace.Trace, all []track) int64 {
	var end int64
	if n := len(t.RunSeconds); n > 0 {
		end = nanoseconds(t.RunSeconds[n-1])
	}
	for _, tr := range all {
		for _, s := range tr.spans {
			end = max(end, s.end)
		}
	}
	return end
}
