package ortformat

import (
	"bytes"
	"encoding/binary"
	"runtime"
	"strings"
	"testing"

	"infer/internal/fault"
	"infer/model/onnx"
	"infer/model/tensor"
)

func decode(t *testing.T, name string) (*onnx.Model, *Info) {
	t.Helper()
	m, info, err := Decode(seeds(t)[name], nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Check(); err != nil {
		t.Fatal(err)
	}
	return m, info
}

func TestGraph(t *testing.T) {
	m, info := decode(t, "weight-input.ort")
	if info.Version != 6 || info.Runtimes != "1.16 or newer" || strings.Join(info.Providers, " ") != "CPUExecutionProvider" || info.Fused != 0 {
		t.Errorf("info is %+v", info)
	}
	g := m.Graph
	if m.IRVersion != 8 || m.Producer != "infer-testdata" || m.Opset("") != 17 || len(m.Opsets) != 1 {
		t.Errorf("the model is %+v", m)
	}
	if len(g.Inputs) != 2 || len(g.Outputs) != 1 || g.Outputs[0].Type.DType != tensor.Float32 || len(g.Nodes) != 1 {
		t.Fatalf("the graph is %+v", g)
	}
	w := g.Initializer("w")
	raw, ok := w.Raw()
	if w == nil || !ok || w.DType != tensor.Float32 || len(raw) != 16 || !bytes.Equal(raw[:4], []byte{0, 0, 128, 63}) {
		t.Errorf("w is %+v", w)
	}
}

func TestSubgraphs(t *testing.T) {
	for _, name := range []string{"if.ort", "loop.ort"} {
		m, _ := decode(t, name)
		bodies := 0
		m.Graph.Walk(func(g *onnx.Graph) {
			if bodies++; len(g.Nodes) == 0 || len(g.Outputs) == 0 || g.Name == "" {
				t.Errorf("%s: graph %q has %d nodes and %d outputs", name, g.Name, len(g.Nodes), len(g.Outputs))
			}
		})
		if want := map[string]int{"if.ort": 3, "loop.ort": 2}[name]; bodies != want {
			t.Errorf("%s has %d graphs, want %d", name, bodies, want)
		}
	}
}

func TestTypes(t *testing.T) {
	m, _ := decode(t, "sequence-output.ort")
	if y := m.Graph.Outputs[0].Type; y.Kind != onnx.KindSequence || y.Elem.Kind != onnx.KindTensor || y.Elem.DType != tensor.Float32 {
		t.Errorf("the sequence is %+v", y)
	}
	m, _ = decode(t, "map-output.ort")
	y := m.Graph.Outputs[0].Type
	for y.Kind == onnx.KindSequence {
		y = y.Elem
	}
	if y.Kind != onnx.KindMap || y.Key != tensor.Int64 && y.Key != tensor.String || y.Elem == nil {
		t.Errorf("the map is %+v", y)
	}
}

// versioned returns a file that claims another version of the format.
func versioned(t *testing.T, b []byte, v string) []byte {
	t.Helper()
	was := []byte{1, 0, 0, 0, '6', 0}
	if bytes.Count(b, was) != 1 {
		t.Fatal("the version cannot be found")
	}
	return bytes.Replace(b, was, []byte{1, 0, 0, 0, v[0], 0}, 1)
}

func TestVersions(t *testing.T) {
	b := seeds(t)["if.ort"]
	for v, want := range map[string]string{"4": "", "5": "", "6": "", "3": "version 3", "7": "version 7", "x": `version is "x"`} {
		_, info, err := Decode(versioned(t, b, v), nil)
		if want == "" {
			if err != nil || info.Version != int(v[0]-'0') {
				t.Errorf("version %s: %+v, %v", v, info, err)
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), want) || fault.HintOf(err) == "" {
			t.Errorf("version %s: %v", v, err)
		}
		if v != "x" && fault.KindOf(err) != fault.Unsupported {
			t.Errorf("version %s: kind %v", v, fault.KindOf(err))
		}
	}
}

// TestDamage cuts and flips files: each gives a model or one error, and little memory is taken.
func TestDamage(t *testing.T) {
	for name, b := range seeds(t) {
		for n := range len(b) - 3 { // the last bytes are nothing but padding
			if _, _, err := Decode(b[:n], nil); err == nil {
				t.Errorf("%s cut after %d bytes was read", name, n)
			} else if strings.Contains(err.Error(), "\n") || fault.HintOf(err) == "" {
				t.Errorf("%s cut after %d bytes: %v", name, n, err)
			}
			c := bytes.Clone(b)
			c[n] ^= 0xff
			_, _, _ = Decode(c, nil)
		}
	}
}

// file builds a flatbuffer front to back.
type file struct{ b []byte }

func (f *file) u32(v int) int {
	f.b = binary.LittleEndian.AppendUint32(f.b, uint32(v))
	return len(f.b) - 4
}

// table adds a table with the given fields of four bytes each and returns its place, and those of the fields.
func (f *file) table(slots ...int) (at int, fields []int) {
	last := 0
	for _, s := range slots {
		last = max(last, s)
	}
	length := 4 + 2*(last+1)
	head := make([]byte, length)
	binary.LittleEndian.PutUint16(head, uint16(length))
	binary.LittleEndian.PutUint16(head[2:], uint16(4+4*len(slots)))
	for i, s := range slots {
		binary.LittleEndian.PutUint16(head[4+2*s:], uint16(4+4*i))
	}
	f.b = append(f.b, head...)
	at = f.u32(length)
	for range slots {
		fields = append(fields, f.u32(0))
	}
	return at, fields
}

// point makes the offset at a field lead to a place, that of what comes next by default.
func (f *file) point(field int, to ...int) {
	target := append(to, len(f.b))[0]
	binary.LittleEndian.PutUint32(f.b[field:], uint32(target-field))
}

// session starts a file and returns the field that is to lead to its graph.
func (f *file) session() int {
	f.b = []byte("\x00\x00\x00\x00ORTM")
	root, session := f.table(0, 1)
	f.point(0, root)
	f.point(session[0])
	f.u32(1)
	f.b = append(f.b, '6', 0, 0, 0)
	m, model := f.table(7)
	f.point(session[1], m)
	return model[0]
}

// TestShared: offsets that lead to one place again and again come to an end before memory does.
func TestShared(t *testing.T) {
	const n = 1 << 20
	wide := &file{}
	to := wide.session()
	at, graph := wide.table(2)
	wide.point(to, at)
	wide.point(graph[0])
	wide.u32(n)
	first := len(wide.b)
	wide.b = append(wide.b, make([]byte, 4*n)...)
	node, _ := wide.table()
	for i := range n {
		wide.point(first+4*i, node)
	}
	deep := &file{} // each graph has 16 nodes that share one attribute, which holds the next graph
	to = deep.session()
	for range 20 {
		at, graph := deep.table(2)
		deep.point(to, at)
		deep.point(graph[0])
		list := deep.u32(16) + 4
		deep.b = append(deep.b, make([]byte, 4*16)...)
		node, attrs := deep.table(10)
		for i := range 16 {
			deep.point(list+4*i, node)
		}
		deep.point(attrs[0])
		one := deep.u32(1) + 4
		deep.u32(0)
		attr, value := deep.table(2, 7)
		deep.point(one, attr)
		binary.LittleEndian.PutUint32(deep.b[value[0]:], uint32(onnx.AttrGraph))
		to = value[1]
	}
	at, _ = deep.table()
	deep.point(to, at)
	for name, b := range map[string][]byte{"wide": wide.b, "deep": deep.b} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, _, err := Decode(b, nil)
		runtime.ReadMemStats(&after)
		if err == nil || !strings.Contains(err.Error(), "its parts overlap") {
			t.Errorf("%s: %v", name, err)
		}
		if took := after.TotalAlloc - before.TotalAlloc; took > 1<<30 {
			t.Errorf("%s: %d MB were taken for a file of %d MB", name, took>>20, len(b)>>20)
		} else {
			t.Logf("%s: %d MB for a file of %d kB", name, took>>20, len(b)>>10)
		}
	}
}
