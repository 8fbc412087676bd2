//go:build linux

// Command loadbench measures infer loadtest beside other load generators, all on one machine, and prints Markdown.
// Usually started by scripts/loadtest-bench.sh, which finds the other generators.
//
//	loadbench -parts FILE [-rounds 5] [-seconds 3s] SCENARIO...
package main

import (
	"errors"
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
		{"throughput", "requests a second of one core, closed loop against a server that does nothing", throughput},
		{"memory", "memory of infer loadtest over time", memory},
		{"pacing", "when requests come, against when they should", pacing},
		{"stall", "a server that stands still for a second", stall},
		{"find", "the rate that --find-max-rps finds, against the one at which the objective breaks", find},
		{"same-rate", "infer serve at one offered rate, by three generators", sameRate},
	}
}

func main() {
	log.SetFlags(0)
	if len(os.Args) == 2 && os.Args[1] == "record" { // the child that pacing starts
		if err := record(os.Stdin, os.Stdout); err != nil {
			log.Fatal(err)
		}
		return
	}
	b := &bench{out: os.Stdout}
	parts := flag.String("parts", "", "what scripts/serve-parts/parts.py printed")
	flag.StringVar(&b.root, "root", ".", "the repository")
	flag.StringVar(&b.models, "models", "../shared/models", "the shared models")
	flag.StringVar(&b.infer, "infer", "", "a built infer, instead of building one")
	tools := flag.String("tools", "", "a regular expression: the generators to measure (all)")
	flag.IntVar(&b.rounds, "rounds", 5, "rounds of each comparison")
	flag.IntVar(&b.longRounds, "long-rounds", 1, "rounds of stall, of 20 s a generator")
	flag.IntVar(&b.seeds, "seeds", 2, "searches of find on each server")
	flag.DurationVar(&b.seconds, "seconds", 3*time.Second, "that each measurement of a round takes")
	at := flag.String("memory-at", "10s,30s,60s", "when memory is looked at")
	flag.DurationVar(&b.findTime, "find-time", 90*time.Second, "--max-time of find")
	flag.Usage = usage
	flag.Parse()
	var err error
	if b.tools, err = regexp.Compile(*tools); err != nil {
		log.Fatal(err)
	}
	if b.memoryAt, err = durations(*at); err != nil {
		log.Fatal(err)
	}
	if err := runAll(b, *parts, flag.Args()); err != nil {
		log.Fatal(err)
	}
}

func usage() {
	fmt.Fprintln(os.Stderr, "loadbench -parts FILE [flags] SCENARIO...; all without one")
	flag.PrintDefaults()
	for _, s := range scenarios() {
		fmt.Fprintf(os.Stderr, "  %-12s %s\n", s.name, s.about)
	}
}

// durations reads an ascending list.
func durations(text string) ([]time.Duration, error) {
	var list []time.Duration
	for word := range strings.SplitSeq(text, ",") {
		d, err := time.ParseDuration(word)
		if err != nil {
			return nil, err
		}
		list = append(list, d)
	}
	if !slices.IsSorted(list) {
		return nil, errors.New(text + " is not ascending")
	}
	return list, nil
}

func runAll(b *bench, parts string, names []string) error {
	chosen := scenarios()
	for _, name := range names {
		if !slices.ContainsFunc(chosen, func(s scenario) bool { return s.name == name }) {
			return fmt.Errorf("no scenario is called %q", name)
		}
	}
	dir, err := os.MkdirTemp("", "loadbench-*")
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
		fmt.Fprintf(b.out, "### %s: %s\n\n", s.name, s.about)
		b.header(s.name)
		if err := s.run(b); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		b.footer()
	}
	if len(b.skipped) > 0 {
		fmt.Fprintln(b.out, "Skipped:\n\n- "+strings.Join(b.skipped, "\n- "))
	}
	return nil
}
