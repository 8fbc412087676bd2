// Command profilebench prints the tables of docs/benchmarks.md on infer profile: how the corrected times of the nodes
// compare with an untraced run, and how fast a trace is read. scripts/profile-bench.sh runs it.
//
//	profilebench -infer FILE -models DIR [-repeat N] [-duration TIME] [-trace-mb N]
package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"infer/internal/stats"
	"infer/report"
)

type bench struct {
	infer    string
	models   string
	repeat   int
	duration time.Duration
	traceMB  int
}

func main() {
	log.SetFlags(0)
	log.SetPrefix("profilebench: error: ")
	var b bench
	flag.StringVar(&b.infer, "infer", "infer", "program")
	flag.StringVar(&b.models, "models", "", "folder of models")
	flag.IntVar(&b.repeat, "repeat", 5, "profiles a model")
	flag.DurationVar(&b.duration, "duration", 5*time.Second, "of the timed phase, and the aim of the traced one")
	flag.IntVar(&b.traceMB, "trace-mb", 100, "size of the trace that is read, in MB; 0: none")
	flag.Parse()
	if err := b.run(); err != nil {
		log.Fatal(err)
	}
}

func (b bench) run() error {
	files, err := filepath.Glob(filepath.Join(b.models, "*.onnx"))
	if err != nil {
		return err
	}
	fmt.Println("| model | calls a run | untraced run | traced / untraced | corrected nodes / untraced run | outside of nodes | tracing in a node |")
	fmt.Println("| --- | ---: | ---: | ---: | ---: | ---: | ---: |")
	for _, f := range files {
		if err := b.correction(f); err != nil {
			return err
		}
	}
	if b.traceMB == 0 || len(files) == 0 {
		return nil
	}
	return b.reading(files[0])
}

// correction profiles a model several times. Figures are medians over profiles, with their range.
func (b bench) correction(file string) error {
	var untraced, inflation, sum, residual, floor []float64
	calls := 0
	for range b.repeat {
		out, err := b.output("profile", file, "--duration", b.duration.String(), "--cold", "0", "--roofline", "off", "--format", "json", "--quiet")
		if err != nil {
			return err
		}
		var d report.Document
		var p report.ProfileDetails
		if err := json.Unmarshal(out, &d); err != nil {
			return err
		}
		if err := json.Unmarshal(d.Details, &p); err != nil {
			return err
		}
		c := p.Correction
		if c == nil {
			return fmt.Errorf("%s: the profile has no correction", file)
		}
		calls = c.Nodes
		untraced = append(untraced, c.Untraced.Value*1e3)
		inflation = append(inflation, c.Inflation.Value)
		sum = append(sum, 100*c.Sum.Value/c.Untraced.Value)
		residual = append(residual, 100*c.Residual/c.Untraced.Value)
		floor = append(floor, c.Floor.Value*1e6)
	}
	fmt.Printf("| %s | %d | %s ms | %s | %s %% | %s %% | %s µs |\n", strings.TrimSuffix(filepath.Base(file), ".onnx"), calls,
		text("%.3f", untraced), text("%.2f", inflation), text("%.1f", sum), text("%.1f", residual), text("%.1f", floor))
	return nil
}

// text is the median and the range of x.
func text(format string, x []float64) string {
	s := stats.Sorted(x)
	return fmt.Sprintf(format+" ("+format+" to "+format+", n %d)", stats.Median(s), s[0], s[len(s)-1], len(s))
}

// reading times --from-trace on a trace of a size, made by repeating the runs of a real one.
func (b bench) reading(model string) error {
	dir, err := os.MkdirTemp("", "profilebench-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	small, large := filepath.Join(dir, "small.json"), filepath.Join(dir, "large.json")
	if _, err := b.output("profile", model, "--runs", "20", "--cold", "0", "--roofline", "off", "--trace", small, "--quiet"); err != nil {
		return err
	}
	if err := repeat(small, large, b.traceMB*1e6); err != nil {
		return err
	}
	info, err := os.Stat(large)
	if err != nil {
		return err
	}
	var took, rss []float64
	for range b.repeat {
		c := exec.Command(b.infer, "profile", "--from-trace", large, "--format", "json", "--quiet")
		begin := time.Now()
		if out, err := c.CombinedOutput(); err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
		took = append(took, time.Since(begin).Seconds())
		if u, ok := c.ProcessState.SysUsage().(*syscall.Rusage); ok {
			rss = append(rss, float64(u.Maxrss)/1e3)
		}
	}
	fmt.Printf("\nA trace of %.0f MB: read in %s s, the whole process at most %s MB.\n", float64(info.Size())/1e6, text("%.2f", took), text("%.0f", rss))
	return nil
}

// repeat writes the events of one trace again and again, to a size in bytes.
func repeat(from, to string, size int) error {
	b, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	body := bytes.TrimSuffix(bytes.TrimSpace(bytes.TrimPrefix(bytes.TrimSpace(b), []byte("["))), []byte("]"))
	body = append(bytes.TrimRight(body, "\n,"), ',', '\n')
	f, err := os.Create(to)
	if err != nil {
		return err
	}
	defer f.Close()
	fmt.Fprintln(f, "[")
	for n := 0; n < size; n += len(body) {
		if _, err := f.Write(body); err != nil {
			return err
		}
	}
	_, err = fmt.Fprintln(f, "{}]")
	return err
}

func (b bench) output(args ...string) ([]byte, error) {
	c := exec.Command(b.infer, args...)
	var stderr bytes.Buffer
	c.Stderr = &stderr
	out, err := c.Output()
	if err != nil {
		return nil, fmt.Errorf("infer %s: %w: %s", strings.Join(args, " "), err, stderr.String())
	}
	return out, nil
}
