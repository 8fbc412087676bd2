package repository

import (
	"context"
	"maps"
	"time"

	"infer/internal/fault"
	"infer/internal/wire"
	"infer/model"
	"infer/model/engine"
	"infer/model/onnx"
)

// load makes a version of a model ready to serve; the caller is its first holder.
func (r *Repository) load(ctx context.Context, name string, f file) (*Handle, error) {
	m, err := model.Load(f.path)
	if err != nil {
		return nil, err
	}
	defer m.Close()
	h := &Handle{idle: make(chan struct{})}
	h.holders.Store(1)
	h.info = Info{Name: name, Version: f.version, Path: f.path, Instances: 1, Threads: 1}
	if h.info.Digest, err = m.Digest(); err != nil {
		return nil, err
	}
	if err := h.open(ctx, m, r.o); err != nil {
		h.free()
		return nil, err
	}
	h.info.Loaded = time.Now()
	return h, nil
}

// open opens the session and reads its signature.
func (h *Handle) open(ctx context.Context, m *model.Model, o Options) error {
	c := o.Config
	c.Threads = 1
	c.Entries = maps.Clone(c.Entries)
	if c.Entries == nil {
		c.Entries = map[string]string{}
	}
	if _, ok := c.Entries[spinning]; !ok {
		c.Entries[spinning] = "0"
	}
	s, err := o.Provider.Open(ctx, m, c)
	if err != nil {
		return err
	}
	h.sessions = append(h.sessions, s)
	return h.sign(s)
}

// spinning is the session-config entry that lets idle threads of a session wait in a busy loop.
const spinning = "session.intra_op.allow_spinning"

// sign reads the inputs and outputs that protocols can carry. Another input is an error, another output is left out.
func (h *Handle) sign(s engine.Session) error {
	for _, p := range s.Inputs() {
		w, ok := portOf(p)
		if !ok {
			return fault.New(fault.Unsupported, "", "input %q is no tensor of a type that the protocols can carry", p.Name)
		}
		h.info.Inputs = append(h.info.Inputs, w)
		h.info.Model = append(h.info.Model, p)
	}
	for _, p := range s.Outputs() {
		if w, ok := portOf(p); ok {
			h.info.Outputs = append(h.info.Outputs, w)
		}
	}
	if len(h.info.Outputs) == 0 {
		return fault.New(fault.Unsupported, "", "no output is a tensor of a type that the protocols can carry")
	}
	return nil
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
	return w, t.Kind == onnx.KindTensor && t.DType.Valid()
}
