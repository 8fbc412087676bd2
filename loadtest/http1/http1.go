// Package http1 owns HTTP/1.1 as a load generator speaks it: requests made before the load, a response parser, and an event loop that sends and receives on one thread.
package http1
