package surgery

import (
	"context"

	"infer/model"
	"infer/model/agree"
	"infer/model/engine"
	"infer/report"
)

// ProofOptions says how ProveBatch proves. The zero value is valid.
type ProofOptions struct {
	Sizes     []int64         // rows to run at once; nil: 1, 2 and 3
	Bindings  model.Bindings  // sizes of the other dynamic axes
	Seed      uint64          // of the made-up inputs
	Tolerance agree.Tolerance // zero: agree.Float32
}

// ProveBatch runs the original once for each row and the freed model on all rows at once, for each of the sizes, and
// compares row by row. axes is what FreeDims was given. A model whose rows do not stay apart drifts.
// Errors: those of opening and running; a freed model that refuses a size is a drift with a reason, not an error.
func ProveBatch(ctx context.Context, p engine.Provider, original, freed *model.Model, axes []Axis, o ProofOptions) (report.Agreement, error) {
	return report.Agreement{}, nil
}
