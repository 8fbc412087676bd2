package profile

import (
	"cmp"
	"io"
	"os"
	"slices"
	"strings"

	"infer/internal/atomicfile"
	"infer/internal/stats"
	"infer/model/measure"
	"infer/model/trace"
	"infer/report"
)

// shares turns a trace into the tables by node, operator and block. A share is of the nodes' summed self time.
func (r *runner) shares(t *trace.Trace) {
	if t.Runs == 0 || len(t.Nodes) == 0 {
		r.d.Warn("the trace of the profiled pass holds no run: no shares by operator")
		return
	}
	if t.Repaired > 0 {
		r.d.Warn("%d lines of the trace had node names that are no valid JSON; they were repaired", t.Repaired)
	}
	r.details.ProfiledRuns = t.Runs
	if p50 := stats.Median(r.base.Seconds); p50 > 0 && r.profiledP50 > 0 {
		r.details.Inflation = r.profiledP50 / p50
		if r.details.Inflation > inflated {
			r.d.Warn("tracing made a run %.1f times slower: read the shares of short nodes as upper bounds", r.details.Inflation)
		}
	}
	r.details.ByNode = table(t, r.nodeOf)
	r.details.ByOp = table(t, func(n *trace.Node) string { return n.Op })
	r.details.ByBlock = table(t, func(n *trace.Node) string { return block(n.Name) })
	r.joinMACs()
	r.details.By, r.details.Top = r.o.By, r.o.Top
}

// nodeOf returns the node of the model that a node of the trace is, by name. The runtime lays convolutions out anew and
// names them after their output then: slow_y_nchwc is the node that gives slow_y.
func (r *runner) nodeOf(n *trace.Node) string {
	output, ok := strings.CutSuffix(n.Name, "_nchwc")
	if !ok {
		return n.Name
	}
	for _, c := range r.t.Model.Proto.Graph.Nodes {
		if c.Name != "" && slices.Contains(c.Outputs, output) {
			return c.Name
		}
	}
	return n.Name
}

// joinMACs adds the multiply-accumulates to the operators that the runtime left as they are: one that it fused, split
// or made anew has another number of nodes than in the file, and gets none.
func (r *runner) joinMACs() {
	macs, nodes := r.graph.macsByOp(), map[string]int{}
	for _, c := range r.graph.costs.Nodes {
		nodes[c.Node.OpType]++
	}
	for i := range r.details.ByOp {
		row := &r.details.ByOp[i]
		if v, ok := macs[row.Name]; ok && nodes[row.Name] == row.Count {
			row.MACs = &v
		}
	}
}

// inflated is the slow-down by tracing from which shares of short nodes say more of the tracing than of the node.
const inflated = 1.5

// table groups the nodes by key, largest share first. Seconds are means a run with a t interval over the runs.
func table(t *trace.Trace, key func(*trace.Node) string) []report.Share {
	index := map[string]int{}
	var rows []report.Share
	var perRun [][]float64
	for _, n := range t.Nodes {
		k := key(n)
		i, ok := index[k]
		if !ok {
			i = len(rows)
			index[k] = i
			rows = append(rows, report.Share{Name: k, Op: n.Op, Provider: n.Provider, Shapes: n.Shapes})
			perRun = append(perRun, make([]float64, t.Runs))
		}
		rows[i].Count++
		if rows[i].Count > 1 {
			rows[i].Shapes = ""
		}
		if rows[i].Op != n.Op {
			rows[i].Op = ""
		}
		if rows[i].Provider != n.Provider {
			rows[i].Provider = "mixed"
		}
		for j, s := range n.Seconds {
			perRun[i][j] += s
		}
	}
	var total float64
	for i := range rows {
		m := stats.Mean(perRun[i], measure.Confidence)
		rows[i].Seconds = m.Value
		if lo, hi := max(m.Lo, 0), m.Hi; m.OK {
			rows[i].Lo, rows[i].Hi = &lo, &hi
		}
		total += m.Value
	}
	for i := range rows {
		if total > 0 {
			rows[i].Share = rows[i].Seconds / total
		}
	}
	slices.SortStableFunc(rows, func(a, b report.Share) int { return cmp.Compare(b.Seconds, a.Seconds) })
	return rows
}

// block returns the part of the model that a node belongs to by its name: the first two parts of a path such as
// /encoder/layer.3/attention/MatMul, or the first of a dotted name; "" parts are passed over.
func block(name string) string {
	sep := "/"
	if !strings.Contains(strings.Trim(name, "/"), "/") {
		return "(unnamed)"
	}
	parts := strings.Split(strings.Trim(name, "/"), sep)
	return strings.Join(parts[:min(2, len(parts)-1)], "/")
}

// keepTrace copies the runtime's trace to where --trace asks for it.
func (r *runner) keepTrace(from string) error {
	if r.o.TracePath == "" {
		return nil
	}
	src, err := os.Open(from)
	if err != nil {
		return err
	}
	defer src.Close()
	return atomicfile.Write(r.o.TracePath, func(w io.Writer) error {
		_, err := io.Copy(w, src)
		return err
	})
}
