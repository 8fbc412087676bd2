package wire

import (
	"google.golang.org/protobuf/encoding/protowire"

	"infer/internal/fault"
	"infer/model/tensor"
)

// tensorProtoTypes are the dtypes of tensorflow.TensorProto: their number and name in its DataType, and the repeated
// field that their elements stand in.
var tensorProtoTypes = [...]struct {
	dtype  tensor.DType
	number uint64
	symbol string
	field  protowire.Number
	name   string
}{
	{tensor.Float32, 1, "DT_FLOAT", 5, "float_val"}, {tensor.Float64, 2, "DT_DOUBLE", 6, "double_val"},
	{tensor.Int32, 3, "DT_INT32", 7, "int_val"}, {tensor.Uint8, 4, "DT_UINT8", 7, "int_val"},
	{tensor.Int16, 5, "DT_INT16", 7, "int_val"}, {tensor.Int8, 6, "DT_INT8", 7, "int_val"},
	{tensor.String, 7, "DT_STRING", 8, "string_val"}, {tensor.Int64, 9, "DT_INT64", 10, "int64_val"},
	{tensor.Bool, 10, "DT_BOOL", 11, "bool_val"}, {tensor.BFloat16, 14, "DT_BFLOAT16", 13, "half_val"},
	{tensor.Uint16, 17, "DT_UINT16", 7, "int_val"}, {tensor.Float16, 19, "DT_HALF", 13, "half_val"},
	{tensor.Uint32, 22, "DT_UINT32", 16, "uint32_val"}, {tensor.Uint64, 23, "DT_UINT64", 17, "uint64_val"},
}

// maxFill is up to how many bytes a tensor may have that is given by one element, as TensorFlow allows: it must not
// take a few bytes to make the server take a lot.
const maxFill = 64 << 10

// namedTensor reads an entry of a map of TensorProto into the zero tensor t.
func (a *arena) namedTensor(t *tensor.Tensor, data []byte, p place, l Limits) error {
	var value []byte
	m := fields{rest: data}
	for m.next() {
		switch m.tag {
		case 1<<3 | uint64(bytesType):
			var err error
			if t.Name, err = a.text(m.bytes, p.kind); err != nil {
				return err
			}
		case 2<<3 | uint64(bytesType):
			value = m.bytes
		}
	}
	if m.err != nil {
		return malformed(p.kind, m.err)
	}
	p.name = t.Name
	return a.tensorProto(t, value, p, l)
}

// tensorProto gives t, whose name is set, what a tensorflow.TensorProto holds.
func (a *arena) tensorProto(t *tensor.Tensor, data []byte, p place, l Limits) error {
	var number uint64
	var content []byte
	t.Shape = tensor.Shape{}
	m := fields{rest: data}
	for m.next() {
		switch m.tag {
		case 1<<3 | uint64(varintType):
			number = m.num
		case 2<<3 | uint64(bytesType):
			if err := a.tensorShape(t, m.bytes, p); err != nil {
				return err
			}
		case 4<<3 | uint64(bytesType):
			content = m.bytes
		}
	}
	if m.err != nil {
		return malformed("TensorProto of "+p.String(), m.err)
	}
	for _, c := range tensorProtoTypes {
		if c.number != number {
			continue
		}
		t.DType = c.dtype
		if len(content) == 0 {
			return a.tensorValues(t, data, c.field, p, l)
		}
		if c.dtype == tensor.String {
			return fault.New(fault.Usage, "", "the strings of %s must come in string_val", p)
		}
		return a.raw(t, content, p, l)
	}
	return fault.New(fault.Usage, "", "%s has dtype %d, which this server does not have", p, number)
}

// tensorShape reads a TensorShapeProto.
func (a *arena) tensorShape(t *tensor.Tensor, data []byte, p place) error {
	m := fields{rest: data}
	for m.next() {
		switch m.tag {
		case 2<<3 | uint64(bytesType):
			size := int64(0)
			dim := fields{rest: m.bytes}
			for dim.next() {
				if dim.tag == 1<<3|uint64(varintType) {
					size = int64(dim.num)
				}
			}
			if dim.err != nil {
				return malformed("shape of "+p.String(), dim.err)
			}
			var err error
			if t.Shape, err = a.dim(t.Shape, size, p); err != nil {
				return err
			}
		case 3<<3 | uint64(varintType):
			if m.num != 0 {
				return fault.New(fault.Usage, "", "%s has no shape (unknown_rank)", p)
			}
		}
	}
	return malformed("shape of "+p.String(), m.err)
}

// tensorValues gives t the elements in its repeated field of a TensorProto. One element of a number stands for all.
func (a *arena) tensorValues(t *tensor.Tensor, data []byte, field protowire.Number, p place, l Limits) error {
	size := len(data)
	if n, err := elements(t.Shape, p, l); err == nil && t.DType != tensor.String && n*int64(elementSize(t.DType)) <= maxFill {
		size = max(size, int(n))
	}
	e, err := a.elementsFor(t, size, p, l)
	if err != nil {
		return err
	}
	for m := (fields{rest: data}); m.next(); {
		if m.number() != uint64(field) {
			continue
		}
		if err := e.add(&m); err != nil {
			return err
		}
	}
	if e.taken == 1 && t.DType != tensor.String {
		for filled := elementSize(t.DType); filled < len(t.Data); filled *= 2 {
			copy(t.Data[filled:], t.Data[:filled])
		}
		return nil
	}
	return e.complete()
}

// appendNamedTensors appends a map of TensorProto as a field of a number. Numbers stand in tensor_content where
// content is set, else in the repeated field of their type.
func appendNamedTensors(dst []byte, number protowire.Number, list []tensor.Tensor, content bool) ([]byte, error) {
	for i := range list {
		t := &list[i]
		known := -1
		for k := range tensorProtoTypes {
			if tensorProtoTypes[k].dtype == t.DType {
				known = k
			}
		}
		if known < 0 {
			return dst, fault.New(fault.Unsupported, "", "tensor '%s' is of type %s, which the protocol does not have", t.Name, t.DType)
		}
		c := tensorProtoTypes[known]
		inContent := content && t.DType != tensor.String
		shape, values := tensorShapeSize(t.Shape), 0
		if inContent {
			values = 1 + protowire.SizeBytes(len(t.Data))
		} else {
			values = repeatedSize(t, c.field)
		}
		size := 1 + protowire.SizeVarint(c.number) + 1 + protowire.SizeBytes(shape) + values
		dst = protowire.AppendVarint(protowire.AppendTag(dst, number, bytesType), uint64(textSize(1, t.Name)+1+protowire.SizeBytes(size)))
		dst = appendText(dst, 1, t.Name)
		dst = protowire.AppendVarint(protowire.AppendTag(dst, 2, bytesType), uint64(size))
		dst = protowire.AppendVarint(protowire.AppendTag(dst, 1, varintType), c.number)
		dst = appendTensorShape(dst, t.Shape, shape)
		if inContent {
			dst = protowire.AppendBytes(protowire.AppendTag(dst, 4, bytesType), t.Data)
		} else {
			dst = appendRepeated(dst, t, c.field)
		}
	}
	return dst, nil
}

func tensorShapeSize(shape tensor.Shape) int {
	n := 0
	for _, d := range shape {
		n += 1 + protowire.SizeBytes(1+protowire.SizeVarint(uint64(d)))
	}
	return n
}

// appendTensorShape appends a TensorShapeProto, whose dimensions take size bytes, as field 2.
func appendTensorShape(dst []byte, shape tensor.Shape, size int) []byte {
	dst = protowire.AppendVarint(protowire.AppendTag(dst, 2, bytesType), uint64(size))
	for _, d := range shape {
		dst = protowire.AppendVarint(protowire.AppendTag(dst, 2, bytesType), uint64(1+protowire.SizeVarint(uint64(d))))
		dst = protowire.AppendVarint(protowire.AppendTag(dst, 1, varintType), uint64(d))
	}
	return dst
}

// TensorFlowType returns the number of a dtype in TensorFlow's DataType; 0 for one that its messages do not have here.
func TensorFlowType(d tensor.DType) int32 {
	for _, c := range tensorProtoTypes {
		if c.dtype == d {
			return int32(c.number)
		}
	}
	return 0
}

// TensorFlowName returns the name of a dtype in TensorFlow's DataType ("DT_FLOAT"); that of 0 is DT_INVALID.
func TensorFlowName(d tensor.DType) string {
	for _, c := range tensorProtoTypes {
		if c.dtype == d {
			return c.symbol
		}
	}
	return "DT_INVALID"
}

// ParseTensorFlowName is the inverse of TensorFlowName.
func ParseTensorFlowName(name string) (tensor.DType, bool) {
	for _, c := range tensorProtoTypes {
		if c.symbol == name {
			return c.dtype, true
		}
	}
	return tensor.Undefined, false
}
