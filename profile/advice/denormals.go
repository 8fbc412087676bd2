package advice

import (
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"maps"
	"math"
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
	flushKey  = "session.set_denormal_as_zero"
	flushGain = 1.1              // from which the subnormal numbers are worth a word; clean models differ by less
	flushTime = 10 * time.Second // of the race: what costs 10 times as much shows in a fraction of it
	named     = 10               // initializers that a scan names
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

// scanner counts the subnormal numbers of what is written to it: little-endian numbers of dtype.
type scanner struct {
	dtype           tensor.DType
	rest            []byte // of a number that the last write cut
	elements, found int64
}

func (s *scanner) Write(p []byte) (int, error) {
	n, width := len(p), s.dtype.Bits()/8
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

// count counts whole numbers: a subnormal one has an exponent of zeros and a fraction that is not.
func (s *scanner) count(p []byte) {
	var found int64
	switch s.dtype {
	case tensor.Float32:
		for i := 0; i+4 <= len(p); i += 4 {
			if u := binary.LittleEndian.Uint32(p[i:]); u&0x7f800000 == 0 && u&0x007fffff != 0 {
				found++
			}
		}
		s.elements += int64(len(p) / 4)
	case tensor.Float64:
		for i := 0; i+8 <= len(p); i += 8 {
			if u := binary.LittleEndian.Uint64(p[i:]); u&0x7ff0000000000000 == 0 && u&0x000fffffffffffff != 0 {
				found++
			}
		}
		s.elements += int64(len(p) / 8)
	default:
		exponent, fraction := uint16(0x7c00), uint16(0x03ff)
		if s.dtype == tensor.BFloat16 {
			exponent, fraction = 0x7f80, 0x007f
		}
		for i := 0; i+2 <= len(p); i += 2 {
			if u := binary.LittleEndian.Uint16(p[i:]); u&exponent == 0 && u&fraction != 0 {
				found++
			}
		}
		s.elements += int64(len(p) / 2)
	}
	s.found += found
}

// DenormalConfig returns c with subnormal numbers flushed to zero; c stays as it is.
func DenormalConfig(c engine.Config) engine.Config {
	c.Entries = maps.Clone(c.Entries)
	if c.Entries == nil {
		c.Entries = map[string]string{}
	}
	c.Entries[flushKey] = "1"
	c.TracePrefix, c.OptimizedModelPath = "", ""
	return c
}

// ProveDenormals measures how many times faster m runs with subnormal numbers flushed to zero, in alternating blocks of
// two sessions with c and in. The interval is nil where the race ended before it had one; nil without an error: it was
// interrupted, or c flushes them already.
func ProveDenormals(ctx context.Context, p engine.Provider, m *model.Model, c engine.Config, in []tensor.Tensor) (*report.Interval, error) {
	if c.Entries[flushKey] == "1" {
		return nil, nil
	}
	c.TracePrefix, c.OptimizedModelPath = "", ""
	var runs []measure.Run
	for _, config := range []engine.Config{c, DenormalConfig(c)} {
		s, err := p.Open(ctx, m, config)
		if err != nil {
			return nil, fmt.Errorf("denormals: %w", err)
		}
		defer s.Close()
		run, _, release, err := measure.Bind(ctx, s, in)
		if err != nil {
			return nil, fmt.Errorf("denormals: %w", err)
		}
		defer release()
		runs = append(runs, run)
	}
	r, err := measure.Race(ctx, runs, nil, measure.RaceOptions{MaxTime: flushTime, Phase: "subnormal numbers"})
	if err != nil || r.Interrupted {
		return nil, err
	}
	e := r.Contenders[1].Speedup
	if math.IsNaN(e.Value) || e.Value <= 0 {
		return nil, nil
	}
	i := &report.Interval{Value: e.Value, N: r.Contenders[1].Rounds}
	if e.OK {
		i.Lo, i.Hi = &e.Lo, &e.Hi
	}
	return i, nil
}
