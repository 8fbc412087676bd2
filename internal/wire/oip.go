package wire

import (
	"math"
	"strings"
	"time"
	"unicode/utf8"

	"infer/internal/fault"
	"infer/model/tensor"
)

// decoder reads one message of the Open Inference Protocol.
type decoder struct {
	*scanner
	*arena
	limits Limits
	kind   string // of the tensors: "input" or "output"
	model  string // for errors
	ports  []Port // whose names are likely
	blobs  []byte // what is left of the binary part
}

// DecodeOIP reads the body of an Open Inference Protocol v2 request. jsonLen is the value of the header
// Inference-Header-Content-Length, -1 where there is none (all of the body is JSON); 0 is a raw binary request, which
// takes name, dtype and open dimensions from inputs, the inputs of the model. Binary inputs are views of body.
// Errors are fault.Usage (fault.TooLarge over a limit, fault.Unsupported for sequences and shared memory) and name the
// field; model is the name that they mention. What r held before is gone.
func (r *Request) DecodeOIP(body []byte, jsonLen int, model string, inputs []Port, l Limits) error {
	r.begin(l.Bytes)
	if jsonLen == 0 {
		return r.decodeRaw(body, model, inputs, l)
	}
	text, blobs, err := splitBody(body, jsonLen)
	if err != nil {
		return err
	}
	d := decoder{&r.scan, &r.arena, l, "input", model, inputs, blobs}
	d.start(text, l.Depth)
	outputs := -1
	if err := d.request(r, &outputs); err != nil {
		return err
	}
	if len(d.blobs) > 0 {
		return fault.New(fault.Usage, "", "unexpected additional input data for model '%s': %d bytes", model, len(d.blobs))
	}
	if outputs >= 0 {
		return d.outputs(r, outputs)
	}
	return nil
}

// splitBody returns the JSON and the binary part of a body.
func splitBody(body []byte, jsonLen int) (text, blobs []byte, err error) {
	if jsonLen < -1 || jsonLen > len(body) {
		return nil, nil, fault.New(fault.Usage, "", "inference header size should be in range (0, %d), got: %d", len(body), jsonLen)
	}
	if jsonLen == -1 {
		jsonLen = len(body)
	}
	return body[:jsonLen], body[jsonLen:], nil
}

// request reads the JSON of a request but for its outputs, whose place it notes: a parameter that may stand behind them
// says what they default to.
func (d *decoder) request(r *Request, outputs *int) error {
	if err := d.enter('{'); err != nil {
		return err
	}
	var seen keys
	for first := true; ; first = false {
		k, ok, err := d.member(first)
		if !ok || err != nil {
			if err == nil && !seen.has("inputs") {
				err = fault.New(fault.Usage, "", "unable to parse 'inputs': the request has none")
			}
			if err != nil {
				return err
			}
			return d.finish()
		}
		switch string(k) {
		case "id":
			if err = seen.add("id"); err == nil {
				r.ID, err = d.identifier()
			}
		case "parameters":
			if err = seen.add("parameters"); err == nil {
				err = d.requestParams(r)
			}
		case "inputs":
			if err = seen.add("inputs"); err == nil {
				r.Inputs, err = d.tensors(r.Inputs)
			}
		case "outputs":
			if err = seen.add("outputs"); err == nil {
				*outputs = d.i
				err = d.skip()
			}
		default:
			err = d.skip()
		}
		if err != nil {
			return err
		}
	}
}

// member goes to the next member of an object and reads its key; ok is false at the end.
func (d *decoder) member(first bool) (key []byte, ok bool, err error) {
	if ok, err = d.more(first); !ok || err != nil {
		return nil, false, err
	}
	key, err = d.key()
	return key, true, err
}

// keys are the known keys of an object that were seen. There are few, so a short list is the quickest set.
type keys struct {
	list [8]string
	n    int
}

// has reports whether key was seen.
func (s *keys) has(key string) bool {
	for _, k := range s.list[:s.n] {
		if k == key {
			return true
		}
	}
	return false
}

// add notes a key, once.
func (s *keys) add(key string) error {
	if s.has(key) {
		return fault.New(fault.Usage, "", "'%s' is given twice", key)
	}
	s.list[s.n] = key
	s.n++
	return nil
}

// identifier reads the id of a request, a string of its own.
func (d *decoder) identifier() (string, error) {
	b, err := d.short()
	if err != nil {
		return "", fault.Wrap(err, "unable to parse 'id'")
	}
	return string(b), nil
}

// short reads a string that ends up in logs and answers: not long, and UTF-8.
func (d *decoder) short() ([]byte, error) {
	b, err := d.str()
	switch {
	case err != nil:
		return nil, err
	case len(b) > maxNameLen:
		return nil, fault.New(fault.TooLarge, "", "a string of %d bytes is over the limit of %d", len(b), maxNameLen)
	case !utf8.Valid(b):
		return nil, fault.New(fault.Usage, "", "%q is not UTF-8", clip(b))
	}
	return b, nil
}

// name reads the name of a tensor.
func (d *decoder) name() (string, error) {
	b, err := d.short()
	if err != nil {
		return "", fault.Wrap(err, "unable to parse 'name'")
	}
	for i := range d.ports {
		if d.ports[i].Name == string(b) {
			return d.ports[i].Name, nil
		}
	}
	return d.intern(b), nil
}

// tensors appends the tensors of an array to list.
func (d *decoder) tensors(list []tensor.Tensor) ([]tensor.Tensor, error) {
	if err := d.enter('['); err != nil {
		return list, fault.Wrap(err, "unable to parse '%ss'", d.kind)
	}
	for first := true; ; first = false {
		if ok, err := d.more(first); !ok || err != nil {
			return list, err
		}
		if len(list) >= d.limits.Inputs {
			return list, fault.New(fault.TooLarge, "", "the message has more %ss than the limit of %d", d.kind, d.limits.Inputs)
		}
		list = append(list, tensor.Tensor{})
		t := &list[len(list)-1]
		if err := d.tensor(t, len(list)-1); err != nil {
			return list, err
		}
		for i := range list[:len(list)-1] {
			if list[i].Name == t.Name {
				return list, fault.New(fault.Usage, "", "%s '%s' already exists in request", d.kind, t.Name)
			}
		}
	}
}

// outputs reads the outputs that a request asks for, an array at byte i.
func (d *decoder) outputs(r *Request, i int) error {
	d.scanner.i = i
	if err := d.enter('['); err != nil {
		return fault.Wrap(err, "unable to parse 'outputs'")
	}
	for first := true; ; first = false {
		if ok, err := d.more(first); !ok || err != nil {
			return err
		}
		if len(r.Outputs) >= d.limits.Inputs {
			return fault.New(fault.TooLarge, "", "the request has more outputs than the limit of %d", d.limits.Inputs)
		}
		o := Output{Binary: r.Binary}
		if err := d.output(&o, len(r.Outputs)); err != nil {
			return err
		}
		for i := range r.Outputs {
			if r.Outputs[i].Name == o.Name {
				return fault.New(fault.Usage, "", "output '%s' already exists in request", o.Name)
			}
		}
		r.Outputs = append(r.Outputs, o)
	}
}

// output reads one output that a request asks for.
func (d *decoder) output(o *Output, index int) error {
	if err := d.enter('{'); err != nil {
		return fault.Wrap(err, "unable to parse output %d", index)
	}
	var seen keys
	for first := true; ; first = false {
		k, ok, err := d.member(first)
		if !ok || err != nil {
			if err == nil && !seen.has("name") {
				err = fault.New(fault.Usage, "", "unable to parse 'name': output %d has none", index)
			}
			return err
		}
		switch string(k) {
		case "name":
			if err = seen.add("name"); err == nil {
				o.Name, err = d.name()
			}
		case "parameters":
			if err = seen.add("parameters"); err == nil {
				err = d.outputParams(o)
			}
		default:
			err = d.skip()
		}
		if err != nil {
			return fault.Wrap(err, "output %d", index)
		}
	}
}

// outputParams reads the parameters of an output that is asked for.
func (d *decoder) outputParams(o *Output) error {
	if err := d.enter('{'); err != nil {
		return fault.Wrap(err, "unable to parse 'parameters'")
	}
	var seen keys
	for first := true; ; first = false {
		k, ok, err := d.member(first)
		if !ok || err != nil {
			return err
		}
		switch key := string(k); key {
		case "binary_data":
			if err = seen.add("binary_data"); err == nil {
				o.Binary, err = d.boolean()
			}
		case "classification":
			if err = seen.add("classification"); err == nil {
				var n uint64
				n, err = d.uint(math.MaxInt32)
				o.Classes = int(n)
			}
		case "shared_memory_region", "shared_memory_offset", "shared_memory_byte_size":
			err = errSharedMemory()
		default:
			err = d.skip()
		}
		if err != nil {
			return fault.Wrap(err, "unable to parse '%s'", clip(k))
		}
	}
}

// errSharedMemory says that tensors in shared memory are not for this server.
func errSharedMemory() error {
	return fault.New(fault.Unsupported, "send tensors in the body, in the binary form for speed", "shared memory is not supported")
}

// requestParams reads the parameters of a request.
func (d *decoder) requestParams(r *Request) error {
	if err := d.enter('{'); err != nil {
		return fault.Wrap(err, "unable to parse 'parameters'")
	}
	var seen keys
	for first := true; ; first = false {
		k, ok, err := d.member(first)
		if !ok || err != nil {
			return err
		}
		var n uint64
		switch string(k) {
		case "priority":
			if err = seen.add("priority"); err == nil {
				n, err = d.uint(math.MaxInt32)
				r.Priority = int(n)
			}
		case "timeout":
			if err = seen.add("timeout"); err == nil {
				n, err = d.uint(uint64(math.MaxInt64 / time.Microsecond))
				r.Timeout = time.Duration(n) * time.Microsecond
			}
		case "binary_data_output":
			if err = seen.add("binary_data_output"); err == nil {
				r.Binary, err = d.boolean()
			}
		case "sequence_id", "sequence_start", "sequence_end":
			err = d.noSequence()
		default:
			r.Params, err = d.param(r.Params, k)
		}
		if err != nil {
			return fault.Wrap(err, "unable to parse parameter '%s'", clip(k))
		}
	}
}

// noSequence reads the value of a sequence parameter, which must be that of no sequence.
func (d *decoder) noSequence() error {
	v, err := d.paramValue()
	if err == nil && v != any(false) && v != any(int64(0)) && v != any("") {
		err = fault.New(fault.Unsupported, "", "sequences are not supported")
	}
	return err
}

// param appends the parameter of key k, whose value follows, to list.
func (d *decoder) param(list []Param, k []byte) ([]Param, error) {
	if len(k) > maxNameLen || !utf8.Valid(k) {
		return list, fault.New(fault.Usage, "", "the name of a parameter is not UTF-8 of at most %d bytes", maxNameLen)
	}
	if strings.HasPrefix(view(k), "triton_") {
		return list, fault.New(fault.Usage, "", "parameter keys starting with 'triton_' are reserved for Triton usage and should not be specified")
	}
	if len(list) >= d.limits.Inputs {
		return list, fault.New(fault.TooLarge, "", "there are more parameters than the limit of %d", d.limits.Inputs)
	}
	p := Param{Name: d.intern(k)}
	for i := range list {
		if list[i].Name == p.Name {
			return list, fault.New(fault.Usage, "", "it is given twice")
		}
	}
	var err error
	p.Value, err = d.paramValue()
	return append(list, p), err
}

// paramValue reads the value of a parameter.
func (d *decoder) paramValue() (any, error) {
	switch d.peek() {
	case '"':
		b, err := d.str()
		if err == nil && !utf8.Valid(b) {
			err = fault.New(fault.Usage, "", "the string is not UTF-8")
		}
		return string(b), err
	case 't', 'f':
		return d.boolean()
	case '{', '[', 'n':
		return nil, fault.New(fault.Usage, "", "parameter has invalid type. It should be either 'int', 'bool', or 'string'")
	}
	n, err := d.number()
	if err != nil {
		return nil, err
	}
	if v, err := d.integer(n, tensor.Int64, 8); err == nil {
		return int64(v), nil
	}
	if v, err := d.integer(n, tensor.Uint64, 8); err == nil {
		return v, nil
	}
	f, ok := d.float64(n)
	if !ok {
		return nil, d.outOfRange(n, tensor.Float64)
	}
	return f, nil
}
