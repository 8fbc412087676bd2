//go:build unix

package child

import (
	"fmt"
	"io"
	"os/exec"
	"sync"
	"syscall"
)

// keeper is a small process that outlives infer just long enough to kill a group: its standard input ends with infer,
// however infer ends. Linux kills the command itself with its parent, but not what the command started.
type keeper struct {
	cmd  *exec.Cmd
	in   io.WriteCloser
	once sync.Once
}

// newKeeper starts a keeper, before its group so that this takes no time from it; nil where there is no shell.
func newKeeper() *keeper {
	k := &keeper{cmd: exec.Command("/bin/sh", "-c", `while read next; do group=$next; done; [ -z "$group" ] || kill -s KILL -- "-$group" 2>/dev/null`)}
	k.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C goes to the group of infer
	in, err := k.cmd.StdinPipe()
	if err != nil || k.cmd.Start() != nil {
		return nil
	}
	k.in = in
	return k
}

// guard says which group to kill, in place of the one before.
func (k *keeper) guard(group int) {
	if k != nil {
		fmt.Fprintln(k.in, group)
	}
}

// spare says that the group has ended: its number is free for others.
func (k *keeper) spare() {
	if k != nil {
		fmt.Fprintln(k.in)
	}
}

// release ends the keeper, and spares the group.
func (k *keeper) release() {
	if k == nil {
		return
	}
	k.once.Do(func() {
		_ = k.cmd.Process.Kill()
		_ = k.cmd.Wait()
	})
}
