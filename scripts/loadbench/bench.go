//go:build linux

package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"time"

	"infer/internal/host"
	"infer/internal/stats"
)

// bench is one run: what is here, where it writes, and how long it measures.
type bench struct {
	root, work, models string
	infer              string // the program
	parts              map[string]string
	skipped            []string
	tools              *regexp.Regexp // the generators that are measured
	rounds, longRounds int
	seeds              int
	seconds, findTime  time.Duration
	memoryAt           []time.Duration
	others             []float64 // percent of the CPU that others took, of each measurement of a scenario
	out                io.Writer
}

// setUp builds infer and reads what parts.py found.
func (b *bench) setUp(partsFile string) error {
	text, err := os.ReadFile(partsFile)
	if err != nil {
		return err
	}
	var d struct{ Parts, Skipped map[string]string }
	if err := json.Unmarshal(text, &d); err != nil {
		return fmt.Errorf("%s: %w", partsFile, err)
	}
	b.parts = d.Parts
	for name, why := range d.Skipped {
		b.skip(name + ": " + why)
	}
	slices.Sort(b.skipped)
	if b.infer == "" {
		b.infer = filepath.Join(b.work, "infer")
		_, err = output("go", "-C", b.root, "build", "-o", b.infer, ".")
	} else {
		b.infer, err = filepath.Abs(b.infer)
	}
	return err
}

// model is the file of the shared mnist-cnn, whose rows have 3 KB, and where that is not here of the small model of
// the repository.
func (b *bench) model() string {
	file := filepath.Join(b.models, "mnist-cnn", "mnist-cnn-dynamic.onnx")
	if _, err := os.Stat(file); err != nil {
		return filepath.Join(b.root, "testdata", "digits", "digits-cnn.onnx")
	}
	return file
}

// skip notes what is not measured, once.
func (b *bench) skip(line string) {
	if !slices.Contains(b.skipped, line) {
		b.skipped = append(b.skipped, line)
		fmt.Fprintln(os.Stderr, "skipped: "+line)
	}
}

// header says what the figures below were measured on and with.
func (b *bench) header(scenario string) {
	machine, load := host.Facts(), ""
	if text, err := os.ReadFile("/proc/loadavg"); err == nil {
		load, _, _ = strings.Cut(string(text), " ")
	}
	fmt.Fprintf(b.out, "`scripts/loadtest-bench.sh -rounds %d -seconds %v %s`, %s, %s, %d CPUs, linux %s, %s, load before %s\n\n",
		b.rounds, b.seconds, scenario, time.Now().UTC().Format("2006-01-02"), cmp.Or(machine.CPUModel, "unknown CPU"), runtime.NumCPU(), machine.Kernel, runtime.Version(), load)
}

// footer says how much the measurements above were disturbed.
func (b *bench) footer() {
	if len(b.others) > 0 {
		fmt.Fprintf(b.out, "\nother processes took %s of the CPU time meanwhile\n", spread(b.others, "%.0f %%"))
		b.others = nil
	}
	fmt.Fprintln(b.out)
}

// row prints a row of a Markdown table.
func (b *bench) row(cells ...string) {
	fmt.Fprintln(b.out, "| "+strings.Join(cells, " | ")+" |")
}

// table prints the head of a Markdown table.
func (b *bench) table(cells ...string) {
	b.row(cells...)
	b.row(strings.Split(strings.Repeat("---,", len(cells)-1)+"---", ",")...)
}

// spread is the median of values and where they lie: "1.31 (1.28 to 1.35)".
func spread(values []float64, format string) string {
	if len(values) == 0 {
		return ""
	}
	s := stats.Sorted(values)
	middle := fmt.Sprintf(format, stats.Median(values))
	if len(s) == 1 {
		return middle
	}
	return fmt.Sprintf("%s ("+format+" to "+format+")", middle, s[0], s[len(s)-1])
}

// ratios divides pair by pair.
func ratios(a, b []float64) []float64 {
	r := make([]float64, min(len(a), len(b)))
	for i := range r {
		r[i] = a[i] / b[i]
	}
	return r
}

func scaled(values []float64, by float64) []float64 {
	out := make([]float64, len(values))
	for i, v := range values {
		out[i] = v * by
	}
	return out
}
