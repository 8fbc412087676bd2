package sample

import "infer/report"

// Tail returns where the slowest right answers spent their time: before the generator sent them, waiting for a
// connection, queued in the server, in the model, and in the rest (network, reading and writing, all of the service time
// where the server does not tell). A request that was told neither counts with its whole service time as rest. Nil where there are none.
func Tail(f *report.LoadFigures) *report.LoadTail {
	t := &report.LoadTail{N: int64(len(f.Slowest))}
	if t.N == 0 {
		return nil
	}
	var generator, wait, queue, compute, rest float64
	var queued, computed bool
	var batch report.LoadBatch
	for i := range f.Slowest {
		s := &f.Slowest[i]
		left := s.Latency - s.Lag - s.Wait
		generator += s.Lag
		wait += s.Wait
		if s.Queue != nil {
			queued = true
			queue += *s.Queue
			left -= *s.Queue
		}
		if s.Compute != nil {
			computed = true
			compute += *s.Compute
			left -= *s.Compute
		}
		if s.Batch > 0 {
			batch.N++
			batch.Runs += 1 / float64(s.Batch)
		}
		// The server's clock may have it that more time passed than did here.
		rest += max(0, left)
	}
	t.From = f.Slowest[len(f.Slowest)-1].Latency
	all := generator + wait + queue + compute + rest
	if all <= 0 {
		all = 1
	}
	t.Generator, t.Wait, t.Rest = generator/all, wait/all, rest/all
	if queued {
		q := queue / all
		t.Queue = &q
	}
	if computed {
		c := compute / all
		t.Compute = &c
	}
	if batch.N > 0 {
		rows := float64(batch.N) / batch.Runs
		t.Batch = &rows
	}
	return t
}
