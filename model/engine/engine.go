// Package engine owns the seam through which every verb runs models: Provider, Session and the small optional
// abilities a session may have. It knows no runtime; model/engine/ort is the one behind it.
package engine

import (
	"context"

	"infer/model"
	"infer/model/tensor"
)

// Port is one input or output of a session: name, dtype and shape with named dynamic axes.
type Port = model.Port

// Provider opens models on one execution provider ("cpu", "cuda", "tensorrt", "openvino", …).
type Provider interface {
	// Name returns the name as --provider takes it.
	Name() string
	// Open loads m and returns a session that the caller closes. It reads m's graph as it is now, edits included,
	// and keeps no reference to m. Errors: fault.Unsupported for a provider or operator that the library lacks,
	// fault.Usage for a wrong option. A session that is being created cannot be cancelled; ctx is checked before.
	Open(ctx context.Context, m *model.Model, c Config) (Session, error)
}

// Session is a model loaded on one execution provider.
type Session interface {
	// Inputs returns what Run takes, in graph order, without those that have an initializer.
	Inputs() []Port
	// Outputs returns what Run gives, in graph order.
	Outputs() []Port
	// Run computes out from in. It is safe for concurrent use, and ctx cancels it.
	// in: one tensor an input; matched by Name where set, else by position.
	// out: at most one tensor an output, matched alike, so it may name a subset. A zero element is allocated by the
	// session (Go memory, the caller's), in the memory of its empty Shape, Data and Strings as far as they reach, so
	// that an output whose shape nobody knows before can be received again and again without an allocation; one with
	// Data is written in place and must have the exact dtype and shape.
	// Sequence and map outputs come back as tensor.Sequence and tensor.Map.
	Run(ctx context.Context, in, out []tensor.Tensor) error
	// Close frees the session and writes its trace where one was asked for. A second Close is a no-op.
	Close() error
}

// Binder is a session that can run again and again on fixed buffers, the hot path without a copy.
type Binder interface {
	// Bind copies in to buffers that the session owns and allocates buffers for every output, whose shapes it
	// learns from one run (so the first call of the returned Bound is not the first run of the session).
	Bind(ctx context.Context, in []tensor.Tensor) (Bound, error)
}

// Bound is a set of inputs and outputs bound to a session; for one goroutine at a time.
type Bound interface {
	// Run runs the session on the bound buffers. ctx cancels it.
	Run(ctx context.Context) error
	// Inputs returns views of the bound inputs: writing to their Data changes what the next Run sees.
	Inputs() []tensor.Tensor
	// Outputs returns views of the bound outputs, valid until the next Run or Close.
	Outputs() []tensor.Tensor
	// Close releases the buffers. A second Close is a no-op.
	Close() error
}

// Timer is a Bound that can time its runs where they happen.
type Timer interface {
	// RunTimed runs up to len(seconds) times, one run after the other, writes how long each took and returns how many
	// there were. Between two runs there is nothing but two readings of the clock: the caller's own scheduler, which
	// would wake up on every return and take a CPU from the threads of the session, is not met. ctx ends it; a run that
	// was cut off is not counted, and the error is that of ctx. Fewer runs than asked for without an error are no fault.
	RunTimed(ctx context.Context, seconds []float64) (runs int, err error)
}

// Tracer is a session that writes a per-node trace.
type Tracer interface {
	// TracePath returns the file that Close wrote, "" before Close or where no trace was asked for.
	TracePath() string
}

// Warner is a session that may differ from what was asked.
type Warner interface {
	// Warnings says in what, such as a provider that was left out because "cpu" came after it; empty where in nothing.
	Warnings() []string
}

// ProviderSpec names an execution provider and its options, as in --provider and --provider-option.
type ProviderSpec struct {
	Name    string
	Options map[string]string
}

// OptLevel is how far the runtime rewrites the graph before it runs it.
type OptLevel int

// The levels of graph optimization. The zero value is OptAll.
const (
	OptAll      OptLevel = iota // everything, tied to this CPU
	OptNone                     // the graph as written
	OptBasic                    // portable rewrites only
	OptExtended                 // also fusions to runtime-specific operators
)

// Config says how to open a session. The zero Config is valid: provider by name alone, one intra-op thread per CPU
// that the process may really use, everything optimized.
type Config struct {
	Providers          []ProviderSpec    // in order of preference; empty: the Provider's own name, no options
	Threads            int               // intra-op threads; 0: host.EffectiveCPUs
	InterThreads       int               // inter-op threads; 0: one, sequential execution; >1: parallel execution
	OptLevel           OptLevel          //
	OptimizedModelPath string            // where to write the graph that the runtime really runs; "" for nowhere
	TracePrefix        string            // file prefix of the per-node trace, written by Close; "" for none
	Entries            map[string]string // session-config entries, passed through
	CustomOps          []string          // files of libraries with custom operators, registered in order
}
