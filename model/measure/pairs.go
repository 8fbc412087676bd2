package measure

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"infer/internal/fault"
	"infer/internal/progress"
)

// Block measures one of two things for a while and returns what it saw. Both blocks of a pair get the same seed, from
// which they draw whatever is random: inputs, arrivals. It must return soon after ctx is done.
type Block[T any] func(ctx context.Context, seed uint64) (T, error)

// Pair is a block of each of two things, right after each other.
type Pair[T any] struct {
	Seed      uint64
	HeadFirst bool
	Base      T
	Head      T
}

// PairOptions says how long two things are compared.
type PairOptions struct {
	MaxTime  time.Duration // no new pair that would end after this, by the time of those before; 0: 2 min
	Seed     uint64        // from which the seeds of the pairs are drawn
	Progress progress.Func // between blocks
	Phase    string        // "": "pairs"
}

// Pairs measures base and head in pairs of blocks until enough says so, or until the time is over. The order of every
// other pair is drawn and mirrored in the next (base, head, head, base, or the other way round): a straight drift of the
// machine cancels, and a disturbance that lasts longer than a block does not hit the same side of pair after pair.
// enough sees the pairs so far and how many there will be at most; where these are as many it is the last call.
//
// A cancelled ctx returns the whole pairs and a nil error: ask ctx. A block that fails ends the comparison; its error
// names the side, and the pairs before it are returned.
func Pairs[T any](ctx context.Context, base, head Block[T], o PairOptions, enough func(pairs []Pair[T], most int) bool) ([]Pair[T], error) {
	if o.MaxTime < 0 {
		return nil, fault.New(fault.Usage, "give a time such as 2m", "a comparison of %s: negative", o.MaxTime)
	}
	if o.MaxTime == 0 {
		o.MaxTime = 2 * time.Minute
	}
	begin := time.Now()
	return pairs(ctx, base, head, o, func() time.Duration { return time.Since(begin) }, enough)
}

// pairs is Pairs with its clock as a seam.
func pairs[T any](ctx context.Context, base, head Block[T], o PairOptions, now func() time.Duration, enough func([]Pair[T], int) bool) ([]Pair[T], error) {
	if o.Phase == "" {
		o.Phase = "pairs"
	}
	r := rand.New(rand.NewPCG(o.Seed, 0))
	var done []Pair[T]
	for {
		p := Pair[T]{Seed: r.Uint64()}
		if n := len(done); n%2 == 1 {
			p.HeadFirst = !done[n-1].HeadFirst
		} else {
			p.HeadFirst = r.IntN(2) == 1
		}
		if err := p.measure(ctx, base, head); err != nil {
			if ctx.Err() != nil {
				return done, nil
			}
			return done, fmt.Errorf("after %d pairs: %w", len(done), err)
		}
		if ctx.Err() != nil {
			return done, nil // the block that was cut may have told half of what it saw
		}
		done = append(done, p)
		spent := now()
		each := spent / time.Duration(len(done))
		most := len(done) + max(0, int((o.MaxTime-spent)/max(1, each)))
		o.Progress.Send(progress.Event{Phase: o.Phase, Done: min(spent, o.MaxTime).Seconds(), Total: o.MaxTime.Seconds(), Unit: "s",
			Note: fmt.Sprintf("%d pairs", len(done))})
		if enough(done, most) || most == len(done) {
			return done, nil
		}
	}
}

func (p *Pair[T]) measure(ctx context.Context, base, head Block[T]) (err error) {
	one := func(b Block[T], into *T, side string) {
		if err == nil && ctx.Err() == nil {
			if *into, err = b(ctx, p.Seed); err != nil {
				err = fault.Wrap(err, "%s", side)
			}
		}
	}
	if p.HeadFirst {
		one(head, &p.Head, "head")
		one(base, &p.Base, "base")
		return err
	}
	one(base, &p.Base, "base")
	one(head, &p.Head, "head")
	return err
}
