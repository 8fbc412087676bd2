package payload

import (
	"bytes"
	"fmt"
	"hash/maphash"
	"slices"
	"sync"
	"sync/atomic"

	"infer/internal/fault"
	"infer/internal/wire"
	"infer/loadtest/drive"
	"infer/model/tensor"
)

const (
	keptAnswers = 64 << 20 // bytes of right answers that a Checker keeps, in all
	mostStores  = 64       // times that a payload's answer is kept anew: what differs each time is not worth a copy
	mostTexts   = 5        // failures that First tells
)

// answerLimits bound what an answer may make a decoder take. The body itself is bounded by whoever reads it.
var answerLimits = wire.Limits{Bytes: 1 << 30, Elements: 1 << 28, Depth: 64, Inputs: 256}

var _ drive.Checker = (*Checker)(nil)

// Checker compares answers with what is expected of the payload that they answer. It is safe for concurrent use.
type Checker struct {
	protocol  Protocol
	expected  *Expected
	tolerance Tolerance
	ports     [][]wire.Port // for each payload: names and dtypes of what is expected, for answers that tell none
	golden    []any         // for each payload with a body expected: that body as JSON, nil where it is none
	decoders  sync.Pool     // of *wire.Response

	known []known
	share int // bytes of an answer that is kept whole
	seed  maphash.Seed

	mu    sync.Mutex
	first []string
	about map[string]bool // what first is about
}

// known is what is remembered of the right answers to one payload.
type known struct {
	answer atomic.Pointer[right]
	stores atomic.Int32
}

// right is an answer that was found right: a copy, or a hash where a copy is too large.
type right struct {
	body   []byte
	size   int
	hash   uint64
	hashed bool
}

// NewChecker returns a checker of answers in a protocol. Whole bodies are expected of HTTP and TorchServe alone; answers
// that come as tensors (InProcess) need Outputs. Errors are fault.Usage.
func NewChecker(p Protocol, e *Expected, t Tolerance) (*Checker, error) {
	if err := t.Validate(); err != nil {
		return nil, err
	}
	n := max(len(e.Outputs), len(e.Bodies))
	if n == 0 {
		return nil, fault.New(fault.Usage, "", "%q says of no payload what its answer should be", e.Source)
	}
	if e.Bodies != nil && p != HTTP && p != TorchServe {
		return nil, fault.New(fault.Usage, "give golden outputs, or the model", "whole bodies as in %q are compared over plain HTTP alone, not over %s", e.Source, p)
	}
	c := &Checker{protocol: p, expected: e, tolerance: t, known: make([]known, n), share: keptAnswers / n, seed: maphash.MakeSeed(), about: map[string]bool{}}
	c.decoders.New = func() any { return new(wire.Response) }
	for _, list := range e.Outputs {
		ports := make([]wire.Port, len(list))
		for i := range list {
			ports[i] = wire.Port{Name: list[i].Name, DType: list[i].DType}
		}
		c.ports = append(c.ports, ports)
	}
	for _, b := range e.Bodies {
		v, _ := parseJSON(b)
		c.golden = append(c.golden, v)
	}
	return c, nil
}

// Known reports whether a body is byte for byte the newest one that Check found right for this payload. An answer over
// its share of 64 MiB is told by a seeded hash of 64 bits instead.
func (c *Checker) Known(payload int, body []byte) bool {
	if payload < 0 || payload >= len(c.known) {
		return false
	}
	k := c.known[payload].answer.Load()
	switch {
	case k == nil || k.size != len(body):
		return false
	case k.hashed:
		return k.hash == maphash.Bytes(c.seed, body)
	}
	return bytes.Equal(k.body, body)
}

// Check returns what is wrong with an answer, "" for nothing.
func (c *Checker) Check(payload int, a drive.Answer) string {
	if payload < 0 || payload >= len(c.known) {
		return fmt.Sprintf("nothing is known of what payload %d should be answered with", payload)
	}
	what, about := c.judge(payload, a)
	if what != "" {
		c.keep(payload, what, about)
	} else if a.Outputs == nil {
		c.remember(payload, a.Body)
	}
	return what
}

// judge compares an answer. about is the output that is wrong.
func (c *Checker) judge(payload int, a drive.Answer) (what, about string) {
	if c.expected.Bodies != nil {
		return c.tolerance.compareBody(a.Body, c.expected.Bodies[payload], c.golden[payload]), ""
	}
	want := c.expected.Outputs[payload]
	if a.Outputs != nil {
		return c.tolerance.compareAll(a.Outputs, want)
	}
	r := c.decoders.Get().(*wire.Response)
	defer c.decoders.Put(r)
	if err := c.decode(r, payload, a); err != nil {
		return "the answer cannot be read: " + err.Error(), ""
	}
	return c.tolerance.compareAll(r.Outputs, want)
}

func (c *Checker) decode(r *wire.Response, payload int, a drive.Answer) error {
	switch c.protocol {
	case OIPHTTP:
		return r.DecodeOIPResponse(a.Body, a.JSONLen, answerLimits)
	case OIPGRPC:
		return r.DecodeModelInferResponse(a.Body, answerLimits)
	case TFS, TorchServe, HTTP:
		return r.DecodeTFSResponse(a.Body, c.ports[payload], answerLimits)
	}
	return fault.New(fault.Internal, "", "a body as the answer of a call %s", c.protocol)
}

// remember keeps a right answer for Known.
func (c *Checker) remember(payload int, body []byte) {
	k := &c.known[payload]
	if k.stores.Load() >= mostStores || k.stores.Add(1) > mostStores {
		return
	}
	if len(body) > c.share {
		k.answer.Store(&right{size: len(body), hash: maphash.Bytes(c.seed, body), hashed: true})
		return
	}
	k.answer.Store(&right{size: len(body), body: bytes.Clone(body)})
}

// keep notes a failure if it is one of the first, and about something new.
func (c *Checker) keep(payload int, what, about string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	key := fmt.Sprint(payload, about)
	if len(c.first) >= mostTexts || c.about[key] {
		return
	}
	c.about[key] = true
	c.first = append(c.first, fmt.Sprintf("payload %d: %s", payload, what))
}

// First returns what was wrong with the first answers that failed, a line each, at most five: one for each payload and
// output.
func (c *Checker) First() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.first)
}

// compareAll compares outputs by name; a single one without. What else was answered does not matter.
func (t Tolerance) compareAll(got, want []tensor.Tensor) (what, about string) {
	for i := range want {
		w := &want[i]
		at := slices.IndexFunc(got, func(g tensor.Tensor) bool { return g.Name == w.Name })
		if at < 0 && len(want) == 1 && len(got) == 1 {
			at = 0
		}
		if at < 0 {
			var names []string
			for j := range got {
				names = append(names, got[j].Name)
			}
			return fmt.Sprintf("the answer has no output %q, only %q", w.Name, names), w.Name
		}
		if what := t.compare(&got[at], w); what != "" {
			name := w.Name
			if name == "" {
				name = got[at].Name
			}
			return fmt.Sprintf("output %q%s", name, what), name
		}
	}
	return "", ""
}
