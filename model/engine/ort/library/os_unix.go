//go:build unix

package library

import (
	"errors"
	"os"
	"os/exec"
	"syscall"
)

// tryLock takes the lock of f unless another process has it.
func tryLock(f *os.File) (busy bool, err error) {
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return true, nil
	}
	return false, err
}

// ownGroup gives the command a process group of its own, and has the whole group killed when its context ends.
func ownGroup(c *exec.Cmd) {
	c.SysProcAttr = dieWithParent(&syscall.SysProcAttr{Setpgid: true})
	c.Cancel = func() error { return syscall.Kill(-c.Process.Pid, syscall.SIGKILL) }
}
