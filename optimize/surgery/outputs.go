package surgery

import "infer/model/onnx"

// KeepOutputs leaves m the outputs named, in the model's order, and removes what no output needs any more, in place;
// inputs stay. It returns what it did, one line each. Errors: fault.Usage for a name that is no output, and for none.
func KeepOutputs(m *onnx.Model, names ...string) ([]string, error) { return nil, nil }

// DropOutputs is KeepOutputs of the other ones.
func DropOutputs(m *onnx.Model, names ...string) ([]string, error) { return nil, nil }
