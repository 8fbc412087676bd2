package wire

import (
	"math"
	"strconv"
	"time"

	"infer/internal/fault"
)

// AppendOIPRequest appends a request as a client sends it: JSON, then the binary inputs where binary is set. It returns
// the length of the JSON part, -1 where there is no binary part. Its errors are those of AppendOIP.
func AppendOIPRequest(dst []byte, r *Request, binary bool) (body []byte, jsonLen int, err error) {
	start := len(dst)
	dst = append(dst, '{')
	if r.ID != "" {
		dst = appendField(dst, "id", r.ID)
	}
	dst = appendRequestParams(dst, r)
	dst = append(separate(dst), `"inputs":[`...)
	for i := range r.Inputs {
		if dst, err = appendTensor(separate(dst), &r.Inputs[i], "input", binary); err != nil {
			return dst, -1, err
		}
	}
	dst = append(dst, ']')
	if len(r.Outputs) > 0 {
		dst = appendWanted(append(dst, `,"outputs":[`...), r.Outputs)
	}
	dst = append(dst, '}')
	if !binary || len(r.Inputs) == 0 {
		return dst, -1, nil
	}
	jsonLen = len(dst) - start
	for i := range r.Inputs {
		dst = appendRaw(dst, &r.Inputs[i])
	}
	return dst, jsonLen, nil
}

// appendRequestParams appends the parameters of r, if it has any.
func appendRequestParams(dst []byte, r *Request) []byte {
	if r.Priority == 0 && r.Timeout < time.Microsecond && !r.Binary && len(r.Params) == 0 {
		return dst
	}
	dst = append(separate(dst), `"parameters":{`...)
	if r.Priority != 0 {
		dst = strconv.AppendInt(append(dst, `"priority":`...), int64(min(r.Priority, math.MaxInt32)), 10)
	}
	if us := r.Timeout.Microseconds(); us > 0 {
		dst = strconv.AppendInt(append(separate(dst), `"timeout":`...), us, 10)
	}
	if r.Binary {
		dst = append(separate(dst), `"binary_data_output":true`...)
	}
	return append(appendParams(dst, r.Params), '}')
}

// appendWanted appends the outputs that a request asks for and closes their array.
func appendWanted(dst []byte, outputs []Output) []byte {
	for i := range outputs {
		o := &outputs[i]
		dst = appendField(append(separate(dst), '{'), "name", o.Name)
		dst = append(dst, `,"parameters":{"binary_data":`...)
		dst = strconv.AppendBool(dst, o.Binary)
		if o.Classes > 0 {
			dst = strconv.AppendInt(append(dst, `,"classification":`...), int64(o.Classes), 10)
		}
		dst = append(dst, '}', '}')
	}
	return append(dst, ']')
}

// DecodeOIPResponse reads an answer as a client does; jsonLen is as in Request.DecodeOIP. Tensors are views of body
// where they are binary. Errors are fault.Usage, fault.TooLarge over a limit. What r held before is gone.
func (r *Response) DecodeOIPResponse(body []byte, jsonLen int, l Limits) error {
	r.begin(l.Bytes)
	text, blobs, err := splitBody(body, jsonLen)
	if err != nil {
		return err
	}
	d := decoder{scanner: &r.scan, arena: &r.arena, limits: l, kind: "output", blobs: blobs}
	d.start(text, l.Depth)
	if err := d.response(r); err != nil {
		return err
	}
	if len(d.blobs) > 0 {
		return fault.New(fault.Usage, "", "unexpected additional output data: %d bytes", len(d.blobs))
	}
	return nil
}

// response reads the JSON of an answer. Fields that are null are not there: KServe's Python server writes them so.
func (d *decoder) response(r *Response) error {
	if err := d.enter('{'); err != nil {
		return err
	}
	var seen keys
	for first := true; ; first = false {
		k, ok, err := d.member(first)
		if err != nil {
			return err
		}
		if !ok {
			return d.finish()
		}
		if d.null() {
			continue
		}
		switch string(k) {
		case "id":
			if err = seen.add("id"); err == nil {
				r.ID, err = d.identifier()
			}
		case "model_name":
			if err = seen.add("model_name"); err == nil {
				r.Model, err = d.name()
			}
		case "model_version":
			if err = seen.add("model_version"); err == nil {
				r.Version, err = d.name()
			}
		case "parameters":
			if err = seen.add("parameters"); err == nil {
				r.Params, err = d.params(r.Params)
			}
		case "outputs":
			if err = seen.add("outputs"); err == nil {
				r.Outputs, err = d.tensors(r.Outputs)
			}
		default:
			err = d.skip()
		}
		if err != nil {
			return err
		}
	}
}

// params reads the parameters of an answer.
func (d *decoder) params(list []Param) ([]Param, error) {
	if err := d.enter('{'); err != nil {
		return list, fault.Wrap(err, "unable to parse 'parameters'")
	}
	for first := true; ; first = false {
		k, ok, err := d.member(first)
		if !ok || err != nil {
			return list, err
		}
		if list, err = d.param(list, k); err != nil {
			return list, fault.Wrap(err, "unable to parse parameter '%s'", clip(k))
		}
	}
}
