// Package wire owns the encodings and messages of the serving protocols, for both ends of a connection: the Open
// Inference Protocol v2 (REST with its binary tensor extension, and the ModelInfer message of gRPC), the REST form of
// TensorFlow Serving and its Predict message. It knows neither HTTP nor gRPC: bytes come in and go out.
package wire

import (
	"time"

	"infer/internal/fault"
	"infer/model/tensor"
)

// Limits bound what one message may make a decoder do. What is over a limit is a fault.TooLarge error, found before
// memory is taken for it.
type Limits struct {
	Bytes    int64 // decoded tensor bytes of a message, strings with 16 bytes of overhead each
	Elements int64 // elements of one tensor
	Depth    int   // nested brackets and braces of JSON, also below keys that are ignored
	Inputs   int   // inputs of a message, and outputs asked for
}

// Outputs returns how many bytes the outputs of a run take, and fault.TooLarge where that is over the limit: the shape of
// an output can be for the request to say, and an answer takes their memory once more.
func (l Limits) Outputs(outputs []tensor.Tensor) (int, error) {
	n := int64(0)
	for i := range outputs {
		n += int64(len(outputs[i].Data))
		for _, s := range outputs[i].Strings {
			n += int64(len(s) + stringSize)
		}
	}
	if n > l.Bytes {
		return int(n), fault.New(fault.TooLarge, "ask for fewer rows or outputs", "the outputs take %d bytes, over the limit of %d", n, l.Bytes)
	}
	return int(n), nil
}

// DefaultLimits are those of the server without flags.
var DefaultLimits = Limits{Bytes: 64 << 20, Elements: 64 << 20, Depth: 64, Inputs: 256}

// Port is an input or output of a model as protocols show it: a dynamic axis is -1.
type Port struct {
	Name  string
	DType tensor.DType
	Shape []int64
}

// Request is an inference request of any protocol. It is made to be used again: decoders and Reset empty it and keep
// its memory. Its tensors are views of that memory or of the decoded body, which must stay as it is as long as they
// are in use; names, parameters and the id are strings of their own. Not safe for concurrent use.
type Request struct {
	Model, Version string // of gRPC and TF Serving messages; the path says it in REST
	ID             string
	Inputs         []tensor.Tensor // in the order of the message; Name set
	Outputs        []Output        // those asked for; empty: all
	Priority       int             // 0: the default, 1: the highest
	Timeout        time.Duration   // 0: none given
	Binary         bool            // REST: outputs are binary where an output does not say otherwise
	Typed          bool            // gRPC: the inputs came as typed contents, not raw bytes
	Row            bool            // TF Serving REST: row format ("instances"), answered as "predictions"
	Params         []Param         // every other parameter of the request, in order

	arena arena
	scan  scanner
	nests []nest // of TF Serving requests, one for each of Inputs
}

// Output is an output that a request asks for.
type Output struct {
	Name    string
	Binary  bool // REST: answer in the binary section
	Classes int  // the classification extension: the k best of each row as strings; 0: the tensor itself
}

// Param is a request or response parameter. Value is a bool, int64, uint64, float64 or string.
type Param struct {
	Name  string
	Value any
}

// Response is an answer to be encoded, or one that a client decodes. It is made to be used again, as Request is.
type Response struct {
	Model, Version, ID string
	Outputs            []tensor.Tensor // Name set
	Params             []Param

	arena arena
	scan  scanner
	nests []nest // of TF Serving answers, one for each of Outputs
}

// Reset empties r and keeps its memory. Tensors of an earlier message are not valid any more.
func (r *Request) Reset() { r.begin(0) }

// Memory is how many bytes r has taken for what was decoded into it, views of the body excepted.
func (r *Request) Memory() int { return 8*cap(r.arena.block) + stringSize*cap(r.arena.strs) }

// begin empties r for a message of at most limit decoded bytes.
func (r *Request) begin(limit int64) {
	clear(r.Inputs)
	clear(r.Params)
	r.arena.reset(limit)
	*r = Request{Inputs: r.Inputs[:0], Outputs: r.Outputs[:0], Params: r.Params[:0], arena: r.arena, scan: r.scan, nests: r.nests[:0]}
}

// Reset empties r and keeps its memory, as Request.Reset does.
func (r *Response) Reset() { r.begin(0) }

// begin empties r for a message of at most limit decoded bytes.
func (r *Response) begin(limit int64) {
	clear(r.Outputs)
	clear(r.Params)
	r.arena.reset(limit)
	*r = Response{Outputs: r.Outputs[:0], Params: r.Params[:0], arena: r.arena, scan: r.scan, nests: r.nests[:0]}
}
