//go:build linux

package main

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"
)

// standstill is a load at a constant rate on a server that stands still once.
type standstill struct {
	rate           float64 // requests a second
	duration       time.Duration
	after, service time.Duration // from the first request to the standstill; of every request
	length         time.Duration // of the standstill
}

// implied is the exact percentile of the latency, in seconds: a request due at a moment t is answered at t + service,
// and length later if that is not before the standstill; what is due during it is served at its end, all at once.
func (s standstill) implied(q float64) float64 {
	var latency []float64
	for i := range int(s.rate * s.duration.Seconds()) {
		due := time.Duration(float64(i) / s.rate * float64(time.Second))
		done := due + s.service
		switch {
		case due >= s.after+s.length:
		case due >= s.after:
			done = s.after + s.length + s.service
		case done >= s.after:
			done += s.length
		}
		latency = append(latency, (done - due).Seconds())
	}
	slices.Sort(latency)
	return rank(latency, q)
}

// stallConnections are those of the generators that have to be told.
const stallConnections = 10

// stall compares what generators say of a server that stands still for a second in twenty.
func stall(b *bench) error {
	s := standstill{rate: 500, duration: 20 * time.Second, after: 8 * time.Second, service: time.Millisecond, length: time.Second}
	truth := s.implied(.99)
	fmt.Fprintf(b.out, "%.0f/s constant for %v, service time %v, a standstill of %v: the p99 of the schedule is %.1f ms.\nwrk makes up requests for the time that its closed loop left out; oha runs with --latency-correction.\n\n", s.rate, s.duration, s.service, s.length, 1e3*truth)
	type lane struct {
		tool
		load     load
		p50, p99 []float64
		n        int
		trust    string
		fault    error
	}
	var lanes []*lane
	open := load{rate: s.rate, connections: stallConnections, duration: s.duration}
	closed := load{connections: stallConnections, duration: s.duration}
	for _, t := range b.chosen(func(tool) bool { return true }) {
		if !t.closedOnly {
			lanes = append(lanes, &lane{tool: t, load: open})
		}
		if t.closedOnly || t.part == "" {
			t.name += ", closed loop"
			lanes = append(lanes, &lane{tool: t, load: closed})
		}
	}
	for range b.longRounds {
		for _, l := range lanes {
			if l.fault != nil {
				continue
			}
			var f figures
			var run finished
			if f, run, l.fault = b.stalled(l.tool, l.load, s); l.fault == nil {
				l.n, l.p50, l.p99 = l.n+f.requests+f.failed, append(l.p50, 1e3*f.p50), append(l.p99, 1e3*f.p99)
				if d, err := parseDocument(run.out); l.part == "" && err == nil {
					l.trust = d.trust()
				}
			}
		}
	}
	b.table("generator", "n", "p50 ms", "p99 ms", "of the schedule's p99", "its own verdict")
	for _, l := range lanes {
		if l.fault != nil {
			b.row(l.name, l.fault.Error())
			continue
		}
		b.row(l.name, strconv.Itoa(l.n), spread(l.p50, "%.2f"), spread(l.p99, "%.1f"), spread(scaled(l.p99, 1e-3/truth), "%.3f"), l.trust)
	}
	return nil
}

// stalled runs a generator against a fresh server that will stand still.
func (b *bench) stalled(t tool, l load, s standstill) (figures, finished, error) {
	srv, err := start(b.infer, "null-server", "--service-time", s.service.String(), "--stall-after", s.after.String(), "--stall-for", s.length.String())
	if err != nil {
		return figures{}, finished{}, err
	}
	defer srv.stop()
	addr, err := srv.address()
	if err != nil {
		return figures{}, finished{}, err
	}
	l.url = "http://" + addr + "/"
	busyBefore, begin := busy(), time.Now()
	f, run, err := b.generate(t, l)
	if err == nil && math.IsNaN(f.p99) {
		err = errNoFigures
	}
	b.disturbed(busyBefore, srv.cpu()+run.cpu, time.Since(begin).Seconds())
	return f, run, err
}
