package sample

import (
	"math/rand/v2"
	"time"
)

// load returns n requests at a rate, as a queue with one server and some trouble answers them: some are lost in every
// way, and some come to the server late.
func load(n int, rate float64, seed uint64) []Sample {
	r := rand.New(rand.NewPCG(seed, 7))
	out := make([]Sample, n)
	var due, free time.Duration
	for i := range out {
		due += time.Duration(r.ExpFloat64() / rate * float64(time.Second))
		s := Sample{Index: int64(i), Due: due, Payload: int32(i % 5), Queue: Untold, Compute: Untold, Bytes: 100, Code: 200}
		s.Woke = s.Due + time.Duration(r.ExpFloat64()*20e3)
		s.Sent = s.Woke
		if r.IntN(50) == 0 {
			s.Sent += time.Duration(r.ExpFloat64() * 1e6)
		}
		begin := max(s.Sent, free)
		service := time.Duration((0.5 + r.Float64()) * 0.7 / rate * float64(time.Second))
		free = begin + service
		s.Done = free + 100*time.Microsecond
		if r.IntN(10) > 0 {
			s.Queue, s.Compute, s.Batch = begin-s.Sent, service, int32(1+r.IntN(4))
		}
		if s.Checked = r.IntN(4) == 0; s.Checked && r.IntN(20) == 0 {
			s.Outcome = Wrong
		}
		if r.IntN(40) == 0 {
			s.Outcome = Outcome(1 + r.IntN(int(Outcomes)-1))
		}
		if s.Outcome == Dropped {
			s.Sent, s.Done = s.Due+time.Second, s.Due+time.Second
		}
		out[i] = s
	}
	return out
}
