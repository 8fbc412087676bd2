package cmd

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"time"

	"github.com/spf13/cobra"

	"infer/internal/host"
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
}

// coldStart returns the fresh process that measures one cold start of spec.
func coldStart(ctx context.Context, spec coldSpec) *exec.Cmd {
	exe, err := os.Executable()
	if err != nil {
		exe = os.Args[0]
	}
	c := exec.CommandContext(ctx, exe, coldCommand)
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
		RunE:   func(c *cobra.Command, _ []string) error { return runCold(c.Context(), a) },
	}
}

// runCold measures what a fresh process pays before its second run: loading the library, creating the session, the
// first run. Reading the model's signature and making the inputs come before and are not counted.
func runCold(ctx context.Context, a *app) error {
	var spec coldSpec
	if err := json.NewDecoder(a.std.In).Decode(&spec); err != nil {
		return fmt.Errorf("read the specification: %w", err)
	}
	m, err := loadModel(spec.Model)
	if err != nil {
		return err
	}
	defer m.Close()
	data, err := openData(m, spec.Data, spec.Bind)
	if err != nil {
		return err
	}
	in, err := data.inputs(0)
	if err != nil {
		return err
	}
	var result report.ColdStart
	begin := time.Now()
	rt, err := ort.Load(ort.LoadOptions{Path: spec.Library})
	if err != nil {
		return err
	}
	result.LibraryLoad = time.Since(begin).Seconds()
	p, err := rt.Provider(spec.Config.Providers[0].Name)
	if err != nil {
		return err
	}
	begin = time.Now()
	s, err := p.Open(ctx, m, spec.Config)
	if err != nil {
		return err
	}
	defer s.Close()
	result.SessionInit = time.Since(begin).Seconds()
	begin = time.Now()
	if err := s.Run(ctx, in, make([]tensor.Tensor, len(s.Outputs()))); err != nil {
		return err
	}
	result.FirstRun = time.Since(begin).Seconds()
	result.PeakRSS = float64(host.ProcessMemory().PeakRSS)
	return json.NewEncoder(a.std.Out).Encode(result)
}
