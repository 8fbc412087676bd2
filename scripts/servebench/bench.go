//go:build linux

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"time"

	"infer/internal/stats"
)

// bench is one run: what is here, where it writes, and how long it measures.
type bench struct {
	root, work, models string
	infer, bare        string // programs
	library            string // of ONNX Runtime
	parts              map[string]string
	skipped            []string
	servers            *regexp.Regexp // the servers that are measured
	rounds             int
	seconds            time.Duration
	noise              float64   // share of the CPU that others may take in a measurement; it is made again otherwise
	others             []float64 // percent of the CPU that others took, of each measurement of a scenario
	out                io.Writer
}

// setUp builds infer and the bare loop and reads what parts.py found.
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
		b.skipped = append(b.skipped, name+": "+why)
	}
	if b.infer == "" {
		b.infer = filepath.Join(b.work, "infer")
		if _, err := output("go", "-C", b.root, "build", "-o", b.infer, "."); err != nil {
			return err
		}
	}
	b.bare = filepath.Join(b.work, "bare")
	headers, err := output("go", "-C", b.root, "list", "-m", "-f", "{{.Dir}}", "github.com/yalue/onnxruntime_go")
	if err != nil {
		return err
	}
	if _, err := output("cc", "-O2", "-I", headers, "-o", b.bare, filepath.Join(b.root, "scripts/bench/bare/bare.c"), "-ldl"); err != nil {
		return err
	}
	return b.findLibrary()
}

func (b *bench) findLibrary() error {
	if _, err := output(b.infer, "runtime", "install"); err != nil {
		return err
	}
	text, err := output(b.infer, "runtime", "list", "--format", "json")
	if err != nil {
		return err
	}
	var d struct {
		Details struct {
			Libraries []struct {
				Path     string
				Selected bool
			}
		}
	}
	if err := json.Unmarshal([]byte(text), &d); err != nil {
		return err
	}
	for _, l := range d.Details.Libraries {
		if l.Selected {
			b.library = l.Path
			return nil
		}
	}
	return fmt.Errorf("no runtime library is selected")
}

// run starts a peer, ready; errMissing where a part of it is not here.
func (b *bench) run(p peer, s subject) (*server, error) {
	if !b.servers.MatchString(p.name) {
		return nil, fmt.Errorf("%s: %w: not asked for", p.name, errMissing)
	}
	for _, part := range p.parts {
		if b.parts[part] == "" {
			return nil, fmt.Errorf("%s: %w: %s", p.name, errMissing, part)
		}
	}
	srv, err := p.start(b, s)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", p.name, err)
	}
	if err := srv.wait(); err != nil {
		srv.stop()
		return nil, fmt.Errorf("%s: %w", p.name, err)
	}
	return srv, nil
}

// skip notes what is not measured, once.
func (b *bench) skip(line string) {
	for _, s := range b.skipped {
		if s == line {
			return
		}
	}
	b.skipped = append(b.skipped, line)
	fmt.Fprintln(os.Stderr, "skipped: "+line)
}

// bareRun is the median of a run in the plain C loop, in seconds; axes as in "batch=8".
func (b *bench) bareRun(file string, runs, threads int, axes ...string) (float64, error) {
	args := append([]string{b.library, file, fmt.Sprint(runs), fmt.Sprint(threads)}, axes...)
	text, err := output(b.bare, args...)
	if err != nil {
		return 0, err
	}
	var seconds float64
	_, err = fmt.Sscan(text, &seconds)
	return seconds, err
}

// header says what the figures below were measured on and with.
func (b *bench) header() {
	model := "unknown CPU"
	if text, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(text)) {
			if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
				model = strings.TrimSpace(value)
				break
			}
		}
	}
	load, _ := os.ReadFile("/proc/loadavg") // nothing to say where it is not there
	fmt.Fprintf(b.out, "%s, %s, %d cores shared with the client, %s, ONNX Runtime %s, load before %s; %d rounds of %v, interleaved\n\n",
		time.Now().UTC().Format("2006-01-02"), model, runtime.NumCPU(), runtime.Version(), strings.TrimPrefix(filepath.Base(b.library), "libonnxruntime.so."),
		strings.Join(strings.Fields(string(load))[:1], ""), b.rounds, b.seconds)
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
	s := stats.Sorted(values)
	return fmt.Sprintf(format+" ("+format+" to "+format+")", stats.Median(values), s[0], s[len(s)-1])
}

// ratios divides pair by pair.
func ratios(a, b []float64) []float64 {
	r := make([]float64, min(len(a), len(b)))
	for i := range r {
		r[i] = a[i] / b[i]
	}
	return r
}
