package wire

import "infer/model/tensor"

// DecodeOIP reads the body of an Open Inference Protocol v2 request. jsonLen is the value of the header
// Inference-Header-Content-Length, -1 where there is none (all of the body is JSON); 0 is a raw binary request, which
// takes name, dtype and open dimensions from inputs, the inputs of the model. Binary inputs are views of body.
// Errors are fault.Usage (fault.TooLarge over a limit) and name the field; model is the name that they mention.
func (r *Request) DecodeOIP(body []byte, jsonLen int, model string, inputs []Port, l Limits) error {
	return nil
}

// AppendOIP appends the answer to a request: JSON, then the binary outputs. It returns the length of the JSON part,
// -1 where there is no binary part. outputs says how each of r.Outputs is to be sent; empty: as binary says.
func AppendOIP(dst []byte, r *Response, outputs []Output, binary bool) (body []byte, jsonLen int, err error) {
	return nil, 0, nil
}

// DecodeTFS reads the body of TF Serving's REST predict: row or columnar. inputs give dtypes and, for a bare value,
// the name.
func (r *Request) DecodeTFS(body []byte, model string, inputs []Port, l Limits) error { return nil }

// AppendTFS appends the answer in the format of the request: row {"predictions": …} or columnar {"outputs": …}.
func AppendTFS(dst []byte, r *Response, row bool) ([]byte, error) { return nil, nil }

// AppendOIPRequest appends a request as a client sends it: JSON, then the binary inputs where binary is set. It returns
// the length of the JSON part, -1 where there is no binary part.
func AppendOIPRequest(dst []byte, r *Request, binary bool) (body []byte, jsonLen int, err error) {
	return nil, 0, nil
}

// DecodeOIPResponse reads an answer as a client does. Tensors are views of body where they are binary.
func (r *Response) DecodeOIPResponse(body []byte, jsonLen int, l Limits) error { return nil }

// AppendError appends {"error": message}.
func AppendError(dst []byte, message string) []byte { return nil }

// Classify turns scores into the strings of the classification extension: "value:index[:label]", the k best of each
// row (axis 0 counts rows where batched, else the whole tensor is one row).
func Classify(t tensor.Tensor, k int, labels []string, batched bool) (tensor.Tensor, error) {
	return tensor.Tensor{}, nil
}
