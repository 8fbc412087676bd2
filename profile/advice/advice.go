// Package advice owns the rules that say what to do about a profile: each has a trigger, evidence, the most that it can
// gain, and a command to try.
package advice

import (
	"infer/internal/host"
	"infer/model"
	"infer/model/engine"
	"infer/model/onnx"
	"infer/report"
)

// Facts are what the rules look at. What a profile did not measure is nil or zero, and a rule that needs it stays silent.
type Facts struct {
	Document     *report.Document       // metrics and validity
	Details      *report.ProfileDetails // shares, correction, ceilings, cold starts, stages, memory
	Model        *model.Model           // as its author wrote it; nil where only a trace is at hand
	Ran          *onnx.Model            // the graph that the runtime really ran; nil: unknown
	Config       engine.Config
	CPUs         host.CPUs
	Machine      host.Machine
	Interference host.Interference // during the untraced runs
	IdleCPU      float64           // share of one CPU that the process used between runs; negative: not measured
	Path         string            // of the model, quoted for a shell
}

// Rule is one row of the table.
type Rule struct {
	ID      string // "MEM-BOUND"
	Trigger string // one line
	Advice  string // one line
	Check   func(f *Facts) *report.Advice
}

// Rules returns the table, in the order of the alphabet.
func Rules() []Rule { return nil }

// Check returns what the rules say, those with the largest bound first.
func Check(f *Facts) []report.Advice { return nil }

// Bound is the most that a run can speed up where a share of it becomes factor times faster. Ref: Amdahl's law.
func Bound(share, factor float64) float64 { return 1 / (1 - share*(1-1/factor)) }
