package rest

import "golang.org/x/sys/unix"

// gone reports whether the client has closed its end or the connection is broken. It asks the system and does not
// wait; what the client may have sent before, a TLS alert among it, does not hide it. A client that closed only its
// sending half counts as gone, as it does for other servers.
func (c *conn) gone() bool {
	if c.raw == nil {
		return false
	}
	gone := false
	err := c.raw.Control(func(fd uintptr) {
		poll := [1]unix.PollFd{{Fd: int32(fd), Events: unix.POLLRDHUP}}
		n, err := unix.Poll(poll[:], 0)
		gone = err == nil && n > 0 && poll[0].Revents&(unix.POLLRDHUP|unix.POLLHUP|unix.POLLERR) != 0
	})
	return err != nil || gone
}
