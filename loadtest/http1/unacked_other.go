//go:build !linux

package http1

import "net"

// unackedOf returns -1: not known.
func unackedOf(*net.TCPConn) int { return -1 }
