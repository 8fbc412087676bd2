//go:build linux

package main

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// readyTimeout is how long a server may take until it is ready.
const readyTimeout = 90 * time.Second

// server is a process, or a group of them, that serves on the loopback.
type server struct {
	http, grpc string // addresses
	cmd        *exec.Cmd
	log        *bytes.Buffer
	done       chan struct{} // closed when the process has ended
}

// ports are n free ports of the loopback, chosen together.
func ports(n int) ([]int, error) {
	var free []int
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer l.Close()
		free = append(free, l.Addr().(*net.TCPAddr).Port)
	}
	return free, nil
}

// launch starts a command in a process group of its own and returns at once.
func launch(dir string, env []string, httpPort, grpcPort int, args ...string) (*server, error) {
	s := &server{http: fmt.Sprintf("127.0.0.1:%d", httpPort), grpc: fmt.Sprintf("127.0.0.1:%d", grpcPort), log: new(bytes.Buffer), done: make(chan struct{})}
	s.cmd = exec.Command(args[0], args[1:]...)
	s.cmd.Dir, s.cmd.Env = dir, append(os.Environ(), env...)
	s.cmd.Stdout, s.cmd.Stderr = s.log, s.log
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		_ = s.cmd.Wait() // how it ended is in ProcessState
		close(s.done)
	}()
	return s, nil
}

// wait returns when the server is ready, asked every millisecond.
func (s *server) wait() error {
	c := http.Client{Timeout: time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	end := time.After(readyTimeout)
	for {
		if r, err := c.Get("http://" + s.http + "/v2/health/ready"); err == nil {
			r.Body.Close()
			if r.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-s.done:
			return fmt.Errorf("%s ended: %s", s.cmd.Path, s.tail())
		case <-end:
			s.stop()
			return fmt.Errorf("%s is not ready after %v: %s", s.cmd.Path, readyTimeout, s.tail())
		case <-tick.C:
		}
	}
}

// tail is the end of what an ended server has said.
func (s *server) tail() string {
	text := strings.TrimSpace(s.log.String())
	return text[max(0, len(text)-600):]
}

// stop ends the whole group: terminated, after ten seconds killed. Stopping twice is a no-op.
func (s *server) stop() {
	select {
	case <-s.done:
		return
	default:
	}
	_ = syscall.Kill(-s.cmd.Process.Pid, syscall.SIGTERM) // it may have ended by itself
	select {
	case <-s.done:
	case <-time.After(10 * time.Second):
	}
	_ = syscall.Kill(-s.cmd.Process.Pid, syscall.SIGKILL)
	<-s.done
}

// cpu is the CPU time of the group so far, in seconds, to a hundredth.
func (s *server) cpu() float64 {
	ticks := 0
	for _, f := range s.stats() {
		user, _ := strconv.Atoi(f[11])
		system, _ := strconv.Atoi(f[12])
		ticks += user + system
	}
	return float64(ticks) / 100
}

// rss is the resident memory of the group in bytes; pages that are shared count in each process.
func (s *server) rss() float64 {
	pages := 0
	for _, f := range s.stats() {
		n, _ := strconv.Atoi(f[21])
		pages += n
	}
	return float64(pages * os.Getpagesize())
}

// stats are the fields of /proc/PID/stat behind the name, of every process of the group.
func (s *server) stats() [][]string {
	files, _ := filepath.Glob("/proc/[0-9]*/stat") // the pattern is well-formed
	var all [][]string
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // the process has ended since
		}
		_, rest, _ := strings.Cut(string(text), ") ")
		f := strings.Fields(rest)
		if len(f) > 21 && f[2] == strconv.Itoa(s.cmd.Process.Pid) {
			all = append(all, f)
		}
	}
	return all
}

// output runs a command to its end.
func output(name string, args ...string) (string, error) {
	out, err := exec.Command(name, args...).Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		err = fmt.Errorf("%w: %s", err, exit.Stderr)
	}
	if err != nil {
		return "", fmt.Errorf("%s: %w", filepath.Base(name), err)
	}
	return strings.TrimSpace(string(out)), nil
}
