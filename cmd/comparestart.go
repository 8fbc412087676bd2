package cmd

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"infer/internal/child"
	"infer/internal/fault"
	"infer/report"
)

// fresh is what a side measures where it can be started again. Every start settles at a speed of its own, by where its
// memory and threads come to lie: two processes of one program, and two sessions of one model, differ by several percent
// for as long as they live. So they are started afresh between pairs; else that difference looked like one of the
// programs.
type fresh interface {
	stop() // a no-op where it is stopped
	start(context.Context) error
	cost() time.Duration // of the last start
}

// startedServer is a side whose server this process starts.
type startedServer struct {
	f      *compareFlags
	a      *app
	target string
	spec   child.Spec
	engine engineFlags

	server *child.Process
	load   *liveSide     // of server
	took   time.Duration // of the last start
}

// openServer starts a server and opens it as a side.
func (f *compareFlags) openServer(ctx context.Context, a *app, target string, spec child.Spec, e engineFlags) (*liveSide, error) {
	s := &startedServer{f: f, a: a, target: target, spec: spec, engine: e}
	if err := s.start(ctx); err != nil {
		return nil, err
	}
	s.a = &app{std: a.std, args: a.args, out: a.out, cfg: a.cfg, log: slog.New(slog.DiscardHandler)} // what opening tells was told
	side := *s.load
	side.block, side.close, side.again = s.block, s.stop, s
	side.CompareSide = report.CompareSide{Name: target, Kind: "command"}
	side.blocks = append(side.blocks, "peak_rss")
	return &side, nil
}

// start starts the server and returns when it is ready and its requests are prepared.
func (s *startedServer) start(ctx context.Context) error {
	begin := time.Now()
	p, err := child.Start(ctx, s.spec)
	if err != nil {
		return err
	}
	address := fmt.Sprintf("http://127.0.0.1:%d", p.Port())
	if p.Port() == 0 || s.f.load.target.protocol == "oip-grpc" {
		address = fmt.Sprintf("grpc://127.0.0.1:%d", p.GRPC())
	}
	if err := p.Ready(ctx, address); err != nil {
		p.Stop()
		return err
	}
	load, err := s.f.openLoad(ctx, s.a, address, s.engine)
	if err != nil {
		p.Stop()
		return err
	}
	s.server, s.load, s.took = p, load, time.Since(begin)
	return nil
}

func (s *startedServer) cost() time.Duration { return s.took }

func (s *startedServer) stop() {
	if s.server != nil {
		s.load.close()
		s.server.Stop()
		s.server = nil
	}
}

func (s *startedServer) block(ctx context.Context, seed uint64) (report.CompareBlock, error) {
	b, err := s.load.block(ctx, seed)
	if gone := s.server.Err(); gone != nil && ctx.Err() == nil {
		return b, gone
	}
	if rss := s.server.PeakRSS(); rss > 0 && b.Values != nil {
		b.Values["peak_rss"] = float64(rss)
	}
	return b, err
}

// restarts starts both sides afresh, as far as that takes no more than half of the time.
type restarts struct {
	base, head *liveSide
	last       time.Time // when the last start was done, or the first block began
	headFirst  bool
}

// next starts them before a further pair.
func (r *restarts) next(ctx context.Context) error {
	base, head := r.base.again, r.head.again
	if base == nil || head == nil || ctx.Err() != nil || time.Since(r.last) < base.cost()+head.cost() {
		return nil
	}
	list := []struct {
		side string
		of   fresh
	}{{"base", base}, {"head", head}}
	if r.headFirst = !r.headFirst; r.headFirst { // neither always has the memory that is free first
		list[0], list[1] = list[1], list[0]
	}
	base.stop()
	head.stop()
	for _, l := range list {
		if err := l.of.start(ctx); err != nil && ctx.Err() == nil {
			return fault.Wrap(err, "%s, started afresh", l.side)
		}
	}
	r.last = time.Now()
	return nil
}
