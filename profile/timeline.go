package profile

import "infer/model/trace"

// timeline calls the calls of the last run as the tables call their nodes, for who exports both.
func (n names) timeline(t *trace.Trace) {
	for i := range t.Last {
		e := &t.Last[i]
		e.Name = n.of(&trace.Node{Name: e.Name, Op: e.Op})
	}
}
