// Package child owns commands that infer starts and measures from outside: their command line, free ports for servers,
// waiting until they answer, the memory that they need, and their end: nothing that was started here outlives infer.
package child

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// grace is how long a process may take to end after it was asked to.
const grace = 5 * time.Second

// maxTail is how much of the output of a command is kept, in bytes: the newest.
const maxTail = 64 << 10

// Spec is a command to start.
type Spec struct {
	Command string        // {port} and {grpc} in it become free TCP ports; what needs a shell is given to sh -c
	Dir     string        // where it runs; "": here
	Env     []string      // NAME=VALUE, beside those of this process
	Timeout time.Duration // that Ready waits; 0: a minute
}

// Process is a started command and all that it started in its process group. Its methods are safe for concurrent use.
type Process struct {
	command string // as it was run, ports filled in
	ports   ports
	timeout time.Duration
	cmd     *exec.Cmd
	out     *Tail
	keeper  *keeper
	done    chan struct{} // closed once the command itself has ended
	err     error         // how it ended; readable once done is closed
	peak    atomic.Int64
	stop    sync.Once
	cancel  func() bool
}

// Start starts a command in a process group of its own. The group ends with Stop, with ctx, and with infer itself, however
// that ends. A command that cannot be started is a fault.Usage error.
func Start(ctx context.Context, s Spec) (*Process, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	free, err := freePorts(s.Command)
	if err != nil {
		return nil, err
	}
	p := &Process{command: free.fill(s.Command), ports: free, timeout: s.Timeout, out: NewTail(maxTail), keeper: newKeeper(), done: make(chan struct{})}
	if p.cmd, err = newCmd(p.command, s); err == nil {
		p.cmd.Stdout, p.cmd.Stderr = p.out, p.out
		err = p.start()
	}
	if err != nil {
		p.keeper.release()
		return nil, notStarted(p.command, err)
	}
	p.keeper.guard(p.cmd.Process.Pid)
	p.cancel = context.AfterFunc(ctx, p.end)
	return p, nil
}

// start starts the command in a goroutine that waits for it. The thread stays locked: Linux kills a child with the thread
// that made it (see Own), not with the process.
func (p *Process) start() error {
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := p.cmd.Start()
		started <- err
		if err == nil {
			p.err = p.cmd.Wait()
			if gone(p.cmd.Process.Pid) {
				p.keeper.release() // the number of the group is free for others now
			}
			close(p.done)
		}
	}()
	return <-started
}

// Command returns the command line as it was run.
func (p *Process) Command() string { return p.command }

// Port is the port that {port} stands for, 0 where the command has none.
func (p *Process) Port() int { return p.ports.http }

// GRPC is the port that {grpc} stands for, 0 where the command has none.
func (p *Process) GRPC() int { return p.ports.grpc }

// Err returns nil while the command runs, and afterwards how it ended, with its last lines.
func (p *Process) Err() error {
	select {
	case <-p.done:
		return fmt.Errorf("command %q ended: %w", p.command, ended(p.err, p.out))
	default:
		return nil
	}
}

// PeakRSS returns the most resident memory that the processes of the group have needed so far, each its own peak, added
// up, in bytes; what they share counts more than once. It looks when it is called: what has ended since the last call is
// not seen. 0: this system does not tell.
func (p *Process) PeakRSS() int64 {
	var sum int64
	for _, pid := range members(p.cmd.Process.Pid) {
		sum += peakOf(pid)
	}
	for {
		seen := p.peak.Load()
		if sum <= seen || p.peak.CompareAndSwap(seen, sum) {
			return max(sum, seen)
		}
	}
}

// Stop asks the whole group to end, kills after five seconds what has not, and returns when it has. Further calls do
// nothing but wait for the first.
func (p *Process) Stop() {
	p.cancel()
	p.end()
}

// end is Stop as the end of a context calls it, perhaps before there is a cancel.
func (p *Process) end() {
	p.stop.Do(func() {
		group := p.cmd.Process.Pid
		terminate(p.cmd)
		until := time.Now().Add(grace)
		select {
		case <-p.done:
		case <-time.After(grace):
		}
		for !gone(group) && time.Now().Before(until) {
			time.Sleep(10 * time.Millisecond)
		}
		if !gone(group) {
			Kill(p.cmd)
		}
		<-p.done
		p.keeper.release()
	})
}

// ended says how a command ended, with its last lines.
func ended(err error, out *Tail) error {
	switch {
	case err == nil:
		return fmt.Errorf("exit status 0%s", out.Last())
	case errors.Is(err, exec.ErrWaitDelay):
		return fmt.Errorf("exit status 0, and what it started runs on%s", out.Last())
	default:
		return fmt.Errorf("%w%s", err, out.Last())
	}
}

// environ is the environment of a command, nil where it is that of this process.
func (s Spec) environ() []string {
	if len(s.Env) == 0 {
		return nil
	}
	return append(os.Environ(), s.Env...)
}
