package onnx

import (
	"infer/model/tensor"
)

// Tensor is a TensorProto: an initializer or a constant. Its bytes stay where they were found (the mapped file, an
// external file) until Value decodes them.
type Tensor struct {
	Name     string
	DType    tensor.DType
	Dims     tensor.Shape
	Doc      string
	Metadata []Prop
	Unknown  []byte

	External *External // where the bytes lie, when outside the file; nil otherwise

	payload payload
}

// External is the place of a tensor's bytes outside the model file.
type External struct {
	Location string // relative path, slashes
	Offset   int64
	Length   int64  // 0: to the end of the file (only before it is resolved)
	Checksum string // SHA-1 in hex; "" where not given
}

// payload is how the file held the elements; at most one field is set. Slices may alias the mapped file.
type payload struct {
	raw     []byte   // raw_data, or resolved external bytes
	field   int      // the number of the typed field (float_data 4, int32_data 5, …) that typed holds
	typed   [][]byte // the typed field's chunks, undecoded: packed payloads
	strings [][]byte // string_data
}
