package rpc

import (
	"context"
	"errors"

	"google.golang.org/grpc"
)

// lines are the connections of a target. Every connection is in free once for every call that it may still take, all
// connections by turns: who takes the next one spreads calls evenly, and who finds none waits in the order of asking.
type lines struct {
	list []*grpc.ClientConn
	free chan *grpc.ClientConn
}

func newLines(list []*grpc.ClientConn) *lines {
	l := &lines{list: list, free: make(chan *grpc.ClientConn, StreamsPerConnection*len(list))}
	for range StreamsPerConnection {
		for _, c := range list {
			l.free <- c
		}
	}
	return l
}

// take returns a connection for one call, nil when ctx ends before there is one. Give it back.
func (l *lines) take(ctx context.Context) *grpc.ClientConn {
	select {
	case c := <-l.free:
		return c
	default:
	}
	select {
	case c := <-l.free:
		return c
	case <-ctx.Done():
		return nil
	}
}

func (l *lines) give(c *grpc.ClientConn) { l.free <- c }

func (l *lines) close() error {
	var errs []error
	for _, c := range l.list {
		errs = append(errs, c.Close())
	}
	return errors.Join(errs...)
}
