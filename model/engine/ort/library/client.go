package library

import (
	"context"
	"os/exec"
	"runtime"
	"time"
)

// tail keeps the last bytes that are written to it, so that a talkative client cannot fill the memory.
type tail struct{ b []byte }

const tailBytes = 64 << 10

func (t *tail) Write(p []byte) (int, error) {
	t.b = append(t.b, p...)
	if len(t.b) > tailBytes {
		t.b = append(t.b[:0], t.b[len(t.b)-tailBytes:]...)
	}
	return len(p), nil
}

// runClient runs a package client in dir and returns what it printed, both streams together. The end of ctx kills it
// and the programs that it started.
func runClient(ctx context.Context, path string, args []string, dir string, env []string) (string, error) {
	// On Linux the client is told to die with the thread that started it, so that a killed infer leaves no download
	// running; the thread must not change in between.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var out tail
	c := exec.CommandContext(ctx, path, args...)
	c.Dir, c.Env = dir, env
	c.Stdout, c.Stderr = &out, &out
	c.WaitDelay = 2 * time.Second
	ownGroup(c)
	err := c.Run()
	return string(out.b), err
}
