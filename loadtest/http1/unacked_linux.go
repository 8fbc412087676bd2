package http1

import (
	"net"

	"golang.org/x/sys/unix"
)

// unacked returns how many bytes written to a TCP connection its other end has not acknowledged; -1: not known.
func unacked(fd int) int {
	n, err := unix.IoctlGetInt(fd, unix.SIOCOUTQ)
	if err != nil {
		return -1
	}
	return n
}

// unackedOf is unacked of a connection of package net.
func unackedOf(c *net.TCPConn) int {
	n := -1
	if raw, err := c.SyscallConn(); err == nil {
		raw.Control(func(fd uintptr) { n = unacked(int(fd)) })
	}
	return n
}
