package main

import (
	"bytes"
	"cmp"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"infer/internal/host"
	"infer/report"
)

// Layers of the encoder that both sides serve where they are equal, and of the one that is a tenth more work.
const (
	baseLayers = 10
	headLayers = 11
)

// field is how the trials with real servers are made.
type field struct {
	infer, encoder string // programs
	trials         int    // of either kind
	tokens         int
	rps            float64
	block, maxTime time.Duration // block 0: the command's own
	long           time.Duration // of the run that tells the true ratio
	record         string        // file for the blocks of equal sides
	work           string
}

// outcome is one trial.
type outcome struct {
	kind    string
	verdict report.Verdict
	metric  report.CompareMetric
	seconds float64
	pairs   []report.ComparePair
}

// tally is what the methods say about the trials of a kind.
type tally struct {
	infer, single, mannWhitney, storedSingle, storedMannWhitney shares
	seconds                                                     float64
}

// realTrials prints the trials with real servers and what each method says of them.
func realTrials(out io.Writer, f field) error {
	dir, err := os.MkdirTemp("", "comparebench-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	f.work = dir
	for file, layers := range map[string]int{"base.onnx": baseLayers, "head.onnx": headLayers} {
		if _, err := f.finish(f.encoder, "-layers", strconv.Itoa(layers), "-hidden", "256", "-tokens", strconv.Itoa(f.tokens), "-o", file); err != nil {
			return err
		}
	}
	f.header(out)
	truth, err := f.compare("head.onnx", 0, f.long, "--pairs", "100000")
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "p99 of %d layers against %d: %s in %d pairs over %.0f s; base %s\n\n", headLayers, baseLayers,
		ratioText(truth.metric), truth.metric.Pairs, truth.seconds, milliseconds(truth.metric.Base))
	trials, err := f.all(out)
	if err != nil {
		return err
	}
	if f.record != "" {
		if err := record(f.record, trials); err != nil {
			return err
		}
	}
	summary(out, trials)
	return nil
}

func (f *field) header(out io.Writer) {
	machine, load := host.Facts(), ""
	if text, err := os.ReadFile("/proc/loadavg"); err == nil {
		load, _, _ = strings.Cut(string(text), " ")
	}
	fmt.Fprintf(out, "%s, %s, %d CPUs, linux %s, %s, load before %s; %d tokens a request, %g requests a second\n\n",
		time.Now().UTC().Format("2006-01-02"), cmp.Or(machine.CPUModel, "unknown CPU"), runtime.NumCPU(), machine.Kernel, runtime.Version(), load, f.tokens, f.rps)
}

// all makes the trials, of equal sides and of unequal ones in turns, since machines drift.
func (f *field) all(out io.Writer) ([]outcome, error) {
	fmt.Fprintln(out, "| trial | sides | infer compare | change of p99 | pairs | time | first blocks | Mann-Whitney of 8, p |")
	fmt.Fprintln(out, "|"+strings.Repeat(" --- |", 8))
	var trials []outcome
	for i := range f.trials {
		for _, head := range []string{"base.onnx", "head.onnx"} {
			t, err := f.compare(head, i+1, f.maxTime)
			if err != nil {
				return trials, err
			}
			trials = append(trials, t)
			base, heads := sides(t.pairs)
			if len(base) == 0 {
				return trials, errors.New("no block had a p99: give longer ones")
			}
			k := min(8, len(base))
			fmt.Fprintf(out, "| %d | %s | %s | %s | %d | %.0f s | %s | %.3f |\n", i+1, t.kind, t.verdict, ratioText(t.metric), len(t.pairs), t.seconds,
				report.FormatChange(heads[0]/base[0]), rankSumP(base[:k], heads[:k]))
		}
	}
	fmt.Fprintln(out)
	return trials, nil
}

// compare lets the program compare base.onnx with another file, each in a server of its own.
func (f *field) compare(head string, seed int, maxTime time.Duration, more ...string) (outcome, error) {
	server := func(model string) string {
		return "exec:infer serve " + model + " --http 127.0.0.1:{port} --grpc off --metrics off --threads 1 --instances 1"
	}
	args := append([]string{"compare", "--a", server("base.onnx"), "--b", server(head), "--gate", gate, "--rps", fmt.Sprint(f.rps), "--seed", strconv.Itoa(seed),
		"--max-time", maxTime.String(), "--format", "json", "--quiet"}, more...)
	if f.block > 0 {
		args = append(args, "--block", f.block.String())
	}
	o := outcome{kind: "equal"}
	if head != "base.onnx" {
		o.kind = "+10 % of work"
	}
	text, err := f.finish(f.infer, args...)
	if err != nil {
		return o, err
	}
	d, err := report.Read(strings.NewReader(text))
	if err != nil {
		return o, err
	}
	var x report.CompareDetails
	if err := json.Unmarshal(d.Details, &x); err != nil {
		return o, err
	}
	if len(x.Metrics) == 0 {
		return o, fmt.Errorf("infer compare measured nothing: %s", x.Reason)
	}
	o.verdict, o.metric, o.seconds, o.pairs = d.Verdict, x.Metrics[0], x.Seconds, x.Pairs
	return o, nil
}

// finish runs a program to its end and returns what it prints. A comparison that is regressed or not to be trusted has
// an exit code and is no error.
func (f *field) finish(program string, args ...string) (string, error) {
	c := exec.Command(program, args...)
	var out, log bytes.Buffer
	c.Dir, c.Stdout, c.Stderr = f.work, &out, &log
	err := c.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) && (exit.ExitCode() == 3 || exit.ExitCode() == 4) && out.Len() > 0 {
		err = nil
	}
	if err != nil {
		return "", fmt.Errorf("%s: %w: %s", filepath.Base(program), err, strings.TrimSpace(log.String()))
	}
	return out.String(), nil
}

// summary prints what each method says, by kind. Stored runs are blocks of the base of one trial and of the head of the
// next one of its kind, as if they had been measured on different days.
func summary(out io.Writer, trials []outcome) {
	fmt.Fprintln(out, "| sides | trials | infer compare: regressed | ok | inconclusive | other | time, mean | one block each, over +10 % | 8 blocks in turns, Mann-Whitney | one stored block each, over +10 % | 8 stored blocks, Mann-Whitney |")
	fmt.Fprintln(out, "|"+strings.Repeat(" --- |", 11))
	for _, kind := range []string{"equal", "+10 % of work"} {
		var list []outcome
		for _, t := range trials {
			if t.kind == kind {
				list = append(list, t)
			}
		}
		if len(list) == 0 {
			continue
		}
		var y tally
		open := 0
		for i, t := range list {
			y.infer.count(t.verdict, len(t.pairs))
			y.seconds += t.seconds
			if t.verdict == report.Inconclusive {
				open++
			}
			base, head := sides(t.pairs)
			y.single.single(base[0], head[0])
			y.mannWhitney.mannWhitney(base[:min(8, len(base))], head[:min(8, len(head))])
			if next := list[(i+1)%len(list)]; len(list) > 1 {
				_, later := sides(next.pairs)
				y.storedSingle.single(base[0], later[0])
				y.storedMannWhitney.mannWhitney(base[:min(8, len(base))], later[:min(8, len(later))])
			}
		}
		n := len(list)
		fmt.Fprintf(out, "| %s | %d | %d | %d | %d | %d | %.0f s | %d | %d | %s | %s |\n", kind, n, y.infer.regressed, y.infer.ok, open,
			n-y.infer.regressed-y.infer.ok-open, y.seconds/float64(n), y.single.regressed, y.mannWhitney.regressed, y.storedSingle, y.storedMannWhitney)
	}
	fmt.Fprintln(out)
}

// record writes the blocks of equal sides, in the order in which they were measured: the noise of this machine.
func record(file string, trials []outcome) error {
	var b bytes.Buffer
	machine := host.Facts()
	fmt.Fprintf(&b, "# %s %s, %d CPUs\n", time.Now().UTC().Format("2006-01-02"), cmp.Or(machine.CPUModel, "unknown CPU"), runtime.NumCPU())
	w := csv.NewWriter(&b)
	rows := [][]string{{"trial", "at_s", "block_s", "p99_s"}}
	for i, t := range trials {
		if t.kind != "equal" {
			continue
		}
		for _, p := range t.pairs {
			blocks := []report.CompareBlock{p.Base, p.Head}
			if p.First == "head" {
				blocks[0], blocks[1] = p.Head, p.Base
			}
			for _, x := range blocks {
				if p99, ok := x.Values["latency_p99"]; ok {
					rows = append(rows, []string{strconv.Itoa(i), fmt.Sprintf("%.2f", x.At), fmt.Sprintf("%.2f", x.Seconds), fmt.Sprintf("%.6f", p99)})
				}
			}
		}
	}
	if err := w.WriteAll(rows); err != nil {
		return err
	}
	return os.WriteFile(file, b.Bytes(), 0o644)
}

func ratioText(m report.CompareMetric) string {
	if m.Ratio == nil {
		return "not measured"
	}
	text := report.FormatChange(*m.Ratio)
	if m.RatioLo != nil && m.RatioHi != nil {
		text += fmt.Sprintf(" [%s, %s]", report.FormatChange(*m.RatioLo), report.FormatChange(*m.RatioHi))
	}
	return text
}

func milliseconds(v *float64) string {
	if v == nil {
		return "not measured"
	}
	return fmt.Sprintf("%.2f ms", 1000**v)
}
