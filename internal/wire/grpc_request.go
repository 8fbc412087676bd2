package wire

import (
	"infer/internal/fault"
	"infer/model/tensor"
)

// DecodeModelInfer reads an inference.ModelInferRequest from its protobuf form. Raw inputs are views of data; typed
// contents are decoded into the memory of r. Model, Version, ID and parameters are filled too.
// Errors are fault.Usage, fault.TooLarge over a limit and fault.Unsupported for shared memory; they name the input.
func (r *Request) DecodeModelInfer(data []byte, l Limits) error {
	r.begin(l.Bytes)
	raws := 0
	m := fields{rest: data}
	for m.next() {
		var err error
		switch m.tag {
		case 1<<3 | uint64(bytesType):
			r.Model, err = r.arena.text(m.bytes, "model_name")
		case 2<<3 | uint64(bytesType):
			r.Version, err = r.arena.text(m.bytes, "model_version")
		case 3<<3 | uint64(bytesType):
			r.ID, err = ownText(m.bytes, "id")
		case 4<<3 | uint64(bytesType):
			err = r.parameter(m.bytes, l)
		case 5<<3 | uint64(bytesType):
			err = r.input(m.bytes, l)
		case 6<<3 | uint64(bytesType):
			err = r.output(m.bytes, l)
		case 7<<3 | uint64(bytesType):
			raws++
		}
		if err != nil {
			return err
		}
	}
	if m.err != nil {
		return malformed("ModelInferRequest", m.err)
	}
	if err := r.arena.attach(r.Inputs, 7, raws, data, place{"input", "", r.Model}, l); err != nil {
		return err
	}
	r.Typed = raws == 0 && len(r.Inputs) > 0
	return r.once()
}

// input reads an InferInputTensor.
func (r *Request) input(data []byte, l Limits) error {
	if len(r.Inputs) == l.Inputs {
		return fault.New(fault.TooLarge, "", "the request has more inputs than the limit of %d", l.Inputs)
	}
	r.Inputs = append(r.Inputs, tensor.Tensor{})
	return r.arena.inferTensor(&r.Inputs[len(r.Inputs)-1], data, "input", r.Model, l)
}

// output reads an InferRequestedOutputTensor.
func (r *Request) output(data []byte, l Limits) error {
	if len(r.Outputs) == l.Inputs {
		return fault.New(fault.TooLarge, "", "the request asks for more outputs than the limit of %d", l.Inputs)
	}
	var o Output
	m := fields{rest: data}
	for m.next() {
		var err error
		switch m.tag {
		case 1<<3 | uint64(bytesType):
			o.Name, err = r.arena.text(m.bytes, "output")
		case 2<<3 | uint64(bytesType):
			err = o.parameter(m.bytes)
		}
		if err != nil {
			return err
		}
	}
	if m.err != nil {
		return malformed("InferRequestedOutputTensor", m.err)
	}
	r.Outputs = append(r.Outputs, o)
	return nil
}

// once fails where an input or output is named twice.
func (r *Request) once() error {
	for i := range r.Inputs {
		for j := range i {
			if r.Inputs[i].Name == r.Inputs[j].Name {
				return fault.New(fault.Usage, "", "input '%s' already exists in request", r.Inputs[i].Name)
			}
		}
	}
	for i := range r.Outputs {
		for j := range i {
			if r.Outputs[i].Name == r.Outputs[j].Name {
				return fault.New(fault.Usage, "", "output '%s' already exists in request", r.Outputs[i].Name)
			}
		}
	}
	return nil
}

// DecodeModelInferResponse reads an answer as a client does. Raw outputs are views of data.
func (r *Response) DecodeModelInferResponse(data []byte, l Limits) error {
	r.begin(l.Bytes)
	raws := 0
	m := fields{rest: data}
	for m.next() {
		var err error
		switch m.tag {
		case 1<<3 | uint64(bytesType):
			r.Model, err = r.arena.text(m.bytes, "model_name")
		case 2<<3 | uint64(bytesType):
			r.Version, err = r.arena.text(m.bytes, "model_version")
		case 3<<3 | uint64(bytesType):
			r.ID, err = ownText(m.bytes, "id")
		case 4<<3 | uint64(bytesType):
			err = r.parameter(m.bytes, l)
		case 5<<3 | uint64(bytesType):
			err = r.output(m.bytes, l)
		case 6<<3 | uint64(bytesType):
			raws++
		}
		if err != nil {
			return err
		}
	}
	if m.err != nil {
		return malformed("ModelInferResponse", m.err)
	}
	return r.arena.attach(r.Outputs, 6, raws, data, place{"output", "", r.Model}, l)
}

// output reads an InferOutputTensor.
func (r *Response) output(data []byte, l Limits) error {
	if len(r.Outputs) == l.Inputs {
		return fault.New(fault.TooLarge, "", "the answer has more outputs than the limit of %d", l.Inputs)
	}
	r.Outputs = append(r.Outputs, tensor.Tensor{})
	return r.arena.inferTensor(&r.Outputs[len(r.Outputs)-1], data, "output", r.Model, l)
}

// inferTensor reads an InferInputTensor or InferOutputTensor, which are the same on the wire, into the zero tensor t.
// Without contents, it has no elements yet.
func (a *arena) inferTensor(t *tensor.Tensor, data []byte, kind, model string, l Limits) error {
	var datatype, contents []byte
	typed := false
	p := place{kind: kind, model: model}
	t.Shape = tensor.Shape{}
	m := fields{rest: data}
	for m.next() {
		var err error
		switch m.tag {
		case 1<<3 | uint64(bytesType):
			t.Name, err = a.text(m.bytes, kind)
			p.name = t.Name
		case 2<<3 | uint64(bytesType):
			datatype = m.bytes
		case 3<<3 | uint64(varintType), 3<<3 | uint64(bytesType):
			t.Shape, err = a.dims(t.Shape, &m, p)
		case 4<<3 | uint64(bytesType):
			err = tensorParameter(m.bytes, p)
		case 5<<3 | uint64(bytesType):
			if typed {
				err = fault.New(fault.Usage, "", "%s has contents twice", p)
			}
			contents, typed = m.bytes, true
		}
		if err != nil {
			return err
		}
	}
	if m.err != nil {
		return malformed("tensor of "+p.String(), m.err)
	}
	var known bool
	if t.DType, known = ParseDatatype(string(datatype)); !known {
		return fault.New(fault.Usage, "", "%s has the unknown datatype %q", p, clip(datatype))
	}
	if !typed || kind == "output" && len(contents) == 0 { // MLServer answers with empty contents beside the raw ones
		return nil
	}
	return a.contents(t, contents, p, l)
}

// attach gives the tensors of a message their raw contents, which are the fields of a number, in order. raws is how
// many there are; 0: the tensors have typed contents.
func (a *arena) attach(list []tensor.Tensor, number uint64, raws int, data []byte, p place, l Limits) error {
	for i := range list {
		t := &list[i]
		p.name = t.Name
		typed := t.Data != nil || t.Strings != nil
		if typed && raws > 0 {
			return fault.New(fault.Usage, "", "contents field must not be specified when using raw_%s_contents for '%s' for model '%s'", p.kind, t.Name, p.model)
		}
		if typed || raws > 0 {
			continue
		}
		if err := a.contents(t, nil, p, l); err != nil {
			return err
		}
	}
	if raws == 0 {
		return nil
	}
	if raws != len(list) {
		return fault.New(fault.Usage, "", "the number of %ss (%d) does not match the number of raw_%s_contents (%d) for model '%s'", p.kind, len(list), p.kind, raws, p.model)
	}
	i := 0
	for m := (fields{rest: data}); m.next(); {
		if m.tag != number<<3|uint64(bytesType) {
			continue
		}
		p.name = list[i].Name
		if err := a.raw(&list[i], m.bytes, p, l); err != nil {
			return err
		}
		i++
	}
	return nil
}
