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
	if len(got) != 4 || !slices.Equal(most, []int{4, 4, 4, 4}) { // 4 s a pair, the fifth would end after 18 s
		t.Errorf("%d pairs, most %v", len(got), most)
	}
	for i, p := range got {
		if k.seeds[2*i] != p.Seed || k.seeds[2*i+1] != p.Seed || i > 0 && p.Seed == got[i-1].Seed || (k.order[2*i] == "head") != p.HeadFirst || i%2 == 1 && p.HeadFirst == got[i-1].HeadFirst {
			t.Errorf("pair %d: %+v, order %v, seeds %v", i, p, k.order, k.seeds)
		}
	}
}

// Each way round begins about half of the mirrored groups.
func TestPairsOrder(t *testing.T) {
	k := &taker{}
	got, err := pairs(t.Context(), k.block("base", time.Second), k.block("head", time.Second), PairOptions{MaxTime: 400 * time.Second, Seed: 1},
		func() time.Duration { return k.clock }, func([]Pair[int], int) bool { return false })
	if err != nil || len(got) != 200 {
		t.Fatalf("%d pairs, %v", len(got), err)
	}
	first := 0
	for i := 0; i < len(got); i += 2 {
		if got[i].HeadFirst {
			first++
		}
	}
	if first < 30 || first > 70 {
		t.Errorf("the head is first in %d of 100 groups", first)
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
	if err == nil || !strings.Contains(err.Error(), "after 2 pairs: "+k.order[5]+": the server is gone") || len(got) != 2 {
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
