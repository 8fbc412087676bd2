//go:build !linux && !darwin

package rest

import "net"

// acceptPending finds nothing: what the system holds is lost with the listener.
func acceptPending(net.Listener) net.Conn { return nil }

// gone never knows.
func (c *conn) gone() bool { return false }
