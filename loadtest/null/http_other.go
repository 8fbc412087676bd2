//go:build !linux

package null

import "net"

// serveHTTP serves HTTP on l, which it closes.
func serveHTTP(l net.Listener, o Options) (*Server, error) { return servePlain(l, o) }
