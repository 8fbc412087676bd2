//go:build unix && !linux

package library

import "syscall"

func dieWithParent(a *syscall.SysProcAttr) *syscall.SysProcAttr { return a }

// freeBytes is not known here: an install then fails with the error of the write.
func freeBytes(string) (int64, bool) { return 0, false }
