package wire

import "infer/model/tensor"

// datatypes are the names of the Open Inference Protocol, each with the bytes of an element; 0 for strings.
var datatypes = [...]struct {
	name  string
	dtype tensor.DType
	size  int
}{
	{"FP32", tensor.Float32, 4}, {"INT64", tensor.Int64, 8}, {"INT32", tensor.Int32, 4}, {"BYTES", tensor.String, 0},
	{"UINT8", tensor.Uint8, 1}, {"BOOL", tensor.Bool, 1}, {"FP16", tensor.Float16, 2}, {"FP64", tensor.Float64, 8},
	{"INT8", tensor.Int8, 1}, {"INT16", tensor.Int16, 2}, {"UINT16", tensor.Uint16, 2}, {"UINT32", tensor.Uint32, 4},
	{"UINT64", tensor.Uint64, 8}, {"BF16", tensor.BFloat16, 2},
}

// Datatype returns the protocol's name of a dtype ("FP32", "BYTES"), "" for one that the protocol cannot carry.
func Datatype(d tensor.DType) string {
	for i := range datatypes {
		if datatypes[i].dtype == d {
			return datatypes[i].name
		}
	}
	return ""
}

// ParseDatatype is the inverse of Datatype.
func ParseDatatype(name string) (tensor.DType, bool) {
	for i := range datatypes {
		if datatypes[i].name == name {
			return datatypes[i].dtype, true
		}
	}
	return tensor.Undefined, false
}

// elementSize returns the bytes of an element of a dtype that has a Datatype; 0 for strings.
func elementSize(d tensor.DType) int {
	for i := range datatypes {
		if datatypes[i].dtype == d {
			return datatypes[i].size
		}
	}
	return 0
}
