package onnx

import (
	"errors"
	"io/fs"
	"os"
	"slices"
	"strings"

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
		names = append(names, c.files()...)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// files returns the locations of what the node has beside the model: its cache, and the weights of one that is a graph
// in OpenVINO's own format, NAME.xml, which lie in NAME.bin.
func (c Context) files() []string {
	if c.File == "" {
		return nil
	}
	if stem, ok := strings.CutSuffix(c.File, ".xml"); ok {
		return []string{c.File, stem + ".bin"}
	}
	return []string{c.File}
}

// CheckContexts looks for the cache files of the model's EPContext nodes in dir, under the rules of ResolveExternal, and
// opens none. It refuses, naming the node, those that are missing or lie elsewhere, and a node that owns a cache and
// names no file for it.
func CheckContexts(m *Model, dir string, linked ...string) error {
	r := resolver{dir: dir, allowed: append([]string{dir}, linked...)}
	for _, c := range m.Contexts() {
		if c.File == "" && c.Node.Int("embed_mode", 1) == 0 && c.Node.Int("main_context", 1) != 0 {
			return fault.New(fault.Internal, "compile the model again", "%s holds no cache and names no file of one", c.Node.label())
		}
		for _, f := range c.files() {
			if err := r.regular(f); err != nil {
				return fault.Wrap(err, "cache of %s in %q", c.Node.label(), f)
			}
		}
	}
	return nil
}

// regular reports a location that is not that of a file in an allowed folder.
func (r resolver) regular(location string) error {
	path, err := r.path(location)
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
