package measure

import (
	"context"

	"infer/model/engine"
	"infer/model/tensor"
)

// Bind returns one run of s on fixed inputs by the fastest path that s has, runs in a row where s can time them (else
// nil), and what releases both; s stays the caller's. Binding may itself run the session once.
func Bind(ctx context.Context, s engine.Session, in []tensor.Tensor) (run Run, timed Timed, release func(), err error) {
	b, ok := s.(engine.Binder)
	if !ok {
		n := len(s.Outputs())
		return func(ctx context.Context) error { return s.Run(ctx, in, make([]tensor.Tensor, n)) }, nil, func() {}, nil
	}
	bound, err := b.Bind(ctx, in)
	if err != nil {
		return nil, nil, nil, err
	}
	if t, ok := bound.(engine.Timer); ok {
		timed = t.RunTimed
	}
	return bound.Run, timed, func() { _ = bound.Close() }, nil
}
