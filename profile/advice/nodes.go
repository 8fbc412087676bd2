package advice

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"infer/report"
)

const (
	shortNodes  = 0.30 // of the nodes of a run below the resolution of the trace: then the graph is made of crumbs
	framework   = 0.20 // of a run outside of all nodes
	layoutShare = 0.05 // of the time of all nodes, from which moving data about is worth a look
	memoryShare = 0.50 // of the time of all nodes: the model as a whole waits for memory
	fewRows     = 4    // rows of activations up to which a product reads a weight for hardly more than one use
	weightShare = 0.80 // of the bytes of a product
	worthIt     = 0.01 // of the time of all nodes, below which an advice would gain nothing that can be measured
)

// nodeRules are about where the time of a run goes.
func nodeRules() []Rule {
	return []Rule{{
		ID: "OVERHEAD-BOUND", Needs: []Need{needTimes, needCorrection}, Check: checkOverhead,
		Trigger: "more than 30 % of the nodes are too short to measure, and more than 20 % of a run is outside of all nodes, by the upper end of what they take",
		Advice:  "fewer, larger nodes: fold and fuse, drop Cast and Reshape, run larger batches; on a GPU a CUDA graph",
	}, {
		ID: "LAYOUT", Needs: []Need{needTimes}, Check: checkLayout,
		Trigger: "Transpose and the runtime's Reorder nodes take more than 5 % of the time of all nodes",
		Advice:  "export the model in NCHW, or let infer optimize move the transposes together so that they cancel",
	}, {
		ID: "MEM-BOUND", Needs: []Need{needTimes, needClass}, Check: checkMemory,
		Trigger: "nodes that wait for memory take more than 50 % of the time of all nodes",
		Advice:  "move fewer bytes: 8-bit weights where these are most of them, else fuse elementwise nodes; larger batches read a weight once for more rows",
	}, {
		ID: "BATCH1-GEMV", Needs: []Need{needTimes, needBytes}, Check: checkGemv,
		Trigger: "products with at most 4 rows of activations whose weights are more than 80 % of the bytes that they move",
		Advice:  "larger batches, or weights of 8 or 4 bits: each weight is read for next to no arithmetic",
	}}
}

func checkOverhead(f *Facts) *report.Advice {
	c := f.Details.Correction
	if c.Nodes == 0 || c.Untraced.Value <= 0 || c.Sum.Value <= 0 {
		return nil // nothing is known of the nodes, so nothing of what lies outside of them
	}
	most := c.Sum.Value
	if c.Sum.Hi != nil {
		most = *c.Sum.Hi
	}
	short, outside := float64(c.Below)/float64(c.Nodes), c.Residual/c.Untraced.Value
	if short <= shortNodes || 1-most/c.Untraced.Value <= framework {
		return nil
	}
	a := &report.Advice{
		What: fmt.Sprintf("%s of a run is spent between the nodes, not in them", percent(outside)),
		Evidence: []string{
			fmt.Sprintf("%d of %d nodes of a run are too short to measure (below %s as traced)", c.Below, c.Nodes, seconds(c.Resolution)),
			fmt.Sprintf("untraced run %s, all nodes together %s", interval(report.Time, c.Untraced), seconds(c.Sum.Value)),
			"the bound is that of a run without any time between nodes",
		},
		Bound: Bound(outside, gone),
		Try:   "fold and fuse nodes; where requests can wait for each other, larger batches", Command: f.infer("optimize", "--level full"),
	}
	if f.accelerated() {
		a.Try += "; a CUDA graph starts all kernels at once"
	}
	return a
}

// moves reports whether a node only lays data out anew.
func moves(op string) bool { return op == "Transpose" || strings.HasPrefix(op, "Reorder") }

func checkLayout(f *Facts) *report.Advice {
	s := f.ofOps(moves)
	if s.share <= layoutShare {
		return nil
	}
	a := &report.Advice{
		What:     fmt.Sprintf("%s of the time of all nodes goes into laying data out anew", percent(s.share)),
		Evidence: append([]string{f.time(s)}, f.longest(s)...),
		Bound:    Bound(f.ofRun(s.share), gone),
		Try:      "let the optimizer move transposes together, or export the model in NCHW", Command: f.infer("optimize", "--level full"),
	}
	if f.Ran != nil && f.Ran.Graph != nil {
		a.Evidence = append(a.Evidence, cancelling(f.Ran.Graph)...)
	}
	a.Evidence = append(a.Evidence, "the bound is that of a run without any of them")
	return a
}

func checkMemory(f *Facts) *report.Advice {
	s := f.those(func(r report.Share) bool { return r.Class == "memory" })
	if s.share <= memoryShare {
		return nil
	}
	var all, weights float64 // of the nodes, each weighed by its time
	for _, r := range s.rows {
		if r.Bytes != nil && *r.Bytes > 0 {
			all += r.Seconds
			if r.WeightBytes != nil {
				weights += r.Seconds * *r.WeightBytes / *r.Bytes
			}
		}
	}
	a := &report.Advice{
		What:     fmt.Sprintf("%s of the time of all nodes is spent waiting for memory", percent(s.share)),
		Evidence: append([]string{f.time(s)}, f.longest(s)...),
	}
	if c := f.Details.Ceilings; c != nil && c.Memory != nil {
		a.Evidence = append(a.Evidence, fmt.Sprintf("memory moves at most %s/s here (n=%d)", size(int64(c.Memory.Value)), c.Memory.N))
	}
	part := 0.0
	if all > 0 {
		part = weights / all
	}
	switch {
	case part > 0.5 && !f.quantized():
		a.Bound = Bound(f.ofRun(s.share), 1/(1-part*(1-1/f.narrowing())))
		a.Evidence = append(a.Evidence, fmt.Sprintf("%s of the bytes are weights; the bound is that of 8-bit ones and the rest as it is", percent(part)))
		a.Try, a.Command = "quantize the weights", f.infer("quantize", "--int8")
	case f.batchIsFree() && part > 0.5:
		a.Evidence = append(a.Evidence, fmt.Sprintf("%s of the bytes are weights, which a larger batch reads once for more rows", percent(part)))
		a.Try, a.Command = "run larger batches", f.profile("--batch 1,2,4,8")
	default:
		a.Bound = Bound(f.ofRun(s.share), 2)
		a.Evidence = append(a.Evidence, "the bound is that of half the bytes, as two fused passes over the data become one")
		a.Try, a.Command = "fuse elementwise nodes", f.infer("optimize", "--level full")
	}
	return a
}

func checkGemv(f *Facts) *report.Advice {
	s := f.those(func(r report.Share) bool {
		if !slices.Contains([]string{"Gemm", "MatMul", "FusedMatMul", "FusedGemm"}, r.Op) || r.Bytes == nil || r.WeightBytes == nil {
			return false
		}
		rows, ok := rowsOf(r.Shapes)
		return ok && rows <= fewRows && *r.WeightBytes > weightShare**r.Bytes
	})
	if s.share <= worthIt {
		return nil
	}
	var weights float64
	for _, r := range s.rows {
		weights += *r.WeightBytes
	}
	a := &report.Advice{
		What: fmt.Sprintf("%s read %s of weights a run for at most %d rows of activations each", count(s.nodes, "product"), size(int64(weights)), fewRows),
		Evidence: append(append([]string{f.time(s)}, f.longest(s)...),
			"the bound is that of 8-bit weights read at the same rate"),
		Bound:   Bound(f.ofRun(s.share), f.narrowing()),
		Try:     "weights of 8 bits (--int4: of 4)",
		Command: f.infer("quantize", "--mode weight-only"),
	}
	if f.batchIsFree() {
		a.Try += "; for throughput, larger batches (infer profile --batch 1,2,4,8)"
	}
	return a
}

// rowsOf returns the rows of a product by the shape of its output, "float 1x77x512": the product of all but the last axis.
func rowsOf(shapes string) (int64, bool) {
	if _, out, ok := strings.Cut(shapes, "→"); ok {
		shapes = out
	}
	words := strings.Fields(shapes)
	if len(words) == 0 || strings.Contains(shapes, ",") {
		return 0, false
	}
	dims := strings.Split(words[len(words)-1], "x")
	rows := int64(1)
	for _, d := range dims {
		n, err := strconv.ParseInt(d, 10, 64)
		if err != nil || n < 0 {
			return 0, false
		}
		if rows *= n; rows > 1<<40 {
			return rows, true
		}
	}
	last, _ := strconv.ParseInt(dims[len(dims)-1], 10, 64)
	if last == 0 {
		return 0, false
	}
	return rows / last, true
}
