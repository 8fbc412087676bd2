//go:build linux && (amd64 || arm64)

package http1

import (
	"context"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"infer/internal/fault"
	"infer/loadtest/drive"
)

// lead is from the making of the lanes to the start of a schedule, so that the first requests are not late.
const lead = 2 * time.Millisecond

// lanes is the generator with an event loop of its own.
type lanes struct {
	o      Options
	to     netip.AddrPort // that answered; not valid before Open
	open   []int          // connections that no lane has
	coarse bool           // the kernel has no epoll_pwait2
}

func newLanes(o Options) drive.Generator { return &lanes{o: o} }

// Run implements drive.Generator.
func (g *lanes) Run(ctx context.Context, l drive.Load) (drive.Stats, error) {
	if err := g.check(&l); err != nil {
		return drive.Stats{}, err
	}
	n := max(1, min(l.Lanes, l.Connections))
	if l.Schedule == nil {
		n = min(n, l.Concurrency)
	}
	defer drive.WidenProcs()()
	r := run{l: l, faults: new(drive.FaultLog), memory: newMemory()}
	stop := context.AfterFunc(ctx, func() { r.stop.Store(true) })
	defer stop()
	r.to = newCollector(l.Emit)
	if l.Check != nil {
		r.checker = newChecker(&r)
	}
	all, err := g.prepare(&r, n)
	if err == nil {
		var wait sync.WaitGroup
		for _, a := range all {
			wait.Go(func() { a.run(&r.stop) })
		}
		wait.Wait()
	}
	return g.gather(&r, all), err
}

// run is one load.
type run struct {
	l       drive.Load
	clock   drive.Clock
	stop    atomic.Bool
	begun   atomic.Int64
	opened  int64
	faults  *drive.FaultLog
	to      *collector
	checker *checker
	memory  *memory
}

func (g *lanes) check(l *drive.Load) error {
	if l.Payloads == 0 {
		l.Payloads = len(g.o.Requests)
	}
	switch {
	case !g.to.IsValid():
		return fault.New(fault.Internal, "", "a load needs its target opened first")
	case l.Emit == nil:
		return fault.New(fault.Internal, "", "a load needs a receiver of its samples")
	case l.Connections < 1:
		return fault.New(fault.Internal, "", "a load needs at least one connection")
	case l.Schedule == nil && l.Concurrency < 1:
		return fault.New(fault.Internal, "", "a closed loop needs a concurrency of at least 1")
	case l.Payloads > len(g.o.Requests):
		return fault.New(fault.Internal, "", "a load of %d payloads has %d requests", l.Payloads, len(g.o.Requests))
	}
	return nil
}

// prepare makes n lanes and gives each its part of the load and of the connections.
func (g *lanes) prepare(r *run, n int) ([]*lane, error) {
	all := make([]*lane, n)
	r.clock = drive.NewClock(0)
	if r.l.Schedule != nil {
		r.clock = drive.NewClock(lead)
	}
	for i := range all {
		a := &lane{requests: g.o.Requests, payloads: int64(r.l.Payloads), timeout: r.l.Timeout, spin: r.l.Spin, time: r.clock,
			checker: r.checker, memory: r.memory, pen: pen{to: r.to}, faults: r.faults, to: g.to, coarse: g.coarse,
			source: source{share: part(r.l.Concurrency, i, n), duration: r.l.Duration, limit: r.l.Requests, begun: &r.begun}}
		if r.l.Schedule != nil {
			a.cursor = r.l.Schedule.Cursor(i, n)
			a.advance()
		}
		slots := part(r.l.Connections, i, n)
		mine := g.open[:min(slots, part(len(g.open), 0, n-i))]
		if err := a.prepare(slots, mine); err != nil {
			return all[:i], err
		}
		g.open = g.open[len(mine):]
		r.opened += int64(len(a.idle))
		all[i] = a
	}
	return all, nil
}

// part is how much of whole the i-th of n gets.
func part(whole, i, n int) int { return (whole + n - 1 - i) / n }

// gather takes the connections back, waits for what is still to be compared and passed on, and adds up what is known.
func (g *lanes) gather(r *run, all []*lane) drive.Stats {
	st := drive.Stats{Start: r.clock.Start(), Lanes: len(all), Pacer: g.pacer(r.l.Spin), Opened: r.opened}
	for _, a := range all {
		g.open = append(g.open, a.release()...)
		st.OpenedDuring += a.opened
		st.Reconnected += a.reconnected
		st.Waited += a.waited
		st.InFlight += a.most
		st.Cut += a.cut
		st.Unchecked += a.unchecked
		g.coarse = g.coarse || a.coarse
	}
	if r.checker != nil {
		r.checker.close()
		st.Unchecked += r.checker.missed
	}
	r.to.close()
	st.Faults = r.faults.List()
	return st
}

func (g *lanes) pacer(spin time.Duration) string {
	if g.coarse {
		return drive.PacerName("ppoll", spin)
	}
	return drive.PacerName("epoll_pwait2", spin)
}

// Close implements drive.Generator.
func (g *lanes) Close() error {
	for _, fd := range g.open {
		unix.Close(fd)
	}
	g.open = nil
	return nil
}
