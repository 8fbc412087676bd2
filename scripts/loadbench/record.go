//go:build linux

package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"syscall"
	"time"
)

// soTimestampNS is SO_TIMESTAMPNS, and the type of the control messages that it brings: struct timespec.
const soTimestampNS = 35

// recorder answers GET requests and notes when each came: when the kernel had it, so that how fast the recorder itself
// is scheduled does not matter.
type recorder struct {
	mu       sync.Mutex
	arrivals []int64 // nanoseconds of the wall clock
}

// record is the process of a recorder: it prints its address, answers until in ends, and prints the arrivals in
// seconds since the first. It fails where the wall clock was set meanwhile.
func record(in io.Reader, out io.Writer) error {
	var set error
	stamped := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error { // connections inherit it
		err := c.Control(func(fd uintptr) { set = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, soTimestampNS, 1) })
		return errors.Join(err, set)
	}}
	l, err := stamped.Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Fprintln(out, l.Addr())
	var r recorder
	begin := time.Now()
	go r.accept(l) // until the process ends
	if _, err := io.Copy(io.Discard, in); err != nil {
		return err
	}
	end := time.Now()
	if moved := end.Sub(begin) - end.Round(0).Sub(begin.Round(0)); moved.Abs() > time.Millisecond {
		return fmt.Errorf("the wall clock was moved by %v", moved)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	w := bufio.NewWriter(out)
	for _, at := range r.arrivals {
		fmt.Fprintln(w, at)
	}
	return w.Flush()
}

func (r *recorder) accept(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go r.serve(c.(*net.TCPConn))
	}
}

// serve answers what comes on a connection until it ends.
func (r *recorder) serve(c *net.TCPConn) {
	defer c.Close()
	raw, err := c.SyscallConn()
	if err != nil {
		return
	}
	buf, oob := make([]byte, 64<<10), make([]byte, 256)
	kept := 0
	for {
		n, at, err := receive(raw, buf[kept:], oob)
		if err != nil || n == 0 {
			return
		}
		text := buf[:kept+n]
		for {
			end := bytes.Index(text, []byte("\r\n\r\n"))
			if end < 0 {
				break
			}
			text = text[end+4:]
			r.mu.Lock()
			r.arrivals = append(r.arrivals, at)
			r.mu.Unlock()
			if _, err := c.Write([]byte("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")); err != nil {
				return
			}
		}
		kept = copy(buf, text)
	}
}

// receive reads bytes and when the kernel had the last of them, by the wall clock.
func receive(raw syscall.RawConn, buf, oob []byte) (n int, at int64, err error) {
	var oobn int
	wait := raw.Read(func(fd uintptr) bool {
		n, oobn, _, _, err = syscall.Recvmsg(int(fd), buf, oob, 0)
		return !errors.Is(err, syscall.EAGAIN) && !errors.Is(err, syscall.EINTR)
	})
	if err = errors.Join(wait, err); err != nil || n == 0 {
		return 0, 0, err
	}
	messages, err := syscall.ParseSocketControlMessage(oob[:oobn])
	if err != nil {
		return 0, 0, err
	}
	for _, m := range messages {
		if m.Header.Type == soTimestampNS && len(m.Data) == 16 {
			return n, int64(binary.NativeEndian.Uint64(m.Data))*1e9 + int64(binary.NativeEndian.Uint64(m.Data[8:])), nil
		}
	}
	return n, 0, errors.New("no time stamp on what came")
}
