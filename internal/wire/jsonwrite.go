package wire

import (
	"encoding/binary"
	"math"
	"strconv"
	"unicode/utf8"

	"infer/internal/fault"
	"infer/model/tensor"
)

// AppendError appends {"error": message}.
func AppendError(dst []byte, message string) []byte {
	dst = append(dst, `{"error":`...)
	return append(appendString(dst, message), '}')
}

// appendString appends s as a JSON string. What is not UTF-8 becomes U+FFFD.
func appendString(dst []byte, s string) []byte {
	const hex = "0123456789abcdef"
	dst = append(dst, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' && c < utf8.RuneSelf {
			i++
			continue
		}
		if c >= utf8.RuneSelf {
			if r, n := utf8.DecodeRuneInString(s[i:]); r != utf8.RuneError || n > 1 {
				i += n
				continue
			}
		}
		dst = append(dst, s[start:i]...)
		switch {
		case c == '"', c == '\\':
			dst = append(dst, '\\', c)
		case c == '\n':
			dst = append(dst, '\\', 'n')
		case c == '\r':
			dst = append(dst, '\\', 'r')
		case c == '\t':
			dst = append(dst, '\\', 't')
		case c < ' ':
			dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		default:
			dst = append(dst, "\ufffd"...)
		}
		i++
		start = i
	}
	return append(append(dst, s[start:]...), '"')
}

// appendFloat appends the shortest decimal that is f at its width of 32 or 64 bits, always one that reads back as a
// float: 1.0, not 1. What is not finite becomes NaN, Infinity or -Infinity, as Triton and TensorFlow Serving write it.
func appendFloat(dst []byte, f float64, bits int) []byte {
	switch {
	case f != f:
		return append(dst, "NaN"...)
	case f > math.MaxFloat64:
		return append(dst, "Infinity"...)
	case f < -math.MaxFloat64:
		return append(dst, "-Infinity"...)
	}
	if f == math.Trunc(f) && math.Abs(f) < 1e6 {
		if f == 0 && math.Signbit(f) {
			dst = append(dst, '-')
		}
		return append(strconv.AppendInt(dst, int64(f), 10), '.', '0')
	}
	return strconv.AppendFloat(dst, f, 'g', -1, bits)
}

// appendShape appends a shape as an array.
func appendShape(dst []byte, s tensor.Shape) []byte {
	dst = append(dst, '[')
	for i, d := range s {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = strconv.AppendInt(dst, d, 10)
	}
	return append(dst, ']')
}

// appendElements appends the elements of t from lo to hi, with commas between them. Strings must be UTF-8.
func appendElements(dst []byte, t *tensor.Tensor, lo, hi int) ([]byte, error) {
	le, b := binary.LittleEndian, t.Data
	if t.DType == tensor.String {
		return appendStrings(dst, t, lo, hi)
	}
	if size := elementSize(t.DType); size == 0 || len(b) < hi*size {
		return dst, fault.New(fault.Unsupported, "", "output '%s' is %s, which the protocol cannot carry", t.Name, t.DType)
	}
	for i := lo; i < hi; i++ {
		if i > lo {
			dst = append(dst, ',')
		}
		switch t.DType {
		case tensor.Float32:
			dst = appendFloat(dst, float64(math.Float32frombits(le.Uint32(b[4*i:]))), 32)
		case tensor.Float64:
			dst = appendFloat(dst, math.Float64frombits(le.Uint64(b[8*i:])), 64)
		case tensor.Float16:
			dst = appendFloat(dst, float64(tensor.Float16Value(le.Uint16(b[2*i:]))), 32)
		case tensor.BFloat16:
			dst = appendFloat(dst, float64(tensor.BFloat16Value(le.Uint16(b[2*i:]))), 32)
		case tensor.Bool:
			dst = strconv.AppendBool(dst, b[i] != 0)
		case tensor.Uint64:
			dst = strconv.AppendUint(dst, le.Uint64(b[8*i:]), 10)
		default:
			dst = strconv.AppendInt(dst, IntegerAt(b, t.DType, i), 10)
		}
	}
	return dst, nil
}

// IntegerAt returns element i of row-major, little-endian elements of an integer dtype of 8 bits or more that int64 holds:
// uint64 is not for it.
func IntegerAt(b []byte, d tensor.DType, i int) int64 {
	le := binary.LittleEndian
	switch d {
	case tensor.Int64:
		return int64(le.Uint64(b[8*i:]))
	case tensor.Int32:
		return int64(int32(le.Uint32(b[4*i:])))
	case tensor.Int16:
		return int64(int16(le.Uint16(b[2*i:])))
	case tensor.Int8:
		return int64(int8(b[i]))
	case tensor.Uint32:
		return int64(le.Uint32(b[4*i:]))
	case tensor.Uint16:
		return int64(le.Uint16(b[2*i:]))
	default:
		return int64(b[i])
	}
}

// appendStrings appends strings lo to hi. Triton would write bytes that are no UTF-8 as they are, and no client could
// read the answer.
func appendStrings(dst []byte, t *tensor.Tensor, lo, hi int) ([]byte, error) {
	for i, s := range t.Strings[lo:hi] {
		if !utf8.ValidString(s) {
			return dst, fault.New(fault.Usage, "ask for the output in the binary form", "element %d of '%s' is not UTF-8, which JSON needs", lo+i, t.Name)
		}
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendString(dst, s)
	}
	return dst, nil
}

// appendParams appends parameters as the members of an object, each behind the separator of the one before.
func appendParams(dst []byte, params []Param) []byte {
	for i := range params {
		dst = appendString(separate(dst), params[i].Name)
		dst = append(dst, ':')
		switch v := params[i].Value.(type) {
		case bool:
			dst = strconv.AppendBool(dst, v)
		case int64:
			dst = strconv.AppendInt(dst, v, 10)
		case uint64:
			dst = strconv.AppendUint(dst, v, 10)
		case float64:
			dst = appendFloat(dst, v, 64)
		case string:
			dst = appendString(dst, v)
		default:
			dst = append(dst, "null"...)
		}
	}
	return dst
}

// separate appends a comma unless an object or array was just opened.
func separate(dst []byte) []byte {
	if c := dst[len(dst)-1]; c == '{' || c == '[' {
		return dst
	}
	return append(dst, ',')
}

// appendField appends a key and a string.
func appendField(dst []byte, key, value string) []byte {
	dst = append(separate(dst), '"')
	dst = append(append(dst, key...), '"', ':')
	return appendString(dst, value)
}
