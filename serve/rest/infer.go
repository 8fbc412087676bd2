package rest

import (
	"strconv"

	"infer/internal/wire"
	"infer/serve/repository"
)

// infer answers an inference of the Open Inference Protocol.
func (x *exchange) infer() error {
	info, err := x.open(view(x.route.model), view(x.route.version))
	if err != nil {
		return err
	}
	body, err := x.body()
	if err != nil {
		return err
	}
	return x.inferOIP(info, body)
}

// inferOIP runs a body of the Open Inference Protocol on the model that was opened.
func (x *exchange) inferOIP(info *repository.Info, body []byte) error {
	jsonLen, err := x.head.jsonLength(len(body))
	if err != nil {
		return err
	}
	if err := x.req.DecodeOIP(body, jsonLen, info.Name, info.Inputs, x.s.o.Limits); err != nil {
		return err
	}
	if info, err = x.stick(info); err != nil {
		return err
	}
	if err := x.run(); err != nil {
		return err
	}
	if err := x.respond(info); err != nil {
		return err
	}
	answer, jsonLen, err := wire.AppendOIP(x.buffer(), &x.resp, x.asked, x.req.Binary)
	if err != nil {
		return err
	}
	if jsonLen < 0 {
		return x.deliver(info, jsonType, answer)
	}
	x.text = strconv.AppendInt(x.text[:0], int64(jsonLen), 10)
	x.ctx.Response.Header.SetCanonical(hJSONLen, x.text)
	return x.deliver(info, binaryType, answer)
}

// predictTFS answers POST /v1/models/M:predict.
func (x *exchange) predictTFS() error {
	if err := x.noLabel(); err != nil {
		return err
	}
	info, err := x.open(view(x.route.model), view(x.route.version))
	if err != nil {
		return err
	}
	body, err := x.body()
	if err != nil {
		return err
	}
	if takesText(info) && formOf(body) == formText {
		return x.inferDeclared(info, body, "application/json")
	}
	return x.inferTFS(info, body)
}

// inferTFS runs a body of TensorFlow Serving on the model that was opened.
func (x *exchange) inferTFS(info *repository.Info, body []byte) error {
	if err := x.req.DecodeTFS(body, info.Name, info.Inputs, x.s.o.Limits); err != nil {
		return err
	}
	if err := x.run(); err != nil {
		return err
	}
	if err := x.respond(info); err != nil {
		return err
	}
	answer, err := wire.AppendTFS(x.buffer(), &x.resp, x.req.Row)
	if err != nil {
		return err
	}
	return x.deliver(info, jsonType, answer)
}

// open finds the model of a request and asks whether it would take the call, before the body is looked at: what is
// refused now costs neither its decoding nor its memory.
func (x *exchange) open(model, version string) (*repository.Info, error) {
	h, err := x.s.o.Repository.Acquire(model, version, x.sticky(model))
	if err != nil {
		return nil, err
	}
	x.handle = h
	info := h.Info()
	x.event.Model, x.event.Version = info.Name, info.Version
	c := repository.NewCall()
	x.call = c
	c.Protocol, c.ID, c.Arrived, c.Trace, c.Gone = x.event.Protocol, x.event.ID, x.event.Arrived, x.event.Trace, x.gone
	if c.Priority, err = x.head.priorityOf(); err != nil {
		return nil, err
	}
	if c.Deadline, err = x.head.deadline(c.Arrived); err != nil {
		return nil, err
	}
	return info, h.Refuses(c.Priority, c.Deadline)
}

// sticky is the value that keeps requests at one version where a model is split: that of the header that the model
// names, else the request id as far as the header tells it.
func (x *exchange) sticky(model string) string {
	if name := x.s.o.Repository.Sticky(model); name != "" {
		return view(x.ctx.Request.Header.Peek(name))
	}
	return view(x.head.requestID)
}

// stick changes to the version that the request id in the body belongs to, where that decides: the id is known only
// when the body is, and the body only by the model.
func (x *exchange) stick(info *repository.Info) (*repository.Info, error) {
	r := x.s.o.Repository
	if x.req.ID == "" || len(x.route.version) > 0 || len(x.head.requestID) > 0 || r.Sticky(info.Name) != "" {
		return info, nil
	}
	h, err := r.Acquire(info.Name, "", x.req.ID)
	if err != nil {
		return nil, err
	}
	x.handle.Release()
	x.handle = h
	info = h.Info()
	x.event.Model, x.event.Version = info.Name, info.Version
	return info, nil
}

// run gives the decoded request to the model. A parameter of the body wins over the header where it asks for less
// time, and gives the priority where no header does.
func (x *exchange) run() error {
	if err := x.decoded(); err != nil {
		return err
	}
	c := x.call
	c.Inputs, c.RequestLen = x.req.Inputs, x.event.RequestLen
	if x.req.ID != "" {
		c.ID, x.event.ID = x.req.ID, x.req.ID
	}
	if c.Priority == 0 {
		c.Priority = x.req.Priority
	}
	if x.req.Timeout > 0 {
		if d := c.Arrived.Add(min(x.req.Timeout, longest)); c.Deadline.IsZero() || d.Before(c.Deadline) {
			c.Deadline = d
		}
	}
	for _, o := range x.req.Outputs {
		x.want = append(x.want, o.Name)
	}
	c.Want = x.want
	if err := x.handle.Infer(x.s.running, c); err != nil {
		return err
	}
	n, err := x.s.o.Limits.Outputs(c.Outputs)
	if err != nil {
		return err
	}
	return x.hold(&x.outputHeld, 2*n) // they, and the answer that is made of them
}

// respond fills the answer from the call: the outputs in the order that was asked for, as tensors or as classes.
func (x *exchange) respond(info *repository.Info) error {
	r := &x.resp
	r.Model, r.Version, r.ID = info.Name, info.Version, x.req.ID
	r.Outputs = append(r.Outputs[:0], x.call.Outputs...)
	x.asked = append(x.asked[:0], x.req.Outputs...)
	for i := range x.asked {
		k := x.asked[i].Classes
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
	return nil
}

// deliver answers 200 with the headers that tell of the run, packed where the client asked for that and it pays.
// X-Infer-Model-Digest has the first 16 digits of the model's SHA-256: enough to tell versions apart, and the
// metadata of the model has all of them.
func (x *exchange) deliver(info *repository.Info, contentType, body []byte) error {
	h := &x.ctx.Response.Header
	if !x.s.o.NoTiming {
		t := append(x.text[:0], "queue;dur="...)
		t = appendMillis(t, x.call.Timing.Queue)
		t = append(t, ", run;dur="...)
		x.text = appendMillis(t, x.call.Timing.Compute)
		h.SetCanonical(hTiming, x.text)
	}
	x.text = strconv.AppendInt(x.text[:0], int64(x.call.Batch.Rows), 10)
	h.SetCanonical(hBatch, x.text)
	x.text = append(x.text[:0], info.Digest[:min(16, len(info.Digest))]...)
	h.SetCanonical(hDigest, x.text)
	return x.pack(contentType, body)
}

// packFrom is the size from which on an answer is worth packing.
const packFrom = 1 << 10

// pack answers 200, packed where the client takes that and the body is large enough.
func (x *exchange) pack(contentType, body []byte) error {
	if len(body) >= packFrom && len(x.head.accept) > 0 {
		x.ctx.Response.Header.SetCanonical(hVary, hAccept)
		if encoding := wire.AcceptEncoding(view(x.head.accept)); encoding != "identity" {
			packed, err := wire.Compress(x.packed[:0], encoding, body)
			if err != nil {
				return err
			}
			x.packed = body // the buffer of the connection and that of the exchange change places
			x.ctx.Response.Header.SetContentEncoding(encoding)
			body = packed
		}
	}
	x.answer(200, contentType, body)
	return nil
}
