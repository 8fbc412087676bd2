//go:build linux

package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// process is a child in a process group of its own.
type process struct {
	cmd   *exec.Cmd
	stdin io.WriteCloser
	out   *bufio.Reader
	log   bytes.Buffer // stderr
	done  bool
}

// start starts a command.
func start(args ...string) (*process, error) {
	p := &process{cmd: exec.Command(args[0], args[1:]...)}
	p.cmd.Stderr = &p.log
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	var err error
	if p.stdin, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.out = bufio.NewReader(stdout)
	return p, p.cmd.Start()
}

// address is the first line of what a server prints.
func (p *process) address() (string, error) {
	line, err := p.out.ReadString('\n')
	if err != nil {
		p.stop()
		return "", fmt.Errorf("%s gives no address: %s", p.cmd, tail(p.log.String()))
	}
	return strings.TrimSpace(line), nil
}

// stop ends the group. Stopping twice is a no-op.
func (p *process) stop() {
	if p.done {
		return
	}
	p.done = true
	_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGTERM) // it may have ended by itself
	late := time.AfterFunc(10*time.Second, func() { _ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL) })
	defer late.Stop()
	_ = p.cmd.Wait() // how it ended is known: by the signal
}

// cpu is the CPU time of the process so far, in seconds, to a hundredth.
func (p *process) cpu() float64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	_, rest, _ := strings.Cut(string(text), ") ")
	f := strings.Fields(rest)
	if err != nil || len(f) < 13 {
		return math.NaN()
	}
	user, _ := strconv.Atoi(f[11])
	system, _ := strconv.Atoi(f[12])
	return float64(user+system) / 100
}

// memory is a field of the process's status in bytes: VmRSS what it has, VmHWM the most it had; 0 when it has ended.
func (p *process) memory(field string) float64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(text), field+":")
	words := strings.Fields(rest)
	if len(words) == 0 {
		return 0
	}
	kib, _ := strconv.ParseFloat(words[0], 64)
	return kib * 1024
}

// finished is a command that ran to its end.
type finished struct {
	out    string
	code   int
	wall   float64 // seconds
	cpu    float64 // seconds, with the processes that it waited for
	memory float64 // bytes: the peak, as seen every 20 ms
}

// finish runs a command to its end. An exit code is no error.
func finish(args ...string) (finished, error) {
	begin := time.Now()
	p, err := start(args...)
	if err != nil {
		return finished{}, err
	}
	p.stdin.Close()
	var f finished
	stop, seen := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(seen)
		for tick := time.NewTicker(20 * time.Millisecond); ; {
			select {
			case <-stop:
				tick.Stop()
				return
			case <-tick.C:
				// Not rusage's: that starts with the memory of this process, which forked it.
				f.memory = max(f.memory, p.memory("VmHWM"))
			}
		}
	}()
	text, readErr := io.ReadAll(p.out)
	err = p.cmd.Wait()
	close(stop)
	<-seen
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return f, err
	}
	s := p.cmd.ProcessState
	f.out, f.code, f.wall, f.cpu = string(text), s.ExitCode(), time.Since(begin).Seconds(), (s.UserTime() + s.SystemTime()).Seconds()
	if f.code != 0 {
		f.out += p.log.String()
	}
	return f, readErr
}

// output is what a command prints that must succeed.
func output(args ...string) (string, error) {
	f, err := finish(args...)
	if err == nil && f.code != 0 {
		err = fmt.Errorf("exit code %d: %s", f.code, tail(f.out))
	}
	if err != nil {
		return "", fmt.Errorf("%s: %w", filepath.Base(args[0]), err)
	}
	return strings.TrimSpace(f.out), nil
}

func tail(text string) string {
	text = strings.TrimSpace(text)
	return text[max(0, len(text)-600):]
}

// busy is the CPU time that was not idle, in seconds, of the whole machine; stolen time counts.
func busy() float64 {
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return math.NaN()
	}
	line, _, _ := strings.Cut(string(text), "\n")
	ticks := 0
	for i, f := range strings.Fields(line) {
		if n, err := strconv.Atoi(f); err == nil && i != 4 && i != 5 && i <= 8 { // 4: idle, 5: waiting for a disk, from 9 on: counted before
			ticks += n
		}
	}
	return float64(ticks) / 100
}

// cores are two CPUs that this process may use: one for a server, one for a generator.
func cores() (server, generator string, err error) {
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return "", "", err
	}
	_, rest, _ := strings.Cut(string(text), "Cpus_allowed_list:")
	list, _, _ := strings.Cut(rest, "\n")
	var all []int
	for span := range strings.SplitSeq(strings.TrimSpace(list), ",") {
		first, last, ok := strings.Cut(span, "-")
		if !ok {
			last = first
		}
		from, _ := strconv.Atoi(first)
		to, _ := strconv.Atoi(last)
		for c := from; c <= to && len(all) < 2; c++ {
			all = append(all, c)
		}
	}
	if len(all) < 2 {
		return "", "", fmt.Errorf("a server and a generator need a CPU each, %d of %d is allowed", len(all), runtime.NumCPU())
	}
	return strconv.Itoa(all[0]), strconv.Itoa(all[1]), nil
}

// disturbed notes the share of the CPU time that others took: all that was busy since before, but for ours.
func (b *bench) disturbed(before, ours, wall float64) {
	b.others = append(b.others, 100*max(0, busy()-before-ours)/(wall*float64(runtime.NumCPU())))
}
