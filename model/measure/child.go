package measure

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"time"
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
	out, errs := &head{max: maxOutput}, &tail{max: maxErrors}
	cmd.Stdout, cmd.Stderr = out, errs
	if cmd.WaitDelay == 0 {
		cmd.WaitDelay = 2 * time.Second // a grandchild may hold the pipes open
	}
	ownGroup(cmd)
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start child process: %w", err)
	}
	stop := context.AfterFunc(ctx, func() { killGroup(cmd) })
	err := cmd.Wait()
	stop()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		return fmt.Errorf("child process: %w%s", err, errs.condensed())
	}
	if out.full {
		return fmt.Errorf("child process wrote more than %d MiB", maxOutput>>20)
	}
	d := json.NewDecoder(&out.b)
	if err := d.Decode(result); err != nil {
		return fmt.Errorf("decode output of child process: %w%s", err, errs.condensed())
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return fmt.Errorf("child process wrote more than one JSON value%s", errs.condensed())
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

// tail keeps the last max bytes or a little more.
type tail struct {
	b   []byte
	max int
}

func (t *tail) Write(p []byte) (int, error) {
	t.b = append(t.b, p...)
	if len(t.b) > 2*t.max {
		t.b = append(t.b[:0], t.b[len(t.b)-t.max:]...)
	}
	return len(p), nil
}

// condensed returns the last three lines that are not blank as ": a; b; c", at most 400 bytes, "" for none.
func (t *tail) condensed() string {
	var lines []string
	for line := range strings.Lines(strings.ToValidUTF8(string(t.b), "?")) {
		if line = strings.TrimSpace(line); line != "" {
			lines = append(lines, line)
		}
	}
	if len(lines) == 0 {
		return ""
	}
	s := strings.Join(lines[max(0, len(lines)-3):], "; ")
	if len(s) > 400 {
		s = "…" + strings.ToValidUTF8(s[len(s)-400:], "")
	}
	return ": " + s
}
