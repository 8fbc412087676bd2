package enginetest

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"time"

	"infer/internal/fault"
	"infer/model"
	"infer/model/engine"
	"infer/model/onnx"
	"infer/model/tensor"
)

// Fake is a provider without a runtime, for tests of what runs sessions. Its sessions have the model's inputs and
// outputs; every output is the function Compute of the inputs. It is safe for concurrent use once it is set up.
type Fake struct {
	// Compute returns the outputs in graph order; nil is Zeros.
	Compute func(in []tensor.Tensor, outputs []engine.Port) ([]tensor.Tensor, error)
	// Latency is how long a run takes; nil is no time. run counts from 0 over all sessions.
	Latency func(run int, in []tensor.Tensor) time.Duration
	// Sleep waits for a latency; nil is a real wait. A test with a clock of its own puts it here.
	Sleep func(ctx context.Context, d time.Duration) error
	// OpenErr fails every Open, RunErr every run for which it returns an error.
	OpenErr error
	RunErr  func(run int) error

	runs atomic.Int64
	open atomic.Int64
}

// Runs returns how many runs have begun.
func (f *Fake) Runs() int { return int(f.runs.Load()) }

// Sessions returns how many sessions are open.
func (f *Fake) Sessions() int { return int(f.open.Load()) }

// Name returns "fake".
func (f *Fake) Name() string { return "fake" }

// Open returns a session with m's inputs and outputs.
func (f *Fake) Open(ctx context.Context, m *model.Model, _ engine.Config) (engine.Session, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if f.OpenErr != nil {
		return nil, f.OpenErr
	}
	f.open.Add(1)
	return &fakeSession{fake: f, in: slices.Clone(m.Inputs()), out: slices.Clone(m.Outputs())}, nil
}

// Zeros returns a zero for every output. A dynamic axis has the size it has in an input, else that of the first
// input's first axis.
func Zeros(in []tensor.Tensor, outputs []engine.Port) ([]tensor.Tensor, error) {
	out := make([]tensor.Tensor, len(outputs))
	for i, p := range outputs {
		var s tensor.Shape
		for _, d := range p.Type.Dims {
			size := d.Size
			if !d.Known {
				size = 1
				if len(in) > 0 && len(in[0].Shape) > 0 {
					size = in[0].Shape[0]
				}
			}
			s = append(s, size)
		}
		var err error
		if out[i], err = tensor.New(p.Name, p.Type.DType, s); err != nil {
			return nil, err
		}
	}
	return out, nil
}

type fakeSession struct {
	fake    *Fake
	in, out []engine.Port
	closed  atomic.Bool
}

var errFakeClosed = errors.New("the session is closed")

func (s *fakeSession) Inputs() []engine.Port  { return s.in }
func (s *fakeSession) Outputs() []engine.Port { return s.out }

func (s *fakeSession) Run(ctx context.Context, in, out []tensor.Tensor) error {
	if s.closed.Load() {
		return errFakeClosed
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	ordered, err := s.order(in)
	if err != nil {
		return err
	}
	run := int(s.fake.runs.Add(1)) - 1
	if err := s.wait(ctx, run, ordered); err != nil {
		return err
	}
	if s.fake.RunErr != nil {
		if err := s.fake.RunErr(run); err != nil {
			return err
		}
	}
	compute := s.fake.Compute
	if compute == nil {
		compute = Zeros
	}
	made, err := compute(ordered, s.out)
	if err != nil {
		return err
	}
	return s.deliver(out, made)
}

func (s *fakeSession) wait(ctx context.Context, run int, in []tensor.Tensor) error {
	if s.fake.Latency == nil {
		return nil
	}
	d := s.fake.Latency(run, in)
	if s.fake.Sleep != nil {
		return s.fake.Sleep(ctx, d)
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// order returns the inputs in graph order; one that is missing, unknown or of another dtype or rank is refused.
func (s *fakeSession) order(in []tensor.Tensor) ([]tensor.Tensor, error) {
	if len(in) != len(s.in) {
		return nil, fault.New(fault.Usage, "", "%d inputs given, the model has %d", len(in), len(s.in))
	}
	ordered := make([]tensor.Tensor, len(in))
	for i, t := range in {
		at := i
		if t.Name != "" {
			at = slices.IndexFunc(s.in, func(p engine.Port) bool { return p.Name == t.Name })
		}
		if at < 0 || !ordered[at].IsZero() {
			return nil, fault.New(fault.Usage, "", "input %q is unknown or given twice", t.Name)
		}
		ty := s.in[at].Type
		if ty.Kind == onnx.KindTensor && (ty.DType != t.DType || ty.HasShape && len(ty.Dims) != len(t.Shape)) {
			return nil, fault.New(fault.Usage, "", "input %q: got %s of shape %s", s.in[at].Name, t.DType, t.Shape)
		}
		if err := t.Check(); err != nil {
			return nil, fault.New(fault.Usage, "", "%w", err)
		}
		ordered[at] = t
	}
	return ordered, nil
}

func (s *fakeSession) deliver(out, made []tensor.Tensor) error {
	for i := range out {
		at := i
		if out[i].Name != "" {
			at = slices.IndexFunc(s.out, func(p engine.Port) bool { return p.Name == out[i].Name })
		}
		if at < 0 || at >= len(made) {
			return fault.New(fault.Usage, "", "the model has no output %q", out[i].Name)
		}
		if out[i].IsZero() {
			made[at].Name = s.out[at].Name
			out[i] = made[at]
			continue
		}
		if out[i].DType != made[at].DType || !out[i].Shape.Equal(made[at].Shape) {
			return fault.New(fault.Usage, "", "output %q: the run gave %s of shape %s", s.out[at].Name, made[at].DType, made[at].Shape)
		}
		copy(out[i].Data, made[at].Data)
		copy(out[i].Strings, made[at].Strings)
	}
	return nil
}

func (s *fakeSession) Close() error {
	if !s.closed.Swap(true) {
		s.fake.open.Add(-1)
	}
	return nil
}
