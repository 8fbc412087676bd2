package export

import (
	"io"
	"slices"

	pprof "github.com/google/pprof/profile"
)

// writePprof writes a profile with the mean time a run and the multiply-accumulates of each node. The operator is the
// leaf of a stack, so that -top lists operators and -cum nodes and blocks.
func writePprof(w io.Writer, s Source) error {
	if err := s.needNodes(); err != nil {
		return err
	}
	b := newPprof(s)
	for _, n := range s.samples() {
		x := &pprof.Sample{Value: []int64{n.nanoseconds, count(n.MACs)}, Label: map[string][]string{}}
		for _, frame := range slices.Backward(n.stack) {
			x.Location = append(x.Location, b.location(frame))
		}
		for _, l := range []struct{ key, value string }{
			{"node", nodeName(n.Name, n.Op)}, {"provider", n.Provider}, {"dtype", n.DType}, {"shapes", n.Shapes}, {"class", n.Class},
		} {
			if l.value != "" {
				x.Label[l.key] = []string{plain(l.value)}
			}
		}
		b.Sample = append(b.Sample, x)
	}
	if err := b.CheckValid(); err != nil {
		return err
	}
	return b.Write(w)
}

// pprofBuilder is a profile being made.
type pprofBuilder struct {
	*pprof.Profile
	locations map[string]*pprof.Location
}

func newPprof(s Source) *pprofBuilder {
	p := &pprof.Profile{
		SampleType:        []*pprof.ValueType{{Type: "time", Unit: "nanoseconds"}, {Type: "macs", Unit: "count"}},
		DefaultSampleType: "time",
		TimeNanos:         s.Document.Created.UnixNano(),
		DurationNanos:     nanoseconds(s.run()),
		// A mapping that has all symbols keeps pprof from looking for a program with the model's name.
		Mapping:  []*pprof.Mapping{{ID: 1, File: s.model(), HasFunctions: true, HasFilenames: true, HasLineNumbers: true, HasInlineFrames: true}},
		Comments: s.about(),
	}
	return &pprofBuilder{p, map[string]*pprof.Location{}}
}

// location returns the place that stands for a frame.
func (b *pprofBuilder) location(frame string) *pprof.Location {
	if l := b.locations[frame]; l != nil {
		return l
	}
	f := &pprof.Function{ID: uint64(len(b.Function) + 1), Name: frame, SystemName: frame}
	l := &pprof.Location{ID: f.ID, Mapping: b.Mapping[0], Line: []pprof.Line{{Function: f}}}
	b.Function, b.Location, b.locations[frame] = append(b.Function, f), append(b.Location, l), l
	return l
}
