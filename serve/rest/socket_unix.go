//go:build linux || darwin

package rest

import (
	"net"
	"os"
	"syscall"
)

// acceptPending takes a connection that the system holds for ln, without waiting; nil where there is none.
func acceptPending(ln net.Listener) net.Conn {
	sc, ok := ln.(syscall.Conn)
	if !ok {
		return nil
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return nil
	}
	fd := -1
	if err := raw.Control(func(listening uintptr) { fd, _, err = syscall.Accept(int(listening)) }); err != nil || fd < 0 {
		return nil
	}
	syscall.CloseOnExec(fd)
	f := os.NewFile(uintptr(fd), "")
	defer f.Close()
	c, err := net.FileConn(f) // works on a copy of the descriptor
	if err != nil {
		return nil
	}
	return c
}
