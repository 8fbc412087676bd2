//go:build linux

package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"time"
)

// batchingPays offers rows, open loop, as fast as the bare loop can do them at its best over batch sizes and threads, on
// a model whose rows share most of the work, and counts those within the SLO.
func batchingPays(b *bench) error {
	const slo = 100 * time.Millisecond
	s, err := b.dense()
	if err != nil {
		return err
	}
	offline, best, err := b.offline(s, slo)
	if err != nil {
		return err
	}
	fmt.Fprintf(b.out, "\nbest offline: %.0f rows/s, %s; offered as much, SLO %v\n\n", offline, best, slo)
	peers := append([]peer{inferWith("infer --slo "+slo.String(), "--slo", slo.String()), inferWith("infer"), inferWith("infer --max-batch 1", "--max-batch", "1")}, tritons()...)
	b.table("server", "arrivals", "rows/s", "within the SLO/s", "of the best offline", "p50 ms", "p99 ms", "refused", "expired", "failed", "sent late, p99 ms")
	for _, p := range peers {
		srv, err := b.run(p, s)
		if errors.Is(err, errMissing) {
			b.skip(err.Error())
			continue
		} else if err != nil {
			return err
		}
		f := open(srv.http, s.binaryRequest(), offline, time.Duration(b.rounds)*b.seconds, slo, 1)
		srv.stop()
		b.row(p.name, strconv.Itoa(f.arrivals), fmt.Sprintf("%.0f", float64(len(f.answered))/f.seconds), fmt.Sprintf("%.0f", f.goodput()), fmt.Sprintf("%.0f %%", 100*f.goodput()/offline),
			millis(f.answered, .5), millis(f.answered, .99), strconv.Itoa(len(f.refused)), strconv.Itoa(len(f.expired)), f.failures(), millis(f.late, .99))
	}
	return nil
}

// offline is the best throughput of the bare loop in rows/s among runs of at most half the SLO: a row may have to wait
// for one run and be part of the next.
func (b *bench) offline(s subject, slo time.Duration) (rate float64, how string, err error) {
	for _, threads := range []int{1, runtime.NumCPU()} {
		for n := 1; n <= s.rows; n *= 2 {
			run, err := b.bareRun(s.file, 20, threads, "batch="+strconv.Itoa(n))
			if err != nil {
				return 0, "", err
			}
			fmt.Fprintf(b.out, "- %d threads, batch %d: %.2f ms, %.0f rows/s\n", threads, n, 1e3*run, float64(n)/run)
			if r := float64(n) / run; r > rate && run <= slo.Seconds()/2 {
				rate, how = r, fmt.Sprintf("%d threads, batch %d", threads, n)
			}
		}
	}
	return rate, how, nil
}

// batchingDoesNot shows that nothing waits where a batch is no faster: the defaults against batching off.
func batchingDoesNot(b *bench) error {
	b.table("model", "connections", "n a side", "p50 by default, µs", "p50 with --max-batch 1, µs", "ratio of p50", "ratio of throughput")
	for _, s := range []subject{b.mnist(), b.squeezenet()} {
		for _, connections := range []int{1, 2, 16} {
			on, off := inferWith("infer"), inferWith("infer --max-batch 1", "--max-batch", "1")
			lanes, err := b.race(s, []target{{on, "HTTP binary", subject.binaryRequest}, {off, "HTTP binary", subject.binaryRequest}}, connections)
			if err != nil {
				return err
			}
			if err := errors.Join(lanes[0].fault, lanes[1].fault); err != nil {
				return err
			}
			x, y := lanes[0], lanes[1]
			b.row(s.name, strconv.Itoa(connections), strconv.Itoa(x.answers()), spread(scaled(x.p50, 1e6), "%.0f"), spread(scaled(y.p50, 1e6), "%.0f"),
				spread(ratios(x.p50, y.p50), "%.3f"), spread(ratios(x.rate, y.rate), "%.3f"))
		}
	}
	return nil
}

// overload offers twice of what a server can do, open loop, and counts what is answered within the SLO.
func overload(b *bench) error {
	const slo = 50 * time.Millisecond
	s := b.squeezenet()
	queue := "dynamic_batching { default_queue_policy { max_queue_size: %d default_timeout_microseconds: %d timeout_action: REJECT } }\ninstance_group { count: %d kind: KIND_CPU }\n" + oneThread
	peers := []peer{
		inferWith("infer --slo 50ms", "--slo", "50ms"),
		inferWith("infer"),
		tritonWith("Triton, its defaults", "dynamic_batching {}"),
		tritonWith("Triton, tuned by hand: queue of 4, 30 ms", fmt.Sprintf(queue, 4, 30000, 2)),
		tritonWith("Triton, tuned by hand: queue of 8, 40 ms", fmt.Sprintf(queue, 8, 40000, 1)),
	}
	b.table("server", "capacity/s", "offered/s", "arrivals", "goodput/s", "of capacity", "p99 of the answered, ms", "refused", "refusal p50 ms", "refusal p99 ms", "expired", "failed", "dropped", "sent late, p99 ms", "memory before, peak, after, MB")
	for _, p := range peers {
		if err := b.flooded(s, p, slo); errors.Is(err, errMissing) {
			b.skip(err.Error())
		} else if err != nil {
			b.row(p.name, err.Error())
		}
	}
	return nil
}

// flooded measures the capacity of a peer in a closed loop, then floods it for several rounds' time.
func (b *bench) flooded(s subject, p peer, slo time.Duration) error {
	srv, err := b.run(p, s)
	if err != nil {
		return err
	}
	defer srv.stop()
	closedLoad, err := closed(srv, s.binaryRequest(), 2, b.seconds)
	if err != nil {
		return err
	}
	capacity := closedLoad.rate()
	before := srv.rss()
	stop := make(chan struct{})
	peak := sample(srv, stop)
	f := open(srv.http, s.binaryRequest(), 2*capacity, time.Duration(b.rounds)*b.seconds, slo, 1)
	close(stop)
	b.row(p.name, fmt.Sprintf("%.0f", capacity), fmt.Sprintf("%.0f", f.offered), strconv.Itoa(f.arrivals), fmt.Sprintf("%.0f", f.goodput()), fmt.Sprintf("%.0f %%", 100*f.goodput()/capacity),
		millis(f.answered, .99), strconv.Itoa(len(f.refused)), millis(f.refused, .5), millis(f.refused, .99), strconv.Itoa(len(f.expired)), f.failures(), strconv.Itoa(f.dropped),
		millis(f.late, .99), fmt.Sprintf("%.0f, %.0f, %.0f", before/1e6, <-peak/1e6, srv.rss()/1e6))
	return nil
}

// millis is a percentile of ascending seconds, in milliseconds.
func millis(sorted []float64, q float64) string { return fmt.Sprintf("%.1f", 1e3*rank(sorted, q)) }

// sample looks at the memory ten times a second until stop and delivers the highest value.
func sample(s *server, stop <-chan struct{}) <-chan float64 {
	peak := make(chan float64, 1)
	go func() {
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		highest := s.rss()
		for {
			select {
			case <-stop:
				peak <- max(highest, s.rss())
				return
			case <-tick.C:
				highest = max(highest, s.rss())
			}
		}
	}()
	return peak
}

// start measures a fresh process until it is ready, and its memory when it has nothing to do.
func start(b *bench) error {
	s := b.mnist()
	b.table("server", "n", "ready after, ms", "idle memory, MB")
	for _, p := range slices.Concat([]peer{inferWith("infer"), tritonWith("Triton, one instance", single)}, fastapis(), []peer{mlserver, litserve}) {
		var ready, idle []float64
		for range b.rounds {
			begin := time.Now()
			srv, err := b.run(p, s)
			if err != nil {
				if errors.Is(err, errMissing) {
					b.skip(err.Error())
					break
				}
				return err
			}
			ready = append(ready, 1e3*time.Since(begin).Seconds())
			time.Sleep(2 * time.Second)
			idle = append(idle, srv.rss()/1e6)
			srv.stop()
		}
		if len(ready) > 0 {
			b.row(p.name, strconv.Itoa(len(ready)), spread(ready, "%.0f"), spread(idle, "%.0f"))
		}
	}
	return nil
}

// repositoryOf is infer serve on a folder of versions of a model, watched.
func repositoryOf(name, folder string) peer {
	return peer{name: name, start: func(b *bench, s subject) (*server, error) {
		s.file = filepath.Join(folder, s.name)
		return inferWith(name, "--watch", "200ms").start(b, s)
	}}
}
