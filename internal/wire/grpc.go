package wire

// DecodeModelInfer reads an inference.ModelInferRequest from its protobuf form. Raw inputs are views of data; typed
// contents are decoded into the memory of r. Model, Version, ID and parameters are filled too.
func (r *Request) DecodeModelInfer(data []byte, l Limits) error { return nil }

// AppendModelInferResponse appends an inference.ModelInferResponse: raw contents, typed ones where typed is set.
func AppendModelInferResponse(dst []byte, r *Response, typed bool) ([]byte, error) { return nil, nil }

// AppendModelInfer appends an inference.ModelInferRequest with raw contents, as a client sends it.
func AppendModelInfer(dst []byte, r *Request) ([]byte, error) { return nil, nil }

// DecodeModelInferResponse reads an answer as a client does. Raw outputs are views of data.
func (r *Response) DecodeModelInferResponse(data []byte, l Limits) error { return nil }

// DecodePredict reads a tensorflow.serving.PredictRequest; AppendPredictResponse writes the answer.
func (r *Request) DecodePredict(data []byte, l Limits) error { return nil }

// AppendPredictResponse appends a tensorflow.serving.PredictResponse.
func AppendPredictResponse(dst []byte, r *Response) ([]byte, error) { return nil, nil }
