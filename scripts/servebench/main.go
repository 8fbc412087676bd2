//go:build linux

// Command servebench measures infer serve beside other servers of models, client and servers on the same machine, and
// prints Markdown. Usually started by scripts/serve-bench.sh, which finds the other servers.
//
//	servebench -parts FILE [-rounds 5] [-seconds 3s] SCENARIO...
package main

import (
	"flag"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// scenario is one table.
type scenario struct {
	name, about string
	run         func(*bench) error
}

func scenarios() []scenario {
	return []scenario{
		{"added", "latency at one connection over the bare run", added},
		{"throughput", "requests a second at 16 connections", throughput},
		{"ceiling", "throughput against the CPU time of an empty echo and the bare run", ceiling},
		{"batching", "a model where batching pays, against the best offline throughput", batchingPays},
		{"no-batching", "models where it does not pay: the defaults against --max-batch 1", batchingDoesNot},
		{"overload", "twice the capacity, open loop, SLO 50 ms", overload},
		{"start", "time until ready and idle memory", start},
		{"million", "memory over a million requests", million},
		{"reload", "a new version every second under load", reload},
		{"connections", "5000 idle and 200 slow connections beside the load", connections},
	}
}

func main() {
	log.SetFlags(0)
	if len(os.Args) > 1 && os.Args[1] == "echo" { // the child that ceiling starts
		log.Fatal(serveEcho(os.Args[2:]))
	}
	b := &bench{out: os.Stdout}
	parts := flag.String("parts", "", "what scripts/serve-parts/parts.py printed")
	flag.StringVar(&b.root, "root", ".", "the repository")
	flag.StringVar(&b.models, "models", "../shared/models", "the shared models")
	flag.StringVar(&b.infer, "infer", "", "a built infer, instead of building one")
	servers := flag.String("servers", "", "a regular expression: the servers to measure (all)")
	flag.IntVar(&b.rounds, "rounds", 5, "rounds of each comparison")
	flag.DurationVar(&b.seconds, "seconds", 3*time.Second, "that each measurement of a round takes")
	flag.Float64Var(&b.noise, "noise", 1, "share of the CPU that other processes may take; a closed loop that was disturbed more is measured again")
	flag.Usage = usage
	flag.Parse()
	var err error
	if b.servers, err = regexp.Compile(*servers); err != nil {
		log.Fatal(err)
	}
	if err := runAll(b, *parts, flag.Args()); err != nil {
		log.Fatal(err)
	}
}

func usage() {
	fmt.Fprintln(os.Stderr, "servebench -parts FILE [flags] SCENARIO...; all without one")
	flag.PrintDefaults()
	for _, s := range scenarios() {
		fmt.Fprintf(os.Stderr, "  %-12s %s\n", s.name, s.about)
	}
}

func runAll(b *bench, parts string, names []string) error {
	chosen := scenarios()
	for _, name := range names {
		if !slices.ContainsFunc(chosen, func(s scenario) bool { return s.name == name }) {
			return fmt.Errorf("no scenario is called %q", name)
		}
	}
	dir, err := os.MkdirTemp("", "servebench-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	b.work = dir
	if b.root, err = filepath.Abs(b.root); err != nil {
		return err
	}
	if err := b.setUp(parts); err != nil {
		return err
	}
	for _, s := range chosen {
		if len(names) > 0 && !slices.Contains(names, s.name) {
			continue
		}
		fmt.Fprintf(b.out, "## %s: %s\n\n", s.name, s.about)
		b.header()
		if err := s.run(b); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		if len(b.others) > 0 {
			fmt.Fprintf(b.out, "\nother processes took %s of the CPU time meanwhile\n", spread(b.others, "%.0f %%"))
			b.others = nil
		}
		fmt.Fprintln(b.out)
	}
	if len(b.skipped) > 0 {
		fmt.Fprintln(b.out, "skipped:\n\n- "+strings.Join(b.skipped, "\n- "))
	}
	return nil
}
