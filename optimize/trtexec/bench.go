package trtexec

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"infer/internal/fault"
	"infer/internal/progress"
)

// BenchOptions says how an engine is timed. What TensorRT 10 and 11 do by themselves differs (11 captures CUDA graphs,
// spins, and leaves out transfers), so each is set by a flag on both: only then may their figures be compared.
type BenchOptions struct {
	Shapes    string        // of dynamic inputs: "x:8x3x224x224"; "" for an engine that has none
	WarmUp    time.Duration // at least
	Duration  time.Duration // at least
	Graph     bool          // launch a captured CUDA graph
	Spin      bool          // wait actively
	Transfers bool          // copy inputs to the GPU and outputs back for each query
	Layers    bool          // then run once more with a profiler for the times of layers
}

// DefaultBench times what a user of the engine waits for: with transfers.
var DefaultBench = BenchOptions{WarmUp: 200 * time.Millisecond, Duration: 3 * time.Second, Graph: true, Spin: true, Transfers: true, Layers: true}

// Validate lists every fault.
func (o BenchOptions) Validate() error {
	var errs []error
	if o.WarmUp < 0 || o.WarmUp > time.Hour {
		errs = append(errs, fault.New(fault.Usage, "", "a warm-up of %v is not between 0 and an hour", o.WarmUp))
	}
	if o.Duration < time.Second || o.Duration > 24*time.Hour {
		errs = append(errs, fault.New(fault.Usage, "", "a duration of %v is not between a second and a day", o.Duration))
	}
	return errors.Join(errs...)
}

// Args returns the command line of a timed run, without the program and without the files that it writes.
func (o BenchOptions) Args(v Version, engine string) []string {
	args := []string{"--loadEngine=" + engine}
	if o.Shapes != "" {
		args = append(args, "--shapes="+o.Shapes)
	}
	seconds := int((o.Duration + time.Second - 1) / time.Second)
	args = append(args, "--warmUp="+strconv.FormatInt(o.WarmUp.Milliseconds(), 10), "--duration="+strconv.Itoa(seconds), "--percentile=50,90,95,99")
	for _, f := range []struct {
		on       bool
		old, new string // of 10 where it is on, of 11 where it is off
	}{{o.Graph, "--useCudaGraph", "--noCudaGraph"}, {o.Spin, "--useSpinWait", "--noSpinWait"}} {
		switch {
		case v.weak() && f.on:
			args = append(args, f.old)
		case !v.weak() && !f.on:
			args = append(args, f.new)
		}
	}
	switch {
	case v.weak() && !o.Transfers:
		args = append(args, "--noDataTransfers")
	case !v.weak() && o.Transfers:
		args = append(args, "--includeDataTransfers")
	}
	return args
}

// Bench is what a timed run of an engine gave.
type Bench struct {
	Run     *Run
	Queries []Query     // after warm-up, in order
	Layers  []LayerTime // in the order of the engine; none without BenchOptions.Layers
	Runs    int         // of the profiled run, behind Layers
}

// Bench times an engine. The files that the tool writes for it lie in a temporary folder that is gone afterwards.
func (t *Tool) Bench(ctx context.Context, engine string, o BenchOptions, report progress.Func) (*Bench, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "infer-trtexec-*")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	times, profile := filepath.Join(dir, "times.json"), filepath.Join(dir, "profile.json")
	args := append(o.Args(t.Version, engine), "--exportTimes="+times)
	if o.Layers {
		args = append(args, "--exportProfile="+profile)
		if t.Version.weak() { // else the profiler is in the timed run; 11 always makes a run of its own
			args = append(args, "--separateProfileRun")
		}
	}
	if err := t.check(args); err != nil {
		return nil, err
	}
	b := &Bench{}
	if b.Run, err = t.run(ctx, args, "time the engine", report); err != nil {
		return nil, err
	}
	if b.Queries, err = ReadTimes(times); err != nil {
		return nil, err
	}
	if o.Layers {
		if b.Layers, b.Runs, err = ReadProfile(profile); err != nil {
			return nil, err
		}
	}
	return b, nil
}
