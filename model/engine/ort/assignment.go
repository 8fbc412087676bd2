//go:build cgo && !windows

package ort

// #include "shim.h"
import "C"

import (
	"unsafe"
)

// recordAssignment is the session-config entry that makes a session record which provider it gave each node to.
const recordAssignment = "session.record_ep_graph_assignment_info"

// placed is a node and the provider that runs it.
type placed struct{ provider, name, domain, op string }

// assignment returns which provider a session gave each node to. The session must have been opened with
// recordAssignment.
func (r *Runtime) assignment(session unsafe.Pointer) ([]placed, error) {
	var subgraphs *unsafe.Pointer
	var n C.size_t
	if err := r.status(C.infer_assigned(r.c, session, &subgraphs, &n)); err != nil {
		return nil, err
	}
	var out []placed
	for _, g := range unsafe.Slice(subgraphs, int(n)) {
		var provider, name, domain, op *C.char
		var nodes *unsafe.Pointer
		var count C.size_t
		if err := r.status(C.infer_assigned_nodes(r.c, g, &provider, &nodes, &count)); err != nil {
			return nil, err
		}
		for _, node := range unsafe.Slice(nodes, int(count)) {
			if err := r.status(C.infer_assigned_node(r.c, node, &name, &domain, &op)); err != nil {
				return nil, err
			}
			out = append(out, placed{providerName(C.GoString(provider)), C.GoString(name), C.GoString(domain), C.GoString(op)})
		}
	}
	return out, nil
}
