//go:build linux

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// bodyBytes and connections are those of the closed loops at full speed.
const (
	bodyBytes   = 3 << 10
	connections = 32
)

// saturated is the share of its CPU from which on a server is the limit and not the generator.
const saturated = 0.95

// speed is a generator at full speed, and what was measured of it, a value a round.
type speed struct {
	tool
	srv                                *process
	load                               load
	requests, failed                   int
	perCore, rate, server, memory, p50 []float64
	fault                              error
}

// throughput pins the server to one CPU and each generator in turn to another. Nobody else's gRPC is measured.
func throughput(b *bench) error {
	serverCore, core, err := cores()
	if err != nil {
		return err
	}
	body := filepath.Join(b.work, "body")
	if err := os.WriteFile(body, []byte(strings.Repeat("0123456789abcdef", bodyBytes/16)), 0o600); err != nil {
		return err
	}
	tools := b.chosen(func(tool) bool { return true })
	if rpc := rpcTool(); b.tools.MatchString(rpc.name) {
		tools = append(tools, rpc)
	}
	var list []*speed
	for _, t := range tools {
		list = append(list, &speed{tool: t})
	}
	for _, scheme := range []string{"http", "grpc"} {
		srv, err := start("taskset", "-c", serverCore, b.infer, "null-server", "--grpc="+strconv.FormatBool(scheme == "grpc"))
		if err != nil {
			return err
		}
		defer srv.stop()
		addr, err := srv.address()
		if err != nil {
			return err
		}
		for _, s := range list {
			if s.grpc == (scheme == "grpc") {
				s.srv, s.load = srv, load{url: scheme + "://" + addr, body: body, connections: connections, duration: b.seconds}
			}
		}
	}
	for range b.rounds {
		for _, s := range list {
			if s.fault == nil {
				s.fault = b.sprint(s, core)
			}
		}
	}
	b.speeds(list)
	return nil
}

// sprint is one round of one generator. CPU time is of its whole process, start and end included.
func (b *bench) sprint(s *speed, core string) error {
	busyBefore, cpuBefore, begin := busy(), s.srv.cpu(), time.Now()
	f, run, err := b.generate(s.tool, s.load, "taskset", "-c", core)
	if err != nil {
		return err
	}
	served, wall := s.srv.cpu()-cpuBefore, time.Since(begin).Seconds()
	b.disturbed(busyBefore, served+run.cpu, wall)
	s.requests, s.failed = s.requests+f.requests, s.failed+f.failed
	s.perCore, s.rate = append(s.perCore, float64(f.requests)/run.cpu), append(s.rate, f.rate)
	s.server = append(s.server, served/b.seconds.Seconds())
	s.memory, s.p50 = append(s.memory, run.memory/1e6), append(s.p50, f.p50*1e3)
	return nil
}

func (b *bench) speeds(list []*speed) {
	fmt.Fprintf(b.out, "POST of %d bytes, %d connections, closed loop; server and generator with a CPU each.\nOver gRPC an inference of one row of %s.\n\n", bodyBytes, connections, filepath.Base(b.model()))
	b.table("generator", "n", "requests/s per core of the generator", "over infer's", "requests/s", "p50 ms", "failed", "peak memory MB", "server's CPU", "")
	for _, s := range list {
		if s.fault != nil {
			b.row(s.name, s.fault.Error())
			continue
		}
		limit := ""
		for _, share := range s.server {
			if share >= saturated {
				limit = "the server was the limit: the rate is no less than this"
			}
		}
		relative := ""
		if list[0].part == "" && list[0].fault == nil && !s.grpc {
			relative = spread(ratios(s.perCore, list[0].perCore), "%.2f")
		}
		b.row(s.name, strconv.Itoa(s.requests), spread(s.perCore, "%.0f"), relative, spread(s.rate, "%.0f"), spread(s.p50, "%.3f"), failures(s.failed),
			spread(s.memory, "%.0f"), spread(scaled(s.server, 100), "%.0f %%"), limit)
	}
}
