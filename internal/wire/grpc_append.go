package wire

import (
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"infer/internal/fault"
	"infer/model/tensor"
)

// AppendModelInferResponse appends an inference.ModelInferResponse: raw contents, typed ones where typed is set and
// every output has them (the halves have none). It fails for an output whose dtype the protocol does not have.
func AppendModelInferResponse(dst []byte, r *Response, typed bool) ([]byte, error) {
	for i := range r.Outputs {
		typed = typed && contentsField(r.Outputs[i].DType) != 0
	}
	dst = appendText(dst, 1, r.Model)
	dst = appendText(dst, 2, r.Version)
	dst = appendText(dst, 3, r.ID)
	dst, err := appendParameters(dst, 4, r.Params)
	if err != nil {
		return dst, err
	}
	return appendTensors(dst, r.Outputs, "output", typed, 5, 6)
}

// AppendModelInfer appends an inference.ModelInferRequest with raw contents, as a client sends it.
func AppendModelInfer(dst []byte, r *Request) ([]byte, error) {
	dst = appendText(dst, 1, r.Model)
	dst = appendText(dst, 2, r.Version)
	dst = appendText(dst, 3, r.ID)
	var err error
	if r.Priority != 0 {
		dst, err = appendParameters(dst, 4, []Param{{"priority", uint64(r.Priority)}})
	}
	if err == nil && r.Timeout != 0 {
		dst, err = appendParameters(dst, 4, []Param{{"timeout", int64(r.Timeout / time.Microsecond)}})
	}
	if err == nil {
		dst, err = appendParameters(dst, 4, r.Params)
	}
	if err == nil {
		dst, err = appendTensors(dst, r.Inputs, "input", false, 5, 0)
	}
	if err != nil {
		return dst, err
	}
	for _, o := range r.Outputs {
		if dst, err = appendOutput(dst, o); err != nil {
			return dst, err
		}
	}
	return appendRaws(dst, r.Inputs, 7), nil
}

// appendOutput appends an InferRequestedOutputTensor as field 6.
func appendOutput(dst []byte, o Output) ([]byte, error) {
	var params []byte
	if o.Classes != 0 {
		var err error
		if params, err = appendParameters(nil, 2, []Param{{"classification", int64(o.Classes)}}); err != nil {
			return dst, err
		}
	}
	size := textSize(1, o.Name) + len(params)
	dst = protowire.AppendVarint(protowire.AppendTag(dst, 6, bytesType), uint64(size))
	return append(appendText(dst, 1, o.Name), params...), nil
}

// appendTensors appends tensors, as InferInputTensor or InferOutputTensor, as a field of a number, and their raw
// contents as a field of the number raw, unless they are typed or raw is 0.
func appendTensors(dst []byte, list []tensor.Tensor, kind string, typed bool, number, raw protowire.Number) ([]byte, error) {
	for i := range list {
		t := &list[i]
		datatype := Datatype(t.DType)
		if datatype == "" {
			return dst, fault.New(fault.Unsupported, "", "%s '%s' is of type %s, which the protocol does not have", kind, t.Name, t.DType)
		}
		shape := 0
		for _, d := range t.Shape {
			shape += protowire.SizeVarint(uint64(d))
		}
		size := textSize(1, t.Name) + textSize(2, datatype)
		if len(t.Shape) > 0 {
			size += 1 + protowire.SizeBytes(shape)
		}
		var field protowire.Number
		var contents int
		if typed {
			field = protowire.Number(contentsField(t.DType))
			contents = repeatedSize(t, field)
			size += 1 + protowire.SizeBytes(contents)
		}
		dst = protowire.AppendVarint(protowire.AppendTag(dst, number, bytesType), uint64(size))
		dst = appendText(appendText(dst, 1, t.Name), 2, datatype)
		dst = appendDims(dst, 3, t.Shape, shape)
		if typed {
			dst = protowire.AppendVarint(protowire.AppendTag(dst, 5, bytesType), uint64(contents))
			dst = appendRepeated(dst, t, field)
		}
	}
	if typed || raw == 0 {
		return dst, nil
	}
	return appendRaws(dst, list, raw), nil
}

// appendRaws appends the raw contents of tensors.
func appendRaws(dst []byte, list []tensor.Tensor, number protowire.Number) []byte {
	for i := range list {
		t := &list[i]
		dst = protowire.AppendVarint(protowire.AppendTag(dst, number, bytesType), uint64(rawSize(t)))
		dst = appendRaw(dst, t)
	}
	return dst
}

// appendDims appends a packed repeated int64 whose elements take size bytes.
func appendDims(dst []byte, number protowire.Number, shape tensor.Shape, size int) []byte {
	if len(shape) == 0 {
		return dst
	}
	dst = protowire.AppendVarint(protowire.AppendTag(dst, number, bytesType), uint64(size))
	for _, d := range shape {
		dst = protowire.AppendVarint(dst, uint64(d))
	}
	return dst
}

// appendText appends a string field; nothing for "", as proto3 has it.
func appendText(dst []byte, number protowire.Number, s string) []byte {
	if s == "" {
		return dst
	}
	return protowire.AppendString(protowire.AppendTag(dst, number, bytesType), s)
}

// textSize returns the bytes that appendText appends.
func textSize(number protowire.Number, s string) int {
	if s == "" {
		return 0
	}
	return protowire.SizeTag(number) + protowire.SizeBytes(len(s))
}
