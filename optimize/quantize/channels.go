package quantize

import (
	"context"
	"math"
	"slices"

	"infer/internal/progress"
	"infer/model/engine"
	"infer/model/onnx"
	"infer/model/tensor"
)

// channelRows are the calibration rows that channel statistics are made of: means settle long before ranges do.
const channelRows = 32

// channelsAtOnce are the values whose tensors are held at once.
const channelsAtOnce = 64

// channelStat is what calibration saw of each channel of a value.
type channelStat struct {
	Mean, Max []float32 // of the elements, and of their magnitudes
}

// channels runs m as it is written over calibration rows and returns the statistics of values, each along its axis
// (−1: the last).
func (q *quantizer) channels(ctx context.Context, m *onnx.Model, axes map[string]int) (map[string]channelStat, error) {
	rows := take(q.fit, channelRows)
	out := map[string]channelStat{}
	var names []string
	inputs := map[string]bool{}
	for _, in := range m.Graph.Inputs {
		inputs[in.Name] = true
	}
	for name := range axes {
		names = append(names, name)
	}
	slices.Sort(names)
	for group := range slices.Chunk(names, channelsAtOnce) {
		sums := map[string]*channelSum{}
		c := m.Clone()
		c.Graph.Outputs = nil
		for _, name := range group {
			sums[name] = &channelSum{axis: axes[name]}
			if !inputs[name] {
				c.Graph.Outputs = append(c.Graph.Outputs, &onnx.ValueInfo{Name: name, Type: &onnx.Type{Kind: onnx.KindTensor, DType: tensor.Float32}})
			}
		}
		if err := q.sumChannels(ctx, c, rows, sums); err != nil {
			return nil, err
		}
		for name, s := range sums {
			out[name] = s.stat()
		}
	}
	return out, nil
}

// sumChannels adds every row of every value, an output or input of m, to its sum.
func (q *quantizer) sumChannels(ctx context.Context, m *onnx.Model, rows Rows, sums map[string]*channelSum) error {
	var s engine.Session
	if len(m.Graph.Outputs) > 0 {
		config := q.task.Config
		config.OptLevel = engine.OptNone
		opened, err := q.task.Provider.Open(ctx, q.modelOf(m), config)
		if err != nil {
			return err
		}
		defer opened.Close()
		s = opened
	}
	step := max(rows.BatchSize(), 1)
	for lo := int64(0); lo+step <= rows.Rows(); lo += step {
		in, err := rows.Batch(lo, lo+step)
		if err != nil {
			return err
		}
		seen := in
		if s != nil {
			out := make([]tensor.Tensor, len(s.Outputs()))
			if err := s.Run(ctx, in, out); err != nil {
				return err
			}
			seen = append(slices.Clone(in), out...)
		}
		for _, t := range seen {
			if sum := sums[t.Name]; sum != nil {
				if err := sum.add(t); err != nil {
					return err
				}
			}
		}
		q.task.Progress.Send(progress.Event{Phase: "channel statistics", Done: float64(lo + step), Total: float64(rows.Rows()), Unit: "rows"})
	}
	return nil
}

// channelSum gathers the statistics of one value.
type channelSum struct {
	axis  int
	sum   []float64
	count float64 // elements a channel
	max   []float32
}

func (s *channelSum) add(t tensor.Tensor) error {
	x, err := tensor.Floats(t)
	if err != nil {
		return err
	}
	axis := s.axis
	if axis < 0 {
		axis += len(t.Shape)
	}
	if axis < 0 || axis >= len(t.Shape) || len(x) == 0 {
		return nil
	}
	channels := int(t.Shape[axis])
	inner := 1
	for _, d := range t.Shape[axis+1:] {
		inner *= int(d)
	}
	if s.sum == nil {
		s.sum, s.max = make([]float64, channels), make([]float32, channels)
	}
	if len(s.sum) != channels {
		return nil // it varies from row to row: no channel
	}
	for i := 0; i < len(x); i += inner {
		c := i / inner % channels
		for _, v := range x[i : i+inner] {
			if v != v || math.IsInf(float64(v), 0) {
				continue
			}
			s.sum[c] += float64(v)
			s.max[c] = max(s.max[c], v, -v)
		}
	}
	s.count += float64(len(x) / channels)
	return nil
}

func (s *channelSum) stat() channelStat {
	mean := make([]float32, len(s.sum))
	for i, v := range s.sum {
		mean[i] = float32(v / s.count)
	}
	return channelStat{Mean: mean, Max: s.max}
}
