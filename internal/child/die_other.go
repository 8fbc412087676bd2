//go:build unix && !linux

package child

import "syscall"

// dieWithParent is not possible here; the keeper sees to it.
func dieWithParent(*syscall.SysProcAttr) {}
