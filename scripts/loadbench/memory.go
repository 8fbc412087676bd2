//go:build linux

package main

import (
	"fmt"
	"io"
	"time"
)

// steady is the rate of the load under which memory is looked at.
const steady = 20000

// memory looks at the memory of infer loadtest while it runs, in an open loop.
func memory(b *bench) error {
	srv, err := start(b.infer, "null-server")
	if err != nil {
		return err
	}
	defer srv.stop()
	addr, err := srv.address()
	if err != nil {
		return err
	}
	end := b.memoryAt[len(b.memoryAt)-1]
	args, err := inferArgs(b, b.infer, load{url: "http://" + addr + "/", rate: steady, duration: end + time.Second})
	if err != nil {
		return err
	}
	begin := time.Now()
	p, err := start(args...)
	if err != nil {
		return err
	}
	defer p.stop()
	b.table("after", "memory (RSS) MB", "over the first")
	var base float64
	for _, at := range b.memoryAt {
		time.Sleep(time.Until(begin.Add(at)))
		rss := p.memory("VmRSS")
		if rss == 0 {
			return fmt.Errorf("it ended early: %s", tail(p.log.String()))
		}
		if base == 0 {
			base = rss
		}
		b.row(at.String(), fmt.Sprintf("%.1f", rss/1e6), fmt.Sprintf("%+.1f %%", 100*(rss/base-1)))
	}
	out, err := io.ReadAll(p.out)
	if err != nil {
		return err
	}
	f, err := readInfer(b, "", string(out))
	fmt.Fprintf(b.out, "\n%.0f/s asked for, open loop: %d answered, %.0f/s, %d failed\n", float64(steady), f.requests, f.rate, f.failed)
	return err
}
