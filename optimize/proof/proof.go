// Package proof owns what shows that a changed model is as good as the one that it was made of: that its outputs agree,
// and that it is not slower, in the words of a report.
package proof

import (
	"context"
	"time"

	"infer/internal/progress"
	"infer/model/agree"
	"infer/model/engine"
	"infer/model/tensor"
	"infer/report"
)

// Outputs compares what s answers with the reference. source says where the inputs come from, in words.
func Outputs(ctx context.Context, ref *agree.Reference, s engine.Session, t agree.Tolerance, source string) (report.Agreement, error) {
	return report.Agreement{}, nil
}

// SpeedOptions says how long two models are raced.
type SpeedOptions struct {
	MaxTime  time.Duration // 0: 10 s
	Seed     uint64
	Progress progress.Func
}

// Speed measures base and head in turns on the same inputs; head may take half precision where base takes float32.
func Speed(ctx context.Context, base, head engine.Session, in []tensor.Tensor, o SpeedOptions) (*report.SpeedChange, error) {
	return nil, nil
}
