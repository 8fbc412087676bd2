//go:build unix && !linux

package library

import "syscall"

func dieWithParent(a *syscall.SysProcAttr) *syscall.SysProcAttr { return a }
