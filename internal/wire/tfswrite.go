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
	for i := range r.Outputs {
		t := &r.Outputs[i]
		if Datatype(t.DType) == "" {
			return dst, fault.New(fault.Unsupported, "", "output '%s' is %s, which the protocol cannot carry", t.Name, t.DType)
		}
		if err := t.Check(); err != nil {
			return dst, err
		}
	}
	if row {
		return appendRows(dst, r.Outputs)
	}
	dst = append(dst, `{"outputs":`...)
	if len(r.Outputs) != 1 {
		dst = append(dst, '{')
	}
	for i := range r.Outputs {
		t := &r.Outputs[i]
		dst = appendName(dst, t.Name, len(r.Outputs) != 1)
		dst, _ = appendNested(dst, t, t.Shape, 0)
	}
	if len(r.Outputs) != 1 {
		dst = append(dst, '}')
	}
	return append(dst, '}'), nil
}

// appendRows appends outputs row by row.
func appendRows(dst []byte, outputs []tensor.Tensor) ([]byte, error) {
	rows := int64(0)
	for i := range outputs {
		t := &outputs[i]
		if len(t.Shape) == 0 || i > 0 && t.Shape[0] != rows {
			return dst, fault.New(fault.Usage, "send \"inputs\" instead of \"instances\"", "output '%s' of shape %v has no axis of rows, which the row format needs", t.Name, t.Shape)
		}
		rows = t.Shape[0]
	}
	dst = append(dst, `{"predictions":[`...)
	for row := range int(rows) {
		if dst = separate(dst); len(outputs) != 1 {
			dst = append(dst, '{')
		}
		for i := range outputs {
			t := &outputs[i]
			dst = appendName(dst, t.Name, len(outputs) != 1)
			size, _ := t.Shape[1:].Elements()
			dst, _ = appendNested(dst, t, t.Shape[1:], row*int(size))
		}
		if len(outputs) != 1 {
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
