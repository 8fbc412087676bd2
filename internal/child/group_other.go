//go:build !unix

package child

import (
	"os/exec"
)

func shell() []string { return nil }

// Own does nothing: this system has no process groups.
func Own(*exec.Cmd) {}

// Kill kills a started command.
func Kill(c *exec.Cmd) { _ = c.Process.Kill() }

func terminate(c *exec.Cmd) { Kill(c) }

func gone(int) bool { return true }

type keeper struct{}

func newKeeper() *keeper { return nil }

func (*keeper) guard(int) {}

func (*keeper) spare() {}

func (*keeper) release() {}
