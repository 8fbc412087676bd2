// Package local owns load on a session in this process: no server, no wire.
package local

import (
	"context"
	"errors"
	"sync"
	"time"

	"infer/internal/fault"
	"infer/loadtest/drive"
	"infer/loadtest/sample"
	"infer/model/engine"
	"infer/model/tensor"
)

// Target runs a session in place of a server. Requests beyond the slots wait in the order in which they came: that wait
// is queue time, the run is compute time. It is safe for concurrent use.
type Target struct {
	session engine.Session
	inputs  [][]tensor.Tensor
	outputs int
	slots   chan struct{} // one element a free slot; waiters of a channel are served in the order in which they came
	free    sync.Pool     // of *outputs
}

// outputs are the tensors of a run, whose memory is used again.
type outputs struct{ list []tensor.Tensor }

var _ drive.Target = (*Target)(nil)

// New returns a target on a session that the caller closes, after the target has no request under way. inputs are the
// tensors of each payload, at least one payload; they stay the caller's and must not change. slots is how many runs
// there may be at a time, at least 1.
func New(s engine.Session, inputs [][]tensor.Tensor, slots int) (*Target, error) {
	if len(inputs) == 0 {
		return nil, fault.New(fault.Usage, "", "run in process: there are no inputs")
	}
	if slots < 1 {
		return nil, fault.New(fault.Usage, "", "run in process: %d runs at a time, want at least 1", slots)
	}
	t := &Target{session: s, inputs: inputs, outputs: len(s.Outputs()), slots: make(chan struct{}, slots)}
	for range slots {
		t.slots <- struct{}{}
	}
	t.free.New = func() any { return &outputs{make([]tensor.Tensor, t.outputs)} }
	return t, nil
}

// Open implements drive.Target. There is nothing to connect to: it runs the first payload once, so that what cannot run
// fails here and not n times under load.
func (t *Target) Open(ctx context.Context, _ int) error {
	out := t.free.Get().(*outputs)
	defer t.put(out)
	return fault.Wrap(t.session.Run(ctx, t.inputs[0], out.list), "run the model once before the load")
}

// Do implements drive.Target. Sent is when the request came here, before it waited for a slot.
func (t *Target) Do(ctx context.Context, s *sample.Sample, now func() time.Duration, want bool) (drive.Answer, func(), string) {
	s.Sent, s.Queue, s.Compute, s.Batch, s.Bytes, s.Code = now(), sample.Untold, sample.Untold, 0, 0, 0
	select {
	case <-t.slots:
	case <-ctx.Done():
		s.Done = now()
		s.Queue = s.Done - s.Sent
		return t.failed(ctx, s, ctx.Err())
	}
	out := t.free.Get().(*outputs)
	in := t.inputs[s.Payload]
	began := now()
	err := t.session.Run(ctx, in, out.list)
	s.Done = now()
	t.slots <- struct{}{}
	s.Queue, s.Compute = began-s.Sent, s.Done-began
	if err != nil {
		t.put(out)
		return t.failed(ctx, s, err)
	}
	s.Outcome, s.Batch, s.Bytes = sample.OK, rows(in), size(out.list)
	if !want {
		t.put(out)
		return drive.Answer{}, nil, ""
	}
	return drive.Answer{JSONLen: -1, Outputs: out.list}, func() { t.put(out) }, ""
}

// failed says what became of a request that has no answer.
func (t *Target) failed(ctx context.Context, s *sample.Sample, err error) (drive.Answer, func(), string) {
	switch {
	case errors.Is(err, context.DeadlineExceeded) || errors.Is(ctx.Err(), context.DeadlineExceeded):
		s.Outcome = sample.TimedOut
	case errors.Is(ctx.Err(), context.Canceled):
		s.Outcome = sample.Broken // the load was cut, the model did not fail
	default:
		s.Outcome = sample.Failed
	}
	return drive.Answer{}, nil, err.Error()
}

// put takes the outputs of a run back, emptied.
func (t *Target) put(o *outputs) {
	for i := range o.list {
		p := &o.list[i]
		clear(p.Strings)
		*p = tensor.Tensor{Shape: p.Shape[:0], Data: p.Data[:0], Strings: p.Strings[:0]}
	}
	t.free.Put(o)
}

// Close implements drive.Target. The session is the caller's to close.
func (t *Target) Close() error { return nil }

// rows is the length of the first axis of the first input that has one, 1 where none has.
func rows(in []tensor.Tensor) int32 {
	for i := range in {
		if len(in[i].Shape) > 0 {
			return int32(in[i].Shape[0])
		}
	}
	return 1
}

// size counts the bytes of tensors, parts included.
func size(list []tensor.Tensor) int64 {
	var n int64
	for i := range list {
		n += int64(len(list[i].Data)) + size(list[i].Elems)
		for _, s := range list[i].Strings {
			n += int64(len(s))
		}
	}
	return n
}
