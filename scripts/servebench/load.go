//go:build linux

package main

import (
	"math"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// load is one measurement of a target.
type load struct {
	seconds float64
	failed  int       // answers other than 200
	latency []float64 // seconds from sending to the whole answer, ascending, of those with 200
	client  float64   // CPU seconds of this process
	server  float64   // CPU seconds of the server's processes
	others  float64   // share of the machine that other processes, or other machines of the host, took
	why     string    // the first failure
}

// rate is answers with 200 a second.
func (l load) rate() float64 { return float64(len(l.latency)) / l.seconds }

// p is a percentile of the latency in seconds: the nearest rank, NaN where nothing was answered.
func (l load) p(q float64) float64 { return rank(l.latency, q) }

// perRequest is CPU seconds a request, of both sides.
func (l load) perRequest() float64 {
	return (l.client + l.server) / float64(max(1, len(l.latency)+l.failed))
}

func rank(sorted []float64, q float64) float64 {
	if len(sorted) == 0 {
		return math.NaN()
	}
	return sorted[max(0, int(math.Ceil(q*float64(len(sorted))))-1)]
}

// cpu is the CPU time of this process.
func cpu() float64 {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return math.NaN()
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()).Seconds()
}

// clock takes the CPU time of both sides around the part of a load that counts.
type clock struct {
	s                    *server
	begin                time.Time
	client, server, busy float64
}

func startClock(s *server) clock { return clock{s, time.Now(), cpu(), s.cpu(), busy()} }

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

// stop fills the times of l and sorts its latencies.
func (c clock) stop(l *load) {
	l.seconds = time.Since(c.begin).Seconds()
	l.client, l.server = cpu()-c.client, c.s.cpu()-c.server
	l.others = max(0, busy()-c.busy-l.client-l.server) / (l.seconds * float64(runtime.NumCPU()))
	slices.Sort(l.latency)
}
