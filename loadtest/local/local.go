// Package local owns load on a session in this process: no server, no wire.
package local
