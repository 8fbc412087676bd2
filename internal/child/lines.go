package child

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"
)

// maxLine is how much of one line is kept, in bytes.
const maxLine = 64 << 10

// Lines runs a program with arguments, without a shell, from start to end, and calls line with each line that it
// writes, to either stream, in the order in which they come and from one goroutine. env is NAME=VALUE, beside the
// environment of this process. The program has a process group of its own, which is killed when ctx ends; then the
// error is that of ctx. A program that cannot be started is a fault.Usage error, one that fails an *exec.ExitError in
// words.
func Lines(ctx context.Context, argv, env []string, line func(string)) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	command := strings.Join(argv, " ")
	cmd := exec.Command(argv[0], argv[1:]...)
	if len(env) > 0 {
		cmd.Env = append(os.Environ(), env...)
	}
	out := &lineWriter{line: line}
	cmd.Stdout, cmd.Stderr = out, out
	cmd.WaitDelay = 2 * time.Second // what it started may hold its output open
	Own(cmd)
	k := newKeeper()
	defer k.release()
	runtime.LockOSThread() // see Process.start
	defer runtime.UnlockOSThread()
	if err := cmd.Start(); err != nil {
		return notStarted(command, err)
	}
	k.guard(cmd.Process.Pid)
	stop := context.AfterFunc(ctx, func() { Kill(cmd) })
	err := cmd.Wait()
	stop()
	out.flush()
	if !gone(cmd.Process.Pid) {
		Kill(cmd)
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil && !errors.Is(err, exec.ErrWaitDelay) {
		return fmt.Errorf("command %q: %w", command, err)
	}
	return nil
}

// lineWriter cuts what is written to it into lines; a carriage return, with which programs draw over a line, ends one.
type lineWriter struct {
	line    func(string)
	partial []byte
}

func (w *lineWriter) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 {
		end := bytes.IndexAny(p, "\r\n")
		part := p
		if end >= 0 {
			part = p[:end]
		}
		w.partial = append(w.partial, part[:min(len(part), maxLine-len(w.partial))]...)
		if end < 0 {
			break
		}
		w.flush()
		p = p[end+1:]
	}
	return n, nil
}

// flush tells the line so far, unless it is empty.
func (w *lineWriter) flush() {
	if len(w.partial) > 0 {
		w.line(strings.ToValidUTF8(string(w.partial), "?"))
		w.partial = w.partial[:0]
	}
}
