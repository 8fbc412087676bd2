package advice

import (
	"fmt"
	"slices"
	"strings"

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
	Path         string            // of the model and flags of its sizes, quoted for a shell
}

// Need is a fact that a rule cannot do without.
type Need struct {
	What string // what is missing, as the end of "cannot be judged: "
	Have func(f *Facts) bool
}

// The needs.
var (
	needSession = Need{"no session was opened: its settings are not known", func(f *Facts) bool { return f.CPUs.Count > 0 }}
	needTimes   = Need{"no times of nodes: the profile has no traced runs", func(f *Facts) bool { return len(f.Details.ByNode) > 0 }}
	needClass   = Need{"no node is classified: the profile has no ceilings", func(f *Facts) bool {
		return slices.ContainsFunc(f.Details.ByNode, func(r report.Share) bool { return r.Class != "" })
	}}
	needBytes = Need{"the bytes that nodes move are not known", func(f *Facts) bool {
		return slices.ContainsFunc(f.Details.ByNode, func(r report.Share) bool { return r.Bytes != nil })
	}}
	needSpread = Need{"the trace does not tell how nodes were spread over threads", func(f *Facts) bool {
		return slices.ContainsFunc(f.Details.ByNode, func(r report.Share) bool { return r.Parallel != nil })
	}}
	needCorrection = Need{"node times are as traced: tracing was not calibrated", func(f *Facts) bool {
		return f.Details.Correction != nil && f.Details.Correction.Calibrated != ""
	}}
	needRan       = Need{"the graph that the runtime ran is not known", func(f *Facts) bool { return f.Ran != nil && f.Ran.Graph != nil }}
	needModel     = Need{"the model is not known", func(f *Facts) bool { return f.Model != nil }}
	needCold      = Need{"no fresh process was started: --cold was 0", func(f *Facts) bool { return len(f.Details.Cold) > 0 && f.p50() > 0 }}
	needRuns      = Need{"no untraced runs were timed", func(f *Facts) bool { return f.Interference.Wall > 0 }}
	needLongRuns  = Need{"the timed runs were too short for the machine's counters", func(f *Facts) bool { return f.Interference.Wall >= shortWall }}
	needIdle      = Need{"the process was not watched between runs", func(f *Facts) bool { return f.Details.Idle != nil }}
	needISA       = Need{"the instruction sets of the CPU are not known", func(f *Facts) bool { return len(f.Machine.ISA) > 0 }}
	needCores     = Need{"the physical cores of the machine are not known", func(f *Facts) bool { return f.Machine.Cores > 0 }}
	needNodes     = Need{"the NUMA nodes of the machine are not known", func(f *Facts) bool { return f.Machine.NUMANodes > 0 && f.Machine.Threads > 0 }}
	needStages    = Need{"no stage before or behind the model was measured in a pipeline", func(f *Facts) bool { return f.pipelined() }}
	needAllocator = Need{"the trace does not tell what the allocator holds", func(f *Facts) bool {
		return f.Details.Memory != nil && f.Details.Memory.Allocator != nil && f.Details.Memory.Allocator.PeakInUse > 0
	}}
	needScan      = Need{"the initializers were not searched for subnormal numbers", func(f *Facts) bool { return f.Details.Denormals != nil }}
	needTrace     = Need{"there is no trace", func(f *Facts) bool { return f.Details.Trace != nil }}
	needTracedRun = Need{"the time of a traced run is not known", func(f *Facts) bool { return f.tracedRun().Value > 0 }}
	needShapes    = Need{"no session ran more than one shape", func(f *Facts) bool {
		return slices.ContainsFunc(f.Details.Batches, func(b report.BatchRow) bool { return b.FirstRun > 0 && b.Latency != nil })
	}}
)

// whole returns f with details, empty ones where it has none.
func (f *Facts) whole() *Facts {
	if f.Details != nil {
		return f
	}
	c := *f
	c.Details = &report.ProfileDetails{}
	return &c
}

// shortWall is the span in seconds below which the machine's counters, which count in 10 ms, say nothing.
const shortWall = 0.2

// threads returns the intra-op threads of the session.
func (f *Facts) threads() int {
	switch {
	case f.Config.Threads > 0:
		return f.Config.Threads
	case f.Details.Options != nil && f.Details.Options.Threads > 0:
		return f.Details.Options.Threads
	}
	return f.CPUs.Count
}

// spins reports whether the threads of the session spin while they wait for work.
func (f *Facts) spins() bool {
	return f.threads() > 1 && f.Config.Entries["session.intra_op.allow_spinning"] != "0"
}

// accelerated reports whether another execution provider than the CPU's was asked for, or had nodes.
func (f *Facts) accelerated() bool {
	return slices.ContainsFunc(f.Config.Providers, func(p engine.ProviderSpec) bool { return p.Name != "cpu" }) ||
		slices.ContainsFunc(f.Details.ByNode, func(r report.Share) bool {
			return strings.HasSuffix(r.Provider, "ExecutionProvider") && r.Provider != "CPUExecutionProvider"
		})
}

// p50 returns the median latency of an untraced run in seconds, 0 where there is none.
func (f *Facts) p50() float64 {
	if f.Document == nil {
		return 0
	}
	if m := f.Document.Metric("latency_p50", nil); m != nil && m.Value != nil {
		return *m.Value
	}
	return 0
}

// ofRun turns a share of the time of all nodes into a share of a run, which has time outside of nodes, too.
func (f *Facts) ofRun(share float64) float64 {
	c := f.Details.Correction
	if c == nil || c.Untraced.Value <= 0 {
		return share
	}
	return share * (1 - max(0, c.Residual)/c.Untraced.Value)
}

// profile is the start of a command that profiles the model again.
func (f *Facts) profile(flags string) string { return f.infer("profile", flags) }

// infer returns a command about the model; "" where nobody knows its path.
func (f *Facts) infer(verb, flags string) string {
	if f.Path == "" {
		return ""
	}
	return strings.TrimSpace("infer " + verb + " " + f.Path + " " + flags)
}

// batchIsFree reports whether the first axis of every input is dynamic.
func (f *Facts) batchIsFree() bool {
	if f.Model == nil {
		return false
	}
	ins := f.Model.Inputs()
	for _, p := range ins {
		if len(p.Type.Dims) == 0 || p.Type.Dims[0].Known {
			return false
		}
	}
	return len(ins) > 0
}

// sum is the time of some nodes together.
type sum struct {
	rows   []report.Share
	nodes  int
	share  float64 // of the time of all nodes
	second float64 // a run
}

// those adds up the nodes that pick takes, the longest first.
func (f *Facts) those(pick func(report.Share) bool) sum {
	var s sum
	for _, r := range f.Details.ByNode {
		if pick(r) {
			s.rows = append(s.rows, r)
			s.nodes += r.Count
			s.share += r.Share
			s.second += r.Seconds
		}
	}
	return s
}

// ofOps adds up the nodes of the operators that pick takes. The sum is that of the table by operator: a row of the table
// by node may hold several nodes of one name, and then has no operator.
func (f *Facts) ofOps(pick func(op string) bool) sum {
	s := f.those(func(r report.Share) bool { return pick(r.Op) })
	if len(f.Details.ByOp) == 0 {
		return s
	}
	s.nodes, s.share, s.second = 0, 0, 0
	for _, r := range f.Details.ByOp {
		if pick(r.Name) {
			s.nodes, s.share, s.second = s.nodes+r.Count, s.share+r.Share, s.second+r.Seconds
		}
	}
	return s
}

// time says how long the nodes of s took: in words, since a share alone may be of next to nothing.
func (f *Facts) time(s sum) string {
	share := percent(s.share) + " of the time of all nodes"
	if c := f.Details.Correction; c != nil && c.SharesOnly {
		return fmt.Sprintf("%s: %s (n=%d traced runs)", count(s.nodes, "node"), share, f.Details.ProfiledRuns)
	}
	return fmt.Sprintf("%s: %s a run, %s (n=%d traced runs)", count(s.nodes, "node"), seconds(s.second), share, f.Details.ProfiledRuns)
}

// longest describes the first rows of s, at most most of them.
func (f *Facts) longest(s sum) []string {
	var lines []string
	for _, r := range s.rows[:min(most, len(s.rows))] {
		lines = append(lines, strings.TrimSpace(fmt.Sprintf("%s %s: %s %s", r.Op, r.Name, percent(r.Share), shapes(r))))
	}
	if n := len(s.rows) - len(lines); n > 0 {
		lines = append(lines, fmt.Sprintf("and %d more", n))
	}
	return lines
}

// most is how many nodes the evidence names.
const most = 5

func shapes(r report.Share) string {
	if r.Shapes == "" {
		return ""
	}
	return "(" + r.Shapes + ")"
}

func percent(x float64) string { return report.FormatValue(report.Ratio, x) }
func seconds(s float64) string { return report.FormatValue(report.Time, s) }
func times(x float64) string   { return report.FormatValue(report.Factor, x) }
func size(n int64) string      { return report.FormatValue(report.Bytes, float64(n)) }

// count returns "1 node", "2 nodes".
func count(n int, one string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %ss", n, one)
}

// interval writes a figure with its interval and its sample size.
func interval(q report.Quantity, i report.Interval) string {
	s := report.FormatValue(q, i.Value)
	if i.Lo != nil && i.Hi != nil {
		s += fmt.Sprintf(" [%s, %s]", report.FormatValue(q, *i.Lo), report.FormatValue(q, *i.Hi))
	}
	return fmt.Sprintf("%s (n=%d)", s, i.N)
}
