package report

import "infer/internal/stats"

// The …Details types are what Document.Details holds, by kind. Verbs fill them, renderers read them.
// Times are seconds, sizes bytes, shares in [0, 1]. New fields may come, none goes away.

// ProfileDetails is the details of kind "profile".
type ProfileDetails struct {
	By           string           `json:"by,omitempty"`                // what the user asked to see: "op" (also ""), "node", "block", "provider", "dtype" or "origin"
	Top          int              `json:"top,omitempty"`               // rows that the user asked to see; 0: the renderer's choice
	ByOp         []Share          `json:"by_op,omitempty"`             // descending by Seconds
	ByNode       []Share          `json:"by_node,omitempty"`           // descending by Seconds
	ByBlock      []Share          `json:"by_block,omitempty"`          // descending by Seconds
	ProfiledRuns int              `json:"profiled_runs"`               // runs behind the shares
	Inflation    float64          `json:"inflation,omitempty"`         // p50 of the profiled pass / p50 of the unprofiled one
	Residual     *float64         `json:"residual,omitempty"`          // share of the profiled run outside of all nodes
	Cold         []ColdStart      `json:"cold,omitempty"`              // one a fresh process
	Batches      []BatchRow       `json:"batches,omitempty"`           // the --batch sweep; its figures are metrics with the label "batch"
	Stages       []StageRow       `json:"stages,omitempty"`            // before and behind the model; figures are metrics with the label "stage"
	Runs         []MergedRun      `json:"runs,omitempty"`              // that the figures were merged from, in the order of time
	Memory       *Memory          `json:"memory,omitempty"`            //
	WarmUp       *WarmUp          `json:"warm_up,omitempty"`           //
	Next         *NextStep        `json:"next,omitempty"`              // absent when the figures support no advice
	Latency      *stats.Histogram `json:"latency_histogram,omitempty"` // of the timed runs, in seconds; merges with that of another run
	Interference []Measurement    `json:"interference,omitempty"`      // what else went on while measuring
	OptimizedOps []OpCount        `json:"optimized_ops,omitempty"`     // nodes of the graph that the runtime really ran
	ByProvider   []Share          `json:"by_provider,omitempty"`       // descending by Seconds, as are the following
	ByDType      []Share          `json:"by_dtype,omitempty"`          // of the first output of a node
	ByOrigin     []Share          `json:"by_origin,omitempty"`         // nodes as the model's author wrote them; a fused node's time is split among its origins
	Correction   *Correction      `json:"correction,omitempty"`        // absent where node times are as traced
	Ceilings     *Ceilings        `json:"ceilings,omitempty"`          // of the roofline
	Advice       []Advice         `json:"advice,omitempty"`            // what to do, best first
	Unjudged     []UnjudgedRule   `json:"unjudged,omitempty"`          // rules of the advice that could not be judged
	Denormals    *Denormals       `json:"denormals,omitempty"`         //
	Trace        *TraceInfo       `json:"trace,omitempty"`             //
	Timeline     []Span           `json:"cold_timeline,omitempty"`     // of the fresh process whose start took the median time
	Idle         *Idle            `json:"idle,omitempty"`              // the session between runs
	Diff         *ProfileDiff     `json:"diff,omitempty"`              // of --diff; then nothing was run
	Rules        []AdviceRule     `json:"rules,omitempty"`             // of --list-advice
	Options      *RunOptions      `json:"run_options,omitempty"`       // that the runtime was given, defaults included
}

// RunOptions are the settings of the session that decide its speed, defaults filled in.
type RunOptions struct {
	Threads      int               `json:"threads"`
	InterThreads int               `json:"inter_threads"`
	Entries      map[string]string `json:"session_config,omitempty"`
}

// Share is one row of "where the time goes": an operator, a node or a block of nodes.
type Share struct {
	Name     string   `json:"name"`               // the operator for by-op rows, else the node or block
	Op       string   `json:"op,omitempty"`       //
	Provider string   `json:"provider,omitempty"` // "CPUExecutionProvider"
	Count    int      `json:"count"`              // nodes in this row
	Seconds  float64  `json:"seconds"`            // mean self time a run, without what tracing costs where there is a Correction
	Share    float64  `json:"share"`              // of the sum over all rows
	Lo       *float64 `json:"lo,omitempty"`       // 95 % interval of Seconds
	Hi       *float64 `json:"hi,omitempty"`       //
	MACs     *float64 `json:"macs,omitempty"`     // absent where they are unknown
	Shapes   string   `json:"shapes,omitempty"`   // "1x64x56x56 → 1x64x56x56"

	Traced  float64  `json:"traced,omitempty"`           // mean self time a run as the trace tells it, seconds
	Total   float64  `json:"total,omitempty"`            // mean traced time with what a Loop, If or Scan holds; absent for other nodes
	Calls   float64  `json:"calls,omitempty"`            // a run; absent for 1
	Below   bool     `json:"below_resolution,omitempty"` // too short to be told from the tracing
	DType   string   `json:"dtype,omitempty"`            // of its first output
	Inputs  string   `json:"inputs,omitempty"`           // dtypes and shapes that it read, constants that the runtime packed not among them
	Origins []string `json:"origins,omitempty"`          // nodes of the model as written that this one computes; absent where it is one of them, by name

	FLOPs       *float64 `json:"flops,omitempty"`        // a run, 2 a multiply-accumulate; absent where they are unknown
	Bytes       *float64 `json:"bytes,omitempty"`        // a run, inputs and outputs each once
	WeightBytes *float64 `json:"weight_bytes,omitempty"` // of Bytes, the constants
	Class       string   `json:"class,omitempty"`        // "compute", "memory", "overhead" or "other"; absent without ceilings
	Efficiency  *float64 `json:"efficiency,omitempty"`   // of the roof over it; above 1 where it beat the probes
	Parallel    *float64 `json:"parallel,omitempty"`     // share of its calls that the runtime spread over threads; absent where the trace does not tell
	Wait        *float64 `json:"wait,omitempty"`         // share of its parallel time in which the calling thread waited for the others
}

// ColdStart is one start in a fresh process.
type ColdStart struct {
	LibraryLoad float64 `json:"library_load"`
	SessionInit float64 `json:"session_init"`
	FirstRun    float64 `json:"first_run"`
	PeakRSS     float64 `json:"peak_rss"`           // after the last run
	BaseRSS     float64 `json:"base_rss,omitempty"` // before the session was made, with the library loaded; 0: the system does not tell
	Spans       []Span  `json:"spans,omitempty"`    // what the process did, step by step

	Later []float64 `json:"later_runs,omitempty"` // seconds of the runs after the first one
}

// BatchRow says how one batch size of the sweep was measured.
type BatchRow struct {
	Batch  int     `json:"batch"`
	Runs   int     `json:"runs"`
	WarmUp *WarmUp `json:"warm_up,omitempty"`
	Error  string  `json:"error,omitempty"` // why this size could not be run

	Latency *stats.Histogram `json:"latency_histogram,omitempty"` // of its timed runs, in seconds

	FirstRun float64 `json:"first_run,omitempty"` // seconds, the first run at this size of a session that had run another one often; absent where nobody tried
}

// StageRow is what comes before or behind the model, or the model itself between the two.
type StageRow struct {
	Stage   string           `json:"stage"` // "pre", "forward" or "post", alone; "pre pipelined" and so on: in turn beside a live session
	Latency *stats.Histogram `json:"latency_histogram"`
	Command string           `json:"command,omitempty"`      // that stands for the stage
	Anew    bool             `json:"started_anew,omitempty"` // the command is started for each run, and its start is part of the time
}

// Memory is where the memory goes. 0 is unknown, except for Initializers.
type Memory struct {
	Initializers         int64        `json:"initializers"`                     // bytes of stored constants
	ActivationLowerBound int64        `json:"activation_lower_bound,omitempty"` // by liveness, in node order, no reuse in place
	PeakRSS              int64        `json:"peak_rss,omitempty"`               // of the measuring process
	BaseRSS              int64        `json:"base_rss,omitempty"`               // before the session was made
	Unknown              int          `json:"unknown,omitempty"`                // tensors without a known size, not counted
	AlivePeak            []NamedBytes `json:"alive_peak,omitempty"`             // tensors alive at the peak, largest first
	PeakNode             string       `json:"peak_node,omitempty"`              // the node at which the peak is reached
	Allocator            *Allocator   `json:"allocator,omitempty"`              // the runtime's own, where the trace tells
}

// NamedBytes is a size with a name.
type NamedBytes struct {
	Name  string `json:"name"`
	Bytes int64  `json:"bytes"`
	DType string `json:"dtype,omitempty"`
	Shape string `json:"shape,omitempty"`
}

// WarmUp says what was run before timing, and how the timed runs went on.
type WarmUp struct {
	Runs  int    `json:"runs"`
	Class string `json:"class"` // of the timed runs, as model/measure names it: "flat", "warm-up", "slow-down" or "unsteady"
}

// NextStep is the one command worth trying next.
type NextStep struct {
	Command string `json:"command"`
	Why     string `json:"why"`
}

// Measurement is a named number with its unit.
type Measurement struct {
	Name  string  `json:"name"`
	Value float64 `json:"value"`
	Unit  string  `json:"unit"`
}

// InspectDetails is the details of kind "inspect". With --diff it has Diff.
type InspectDetails struct {
	Format       string            `json:"format"`        // of the file: "onnx", or "ort" for ONNX Runtime's own
	ORT          *ORTFile          `json:"ort,omitempty"` // of a file of that format
	IRVersion    int64             `json:"ir_version"`
	Opsets       []Opset           `json:"opsets"`
	Producer     string            `json:"producer,omitempty"` // name and version
	Graph        string            `json:"graph,omitempty"`    // the graph's name
	Inputs       []PortInfo        `json:"inputs"`
	Outputs      []PortInfo        `json:"outputs"`
	Ops          []OpCount         `json:"ops"`                     // descending by Count
	ParamsBy     []DTypeCount      `json:"params_by_dtype"`         // descending by Bytes
	Quantization Quantization      `json:"quantization"`            //
	Initializers int64             `json:"initializer_bytes"`       //
	External     []NamedBytes      `json:"external_data,omitempty"` // files beside the model, of external data and of compiled parts
	Compiled     []CompiledPart    `json:"compiled,omitempty"`      // EPContext nodes
	Subgraphs    int               `json:"subgraphs"`               // bodies of Loop, If and Scan, at any depth
	Functions    int               `json:"functions"`               // model-local functions
	Coverage     Coverage          `json:"coverage"`                //
	Unknown      []string          `json:"unknown,omitempty"`       // operators without shape or cost, "domain.Op"
	Metadata     map[string]string `json:"metadata,omitempty"`      //
	Largest      []NamedBytes      `json:"largest_tensors,omitempty"`
	Memory       *Memory           `json:"memory,omitempty"`
	Diff         *DiffDetails      `json:"diff,omitempty"`
	Next         *NextStep         `json:"next,omitempty"`
}

// ORTFile is what a file in ONNX Runtime's own format says of itself.
type ORTFile struct {
	Version       int      `json:"format_version"`
	Runtimes      string   `json:"runtimes"`                      // the releases that wrote this version: "1.16 or newer"
	Providers     []string `json:"providers,omitempty"`           // that nodes were given to, by their long names
	Optimizations int      `json:"saved_optimizations,omitempty"` // which the runtime makes when it opens the file
}

// CompiledPart is a part of a graph that an execution provider has compiled: an EPContext node.
type CompiledPart struct {
	Node     string `json:"node"`
	Provider string `json:"provider,omitempty"` // as it calls itself
	Version  string `json:"version,omitempty"`  // of the provider's kit
	Hardware string `json:"hardware,omitempty"` // what it was compiled for
	File     string `json:"file,omitempty"`     // where its cache lies, relative to the model; absent where the model holds it
}

// Opset is one imported operator set.
type Opset struct {
	Domain  string `json:"domain"` // "" is ai.onnx
	Version int64  `json:"version"`
}

// PortInfo is one input or output of the model.
type PortInfo struct {
	Name  string `json:"name"`
	Type  string `json:"type"` // "tensor", "sequence", "map" or "optional"
	DType string `json:"dtype,omitempty"`
	Shape string `json:"shape,omitempty"` // "1x3x224x224", "batch x 128", "" for rank 0, "?" for unknown
	Bound string `json:"bound,omitempty"` // the shape after binding, where that differs
}

// OpCount is how often an operator occurs.
type OpCount struct {
	Domain string   `json:"domain,omitempty"` // "" is ai.onnx
	Op     string   `json:"op"`
	Count  int      `json:"count"`
	MACs   *float64 `json:"macs,omitempty"`
	Params *int64   `json:"params,omitempty"`
}

// DTypeCount is the stored constants of one element type.
type DTypeCount struct {
	DType  string `json:"dtype"`
	Params int64  `json:"params"`
	Bytes  int64  `json:"bytes"`
}

// Quantization says how far the model is quantized.
type Quantization struct {
	State   string   `json:"state"`             // "none", "qdq", "qoperator", "dynamic", "weight-only", "mixed"
	Nodes   int      `json:"nodes"`             // nodes that quantize, dequantize or compute on integers
	Formats []string `json:"formats,omitempty"` // "int8 per-channel symmetric"
}

// Coverage is for which part of the nodes the static figures hold, each in [0, 1].
type Coverage struct {
	Shapes float64 `json:"shapes"` // nodes whose output shapes are all known
	Cost   float64 `json:"cost"`   // nodes whose MACs are known, a known 0 included
}

// DiffDetails is what changed between two models, base to head.
type DiffDetails struct {
	Base      string    `json:"base"` // path
	Head      string    `json:"head"`
	Identical bool      `json:"identical"`
	Signature []DiffRow `json:"signature,omitempty"`
	Ops       []DiffRow `json:"ops,omitempty"`
	Nodes     []DiffRow `json:"nodes,omitempty"` // operator, wiring and attributes, node by node
	Constants []DiffRow `json:"constants,omitempty"`
	Cost      []DiffRow `json:"cost,omitempty"`
}

// DiffRow is one difference. A side that lacks the thing is "".
type DiffRow struct {
	What string `json:"what"`
	Base string `json:"base"`
	Head string `json:"head"`
}

// PredictDetails is the details of kind "predict".
type PredictDetails struct {
	Rows    int64        `json:"rows"`
	Resumed int64        `json:"resumed"` // of Rows, those that an earlier run had done
	Batch   int          `json:"batch,omitempty"`
	Labels  string       `json:"labels,omitempty"` // where the labels came from
	Correct *int64       `json:"correct,omitempty"`
	Outputs []OutputFile `json:"outputs"`
	Classes []ClassCount `json:"classes,omitempty"`
	Next    *NextStep    `json:"next,omitempty"`
}

// OutputFile is one written output.
type OutputFile struct {
	Name  string `json:"name"`
	File  string `json:"file"`
	DType string `json:"dtype"`
	Shape string `json:"shape"`
}

// ClassCount is one class of a labelled prediction.
type ClassCount struct {
	Class     int64  `json:"class"`
	Name      string `json:"name,omitempty"`
	Rows      int64  `json:"rows"` // rows with this label
	Correct   int64  `json:"correct"`
	Predicted int64  `json:"predicted"` // rows predicted as this class
}

// DeployDetails is the details of kind "deploy".
type DeployDetails struct {
	Target string       `json:"target"` // "docker"
	Folder string       `json:"folder"`
	Files  []FileDigest `json:"files"`
	Image  string       `json:"image"`            // name of the image
	Built  bool         `json:"built"`            // whether it was built
	Reason string       `json:"reason,omitempty"` // why not
	Next   *NextStep    `json:"next,omitempty"`
}

// FileDigest is one file: written by deploy, or a library that a run used.
type FileDigest struct {
	Path   string `json:"path"` // of a written file, relative to the folder, with slashes
	Bytes  int64  `json:"bytes"`
	SHA256 string `json:"sha256"`
}

// RuntimeDetails is the details of kind "runtime".
type RuntimeDetails struct {
	Libraries []Library `json:"libraries"`
	Findings  []Finding `json:"findings,omitempty"` // of doctor
	Next      *NextStep `json:"next,omitempty"`
}

// Library is one ONNX Runtime library on this machine.
type Library struct {
	Path      string   `json:"path"`
	Version   string   `json:"version"`
	Source    string   `json:"source"`           // "flag", "environment", "cache", "system", "python", "node"
	Flavor    string   `json:"flavor,omitempty"` // "cpu", or the accelerator that it was built for
	Providers []string `json:"providers"`
	Bytes     int64    `json:"bytes,omitempty"` // of an installed flavor with all that it needs
	SHA256    string   `json:"sha256,omitempty"`
	Selected  bool     `json:"selected"`
	Problem   string   `json:"problem,omitempty"` // why it cannot be used
}

// Finding is one result of doctor.
type Finding struct {
	Name   string `json:"name"`
	Level  string `json:"level"` // "ok", "note", "warning" or "error"
	Detail string `json:"detail"`
	Fix    string `json:"fix,omitempty"`
}

// VersionDetails is the details of kind "version".
type VersionDetails struct {
	Infer     string            `json:"infer"`
	Commit    string            `json:"commit,omitempty"`
	Go        string            `json:"go"`
	Platform  string            `json:"platform"`            // "linux/amd64"
	Pinned    string            `json:"pinned,omitempty"`    // version of ONNX Runtime that infer would install
	Runtime   string            `json:"runtime,omitempty"`   // version of the ONNX Runtime library that would be used
	Library   string            `json:"library,omitempty"`   // where that is
	Providers []string          `json:"providers,omitempty"` // execution providers that it has
	Modules   map[string]string `json:"modules,omitempty"`   // Go modules that matter → version
}
