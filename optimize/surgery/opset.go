package surgery

import (
	"context"

	"infer/model/onnx"
)

// Opset brings m to a version of ai.onnx, up or down, in place, and returns what it did, one line each; none where m
// has that version. Going down, the IR version follows as far as the model allows, so that programs of that time read
// the file. Errors, which leave m as it was: fault.Usage for a version that infer does not write, fault.Unsupported
// with the node, the operator and the version that stand in the way.
func Opset(ctx context.Context, m *onnx.Model, version int64) ([]string, error) { return nil, nil }
