//go:build unix

package child

import (
	"os/exec"
	"syscall"
)

func shell() []string { return []string{"/bin/sh", "-c"} }

// Own gives a command that is not started yet a process group of its own, which has the id of the command. On Linux the
// command ends with the thread that starts it: lock the goroutine to its thread until the command has ended.
func Own(c *exec.Cmd) {
	if c.SysProcAttr == nil {
		c.SysProcAttr = &syscall.SysProcAttr{}
	}
	c.SysProcAttr.Setpgid = true
	dieWithParent(c.SysProcAttr)
}

// Kill kills a started command of Own and what it started.
func Kill(c *exec.Cmd) { _ = syscall.Kill(-c.Process.Pid, syscall.SIGKILL) }

// terminate asks them to end.
func terminate(c *exec.Cmd) { _ = syscall.Kill(-c.Process.Pid, syscall.SIGTERM) }

// gone reports whether no process of a group is left. One that has ended and that nobody waits for, as in a container
// without an init process, does not count.
func gone(group int) bool {
	return syscall.Kill(-group, 0) != nil || counts && len(members(group)) == 0
}
