// Command comparebench measures how often infer compare errs and what it finds, beside a fixed threshold on single runs
// and beside Mann and Whitney's test on stored ones, as benchstat makes it. It prints Markdown. Usually started by
// scripts/compare-bench.sh, which builds what it needs.
//
//	comparebench simulate [-trials 400] [-block 1s] [-max-time 2m] [-only TEXT]
//	comparebench real -infer FILE -encoder FILE [-trials 10] [-rps 80] [-out FILE] [-record FILE]
package main

import (
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"path/filepath"
	"time"

	"infer/report"
	"infer/report/compare"
)

// gate is what every comparison is judged by.
const gate = "latency_p99<=+5%"

func main() {
	log.SetFlags(0)
	log.SetPrefix("comparebench: error: ")
	if len(os.Args) < 2 {
		log.Fatal("give simulate or real")
	}
	run, ok := map[string]func([]string) error{"simulate": simulateMain, "real": realMain}[os.Args[1]]
	if !ok {
		log.Fatalf("%q is neither simulate nor real", os.Args[1])
	}
	if err := run(os.Args[2:]); err != nil {
		log.Fatal(err)
	}
}

func simulateMain(args []string) error {
	s := study{ratios: []float64{1, 1.05, 1.1, 1.2}, options: compare.DefaultOptions}
	g, err := report.ParseGate(gate)
	if err != nil {
		return err
	}
	s.options.Gates = []report.Gate{g}
	f := flag.NewFlagSet("simulate", flag.ExitOnError)
	f.IntVar(&s.trials, "trials", 400, "trials of every machine and true ratio")
	f.DurationVar(&s.block, "block", time.Second, "length of a block")
	f.IntVar(&s.rps, "rps", 200, "requests a second, of machines whose p99 is that of so many")
	f.DurationVar(&s.maxTime, "max-time", 2*time.Minute, "time for all pairs")
	f.StringVar(&s.only, "only", "", "machines whose name holds this")
	_ = f.Parse(args) // it ends the program on an error
	return simulate(os.Stdout, s)
}

func realMain(args []string) error {
	var r field
	f := flag.NewFlagSet("real", flag.ExitOnError)
	f.StringVar(&r.infer, "infer", "", "the built infer")
	f.StringVar(&r.encoder, "encoder", "", "the built scripts/encoder")
	f.IntVar(&r.trials, "trials", 10, "trials of equal sides, and as many of unequal ones")
	f.IntVar(&r.tokens, "tokens", 8, "tokens of a request: what it costs")
	f.Float64Var(&r.rps, "rps", 80, "requests a second")
	f.DurationVar(&r.block, "block", 0, "length of a block; 0: as infer compare has it")
	f.DurationVar(&r.maxTime, "max-time", 2*time.Minute, "time for all pairs of a trial")
	f.DurationVar(&r.long, "long", 2*time.Minute, "time of the run that tells the true ratio")
	f.StringVar(&r.record, "record", "", "write the blocks of equal sides to this `FILE`")
	to := f.String("out", "", "write the tables to this `FILE`, too")
	_ = f.Parse(args) // it ends the program on an error
	for _, p := range []*string{&r.infer, &r.encoder, &r.record} {
		if *p == "" {
			continue
		}
		var err error
		if *p, err = filepath.Abs(*p); err != nil {
			return err
		}
	}
	if r.infer == "" || r.encoder == "" || r.trials < 1 {
		return fmt.Errorf("real needs -infer, -encoder and a trial")
	}
	out := io.Writer(os.Stdout)
	if *to != "" {
		file, err := os.Create(*to)
		if err != nil {
			return err
		}
		defer file.Close()
		out = io.MultiWriter(os.Stdout, file)
	}
	return realTrials(out, r)
}
