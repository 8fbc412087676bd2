package wire

import (
	"strconv"

	"infer/internal/fault"
	"infer/model/tensor"
)

// AppendOIP appends the answer to a request: JSON, then the binary outputs. It returns the length of the JSON part,
// -1 where there is no binary part. outputs says how each of r.Outputs, in the same order, is to be sent; empty: as
// binary says. Float16 and bfloat16 go in the binary form alone, and strings in JSON only where they are UTF-8
// (fault.Usage); a dtype that the protocol cannot carry is fault.Unsupported.
func AppendOIP(dst []byte, r *Response, outputs []Output, binary bool) (body []byte, jsonLen int, err error) {
	if len(outputs) > 0 && len(outputs) != len(r.Outputs) {
		return dst, -1, fault.New(fault.Internal, "", "%d outputs for an answer to %d", len(r.Outputs), len(outputs))
	}
	start := len(dst)
	dst = append(dst, '{')
	if r.ID != "" {
		dst = appendField(dst, "id", r.ID)
	}
	dst = appendField(dst, "model_name", r.Model)
	if r.Version != "" {
		dst = appendField(dst, "model_version", r.Version)
	}
	if len(r.Params) > 0 {
		dst = append(appendParams(append(dst, `,"parameters":{`...), r.Params), '}')
	}
	dst = append(dst, `,"outputs":[`...)
	anyBinary := false
	for i := range r.Outputs {
		inBinary := binary
		if len(outputs) > 0 {
			inBinary = outputs[i].Binary
		}
		anyBinary = anyBinary || inBinary
		if dst, err = appendTensor(separate(dst), &r.Outputs[i], "output", inBinary); err != nil {
			return dst, -1, err
		}
	}
	dst = append(dst, ']', '}')
	if !anyBinary {
		return dst, -1, nil
	}
	jsonLen = len(dst) - start
	for i := range r.Outputs {
		if len(outputs) == 0 || outputs[i].Binary {
			dst = appendRaw(dst, &r.Outputs[i])
		}
	}
	return dst, jsonLen, nil
}

// appendTensor appends a tensor, kind "input" or "output", as an object: with its data, or with their size.
func appendTensor(dst []byte, t *tensor.Tensor, kind string, binary bool) ([]byte, error) {
	datatype := Datatype(t.DType)
	if datatype == "" {
		return dst, fault.New(fault.Unsupported, "", "%s '%s' is %s, which the protocol cannot carry", kind, t.Name, t.DType)
	}
	if err := t.Check(); err != nil {
		return dst, err
	}
	dst = appendField(append(dst, '{'), "name", t.Name)
	dst = appendField(dst, "datatype", datatype)
	dst = appendShape(append(dst, `,"shape":`...), t.Shape)
	if binary {
		dst = append(dst, `,"parameters":{"binary_data_size":`...)
		dst = strconv.AppendInt(dst, int64(rawSize(t)), 10)
		return append(dst, '}', '}'), nil
	}
	if t.DType == tensor.Float16 || t.DType == tensor.BFloat16 {
		return dst, fault.New(fault.Usage, "", "sending %s data via JSON is not supported. Please use the binary data format for %s %s", datatype, kind, t.Name)
	}
	n, err := t.Shape.Elements()
	if err != nil {
		return dst, err
	}
	dst, err = appendElements(append(dst, `,"data":[`...), t, 0, int(n))
	return append(dst, ']', '}'), err
}
