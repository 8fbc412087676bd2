//go:build linux

package main

import (
	"fmt"
	"math"
	"strconv"
	"time"
)

// queue is a server of a known service time and the objective that a percentile of its latency is below a limit.
type queue struct {
	service, limit time.Duration
	quantile       float64
	parallel       bool    // it takes any number of requests at a time: no rate breaks the objective
	top            float64 // the rate that is searched up to
}

func (q queue) slo() string { return fmt.Sprintf("p%s<%v", number(100*q.quantile), q.limit) }

// breaks is the rate of Poisson arrivals at which the objective breaks.
func (q queue) breaks() float64 {
	if q.parallel {
		return q.top
	}
	d := q.service.Seconds()
	lo, hi := 0.0, 1/d
	for range 60 {
		rate := (lo + hi) / 2
		if waitsAtMost(rate, d, q.limit.Seconds()-d) >= q.quantile {
			lo = rate
		} else {
			hi = rate
		}
	}
	return lo
}

// waitsAtMost is the probability that a request waits at most x seconds for a server that takes d seconds for each, one
// at a time, in an M/D/1 queue of a rate below 1/d (1/s). The sum of Erlang, whose terms alternate: good to 1e-9 while
// x is no more than about ten times d.
func waitsAtMost(rate, d, x float64) float64 {
	if x < 0 {
		return 0
	}
	sum := 0.0
	for k := 0.0; k*d <= x; k++ {
		y := rate * (k*d - x)
		gamma, _ := math.Lgamma(k + 1)
		sum += math.Pow(y, k) * math.Exp(-y-gamma)
	}
	return (1 - rate*d) * sum
}

// seedStep keeps the seeds of the trials of one search apart from those of the next.
const seedStep = 1000

// find has infer search the highest rate on servers of which it is known.
func find(b *bench) error {
	fmt.Fprintf(b.out, "Poisson arrivals; where a server takes one request at a time the rate is that of the M/D/1 queue. --max-time %v.\n\n", b.findTime)
	b.table("server", "objective", "breaks at", "n", "found", "found over the truth", "time s", "verdicts")
	for _, q := range []queue{
		{service: 10 * time.Millisecond, limit: 50 * time.Millisecond, quantile: .99, top: 200},
		{service: 2 * time.Millisecond, limit: 8 * time.Millisecond, quantile: .95, top: 1000},
		{service: 20 * time.Millisecond, limit: 50 * time.Millisecond, quantile: .99, parallel: true, top: 400},
	} {
		if err := b.findOn(q); err != nil {
			return err
		}
	}
	return nil
}

func (b *bench) findOn(q queue) error {
	args := []string{b.infer, "null-server", "--service-time", q.service.String()}
	name, breaks := q.service.String()+", one at a time", fmt.Sprintf("%.2f/s", q.breaks())
	if q.parallel {
		name, breaks = q.service.String()+", all at a time", fmt.Sprintf("no rate (searched up to %.0f/s)", q.top)
	} else {
		args = append(args, "--serial")
	}
	srv, err := start(args...)
	if err != nil {
		return err
	}
	defer srv.stop()
	addr, err := srv.address()
	if err != nil {
		return err
	}
	var found, seconds []float64
	verdicts := ""
	for i := range b.seeds {
		args := []string{b.infer, "loadtest", "http://" + addr + "/", "--protocol", "http", "--find-max-rps", "--slo", q.slo(), "--range", fmt.Sprintf("%.0f:%.0f", q.top/40, q.top),
			"--seed", strconv.Itoa(1 + i*seedStep), "--max-time", b.findTime.String(), "--metrics-url", "off", "--format", "json", "--quiet"}
		busyBefore, cpuBefore := busy(), srv.cpu()
		run, err := finish(args...)
		if err != nil {
			return err
		}
		b.disturbed(busyBefore, srv.cpu()-cpuBefore+run.cpu, run.wall)
		d, err := parseDocument(run.out)
		if err != nil {
			return fmt.Errorf("exit code %d: %w: %s", run.code, err, tail(run.out))
		}
		rate, _ := d.value("max_rps")
		if verdicts += " " + d.Verdict; !math.IsNaN(rate) {
			found, seconds = append(found, rate), append(seconds, run.wall)
		}
	}
	b.row(name, q.slo(), breaks, strconv.Itoa(len(found)), spread(found, "%.2f"), spread(scaled(found, 1/q.breaks()), "%.3f"), spread(seconds, "%.0f"), verdicts)
	return nil
}
