package surgery

import (
	"infer/model"
	"infer/model/onnx"
)

// FixDims gives dynamic axes of m's inputs fixed sizes, in place, and all stated types in it follow: outputs, inner
// values, subgraphs. Axes that b does not name stay dynamic. A size for the first axis of an input that is fixed at
// another one is what FreeDims makes of it, then fixed. It returns what it did, one line for each axis.
// Errors, after which m is of no use: fault.Usage for names that the model lacks and sizes that it contradicts;
// fault.Unsupported where the first axis cannot be freed.
func FixDims(m *onnx.Model, b model.Bindings) ([]string, error) { return nil, nil }
