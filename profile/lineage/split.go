package lineage

import (
	"infer/model/onnx"
	"infer/model/onnx/static"
)

// Part is the share of a node's time that one of its origins takes.
type Part struct {
	Origin string
	Share  float64 // over the parts of a node they sum to 1
}

// Parts splits the time of each node of Origins among the nodes of the written graph that it stands for, by name of the
// node that ran: by their arithmetic, 2·MACs + FLOPs + transcendentals at the shapes of s, where that of all is known and
// not 0, else evenly. It is a convention, not a measurement: nobody can time the parts of a fused kernel. A node without
// origins has no entry; its time stays its own.
func Parts(origins map[string][]string, written *onnx.Model, s *static.Shapes) map[string][]Part {
	work := map[string]int64{}
	for _, c := range static.Calls(written, s) {
		if name := Name(c.Node); c.Known {
			work[name] = c.Work.Operations()
		}
	}
	out := make(map[string][]Part, len(origins))
	for node, names := range origins {
		out[node] = parts(names, work)
	}
	return out
}

func parts(names []string, work map[string]int64) []Part {
	total := 0.0
	for _, name := range names {
		w, known := work[name]
		if !known {
			total = 0
			break
		}
		total += float64(w)
	}
	out := make([]Part, len(names))
	for i, name := range names {
		out[i] = Part{Origin: name, Share: 1 / float64(len(names))}
		if total > 0 {
			out[i].Share = float64(work[name]) / total
		}
	}
	return out
}
