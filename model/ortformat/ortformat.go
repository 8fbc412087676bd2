// Package ortformat owns reading ONNX Runtime's own file format (.ort, a flatbuffer): the graph in it, for looking at
// and for running; it writes none.
package ortformat

import (
	"slices"
	"strconv"

	"infer/internal/fault"
	"infer/model/onnx"
)

// Info is what a file tells beside its graph.
type Info struct {
	Version       int      // of the format, 4 to 6
	Runtimes      string   // the releases of ONNX Runtime that wrote this version: "1.16 or newer"
	Providers     []string // the execution providers that nodes were given to, by their long names, sorted
	Fused         int      // nodes that stand for what a provider compiled, which no file holds
	Optimizations int      // saved ones, which the runtime makes when it opens the file; of all graphs
}

// releases says which ONNX Runtime wrote which version of the format.
// Ref: ONNX Runtime, "ORT model format", and its issue 20670 for version 6.
var releases = map[int]string{4: "1.8 to 1.12", 5: "1.13 to 1.15", 6: "1.16 or newer"}

const again = "make the file again from the .onnx model"

// Is reports whether a file is of this format, by how it starts.
func Is(b []byte) bool { return len(b) >= 8 && string(b[4:8]) == "ORTM" }

// Decode reads a file. Tensor bytes, strings of attributes and of tensors are slices of b, which must stay as it is while
// the model is in use. Where b is a mapping, release drops its pages from memory; it is called now and then. Elsewhere
// it is nil. The nodes come in topological order. The format keeps no names of graphs, so they are made up; opset
// imports that no node needs, which the runtime always writes, are left out.
//
// Errors: fault.Unsupported for another version of the format and for what no ONNX graph can say; fault.Internal for a
// damaged file. Decode reads the encoding: onnx.Model.Check looks at the meaning.
func Decode(b []byte, release func()) (*onnx.Model, *Info, error) {
	r := &reader{b: b, left: 4 * int64(len(b)), names: map[int64]string{}}
	d := decoder{reader: r, release: release, info: &Info{}}
	m := d.session(r.root())
	if r.err != nil {
		return nil, nil, r.err
	}
	if m.Graph == nil {
		return nil, nil, fault.New(fault.Internal, again, "the .ort file is damaged: it holds no graph")
	}
	if err := m.Graph.SortNodes(); err != nil {
		return nil, nil, err
	}
	m.Opsets = needed(m)
	slices.Sort(d.info.Providers)
	return m, d.info, nil
}

// needed returns the opset imports that nodes need, and that of ONNX itself.
func needed(m *onnx.Model) []onnx.Opset {
	used := map[string]bool{"": true}
	m.Walk(func(g *onnx.Graph) {
		for _, n := range g.Nodes {
			used[n.Domain] = true
		}
	})
	return slices.DeleteFunc(m.Opsets, func(o onnx.Opset) bool { return !used[o.Domain] })
}

// version reads the version of the format.
func version(text string) (int, error) {
	v, err := strconv.Atoi(text)
	switch {
	case err != nil:
		return 0, fault.New(fault.Internal, again, "the .ort file is damaged: its version is %q", text)
	case v < 4:
		return v, fault.New(fault.Unsupported, again+" with ONNX Runtime 1.16 or newer",
			"the .ort file has version %d of the format, which ONNX Runtime wrote before 1.8; versions 4 to 6 can be read", v)
	case releases[v] == "":
		return v, fault.New(fault.Unsupported, "use the .onnx model", "the .ort file has version %d of the format, and this program knows 4 to 6", v)
	}
	return v, nil
}
