package cmd

import (
	"fmt"

	"github.com/spf13/cobra"

	"infer/loadtest/null"
)

// newNullCmd is the hidden subcommand that benchmarks load: a server that does nothing but answer, of a known service
// time. It writes its address to stdout and runs until it is interrupted.
func newNullCmd() *cobra.Command {
	var o null.Options
	var body int
	var grpc bool
	c := &cobra.Command{
		Use:    "null-server",
		Short:  "Answer every request at once, or after a known time",
		Hidden: true,
		Args:   usageArgs(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			o.Body = make([]byte, body)
			start := null.HTTP
			if grpc {
				o.Body, start = nil, null.GRPC
			}
			return null.Run(c.Context(), start, o, func(addr string) { fmt.Fprintln(c.OutOrStdout(), addr) })
		},
	}
	fs := c.Flags()
	fs.StringVar(&o.Addr, "addr", "127.0.0.1:0", "`ADDRESS` to listen on")
	fs.BoolVar(&grpc, "grpc", false, "speak gRPC in place of HTTP")
	fs.IntVar(&body, "body", 16, "`BYTES` of an answer over HTTP")
	fs.DurationVar(&o.ServiceTime, "service-time", 0, "`TIME` that an answer takes")
	fs.BoolVar(&o.Serial, "serial", false, "one request at a time")
	fs.DurationVar(&o.StallAfter, "stall-after", 0, "`TIME` from the first request to a standstill")
	fs.DurationVar(&o.StallFor, "stall-for", 0, "how long that is")
	fs.IntVar(&o.Threads, "threads", 1, "threads that answer HTTP")
	return c
}
