package serve

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"

	"infer/internal/fault"
	"infer/internal/host"
	"infer/serve/guard"
	"infer/serve/observe"
	"infer/serve/repository"
)

// Server is a server that listens. Run it once.
type Server struct {
	o       Options
	sockets map[string]net.Listener // by "http", "grpc", "metrics", "admin"
	observe *observe.Observe
	models  *repository.Repository
	fronts  map[string]frontEnd // by "http", "grpc", "admin", as far as they have a socket
	metrics *http.Server
	budget  *guard.Budget // of the requests of all front ends

	drained time.Duration // what the drain took

	ends   sync.WaitGroup // the goroutines that accept
	failed chan error     // of one of them
}

// frontEnd is one way in: serve/rest or serve/rpc.
type frontEnd interface {
	Serve(net.Listener) error
	SetReady(bool)
	Drain(context.Context) error
}

// Listen takes all addresses, so that a taken port is known before a model is loaded, and makes the server.
// Errors: fault.Usage for options and addresses.
func Listen(ctx context.Context, o Options) (*Server, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	sockets, err := listen(ctx, o)
	if err != nil {
		return nil, err
	}
	s := &Server{o: o, sockets: sockets, failed: make(chan error, 4)}
	if err := s.assemble(); err != nil {
		s.closeSockets()
		return nil, err
	}
	return s, nil
}

// CheckAddresses takes all addresses for a moment. Errors: fault.Usage.
func CheckAddresses(ctx context.Context, o Options) error {
	sockets, err := listen(ctx, o)
	(&Server{sockets: sockets}).closeSockets()
	return err
}

// listen takes all addresses, or none.
func listen(ctx context.Context, o Options) (map[string]net.Listener, error) {
	sockets := map[string]net.Listener{}
	for _, l := range []struct{ name, address string }{{"http", o.HTTP}, {"grpc", o.GRPC}, {"metrics", o.Metrics}, {"admin", o.Admin}} {
		if off(l.address) {
			continue
		}
		socket, err := new(net.ListenConfig).Listen(ctx, "tcp", l.address)
		if err != nil {
			(&Server{sockets: sockets}).closeSockets()
			return nil, addressError(l.name, l.address, err, sockets)
		}
		sockets[l.name] = socket
	}
	return sockets, nil
}

// addressError explains why an address was not taken, beside those that were.
func addressError(name, address string, err error, taken map[string]net.Listener) error {
	hint := "give host:port, such as :8000, or off"
	own := ""
	for other, l := range taken {
		if _, port, err := net.SplitHostPort(address); err == nil && strings.HasSuffix(l.Addr().String(), ":"+port) {
			own = other
		}
	}
	switch {
	case errors.Is(err, syscall.EADDRINUSE) && own != "":
		hint = fmt.Sprintf("--%s of this server has that port; pass --%s with another one, or off", own, name)
	case errors.Is(err, syscall.EADDRINUSE):
		hint = fmt.Sprintf("another program listens there; pass --%s with a free port, or off", name)
	case errors.Is(err, syscall.EACCES):
		hint = fmt.Sprintf("ports below 1024 need a right; pass --%s with a higher one", name)
	}
	var op *net.OpError
	if errors.As(err, &op) {
		err = op.Err
	}
	var call *os.SyscallError
	if errors.As(err, &call) {
		err = call.Err
	}
	return fault.New(fault.Usage, hint, "listen on %s for %s: %w", address, name, err)
}

func (s *Server) closeSockets() {
	for _, l := range s.sockets {
		_ = l.Close()
	}
}

// Address returns where a front end listens: "http", "grpc", "metrics" or "admin"; "" where it does not.
func (s *Server) Address(name string) string {
	if l := s.sockets[name]; l != nil {
		return l.Addr().String()
	}
	return ""
}

// Run serves until ctx ends, then drains and returns nil. It answers health checks at once, and everything else when
// the models are warm. It fails where no model can be loaded or a front end breaks.
func (s *Server) Run(ctx context.Context) error {
	err := s.run(ctx)
	begin := time.Now()
	s.stop()
	if err == nil {
		s.o.Log.Info("stopped", "in", time.Since(begin.Add(-s.drained)).Round(time.Millisecond).String())
	}
	return err
}

func (s *Server) run(ctx context.Context) error {
	begin := time.Now()
	widen(max(s.o.Repository.CPUs, 1))
	bound(host.ReadMemoryUse())
	s.start()
	releasing, end := context.WithCancel(context.Background())
	defer end()
	least := heap()
	s.ends.Go(func() { release(releasing, pause, least) })
	if err := s.models.Start(ctx); err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	s.setReady(true)
	s.announce(time.Since(begin))
	if _, err := host.ReleaseCode(); err != nil {
		s.o.Log.Debug("the code of the start stays in memory", "cause", err.Error())
	}
	watch := time.NewTicker(time.Second)
	defer watch.Stop()
	seen := s.configStamp()
	for {
		select {
		case <-ctx.Done():
			end := time.Now()
			s.drain()
			s.drained = time.Since(end)
			return nil
		case err := <-s.failed:
			return err
		case <-s.o.Hangup:
			seen = s.configStamp()
			s.reload(ctx, "SIGHUP")
		case <-watch.C:
			if now := s.configStamp(); now != seen {
				seen = now
				s.reload(ctx, "the file has changed")
			}
		}
	}
}

func (s *Server) announce(took time.Duration) {
	args := []any{"in", took.Round(time.Millisecond).String()}
	if failed, all := s.notLoaded(); failed > 0 {
		args = append(args, "not_loaded", fmt.Sprintf("%d of %d models", failed, all))
	}
	for _, name := range []string{"http", "grpc", "metrics", "admin"} {
		if a := s.Address(name); a != "" {
			args = append(args, name, a)
		}
	}
	s.o.Log.Info("ready", args...)
}

// notLoaded counts the models of which no version serves.
func (s *Server) notLoaded() (failed, all int) {
	serves := map[string]bool{}
	for _, state := range s.models.Index() {
		serves[state.Name] = serves[state.Name] || state.State == "READY"
	}
	for _, yes := range serves {
		if !yes {
			failed++
		}
	}
	return failed, len(serves)
}

// start begins to accept on every address.
func (s *Server) start() {
	serve := func(name string, f func(net.Listener) error) {
		l := s.sockets[name]
		if l == nil {
			return
		}
		s.ends.Go(func() {
			if err := f(l); err != nil && !errors.Is(err, http.ErrServerClosed) {
				select {
				case s.failed <- fault.Wrap(err, "%s on %s", name, l.Addr()):
				default:
				}
			}
		})
	}
	for name, f := range s.fronts {
		serve(name, f.Serve)
	}
	serve("metrics", func(l net.Listener) error {
		if s.o.TLS != nil {
			return s.metrics.ServeTLS(l, "", "")
		}
		return s.metrics.Serve(l)
	})
}

func (s *Server) setReady(ready bool) {
	for _, f := range s.fronts {
		f.SetReady(ready)
	}
}

// drain ends the service in order: not ready, wait for load balancers to see it, no new connections, let the running
// requests finish.
func (s *Server) drain() {
	s.setReady(false)
	s.o.Log.Info("draining", "delay", s.o.ShutdownDelay.String(), "timeout", s.o.ShutdownTimeout.String())
	time.Sleep(s.o.ShutdownDelay)
	ctx, cancel := context.WithTimeout(context.Background(), s.o.ShutdownTimeout)
	defer cancel()
	s.drainFronts(ctx)
}

// drainFronts ends the front ends together.
func (s *Server) drainFronts(ctx context.Context) {
	var wg sync.WaitGroup
	for name, f := range s.fronts {
		wg.Go(func() {
			if err := f.Drain(ctx); err != nil {
				s.o.Log.Warn("not every request had finished", "address", name, "cause", err.Error())
			}
		})
	}
	wg.Wait()
}

// stop ends what is left, in the order that nobody uses what is gone.
func (s *Server) stop() {
	ctx, cancel := context.WithTimeout(context.Background(), s.o.ShutdownTimeout)
	defer cancel()
	quietly := func(err error) {
		if err != nil {
			s.o.Log.Warn("stopping", "cause", err.Error())
		}
	}
	s.drainFronts(ctx)
	quietly(s.metrics.Shutdown(ctx))
	s.closeSockets()
	s.ends.Wait()
	quietly(s.models.Close(ctx))
	quietly(s.observe.Shutdown(ctx))
}

// configStamp is what changes when the configuration file does, also by a switched link.
func (s *Server) configStamp() string {
	if s.o.Config == "" || s.o.Reload == nil {
		return ""
	}
	info, err := os.Stat(s.o.Config)
	if err != nil {
		return err.Error()
	}
	return fmt.Sprint(info.ModTime(), info.Size())
}

// reload reads the configuration again; where it is wrong everything stays as it is. The end of ctx cuts it short.
func (s *Server) reload(ctx context.Context, why string) {
	if s.o.Reload == nil {
		return
	}
	o, err := s.o.Reload()
	var changes []string
	if err == nil {
		changes, err = s.models.Apply(ctx, o)
	}
	if ctx.Err() != nil {
		return
	}
	s.observe.Reload(err)
	if err == nil || len(changes) > 0 {
		s.o.Log.Info("configuration read again", "because", why, "changes", fmt.Sprint(len(changes)))
		for _, c := range changes {
			s.o.Log.Info("changed: " + c)
		}
	}
	if err == nil {
		return
	}
	args := []any{"because", err.Error()}
	if hint := fault.HintOf(err); hint != "" {
		args = append(args, "hint", hint)
	}
	if len(changes) > 0 {
		s.o.Log.Error("not every model could be loaded as the configuration says", args...)
		return
	}
	s.o.Log.Error("the configuration stays as it was", args...)
}
