package wire

import (
	"strconv"

	"google.golang.org/protobuf/encoding/protowire"

	"infer/internal/fault"
	"infer/model/tensor"
)

// Signature is the name of the one signature that a model has for TensorFlow Serving's clients.
const Signature = "serving_default"

// DecodePredict reads a tensorflow.serving.PredictRequest. Model, Version, Inputs and Outputs are filled. The elements
// of a tensor_content are views of data, others are decoded into the memory of r.
// Errors are fault.Usage and fault.TooLarge; they name the input.
func (r *Request) DecodePredict(data []byte, l Limits) error {
	r.begin(l.Bytes)
	m := fields{rest: data}
	for m.next() {
		var err error
		switch m.tag {
		case 1<<3 | uint64(bytesType):
			r.Model, r.Version, err = r.arena.modelSpec(m.bytes)
		case 2<<3 | uint64(bytesType):
			if len(r.Inputs) == l.Inputs {
				return fault.New(fault.TooLarge, "", "the request has more inputs than the limit of %d", l.Inputs)
			}
			r.Inputs = append(r.Inputs, tensor.Tensor{})
			err = r.arena.namedTensor(&r.Inputs[len(r.Inputs)-1], m.bytes, place{"input", "", r.Model}, l)
		case 3<<3 | uint64(bytesType):
			if len(r.Outputs) == l.Inputs {
				return fault.New(fault.TooLarge, "", "the request asks for more outputs than the limit of %d", l.Inputs)
			}
			var name string
			name, err = r.arena.text(m.bytes, "output_filter")
			r.Outputs = append(r.Outputs, Output{Name: name})
		}
		if err != nil {
			return err
		}
	}
	if m.err != nil {
		return malformed("PredictRequest", m.err)
	}
	return r.once()
}

// DecodePredictResponse reads a tensorflow.serving.PredictResponse as a client does.
func (r *Response) DecodePredictResponse(data []byte, l Limits) error {
	r.begin(l.Bytes)
	m := fields{rest: data}
	for m.next() {
		var err error
		switch m.tag {
		case 1<<3 | uint64(bytesType):
			if len(r.Outputs) == l.Inputs {
				return fault.New(fault.TooLarge, "", "the answer has more outputs than the limit of %d", l.Inputs)
			}
			r.Outputs = append(r.Outputs, tensor.Tensor{})
			err = r.arena.namedTensor(&r.Outputs[len(r.Outputs)-1], m.bytes, place{"output", "", r.Model}, l)
		case 2<<3 | uint64(bytesType):
			r.Model, r.Version, err = r.arena.modelSpec(m.bytes)
		}
		if err != nil {
			return err
		}
	}
	return malformed("PredictResponse", m.err)
}

// modelSpec reads a tensorflow.serving.ModelSpec.
func (a *arena) modelSpec(data []byte) (model, version string, err error) {
	m := fields{rest: data}
	for m.next() {
		switch m.tag {
		case 1<<3 | uint64(bytesType):
			if model, err = a.text(m.bytes, "model_spec"); err != nil {
				return "", "", err
			}
		case 2<<3 | uint64(bytesType): // google.protobuf.Int64Value
			v, number := fields{rest: m.bytes}, int64(0)
			for v.next() {
				if v.tag == 1<<3|uint64(varintType) {
					number = int64(v.num)
				}
			}
			if v.err != nil {
				return "", "", malformed("version", v.err)
			}
			var digits [20]byte
			version = a.intern(strconv.AppendInt(digits[:0], number, 10))
		case 3<<3 | uint64(bytesType):
			if len(m.bytes) > 0 && string(m.bytes) != Signature {
				return "", "", fault.New(fault.Usage, "", "the model has no signature %q; its only one is %q", clip(m.bytes), Signature)
			}
		case 4<<3 | uint64(bytesType):
			return "", "", fault.New(fault.Usage, "", "version_label %q: versions have numbers here, not labels", clip(m.bytes))
		}
	}
	return model, version, malformed("ModelSpec", m.err)
}

// AppendPredict appends a tensorflow.serving.PredictRequest as a client sends it, numbers in tensor_content. A version
// that is no number is fault.Usage.
func AppendPredict(dst []byte, r *Request) ([]byte, error) {
	dst, err := appendModelSpec(dst, 1, r.Model, r.Version)
	if err != nil {
		return dst, err
	}
	if dst, err = appendNamedTensors(dst, 2, r.Inputs, true); err != nil {
		return dst, err
	}
	for _, o := range r.Outputs {
		dst = protowire.AppendString(protowire.AppendTag(dst, 3, bytesType), o.Name)
	}
	return dst, nil
}

// AppendPredictResponse appends a tensorflow.serving.PredictResponse. Elements stand in the field of their type
// (float_val …), as TensorFlow Serving sends them: many clients read them there.
func AppendPredictResponse(dst []byte, r *Response) ([]byte, error) {
	dst, err := appendNamedTensors(dst, 1, r.Outputs, false)
	if err != nil {
		return dst, err
	}
	return appendModelSpec(dst, 2, r.Model, r.Version)
}

func appendModelSpec(dst []byte, number protowire.Number, model, version string) ([]byte, error) {
	size := textSize(1, model) + textSize(3, Signature)
	var value uint64
	if version != "" {
		v, err := strconv.ParseInt(version, 10, 64)
		if err != nil {
			return dst, fault.New(fault.Usage, "", "version %q is no number, which TensorFlow Serving's messages need", version)
		}
		value = uint64(v)
		size += 1 + protowire.SizeBytes(1+protowire.SizeVarint(value))
	}
	dst = protowire.AppendVarint(protowire.AppendTag(dst, number, bytesType), uint64(size))
	dst = appendText(dst, 1, model)
	if version != "" {
		dst = protowire.AppendVarint(protowire.AppendTag(dst, 2, bytesType), uint64(1+protowire.SizeVarint(value)))
		dst = protowire.AppendVarint(protowire.AppendTag(dst, 1, varintType), value)
	}
	return appendText(dst, 3, Signature), nil
}
