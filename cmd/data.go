package cmd

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"infer/internal/fault"
	"infer/model"
	"infer/model/dataset"
	"infer/model/declared"
	"infer/model/tensor"
	"infer/profile"
	"infer/report"
)

// dataFlags say where inputs come from. Fields are exported for the cold-start child, which gets them as JSON.
type dataFlags struct {
	Source string
	Seed   uint64
	IO     string // the declaration of inputs and outputs; "": the one beside the model, where there is one
}

func (d *dataFlags) add(f *pflag.FlagSet) {
	f.StringVar(&d.Source, "input", "random", "inputs: data set folder, .npz, .npy, .pb or .jsonl `FILE`, images or texts (--io), random or zeros")
	f.Uint64Var(&d.Seed, "seed", 1, "seed of random inputs")
	markTop(f, "input", "seed")
	addIOFlag(f, &d.IO)
}

// isMade reports whether inputs are generated instead of read.
func (d dataFlags) isMade() bool { return d.Source == "random" || d.Source == "zeros" }

// inputs are the inputs of one model under one binding.
type inputs struct {
	m     *model.Model
	flags dataFlags
	asked model.Bindings // by flags
	bound model.Bound
	set   *dataset.Set // nil for generated inputs
	io    *declared.IO // nil where nothing is declared
	notes []string
}

// openData binds the model's axes by the flags, the data set's shapes and 1, in this order, and opens the data set.
func openData(m *model.Model, d dataFlags, b bindFlags) (*inputs, error) {
	want, err := b.bindings()
	if err != nil {
		return nil, err
	}
	in := &inputs{m: m, flags: d, asked: model.Bindings{Shapes: maps.Clone(want.Shapes), Dims: maps.Clone(want.Dims)}}
	if in.io, err = openIO(m, d); err != nil {
		return nil, err
	}
	if !d.isMade() {
		if in.set, err = dataset.Open(d.Source, m.Inputs(), dataset.Options{IO: in.io, Shapes: want.Shapes}); err != nil {
			return nil, err
		}
		in.notes = in.set.Notes()
		if err := in.fromData(&want); err != nil {
			in.close()
			return nil, err
		}
	}
	if in.bound, err = m.Bind(want); err != nil {
		in.close()
		return nil, err
	}
	return in, nil
}

// fromData binds what the flags leave open to the shapes of the data set, one row a run. Flags choose how many rows a run has;
// all other axes are as the data have them.
func (in *inputs) fromData(want *model.Bindings) error {
	for name, shape := range in.set.Shapes() {
		if _, ok := want.Shapes[name]; ok {
			continue
		}
		port := in.port(name)
		if port == nil || len(port.Type.Dims) != len(shape) {
			continue
		}
		s := shape.Clone()
		for i, dim := range port.Type.Dims {
			size, ok := want.Dims[dim.Name]
			if !ok || dim.Known {
				continue
			}
			if i > 0 && size != s[i] {
				return fault.New(fault.Usage, "leave --dim out: the data have their own", "axis %q was asked to be %d, and it is %d in the data of input %q", dim.Name, size, s[i], name)
			}
			s[i] = size
		}
		want.Shapes[name] = s
	}
	return nil
}

func (in *inputs) port(name string) *model.Port {
	for _, p := range in.m.Inputs() {
		if p.Name == name {
			return &p
		}
	}
	return nil
}

// inputs returns the tensors of one run at a batch size; 0 is the bound one.
func (in *inputs) inputs(batch int64) ([]tensor.Tensor, error) {
	bound := in.bound
	if batch > 0 {
		var err error
		if bound, err = in.atBatch(batch); err != nil {
			return nil, err
		}
	}
	switch {
	case in.set != nil:
		rows := batch
		if rows == 0 {
			rows = in.boundRows()
		}
		if have := in.set.Rows(); rows > have {
			return nil, fault.New(fault.Usage, "give a smaller batch or more rows", "a run of %d rows needs more than the %d of data set %q", rows, have, in.flags.Source)
		}
		return in.set.Batch(0, rows)
	case in.flags.Source == "zeros":
		ts, _, err := dataset.Zeros(in.m, bound.Shapes)
		return ts, err
	}
	ts, _, err := dataset.Random(in.m, bound.Shapes, in.flags.Seed)
	return ts, err
}

// atBatch binds the first axis of every input where it is dynamic, and every axis of the same name, to batch.
func (in *inputs) atBatch(batch int64) (model.Bound, error) {
	names := map[string]bool{}
	free := false
	for _, p := range in.m.Inputs() {
		if d := p.Type.Dims; len(d) > 0 && !d[0].Known {
			free = true
			if d[0].Name != "" {
				names[d[0].Name] = true
			}
		}
	}
	if !free {
		if in.boundRows() == batch {
			return in.bound, nil
		}
		return in.bound, fault.New(fault.Usage, "leave --batch out, or export the model with a dynamic batch axis",
			"the batch axis of the model is fixed at %d", in.boundRows())
	}
	want := model.Bindings{Shapes: map[string]tensor.Shape{}}
	for _, p := range in.m.Inputs() {
		s := in.bound.Shapes[p.Name].Clone()
		for i, d := range p.Type.Dims {
			if !d.Known && (i == 0 || names[d.Name]) {
				s[i] = batch
			}
		}
		want.Shapes[p.Name] = s
	}
	return in.m.Bind(want)
}

// boundRows is the size of the batch axis as bound: axis 0 of the first input that has a dynamic one, else of the
// first input of rank two or more.
func (in *inputs) boundRows() int64 {
	fixed := int64(1)
	for _, p := range slices.Backward(in.m.Inputs()) {
		s := in.bound.Shapes[p.Name]
		if len(s) >= 2 {
			fixed = s[0]
		}
	}
	for _, p := range in.m.Inputs() {
		if s := in.bound.Shapes[p.Name]; len(s) > 0 && len(p.Type.Dims) > 0 && !p.Type.Dims[0].Known {
			return s[0]
		}
	}
	return max(fixed, 1)
}

// addStages lets a profile measure what comes before and behind the model: making a row of an image or a text, each in
// its turn, and making an answer of the outputs.
func (in *inputs) addStages(t *profile.Target) {
	if in.set == nil || !in.set.Encoded() {
		return
	}
	next, rows := int64(0), in.boundRows()
	t.Pre = func(context.Context) error {
		if next+rows > in.set.Rows() {
			next = 0
		}
		_, err := in.set.Batch(next, next+rows)
		next += rows
		return err
	}
	if !in.io.HasLabels() {
		return
	}
	t.Post = func(outputs []tensor.Tensor) error {
		for row := range int(rows) {
			if _, err := in.io.Decode(outputs, row); err != nil {
				return err
			}
		}
		return nil
	}
}

// defaultPredictBatch rows a run keep every core busy on most models and the memory small.
const defaultPredictBatch = 32

// rowsPerRun returns the batch size of predict: what the model's batch axis is fixed to, else wanted, else a default.
func (in *inputs) rowsPerRun(wanted int64) int64 {
	if fixed := in.set.BatchSize(); fixed > 0 {
		return fixed
	}
	if wanted > 0 {
		return wanted
	}
	return defaultPredictBatch
}

// explain adds to a failure that has no hint which axes were set to 1 for want of a size: often that is the cause.
func (in *inputs) explain(err error) error {
	if err == nil || len(in.bound.Notes) == 0 || fault.HintOf(err) != "" || errors.Is(err, context.Canceled) {
		return err
	}
	return fault.New(fault.KindOf(err), "perhaps a size does not fit the model: "+strings.Join(in.bound.Notes, "; "), "%w", err)
}

func (in *inputs) close() {
	if in.set != nil {
		_ = in.set.Close()
	}
}

func (in *inputs) bindingText() string {
	var list []string
	for _, name := range slices.Sorted(maps.Keys(in.bound.Shapes)) {
		list = append(list, name+":"+in.bound.Shapes[name].String())
	}
	return strings.Join(list, " ")
}

// manifest records what a run needs to be repeated.
func (a *app) manifest(d *report.Document, o *opened) error {
	sum, err := o.model.Digest()
	if err != nil {
		return err
	}
	d.Manifest.Model = &report.ModelRef{Path: o.model.Path, SHA256: sum, Bytes: o.model.Bytes()}
	if d.Manifest.Runtime, err = runtimeRef(o.library, o.config); err != nil {
		return err
	}
	d.Manifest.Options = map[string]any{"threads": o.config.Threads, "inter_threads": o.config.InterThreads, "session_config": o.config.Entries}
	d.Manifest.Bindings = map[string]string{}
	for name, s := range o.data.bound.Shapes {
		d.Manifest.Bindings[name] = s.String()
	}
	d.Manifest.Data = &report.DataRef{Source: o.data.flags.Source}
	if set := o.data.set; set != nil {
		if d.Manifest.Data.SHA256, err = set.Digest(); err != nil {
			return err
		}
		d.Manifest.Data.Rows = set.Rows()
	} else {
		d.Manifest.Seed = &o.data.flags.Seed
	}
	for _, n := range slices.Concat(o.data.bound.Notes, o.data.notes) {
		d.Warn("%s", n)
	}
	return nil
}
