package calibrate

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"infer/internal/fault"
	"infer/internal/progress"
	"infer/model/engine"
	"infer/model/onnx"
	"infer/model/onnx/static"
	"infer/model/tensor"
)

// checkpointEvery is how much work a killed process loses at most.
const checkpointEvery = 5 * time.Second

// collector runs a model over rows, group by group.
type collector struct {
	provider engine.Provider
	config   engine.Config
	src      Source
	options  Options
	rows     int64 // to take
	least    int64 // rows that a run has at least

	model  *onnx.Model      // sorted; shares tensors with the caller's
	order  map[string]int   // of the nodes that make values; −1 for inputs
	values []*Observation   // still to be collected or collected, in topological order
	graph  *onnx.Graph      // that static is of
	static *static.Shapes   // of a whole batch
	seen   map[string]int64 // bytes of a row, as runs showed
	table  *Table
	done   int64 // rows run, over all groups
	saved  time.Time
}

// prepare checks the values against the model and makes an empty table of those that can be calibrated.
func (c *collector) prepare(m *onnx.Model, values []string) error {
	c.model = m.Clone()
	if err := c.model.Graph.SortNodes(); err != nil {
		return err
	}
	c.table = newTable(c.options.Key, c.options.Bins)
	c.table.Rows, c.table.parts = c.rows, []int64{c.rows}
	c.seen = map[string]int64{}
	c.order = places(c.model.Graph)
	var known []string
	for v, at := range c.order {
		if at != constant {
			known = append(known, v)
		}
	}
	slices.Sort(known)
	for _, v := range values {
		at, ok := c.order[v]
		switch {
		case !ok:
			hint := "name values of the main graph"
			if near := fault.Nearest(v, known); near != "" {
				hint = "did you mean " + near + "?"
			}
			return fault.New(fault.Usage, hint, "calibrate: the model's main graph has no value %q", v)
		case at == constant:
			c.leaveOut(v, "it is a constant")
		case c.table.values[v] == nil:
			o := newObservation(v, c.options.Bins)
			c.table.values[v] = o
			c.values = append(c.values, o)
		}
	}
	slices.SortStableFunc(c.values, func(a, b *Observation) int { return c.order[a.Value] - c.order[b.Value] })
	return nil
}

// leaveOut drops a value, with a note.
func (c *collector) leaveOut(value, why string) {
	note := fmt.Sprintf("value %q is left out: %s", value, why)
	if !slices.Contains(c.table.Notes, note) {
		c.table.Notes = append(c.table.Notes, note)
	}
	delete(c.table.values, value)
	c.values = slices.DeleteFunc(c.values, func(o *Observation) bool { return o.Value == value })
}

// run collects every value over every row.
func (c *collector) run(ctx context.Context) (err error) {
	c.saved = time.Now()
	if !slices.ContainsFunc(c.values, func(o *Observation) bool { return o.Rows() < c.rows }) {
		return c.checkpoint()
	}
	first, err := c.batch(0, min(c.options.Batch, c.rows))
	if err != nil {
		return err
	}
	st, err := newStage(c.model)
	if err != nil {
		return fault.Wrap(err, "calibrate")
	}
	defer func() { err = errors.Join(err, st.close()) }()
	r := &runner{provider: c.provider, config: asWritten(c.config), stage: st}
	defer func() { err = errors.Join(err, r.close()) }()
	c.static, c.graph = r.infer(first), st.model.Proto.Graph
	c.dropOthers()
	for {
		groups := c.plan(r)
		if len(groups) == 0 {
			return c.checkpoint()
		}
		if err := c.collect(ctx, r, groups); err != nil {
			if ctx.Err() != nil {
				if e := c.checkpoint(); e != nil {
					return e
				}
				return ctx.Err()
			}
			return err
		}
	}
}

// dropOthers leaves out the values that are known not to be floating-point tensors.
func (c *collector) dropOthers() {
	for _, o := range slices.Clone(c.values) {
		v, ok := c.static.Of(c.graph, o.Value)
		if ok && v.Kind == onnx.KindTensor && v.DType != tensor.Undefined && !v.DType.IsFloat() {
			c.leaveOut(o.Value, "it is of type "+v.DType.String())
		}
	}
}

// collect runs the rows of the first of groups. It comes back early when the tensors turn out larger than planned.
func (c *collector) collect(ctx context.Context, r *runner, groups []group) error {
	g := groups[0]
	total, most := c.done, int64(0)
	for _, other := range groups {
		total += c.rows - other.start
		most = max(most, other.bytes)
	}
	names := make([]string, len(g.values))
	for i, o := range g.values {
		names[i] = o.Value
	}
	if err := r.ask(names, c.order, most); err != nil {
		return err
	}
	c.table.Groups++
	scratches := make([]scratch, min(runtime.GOMAXPROCS(0), len(g.values)))
	for lo := g.start; lo < c.rows; {
		hi := min(lo+g.batch, c.rows)
		in, err := c.batch(lo, hi)
		if err != nil {
			return err
		}
		out, err := r.run(ctx, in)
		if err != nil {
			return fault.Wrap(err, "calibrate with rows %d to %d", lo, hi)
		}
		replan := c.observe(g, out, hi-lo, r.loose, scratches)
		c.done += hi - lo
		lo = hi
		c.options.Progress.Send(progress.Event{Phase: "calibrate", Done: float64(c.done), Total: float64(total), Unit: "rows"})
		if time.Since(c.saved) >= checkpointEvery {
			if err := c.checkpoint(); err != nil {
				return err
			}
		}
		if replan {
			return nil
		}
	}
	return nil
}

// batch reads rows.
func (c *collector) batch(lo, hi int64) ([]tensor.Tensor, error) {
	in, err := c.src.Batch(lo, hi)
	if err != nil {
		return nil, fault.Wrap(err, "calibration rows %d to %d", lo, hi)
	}
	return in, nil
}

// observe takes in the tensors of a run of the given number of rows, one a value of g, and reports whether the groups
// have to be made anew: a value had to be left out, or the tensors are larger than was thought. loose says that the
// runtime allocates all of them.
func (c *collector) observe(g group, out []tensor.Tensor, rows int64, loose bool, scratches []scratch) (replan bool) {
	faults := make([]error, len(out))
	var next atomic.Int64
	var wg sync.WaitGroup
	for i := range scratches {
		wg.Go(func() {
			for at := int(next.Add(1)) - 1; at < len(out); at = int(next.Add(1)) - 1 {
				if out[at].DType.IsFloat() {
					faults[at] = g.values[at].add(out[at], rows, &scratches[i])
				}
			}
		})
	}
	wg.Wait()
	cost := int64(0)
	for i, o := range g.values {
		switch t := out[i]; {
		case !t.DType.IsFloat():
			c.leaveOut(o.Value, "it is of type "+t.DType.String())
			replan = true
		case faults[i] != nil:
			c.leaveOut(o.Value, faults[i].Error())
			replan = true
		case c.order[o.Value] != input:
			size := int64(len(t.Data))
			c.seen[o.Value] = max(c.seen[o.Value], (size+rows-1)/rows)
			if size > c.options.Memory && rows <= c.least {
				c.note("value %q is larger than the memory budget: %d bytes of %d", o.Value, size, c.options.Memory)
			}
			if _, known := c.bytes(o.Value); loose || !known {
				size *= allocatedCost
			}
			cost += size
		}
	}
	return replan || cost > c.options.Memory && (len(g.values) > 1 || rows > c.least)
}

func (c *collector) note(format string, args ...any) {
	if n := fmt.Sprintf(format, args...); !slices.Contains(c.table.Notes, n) {
		c.table.Notes = append(c.table.Notes, n)
	}
}

// checkpoint saves what was seen so far, where a file was named.
func (c *collector) checkpoint() error {
	c.saved = time.Now()
	if c.options.Checkpoint == "" {
		return nil
	}
	return c.table.Save(c.options.Checkpoint)
}
