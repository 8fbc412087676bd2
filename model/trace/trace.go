// Package trace owns reading the per-node trace that ONNX Runtime writes: how long each node of a session took, run by
// run.
package trace

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
)

// event is one line of an ONNX Runtime trace. Times are in microseconds; every scalar in Args is a string.
type event struct {
	Cat  string `json:"cat"`
	TID  int64  `json:"tid"`
	TS   int64  `json:"ts"`
	Dur  int64  `json:"dur"`
	Name string `json:"name"`
	Args struct {
		Op       string          `json:"op_name"`
		Provider string          `json:"provider"`
		Shapes   json.RawMessage `json:"output_type_shape"`
	} `json:"args"`
}

const kernelSuffix = "_kernel_time"

// Node is the time of one node over the profiled runs.
type Node struct {
	Name, Op, Provider, Shapes string    // Provider as the runtime calls it: "CPUExecutionProvider"
	Seconds                    []float64 // self time a run: without the nodes of its own subgraphs
	Total                      []float64 // time a run with the nodes of its subgraphs; nil for a node without
	Calls                      int       // over all runs
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
	Format     string  // one of the formats above
	Nodes      []*Node // in order of first appearance
	Runs       int
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

// ReadFile folds the trace file of one session, leaving out its first skip runs. Node names are not escaped by the
// runtime, so a line that is no JSON is repaired. Ref: the trace format as measured on ONNX Runtime 1.30.
func ReadFile(path string, skip int) (*Trace, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	t, err := Read(f, skip)
	if err != nil {
		return nil, fmt.Errorf("trace %q: %w", path, err)
	}
	return t, nil
}

// Read is ReadFile of a reader.
func Read(r io.Reader, skip int) (*Trace, error) {
	t := &Trace{}
	index := map[string]*Node{}
	var run []event
	br := bufio.NewReaderSize(r, 1<<16)
	for {
		line, err := br.ReadBytes('\n')
		if e, ok := t.parse(line); ok {
			switch {
			case e.Cat == "Node" && strings.HasSuffix(e.Name, kernelSuffix):
				run = append(run, e)
			case e.Cat == "Session" && e.Name == "model_run": // written when the run ends, after its nodes
				if skip > 0 {
					skip--
					t.Skipped++
				} else {
					t.fold(run, index)
				}
				run = run[:0]
			}
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, err
		}
	}
	if len(run) > 0 {
		t.Skipped++
	}
	return t, nil
}

// parse reads one line; brackets and what cannot be repaired are no event.
func (t *Trace) parse(line []byte) (event, bool) {
	line = bytes.TrimRight(bytes.TrimSpace(line), ",")
	if len(line) < 2 || line[0] != '{' {
		return event{}, false
	}
	var e event
	if json.Unmarshal(line, &e) == nil {
		return e, true
	}
	fixed, ok := repairName(line)
	if !ok || json.Unmarshal(fixed, &e) != nil {
		return event{}, false
	}
	t.Repaired++
	return e, true
}

// repairName escapes the event's name, which lies between `"name" :"` and the last `","args"` or `","ph"`.
func repairName(line []byte) ([]byte, bool) {
	open := []byte(`"name" :"`)
	i := bytes.Index(line, open)
	if i < 0 {
		return nil, false
	}
	i += len(open)
	end := max(bytes.LastIndex(line, []byte(`","args"`)), bytes.LastIndex(line, []byte(`","ph"`)))
	if end < i {
		return nil, false
	}
	quoted, err := json.Marshal(string(line[i:end]))
	if err != nil {
		return nil, false
	}
	return slices.Concat(line[:i-1], quoted, line[end+1:]), true
}

// fold adds one run. A node that holds other nodes of the same thread (Loop, If, Scan) keeps only its own time.
func (t *Trace) fold(run []event, index map[string]*Node) {
	type open struct {
		end   int64 // microseconds
		index int   // into run
	}
	selfs := make([]int64, len(run))
	order := make([]int, len(run))
	for i := range run {
		order[i], selfs[i] = i, run[i].Dur
	}
	slices.SortStableFunc(order, func(a, b int) int {
		if run[a].TS != run[b].TS {
			return int(run[a].TS - run[b].TS)
		}
		return int(run[b].Dur - run[a].Dur)
	})
	stacks := map[int64][]open{}
	for _, i := range order {
		e := run[i]
		s := stacks[e.TID]
		for len(s) > 0 && s[len(s)-1].end < e.TS+e.Dur {
			s = s[:len(s)-1]
		}
		if len(s) > 0 && holdsNodes(run[s[len(s)-1].index].Args.Op) {
			selfs[s[len(s)-1].index] -= e.Dur
		}
		stacks[e.TID] = append(s, open{e.TS + e.Dur, i})
	}
	seen := map[*Node]bool{}
	for i, e := range run {
		n := t.node(e, index)
		seconds := float64(max(selfs[i], 0)) * 1e-6
		if seen[n] { // a node of a loop body runs several times a run
			n.Seconds[len(n.Seconds)-1] += seconds
			continue
		}
		seen[n] = true
		for len(n.Seconds) < t.Runs {
			n.Seconds = append(n.Seconds, 0) // a branch that earlier runs did not take
		}
		n.Seconds = append(n.Seconds, seconds)
	}
	t.Runs++
	for _, n := range t.Nodes {
		for len(n.Seconds) < t.Runs {
			n.Seconds = append(n.Seconds, 0)
		}
	}
}

// holdsNodes reports whether an operator has a subgraph: only those hold other nodes, while neighbours may share a
// microsecond at their ends.
func holdsNodes(op string) bool {
	return op == "If" || op == "Loop" || op == "Scan" || op == "SequenceMap"
}

func (t *Trace) node(e event, index map[string]*Node) *Node {
	name := strings.TrimSuffix(e.Name, kernelSuffix)
	key := name + "\x00" + e.Args.Op
	n := index[key]
	if n == nil {
		n = &Node{Name: name, Op: e.Args.Op, Provider: e.Args.Provider, Shapes: shapeText(e.Args.Shapes)}
		index[key] = n
		t.Nodes = append(t.Nodes, n)
	}
	return n
}

// shapeText turns [{"float":[1,64,56,56]}] into "float 1x64x56x56".
func shapeText(raw json.RawMessage) string {
	var list []map[string][]int64
	if json.Unmarshal(raw, &list) != nil {
		return ""
	}
	var parts []string
	for _, m := range list {
		for dtype, dims := range m {
			text := make([]string, len(dims))
			for i, d := range dims {
				text[i] = strconv.FormatInt(d, 10)
			}
			parts = append(parts, strings.TrimSpace(dtype+" "+strings.Join(text, "x")))
		}
	}
	return strings.Join(parts, ", ")
}
