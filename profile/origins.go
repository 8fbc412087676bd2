package profile

import (
	"infer/model/onnx"
	"infer/model/trace"
	"infer/profile/lineage"
	"infer/report"
)

// mostOrigins bounds the table of nodes as written, which is the longer one of the two that a page holds.
const mostOrigins = 200

// originTable has the times of the nodes as written; what else is known of a node stands in the table of nodes that ran.
func originTable(times []nodeTime) []report.Share {
	var rows []report.Share
	for i, r := range table(times, func(t *nodeTime) string { return t.Name }) {
		if i < mostOrigins {
			rows = append(rows, report.Share{Name: r.Name, Op: r.Op, Count: r.Count, Seconds: r.Seconds, Share: r.Share, Lo: r.Lo, Hi: r.Hi, Below: r.Below})
			continue
		}
		if i == mostOrigins {
			rows = append(rows, report.Share{Name: "(others)"})
		}
		rest := &rows[mostOrigins]
		rest.Count, rest.Seconds, rest.Share = rest.Count+r.Count, rest.Seconds+r.Seconds, rest.Share+r.Share
	}
	return rows
}

// byOrigin gives the time of each node that ran to the nodes of the graph as written that it computes. One that the
// runtime added itself keeps its own.
func byOrigin(times []nodeTime, written *onnx.Model, parts map[string][]lineage.Part) []nodeTime {
	nodes := map[string]*onnx.Node{}
	written.Graph.Walk(func(g *onnx.Graph) {
		for _, n := range g.Nodes {
			nodes[lineage.Name(n)] = n
		}
	})
	var out []nodeTime
	for _, t := range times {
		if len(parts[t.Name]) == 0 {
			out = append(out, t)
			continue
		}
		for _, p := range parts[t.Name] {
			part := t
			n := *t.Node
			n.Name = p.Origin
			if w := nodes[p.Origin]; w != nil {
				n.Op = w.OpType
			}
			if len(parts[t.Name]) > 1 { // shapes, cost and threads are those of the whole
				part.cost = lineage.Cost{}
				n = trace.Node{Name: n.Name, Op: n.Op, Provider: n.Provider}
			}
			part.Node = &n
			part.traced, part.corrected = scaled(t.traced, p.Share), scaled(t.corrected, p.Share)
			out = append(out, part)
		}
	}
	return out
}

func scaled(x []float64, by float64) []float64 {
	out := make([]float64, len(x))
	for i, v := range x {
		out[i] = v * by
	}
	return out
}
