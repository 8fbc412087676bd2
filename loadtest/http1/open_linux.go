//go:build linux && (amd64 || arm64)

package http1

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"
)

const openAtATime = 128 // connections that are being made at a time

// Open implements drive.Generator. It tries the addresses of the host in their order and stays with the first that
// takes a connection, which is the first of the n.
func (g *lanes) Open(ctx context.Context, n int) error {
	if !g.to.IsValid() {
		if err := g.choose(ctx); err != nil {
			return err
		}
	}
	for len(g.open) < n {
		fds, err := dialAll(ctx, g.to, min(openAtATime, n-len(g.open)))
		g.open = append(g.open, fds...)
		if err != nil {
			err = fmt.Errorf("connect to %s: connection %d of %d: %w", g.o.Addr, len(g.open)+1, n, err)
			g.Close()
			return unopened(err)
		}
	}
	return nil
}

func (g *lanes) choose(ctx context.Context) (err error) {
	g.to, err = choose(ctx, g.o.Addr, func(to netip.AddrPort) error {
		fds, err := dialAll(ctx, to, 1)
		if err != nil {
			return fmt.Errorf("connect to %s: %w", to, err)
		}
		g.open = append(g.open, fds...)
		return nil
	})
	return err
}

// dialAll makes n connections at the same time. With an error it returns those that came out.
func dialAll(ctx context.Context, to netip.AddrPort, n int) (made []int, err error) {
	var making []unix.PollFd
	for ; err == nil && len(making) < n; err = ctx.Err() {
		fd, e := dial(to)
		if e != nil {
			err = e
			break
		}
		making = append(making, unix.PollFd{Fd: int32(fd), Events: unix.POLLOUT})
	}
	for until := time.Now().Add(openWithin); err == nil && len(making) > 0; err = ctx.Err() {
		if time.Now().After(until) {
			err = fmt.Errorf("no answer within %v", openWithin)
			break
		}
		if _, e := unix.Poll(making, int(longSleep/time.Millisecond)); e != nil && e != unix.EINTR {
			err = e
			break
		}
		left := making[:0]
		for _, p := range making {
			if p.Revents == 0 {
				left = append(left, p)
			} else if e := dialed(int(p.Fd)); e == nil {
				made = append(made, int(p.Fd))
			} else {
				unix.Close(int(p.Fd))
				err = cmp.Or(err, e)
			}
		}
		if making = left; err != nil {
			break
		}
	}
	for _, p := range making {
		unix.Close(int(p.Fd))
	}
	return made, err
}
