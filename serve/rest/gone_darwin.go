package rest

import "golang.org/x/sys/unix"

// gone reports whether the client has closed its end or the connection is broken. It asks the system and does not
// wait. What the client has sent before hides it, a TLS alert among it.
func (c *conn) gone() bool {
	if c.raw == nil {
		return false
	}
	gone := false
	err := c.raw.Control(func(fd uintptr) {
		var one [1]byte
		n, _, err := unix.Recvfrom(int(fd), one[:], unix.MSG_PEEK|unix.MSG_DONTWAIT)
		gone = err == nil && n == 0 || err != nil && err != unix.EAGAIN && err != unix.EINTR
	})
	return err != nil || gone
}
