package measure

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"
)

// taker is two blocks on a fake clock; they note who was measured with which seed.
type taker struct {
	clock time.Duration
	order []string
	seeds []uint64
	fail  int // the block that fails; 0: none
	stop  func()
}

func (k *taker) block(side string, lasts time.Duration) Block[int] {
	return func(_ context.Context, seed uint64) (int, error) {
		k.clock += lasts
		k.order, k.seeds = append(k.order, side), append(k.seeds, seed)
		if len(k.order) == k.fail {
			if k.stop != nil {
				k.stop()
				return 0, context.Canceled
			}
			return 0, errors.New("the server is gone")
		}
		return len(k.order), nil
	}
}

func TestPairs(t *testing.T) {
	k := &taker{}
	var most []int
	got, err := pairs(t.Context(), k.block("base", time.Second), k.block("head", 3*time.Second), PairOptions{MaxTime: 18 * time.Second},
		func() time.Duration { return k.clock }, func(p []Pair[int], m int) bool { most = append(most, m); return false })
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"base", "head", "head", "base", "base", "head", "head", "base"}; !slices.Equal(k.order, want) {
		t.Errorf("order %v, want %v", k.order, want)
	}
	if len(got) != 4 || !slices.Equal(most, []int{4, 4, 4, 4}) { // 4 s a pair, the fifth would end after 18 s
		t.Errorf("%d pairs, most %v", len(got), most)
	}
	for i, p := range got {
		if k.seeds[2*i] != p.Seed || k.seeds[2*i+1] != p.Seed || i > 0 && p.Seed == got[i-1].Seed || p.HeadFirst != (i%2 == 1) {
			t.Errorf("pair %d: %+v, seeds %v", i, p, k.seeds)
		}
	}
	if got[1].Head != 3 || got[1].Base != 4 {
		t.Errorf("the second pair is %+v", got[1])
	}
}

func TestPairsEnough(t *testing.T) {
	k := &taker{}
	got, err := pairs(t.Context(), k.block("base", 1), k.block("head", 1), PairOptions{MaxTime: time.Hour},
		func() time.Duration { return k.clock }, func(p []Pair[int], _ int) bool { return len(p) == 3 })
	if err != nil || len(got) != 3 {
		t.Errorf("%d pairs, %v", len(got), err)
	}
}

func TestPairsFail(t *testing.T) {
	never := func([]Pair[int], int) bool { return false }
	k := &taker{fail: 6}
	got, err := pairs(t.Context(), k.block("base", 1), k.block("head", 1), PairOptions{MaxTime: time.Hour}, func() time.Duration { return k.clock }, never)
	if err == nil || !strings.Contains(err.Error(), "after 2 pairs: head: the server is gone") || len(got) != 2 {
		t.Errorf("%d pairs, error %v", len(got), err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	k = &taker{fail: 6, stop: cancel}
	got, err = pairs(ctx, k.block("base", 1), k.block("head", 1), PairOptions{MaxTime: time.Hour}, func() time.Duration { return k.clock }, never)
	if err != nil || len(got) != 2 {
		t.Errorf("interrupted: %d pairs, error %v", len(got), err)
	}
	if _, err := Pairs(t.Context(), k.block("base", 1), k.block("head", 1), PairOptions{MaxTime: -1}, never); err == nil {
		t.Error("a negative time is taken")
	}
}
