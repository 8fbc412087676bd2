package onnx

import (
	"errors"
	"io/fs"
	"os"
	"slices"

	"infer/internal/fault"
)

// Context is a com.microsoft.EPContext node: a part of a graph that an execution provider has compiled.
// Ref: ONNX Runtime, "EP Context Cache Feature Design".
type Context struct {
	Node     *Node
	Source   string // who compiled it, as it calls itself: "OpenVINOExecutionProvider", "TensorrtExecutionProvider"
	SDK      string // version of the provider's kit; "" where not given
	Hardware string // what it was compiled for; "" where not given
	File     string // the cache file, relative to the model's folder, with slashes; "" where the node holds the cache
}

// Contexts returns the EPContext nodes of the main graph and its subgraphs, in order.
func (m *Model) Contexts() []Context {
	var list []Context
	m.Walk(func(g *Graph) {
		for _, n := range g.Nodes {
			if n.OpType != "EPContext" || n.Domain != "com.microsoft" {
				continue
			}
			c := Context{Node: n, Source: n.Str("source", ""), SDK: n.Str("ep_sdk_version", ""), Hardware: n.Str("hardware_architecture", "")}
			if n.Int("embed_mode", 1) == 0 {
				c.File = n.Str("ep_cache_context", "")
			}
			list = append(list, c)
		}
	})
	return list
}

// ContextFiles returns the locations of the cache files of the model's EPContext nodes, each once, sorted.
func (m *Model) ContextFiles() []string {
	var names []string
	for _, c := range m.Contexts() {
		if c.File != "" {
			names = append(names, c.File)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// CheckContexts looks for the cache files of the model's EPContext nodes in dir, under the rules of ResolveExternal, and
// opens none. It refuses, naming the node, those that are missing or lie elsewhere, and a node that owns a cache and
// names no file for it.
func CheckContexts(m *Model, dir string, linked ...string) error {
	r := resolver{dir: dir, allowed: append([]string{dir}, linked...)}
	for _, c := range m.Contexts() {
		if err := c.check(r); err != nil {
			return fault.Wrap(err, "cache of %s in %q", c.Node.label(), c.File)
		}
	}
	return nil
}

func (c Context) check(r resolver) error {
	if c.File == "" {
		if c.Node.Int("embed_mode", 1) == 0 && c.Node.Int("main_context", 1) != 0 {
			return fault.New(fault.Internal, "compile the model again", "it names no file, and the node holds none")
		}
		return nil // the node holds it, or shares that of another node
	}
	path, err := r.path(c.File)
	var info os.FileInfo
	if err == nil {
		info, err = os.Stat(path)
	}
	var pe *fs.PathError
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fault.New(fault.Internal, "put the file beside the model: it was copied without what its execution provider compiled", "no such file")
	case errors.As(err, &pe):
		return pe.Err
	case err != nil:
		return err
	case !info.Mode().IsRegular():
		return errors.New("it is not a regular file")
	}
	return nil
}
