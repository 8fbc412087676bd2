package repository

import (
	"context"
	"errors"
	"maps"
	"strings"
	"time"

	"infer/internal/fault"
	"infer/internal/wire"
	"infer/model"
	"infer/model/engine"
	"infer/model/onnx"
	"infer/model/tensor"
	"infer/serve/batch"
)

// loader brings one version of a model from its file to a handle that is ready to serve.
type loader struct {
	r *Repository
	h *Handle
	m *model.Model
	o ModelOptions

	trial  trial
	points []point // what runs took
}

// point is the time of one run.
type point struct {
	rows int
	took time.Duration
}

// load makes a version of a model ready to serve; the caller is its first holder. before is the version that serves now,
// which the new one must not fall behind; nil for none.
func (r *Repository) load(ctx context.Context, name string, f file, o ModelOptions, before *Handle) (*Handle, error) {
	m, err := model.Load(f.path)
	if err != nil {
		return nil, err
	}
	defer m.Close()
	h := &Handle{r: r, number: f.number, io: f.io, idle: make(chan struct{}), freed: make(chan struct{}), loops: hasLoops(m)}
	h.holders.Store(1)
	h.info = Info{Name: name, Version: f.version, Path: f.path, Metadata: metadata(m)}
	if h.info.Digest, err = m.Digest(); err != nil {
		return nil, err
	}
	l := loader{r: r, h: h, m: m, o: o}
	if err := l.build(ctx, before); err != nil {
		return nil, errors.Join(err, closeAll(h.sessions))
	}
	h.info.Loaded = time.Now()
	return h, nil
}

// hasLoops reports whether a graph has nodes that run a body again and again.
func hasLoops(m *model.Model) bool {
	found := false
	m.Proto.Graph.Walk(func(g *onnx.Graph) {
		for _, n := range g.Nodes {
			found = found || n.OpType == "Loop" || n.OpType == "Scan"
		}
	})
	return found
}

func (l *loader) build(ctx context.Context, before *Handle) error {
	h := l.h
	if err := l.plan(ctx); err != nil {
		return err
	}
	if err := l.prove(ctx); err != nil {
		return err
	}
	if err := l.compare(before); err != nil {
		return err
	}
	if err := l.measure(ctx); err != nil {
		return err
	}
	if err := l.warmOthers(ctx); err != nil {
		return err
	}
	h.benches = make([]bench, h.info.Instances)
	limit := l.o.MaxBatch
	if !h.info.BatchAxis {
		limit = 1
	}
	h.runner = batch.NewRunner(batch.Options{
		Instances: h.info.Instances, MaxBatch: limit, MaxDelay: l.o.MaxDelay,
		SLO: l.o.SLO, MaxWait: l.o.MaxWait, MaxQueue: l.o.MaxQueue,
	}, h.run)
	for _, p := range l.points {
		h.runner.Learn(l.trial.key, p.rows, p.took)
	}
	return nil
}

// open opens a session with a number of threads and, the first time, reads its signature.
func (l *loader) open(ctx context.Context, threads int) (engine.Session, error) {
	c := l.r.o.Config
	c.Threads = threads
	entries := map[string]string{spinning: "0"}
	maps.Copy(entries, c.Entries)
	c.Entries = entries
	s, err := l.r.o.Provider.Open(ctx, l.m, c)
	if err != nil || l.h.info.Outputs != nil {
		return s, err
	}
	if w, ok := s.(engine.Warner); ok {
		for _, text := range w.Warnings() {
			l.r.log.Warn(text, "model", l.h.info.Name, "version", l.h.info.Version)
		}
	}
	dropped, err := l.h.sign(s)
	if len(dropped) > 0 {
		l.h.info.Metadata[droppedKey] = strings.Join(dropped, ", ")
		l.r.log.Warn("outputs that no protocol can carry are left out", "model", l.h.info.Name, "version", l.h.info.Version, "outputs", l.h.info.Metadata[droppedKey])
	}
	if err == nil {
		err = l.h.declare(s)
	}
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	l.trial.init(l.h, l.m)
	return s, nil
}

// spinning is the session-config entry that lets idle threads of a session wait in a busy loop, on CPUs that requests
// want.
const spinning = "session.intra_op.allow_spinning"

const droppedKey = "outputs left out" // of Info.Metadata: those that no protocol can carry

// sign reads the inputs and outputs that protocols can carry. Another input is an error, another output is left out:
// dropped names those.
func (h *Handle) sign(s engine.Session) (dropped []string, err error) {
	for _, p := range s.Inputs() {
		w, ok := portOf(p)
		if !ok {
			return nil, fault.New(fault.Unsupported, "", "input %q is no tensor of a type that the protocols can carry", p.Name)
		}
		h.info.Inputs = append(h.info.Inputs, w)
		h.info.Model = append(h.info.Model, p)
	}
	for _, p := range s.Outputs() {
		if w, ok := portOf(p); ok {
			h.info.Outputs = append(h.info.Outputs, w)
		} else {
			dropped = append(dropped, p.Name)
		}
	}
	if len(h.info.Outputs) == 0 {
		return nil, fault.New(fault.Unsupported, "", "no output is a tensor of a type that the protocols can carry")
	}
	h.axes = sharedAxes(h.info.Model)
	return dropped, nil
}

// portOf is a port as the protocols show it: a dynamic axis is -1, and so is a shape that is not declared.
func portOf(p model.Port) (wire.Port, bool) {
	t := p.Type
	w := wire.Port{Name: p.Name, DType: t.DType, Shape: make([]int64, 0, len(t.Dims))}
	if !t.HasShape {
		w.Shape = append(w.Shape, -1)
	}
	for _, d := range t.Dims {
		size := int64(-1)
		if d.Known {
			size = d.Size
		}
		w.Shape = append(w.Shape, size)
	}
	return w, t.Kind == onnx.KindTensor && carried(t.DType)
}

// carried reports whether the protocols have a name for a dtype.
func carried(d tensor.DType) bool {
	switch d {
	case tensor.Bool, tensor.String, tensor.Float16, tensor.BFloat16, tensor.Float32, tensor.Float64,
		tensor.Int8, tensor.Int16, tensor.Int32, tensor.Int64, tensor.Uint8, tensor.Uint16, tensor.Uint32, tensor.Uint64:
		return true
	}
	return false
}

// metadata is what the file says about itself.
func metadata(m *model.Model) map[string]string {
	all := map[string]string{}
	for _, p := range m.Proto.Metadata {
		all[p.Key] = p.Value
	}
	return all
}

func closeAll(sessions []engine.Session) error {
	var err error
	for _, s := range sessions {
		err = errors.Join(err, s.Close())
	}
	return err
}
