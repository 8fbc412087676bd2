// Package trace owns reading traces of profilers: how long each node of a session took, run by run. It reads the trace
// that ONNX Runtime writes, of any size, and as far as they go those of PyTorch, of Nsight Systems and of other programs
// that write Chrome's format.
package trace

import (
	"compress/gzip"
	"errors"
	"io"
	"os"

	"infer/internal/fault"
)

// Node is the time of one node over the profiled runs.
type Node struct {
	Name, Op, Provider, Shapes string    // Provider as the runtime calls it: "CPUExecutionProvider"
	Seconds                    []float64 // self time a run: without the nodes of its own subgraphs
	Total                      []float64 // time a run with the nodes of its subgraphs; nil for a node without
	Calls                      int       // over all runs
	Inside                     int       // calls of the nodes of its subgraphs, over all runs
	Inputs, Outputs            []Tensor  // of its first call; constants that the runtime packed are not among the inputs
	Scheduled                  int       // calls of which the trace tells how they were spread over threads
	Parallel                   int       // of those, calls that were
	Run, Wait, Dispatch        float64   // seconds of the calling thread in Parallel calls, over all runs: computing, waiting for other threads, handing out work
}

// Tensor is what the trace tells of a tensor.
type Tensor struct {
	DType string  // as the runtime spells it: "float", "int64", "float16", …
	Shape []int64 //
}

// Event is a call of a node on the time line of a run.
type Event struct {
	Name, Op, Provider string
	Begin, Seconds     float64 // Begin counts from the start of the run
	Thread             int64
}

// The formats of traces.
const (
	ONNXRuntime = "onnxruntime"
	PyTorch     = "pytorch"
	Nsight      = "nsys"
	Chrome      = "chrome" // of an unknown program
)

// Trace is what a traced session did.
type Trace struct {
	Format     string    // one of the formats above
	Nodes      []*Node   // in order of first appearance
	Runs       int       // values in Seconds, Total and RunSeconds: one a run where Each is 1
	Each       int       // runs behind each value, which is then their mean: above 1 where a value a run would fill the memory
	Whole      int       // whole runs that were folded; Runs where Each is 1
	Repaired   int       // lines whose node name had to be escaped first
	Skipped    int       // runs left out: the first ones, and a last one that is cut off
	RunSeconds []float64 // how long each of Runs took, as traced
	Load, Init float64   // seconds that loading the model and creating the session took; 0 where the trace does not tell
	Last       []Event   // the calls of the last whole run, in order of their begin
	Events     int64     // read from the file
	Capped     bool      // the runtime stopped writing at its limit of events
	Cut        bool      // the file ends within a run or a line
	Fences     bool      // it has the fence events of runtimes before October 2024
	Threads    bool      // nodes ran on several threads at once
	PeakInUse  int64     // bytes that the runtime's allocator had handed out at most, initializers included; 0: not told
	ArenaHeld  int64     // bytes that it had taken from the system at most
	Notes      []string  // what a reader of the figures should know
}

// ReadFile folds the trace file of one session, leaving out its first skip runs. A file that is packed with gzip is
// unpacked while reading. What is no trace, or one that cannot be read, is a fault that says what the file seems to be.
func ReadFile(path string, skip int) (*Trace, error) {
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, fault.New(fault.Usage, "check the path", "trace %q does not exist", path)
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && info.IsDir() {
		return nil, fault.New(fault.Usage, "name the trace file inside it", "trace %q is a folder", path)
	}
	t, err := Read(f, skip)
	return t, fault.Wrap(err, "trace %q", path)
}

// Read is ReadFile of a reader. An ONNX Runtime trace takes memory for its nodes and for the calls of one run, however
// long it is. The others are not in order of time: they take some 40 bytes a call.
func Read(r io.Reader, skip int) (*Trace, error) {
	w := newWindow(r)
	if head := w.peek(2); len(head) == 2 && head[0] == 0x1f && head[1] == 0x8b {
		z, err := gzip.NewReader(w.rest())
		if err != nil {
			return nil, fault.New(fault.Usage, "", "the gzip file is damaged: %w", err)
		}
		w = newWindow(z)
	}
	return read(w, skip)
}
