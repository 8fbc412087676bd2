package measure

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"runtime"
	"time"

	"infer/internal/child"
)

const (
	maxOutput = 64 << 20 // of a child's stdout
	maxErrors = 64 << 10 // of its stderr, the newest
)

// Child runs cmd as a fresh process in a process group of its own, waits for it and decodes the one JSON value that it
// wrote to stdout into result. When ctx ends it kills the group and returns ctx's error. A child that fails gives an
// error with the last lines of its stderr. cmd must not have been started; its Stdout and Stderr are replaced.
func Child(ctx context.Context, cmd *exec.Cmd, result any) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	out, errs := &head{max: maxOutput}, child.NewTail(maxErrors)
	cmd.Stdout, cmd.Stderr = out, errs
	if cmd.WaitDelay == 0 {
		cmd.WaitDelay = 2 * time.Second // a grandchild may hold the pipes open
	}
	child.Own(cmd)
	runtime.LockOSThread() // see child.Own
	defer runtime.UnlockOSThread()
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start child process: %w", err)
	}
	stop := context.AfterFunc(ctx, func() { child.Kill(cmd) })
	err := cmd.Wait()
	stop()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		return fmt.Errorf("child process: %w%s", err, errs.Last())
	}
	if out.full {
		return fmt.Errorf("child process wrote more than %d MiB", maxOutput>>20)
	}
	d := json.NewDecoder(&out.b)
	if err := d.Decode(result); err != nil {
		return fmt.Errorf("decode output of child process: %w%s", err, errs.Last())
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return fmt.Errorf("child process wrote more than one JSON value%s", errs.Last())
	}
	return nil
}

// head keeps the first max bytes and swallows the rest, so that the child does not block.
type head struct {
	b    bytes.Buffer
	max  int
	full bool
}

func (h *head) Write(p []byte) (int, error) {
	room := h.max - h.b.Len()
	if len(p) > room {
		h.full = true
	}
	h.b.Write(p[:min(len(p), room)])
	return len(p), nil
}
