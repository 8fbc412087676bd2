//go:build linux

package main

import (
	"fmt"
	"strconv"

	"github.com/valyala/fasthttp"
)

// serveEcho is the yardstick of the stack: a server that reads a body and answers one of a given size, nothing else.
// args: the port and the bytes of the answer.
func serveEcho(args []string) error {
	if len(args) != 2 {
		return fmt.Errorf("echo takes a port and a size")
	}
	size, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	body := make([]byte, size)
	s := fasthttp.Server{Handler: func(c *fasthttp.RequestCtx) {
		c.SetContentType("application/octet-stream")
		c.Response.SetBodyRaw(body)
	}, NoDefaultServerHeader: true, MaxRequestBodySize: 64 << 20}
	return s.ListenAndServe("127.0.0.1:" + args[0])
}
