package child

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strconv"
	"time"

	"infer/internal/fault"
)

const (
	answerTimeout = time.Minute            // for one piece of work, the start of the command included
	settle        = 100 * time.Millisecond // in which an answer is seen to be the only one, or the last
)

// Worker is a command that does one piece of work at a time. It may go on: then it is started once and answers a line for
// each line that it reads, the number of the piece. It may end after a piece: then it is started anew for each, with the
// number as all of its input. What it says in its answer does not matter. For one goroutine.
type Worker struct {
	spec   Spec
	life   context.Context
	p      *Process // that goes on; nil where each piece has its own
	in     io.WriteCloser
	out    *os.File
	lines  *bufio.Reader
	keeper *keeper // of those that end
	pieces int     // begun
	wake   func() bool
}

// NewWorker starts a command, has it do two pieces of work, the first of which may be slow for all that it loads, and finds
// out so whether it goes on. It ends with Close, with ctx, and with infer itself. A command that cannot be started is a
// fault.Usage error; one that fails, or answers more or less than it is asked, an error with its last lines.
func NewWorker(ctx context.Context, s Spec) (*Worker, error) {
	// A Python whose output is no terminal keeps its answers to itself until it ends.
	s.Env = append([]string{"PYTHONUNBUFFERED=1"}, s.Env...)
	if s.Timeout <= 0 {
		s.Timeout = answerTimeout
	}
	w := &Worker{spec: s, life: ctx}
	if err := w.start(); err != nil {
		return nil, err
	}
	ends, err := w.tryOut()
	if err != nil {
		w.Close()
		return nil, err
	}
	if ends {
		w.Close()
		w.p, w.keeper = nil, newKeeper()
		err = w.Work(ctx)
	}
	if err != nil {
		w.Close()
		return nil, err
	}
	return w, nil
}

// Anew says that the command is started for each piece of work, which its start is then a part of.
func (w *Worker) Anew() bool { return w.p == nil }

// Work has the command do one piece of work and returns when it is done.
func (w *Worker) Work(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if w.p == nil {
		return w.once(ctx)
	}
	if err := w.ask(); err != nil {
		return w.explain(err)
	}
	if w.lines.Buffered() > 0 {
		return w.talksTooMuch()
	}
	return nil
}

// Close ends the command and what it started. A second Close is a no-op.
func (w *Worker) Close() {
	if w.p != nil {
		w.wake()
		_ = w.in.Close()
		w.p.Stop()
		_ = w.out.Close()
	}
	w.keeper.release()
}

// start starts the command that may go on.
func (w *Worker) start() error {
	if err := w.life.Err(); err != nil {
		return err
	}
	p := &Process{command: w.spec.Command, out: NewTail(maxTail), keeper: newKeeper(), done: make(chan struct{})}
	var err error
	if p.cmd, err = newCmd(p.command, w.spec); err == nil {
		p.cmd.Stderr = p.out
		w.in, w.out, err = p.talk()
	}
	if err != nil {
		p.keeper.release()
		return notStarted(p.command, err)
	}
	p.keeper.guard(p.cmd.Process.Pid)
	p.cancel = context.AfterFunc(w.life, p.end)
	// What ignores that it is to end would keep its reader waiting until it is killed.
	w.wake = context.AfterFunc(w.life, func() { _ = w.out.SetReadDeadline(time.Unix(1, 0)) })
	w.p, w.lines = p, bufio.NewReader(w.out)
	return nil
}

// tryOut asks a command that has just started twice. ends says that it ended by itself, and well, after at most one piece.
func (w *Worker) tryOut() (ends bool, err error) {
	err = w.ask()
	if err == nil {
		// Another line, or an end, that comes without being asked for tells a command that does all its work in one go.
		_ = w.out.SetReadDeadline(time.Now().Add(settle))
		if _, peek := w.lines.Peek(1); peek == nil {
			if !w.drain() {
				return false, w.talksTooMuch()
			}
			err = io.EOF
		} else if errors.Is(peek, io.EOF) {
			err = peek
		} else {
			err = w.ask()
		}
	}
	if errors.Is(err, io.EOF) && w.endedWell() {
		return true, nil
	}
	return false, w.explain(err)
}

// ask sends the number of a piece of work and waits for the line that says that it is done.
func (w *Worker) ask() error {
	w.pieces++
	_ = w.out.SetReadDeadline(time.Now().Add(w.spec.Timeout))
	if w.life.Err() != nil {
		return w.life.Err() // it may have come before the deadline above, and been overwritten
	}
	// What is gone, or reads nothing, shows in what it answers.
	_, _ = w.in.Write(append(strconv.AppendInt(nil, int64(w.pieces), 10), '\n'))
	for {
		switch _, err := w.lines.ReadSlice('\n'); {
		case errors.Is(err, bufio.ErrBufferFull): // a long line
		case err != nil:
			return err
		default:
			return nil
		}
	}
}

// drain reads what the command still says; false where that does not end soon.
func (w *Worker) drain() bool {
	_ = w.out.SetReadDeadline(time.Now().Add(grace))
	_, err := io.Copy(io.Discard, io.LimitReader(w.lines, maxAnswer))
	return err == nil && w.lines.Buffered() == 0
}

// endedWell waits for a command that has closed its output, and reports whether it ended without an error.
func (w *Worker) endedWell() bool {
	select {
	case <-w.p.done:
		return w.p.err == nil
	case <-time.After(grace):
		return false
	}
}

// explain says in words why a command that goes on did not answer.
func (w *Worker) explain(err error) error {
	switch {
	case err == nil || w.life.Err() != nil:
		return w.life.Err()
	case errors.Is(err, os.ErrDeadlineExceeded):
		return fault.New(fault.Deadline, "it answers with a line for each line that it reads, and must not keep its output in a buffer: see stdbuf -oL, sed -u, awk's fflush()",
			"command %q did not answer within %v%s", w.spec.Command, w.spec.Timeout, w.p.out.Last())
	}
	if !w.endedWell() {
		w.p.Stop() // it closed its output and goes on
	}
	return fault.Wrap(w.p.Err(), "run %d", w.pieces)
}

func (w *Worker) talksTooMuch() error {
	return fault.New(fault.Usage, "it answers with one line for each line that it reads, and says all else on its standard error",
		"command %q wrote more than one line for one run", w.spec.Command)
}

// once runs the command from start to end.
func (w *Worker) once(ctx context.Context) error {
	w.pieces++
	cmd, err := newCmd(w.spec.Command, w.spec)
	if err != nil {
		return notStarted(w.spec.Command, err)
	}
	ctx, cancel := context.WithTimeout(ctx, w.spec.Timeout)
	defer cancel()
	in, err := oneLine(w.pieces)
	if err != nil {
		return err
	}
	defer in.Close()
	errs := NewTail(maxTail)
	cmd.Stdin, cmd.Stderr = in, errs
	runtime.LockOSThread() // see Process.start
	defer runtime.UnlockOSThread()
	if err := cmd.Start(); err != nil {
		return notStarted(w.spec.Command, err)
	}
	w.keeper.guard(cmd.Process.Pid)
	stop := context.AfterFunc(ctx, func() { Kill(cmd) })
	err = cmd.Wait()
	stop()
	if !gone(cmd.Process.Pid) {
		Kill(cmd)
	}
	w.keeper.spare()
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded) && w.life.Err() == nil:
		return fault.New(fault.Deadline, "try it in a shell first", "command %q took more than %v%s", w.spec.Command, w.spec.Timeout, errs.Last())
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil:
		return fmt.Errorf("run %d: command %q ended: %w", w.pieces, w.spec.Command, ended(err, errs))
	}
	return nil
}

// oneLine is a standard input that holds a number and ends. A pipe that exec fills would be a goroutine beside what is timed.
func oneLine(n int) (*os.File, error) {
	in, to, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	_, err = fmt.Fprintln(to, n)
	if e := to.Close(); err == nil {
		err = e
	}
	if err != nil {
		_ = in.Close()
	}
	return in, err
}
