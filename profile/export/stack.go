package export

import (
	"math"
	"path/filepath"
	"strings"

	"infer/report"
)

// sample is a node with the stack that it is shown in.
type sample struct {
	*report.Share
	stack       []string // from the model over the blocks and the node to the operator, plain
	nanoseconds int64    // self time, a mean a run
}

// samples returns the nodes, longest first.
func (s Source) samples() []sample {
	out := make([]sample, len(s.Details.ByNode))
	for i := range out {
		n := &s.Details.ByNode[i]
		out[i] = sample{n, s.stack(n), nanoseconds(n.Seconds)}
	}
	return out
}

// stack returns the frames of a node, the model first. A block is the path to the node in its name and ends in a slash,
// so that no block has the name of a node.
func (s Source) stack(n *report.Share) []string {
	frames := []string{s.model()}
	path := n.Name
	if _, output, ok := strings.Cut(path, " → "); ok {
		path = output // a node without a name goes by its operator and its output
	}
	path = strings.Trim(path, "/")
	for i, c := range path {
		if c == '/' && path[i-1] != '/' {
			frames = append(frames, plain(path[:i+1]))
		}
	}
	return append(frames, nodeName(n.Name, n.Op), plain(n.Op))
}

// nodeName is the frame of a node, which need not have a name.
func nodeName(name, op string) string {
	if name == "" {
		return "(" + plain(op) + " without a name)"
	}
	return plain(name)
}

// model is the name of the model's file.
func (s Source) model() string {
	if m := s.Document.Manifest.Model; m != nil && m.Path != "" {
		return plain(filepath.Base(m.Path))
	}
	return "model"
}

// nanoseconds rounds a time; what no time can be is 0.
func nanoseconds(seconds float64) int64 {
	ns := math.Round(seconds * 1e9)
	if !(ns > 0 && ns < math.MaxInt64) {
		return 0
	}
	return int64(ns)
}

// count rounds a number of things that may be unknown; that is 0, as is what no number of things can be.
func count(v *float64) int64 {
	if v == nil || !(*v > 0 && *v < math.MaxInt64) {
		return 0
	}
	return int64(math.Round(*v))
}
