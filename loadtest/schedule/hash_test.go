package schedule

import (
	"testing"
	"time"
)

func TestHashFrom(t *testing.T) {
	s := mustNew(t, Options{Arrival: "constant", Stages: flat(10, time.Second)})
	if s.Hash(0) != s.Hash(-1) || s.Hash(0) == s.Hash(1) || s.Hash(1) != s.Hash(100*time.Millisecond) {
		t.Error("the hash is not that of the moments from the given one on")
	}
	// printf 'constant, seed 0, bound 0\n0x1.4p+03..0x1.4p+03x1000000000\n' | sha256sum
	if got := s.Hash(time.Second); got != "a4415376f6932c265d79163a2fa27cc5fd98b160991e42c47b8ac4bd132fbdcf" {
		t.Errorf("hash without a moment %s", got)
	}
	one := mustNew(t, Options{Trace: []time.Duration{0x0102}})
	// printf 'trace of 1, bound 0\n\x02\x01\0\0\0\0\0\0\x02\x01\0\0\0\0\0\0' | sha256sum
	if got, want := one.Hash(0), "788666ab3a1bd925c99bf8f1457d24125cffc4d4a64b180bd431cebfed3f0759"; got != want {
		t.Errorf("hash of one moment %s, want %s", got, want)
	}
}

// TestHashOptions: what lies beyond the moments that are hashed tells schedules apart as well, and shards do not.
func TestHashOptions(t *testing.T) {
	base := Options{Stages: []Stage{{1e5, 1e5, time.Minute}, {10, 20, time.Minute}}, Seed: 1, Requests: 9e6}
	same := base
	same.Shard, same.Of = 1, 3
	if mustNew(t, base).Hash(time.Second) != mustNew(t, same).Hash(time.Second) {
		t.Error("a shard has another hash")
	}
	for name, change := range map[string]func(*Options){
		"arrival": func(o *Options) { o.Arrival = "burst:1" },
		"seed":    func(o *Options) { o.Seed = 2 },
		"bound":   func(o *Options) { o.Requests++ },
		"rate":    func(o *Options) { o.Stages = []Stage{o.Stages[0], {10, 20.5, time.Minute}} },
		"length":  func(o *Options) { o.Stages = []Stage{o.Stages[0], {10, 20, time.Minute + 1}} },
	} {
		o := base
		change(&o)
		if mustNew(t, base).Hash(time.Second) == mustNew(t, o).Hash(time.Second) {
			t.Errorf("another %s has the same hash", name)
		}
	}
	s := mustNew(t, base)
	if s.Hash(50*time.Second) == s.Hash(51*time.Second) { // after 5 million requests
		t.Error("another window has the same hash")
	}
	long := make([]time.Duration, mostHashed+2)
	hash := mustNew(t, Options{Trace: long}).Hash(0)
	long[mostHashed+1] = 1
	if mustNew(t, Options{Trace: long}).Hash(0) == hash {
		t.Error("another trace has the same hash")
	}
}
