package onnx

import (
	"fmt"
	"io"
	"os"
	"slices"

	"google.golang.org/protobuf/encoding/protowire"

	"infer/internal/fault"
	"infer/model/tensor"
)

// Tensor is a TensorProto: an initializer or a constant. Its bytes stay where they were found (the mapped file, an
// external file) until Value decodes them.
type Tensor struct {
	Name     string
	DType    tensor.DType
	Dims     tensor.Shape
	Doc      string
	Metadata []Prop
	Unknown  []byte

	External *External // where the bytes lie, when outside the file; nil otherwise

	payload payload
}

// External is the place of a tensor's bytes outside the model file.
type External struct {
	Location string // relative path, slashes
	Offset   int64
	Length   int64  // 0: to the end of the file (only before it is resolved)
	Checksum string // SHA-1 in hex; "" where not given
	Extra    []Prop // entries with other keys, kept
}

// payload is how the file held the elements. A valid file sets one of raw, typed and strings; raw comes first where it
// sets more. Slices may alias the mapped file.
type payload struct {
	raw     []byte   // raw_data, or resolved external bytes
	mapped  bool     // raw lies in a mapped file
	field   int      // the number of the typed field (float_data 4, int32_data 5, …) that typed holds
	typed   [][]byte // the typed field's chunks, undecoded: packed payloads
	open    bool     // the last chunk of typed is our own: it gathers elements that came one by one
	strings [][]byte // string_data

	make func() ([]byte, error) // makes raw anew each time it is needed; nil where there is no need to
}

// Deferred returns a tensor whose elements are made each time that somebody asks for them, so that a model which is
// rewritten tensor by tensor is never in memory as a whole. make returns them row-major and little-endian, the same each
// time. d has a width: no strings.
func Deferred(name string, d tensor.DType, dims tensor.Shape, make func() ([]byte, error)) *Tensor {
	return &Tensor{Name: name, DType: d, Dims: dims, payload: payload{make: make}}
}

// NewTensor returns an initializer or constant that holds v, whose bytes it shares. It fails where SetValue does.
func NewTensor(name string, v tensor.Tensor) (*Tensor, error) {
	t := &Tensor{Name: name}
	return t, t.SetValue(v)
}

// NewTensorIn returns a tensor whose elements lie as raw, row-major and little-endian, in a file of another format;
// mapped says that raw is part of a mapping. It checks nothing: Model.Check compares dtype and dims with raw.
func NewTensorIn(name string, d tensor.DType, dims tensor.Shape, raw []byte, mapped bool) *Tensor {
	if raw == nil {
		raw = []byte{}
	}
	return &Tensor{Name: name, DType: d, Dims: dims, payload: payload{raw: raw, mapped: mapped}}
}

// NewStrings returns a tensor of strings, which it shares. It checks nothing, as NewTensorIn.
func NewStrings(name string, dims tensor.Shape, strings [][]byte) *Tensor {
	return &Tensor{Name: name, DType: tensor.String, Dims: dims, payload: payload{strings: strings}}
}

// SetValue replaces dtype, dims and elements with those of v, whose bytes it shares; the name stays. It fails for
// sequences, maps and a v whose data do not fit its shape.
func (t *Tensor) SetValue(v tensor.Tensor) error {
	if !v.DType.Valid() {
		return fmt.Errorf("tensor %q: %s is no element type", t.Name, v.DType)
	}
	if err := v.Check(); err != nil {
		return err
	}
	t.DType, t.Dims, t.External = v.DType, v.Shape, nil
	t.Unknown = stripFields(t.Unknown, 2, 3, fieldFloat, fieldInt32, fieldInt64, fieldDouble, fieldUint64)
	t.payload = payload{}
	if v.DType != tensor.String {
		t.payload.raw = v.Data
		if v.Data == nil {
			t.payload.raw = []byte{}
		}
		return nil
	}
	for _, s := range v.Strings {
		t.payload.strings = append(t.payload.strings, []byte(s))
	}
	return nil
}

// Raw returns the elements as they lie in the file, row-major and little-endian, where it holds them so; false where
// they are in a typed field, strings, missing, or external and not resolved.
func (t *Tensor) Raw() ([]byte, bool) { return t.payload.raw, t.payload.raw != nil }

// Release gives back the memory that reading the elements from a mapped file took; whoever reads them again, reads the
// file again. It does nothing to elements that lie elsewhere, nor where the system cannot do it.
func (t *Tensor) Release() {
	if t.payload.mapped {
		release(t.payload.raw)
	}
}

// pieceSize is how much of a mapped tensor is held while it is copied.
const pieceSize = 8 << 20

// CopyTo writes the elements to w as Value returns them. Of a mapped file it holds a piece at a time and releases it.
// Errors: those of Value and of w, and strings, which have no bytes of that kind.
func (t *Tensor) CopyTo(w io.Writer) error {
	v, err := t.Value()
	switch {
	case err != nil:
		return err
	case t.DType == tensor.String:
		return fmt.Errorf("tensor %q holds strings", t.Name)
	case t.payload.raw != nil:
		return t.payload.copyRaw(w)
	}
	_, err = w.Write(v.Data)
	return err
}

// copyRaw is CopyTo for raw elements, whether they fit the tensor or not.
func (p *payload) copyRaw(w io.Writer) error {
	for piece := range slices.Chunk(p.raw, pieceSize) {
		if _, err := w.Write(piece); err != nil {
			return err
		}
		if p.mapped {
			release(piece)
		}
	}
	if p.mapped {
		release(p.raw) // the pages that two pieces share
	}
	return nil
}

// ByteSize returns how many bytes the elements take as tensor.Tensor.Data, by dtype and dims; for strings, the sum
// of their lengths. It fails for negative or overflowing dims. No tensor bytes are read.
func (t *Tensor) ByteSize() (int64, error) {
	if t.DType != tensor.String {
		return tensor.ByteSize(t.DType, t.Dims)
	}
	var n int64
	for _, s := range t.payload.strings {
		n += int64(len(s))
	}
	return n, nil
}

// Value returns the elements. Raw and external bytes are shared with the file and must not be written to; typed
// fields are decoded into new memory. Errors: dims that overflow, data that do not fit them, a dtype without a
// known width, external data that ResolveExternal has not seen.
func (t *Tensor) Value() (tensor.Tensor, error) {
	v := tensor.Tensor{Name: t.Name, DType: t.DType, Shape: t.Dims}
	if err := t.checkData(); err != nil {
		return v, err
	}
	switch p := &t.payload; {
	case t.External != nil && p.raw == nil:
		return v, fault.New(fault.Internal, "", "tensor %q: its external data (%q) are not loaded", t.Name, t.External.Location)
	case t.DType == tensor.String:
		v.Strings = make([]string, len(p.strings))
		for i, s := range p.strings {
			v.Strings[i] = string(s)
		}
	case p.raw != nil:
		v.Data = p.raw
	case p.make != nil:
		data, err := t.made()
		if err != nil {
			return v, err
		}
		v.Data = data
	default:
		data, err := t.decodeTyped()
		if err != nil {
			return v, err
		}
		v.Data = data
	}
	return v, nil
}

// made makes the elements of a Deferred.
func (t *Tensor) made() ([]byte, error) {
	data, err := t.payload.make()
	if err != nil {
		return nil, fault.Wrap(err, "tensor %q", t.Name)
	}
	if size, err := t.ByteSize(); err != nil || int64(len(data)) != size {
		return nil, t.misfit("which takes %d bytes, and %d were made", size, len(data))
	}
	return data, nil
}

// layout says how a typed field holds the elements of a dtype.
type layout struct {
	field int // the field's number
	per   int // entries an element, for the complex types
	pack  int // elements an entry, for those under 8 bits
	bytes int // bytes that an entry becomes
}

// typedLayout returns the layout of a dtype; false for one that no typed field holds.
// Ref: onnx.proto, the comments of TensorProto's float_data and its siblings.
func typedLayout(d tensor.DType) (layout, bool) {
	switch d {
	case tensor.Float32:
		return layout{fieldFloat, 1, 1, 4}, true
	case tensor.Complex64:
		return layout{fieldFloat, 2, 1, 4}, true
	case tensor.Float64:
		return layout{fieldDouble, 1, 1, 8}, true
	case tensor.Complex128:
		return layout{fieldDouble, 2, 1, 8}, true
	case tensor.Int64:
		return layout{fieldInt64, 1, 1, 8}, true
	case tensor.Uint32:
		return layout{fieldUint64, 1, 1, 4}, true
	case tensor.Uint64:
		return layout{fieldUint64, 1, 1, 8}, true
	}
	switch bits := d.Bits(); bits {
	case 8, 16, 32:
		return layout{fieldInt32, 1, 1, bits / 8}, true
	case 2, 4:
		return layout{fieldInt32, 1, 8 / bits, 1}, true
	}
	return layout{}, false
}

// entries returns how many entries of the typed field n elements take.
func (l layout) entries(n int64) int64 {
	return (n/int64(l.pack) + min(n%int64(l.pack), 1)) * int64(l.per)
}

// width returns the bytes of one entry in the file: exact for floats, 1 to 10 for integers.
func (l layout) width() (least, most int64) {
	switch l.field {
	case fieldFloat:
		return 4, 4
	case fieldDouble:
		return 8, 8
	}
	return 1, 10
}

// checkData compares dtype and dims with the data that are there, without reading them. External data that are not
// resolved pass, and so do dtypes that this package does not know.
func (t *Tensor) checkData() error {
	n, err := t.Dims.Elements()
	if err != nil {
		return fault.New(fault.Internal, again, "tensor %q: %w", t.Name, err)
	}
	if t.DType == tensor.String {
		if t.External != nil {
			return t.misfit("strings cannot be external data")
		}
		if int64(len(t.payload.strings)) != n {
			return t.misfit("it holds %d strings", len(t.payload.strings))
		}
		return nil
	}
	if !t.DType.Valid() {
		return fault.New(fault.Unsupported, "", "tensor %q: data type %d is not known to this version of infer", t.Name, t.DType)
	}
	size, err := tensor.ByteSize(t.DType, t.Dims)
	if err != nil {
		return fault.New(fault.Internal, again, "tensor %q: %w", t.Name, err)
	}
	p := &t.payload
	switch {
	case p.raw != nil:
		if int64(len(p.raw)) != size {
			return t.misfit("which takes %d bytes, and it holds %d", size, len(p.raw))
		}
		return nil
	case t.External != nil, p.make != nil:
		return nil
	}
	held := int64(0)
	for _, c := range p.typed {
		held += int64(len(c))
	}
	l, _ := typedLayout(t.DType)
	least, most := l.width()
	if entries := l.entries(n); held/most > entries || held/least < entries || entries > 0 && p.field != l.field {
		return t.misfit("which takes %d bytes, and the file does not hold them", size)
	}
	return nil
}

// misfit is the error of a tensor whose data do not fit its shape.
func (t *Tensor) misfit(format string, args ...any) error {
	return fault.New(fault.Internal, again, "tensor %q is %s of shape %s, %s", t.Name, t.DType, t.Dims, fmt.Sprintf(format, args...))
}

// decodeTyped turns the typed field into little-endian bytes. checkData has passed, so the size is bounded by what
// the file holds.
func (t *Tensor) decodeTyped() ([]byte, error) {
	n, _ := t.Dims.Elements()
	l, _ := typedLayout(t.DType)
	want := l.entries(n)
	out := make([]byte, 0, want*int64(l.bytes))
	for _, c := range t.payload.typed {
		if least, most := l.width(); least == most {
			out = append(out, c...)
			continue
		}
		for len(c) > 0 {
			v, k := protowire.ConsumeVarint(c)
			if k < 0 {
				return nil, t.misfit("and an entry of its data is malformed")
			}
			c = c[k:]
			for range l.bytes {
				out = append(out, byte(v))
				v >>= 8
			}
		}
	}
	if int64(len(out)) != want*int64(l.bytes) {
		return nil, t.misfit("which takes %d entries, and it holds %d", want, len(out)/l.bytes)
	}
	return out, nil
}

// DecodeTensor reads a lone TensorProto, as in the .pb files of ONNX test data. Raw data of the result share b.
func DecodeTensor(b []byte) (tensor.Tensor, error) {
	d := decoder{names: map[string]string{}}
	t := &Tensor{}
	if err := d.tensor(t, b); err != nil {
		return tensor.Tensor{}, fault.New(fault.Internal, "", "not a TensorProto: %w", err)
	}
	if t.DType == tensor.Undefined {
		return tensor.Tensor{}, fault.New(fault.Internal, "", "not a TensorProto: it has no known data type")
	}
	if t.External != nil {
		return tensor.Tensor{}, fault.New(fault.Unsupported, "", "tensor %q has its data in another file", t.Name)
	}
	return t.Value()
}

// ReadTensorFile is DecodeTensor of a file.
func ReadTensorFile(path string) (tensor.Tensor, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return tensor.Tensor{}, fault.New(fault.Usage, "", "read tensor: %w", err)
	}
	v, err := DecodeTensor(b)
	return v, fault.Wrap(err, "read tensor %q", path)
}
