package payload

import (
	"net/url"
	"strconv"

	"infer/internal/fault"
	"infer/internal/wire"
	"infer/model/tensor"
)

// Protocol is how requests and answers are encoded, as --protocol names it.
type Protocol string

// The protocols.
const (
	OIPHTTP    Protocol = "oip-http"
	OIPGRPC    Protocol = "oip-grpc"
	TFS        Protocol = "tfs"
	TorchServe Protocol = "torchserve"
	HTTP       Protocol = "http"
	InProcess  Protocol = "in-process"
)

// Header is one header field.
type Header struct{ Name, Value string }

// Request is a payload as HTTP carries it. Requests of the same body share its memory.
type Request struct {
	Method string
	Path   string // escaped, with a query where there is one; it starts with /
	Header []Header
	Body   []byte
}

// OIPRequests returns the payloads as the Open Inference Protocol has them over HTTP: with binary tensors, and asking
// for binary outputs, where binary is set; else in JSON, which half precision does not fit (fault.Usage). model is a
// name, version may be "". A dtype that the protocol lacks is fault.Unsupported.
func OIPRequests(s *Set, model, version string, binary bool) ([]Request, error) {
	path, err := pathOf("/v2/models/", "/versions/", model, version)
	if err != nil {
		return nil, err
	}
	out := make([]Request, s.Len())
	for i := range out {
		r := wire.Request{Inputs: s.Payloads[i].Inputs, Binary: binary}
		body, jsonLen, err := wire.AppendOIPRequest(nil, &r, binary)
		if err != nil {
			return nil, fault.Wrap(err, "payload %d", i)
		}
		out[i] = Request{Method: "POST", Path: path + "/infer", Header: []Header{{"Content-Type", "application/json"}}, Body: body}
		if jsonLen >= 0 {
			out[i].Header = []Header{{"Content-Type", "application/octet-stream"}, {"Inference-Header-Content-Length", strconv.Itoa(jsonLen)}}
		}
	}
	return out, nil
}

// TFSRequests returns the payloads as TensorFlow Serving's REST predict has them, which KServe's first protocol takes
// too: in row format ({"instances": …}) where every input has the same axis 0, else columnar ({"inputs": …}). Errors
// are those of OIPRequests.
func TFSRequests(s *Set, model, version string) ([]Request, error) {
	path, err := pathOf("/v1/models/", "/versions/", model, version)
	if err != nil {
		return nil, err
	}
	return s.jsonRequests(path + ":predict")
}

// TorchServeRequests returns the payloads as TFSRequests does, for TorchServe's predictions. Its JSON envelope takes
// them, and so does a handler that reads "instances"; one that wants something else takes Raw bodies.
func TorchServeRequests(s *Set, model, version string) ([]Request, error) {
	path, err := TorchServePath(model, version)
	if err != nil {
		return nil, err
	}
	return s.jsonRequests(path)
}

// TorchServePath is the path of TorchServe's predictions, for Raw.
func TorchServePath(model, version string) (string, error) {
	return pathOf("/predictions/", "/", model, version)
}

// pathOf joins the path of a model and its version.
func pathOf(before, between, model, version string) (string, error) {
	if model == "" {
		return "", fault.New(fault.Usage, "pass --model NAME", "the name of the model is not known")
	}
	path := before + url.PathEscape(model)
	if version != "" {
		path += between + url.PathEscape(version)
	}
	return path, nil
}

// jsonRequests returns the payloads in the form of TensorFlow Serving.
func (s *Set) jsonRequests(path string) ([]Request, error) {
	out := make([]Request, s.Len())
	for i := range out {
		in := s.Payloads[i].Inputs
		body, err := wire.AppendTFSRequest(nil, &wire.Request{Inputs: in, Row: inRows(in)})
		if err != nil {
			return nil, fault.Wrap(err, "payload %d", i)
		}
		out[i] = Request{Method: "POST", Path: path, Header: []Header{{"Content-Type", "application/json"}}, Body: body}
	}
	return out, nil
}

// inRows reports whether inputs fit the row format.
func inRows(in []tensor.Tensor) bool {
	for i := range in {
		if len(in[i].Shape) == 0 || in[i].Shape[0] == 0 || in[i].Shape[0] != in[0].Shape[0] {
			return false
		}
	}
	return len(in) > 0
}

// ModelInfers returns the payloads as inference.ModelInferRequest messages of gRPC with raw contents. told asks infer
// serve to say in its answers where the time went; other servers may refuse a parameter that they do not know.
func ModelInfers(s *Set, model, version string, told bool) ([][]byte, error) {
	if _, err := pathOf("", "", model, version); err != nil {
		return nil, err
	}
	out := make([][]byte, s.Len())
	for i := range out {
		r := wire.Request{Model: model, Version: version, Inputs: s.Payloads[i].Inputs}
		if told {
			r.Params = []wire.Param{{Name: wire.Timing, Value: true}}
		}
		var err error
		if out[i], err = wire.AppendModelInfer(nil, &r); err != nil {
			return nil, fault.Wrap(err, "payload %d", i)
		}
	}
	return out, nil
}
