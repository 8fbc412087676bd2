package wire

import (
	"encoding/base64"
	"strings"
	"unicode/utf8"

	"infer/internal/fault"
	"infer/model/tensor"
)

// AppendTFS appends the answer in the format of the request: row {"predictions": …} or columnar {"outputs": …}, nested
// by the shape; bare values where there is one output, objects by name else. Strings of an output whose name ends in
// "_bytes", and any that is not UTF-8, are {"b64": …}. In row format all outputs need the same axis 0 (fault.Usage).
func AppendTFS(dst []byte, r *Response, row bool) ([]byte, error) {
	if err := carriesAll(r.Outputs, "output"); err != nil {
		return dst, err
	}
	if row {
		return appendRows(append(dst, `{"predictions":`...), r.Outputs, "output")
	}
	return appendColumns(append(dst, `{"outputs":`...), r.Outputs), nil
}

// AppendTFSRequest appends a request as a client sends it: {"instances": …} where r.Row is set, {"inputs": …} else. It
// nests, and writes strings, as AppendTFS does, and its errors are those: in row format all inputs need the same axis 0,
// of one row or more.
func AppendTFSRequest(dst []byte, r *Request) ([]byte, error) {
	if err := carriesAll(r.Inputs, "input"); err != nil {
		return dst, err
	}
	if r.Row {
		return appendRows(append(dst, `{"instances":`...), r.Inputs, "input")
	}
	return appendColumns(append(dst, `{"inputs":`...), r.Inputs), nil
}

// AppendNested appends the elements of t as JSON arrays nested by its shape; a scalar is a bare value. Strings are as
// AppendTFS writes them. A dtype that JSON protocols do not carry is fault.Unsupported.
func AppendNested(dst []byte, t *tensor.Tensor) ([]byte, error) {
	if err := carries(t, "tensor"); err != nil {
		return dst, err
	}
	dst, _ = appendNested(dst, t, t.Shape, 0)
	return dst, nil
}

// carriesAll refuses tensors that carries does.
func carriesAll(list []tensor.Tensor, kind string) error {
	for i := range list {
		if err := carries(&list[i], kind); err != nil {
			return err
		}
	}
	return nil
}

// carries refuses a tensor that the protocol cannot carry, and one whose elements do not fit its shape.
func carries(t *tensor.Tensor, kind string) error {
	if Datatype(t.DType) == "" {
		return fault.New(fault.Unsupported, "", "%s '%s' is %s, which the protocol cannot carry", kind, t.Name, t.DType)
	}
	return t.Check()
}

// appendColumns appends whole tensors and closes the message.
func appendColumns(dst []byte, list []tensor.Tensor) []byte {
	if len(list) != 1 {
		dst = append(dst, '{')
	}
	for i := range list {
		t := &list[i]
		dst = appendName(dst, t.Name, len(list) != 1)
		dst, _ = appendNested(dst, t, t.Shape, 0)
	}
	if len(list) != 1 {
		dst = append(dst, '}')
	}
	return append(dst, '}')
}

// appendRows appends tensors row by row and closes the message.
func appendRows(dst []byte, list []tensor.Tensor, kind string) ([]byte, error) {
	rows := int64(0)
	for i := range list {
		t := &list[i]
		if len(t.Shape) == 0 || i > 0 && t.Shape[0] != rows {
			return dst, fault.New(fault.Usage, "send \"inputs\" instead of \"instances\"", "%s '%s' of shape %v has no axis of rows, which the row format needs", kind, t.Name, t.Shape)
		}
		rows = t.Shape[0]
	}
	if rows == 0 && kind == "input" {
		return dst, fault.New(fault.Usage, "send \"inputs\" instead of \"instances\"", "the inputs have no rows, and the row format needs one")
	}
	dst = append(dst, '[')
	for row := range int(rows) {
		if dst = separate(dst); len(list) != 1 {
			dst = append(dst, '{')
		}
		for i := range list {
			t := &list[i]
			dst = appendName(dst, t.Name, len(list) != 1)
			size, _ := t.Shape[1:].Elements()
			dst, _ = appendNested(dst, t, t.Shape[1:], row*int(size))
		}
		if len(list) != 1 {
			dst = append(dst, '}')
		}
	}
	return append(dst, ']', '}'), nil
}

// appendName appends the key of a member if it has one.
func appendName(dst []byte, name string, named bool) []byte {
	if !named {
		return dst
	}
	return append(appendString(separate(dst), name), ':')
}

// appendNested appends the elements of t from lo on as arrays of a shape, and returns where they end.
func appendNested(dst []byte, t *tensor.Tensor, shape tensor.Shape, lo int) ([]byte, int) {
	if len(shape) == 0 {
		return appendLeaves(dst, t, lo, lo+1), lo + 1
	}
	dst = append(dst, '[')
	if len(shape) == 1 {
		hi := lo + int(shape[0])
		return append(appendLeaves(dst, t, lo, hi), ']'), hi
	}
	for i := range shape[0] {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst, lo = appendNested(dst, t, shape[1:], lo)
	}
	return append(dst, ']'), lo
}

// appendLeaves appends elements lo to hi of t, which was checked.
func appendLeaves(dst []byte, t *tensor.Tensor, lo, hi int) []byte {
	if t.DType != tensor.String {
		dst, _ = appendElements(dst, t, lo, hi)
		return dst
	}
	coded := strings.HasSuffix(t.Name, "_bytes")
	for i, s := range t.Strings[lo:hi] {
		if i > 0 {
			dst = append(dst, ',')
		}
		if coded || !utf8.ValidString(s) {
			dst = append(dst, `{"b64":"`...)
			dst = base64.StdEncoding.AppendEncode(dst, []byte(s))
			dst = append(dst, '"', '}')
		} else {
			dst = appendString(dst, s)
		}
	}
	return dst
}
