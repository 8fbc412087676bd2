package onnx

import (
	"bufio"
	"bytes"
	"cmp"
	"io"
	"math"
	"strconv"

	"google.golang.org/protobuf/encoding/protowire"

	"infer/internal/fault"
)

// maxFile is the size that protobuf readers stop at.
const maxFile = math.MaxInt32

// encoder writes messages in two passes over the same code: the first finds the size of each message, in the order
// in which the second needs them, so that nothing has to be built in memory before it is written.
type encoder struct {
	sizing  bool
	n       int64
	sizes   []int64
	w       *bufio.Writer
	scratch [16]byte
	err     error // of making elements
}

// Size returns how many bytes Write writes; external data are not counted.
func Size(m *Model) int64 {
	e := encoder{sizing: true}
	e.model(m)
	return e.n
}

// Write writes m as a ModelProto. The result depends on m alone, and a tensor nobody changed is written in the form
// it came in (raw, typed or external). It holds no copy of the model in memory, nor what it read of a mapped file. Errors: those of w, and
// fault.Unsupported for a model over 2 GiB, which no protobuf reader accepts.
func Write(w io.Writer, m *Model) error {
	e := encoder{sizing: true}
	e.model(m)
	if e.n > maxFile {
		return fault.New(fault.Unsupported, "save it with external data", "the model takes %d bytes, and a protobuf file holds at most %d", e.n, maxFile)
	}
	e.sizing, e.w = false, bufio.NewWriterSize(w, 1<<16)
	e.model(m)
	if e.err != nil {
		return e.err
	}
	return e.w.Flush()
}

// Encode is Write to memory.
func Encode(m *Model) ([]byte, error) {
	var buf bytes.Buffer
	if size := Size(m); size <= maxFile {
		buf.Grow(int(size))
	}
	if err := Write(&buf, m); err != nil {
		return nil, err
	}
	return buf.Bytes(), nil
}

// raw writes bytes as they are. Errors of the writer stay in bufio until Flush.
func (e *encoder) raw(b []byte) {
	if e.sizing {
		e.n += int64(len(b))
		return
	}
	_, _ = e.w.Write(b)
}

func (e *encoder) varint(v uint64) { e.raw(protowire.AppendVarint(e.scratch[:0], v)) }

func (e *encoder) tag(num protowire.Number, typ protowire.Type) {
	e.raw(protowire.AppendTag(e.scratch[:0], num, typ))
}

// int writes a varint field.
func (e *encoder) int(num protowire.Number, v int64) {
	e.tag(num, protowire.VarintType)
	e.varint(uint64(v))
}

// intSet writes a varint field unless it is 0.
func (e *encoder) intSet(num protowire.Number, v int64) {
	if v != 0 {
		e.int(num, v)
	}
}

func (e *encoder) float(num protowire.Number, v float32) {
	e.tag(num, protowire.Fixed32Type)
	e.raw(protowire.AppendFixed32(e.scratch[:0], math.Float32bits(v)))
}

func (e *encoder) bytes(num protowire.Number, b []byte) {
	e.tag(num, protowire.BytesType)
	e.varint(uint64(len(b)))
	e.raw(b)
}

func (e *encoder) str(num protowire.Number, s string) {
	e.tag(num, protowire.BytesType)
	e.varint(uint64(len(s)))
	if e.sizing {
		e.n += int64(len(s))
		return
	}
	_, _ = e.w.WriteString(s)
}

// strSet writes a string field unless it is empty.
func (e *encoder) strSet(num protowire.Number, s string) {
	if s != "" {
		e.str(num, s)
	}
}

func (e *encoder) strs(num protowire.Number, list []string) {
	for _, s := range list {
		e.str(num, s)
	}
}

// message writes a field that holds a message, whose fields body writes.
func (e *encoder) message(num protowire.Number, body func()) {
	if !e.sizing {
		size := e.sizes[0]
		e.sizes = e.sizes[1:]
		e.tag(num, protowire.BytesType)
		e.varint(uint64(size))
		body()
		return
	}
	at, before := len(e.sizes), e.n
	e.sizes = append(e.sizes, 0)
	body()
	e.sizes[at] = e.n - before
	e.tag(num, protowire.BytesType)
	e.varint(uint64(e.sizes[at]))
}

// list writes one message field an item.
func list[T any](e *encoder, num protowire.Number, items []*T, body func(*T)) {
	for _, t := range items {
		e.message(num, func() { body(t) })
	}
}

// one writes a message field unless it is nil.
func one[T any](e *encoder, num protowire.Number, t *T, body func(*T)) {
	if t != nil {
		e.message(num, func() { body(t) })
	}
}

func (e *encoder) model(m *Model) {
	e.intSet(1, m.IRVersion)
	e.strSet(2, m.Producer)
	e.strSet(3, m.ProducerVersion)
	e.strSet(4, m.Domain)
	e.intSet(5, m.Version)
	e.strSet(6, m.Doc)
	one(e, 7, m.Graph, e.graph)
	e.opsets(8, m.Opsets)
	e.props(14, m.Metadata)
	list(e, 25, m.Functions, e.function)
	e.raw(m.Unknown)
}

func (e *encoder) opsets(num protowire.Number, sets []Opset) {
	for _, o := range sets {
		e.message(num, func() {
			e.str(1, o.Domain)
			e.int(2, o.Version)
			e.raw(o.Unknown)
		})
	}
}

func (e *encoder) props(num protowire.Number, props []Prop) {
	for _, p := range props {
		e.message(num, func() {
			e.str(1, p.Key)
			e.str(2, p.Value)
			e.raw(p.Unknown)
		})
	}
}

func (e *encoder) graph(g *Graph) {
	list(e, 1, g.Nodes, e.node)
	e.strSet(2, g.Name)
	list(e, 5, g.Initializers, e.tensor)
	e.strSet(10, g.Doc)
	list(e, 11, g.Inputs, e.valueInfo)
	list(e, 12, g.Outputs, e.valueInfo)
	list(e, 13, g.ValueInfo, e.valueInfo)
	list(e, 15, g.Sparse, e.sparse)
	e.props(16, g.Metadata)
	e.raw(g.Unknown)
}

func (e *encoder) node(n *Node) {
	e.strs(1, n.Inputs)
	e.strs(2, n.Outputs)
	e.strSet(3, n.Name)
	e.strSet(4, n.OpType)
	list(e, 5, n.Attrs, e.attribute)
	e.strSet(6, n.Doc)
	e.strSet(7, n.Domain)
	e.strSet(8, n.Overload)
	e.props(9, n.Metadata)
	e.raw(n.Unknown)
}

// attribute writes the value of the attribute's type even where it is zero: readers want the field to be there.
// A reference to a function's attribute has no value.
func (e *encoder) attribute(a *Attribute) {
	is := func(t AttrType) bool { return a.Type == t && a.RefName == "" }
	e.strSet(1, a.Name)
	if is(AttrFloat) || math.Float32bits(a.F) != 0 {
		e.float(2, a.F)
	}
	if is(AttrInt) || a.I != 0 {
		e.int(3, a.I)
	}
	if is(AttrString) || len(a.S) > 0 {
		e.bytes(4, a.S)
	}
	one(e, 5, a.T, e.tensor)
	one(e, 6, a.G, e.graph)
	for _, f := range a.Floats {
		e.float(7, f)
	}
	for _, i := range a.Ints {
		e.int(8, i)
	}
	for _, s := range a.Strings {
		e.bytes(9, s)
	}
	list(e, 10, a.Tensors, e.tensor)
	list(e, 11, a.Graphs, e.graph)
	e.strSet(13, a.Doc)
	one(e, 14, a.TP, e.typeProto)
	list(e, 15, a.TPs, e.typeProto)
	e.intSet(20, int64(a.Type))
	e.strSet(21, a.RefName)
	one(e, 22, a.Sparse, e.sparse)
	list(e, 23, a.Sparses, e.sparse)
	e.raw(a.Unknown)
}

func (e *encoder) valueInfo(v *ValueInfo) {
	e.strSet(1, v.Name)
	one(e, 2, v.Type, e.typeProto)
	e.strSet(3, v.Doc)
	e.props(4, v.Metadata)
	e.raw(v.Unknown)
}

func (e *encoder) typeProto(t *Type) {
	e.strSet(6, t.Denotation)
	for _, k := range typeKinds {
		if k.kind == t.Kind {
			e.message(protowire.Number(k.num), func() { e.typeBody(t) })
		}
	}
	e.raw(t.Unknown)
}

func (e *encoder) typeBody(t *Type) {
	switch t.Kind {
	case KindTensor, KindSparseTensor:
		e.intSet(1, int64(t.DType))
		if t.HasShape {
			e.message(2, func() {
				for _, d := range t.Dims {
					e.message(1, func() { e.dim(d) })
				}
				e.raw(t.shape)
			})
		}
	case KindSequence, KindOptional:
		one(e, 1, t.Elem, e.typeProto)
	case KindMap:
		e.intSet(1, int64(t.Key))
		one(e, 2, t.Elem, e.typeProto)
	}
	e.raw(t.inner)
}

func (e *encoder) dim(d Dim) {
	if d.Known {
		e.int(1, d.Size)
	} else {
		e.strSet(2, d.Name)
	}
	e.strSet(3, d.Denotation)
	e.raw(d.Unknown)
}

func (e *encoder) function(f *Function) {
	e.strSet(1, f.Name)
	e.strs(4, f.Inputs)
	e.strs(5, f.Outputs)
	e.strs(6, f.AttrNames)
	list(e, 7, f.Nodes, e.node)
	e.strSet(8, f.Doc)
	e.opsets(9, f.Opsets)
	e.str(10, f.Domain)
	list(e, 11, f.AttrProtos, e.attribute)
	list(e, 12, f.ValueInfo, e.valueInfo)
	e.strSet(13, f.Overload)
	e.props(14, f.Metadata)
	e.raw(f.Unknown)
}

func (e *encoder) tensor(t *Tensor) {
	for _, d := range t.Dims {
		e.int(1, d)
	}
	e.intSet(2, int64(t.DType))
	p := t.payload
	if t.External != nil {
		p = payload{}
	}
	if p.field != 0 && len(p.typed) > 0 {
		e.typed(p)
	}
	for _, s := range p.strings {
		e.bytes(fieldString, s)
	}
	e.strSet(8, t.Name)
	switch {
	case p.raw != nil:
		e.tag(fieldRaw, protowire.BytesType)
		e.varint(uint64(len(p.raw)))
		e.elements(&t.payload)
	case p.make != nil:
		e.deferred(t)
	}
	e.strSet(12, t.Doc)
	if t.External != nil {
		e.props(13, t.External.entries())
		e.int(14, 1)
	}
	e.props(16, t.Metadata)
	e.raw(t.Unknown)
}

// deferred writes elements that are made now. A failure ends the writing.
func (e *encoder) deferred(t *Tensor) {
	size, err := t.ByteSize()
	if e.sizing {
		e.tag(fieldRaw, protowire.BytesType)
		e.varint(uint64(size))
		e.n += size
		return
	}
	var data []byte
	if err == nil && e.err == nil {
		data, err = t.made()
	}
	e.err = cmp.Or(e.err, err)
	if e.err == nil {
		e.bytes(fieldRaw, data)
	}
}

// elements writes raw elements.
func (e *encoder) elements(p *payload) {
	if e.sizing {
		e.n += int64(len(p.raw))
		return
	}
	_ = p.copyRaw(e.w) // errors of the writer stay in bufio until Flush
}

// typed writes the chunks of a typed field as one packed field.
func (e *encoder) typed(p payload) {
	size := 0
	for _, c := range p.typed {
		size += len(c)
	}
	e.tag(protowire.Number(p.field), protowire.BytesType)
	e.varint(uint64(size))
	for _, c := range p.typed {
		e.raw(c)
	}
}

func (e *encoder) sparse(s *SparseTensor) {
	one(e, 1, s.Values, e.tensor)
	one(e, 2, s.Indices, e.tensor)
	for _, d := range s.Dims {
		e.int(3, d)
	}
	e.raw(s.Unknown)
}

// entries returns the external_data list.
func (x *External) entries() []Prop {
	props := []Prop{{Key: "location", Value: x.Location}}
	if x.Offset != 0 || x.Length != 0 {
		props = append(props, Prop{Key: "offset", Value: strconv.FormatInt(x.Offset, 10)})
	}
	if x.Length != 0 {
		props = append(props, Prop{Key: "length", Value: strconv.FormatInt(x.Length, 10)})
	}
	if x.Checksum != "" {
		props = append(props, Prop{Key: "checksum", Value: x.Checksum})
	}
	return append(props, x.Extra...)
}
