//go:build linux

package main

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// million looks at the memory over a million requests: after the first tenth, and at the end.
func million(b *bench) error {
	const whole, parts = 1_000_000, 10
	s := b.mnist()
	srv, err := b.run(inferWith("infer"), s)
	if err != nil {
		return err
	}
	defer srv.stop()
	var memory []float64
	answered, failed := 0, 0
	request := s.binaryRequest()
	for part := 1; part <= parts; {
		l, err := closed(srv, request, 16, time.Second)
		if err != nil {
			return err
		}
		answered, failed = answered+len(l.latency), failed+l.failed
		for ; part <= parts && answered >= part*whole/parts; part++ {
			memory = append(memory, srv.rss()/1e6)
		}
	}
	cells := make([]string, len(memory))
	for i, m := range memory {
		cells[i] = fmt.Sprintf("%.1f", m)
	}
	b.table("requests", "failed", "memory after each tenth, MB", "growth from the first tenth to the last")
	b.row(strconv.Itoa(answered), strconv.Itoa(failed), strings.Join(cells, " "), fmt.Sprintf("%+.1f %%", 100*(memory[len(memory)-1]/memory[0]-1)))
	return nil
}

// reload adds a version of the model every second under load.
func reload(b *bench) error {
	s := b.mnist()
	folder := filepath.Join(b.work, "reload", s.name)
	if err := addVersion(folder, s.file, 1); err != nil {
		return err
	}
	srv, err := b.run(repositoryOf("infer", filepath.Dir(folder)), s)
	if err != nil {
		return err
	}
	defer srv.stop()
	stop, added := make(chan struct{}), make(chan int, 1)
	go func() {
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for version := 2; ; version++ {
			select {
			case <-stop:
				added <- version - 2
				return
			case <-tick.C:
				if err := addVersion(folder, s.file, version); err != nil {
					fmt.Fprintln(os.Stderr, err)
				}
			}
		}
	}()
	l, err := closed(srv, s.binaryRequest(), 16, time.Duration(b.rounds)*b.seconds)
	close(stop)
	versions := <-added
	if err != nil {
		return err
	}
	served, err := output("curl", "-sS", "http://"+srv.http+"/v2/models/"+s.name)
	if err != nil {
		return err
	}
	b.table("versions added", "requests", "failed", "p50 ms", "p99 ms", "longest ms", "memory MB", "what is served at the end")
	b.row(strconv.Itoa(versions), strconv.Itoa(len(l.latency)), strconv.Itoa(l.failed)+" "+l.why, fmt.Sprintf("%.2f", 1e3*l.p(.5)), fmt.Sprintf("%.2f", 1e3*l.p(.99)),
		fmt.Sprintf("%.1f", 1e3*l.p(1)), fmt.Sprintf("%.0f", srv.rss()/1e6), fmt.Sprintf("`%.80s`", served))
	return nil
}

// addVersion copies the model into a hidden folder and renames it: a version is there whole or not at all.
func addVersion(folder, file string, version int) error {
	hidden := filepath.Join(folder, "."+strconv.Itoa(version))
	if err := os.MkdirAll(hidden, 0o755); err != nil {
		return err
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(hidden, "model.onnx"), data, 0o644); err != nil {
		return err
	}
	return os.Rename(hidden, filepath.Join(folder, strconv.Itoa(version)))
}

// connections measures with and without 5000 connections that say nothing and 200 that send a byte every half second.
func connections(b *bench) error {
	const idle, slow = 5000, 200
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return err
	}
	if limit.Max < idle+slow+100 {
		b.skip(fmt.Sprintf("connections: no more than %d open files are allowed", limit.Max))
		return nil
	}
	limit.Cur = limit.Max // the server inherits it
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return err
	}
	s := b.mnist()
	srv, err := b.run(inferWith("infer"), s)
	if err != nil {
		return err
	}
	defer srv.stop()
	b.table("beside the load", "n", "failed", "requests/s", "p50 ms", "p99 ms", "memory MB")
	if err := b.besides(srv, s, "nothing"); err != nil {
		return err
	}
	crowd, err := gather(srv.http, idle+slow)
	defer func() {
		for _, c := range crowd {
			c.Close()
		}
	}()
	if err != nil {
		return err
	}
	stop := make(chan struct{})
	defer close(stop)
	go trickle(crowd[:slow], stop)
	return b.besides(srv, s, fmt.Sprintf("%d idle and %d slow connections", idle, slow))
}

func (b *bench) besides(srv *server, s subject, what string) error {
	var rate, p50, p99 []float64
	n, failed := 0, 0
	for range b.rounds {
		l, err := closed(srv, s.binaryRequest(), 16, b.seconds)
		if err != nil {
			return err
		}
		rate, p50, p99 = append(rate, l.rate()), append(p50, 1e3*l.p(.5)), append(p99, 1e3*l.p(.99))
		n, failed = n+len(l.latency), failed+l.failed
	}
	b.row(what, strconv.Itoa(n), strconv.Itoa(failed), spread(rate, "%.0f"), spread(p50, "%.2f"), spread(p99, "%.2f"), fmt.Sprintf("%.0f", srv.rss()/1e6))
	return nil
}

func gather(address string, n int) ([]net.Conn, error) {
	var crowd []net.Conn
	for range n {
		c, err := net.DialTimeout("tcp", address, 10*time.Second)
		if err != nil {
			return crowd, err
		}
		crowd = append(crowd, c)
	}
	return crowd, nil
}

// trickle sends the head of a request on each connection, a byte every half second. The server may close them.
func trickle(slow []net.Conn, stop <-chan struct{}) {
	head := []byte("POST /v2/models/mnist-cnn/infer HTTP/1.1\r\nHost: localhost\r\nX-Slow: ")
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	for i := 0; ; i++ {
		for _, c := range slow {
			_, _ = c.Write(head[i%len(head) : i%len(head)+1]) // one that was closed stays closed
		}
		select {
		case <-stop:
			return
		case <-tick.C:
		}
	}
}
