package onnx

import (
	"bytes"
	"errors"
	"math"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"

	"infer/internal/fault"
	"infer/model/tensor"
)

// tiny returns a small valid model: y = Relu(x), with an initializer that is not used.
func tiny() *Model {
	float := &Type{Kind: KindTensor, DType: tensor.Float32, HasShape: true, Dims: []Dim{Symbol("N"), Fixed(2), {}}}
	return &Model{
		IRVersion: 8, Producer: "test", Opsets: []Opset{{Version: 17}}, Metadata: []Prop{{Key: "k", Value: ""}},
		Graph: &Graph{
			Name:         "g",
			Nodes:        []*Node{{Name: "relu", OpType: "Relu", Inputs: []string{"x"}, Outputs: []string{"y"}}},
			Initializers: []*Tensor{raw("w", tensor.Float32, tensor.Shape{2}, 8)},
			Inputs:       []*ValueInfo{{Name: "x", Type: float}},
			Outputs:      []*ValueInfo{{Name: "y", Type: float}},
		},
	}
}

// raw returns a tensor with n bytes of raw data that count up.
func raw(name string, d tensor.DType, dims tensor.Shape, n int) *Tensor {
	t := &Tensor{Name: name, DType: d, Dims: dims}
	t.payload.raw = make([]byte, n)
	for i := range t.payload.raw {
		t.payload.raw[i] = byte(i)
	}
	return t
}

func encode(t testing.TB, m *Model) []byte {
	t.Helper()
	b, err := Encode(m)
	if err != nil {
		t.Fatal(err)
	}
	if int64(len(b)) != Size(m) {
		t.Fatalf("%d bytes, and Size says %d", len(b), Size(m))
	}
	return b
}

// lenField builds field num with the bytes of parts.
func lenField(num protowire.Number, parts ...[]byte) []byte {
	b := protowire.AppendTag(nil, num, protowire.BytesType)
	return protowire.AppendBytes(b, bytes.Join(parts, nil))
}

func intField(num protowire.Number, v int64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(nil, num, protowire.VarintType), uint64(v))
}

func TestDecodeRefuses(t *testing.T) {
	good := encode(t, tiny())
	deep := intField(1, 8)
	for range 200 { // graph in attribute in node in graph …
		deep = lenField(1, lenField(5, lenField(6, deep)))
	}
	tests := []struct {
		name, file, want string
		kind             fault.Kind
	}{
		{"empty", "", "empty (0 bytes)", fault.Internal},
		{"git lfs", "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 12\n", "Git LFS pointer", fault.Unsupported},
		{"html", "\n<!DOCTYPE html><html><body>404", "HTML page", fault.Unsupported},
		{"json", `{"error": "not found"}`, "JSON document", fault.Unsupported},
		{"xml", `<?xml version="1.0"?><net name="a">`, "OpenVINO", fault.Unsupported},
		{"text", "Not Found\n", `text file that starts with "Not Found"`, fault.Unsupported},
		{"zip", "PK\x03\x04\x14\x00aaaa", "zip archive", fault.Unsupported},
		{"pytorch", "PK\x03\x04\x14\x00aaaaarchive/data.pkl", "PyTorch checkpoint", fault.Unsupported},
		{"npz", "PK\x03\x04\x14\x00aaaax.npy", "NumPy archive", fault.Unsupported},
		{"pickle", "\x80\x02}q\x00", "pickle", fault.Unsupported},
		{"ort", "\x10\x00\x00\x00ORTM\x00\x00", "ONNX Runtime (.ort) model", fault.Unsupported},
		{"tflite", "\x1c\x00\x00\x00TFL3\x00\x00", "TensorFlow Lite", fault.Unsupported},
		{"tensorrt", "ptrt\x00\x00\x00\x00", "TensorRT engine", fault.Unsupported},
		{"hdf5", "\x89HDF\r\n\x1a\n", "HDF5", fault.Unsupported},
		{"safetensors", "\x40\x00\x00\x00\x00\x00\x00\x00{\"a\":", "safetensors", fault.Unsupported},
		{"zeros", strings.Repeat("\x00", 64), "zero bytes", fault.Unsupported},
		{"random", "\xfe\x91\x07\xc4\x1d\xee\x00\x8b\xff\x13\x9a", "not an ONNX model", fault.Unsupported},
		{"ir version alone", string(intField(1, 8)), "holds no graph", fault.Unsupported},
		{"empty graph", string(intField(1, 8)) + string(lenField(7)), "holds no graph", fault.Unsupported},
		{"truncated", string(good[:len(good)*2/3]), "truncated after", fault.Internal},
		{"length of 2^63", "\x08\x08\x3a\xff\xff\xff\xff\xff\xff\xff\xff\x7f", "truncated", fault.Internal},
		{"damaged inside", string(intField(1, 8)) + string(lenField(7, []byte("\x0a\x7fab"))), "corrupt", fault.Internal},
		{"deep nesting", string(intField(1, 8)) + string(lenField(7, deep)), "nest deeper than 100", fault.Internal},
	}
	for _, c := range tests {
		t.Run(c.name, func(t *testing.T) {
			m, err := Decode([]byte(c.file))
			if err == nil {
				t.Fatalf("decoded to %+v", m)
			}
			if !strings.Contains(err.Error(), c.want) || fault.KindOf(err) != c.kind {
				t.Errorf("error of kind %d: %v; want kind %d with %q", fault.KindOf(err), err, c.kind, c.want)
			}
			if fault.HintOf(err) == "" {
				t.Error("no hint")
			}
			if strings.Contains(err.Error(), "\n") {
				t.Error("more than one line")
			}
		})
	}
}

// TestDecodeEveryPrefix cuts a model everywhere. The opset import comes last, so no cut leaves a whole model.
func TestDecodeEveryPrefix(t *testing.T) {
	whole := tiny()
	whole.Metadata = nil
	b := encode(t, whole)
	for n := range b {
		if m, err := Decode(b[:n]); err == nil && m.Check() == nil {
			t.Errorf("the first %d of %d bytes pass as a whole model", n, len(b))
		}
	}
}

// TestPresence checks what is written although it is zero, and what is not.
func TestPresence(t *testing.T) {
	m := tiny()
	g := m.Graph
	g.Nodes[0].Inputs = []string{"x", "", ""}
	g.Nodes[0].Attrs = []*Attribute{
		{Name: "f", Type: AttrFloat}, {Name: "i", Type: AttrInt}, {Name: "s", Type: AttrString}, {Name: "is", Type: AttrInts},
		{Name: "ref", RefName: "alpha", Type: AttrFloat},
		{Name: "tp", Type: AttrTypeProto, TP: &Type{Kind: KindMap, Key: tensor.String, Elem: &Type{Kind: KindSequence, Elem: &Type{Kind: KindTensor}}}},
	}
	g.Inputs = append(g.Inputs, &ValueInfo{Name: "none"}, &ValueInfo{Name: "empty", Type: &Type{}},
		&ValueInfo{Name: "scalar", Type: &Type{Kind: KindTensor, DType: tensor.Int8, HasShape: true}},
		&ValueInfo{Name: "rankless", Type: &Type{Kind: KindTensor, DType: tensor.Int8}},
		&ValueInfo{Name: "zero", Type: &Type{Kind: KindTensor, HasShape: true, Dims: []Dim{Fixed(0), {}, Fixed(-1), {Name: "N", Denotation: "D"}}}})
	g.Initializers = append(g.Initializers, raw("no bytes", tensor.Float32, tensor.Shape{0}, 0))
	b := encode(t, m)
	got, err := Decode(b)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(encode(t, got), b) {
		t.Error("a round trip gives other bytes")
	}
	n := got.Graph.Nodes[0]
	if len(n.Inputs) != 3 {
		t.Errorf("inputs are %q", n.Inputs)
	}
	in := got.Graph.Inputs
	if in[1].Type != nil || in[2].Type == nil || in[2].Type.Kind != KindNone {
		t.Error("an absent type and an empty one are not told apart")
	}
	if !in[3].Type.HasShape || in[4].Type.HasShape {
		t.Error("a scalar and an unknown rank are not told apart")
	}
	if d := in[5].Type.Dims; len(d) != 4 || !d[0].Known || d[1].Known || d[2].Size != -1 || d[3].Name != "N" || d[3].Denotation != "D" {
		t.Errorf("dims are %+v", d)
	}
	if _, ok := got.Graph.Initializers[1].Raw(); !ok {
		t.Error("empty raw data are gone")
	}
	// The zero of a typed attribute is one field more; that of a reference is none.
	if a := lenField(5, lenField(1, []byte("i")), intField(3, 0), intField(20, 2)); !bytes.Contains(b, a) {
		t.Error("an int attribute of 0 is written without its value")
	}
	if a := lenField(5, lenField(1, []byte("ref")), intField(20, 1), lenField(21, []byte("alpha"))); !bytes.Contains(b, a) {
		t.Error("a reference attribute is written with a value")
	}
}

// TestForeignEncodings reads what other writers of protobuf may write.
func TestForeignEncodings(t *testing.T) {
	floats := protowire.AppendFixed32(protowire.AppendFixed32(nil, math.Float32bits(1)), math.Float32bits(2))
	float := func(v float32) []byte {
		return protowire.AppendFixed32(protowire.AppendTag(nil, 4, protowire.Fixed32Type), math.Float32bits(v))
	}
	graph := bytes.Join([][]byte{
		lenField(5, lenField(1, []byte{2}), intField(2, 1), lenField(8, []byte("packed dims")), lenField(4, floats)),
		lenField(5, intField(1, 2), intField(2, 1), lenField(8, []byte("unpacked")), float(1), float(2)),
		lenField(5, intField(1, 3), intField(2, 7), lenField(8, []byte("mixed")), intField(7, -1), lenField(7, []byte{2}), intField(7, 300)),
		lenField(1, lenField(2, []byte("y")), lenField(4, []byte("Relu")), lenField(7, []byte("ai.onnx")),
			lenField(5, lenField(1, []byte("no type")), lenField(8, []byte{1, 2})),
			lenField(5, lenField(1, []byte("floats")), lenField(7, floats), intField(20, 6)),
			[]byte{99<<3&0x7f | 0x80 | 3, 6, 8, 1, 99<<3&0x7f | 0x80 | 4, 6}), // an unknown group
		lenField(12, lenField(1, []byte("y"))), lenField(99, []byte("new")), intField(2, 5), // a known number of another wire type
	}, nil)
	// The graph comes in two parts, which are merged; the model's fields out of order.
	b := bytes.Join([][]byte{lenField(8, intField(2, 17)), lenField(7, graph), intField(1, 1), intField(1, 8), lenField(7, lenField(2, []byte("name")))}, nil)
	m, err := Decode(b)
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Check(); err != nil {
		t.Error(err)
	}
	if m.IRVersion != 8 || m.Graph.Name != "name" || len(m.Graph.Nodes) != 1 {
		t.Errorf("decoded to %+v", m.Graph)
	}
	n := m.Graph.Nodes[0]
	if n.Domain != "" || n.Attrs[0].Type != AttrInts || len(n.Attrs[0].Ints) != 2 || n.Attrs[1].Floats[1] != 2 {
		t.Errorf("node is %+v", n)
	}
	if !bytes.Contains(n.Unknown, []byte{8, 1}) || !bytes.Contains(m.Graph.Unknown, []byte("new")) {
		t.Error("unknown fields are gone")
	}
	want := [][]byte{floats, floats, {255, 255, 255, 255, 255, 255, 255, 255, 2, 0, 0, 0, 0, 0, 0, 0, 44, 1, 0, 0, 0, 0, 0, 0}}
	for i, x := range m.Graph.Initializers {
		if v, err := x.Value(); err != nil || !bytes.Equal(v.Data, want[i]) {
			t.Errorf("%s: %v, %v", x.Name, v.Data, err)
		}
	}
	again, err := Decode(encode(t, m))
	if err != nil {
		t.Fatal(err)
	}
	sameTensors(t, m, again)
}

func TestDecodeAliasesTensorBytes(t *testing.T) {
	b := encode(t, tiny())
	m, err := Decode(b)
	if err != nil {
		t.Fatal(err)
	}
	got, _ := m.Graph.Initializers[0].Raw()
	at := bytes.Index(b, []byte{0, 1, 2, 3, 4, 5, 6, 7})
	if &got[0] != &b[at] || cap(got) != len(got) {
		t.Error("raw data are not a capped slice of the file")
	}
}

// hugeWriter counts what is written to it.
type hugeWriter struct{ n int64 }

func (w *hugeWriter) Write(b []byte) (int, error) { w.n += int64(len(b)); return len(b), nil }

func TestWriteRefusesOver2GiB(t *testing.T) {
	m := tiny()
	shared := make([]byte, 1<<20)
	for range 2049 {
		x := &Tensor{DType: tensor.Uint8, Dims: tensor.Shape{1 << 20}}
		x.payload.raw = shared
		m.Graph.Initializers = append(m.Graph.Initializers, x)
	}
	var w hugeWriter
	err := Write(&w, m)
	if fault.KindOf(err) != fault.Unsupported || !strings.Contains(fault.HintOf(err), "external data") || w.n != 0 {
		t.Errorf("%v after %d bytes", err, w.n)
	}
}

type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, errDisk }

var errDisk = errors.New("no space left")

func TestWriteReportsTheWriter(t *testing.T) {
	if err := Write(brokenWriter{}, tiny()); !errors.Is(err, errDisk) {
		t.Errorf("got %v", err)
	}
}
