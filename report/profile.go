package report

import (
	"strings"

	"infer/internal/stats"
)

// Interval is a figure with its 95 % interval. Lo and Hi are nil where the sample cannot support one.
type Interval struct {
	Value float64  `json:"value"`
	Lo    *float64 `json:"lo,omitempty"`
	Hi    *float64 `json:"hi,omitempty"`
	N     int      `json:"n"` // sample size
}

// IntervalOf returns an estimate as a report holds it.
func IntervalOf(e stats.Estimate) Interval {
	i := Interval{Value: e.Value, N: e.N}
	if e.OK {
		i.Lo, i.Hi = &e.Lo, &e.Hi
	}
	return i
}

// Metric returns i as a metric: without an interval it has no value, which would be judged as exact.
func (i Interval) Metric(name string) Metric {
	m := NewMetric(name)
	if m.N = i.N; i.Lo != nil && i.Hi != nil {
		m.Value, m.Lo, m.Hi, m.Confidence = &i.Value, i.Lo, i.Hi, 0.95
	}
	return m
}

// Correction says how the times of the nodes were freed of what tracing costs, and how their sum compares with an
// untraced run. Times are seconds. Ref: the model is t = k + Floor for a node, and a run of n nodes costs n × PerNode more.
type Correction struct {
	Untraced   Interval `json:"untraced"`             // a run without tracing, in blocks that alternate with traced ones
	Traced     Interval `json:"traced"`               // a run with tracing
	Inflation  Interval `json:"inflation"`            // Traced / Untraced, over pairs of blocks
	Floor      Interval `json:"floor"`                // what tracing adds inside the time of a node, from a chain of tiny nodes
	PerNode    Interval `json:"per_node"`             // what tracing adds to a run for each node, from the same chain
	Nodes      int      `json:"nodes"`                // calls of nodes a run
	Sum        Interval `json:"sum"`                  // of the corrected times of all nodes, before Scale
	Residual   float64  `json:"residual"`             // Untraced - Sum; what is left is the framework's, below 0 the trace says too much
	Scale      float64  `json:"scale"`                // by which corrected times were multiplied; 1 where Residual is not negative
	Resolution float64  `json:"resolution"`           // a node below this traced time cannot be told from the tracing: 3 × Floor
	Below      int      `json:"below_resolution"`     // calls of nodes a run that are
	BelowTime  float64  `json:"below_time"`           // the corrected time of those together
	SharesOnly bool     `json:"shares_only"`          // tracing slowed the run so much that times of nodes are not to be quoted, shares are
	Calibrated string   `json:"calibrated,omitempty"` // how Floor and PerNode came to be; "" where they were not measured
}

// Ceilings are the best rates that this machine was seen to reach through the same runtime and threads: the roofs of a
// roofline. Absent ones are nil. Of each the Value is the best of N blocks, Lo and Hi are the interval of their median.
type Ceilings struct {
	Float32    *Interval `json:"float32,omitempty"`     // floating-point operations a second, 2 a multiply-accumulate
	Int8       *Interval `json:"int8,omitempty"`        // operations a second of 8-bit integers, 2 a multiply-accumulate
	Memory     *Interval `json:"memory,omitempty"`      // bytes a second from and to memory
	Cache      *Interval `json:"cache,omitempty"`       // bytes a second from and to the last cache that a core shares
	CacheBytes float64   `json:"cache_bytes,omitempty"` // a node of so many bytes or fewer is held against Cache, another one against Memory
	Threads    int       `json:"threads"`
	Provider   string    `json:"provider"`
	Measured   string    `json:"measured"`    // when, RFC 3339
	Age        float64   `json:"age_seconds"` // since then
	Cached     bool      `json:"cached"`      // read from the cache, not measured by this profile
	Probes     []Probe   `json:"probes,omitempty"`
	Notes      []string  `json:"notes,omitempty"`
	Disturbed  []string  `json:"disturbed,omitempty"` // what else went on while they were measured: they may be too low
}

// Probe is one measurement behind a ceiling.
type Probe struct {
	Name string   `json:"name"` // "MatMul 1024 float32"
	Roof string   `json:"roof"` // "float32", "int8", "memory" or "cache"
	Rate Interval `json:"rate"` // operations or bytes a second
}

// IntegerOp says that an operator does its arithmetic on 8-bit integers, so that its nodes are held against Int8.
func IntegerOp(op string) bool {
	return strings.HasPrefix(op, "QLinear") || strings.Contains(op, "Integer") || op == "QGemm" || op == "QAttention" || op == "DynamicQuantizeMatMul"
}

// Advice is what a rule found: evidence, the most that following it can gain, the command to try.
type Advice struct {
	Rule     string   `json:"rule"`               // "MEM-BOUND"
	What     string   `json:"what"`               // the finding in one line
	Evidence []string `json:"evidence,omitempty"` // the figures behind it, one line each
	Bound    float64  `json:"bound,omitempty"`    // the most a run can speed up, by Amdahl's law, such as 1.4; 0: the rule is not about speed, or nobody knows
	Try      string   `json:"try"`                // what to do, one line
	Command  string   `json:"command,omitempty"`  // an infer command; "" where none helps
}

// UnjudgedRule is a rule of the advice that a profile lacks the facts for.
type UnjudgedRule struct {
	Rule string `json:"rule"`
	Why  string `json:"why"` // what it lacks
}

// AdviceRule is one rule of the table that `infer profile --list-advice` prints.
type AdviceRule struct {
	Rule    string `json:"rule"`
	Trigger string `json:"trigger"`
	Advice  string `json:"advice"`
}

// Denormals says where subnormal numbers were found, which slow the arithmetic of a CPU down.
type Denormals struct {
	Scanned      int          `json:"scanned"`                // float initializers
	Elements     int64        `json:"elements"`               // of those
	Found        int64        `json:"found"`                  // subnormal elements
	Initializers []NamedCount `json:"initializers,omitempty"` // with subnormal elements, most first, at most 10
	Speedup      *Interval    `json:"speedup,omitempty"`      // of flushing them to zero, from interleaved blocks; nil: not tried
}

// NamedCount is a count with a name.
type NamedCount struct {
	Name  string `json:"name"`
	Count int64  `json:"count"`
}

// TraceInfo is what a trace file said of itself.
type TraceInfo struct {
	Path     string   `json:"path,omitempty"`     // of --from-trace or --trace
	Format   string   `json:"format"`             // "onnxruntime", "pytorch", "nsys" or "chrome"
	Events   int64    `json:"events"`             //
	Runs     int      `json:"runs"`               // whole ones that were read
	Skipped  int      `json:"skipped_runs"`       // left out: warm-up, and one that was cut
	Repaired int      `json:"repaired_lines"`     // whose names were no valid JSON
	Capped   bool     `json:"capped,omitempty"`   // the runtime stopped writing at its 1 000 000 events
	Cut      bool     `json:"cut,omitempty"`      // the file ends early
	Run      Interval `json:"run"`                // seconds a run, as traced
	Notes    []string `json:"notes,omitempty"`    //
	Fences   bool     `json:"fences,omitempty"`   // written by a runtime of before October 2024
	Parallel bool     `json:"parallel,omitempty"` // nodes ran on several threads at once
}

// Span is one step of a cold start, in order. Times are seconds since the process was started.
type Span struct {
	Name  string  `json:"name"`
	Begin float64 `json:"begin"`
	End   float64 `json:"end"`
}

// Allocator is what the runtime's own allocator said, from the trace.
type Allocator struct {
	PeakInUse int64 `json:"peak_in_use"` // bytes, initializers included
	Held      int64 `json:"held"`        // bytes that the arena took from the system
}

// ProfileDiff compares two profiles, or two traces, node by node.
type ProfileDiff struct {
	Base    string          `json:"base"` // path
	Head    string          `json:"head"`
	Reading string          `json:"reading"`             // a sentence
	Nodes   *CompareExplain `json:"nodes"`               // matched nodes, with significance
	Ops     []ExplainRow    `json:"ops,omitempty"`       // the same by operator
	Model   *DiffDetails    `json:"model,omitempty"`     // signature, operators, constants: where both models can be read
	Metrics []CompareMetric `json:"metrics,omitempty"`   // of both profiles
	Machine []DiffRow       `json:"machine,omitempty"`   // what else differs: host, options, throttling, memory, validity
	Trouble []string        `json:"trouble,omitempty"`   // why the difference may not be the model's
	MACs    *DiffRow        `json:"macs,omitempty"`      //
	Refused string          `json:"unlike,omitempty"`    // why the two are not to be compared, "" where they are
	Runs    [2]int          `json:"profiled_runs"`       // behind the node times, base and head
	Matched int             `json:"matched"`             // nodes on both sides
	Added   int             `json:"added"`               // nodes that only head has
	Removed int             `json:"removed"`             // nodes that only base has
	Changed int             `json:"significant_changes"` // matched nodes whose change is beyond noise, after Holm's correction
	Common  *Interval       `json:"common,omitempty"`    // the factor by which the nodes that are alike moved, their median, and N of them; nil: there are too few
	Spread  float64         `json:"spread,omitempty"`    // standard deviation of the logarithm of a node's factor around Common, which noise between two runs explains
}

// Idle is what a session costs while nobody asks it, from gaps after a run. Times are seconds, medians over the gaps.
type Idle struct {
	Share float64 `json:"share"` // of one CPU that the process used while threads span; 0: none did
	Spin  float64 `json:"spin"`  // for which they did after a run, at most Gap
	CPU   float64 `json:"cpu"`   // that this took
	Gap   float64 `json:"gap"`   // that was looked at
	N     int     `json:"n"`     // gaps
}
