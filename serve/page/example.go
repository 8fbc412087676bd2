package page

import (
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strconv"

	"infer/internal/fault"
	"infer/internal/wire"
	"infer/model/dataset"
	"infer/model/tensor"
	"infer/serve/repository"
)

// example returns inputs that a model takes: one row, open axes 1, zeros where a zero suits the name and the dtype.
func example(info *repository.Info) ([]tensor.Tensor, error) {
	set, err := dataset.Open("zeros", info.Model, dataset.Options{})
	if err != nil {
		return nil, err
	}
	defer set.Close()
	return set.Batch(0, 1)
}

// elements is the number of elements of all tensors.
func elements(in []tensor.Tensor) (n int64) {
	for _, t := range in {
		k, _ := t.Shape.Elements() // of a tensor that exists
		n += k
	}
	return n
}

// half reports whether JSON cannot carry one of the ports.
func half(ports []wire.Port) bool {
	return slices.ContainsFunc(ports, func(p wire.Port) bool { return p.DType == tensor.Float16 || p.DType == tensor.BFloat16 })
}

// The example requests of a version, as their addresses name them.
const (
	inferJSON   = "infer.json"   // of the Open Inference Protocol
	inferBinary = "infer.bin"    // the same with binary tensors
	predictJSON = "predict.json" // by columns, of TensorFlow Serving
)

// exampleBody is the body of an example request. jsonLen is the length of the JSON that binary tensors follow, -1 where
// there are none.
func exampleBody(info *repository.Info, file string) (contentType string, body []byte, jsonLen int, err error) {
	in, err := example(info)
	if err != nil {
		return "", nil, -1, err
	}
	r := wire.Request{Inputs: in}
	for _, p := range info.Outputs {
		if half(info.Outputs) {
			r.Outputs = append(r.Outputs, wire.Output{Name: p.Name, Binary: half([]wire.Port{p})})
		}
	}
	switch {
	case file == predictJSON && !half(info.Inputs):
		body, err = columnar(in)
		return "application/json", body, -1, err
	case file == inferJSON && !half(info.Inputs):
		body, jsonLen, err = wire.AppendOIPRequest(nil, &r, false)
		return "application/json", body, jsonLen, err
	case file == inferBinary:
		body, jsonLen, err = wire.AppendOIPRequest(nil, &r, true)
		return "application/octet-stream", body, jsonLen, err
	}
	return "", nil, -1, fault.New(fault.NotFound, "", "no example %q", file)
}

// addExample gives a media type an example: its value, or its address where it is long or no JSON.
func addExample(media object, info *repository.Info, file string) {
	contentType, body, _, err := exampleBody(info, file)
	if err != nil {
		return
	}
	entry := object{"summary": "one row, made up of the signature"}
	if len(body) <= inlined && contentType == "application/json" {
		entry["value"] = json.RawMessage(body)
	} else {
		entry["externalValue"] = fmt.Sprintf("/openapi/%s/%s/%s", url.PathEscape(info.Name), url.PathEscape(info.Version), file)
	}
	media["examples"] = object{"example": entry}
}

// columnar returns the body of a TF Serving predict request: {"inputs": {name: nested values}}.
func columnar(in []tensor.Tensor) (json.RawMessage, error) {
	b := []byte(`{"inputs":{`)
	for i, t := range in {
		if i > 0 {
			b = append(b, ',')
		}
		name, err := json.Marshal(t.Name)
		if err != nil {
			return nil, err
		}
		b = append(append(b, name...), ':')
		v, err := texts(t)
		if err != nil {
			return nil, err
		}
		b, _ = nest(b, t.Shape, v)
	}
	return append(b, "}}"...), nil
}

// nest appends the elements v as nested JSON arrays of a shape, and returns what is left of v.
func nest(dst []byte, s tensor.Shape, v []string) ([]byte, []string) {
	if len(s) == 0 {
		return append(dst, v[0]...), v[1:]
	}
	dst = append(dst, '[')
	for i := range s[0] {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst, v = nest(dst, s[1:], v)
	}
	return append(dst, ']'), v
}

// texts returns the JSON form of each element of a tensor, row-major.
func texts(t tensor.Tensor) ([]string, error) {
	n := int(elements([]tensor.Tensor{t}))
	out := make([]string, n)
	switch {
	case t.DType == tensor.String:
		for i, s := range t.Strings {
			b, err := json.Marshal(s)
			if err != nil {
				return nil, err
			}
			out[i] = string(b)
		}
	case t.DType == tensor.Bool:
		for i, b := range t.Data {
			out[i] = strconv.FormatBool(b != 0)
		}
	case t.DType.IsInt():
		v, err := tensor.Int64s(t)
		if err != nil {
			return nil, err
		}
		for i, x := range v {
			out[i] = strconv.FormatInt(x, 10)
		}
	default:
		v, err := tensor.Floats(t)
		if err != nil {
			return nil, fault.New(fault.Unsupported, "", "input %q: %s has no form in JSON", t.Name, t.DType)
		}
		for i, x := range v {
			out[i] = fmt.Sprint(x)
		}
	}
	return out, nil
}
