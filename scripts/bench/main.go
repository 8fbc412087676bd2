// Command bench measures the figures of docs/benchmarks.md and prints them as Markdown: the latency that infer profile
// prints against a bare C loop over the runtime's API, interleaved in one run, and what opening a model costs.
//
//	go run ./scripts/bench [-rounds 7]
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"infer/internal/host"
	"infer/model"
	"infer/model/onnx"
	"infer/testdata/arch"
)

// bench is one run of the whole table.
type bench struct {
	dir, infer, bare, library string
	rounds                    int
}

func main() {
	log.SetFlags(0)
	rounds := flag.Int("rounds", 7, "pairs of each comparison")
	save := flag.String("save", "", "write the generated model of this name to the file that follows, and nothing else")
	load := flag.String("load", "", "load the model file, print the seconds and the peak memory in bytes, and nothing else")
	flag.Parse()
	if *load != "" {
		if err := loadOnce(*load); err != nil {
			log.Fatal(err)
		}
		return
	}
	if *save != "" {
		if err := generate(*save, flag.Arg(0)); err != nil {
			log.Fatal(err)
		}
		return
	}
	dir, err := os.MkdirTemp("", "infer-bench-*")
	if err != nil {
		log.Fatal(err)
	}
	b := &bench{dir: dir, rounds: *rounds}
	err = b.run()
	os.RemoveAll(dir)
	if err != nil {
		log.Fatal(err)
	}
}

func (b *bench) run() error {
	if err := b.build(); err != nil {
		return err
	}
	fmt.Printf("%s, %s/%s, %d CPUs, ONNX Runtime %s\n\n", time.Now().UTC().Format("2006-01-02"), runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), filepath.Base(b.library))
	if err := b.fidelity(); err != nil {
		return err
	}
	return b.opening()
}

// build makes the program, the yardstick and finds the library that both load.
func (b *bench) build() error {
	b.infer, b.bare = filepath.Join(b.dir, "infer"), filepath.Join(b.dir, "bare")
	if _, err := output("go", "build", "-o", b.infer, "."); err != nil {
		return err
	}
	headers, err := output("go", "list", "-m", "-f", "{{.Dir}}", "github.com/yalue/onnxruntime_go")
	if err != nil {
		return err
	}
	if _, err := output("cc", "-O2", "-I", headers, "-o", b.bare, "scripts/bench/bare/bare.c", "-ldl"); err != nil {
		return err
	}
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
		}
	}
	if b.library == "" {
		return fmt.Errorf("no runtime library is selected")
	}
	return nil
}

// save writes a generated model, in a process of its own: the kernel counts this process's memory towards the peak of
// every process that it starts.
func (b *bench) save(name string) (string, error) {
	path := filepath.Join(b.dir, fmt.Sprintf("%x.onnx", name))
	self, err := os.Executable()
	if err != nil {
		return "", err
	}
	_, err = output(self, "-save", name, path)
	return path, err
}

// loadOnce is the child that opens a model and does nothing else.
func loadOnce(path string) error {
	begin := time.Now()
	m, err := model.Load(path)
	if err != nil {
		return err
	}
	fmt.Println(time.Since(begin).Seconds(), host.ProcessMemory().PeakRSS)
	return m.Close()
}

func generate(name, path string) error {
	for _, m := range slices.Concat(models(), files(), saved()) {
		if m.name == name {
			return model.New(m.make()).Save(path, model.SaveOptions{})
		}
	}
	return fmt.Errorf("no model is called %q", name)
}

// fidelity compares the p50 of infer profile with the bare loop, pair by pair, one thread.
func (b *bench) fidelity() error {
	fmt.Printf("p50 of `infer profile` against the bare C loop, one thread, %d interleaved pairs:\n\n", b.rounds)
	fmt.Println("| model | timed runs a side | bare loop | infer profile | ratio, median (range) | difference, median |")
	fmt.Println("| --- | --- | --- | --- | --- | --- |")
	for _, m := range models() {
		path, err := b.save(m.name)
		if err != nil {
			return err
		}
		var bare, ours, ratios, diffs []float64
		for range b.rounds {
			x, y, err := b.pair(path, m.runs)
			if err != nil {
				return fmt.Errorf("%s: %w", m.name, err)
			}
			bare, ours = append(bare, x), append(ours, y)
			ratios, diffs = append(ratios, y/x), append(diffs, y-x)
		}
		fmt.Printf("| %s | %d | %.2f µs | %.2f µs | %.3f (%.3f to %.3f) | %+.2f µs |\n", m.name, m.runs, 1e6*median(bare), 1e6*median(ours),
			median(ratios), slices.Min(ratios), slices.Max(ratios), 1e6*median(diffs))
	}
	fmt.Println()
	return nil
}

type generated struct {
	name string
	runs int // timed runs of each side of a pair
	make func() *onnx.Model
}

func models() []generated {
	return []generated{
		{"one node (Relu, 16 elements)", 50_000, func() *onnx.Model { return arch.Chain("Relu", 1, 16) }},
		{"30 nodes (Relu, 16 elements)", 10_000, func() *onnx.Model { return arch.Chain("Relu", 30, 16) }},
		{"MobileNetV2", 300, func() *onnx.Model { return arch.MobileNetV2() }},
		{"BERT-base encoder, 32 tokens", 60, func() *onnx.Model { return arch.BERTBase(32) }},
	}
}

// files are the models that are opened and not run.
func files() []generated {
	return []generated{
		{name: "ResNet-50, 102 MB", make: func() *onnx.Model { return arch.ResNet50() }},
		{name: "500 MB", make: func() *onnx.Model { return arch.Sized(500 << 20) }},
	}
}

// saved are the models that -save makes for scripts/quantize-bench.sh.
func saved() []generated {
	return []generated{
		{name: "BERT-base encoder, 128 tokens", make: func() *onnx.Model { return arch.BERTBase(128) }},
		{name: "3 GB, external data", make: func() *onnx.Model { return arch.Sized(3 << 30) }},
	}
}

func (b *bench) pair(path string, runs int) (bare, ours float64, err error) {
	text, err := output(b.bare, b.library, path, strconv.Itoa(runs), "1")
	if err != nil {
		return 0, 0, err
	}
	if bare, err = strconv.ParseFloat(text, 64); err != nil {
		return 0, 0, err
	}
	text, err = output(b.infer, "profile", path, "--threads", "1", "--runs", strconv.Itoa(runs), "--cold", "0", "--profiled-runs", "0", "--format", "json")
	if err != nil {
		return 0, 0, err
	}
	var d struct {
		Metrics []struct {
			Name  string
			Value *float64
		}
	}
	if err := json.Unmarshal([]byte(text), &d); err != nil {
		return 0, 0, err
	}
	for _, m := range d.Metrics {
		if m.Name == "latency_p50" && m.Value != nil {
			return bare, *m.Value, nil
		}
	}
	return 0, 0, fmt.Errorf("no latency_p50")
}

// opening measures whole processes: wall time and peak memory, medians.
func (b *bench) opening() error {
	type call struct {
		name string
		args []string
	}
	var paths []string
	calls := []call{{"infer --help", []string{"--help"}}}
	for _, f := range files() {
		path, err := b.save(f.name)
		if err != nil {
			return err
		}
		calls = append(calls, call{"infer inspect (" + f.name + ")", []string{"inspect", path}})
		paths = append(paths, path)
	}
	fmt.Printf("Whole processes, medians of %d:\n\n", 3*b.rounds)
	fmt.Println("| command | wall time | peak memory (RSS) |")
	fmt.Println("| --- | --- | --- |")
	for _, c := range calls {
		var wall, rss []float64
		for range 3 * b.rounds {
			begin := time.Now()
			cmd := exec.Command(b.infer, c.args...)
			if err := cmd.Run(); err != nil {
				return fmt.Errorf("%s: %w", c.name, err)
			}
			wall = append(wall, time.Since(begin).Seconds())
			if u, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
				rss = append(rss, float64(u.Maxrss)*1024)
			}
		}
		fmt.Printf("| %s | %.0f ms | %.0f MB |\n", c.name, 1e3*median(wall), median(rss)/1e6)
	}
	return b.loading(paths)
}

// loading measures model.Load alone, each time in a fresh process.
func (b *bench) loading(paths []string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	fmt.Printf("\nOpening alone (model.Load), a fresh process each, medians of %d:\n\n", 3*b.rounds)
	fmt.Println("| model | time | peak memory of the process (RSS) |")
	fmt.Println("| --- | --- | --- |")
	for i, f := range files() {
		var seconds, rss []float64
		for range 3 * b.rounds {
			text, err := output(self, "-load", paths[i])
			if err != nil {
				return err
			}
			var s, r float64
			if _, err := fmt.Sscan(text, &s, &r); err != nil {
				return err
			}
			seconds, rss = append(seconds, s), append(rss, r)
		}
		fmt.Printf("| %s | %.1f ms | %.0f MB |\n", f.name, 1e3*median(seconds), median(rss)/1e6)
	}
	return nil
}

func output(name string, args ...string) (string, error) {
	cmd := exec.Command(name, args...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s: %w: %s", name, err, stderr.String())
	}
	return strings.TrimSpace(string(out)), nil
}

func median(v []float64) float64 {
	s := slices.Sorted(slices.Values(v))
	return s[(len(s)-1)/2]
}
