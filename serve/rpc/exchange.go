package rpc

import (
	"context"
	"time"

	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"

	"infer/internal/wire"
	"infer/serve/guard"
	"infer/serve/repository"
)

// protocol is one of the two forms of an inference.
type protocol struct {
	name   string // as in repository.Call
	method string
	decode func(r *wire.Request, data []byte, l wire.Limits) error
	encode func(dst []byte, r *wire.Response, typed bool) ([]byte, error)
}

// exchange is one inference from its bytes to those of its answer. Its memory is used again.
type exchange struct {
	s        *Server
	p        *protocol
	in       frame
	request  wire.Request
	response wire.Response
	want     []string
	event    repository.RequestEvent
	held     int64 // counted against the budget
}

// begin takes an exchange for a call that has just come in. Give it back with end.
func (s *Server) begin(ctx context.Context, p *protocol) *exchange {
	x := s.exchanges.Get().(*exchange)
	x.s, x.p = s, p
	x.event = repository.RequestEvent{Protocol: p.name, Arrived: time.Now()}
	if s.o.Observer != nil {
		if c, ok := peer.FromContext(ctx); ok {
			x.event.Client = c.Addr.String()
		}
	}
	return x
}

// end tells the observer how the inference ended and gives the exchange back. It returns err as the client gets it.
func (x *exchange) end(err error) error {
	s, code := x.s, codeOf(err)
	if s.o.Observer != nil {
		x.event.Err, x.event.Status, x.event.Reason = err, int(code), reasonOf(err, code)
		x.event.Total = time.Since(x.event.Arrived)
		s.o.Observer.Request(&x.event)
	}
	x.in.free()
	x.request.Reset()
	s.budget.Give(x.held)
	x.held = 0
	clear(x.response.Outputs) // views of the call's memory
	x.response.Outputs, x.response.Params, x.want = x.response.Outputs[:0], x.response.Params[:0], x.want[:0]
	x.event = repository.RequestEvent{}
	s.exchanges.Put(x)
	return statusOf(err)
}

// admit checks the key of the call.
func (x *exchange) admit(ctx context.Context) (err error) {
	x.event.Key, err = x.s.authorize(ctx, guard.Infer)
	return err
}

// infer answers the request in x.in. The panic of a bug is an error of this call alone.
func (x *exchange) infer(ctx context.Context) (answer *reply, err error) {
	defer func() { x.s.rescue(recover(), x.p.method, &err) }()
	data := x.in.bytes()
	x.event.RequestLen = len(data)
	if err := x.hold(len(data)); err != nil {
		return nil, err
	}
	if err := x.p.decode(&x.request, data, x.s.o.Limits); err != nil {
		return nil, err
	}
	if err := x.hold(x.request.Memory()); err != nil {
		return nil, err
	}
	r := &x.request
	x.event.ID = r.ID
	h, err := x.s.o.Repository.Acquire(r.Model, r.Version, x.sticky(ctx))
	if err != nil {
		return nil, err
	}
	defer h.Release()
	info := h.Info()
	x.event.Model, x.event.Version = info.Name, info.Version
	c := repository.NewCall()
	defer c.Free()
	x.fill(ctx, c)
	err = h.Infer(ctx, c)
	x.event.Rows, x.event.Timing, x.event.Batch = c.Rows, c.Timing, c.Batch
	if gone := whyGone(ctx); gone != nil {
		err = gone
	}
	if err == nil {
		err = x.outputs(c)
	}
	if err != nil {
		return nil, err
	}
	if err := x.respond(info, c); err != nil {
		return nil, err
	}
	answer = newReply()
	if answer.bytes, err = x.p.encode(answer.bytes, &x.response, r.Typed && x.s.o.MirrorTyped); err != nil {
		answer.free()
		return nil, err
	}
	x.event.ResponseLen = len(answer.bytes)
	return answer, nil
}

// hold counts n bytes more that this inference holds until its end.
func (x *exchange) hold(n int) error {
	if n < counted {
		return nil
	}
	if !x.s.budget.Take(int64(n)) {
		return errFull
	}
	x.held += int64(n)
	return nil
}

// outputs counts what a run has answered, and refuses what is over the limit.
func (x *exchange) outputs(c *repository.Call) error {
	n, err := x.s.o.Limits.Outputs(c.Outputs)
	if err != nil {
		return err
	}
	return x.hold(n)
}

// whyGone says why nobody waits for the answer any more, nil where somebody does. A client whose deadline has passed
// cancels its call, which often arrives first.
func whyGone(ctx context.Context) error {
	err := ctx.Err()
	if deadline, ok := ctx.Deadline(); err != nil && ok && !time.Now().Before(deadline) {
		return context.DeadlineExceeded
	}
	return err
}

// sticky is the value that keeps requests at one version of a model that is split: that of the metadata that the model
// names, else the id of the request.
func (x *exchange) sticky(ctx context.Context) string {
	if x.request.Version != "" {
		return ""
	}
	if name := x.s.o.Repository.Sticky(x.request.Model); name != "" {
		// Keys of metadata are in lower case; ValueFromIncomingContext sees to it.
		return first(ctx, name)
	}
	return x.request.ID
}

// fill makes the call of the request.
func (x *exchange) fill(ctx context.Context, c *repository.Call) {
	r := &x.request
	for i := range r.Outputs {
		x.want = append(x.want, r.Outputs[i].Name)
	}
	c.Protocol, c.ID, c.Inputs, c.Want, c.Priority = x.p.name, r.ID, r.Inputs, x.want, r.Priority
	c.Arrived, c.RequestLen = x.event.Arrived, x.event.RequestLen
	c.Deadline, _ = ctx.Deadline()
	if r.Timeout > 0 {
		if d := c.Arrived.Add(r.Timeout); c.Deadline.IsZero() || d.Before(c.Deadline) {
			c.Deadline = d
		}
	}
	if parent := metadata.ValueFromIncomingContext(ctx, "traceparent"); len(parent) > 0 {
		c.Trace = repository.Trace{Parent: parent[0], State: first(ctx, "tracestate")}
		x.event.Trace = c.Trace
	}
}

// respond makes the answer of the call: the outputs in the order that was asked for, as tensors or as classes.
func (x *exchange) respond(info *repository.Info, c *repository.Call) error {
	r := &x.response
	r.Model, r.Version, r.ID = info.Name, info.Version, x.request.ID
	r.Outputs = append(r.Outputs, c.Outputs...)
	for i := range x.request.Outputs {
		k := x.request.Outputs[i].Classes
		if k == 0 {
			continue
		}
		var labels []string
		if r.Outputs[i].Name == info.Outputs[0].Name {
			labels = info.Labels
		}
		classes, err := wire.Classify(r.Outputs[i], k, labels, info.BatchAxis)
		if err != nil {
			return err
		}
		r.Outputs[i] = classes
	}
	for _, p := range x.request.Params {
		switch {
		case p.Name == wire.Timing && p.Value == true:
			r.Params = append(r.Params,
				wire.Param{Name: "queue_us", Value: c.Timing.Queue.Microseconds()},
				wire.Param{Name: "compute_us", Value: c.Timing.Compute.Microseconds()},
				wire.Param{Name: "batch_size", Value: int64(c.Batch.Rows)},
				wire.Param{Name: "model_digest", Value: info.Digest})
		case p.Name == wire.FinalResponse && p.Value == true:
			r.Params = append(r.Params, wire.Param{Name: "triton_final_response", Value: true})
		}
	}
	return nil
}
