package surgery

import "infer/model/onnx"

// FreeDims makes fixed axes of m's inputs dynamic, in place, so that the model takes any number of rows along them, and
// what holds the old size as a constant follows: targets of Reshape, Expand and Resize, Slices over all rows, constants
// that stand for one row, value types and outputs. It returns what it did, one line for each axis and node. The axes
// of one name are one batch: they have one size.
// It knows from the operators that rows stay apart; ProveBatch shows it by running.
// Errors, after which m is of no use: fault.Usage for inputs and axes that the model lacks; fault.Unsupported with the
// node that stands in the way and why.
func FreeDims(m *onnx.Model, axes ...Axis) ([]string, error) { return nil, nil }
