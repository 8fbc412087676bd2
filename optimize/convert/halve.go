package convert

import (
	"cmp"
	"context"
	"fmt"
	"maps"

	"infer/internal/fault"
	"infer/model"
	"infer/model/engine"
	"infer/model/onnx"
	"infer/model/onnx/static"
	"infer/model/tensor"
	"infer/optimize/half"
	"infer/optimize/quantize/calibrate"
	"infer/optimize/surgery"
	"infer/report"
)

// bfloat16Opset is the version of ai.onnx from which on convolutions and recurrent layers take bfloat16.
const bfloat16Opset = 22

// lift brings m to the opset whose operators take bfloat16. Where that cannot be, more of it stays float32, as the report
// says of each node.
func (c *conversion) lift(ctx context.Context, m *onnx.Model) {
	if m.Opset("") >= bfloat16Opset {
		return
	}
	if done, err := surgery.Opset(ctx, m, bfloat16Opset); err == nil {
		c.details.Changes = append(c.details.Changes, done...)
	}
}

// halve writes the model in half precision.
func (c *conversion) halve(ctx context.Context) (err error) {
	o := c.Half
	o.DType = tensor.Float16
	if c.Target.Kind == BF16 {
		o.DType = tensor.BFloat16
	}
	o.Deferred = c.isLarge()
	if c.BlockNodes != nil {
		o.BlockNodes = func(n *onnx.Node) bool { return c.BlockNodes.MatchString(n.Name) }
		if !c.blocks() {
			return fault.New(fault.Usage, "infer inspect and infer profile --by node tell their names", "--block-nodes %q matches no node", c.BlockNodes)
		}
	}
	if o.Range, err = c.ranges(ctx); err != nil {
		return err
	}
	m := c.Model.Proto.Clone()
	if o.DType == tensor.BFloat16 {
		c.lift(ctx, m)
	}
	r, err := half.Convert(m, nil, o)
	if err != nil {
		return err
	}
	if err := m.Check(); err != nil {
		return err
	}
	c.describeHalf(r, o.DType)
	return c.save(m)
}

// blocks reports whether any node is named by BlockNodes.
func (c *conversion) blocks() (found bool) {
	c.Model.Proto.Walk(func(g *onnx.Graph) {
		for _, n := range g.Nodes {
			found = found || c.BlockNodes.MatchString(n.Name)
		}
	})
	return found
}

// describeHalf fills the report about what became of nodes and constants.
func (c *conversion) describeHalf(r *half.Result, d tensor.DType) {
	h := &report.HalfConversion{DType: d.String(), Nodes: r.Nodes, Float: r.Float, Casts: r.Casts, Clamped: r.Clamped, Flushed: r.Flushed}
	for _, k := range r.Kept {
		h.Kept = append(h.Kept, fmt.Sprintf("%s (%s): %s", k.Node, k.Op, k.Why))
	}
	c.details.Conversion = h
	if r.Nodes == 0 {
		c.doc.Warn("no node can compute in %s: the model stays what it was", d)
	}
	if r.Clamped > 0 {
		c.doc.Warn("%d constants were too large for %s and were cut to its range", r.Clamped, d)
	}
	for _, n := range r.Notes {
		c.doc.Warn("%s", n)
	}
	switch onCPU := r.Nodes > 0 && c.Provider != nil && c.Provider.Name() == "cpu"; {
	case onCPU && d == tensor.Float16:
		c.remark("the cpu provider computes float16 in float32 and rounds inputs, weights and outputs alone; that no value exceeds its range was checked apart")
		c.doc.Warn("float16 makes a model smaller, not faster, on CPUs: they compute it in float32, between Casts; GPUs gain")
	case onCPU:
		c.doc.Warn("the CPU provider has kernels for few operators in bfloat16: the file is for GPUs")
	}
}

// defaultSamples are the rows that calibrate where there are more: extremes settle long before.
const defaultSamples = 512

// ranges returns the largest magnitude of each value over the calibration rows. Without any it returns, of the inputs to
// compare on, those magnitudes alone that are too large: they keep nodes in float32, and a few made-up inputs must not
// let others out of it.
func (c *conversion) ranges(ctx context.Context) (map[string]float64, error) {
	switch {
	case c.Calib == nil && (c.ref == nil || c.Target.Kind == BF16):
		return nil, nil
	case c.Calib == nil:
		seen, err := c.calibrate(ctx, runs(c.Inputs), int64(len(c.Inputs)))
		maps.DeleteFunc(seen, func(_ string, r float64) bool { return r <= c.Half.ActMax })
		return seen, err
	case c.Target.Kind == BF16:
		return nil, fault.New(fault.Usage, "leave it out", "--calib finds what exceeds the range of float16, and bfloat16 has that of float32")
	case c.isLarge():
		return nil, fault.New(fault.Usage, "leave it out", "--calib runs the model, and one of %.1f GB is never in memory as a whole", float64(c.Model.Bytes())/1e9)
	}
	seen, err := c.calibrate(ctx, c.Calib, cmp.Or(c.Samples, defaultSamples))
	if err == nil {
		c.note(fmt.Sprintf("the ranges of %d values were seen on %d calibration rows", len(seen), min(c.Calib.Rows(), cmp.Or(c.Samples, defaultSamples))))
	}
	return seen, err
}

// calibrate returns the largest magnitude of each float32 value over the first rows of a source.
func (c *conversion) calibrate(ctx context.Context, src calibrate.Source, samples int64) (map[string]float64, error) {
	values := floatValues(c.Model.Proto)
	if len(values) == 0 {
		return nil, nil
	}
	table, err := calibrate.Run(ctx, c.Provider, c.Config, c.Model.Proto, values, src, calibrate.Options{
		Method: calibrate.Method{Name: calibrate.MinMax}, Samples: samples, Progress: c.Progress,
	})
	if err != nil {
		return nil, fault.Wrap(err, "calibrate")
	}
	by := map[string]float64{}
	for _, v := range values {
		if seen, ok := table.Observation(v); ok {
			if lo, hi, ok := seen.Extremes(); ok {
				by[v] = max(-lo, hi)
			}
		}
	}
	return by, nil
}

// runs are sets of inputs as rows to calibrate on: a run of the model each.
type runs [][]tensor.Tensor

func (r runs) Rows() int64      { return int64(len(r)) }
func (r runs) BatchSize() int64 { return 1 }

func (r runs) Batch(lo, hi int64) ([]tensor.Tensor, error) {
	if hi != lo+1 {
		return nil, fmt.Errorf("sets of inputs come one at a time, not %d to %d", lo, hi)
	}
	return r[lo], nil
}

// floatValues returns the float32 tensors that the nodes of the main graph make, in its order.
func floatValues(m *onnx.Model) []string {
	shapes := static.Infer(m, nil)
	var list []string
	for _, n := range m.Graph.Nodes {
		for _, o := range n.Outputs {
			if v, ok := shapes.Of(m.Graph, o); ok && v.Kind == onnx.KindTensor && v.DType == tensor.Float32 && n.OpType != "Constant" {
				list = append(list, o)
			}
		}
	}
	return list
}

// openRounded opens a stand-in for a bfloat16 model that this runtime has no kernels for: the same graph in float32, with
// every constant rounded to bfloat16. It shows what the rounded weights do, not what rounded activations do.
func (c *conversion) openRounded(ctx context.Context) (engine.Session, error) {
	m := c.written.Proto.Clone()
	if err := widen(m); err != nil {
		return nil, err
	}
	c.output.standIn = true
	c.remark("the %s provider has no kernels for bfloat16: what was run is the written graph with its rounded weights, in float32", c.Provider.Name())
	w := &model.Model{Path: c.written.Path, Proto: m}
	w.MarkEdited()
	return c.Provider.Open(ctx, w, c.Config)
}
