//go:build cgo && !windows

package ort

// #include "shim.h"
import "C"

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unsafe"

	"infer/internal/fault"
)

// noFallback is what the library says of a graph that needs the cpu too where only other providers were asked for.
const noFallback = "fallback to CPU EP has been explicitly disabled"

var errFallback = errors.New("the asked providers cannot run every node of the graph")

// leftOver says which nodes of the graph the asked providers leave to the cpu. It opens the model once more to learn
// that, with the cpu at hand.
func (o opener) leftOver(ctx context.Context, plan selection) error {
	name := plan.used[0].Name
	hint := "list cpu after it to let the rest of the graph run there: --provider " + name + " --provider cpu"
	plain := fault.New(fault.Unsupported, hint, "%w", errFallback)
	o.record, o.config.OptimizedModelPath, o.config.TracePrefix = true, "", ""
	plan.cpu = true
	made, err := o.create(ctx, &plan)
	if err != nil {
		return plain
	}
	defer made.Destroy()
	ptr, err := handle(made, "s", "ortSession")
	if err != nil {
		return plain
	}
	nodes, err := o.rt.assignment(ptr)
	if err != nil {
		return plain
	}
	var left []string
	for _, n := range nodes {
		if n.provider == "cpu" {
			left = append(left, n.String())
		}
	}
	if len(left) == 0 {
		return plain
	}
	const most = 5
	text := strings.Join(left[:min(most, len(left))], ", ")
	if len(left) > most {
		text += fmt.Sprintf(" and %d more", len(left)-most)
	}
	return fault.New(fault.Unsupported, hint, "the %s provider cannot run %d of %d nodes: %s", name, len(left), len(nodes), text)
}

// recordAssignment is the session-config entry that makes a session record which provider it gave each node to.
const recordAssignment = "session.record_ep_graph_assignment_info"

// placed is a node and the provider that runs it.
type placed struct{ provider, name, domain, op string }

func (p placed) String() string {
	op := p.op
	if p.domain != "" {
		op = p.domain + ":" + op
	}
	if p.name == "" {
		return op
	}
	const most = 40 // converters join the names of all that went into a node
	name := []rune(p.name)
	if len(name) > most {
		name = append(name[:most], '…')
	}
	return op + " " + strconv.Quote(string(name))
}

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
