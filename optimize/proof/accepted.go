package proof

import (
	"context"

	"infer/model/agree"
	"infer/model/engine"
	"infer/model/tensor"
)

// Accepted returns the sets of inputs that a session runs on. The first is what the user asked for: a failure on it is
// the error. The others may have sizes that nobody promised, and are left out where they fail.
func Accepted(ctx context.Context, s engine.Session, sets [][]tensor.Tensor) ([][]tensor.Tensor, error) {
	var list [][]tensor.Tensor
	for i, in := range sets {
		_, err := agree.Record(ctx, s, sets[i:i+1])
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err != nil && i == 0 {
			return nil, err
		}
		if err == nil {
			list = append(list, in)
		}
	}
	return list, nil
}
