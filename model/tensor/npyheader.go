package tensor

import (
	"encoding/binary"
	"fmt"
	"io"
	"strconv"
	"strings"

	"infer/internal/fault"
)

const (
	npyMagic     = "\x93NUMPY"
	maxNpyHeader = 1 << 20 // NumPy itself refuses more than 10 000 bytes unless told otherwise
	maxNpyRank   = 64
)

// npyHeader is what the header of a .npy file says.
// Ref: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html, versions 1 to 3.
type npyHeader struct {
	descr   string
	fortran bool
	shape   Shape
	size    int64 // bytes before the data
}

// npyType is how the elements of a .npy file are stored.
type npyType struct {
	dtype DType
	width int64 // bytes of an element
	big   bool  // big-endian
	chars int64 // code units of a string element
}

// readNpyHeader reads the header at the start of r, which holds size bytes.
func readNpyHeader(r io.ReaderAt, size int64) (npyHeader, error) {
	pre := make([]byte, min(12, size))
	if _, err := r.ReadAt(pre, 0); err != nil && err != io.EOF {
		return npyHeader{}, err
	}
	if len(pre) < 10 || string(pre[:6]) != npyMagic {
		return npyHeader{}, fault.New(fault.Usage, "write it with numpy.save", "not a .npy file")
	}
	var length, start int64
	switch major := pre[6]; {
	case major == 1:
		length, start = int64(binary.LittleEndian.Uint16(pre[8:])), 10
	case (major == 2 || major == 3) && len(pre) == 12:
		length, start = int64(binary.LittleEndian.Uint32(pre[8:])), 12
	default:
		return npyHeader{}, fault.New(fault.Unsupported, "", ".npy version %d.%d is not known", major, pre[7])
	}
	if length > maxNpyHeader || start+length > size {
		return npyHeader{}, fault.New(fault.Usage, "", "the header says it is %d bytes long, and the file has %d", length, size)
	}
	text := make([]byte, length)
	if _, err := r.ReadAt(text, start); err != nil && err != io.EOF {
		return npyHeader{}, err
	}
	h, err := parseNpyHeader(string(text))
	h.size = start + length
	return h, err
}

// npyLiteral reads the Python literal of a header: one dictionary of strings, booleans and a tuple of integers.
type npyLiteral struct{ rest string }

func parseNpyHeader(text string) (npyHeader, error) {
	var h npyHeader
	seen := map[string]bool{}
	p := npyLiteral{text}
	if !p.take("{") {
		return h, fault.New(fault.Usage, "", "the header is no dictionary: %.60q", text)
	}
	for !p.take("}") {
		key, err := p.str()
		if err != nil {
			return h, err
		}
		if !p.take(":") {
			return h, p.bad("a colon")
		}
		switch key {
		case "descr":
			h.descr, err = p.descr()
		case "fortran_order":
			h.fortran, err = p.boolean()
		case "shape":
			h.shape, err = p.tuple()
		default:
			err = fault.New(fault.Usage, "", "the header has the unknown key %.40q", key)
		}
		if err != nil {
			return h, err
		}
		if seen[key] {
			return h, fault.New(fault.Usage, "", "the header has the key %q twice", key)
		}
		seen[key] = true
		if !p.take(",") && !strings.HasPrefix(p.rest, "}") {
			return h, p.bad("a comma")
		}
	}
	if strings.TrimSpace(p.rest) != "" {
		return h, p.bad("the end")
	}
	if len(seen) != 3 {
		return h, fault.New(fault.Usage, "", "the header lacks one of descr, fortran_order and shape")
	}
	return h, nil
}

func (p *npyLiteral) take(token string) bool {
	p.rest = strings.TrimLeft(p.rest, " \t\r\n")
	rest, ok := strings.CutPrefix(p.rest, token)
	if ok {
		p.rest = strings.TrimLeft(rest, " \t\r\n")
	}
	return ok
}

func (p *npyLiteral) bad(wanted string) error {
	return fault.New(fault.Usage, "", "the header is damaged: %s wanted at %.40q", wanted, p.rest)
}

func (p *npyLiteral) str() (string, error) {
	p.take("")
	if p.rest == "" || p.rest[0] != '\'' && p.rest[0] != '"' {
		return "", p.bad("a string")
	}
	end := strings.IndexByte(p.rest[1:], p.rest[0])
	if end < 0 {
		return "", p.bad("the end of a string")
	}
	s := p.rest[1 : 1+end]
	p.rest = p.rest[end+2:]
	return s, nil
}

func (p *npyLiteral) descr() (string, error) {
	if p.take("[") || p.take("(") {
		return "", fault.New(fault.Usage, "save one plain array a file", "structured arrays are not supported")
	}
	return p.str()
}

func (p *npyLiteral) boolean() (bool, error) {
	if p.take("True") {
		return true, nil
	}
	if p.take("False") {
		return false, nil
	}
	return false, p.bad("True or False")
}

func (p *npyLiteral) tuple() (Shape, error) {
	if !p.take("(") {
		return nil, p.bad("a tuple")
	}
	s := Shape{}
	for !p.take(")") {
		n := 0
		for n < len(p.rest) && p.rest[n] >= '0' && p.rest[n] <= '9' {
			n++
		}
		d, err := strconv.ParseInt(p.rest[:n], 10, 64)
		if err != nil || len(s) == maxNpyRank {
			return nil, p.bad("a dimension")
		}
		s = append(s, d)
		p.rest = p.rest[n:]
		p.take("L") // Python 2 wrote long integers so
		if !p.take(",") && !strings.HasPrefix(p.rest, ")") {
			return nil, p.bad("a comma")
		}
	}
	return s, nil
}

var npyKinds = map[string]DType{
	"b1": Bool, "i1": Int8, "i2": Int16, "i4": Int32, "i8": Int64, "u1": Uint8, "u2": Uint16, "u4": Uint32, "u8": Uint64,
	"f2": Float16, "f4": Float32, "f8": Float64, "c8": Complex64, "c16": Complex128,
	"V2": BFloat16, "bfloat16": BFloat16, // what ml_dtypes writes, and its name
}

// parseDescr reads a type string of NumPy, such as "<f4", "|b1" or ">U12".
func parseDescr(descr string) (npyType, error) {
	kind := strings.TrimLeft(descr, "<>|=")
	if len(descr)-len(kind) > 1 || kind == "" {
		return npyType{}, fault.New(fault.Usage, "", "the header has the damaged type %.40q", descr)
	}
	big := strings.HasPrefix(descr, ">")
	if d, ok := npyKinds[kind]; ok {
		return npyType{dtype: d, width: int64(d.Bits() / 8), big: big}, nil
	}
	switch kind[0] {
	case 'O':
		return npyType{}, fault.New(fault.Usage, "save it with a plain dtype, such as astype(numpy.float32) or astype(str)",
			"object arrays hold pickled Python objects, which are not read")
	case 'S', 'U':
		n, err := strconv.ParseInt(kind[1:], 10, 32)
		if err != nil || n < 0 {
			break
		}
		t := npyType{dtype: String, width: n, chars: n, big: big}
		if kind[0] == 'U' {
			t.width = 4 * n
		}
		return t, nil
	}
	return npyType{}, fault.New(fault.Unsupported, "save it as bool, an integer, a float, a complex or a string type",
		"the array type %.40q is not supported", descr)
}

// npyDescr returns the type string of a dtype and the dtype that is stored: types that NumPy lacks go into the next one
// that holds them exactly.
func npyDescr(d DType) (descr string, stored DType, err error) {
	switch d {
	case Bool:
		return "|b1", d, nil
	case BFloat16:
		return "<V2", d, nil
	case Int4, Int2:
		return "|i1", Int8, nil
	case Uint4, Uint2:
		return "|u1", Uint8, nil
	case Float8E4M3FN, Float8E4M3FNUZ, Float8E5M2, Float8E5M2FNUZ, Float8E8M0, Float4E2M1:
		return "<f4", Float32, nil
	}
	for kind, k := range npyKinds {
		if k == d {
			if d.Bits() == 8 {
				return "|" + kind, d, nil
			}
			return "<" + kind, d, nil
		}
	}
	return "", d, fault.New(fault.Unsupported, "", "%s cannot be stored in a .npy file", d)
}

// npyHeaderBytes returns a version 1 header of at least size bytes, a multiple of 64.
func npyHeaderBytes(descr string, s Shape, size int) []byte {
	dims := ""
	for i, d := range s {
		if i > 0 {
			dims += " "
		}
		dims += strconv.FormatInt(d, 10) + ","
	}
	if len(s) > 1 {
		dims = strings.TrimSuffix(dims, ",")
	}
	text := fmt.Sprintf("{'descr': '%s', 'fortran_order': False, 'shape': (%s), }", descr, dims)
	total := max(size, (10+len(text)+1+63)/64*64)
	out := make([]byte, total)
	copy(out, npyMagic)
	out[6] = 1
	binary.LittleEndian.PutUint16(out[8:], uint16(total-10))
	n := 10 + copy(out[10:], text)
	for ; n < total-1; n++ {
		out[n] = ' '
	}
	out[total-1] = '\n'
	return out
}
