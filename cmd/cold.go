package cmd

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"infer/internal/host"
	"infer/internal/stats"
	"infer/model"
	"infer/model/engine"
	"infer/model/engine/ort"
	"infer/model/tensor"
	"infer/report"
)

// coldCommand is the hidden subcommand that profile starts in fresh processes. Its contract is between two processes
// of one binary, so it may change at will.
const coldCommand = "cold-start-child"

// coldSpec is what the child reads from its standard input.
type coldSpec struct {
	Library string
	Model   string
	Config  engine.Config
	Data    dataFlags
	Bind    bindFlags
	Started time.Time // when the process was started, by the clock of the one that did
}

// coldStart returns the fresh process that measures one cold start of spec.
func coldStart(ctx context.Context, spec coldSpec) *exec.Cmd {
	exe, err := os.Executable()
	if err != nil {
		exe = os.Args[0]
	}
	c := exec.CommandContext(ctx, exe, coldCommand)
	spec.Started = time.Now()
	in, err := json.Marshal(spec)
	if err != nil {
		panic(err) // plain strings and numbers
	}
	c.Stdin = bytes.NewReader(in)
	return c
}

func newColdCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use:    coldCommand,
		Hidden: true,
		Args:   usageArgs(cobra.NoArgs),
		// Configuration and environment are the parent's to read: it has, and flags of its own may go before them.
		PersistentPreRunE: func(*cobra.Command, []string) error { return nil },
		RunE:              func(c *cobra.Command, _ []string) error { return runCold(c.Context(), a) },
	}
}

// runCold measures what a fresh process pays before it runs at its full speed, step by step. The metrics are of loading the
// library, creating the session and the first run alone.
func runCold(ctx context.Context, a *app) error {
	var spec coldSpec
	if err := json.NewDecoder(a.std.In).Decode(&spec); err != nil {
		return fmt.Errorf("read the specification: %w", err)
	}
	t := newTimeline(spec.Started)
	m, err := loadModel(spec.Model)
	if err != nil {
		return err
	}
	defer m.Close()
	t.step("read and parse the model")
	data, err := openData(m, spec.Data, spec.Bind)
	if err != nil {
		return err
	}
	in, err := data.inputs(0)
	if err != nil {
		return err
	}
	t.step("make the inputs")
	result, err := t.start(ctx, spec, m, in)
	if err != nil {
		return err
	}
	return json.NewEncoder(a.std.Out).Encode(result)
}

// start loads the library, makes a session of the model and runs it until it is steady.
func (t *timeline) start(ctx context.Context, spec coldSpec, m *model.Model, in []tensor.Tensor) (*report.ColdStart, error) {
	result := &report.ColdStart{}
	rt, err := ort.Load(ort.LoadOptions{Path: spec.Library})
	if err != nil {
		return nil, err
	}
	result.LibraryLoad = t.step("load the library")
	p, err := rt.Provider(spec.Config.Providers[0].Name)
	if err != nil {
		return nil, err
	}
	result.BaseRSS = float64(host.ProcessMemory().RSS)
	t.skip()
	s, err := p.Open(ctx, m, spec.Config)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	result.SessionInit = t.step("create the session")
	run := func() error { return s.Run(ctx, in, make([]tensor.Tensor, len(s.Outputs()))) }
	if err := run(); err != nil {
		return nil, err
	}
	result.FirstRun = t.step("first run")
	if err := t.later(result, run); err != nil {
		return nil, err
	}
	result.Spans = t.spans
	result.PeakRSS = float64(host.ProcessMemory().PeakRSS)
	return result, nil
}

// The runs after the first one: enough to see it settle and for memory to reach its peak, few enough to start often.
const (
	leastLater = 2
	mostLater  = 30
	maxLater   = 500 * time.Millisecond
)

// settled is the most that a run of a settled session takes, by its median.
const settled = 1.2

// timeline notes the steps of this process.
type timeline struct {
	zero, last time.Time
	spans      []report.Span
}

// newTimeline begins with the start of the process, where that is known: clocks may be set in between.
func newTimeline(started time.Time) *timeline {
	now := time.Now()
	t := &timeline{zero: now, last: now}
	if took := now.Sub(started); took > 0 && took < time.Minute {
		t.zero, t.last = now.Add(-took), now.Add(-took)
		t.step("start the process")
	}
	return t
}

// step ends a step, which began with the end of the one before, and returns how many seconds it took.
func (t *timeline) step(name string) float64 {
	now := time.Now()
	t.spans = append(t.spans, report.Span{Name: name, Begin: t.last.Sub(t.zero).Seconds(), End: now.Sub(t.zero).Seconds()})
	took := now.Sub(t.last).Seconds()
	t.last = now
	return took
}

// skip leaves out what has passed since the last step.
func (t *timeline) skip() { t.last = time.Now() }

// later does the runs after the first one, up to the one from which on they take what they always take.
func (t *timeline) later(c *report.ColdStart, run func() error) error {
	ends := []time.Time{t.last}
	for n := 0; n < leastLater || n < mostLater && time.Since(ends[0]) < maxLater; n++ {
		if err := run(); err != nil {
			return err
		}
		ends = append(ends, time.Now())
		c.Later = append(c.Later, ends[n+1].Sub(ends[n]).Seconds())
	}
	limit := settled * stats.Median(c.Later[len(c.Later)/2:])
	first := slices.IndexFunc(c.Later, func(s float64) bool { return s <= limit })
	between := "third run"
	if first > 2 {
		between = fmt.Sprintf("runs 3 to %d, until it is steady", first+1)
	}
	for _, part := range []struct {
		name     string
		from, to int
	}{{"second run", 0, 1}, {between, 1, first}, {"a steady run", max(first, 1), max(first, 1) + 1}} {
		if part.from < part.to && part.to < len(ends) {
			t.spans = append(t.spans, report.Span{Name: part.name, Begin: ends[part.from].Sub(t.zero).Seconds(), End: ends[part.to].Sub(t.zero).Seconds()})
		}
	}
	return nil
}
