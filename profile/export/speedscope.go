package export

import (
	"encoding/json"
	"io"
)

// speedscopeSchema names the format in a file of it.
const speedscopeSchema = "https://www.speedscope.app/file-format-schema.json"

// The file format of speedscope. Frames are indices into Shared.Frames, times microseconds.
type (
	speedscopeFile struct {
		Schema   string           `json:"$schema"`
		Shared   speedscopeShared `json:"shared"`
		Profiles []any            `json:"profiles"`
		Name     string           `json:"name"`
		Active   int              `json:"activeProfileIndex"`
		Exporter string           `json:"exporter"`
	}
	speedscopeShared struct {
		Frames []speedscopeFrame `json:"frames"`
	}
	speedscopeFrame struct {
		Name string `json:"name"`
	}
	speedscopeSampled struct {
		speedscopeProfile
		Samples [][]int   `json:"samples"` // stacks, the model first
		Weights []float64 `json:"weights"`
	}
	speedscopeEvented struct {
		speedscopeProfile
		Events []speedscopeEvent `json:"events"`
	}
	speedscopeProfile struct {
		Type  string  `json:"type"`
		Name  string  `json:"name"`
		Unit  string  `json:"unit"`
		Start float64 `json:"startValue"`
		End   float64 `json:"endValue"`
	}
	speedscopeEvent struct {
		Type  string  `json:"type"` // "O": the frame opens, "C": it closes
		Frame int     `json:"frame"`
		At    float64 `json:"at"`
	}
)

// frames numbers the frames of a file.
type frames struct {
	list  []speedscopeFrame
	index map[string]int
}

func (f *frames) of(name string) int {
	i, ok := f.index[name]
	if !ok {
		i = len(f.list)
		f.index[name] = i
		f.list = append(f.list, speedscopeFrame{name})
	}
	return i
}

// writeSpeedscope writes the nodes as a sampled profile, weighted with their times, and each track of the last traced
// run as an evented one.
func writeSpeedscope(w io.Writer, s Source) error {
	if err := s.needNodes(); err != nil {
		return err
	}
	f := frames{index: map[string]int{}}
	file := speedscopeFile{Schema: speedscopeSchema, Name: s.model(), Profiles: []any{s.sampled(&f)}, Exporter: "infer " + plain(s.Document.Manifest.Tool)}
	if s.needTimeline() == nil {
		all := tracks(s.Trace)
		end := length(s.Trace, all)
		for _, t := range all {
			file.Profiles = append(file.Profiles, t.evented(&f, end))
		}
	}
	file.Shared.Frames = f.list
	return json.NewEncoder(w).Encode(file)
}

func (s Source) sampled(f *frames) speedscopeSampled {
	p := speedscopeSampled{speedscopeProfile: speedscopeProfile{Type: "sampled", Name: s.times(), Unit: "microseconds"}}
	var sum int64
	for _, n := range s.samples() {
		stack := make([]int, len(n.stack))
		for i, frame := range n.stack {
			stack[i] = f.of(frame)
		}
		p.Samples, p.Weights = append(p.Samples, stack), append(p.Weights, microseconds(n.nanoseconds))
		sum += n.nanoseconds
	}
	p.End = microseconds(sum)
	return p
}

// evented opens and closes the spans in the order of time, an inner one before the one that holds it.
func (t track) evented(f *frames, end int64) speedscopeEvented {
	p := speedscopeEvented{speedscopeProfile{Type: "evented", Name: "the last traced run, " + t.name, Unit: "microseconds", End: microseconds(end)}, []speedscopeEvent{}}
	var open []span
	add := func(kind string, s span, at int64) {
		p.Events = append(p.Events, speedscopeEvent{kind, f.of(nodeName(s.Name, s.Op)), microseconds(at)})
	}
	closeUntil := func(at int64) {
		for len(open) > 0 && open[len(open)-1].end <= at {
			last := open[len(open)-1]
			add("C", last, last.end)
			open = open[:len(open)-1]
		}
	}
	for _, s := range t.spans {
		closeUntil(s.begin)
		add("O", s, s.begin)
		open = append(open, s)
	}
	closeUntil(end)
	return p
}
