package calibrate

import (
	"context"
	"maps"
	"slices"
	"unsafe"

	"infer/internal/fault"
	"infer/model/engine"
	"infer/model/onnx"
	"infer/model/onnx/static"
	"infer/model/tensor"
)

// maxOpens is how often the shapes of the inputs may change within a group before they are left open. A last batch that
// is smaller takes two.
const maxOpens = 3

// runner runs a model for the values of one group after the other, one session at a time.
//
// A session is opened for the shapes of its first inputs: with those fixed the shapes of nearly all values follow, so
// that the runtime writes them into memory that all runs and groups share, and nothing is allocated or copied. Where
// shapes keep changing, or the runtime does not agree with them, they are left open for good, and the runtime
// allocates.
type runner struct {
	provider engine.Provider
	config   engine.Config
	stage    *stage
	loose    bool // shapes are left open

	names []string // what the group asks for, in its order
	asked []string // those that a session has to make: no inputs
	opens int      // sessions of this group

	session engine.Session
	inputs  map[string]tensor.Shape // that the session is for
	out     []tensor.Tensor         // one an asked value
	placed  []tensor.Tensor         // likewise, with memory for those whose shape is known
	arena   []uint64
	most    int64 // bytes that the arena will need for any group
}

// asWritten returns the configuration of sessions that run the graph as it is. Threads of the runtime do not wait in a
// loop for the next run, unless the caller wants it: between two runs the tensors are looked at, on all CPUs.
func asWritten(c engine.Config) engine.Config {
	const spinning = "session.intra_op.allow_spinning"
	c.OptLevel, c.OptimizedModelPath, c.TracePrefix = engine.OptNone, "", ""
	entries := map[string]string{spinning: "0"}
	maps.Copy(entries, c.Entries)
	c.Entries = entries
	return c
}

// infer derives shapes and dtypes of all values for inputs in.
func (r *runner) infer(in []tensor.Tensor) *static.Shapes {
	bound := map[string][]onnx.Dim{}
	for _, t := range in {
		dims := make([]onnx.Dim, len(t.Shape))
		for i, n := range t.Shape {
			dims[i] = onnx.Fixed(n)
		}
		bound[t.Name] = dims
	}
	return static.Infer(r.stage.model.Proto, bound)
}

// ask prepares for the values of g; most is what the tensors of the largest group take.
func (r *runner) ask(values []string, order map[string]int, most int64) error {
	r.names, r.asked, r.opens, r.most = values, nil, 0, most
	for _, v := range values {
		if order[v] != input {
			r.asked = append(r.asked, v)
		}
	}
	return r.close()
}

// close closes the session. A second close is a no-op.
func (r *runner) close() error {
	if r.session == nil {
		return nil
	}
	s := r.session
	r.session = nil
	return s.Close()
}

// run returns the tensors of the asked values, in the order of ask, for inputs in. They are good until the next run.
func (r *runner) run(ctx context.Context, in []tensor.Tensor) ([]tensor.Tensor, error) {
	if len(r.asked) > 0 {
		err := r.try(ctx, in)
		if err != nil && !r.loose && ctx.Err() == nil {
			r.loose = true
			if e := r.close(); e != nil {
				return nil, e
			}
			err = r.try(ctx, in)
		}
		if err != nil {
			return nil, err
		}
	}
	all := make([]tensor.Tensor, len(r.names))
	next := 0
	for i, v := range r.names {
		if next < len(r.asked) && r.asked[next] == v {
			all[i] = r.out[next]
			next++
			continue
		}
		at := slices.IndexFunc(in, func(t tensor.Tensor) bool { return t.Name == v })
		if at < 0 {
			return nil, fault.New(fault.Usage, "", "the rows have no input %q", v)
		}
		all[i] = in[at]
	}
	return all, nil
}

// try runs once, in a session for the shapes of in.
func (r *runner) try(ctx context.Context, in []tensor.Tensor) error {
	if r.session == nil || !r.loose && !r.fits(in) {
		if err := r.open(ctx, in); err != nil {
			return err
		}
	}
	copy(r.out, r.placed)
	return r.session.Run(ctx, in, r.out)
}

// fits reports whether in has the shapes that the session is for.
func (r *runner) fits(in []tensor.Tensor) bool {
	return !slices.ContainsFunc(in, func(t tensor.Tensor) bool { return !t.Shape.Equal(r.inputs[t.Name]) })
}

// open opens a session that makes the asked values.
func (r *runner) open(ctx context.Context, in []tensor.Tensor) error {
	if err := r.close(); err != nil {
		return err
	}
	r.opens++
	r.loose = r.loose || r.opens > maxOpens
	r.inputs = map[string]tensor.Shape{}
	for _, t := range in {
		r.inputs[t.Name] = t.Shape.Clone()
	}
	types := map[string]*onnx.Type{}
	if !r.loose {
		types = r.types(r.infer(in))
	}
	s, err := r.provider.Open(ctx, r.stage.expose(r.asked, types, r.inputs), r.config)
	if err != nil {
		return err
	}
	r.session = s
	r.place(types)
	return nil
}

// types returns the types of those asked values whose shape is known.
func (r *runner) types(shapes *static.Shapes) map[string]*onnx.Type {
	types := map[string]*onnx.Type{}
	for _, v := range r.asked {
		known, ok := shapes.Of(r.stage.model.Proto.Graph, v)
		if _, sized := known.Bytes(); ok && sized && known.Kind == onnx.KindTensor {
			types[v] = &onnx.Type{Kind: onnx.KindTensor, DType: known.DType, HasShape: true, Dims: known.Dims}
		}
	}
	return types
}

// place gives the asked values of known types their memory. Each starts at a cache line.
func (r *runner) place(types map[string]*onnx.Type) {
	const line = 64
	r.out, r.placed = make([]tensor.Tensor, len(r.asked)), make([]tensor.Tensor, len(r.asked))
	starts := make([]int64, len(r.asked))
	sizes := make([]int64, len(r.asked))
	need := int64(line)
	for i, v := range r.asked {
		r.placed[i].Name = v
		if ty := types[v]; ty != nil {
			for _, d := range ty.Dims {
				r.placed[i].Shape = append(r.placed[i].Shape, d.Size)
			}
			r.placed[i].DType = ty.DType
			sizes[i], _ = tensor.ByteSize(ty.DType, r.placed[i].Shape) // known from the inference
			starts[i] = need
			need += (sizes[i] + line - 1) / line * line
		}
	}
	if int64(len(r.arena))*8 < need {
		r.arena = nil // let it go before there is another
		r.arena = make([]uint64, (max(need, r.most)+7)/8)
	}
	bytes := unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(r.arena))), len(r.arena)*8)
	for i := range r.placed {
		if r.placed[i].DType != tensor.Undefined {
			r.placed[i].Data = bytes[starts[i] : starts[i]+sizes[i] : starts[i]+sizes[i]]
		}
	}
}
