//go:build linux

package main

import (
	"errors"
	"fmt"
	"time"

	"infer/internal/stats"
)

// lane is a target that runs, and what was measured of it, a value a round.
type lane struct {
	target
	server         *server
	loads          []load
	rate, p50, p99 []float64
	client, other  []float64 // CPU seconds a request
	fault          error
}

// race starts every target, measures them in turn, round by round, and stops them. A target whose parts are not here
// is skipped; one that fails keeps its place and says why. Targets that share a peer share its process.
func (b *bench) race(s subject, targets []target, connections int) ([]*lane, error) {
	var lanes []*lane
	running := map[string]*server{}
	defer func() {
		for _, srv := range running {
			srv.stop()
		}
	}()
	for _, t := range targets {
		srv := running[t.name]
		if srv == nil {
			var err error
			if srv, err = b.run(t.peer, s); errors.Is(err, errMissing) {
				b.skip(err.Error())
				continue
			} else if err != nil {
				return nil, err
			}
			running[t.name] = srv
		}
		lanes = append(lanes, &lane{target: t, server: srv})
	}
	for range b.rounds {
		for _, l := range lanes {
			if l.fault == nil {
				l.fault = b.turn(l, s, connections)
			}
		}
	}
	return lanes, nil
}

// attempts bounds how often a measurement is made again because others disturbed it.
const attempts = 30

func (b *bench) turn(l *lane, s subject, connections int) error {
	var m load
	for try := range attempts {
		var err error
		if l.request == nil {
			m, err = closedGRPC(l.server, s, connections, b.seconds)
		} else {
			m, err = closed(l.server, l.request(s), connections, b.seconds)
		}
		if err != nil {
			return err
		}
		if m.failed > 0 {
			return fmt.Errorf("%d requests failed: %s", m.failed, m.why)
		}
		if m.others <= b.noise {
			break
		}
		time.Sleep(min(time.Duration(try)*time.Second, 10*time.Second)) // for the others to finish
	}
	n := float64(len(m.latency))
	l.loads, b.others = append(l.loads, m), append(b.others, 100*m.others)
	l.rate, l.p50, l.p99 = append(l.rate, m.rate()), append(l.p50, m.p(.5)), append(l.p99, m.p(.99))
	l.client, l.other = append(l.client, m.client/n), append(l.other, m.server/n)
	return nil
}

// title is how a table calls the lane.
func (l *lane) title() string { return l.name + ", " + l.form }

// answers is how many were measured.
func (l *lane) answers() int {
	n := 0
	for _, m := range l.loads {
		n += len(m.latency)
	}
	return n
}

// best is the lane with the highest median throughput among those of a form that keep accepts; nil where there is none.
func best(lanes []*lane, form string, keep func(string) bool) *lane {
	var found *lane
	for _, l := range lanes {
		if l.form == form && l.fault == nil && keep(l.name) && (found == nil || stats.Median(l.rate) > stats.Median(found.rate)) {
			found = l
		}
	}
	return found
}
