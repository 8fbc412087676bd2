package child

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"
)

// maxAnswer is the longest line that a Dialog takes for an answer, in bytes.
const maxAnswer = 16 << 20

// Dialog is a program that reads requests from its standard input, a JSON value a line, and writes answers to its
// standard output, a JSON value a line. For one goroutine.
type Dialog struct {
	p       *Process
	in      io.WriteCloser
	out     *os.File
	log     *lineWriter
	answers *bufio.Scanner
}

// Converse starts a program with arguments, without a shell, in a process group of its own, which ends with Close, with
// ctx, and with infer itself. env is NAME=VALUE, beside the environment of this process. What the program writes to its
// standard error is given to line, one line a call, from one goroutine. A program that cannot be started is a
// fault.Usage error.
func Converse(ctx context.Context, argv, env []string, line func(string)) (*Dialog, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	p := &Process{command: strings.Join(argv, " "), out: NewTail(maxTail), keeper: newKeeper(), done: make(chan struct{})}
	p.cmd = exec.Command(argv[0], argv[1:]...)
	if len(env) > 0 {
		p.cmd.Env = append(os.Environ(), env...)
	}
	p.cmd.WaitDelay = 2 * time.Second // what it started may hold its output open
	d := &Dialog{p: p, log: &lineWriter{line: line}}
	p.cmd.Stderr = io.MultiWriter(p.out, d.log)
	Own(p.cmd)
	if err := d.start(); err != nil {
		p.keeper.release()
		return nil, notStarted(p.command, err)
	}
	p.keeper.guard(p.cmd.Process.Pid)
	p.cancel = context.AfterFunc(ctx, p.end)
	return d, nil
}

// start starts the program.
func (d *Dialog) start() (err error) {
	if d.in, d.out, err = d.p.talk(); err != nil {
		return err
	}
	d.answers = bufio.NewScanner(d.out)
	d.answers.Buffer(nil, maxAnswer)
	return nil
}

// talk starts the command with pipes for its input and output. The one for the output is not that of exec, which is closed
// as soon as the command ends, with the last answer in it.
func (p *Process) talk() (in io.WriteCloser, out *os.File, err error) {
	out, to, err := os.Pipe()
	if err != nil {
		return nil, nil, err
	}
	defer to.Close()
	p.cmd.Stdout = to
	if in, err = p.cmd.StdinPipe(); err == nil {
		err = p.start()
	}
	if err != nil {
		_ = out.Close()
		return nil, nil, err
	}
	return in, out, nil
}

// Ask sends a request and hands one answer after the other to take, until that returns true or an error. A program that
// ends before is an error with its last lines. When ctx, that of Converse, ends, the error is that of ctx.
func (d *Dialog) Ask(ctx context.Context, request any, take func(answer []byte) (last bool, err error)) error {
	line, err := json.Marshal(request)
	if err != nil {
		return err
	}
	_, _ = d.in.Write(append(line, '\n')) // a program that is gone shows below, with its reason
	for d.answers.Scan() {
		if last, err := take(d.answers.Bytes()); last || err != nil {
			return err
		}
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err := d.answers.Err(); err != nil {
		return fmt.Errorf("command %q: read its answer: %w", d.p.command, err)
	}
	select {
	case <-d.p.done:
	case <-time.After(grace): // it closed its output and goes on
		d.p.Stop()
	}
	return d.p.Err()
}

// Close ends the program and what it started. A second Close is a no-op.
func (d *Dialog) Close() {
	_ = d.in.Close()
	d.p.Stop()
	_ = d.out.Close()
	d.log.flush()
}
