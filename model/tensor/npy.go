package tensor

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strings"
	"sync"

	"infer/internal/fault"
)

// Npy is an open .npy array whose rows are read when asked for. It is safe for concurrent use.
type Npy struct {
	DType DType
	Shape Shape

	r      io.ReaderAt
	closer io.Closer
	typ    npyType
	data   int64 // where the elements start

	fortran bool
	once    sync.Once
	rowsAll []byte // the elements of a Fortran-order file in row-major order, after once
	errAll  error
}

// OpenNpy opens a .npy file (versions 1 to 3, either byte order). Only the header is read. A damaged header, a file
// shorter or longer than the header says, structured and object arrays are errors that name the file.
func OpenNpy(path string) (*Npy, error) {
	f, size, err := openRegular(path)
	if err != nil {
		return nil, err
	}
	a, err := NewNpy(f, size)
	if err != nil {
		f.Close()
		return nil, fault.Wrap(err, "read %q", path)
	}
	a.closer = f
	return a, nil
}

// openRegular opens a regular file for reading: opening a pipe would wait for ever.
func openRegular(path string) (f *os.File, size int64, err error) {
	st, err := os.Stat(path)
	if err == nil && !st.Mode().IsRegular() {
		err = fmt.Errorf("open %s: not a regular file", path)
	}
	if err == nil {
		f, err = os.Open(path)
	}
	if err != nil {
		return nil, 0, fault.New(fault.Usage, "", "%w", err)
	}
	return f, st.Size(), nil
}

// NewNpy reads the header of a .npy file of size bytes held by r, which must stay readable while the Npy is used.
func NewNpy(r io.ReaderAt, size int64) (*Npy, error) {
	h, err := readNpyHeader(r, size)
	if err != nil {
		return nil, err
	}
	t, err := parseDescr(h.descr)
	if err != nil {
		return nil, err
	}
	n, err := h.shape.Elements()
	if err != nil {
		return nil, fault.New(fault.Usage, "", "%w", err)
	}
	if t.width == 0 && n > 0 {
		return nil, fault.New(fault.Usage, "", "strings of zero characters")
	}
	if t.width > 0 && n > math.MaxInt64/t.width {
		return nil, fault.New(fault.Usage, "", "shape %s: %w", h.shape, ErrTooLarge)
	}
	if have := size - h.size; have != n*t.width {
		return nil, fault.New(fault.Usage, "the file is cut off or damaged: write it again",
			"the header says shape %s of %s, which is %d bytes, and the file has %d", h.shape, t.dtype, n*t.width, have)
	}
	return &Npy{DType: t.dtype, Shape: h.shape, r: r, typ: t, data: h.size, fortran: h.fortran && len(h.shape) > 1}, nil
}

// Close closes the file. A second Close is a no-op.
func (a *Npy) Close() error {
	if a.closer == nil {
		return nil
	}
	c := a.closer
	a.closer = nil
	return c.Close()
}

// Rows returns the size of axis 0; 1 for a rank-0 array.
func (a *Npy) Rows() int64 { return Rows(Tensor{Shape: a.Shape}) }

// All reads the whole array.
func (a *Npy) All() (Tensor, error) {
	n, _ := a.Shape.Elements()
	return a.read(0, n, a.Shape)
}

// Read reads rows lo to hi (exclusive) along axis 0 of an array of rank 1 or more. The first Read of a Fortran-order
// file reads all of it.
func (a *Npy) Read(lo, hi int64) (Tensor, error) {
	if len(a.Shape) == 0 {
		return Tensor{}, fault.New(fault.Usage, "", "a rank-0 array has no rows")
	}
	if lo < 0 || hi < lo || hi > a.Shape[0] {
		return Tensor{}, fault.New(fault.Usage, "", "rows %d to %d of %d", lo, hi, a.Shape[0])
	}
	s := a.Shape.Clone()
	s[0] = hi - lo
	if hi == lo || a.elements() == 0 {
		return a.read(0, 0, s)
	}
	row := a.elements() / a.Shape[0]
	return a.read(lo*row, hi*row, s)
}

func (a *Npy) elements() int64 {
	n, _ := a.Shape.Elements() // checked by NewNpy
	return n
}

// read returns elements from to to (exclusive, counted row-major) as a tensor of shape s.
func (a *Npy) read(from, to int64, s Shape) (Tensor, error) {
	t := Tensor{DType: a.DType, Shape: s}
	raw := make([]byte, (to-from)*a.typ.width)
	if a.fortran {
		a.once.Do(a.reorder)
		if a.errAll != nil {
			return t, a.errAll
		}
		copy(raw, a.rowsAll[from*a.typ.width:])
	} else if _, err := a.r.ReadAt(raw, a.data+from*a.typ.width); err != nil && !(err == io.EOF && len(raw) == 0) {
		if err != io.EOF {
			return t, fmt.Errorf("read array: %w", err)
		}
		return t, fmt.Errorf("read array: the file became shorter: %w", io.ErrUnexpectedEOF)
	}
	if a.DType == String {
		t.Strings = a.strings(raw)
		return t, nil
	}
	if a.typ.big {
		swapBytes(raw, a.DType)
	}
	if a.DType == Bool {
		for i, b := range raw {
			if b > 1 {
				raw[i] = 1 // any set byte is true to NumPy; runtimes want 1
			}
		}
	}
	t.Data = raw
	return t, nil
}

// reorder reads a Fortran-order file and sorts its elements row-major.
func (a *Npy) reorder() {
	n, w := a.elements(), a.typ.width
	src := make([]byte, n*w)
	if _, err := a.r.ReadAt(src, a.data); err != nil && err != io.EOF {
		a.errAll = fmt.Errorf("read array: %w", err)
		return
	}
	a.rowsAll = make([]byte, n*w)
	index := make([]int64, len(a.Shape))
	strides := make([]int64, len(a.Shape))
	step := int64(1)
	for i, d := range a.Shape {
		strides[i] = step
		step *= d
	}
	at := int64(0)
	for i := range n {
		copy(a.rowsAll[i*w:(i+1)*w], src[at*w:])
		for ax := len(index) - 1; ax >= 0; ax-- {
			index[ax]++
			at += strides[ax]
			if index[ax] < a.Shape[ax] {
				break
			}
			at -= index[ax] * strides[ax]
			index[ax] = 0
		}
	}
}

// strings decodes elements of S (bytes) or U (UTF-32) type; trailing zeros are padding.
func (a *Npy) strings(raw []byte) []string {
	w := int(a.typ.width)
	if w == 0 {
		return []string{}
	}
	out := make([]string, 0, len(raw)/w)
	order := binary.ByteOrder(binary.LittleEndian)
	if a.typ.big {
		order = binary.BigEndian
	}
	for i := 0; i < len(raw); i += w {
		e := raw[i : i+w]
		if a.typ.width == a.typ.chars {
			out = append(out, strings.TrimRight(string(e), "\x00"))
			continue
		}
		var b strings.Builder
		for j := 0; j < w; j += 4 {
			b.WriteRune(rune(order.Uint32(e[j:])))
		}
		out = append(out, strings.TrimRight(b.String(), "\x00"))
	}
	return out
}

// swapBytes reverses the bytes of each number; a complex one is two.
func swapBytes(raw []byte, d DType) {
	w := d.Bits() / 8
	if d == Complex64 || d == Complex128 {
		w /= 2
	}
	for i := 0; i+w <= len(raw); i += w {
		slices.Reverse(raw[i : i+w])
	}
}

// ReadNpy reads a whole .npy file; the tensor has no name.
func ReadNpy(path string) (Tensor, error) {
	a, err := OpenNpy(path)
	if err != nil {
		return Tensor{}, err
	}
	defer a.Close()
	t, err := a.All()
	return t, fault.Wrap(err, "read %q", path)
}
