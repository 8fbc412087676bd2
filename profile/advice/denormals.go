package advice

import (
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"time"

	"infer/model"
	"infer/model/engine"
	"infer/model/measure"
	"infer/model/onnx"
	"infer/model/tensor"
	"infer/report"
)

const (
	flushGain  = 1.1             // from which subnormal numbers are worth a word; clean models differ by less
	flushTime  = 4 * time.Second // of the race: what costs several times as much shows in a fraction of it
	flushSame  = 0.05            // about 1, where the race is over: a gain that small is no advice
	flushLimit = 1 << 30         // bytes of a model up to which a changed copy is run: it is in memory as a whole
	named      = 10              // initializers that a scan names
)

// ScanDenormals counts subnormal numbers among the floating-point initializers of m and of the graphs inside it. Zero is
// none. It holds a piece of an initializer in memory at a time. An initializer that cannot be read counts as not scanned.
func ScanDenormals(m *model.Model) *report.Denormals {
	d := &report.Denormals{}
	m.Proto.Walk(func(g *onnx.Graph) {
		for _, t := range g.Initializers {
			if !t.DType.IsFloat() {
				continue
			}
			s := &scanner{dtype: t.DType}
			if t.CopyTo(s) != nil {
				continue
			}
			d.Scanned++
			d.Elements += s.elements
			if d.Found += s.found; s.found > 0 {
				d.Initializers = append(d.Initializers, report.NamedCount{Name: t.Name, Count: s.found})
			}
		}
	})
	slices.SortStableFunc(d.Initializers, func(a, b report.NamedCount) int { return cmp.Compare(b.Count, a.Count) })
	d.Initializers = d.Initializers[:min(named, len(d.Initializers))]
	return d
}

// subnormal is how a number of a dtype looks: little-endian, one is subnormal where its exponent is all zeros and its
// fraction is not.
type subnormal struct {
	width              int // bytes
	exponent, fraction uint64
}

// subnormalOf returns how numbers of d look; d is floating-point.
func subnormalOf(d tensor.DType) subnormal {
	switch d {
	case tensor.Float64:
		return subnormal{8, 0x7ff << 52, 1<<52 - 1}
	case tensor.Float32:
		return subnormal{4, 0xff << 23, 1<<23 - 1}
	case tensor.BFloat16:
		return subnormal{2, 0xff << 7, 1<<7 - 1}
	}
	return subnormal{2, 0x1f << 10, 1<<10 - 1}
}

// each calls found with the place of every subnormal number of p, whole numbers.
func (s subnormal) each(p []byte, found func(at int)) {
	for i := 0; i+s.width <= len(p); i += s.width {
		var u uint64
		switch s.width {
		case 2:
			u = uint64(binary.LittleEndian.Uint16(p[i:]))
		case 4:
			u = uint64(binary.LittleEndian.Uint32(p[i:]))
		default:
			u = binary.LittleEndian.Uint64(p[i:])
		}
		if u&s.exponent == 0 && u&s.fraction != 0 {
			found(i)
		}
	}
}

// scanner counts the subnormal numbers of what is written to it.
type scanner struct {
	dtype           tensor.DType
	rest            []byte // of a number that the last write cut
	elements, found int64
}

func (s *scanner) Write(p []byte) (int, error) {
	n, width := len(p), subnormalOf(s.dtype).width
	if len(s.rest) > 0 {
		take := min(width-len(s.rest), len(p))
		s.rest = append(s.rest, p[:take]...)
		p = p[take:]
		if len(s.rest) < width {
			return n, nil
		}
		s.count(s.rest)
		s.rest = s.rest[:0]
	}
	whole := len(p) / width * width
	s.count(p[:whole])
	s.rest = append(s.rest, p[whole:]...)
	return n, nil
}

func (s *scanner) count(p []byte) {
	kind := subnormalOf(s.dtype)
	s.elements += int64(len(p) / kind.width)
	kind.each(p, func(int) { s.found++ })
}

// ProveDenormals measures how many times faster m runs with the subnormal numbers of its initializers at zero, in
// alternating blocks of two sessions with c and the inputs in. nil without an error: it was interrupted, the model is of
// 1 GiB or more, or the blocks supported no interval.
//
// The copy is changed in memory because the session's own switch, session.set_denormal_as_zero, is no proof: it holds for
// the threads of the pool, and the thread that calls a run, which computes as well, keeps its own mode.
func ProveDenormals(ctx context.Context, p engine.Provider, m *model.Model, c engine.Config, in []tensor.Tensor) (*report.Interval, error) {
	if m.Bytes() >= flushLimit {
		return nil, nil
	}
	clean, err := flushed(m)
	if err != nil {
		return nil, fmt.Errorf("subnormal numbers: %w", err)
	}
	c.TracePrefix, c.OptimizedModelPath = "", ""
	var runs []measure.Run
	for _, x := range []*model.Model{m, clean} {
		s, err := p.Open(ctx, x, c)
		if err != nil {
			return nil, fmt.Errorf("subnormal numbers: %w", err)
		}
		defer s.Close()
		run, _, release, err := measure.Bind(ctx, s, in)
		if err != nil {
			return nil, fmt.Errorf("subnormal numbers: %w", err)
		}
		defer release()
		runs = append(runs, run)
	}
	r, err := measure.Race(ctx, runs, nil, measure.RaceOptions{MaxTime: flushTime, Same: flushSame, Phase: "subnormal numbers"})
	if err != nil || r.Interrupted || !r.Contenders[1].Speedup.OK {
		return nil, err
	}
	e := r.Contenders[1].Speedup
	return &report.Interval{Value: e.Value, Lo: &e.Lo, Hi: &e.Hi, N: r.Contenders[1].Rounds}, nil
}

// flushed returns a copy of m whose initializers have zeros where m's have subnormal numbers. It shares all else with m.
func flushed(m *model.Model) (*model.Model, error) {
	clean := &model.Model{Path: m.Path, Proto: m.Proto.Clone()}
	clean.MarkEdited()
	var fault error
	clean.Proto.Walk(func(g *onnx.Graph) {
		for _, t := range g.Initializers {
			if !t.DType.IsFloat() || fault != nil {
				continue
			}
			v, err := t.Value()
			if err != nil {
				fault = err
				return
			}
			kind, data := subnormalOf(t.DType), []byte(nil)
			kind.each(v.Data, func(at int) {
				if data == nil {
					data = slices.Clone(v.Data)
				}
				clear(data[at : at+kind.width])
			})
			if data != nil {
				v.Data = data
				fault = t.SetValue(v)
			}
		}
	})
	return clean, fault
}
