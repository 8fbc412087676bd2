// Package calibrate owns the ranges of activations: what the values of a float model look like over the rows of a data
// set, collected in bounded memory, and the range that a method makes of it.
package calibrate

import (
	"context"

	"infer/internal/atomicfile"
	"infer/internal/fault"
	"infer/internal/progress"
	"infer/model/engine"
	"infer/model/onnx"
	"infer/model/tensor"
)

// The defaults of Options.
const (
	DefaultMemory = 1 << 30
	DefaultBins   = 2048
)

// Options are the choices of Run. The zero Options is valid.
type Options struct {
	Memory     int64  // bytes of the tensors held at once; 0: DefaultMemory. One tensor that is larger is held alone
	Bins       int    // least number of bins of a histogram, 16 to 65536; 0: DefaultBins
	Method     Method // minmax, moving-average and mean-minmax need no histograms, and none are kept; zero: keeps them
	Samples    int64  // rows to take, the first ones; 0: all
	Batch      int64  // rows a run; 0: what the source asks for, else 1
	Checkpoint string // file from which a later Run with the same Key goes on; "" for none
	Key        string // identity of model, data and options: a checkpoint of another key is begun anew
	Progress   progress.Func
}

// Source is the rows. Where it has a method BatchSize() int64 that returns more than 0, a run has just so many rows,
// and those left over at the end are not used.
type Source interface {
	// Rows returns how many rows there are.
	Rows() int64
	// Batch returns the inputs for rows lo to hi (exclusive), by their names.
	Batch(lo, hi int64) ([]tensor.Tensor, error)
}

// Run runs the float model m, which stays as it is, over the rows of src and returns what it saw of the named values of
// the main graph: inputs, outputs and what lies between. Values that are no floating-point tensors, and constants, are
// left out and named in Notes.
//
// The tensors of a run are held in groups whose bytes stay within the budget; a model whose values do not fit is run
// over the rows once for each group, up to the last node that the group needs. It is run as written, without graph
// optimization: what a fusion computes depends on which values are asked for, and the table must not depend on the
// budget. Nor does it depend on the batch size, as far as the runtime computes a row alike in any batch and values have
// their rows along axis 0.
//
// When ctx ends, Run returns its error and leaves the checkpoint; a finished Run leaves it too.
// Errors: fault.Usage for options out of range, no rows and values that the model does not have; a run that fails, with
// its rows.
func Run(ctx context.Context, provider engine.Provider, cfg engine.Config, m *onnx.Model, values []string, src Source, o Options) (*Table, error) {
	fixed := int64(0)
	if s, ok := src.(interface{ BatchSize() int64 }); ok {
		fixed = s.BatchSize()
	}
	if err := o.settle(fixed); err != nil {
		return nil, err
	}
	rows, err := o.rows(src.Rows(), fixed)
	if err != nil {
		return nil, err
	}
	c := &collector{provider: provider, config: cfg, src: src, options: o, rows: rows, least: max(1, fixed)}
	if err := c.prepare(m, values); err != nil {
		return nil, err
	}
	if err := c.resume(); err != nil {
		return nil, err
	}
	if err := c.run(ctx); err != nil {
		return nil, err
	}
	return c.table, nil
}

// settle puts in the defaults and reports what is out of range. fixed is the batch size that the source asks for, or 0.
func (o *Options) settle(fixed int64) error {
	if o.Memory == 0 {
		o.Memory = DefaultMemory
	}
	if o.Bins == 0 {
		o.Bins = DefaultBins
	}
	if o.Batch == 0 {
		o.Batch = max(1, fixed)
	}
	switch {
	case o.Memory < 0:
		return fault.New(fault.Usage, "", "a memory budget of %d bytes", o.Memory)
	case o.Bins < minBins || o.Bins > maxBins:
		return fault.New(fault.Usage, "", "%d histogram bins, want %d to %d", o.Bins, minBins, maxBins)
	case o.Samples < 0:
		return fault.New(fault.Usage, "", "%d calibration samples", o.Samples)
	case o.Batch < 0 || fixed > 0 && o.Batch != fixed:
		return fault.New(fault.Usage, "leave the batch size out", "a batch of %d rows for a model that takes %d", o.Batch, max(1, fixed))
	}
	if o.Method != (Method{}) {
		if err := o.Method.check(); err != nil {
			return err
		}
		if !o.Method.histograms() {
			o.Bins = 0
		}
	}
	if o.Checkpoint != "" {
		return atomicfile.Check(o.Checkpoint)
	}
	return nil
}

// rows returns how many of the rows that there are are taken: as many as were asked for, in whole batches where the
// source gives no others.
func (o *Options) rows(there, fixed int64) (int64, error) {
	n := there
	if o.Samples > 0 {
		n = min(n, o.Samples)
	}
	if fixed > 0 {
		n -= n % fixed
	}
	if n <= 0 {
		return 0, fault.New(fault.Usage, "give at least one batch of rows", "no rows to calibrate with: there are %d, and a run takes %d", there, o.Batch)
	}
	return n, nil
}

// resume begins with what the checkpoint has of the wanted values, where there is one.
func (c *collector) resume() error {
	if c.options.Checkpoint == "" {
		return nil
	}
	t, err := load(c.options.Checkpoint)
	if err != nil || t == nil {
		return err
	}
	if t.Key != c.options.Key || t.Bins != c.options.Bins || len(t.parts) != 1 {
		return nil
	}
	least := c.rows
	for i, o := range c.values {
		old := t.values[o.Value]
		if old == nil || old.Rows() > c.rows {
			least = 0
			continue
		}
		least = min(least, old.Rows())
		c.values[i] = old
		c.table.values[o.Value] = old
	}
	c.table.Resumed = least
	return nil
}
