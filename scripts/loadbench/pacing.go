//go:build linux

package main

import (
	"bufio"
	"fmt"
	"math"
	"os"
	"slices"
	"strconv"
	"time"
)

// settle is how much of a paced load is not looked at: connections are opened meanwhile.
const settle = 500 * time.Millisecond

// paces are the rates, with the connections of those tools that have to be told.
func paces() []load {
	return []load{{rate: 500, connections: 10}, {rate: 20000, connections: 32}}
}

// paced is what was measured of a generator at a rate, a value a round; times in seconds.
type paced struct {
	tool
	n             int
	p50, p99, max []float64
	off           []float64 // of the rate, relative
	lag           []float64 // infer's own send_lag_p99
	trust         string    // infer's own verdict
	fault         error
}

// pacing has each generator in turn send at a constant rate to a recorder of its own.
func pacing(b *bench) error {
	fmt.Fprintf(b.out, "Each arrival, by the kernel's time stamp at the server, against the grid of its rate that begins where none is early; without the first %v.\nhey's connections send all at a time: its grid is of bunches.\n\n", settle)
	b.table("generator", "rate asked for", "n", "p50 µs late", "p99 µs late", "most µs late", "rate off by", "its own account")
	for _, l := range paces() {
		l.duration = b.seconds + settle
		var list []*paced
		for _, t := range b.chosen(func(t tool) bool { return !t.closedOnly }) {
			list = append(list, &paced{tool: t})
		}
		for range b.rounds {
			for _, p := range list {
				if p.fault == nil {
					p.fault = b.pace(p, l)
				}
			}
		}
		for _, p := range list {
			if p.fault != nil {
				b.row(p.name, number(l.rate)+"/s", p.fault.Error())
				continue
			}
			own := ""
			if len(p.lag) > 0 {
				own = "send_lag_p99 " + spread(scaled(p.lag, 1e6), "%.0f") + " µs; " + p.trust
			}
			b.row(p.name, number(l.rate)+"/s", strconv.Itoa(p.n), spread(scaled(p.p50, 1e6), "%.0f"), spread(scaled(p.p99, 1e6), "%.0f"), spread(scaled(p.max, 1e6), "%.0f"),
				spread(scaled(p.off, 100), "%+.3f %%"), own)
		}
	}
	return nil
}

// pace is one round of one generator.
func (b *bench) pace(p *paced, l load) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	srv, err := start(self, "record")
	if err != nil {
		return err
	}
	defer srv.stop()
	addr, err := srv.address()
	if err != nil {
		return err
	}
	l.url = "http://" + addr + "/"
	busyBefore, begin := busy(), time.Now()
	f, run, err := b.generate(p.tool, l)
	if err != nil {
		return err
	}
	if f.failed > 0 {
		return fmt.Errorf("%d requests failed", f.failed)
	}
	b.disturbed(busyBefore, srv.cpu()+run.cpu, time.Since(begin).Seconds())
	if p.part == "" {
		d, err := parseDocument(run.out)
		if err != nil {
			return err
		}
		lag, _ := d.value("send_lag_p99")
		p.lag, p.trust = append(p.lag, lag), d.trust()
	}
	srv.stdin.Close()
	arrivals, err := readArrivals(srv.out)
	if err != nil {
		return err
	}
	bunch := 1
	if p.bunches {
		bunch = l.connections
	}
	late, off := lateness(arrivals, l.rate, bunch)
	if len(late) == 0 {
		return fmt.Errorf("%d arrivals: too few", len(arrivals))
	}
	p.n += len(late)
	p.p50, p.p99, p.max = append(p.p50, rank(late, .5)), append(p.p99, rank(late, .99)), append(p.max, late[len(late)-1])
	p.off = append(p.off, off)
	return nil
}

// readArrivals reads what a recorder prints to its end.
func readArrivals(r *bufio.Reader) ([]int64, error) {
	var list []int64
	scanner := bufio.NewScanner(r)
	for scanner.Scan() {
		at, err := strconv.ParseInt(scanner.Text(), 10, 64)
		if err != nil {
			return nil, err
		}
		list = append(list, at)
	}
	return list, scanner.Err()
}

// lateness is how late arrivals (nanoseconds, in no order) are against a grid of rate (1/s) on which they are due bunch
// at a time, in seconds, ascending; the grid begins where the earliest of all is on time. Settle is left out. off is
// how far the rate is off, relative.
func lateness(arrivals []int64, rate float64, bunch int) (late []float64, off float64) {
	a := slices.Clone(arrivals)
	slices.Sort(a)
	skip := int(rate*settle.Seconds()) / bunch * bunch
	if len(a) < skip+2*bunch {
		return nil, math.NaN()
	}
	a = a[skip:]
	due := func(i int) float64 { return float64(i/bunch*bunch) / rate }
	for i, at := range a {
		late = append(late, float64(at-a[0])/1e9-due(i))
	}
	slices.Sort(late)
	for i, first := 0, late[0]; i < len(late); i++ {
		late[i] -= first
	}
	last := (len(a) - 1) / bunch * bunch
	return late, float64(last)/(float64(a[last]-a[0])/1e9)/rate - 1
}

// rank is the nearest rank.
func rank(sorted []float64, q float64) float64 {
	return sorted[max(0, int(math.Ceil(q*float64(len(sorted))))-1)]
}

// quantile is the nearest rank of values in any order, which it sorts.
func quantile(values []float64, q float64) float64 {
	slices.Sort(values)
	return rank(values, q)
}
